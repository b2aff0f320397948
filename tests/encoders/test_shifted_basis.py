"""ShiftedBasisEncoder: its contract, the law, formulas at the ends, settings and errors."""

import math

import numpy as np
import pytest
import torch
from array_api_compat import array_namespace
from encoder_contract import EPS32, EncoderContract, dense_stable_rank, on_all_domains, spread
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils.estimator_checks import parametrize_with_checks
from test_bases import LAW, PHI, Bumps, Laplacian, RaisedCosine, autocorrelation

from sk_posenc import EncoderModule, ShiftedBasisEncoder
from sk_posenc.encoders.bases import resolve_basis

LOCAL = ["gaussian", "triangle", "rectangle", "bspline", "matern12", "matern32", "matern72"]
RIPPLE = {"gaussian": 0.015, "triangle": 0.02, "bspline": 0.002, "rectangle": 1e-12}
RIPPLE |= {"matern12": 0.016, "matern32": 0.02, "matern72": 0.0101}
# of products at a displacement, where the sampled one is not the integral
SIMILARITY_RIPPLE = {
    "gaussian": 0.015,
    "triangle": 0.02,
    "bspline": 0.002,
    "rectangle": 1 / 8,
    "impulse": 1e-12,
    "sine": 1e-12,
    "square": 2 / 26,
    "matern12": 0.016,
    "matern32": 0.02,
    "matern72": 0.01,
}


def grid(n_per_axis, n_axes=2):
    axis = (np.arange(n_per_axis) + 0.5) / n_per_axis
    return np.stack(np.meshgrid(*[axis] * n_axes), axis=-1).reshape(-1, n_axes)


class TestContract(EncoderContract):
    @pytest.fixture(
        params=[
            ("gaussian", "extend", 12),
            ("gaussian", "periodic", 128),
            ("gaussian", "cut", 32),
            ("triangle", "extend", 32),
            ("triangle", "periodic", 3),
            ("rectangle", "extend", 12),
            ("rectangle", "periodic", 32),
            ("bspline", "extend", 128),
            ("bspline", "periodic", 2),
            ("bspline", "cut", 12),
            ("matern12", "extend", 8),
            ("matern12", "periodic", 10),
            ("matern12", "cut", 16),
            ("matern32", "extend", 12),
            ("matern32", "periodic", 32),
            ("matern72", "extend", 32),
            ("matern72", "periodic", 16),
            ("impulse", "extend", 12),
            ("impulse", "periodic", 16),
            ("sine", "extend", "auto"),
            ("sine", "periodic", "auto"),
            ("square", "extend", "auto"),
            ("square", "periodic", "auto"),
        ],
        ids=lambda param: "-".join(map(str, param)),
    )
    def encoder(self, request):
        basis, boundary, rank = request.param
        return ShiftedBasisEncoder(basis, boundary=boundary, stable_rank=rank)

    def displacements(self, encoder, X, axis):
        """(shift - x) in bandwidths, of the images from -4 to 4 where periodic."""
        (low, high), shifts = encoder.domain_[axis], encoder.shifts_[axis]
        x = X[:, axis]
        if encoder.boundary == "extend":
            x = np.clip(x, low, high)
        wraps = encoder.boundary == "periodic" and encoder.basis not in ("sine", "square")
        if encoder.boundary == "periodic":
            x = low + np.mod(x - low, high - low)
        images = np.arange(-4, 5) * (high - low) if wraps else np.zeros(1)
        difference = (shifts - x[:, None])[..., None] + images
        return difference / encoder.bandwidth_[axis]

    def reference(self, encoder, X):
        blocks = []
        for axis in range(X.shape[1]):
            (low, high), shifts = encoder.domain_[axis], encoder.shifts_[axis]
            u = self.displacements(encoder, X, axis)
            n, width = len(shifts), encoder.bandwidth_[axis]
            if encoder.basis == "impulse":
                nearest = np.argmin(np.abs(u).min(axis=-1), axis=1)
                blocks.append(np.eye(n)[nearest])
                continue
            if encoder.basis in ("sine", "square"):
                energy = n * autocorrelation(encoder.basis, 0.0)
            else:
                periodic = encoder.boundary == "periodic"
                spacing = (high - low) / n if periodic else shifts[1] - shifts[0]
                overlaps = np.arange(-8, 9) * (high - low) / width if periodic else [0.0]
                energy = sum(autocorrelation(encoder.basis, d) for d in overlaps) * width / spacing
            blocks.append(PHI[encoder.basis](u).sum(axis=-1) / math.sqrt(energy))
        return np.hstack(blocks) / math.sqrt(X.shape[1])

    def stable_rank_tolerance(self, encoder):
        # samples fall unevenly between the jumps of these
        return 0.05 if encoder.basis in ("impulse", "rectangle") else 0.02

    def away_from_jumps(self, encoder, X):
        jumps = {"rectangle": [-0.5, 0.5], "square": np.arange(-4, 4.1, 0.5), "matern12": [0.0]}
        if encoder.basis == "impulse":
            axes = [np.abs(self.displacements(encoder, X, axis)).min(-1) for axis in range(2)]
            gaps = [np.diff(np.partition(u, 1, axis=1)[:, :2])[:, 0] for u in axes]
            clear = np.all(np.array(gaps) > 1e-3, axis=0)
            assert clear.mean() > 0.8  # coordinates beyond an end may tie
            return clear[:, None]
        if encoder.basis not in jumps:
            return super().away_from_jumps(encoder, X)
        clear = []
        for axis in range(X.shape[1]):
            u = self.displacements(encoder, X, axis)[..., None]
            clear.append((np.abs(u - jumps[encoder.basis]) > 1e-5).all(axis=(-1, -2)))
        clear = np.hstack(clear)
        assert clear.mean() > 0.9
        return clear

    @on_all_domains
    def test_similarity_is_the_inner_product(self, fitted, domain):
        if fitted.boundary == "cut":
            width = domain[1] - domain[0]
            domain = (domain[0] + 0.4 * width, domain[1] - 0.4 * width)
        X1, X2 = spread(domain, 80), spread(domain, 160)[80:]
        X2[:40] = X1[:40] + (X2[:40] - X1[:40]) * 0.05  # near pairs as well
        products = fitted.transform(X1) @ fitted.transform(X2).T
        error = np.abs(fitted.similarity(X1, X2) - products)
        assert error.max() <= SIMILARITY_RIPPLE[fitted.basis] + 1e-9

    @on_all_domains
    def test_outside_the_domain(self, fitted, domain):
        (low, high), width = domain, domain[1] - domain[0]
        X = spread(domain, 20)
        if fitted.boundary == "extend":
            far = fitted.transform([[low - 3 * width, high + 1e6 * width]])
            np.testing.assert_array_equal(far, fitted.transform([[low, high]]))
        elif fitted.boundary == "periodic":
            for turns in (-2, 1, 3):
                wrapped, E = fitted.transform(X + turns * width), fitted.transform(X)
                error = np.abs(wrapped - E) * self.away_from_jumps(fitted, X)
                assert error.max() <= 1e-9
        else:
            gone = fitted.transform([[low - width, high + width]])
            assert np.abs(gone).max() < 1e-12

    @on_all_domains
    def test_the_two_ends_meet_only_where_periodic(self, fitted, domain):
        ends = fitted.transform([[domain[0]] * 2, [domain[1]] * 2])
        distance = np.linalg.norm(ends[0] - ends[1])
        if fitted.boundary == "periodic":
            # a jump at the end may fall to either side of it by rounding
            assert distance < (1e-9 if fitted.basis not in ("rectangle", "square") else 0.6)
        else:
            assert distance > 0.5

    @on_all_domains
    def test_squared_norms_are_one(self, fitted, domain):
        X = np.vstack([spread(domain, 500), [[domain[0]] * 2], [[domain[1]] * 2]])
        if fitted.basis == "rectangle":  # at the ends rounding decides on which side of a jump
            X = X[:-2]
        if fitted.boundary == "cut":
            X = X[(np.abs(X - np.mean(domain)) < 0.1 * (domain[1] - domain[0])).all(axis=1)]
            assert len(X) > 10
        norms = np.sum(fitted.transform(X) ** 2, axis=1)
        np.testing.assert_allclose(norms, 1, rtol=0, atol=RIPPLE.get(fitted.basis, 1e-12) + 1e-12)

    def test_names_go_axis_by_axis(self, fitted):
        names = list(fitted.get_feature_names_out())
        n = len(fitted.shifts_[0])
        assert all(name.startswith(f"x0_{fitted.basis}") for name in names[:n])
        assert all(name.startswith(f"x1_{fitted.basis}") for name in names[n:])


@pytest.mark.filterwarnings("ignore::sk_posenc.PoorFitWarning")  # half lie outside
@on_all_domains
@pytest.mark.parametrize("boundary", ["extend", "periodic", "cut"])
@pytest.mark.parametrize("basis", LOCAL)
def test_float32_at_high_stable_rank(basis, boundary, domain):
    encoder = ShiftedBasisEncoder(basis, stable_rank=128, boundary=boundary, domain=domain)
    X = spread(domain, 200, beyond=0.5 if boundary != "cut" else 0).astype(np.float32)
    single, double = encoder.fit(X).transform(X), encoder.transform(X.astype(np.float64))
    difference = np.abs(single - double)
    if basis in ("rectangle", "matern12"):
        assert np.mean(difference > 1e-6 * double.max()) < 1e-4  # jumps within rounding
    else:
        assert difference.max() <= 1e-6 * double.max()


class TestSineInFloat32(TestContract):
    """A short period: phases, and with them rounding, grow large."""

    @pytest.fixture(params=["extend", "periodic"])
    def encoder(self, request):
        return ShiftedBasisEncoder("sine", boundary=request.param)

    @pytest.fixture
    def fitted(self, encoder, domain):
        width = domain[1] - domain[0]
        return encoder.set_params(domain=domain, bandwidth=width / 20).fit(spread(domain, 300))

    def float32_tolerance(self, encoder, X):
        return 4 * EPS32 * 2 * math.pi * 20

    # a period that fits 20 times into the domain makes its ends meet, as asked
    test_the_two_ends_meet_only_where_periodic = None
    # its domain has another width, into which this period does not fit
    test_constant_column = None


@pytest.mark.parametrize("basis", LOCAL)
@pytest.mark.parametrize("rank", [8, 32, 128])
def test_periodic_law_within_2_percent(basis, rank):
    X = np.linspace(0, 1, 1500, endpoint=False)[:, None]
    encoder = ShiftedBasisEncoder(basis, stable_rank=rank, domain=(0, 1), boundary="periodic")
    E = encoder.fit_transform(X)
    assert dense_stable_rank(E) == pytest.approx(rank, rel=0.02)
    assert encoder.stable_rank_[0] == pytest.approx(rank, rel=0.02)
    assert encoder.bandwidth_[0] == pytest.approx(LAW[basis](1.0) / rank, rel=1e-12)


@pytest.mark.parametrize("rank", [1, 8, 31.5])
def test_impulse_has_a_column_for_each_unit_of_stable_rank(rank):
    X = np.linspace(0, 1, 4000, endpoint=False)[:, None]
    encoder = ShiftedBasisEncoder("impulse", stable_rank=rank, domain=(0, 1), boundary="periodic")
    measured = dense_stable_rank(encoder.fit_transform(X))
    assert measured == pytest.approx(math.ceil(rank), rel=0.02)


@pytest.mark.parametrize("unit", [1.0, 1e-6, 3600.0])
@pytest.mark.parametrize("basis", LOCAL)
def test_stable_rank_has_no_unit(basis, unit):
    X = np.linspace(0, 1, 100)[:, None]
    plain = ShiftedBasisEncoder(basis, stable_rank=10).fit(X)
    scaled = ShiftedBasisEncoder(basis, stable_rank=10).fit(X * unit)
    np.testing.assert_allclose(scaled.bandwidth_, plain.bandwidth_ * unit)
    np.testing.assert_allclose(scaled.stable_rank_, plain.stable_rank_, rtol=1e-6)


@pytest.mark.filterwarnings("ignore:ShiftedBasisEncoder reaches:UserWarning")
@pytest.mark.parametrize("boundary", ["extend", "periodic", "cut"])
@pytest.mark.parametrize("n_shifts", ["auto", 1, 2, 20, 300])
@pytest.mark.parametrize("basis", [*LOCAL, RaisedCosine(), Laplacian()], ids=str)
def test_stable_rank_agrees_with_dense_samples(basis, n_shifts, boundary):
    x = (np.arange(1500) + 0.37) / 1500  # off the jumps of the rectangle
    for rank in (1, 24) if n_shifts != 300 else (60,):
        encoder = ShiftedBasisEncoder(
            basis, stable_rank=rank, n_shifts=n_shifts, domain=(0, 1), boundary=boundary
        ).fit(x[:, None])
        E = encoder.transform(x[:, None])
        # the encoder itself measures on fewer samples: coarse ones see jumps differently
        assert encoder.stable_rank_[0] == pytest.approx(dense_stable_rank(E), rel=0.03)


@pytest.mark.parametrize("basis", ["gaussian", "triangle", "bspline"])
def test_simple_encoding_of_two_axes_has_the_stable_rank_of_one(basis):
    encoder = ShiftedBasisEncoder(basis, stable_rank=16, domain=(0, 1), boundary="periodic")
    E = encoder.fit_transform(grid(48))
    assert dense_stable_rank(E) == pytest.approx(16, rel=0.02)
    np.testing.assert_allclose(encoder.stable_rank_, 16, rtol=0.02)


def test_zero_mean_functions_of_two_axes_add_up():
    encoder = ShiftedBasisEncoder("sine", domain=(0, 1), boundary="periodic")
    assert dense_stable_rank(encoder.fit_transform(grid(32))) == pytest.approx(4, rel=1e-6)
    np.testing.assert_allclose(encoder.stable_rank_, 2, rtol=1e-6)


def test_settings_per_axis():
    encoder = ShiftedBasisEncoder(
        stable_rank=[4, "auto"],
        bandwidth=(None, 0.2),
        n_shifts=["auto", 60],
        domain=[(0, 1), (-5, 5)],
        boundary=["periodic", "extend"],
    ).fit(grid(20))
    np.testing.assert_allclose(encoder.bandwidth_, [1 / (8 * math.sqrt(math.pi)), 0.2])
    inside = (encoder.shifts_[1] >= -5 - 1e-9) & (encoder.shifts_[1] <= 5 + 1e-9)
    assert inside.sum() == 60
    assert encoder.shifts_[1][inside][[0, -1]] == pytest.approx([-5, 5])
    assert not inside.all()  # further shifts beyond both ends


def test_cut_has_no_shifts_outside_and_fades():
    X = np.linspace(0, 1, 101)[:, None]
    norms = {}
    for boundary in ("extend", "cut"):
        encoder = ShiftedBasisEncoder(stable_rank=16, boundary=boundary).fit(X)
        norms[boundary] = np.sum(encoder.transform(X) ** 2, axis=1)
    assert encoder.shifts_[0].min() >= 0
    assert encoder.shifts_[0].max() <= 1
    np.testing.assert_allclose(norms["extend"], 1, atol=0.015)
    # half of the squares, and half of the one that stands at an end or a gap beyond it
    shifts, width = encoder.shifts_[0], encoder.bandwidth_[0]
    squares = np.exp(-((shifts / width) ** 2)) * (shifts[1] - shifts[0])
    expected = squares.sum() / (math.sqrt(math.pi) * width)
    np.testing.assert_allclose(norms["cut"][[0, -1]], expected, rtol=1e-9)
    assert 0.3 < expected < 0.7


@pytest.mark.parametrize(
    ("X", "ranks"),
    [
        (np.arange(400.0)[:, None], [100]),
        (np.array([[0.0], [1.0], [3.0]]), [2]),
        (np.stack(np.meshgrid(np.arange(40), np.arange(200)), -1).reshape(-1, 2), [10, 50]),
        (np.random.default_rng(0).uniform(size=(1600, 2)), [10, 10]),
        (np.full((5, 1), 3.0), [2]),
    ],
    ids=["series", "three", "grid", "scattered", "constant"],
)
def test_auto_is_a_quarter_of_the_samples_per_axis(X, ranks):
    encoder = ShiftedBasisEncoder().fit(X)
    lengths = encoder.domain_[:, 1] - encoder.domain_[:, 0]
    np.testing.assert_allclose(
        LAW["gaussian"](1.0) / (encoder.bandwidth_ / lengths), ranks, rtol=1e-9
    )


def test_auto_stays_within_explicit_shifts():
    X = np.linspace(0, 1, 4000)[:, None]
    encoder = ShiftedBasisEncoder(n_shifts=53).fit(X)  # and does not warn
    assert 1 / (2 * math.sqrt(math.pi) * encoder.bandwidth_[0]) == pytest.approx(20)


@pytest.mark.parametrize("basis", [*LOCAL, "impulse", "sine", "square"])
@pytest.mark.parametrize("boundary", ["extend", "periodic", "cut"])
@pytest.mark.parametrize("n", [1, 2, 3, 17, 300])
def test_defaults_do_not_warn(basis, boundary, n):
    X = np.random.default_rng(n).uniform(size=(n, 2))
    domain = (0, 1) if boundary == "periodic" else None
    ShiftedBasisEncoder(basis, boundary=boundary, domain=domain).fit(X)


@pytest.mark.parametrize("basis", LOCAL)
def test_too_few_shifts_warn(basis):
    X = np.linspace(0, 1, 200)[:, None]
    with pytest.warns(UserWarning, match=r"axis 0.*64.*n_shifts.*stable_rank"):
        encoder = ShiftedBasisEncoder(basis, stable_rank=64, n_shifts=20).fit(X)
    assert encoder.stable_rank_[0] < 0.9 * 64


@pytest.mark.filterwarnings("ignore::sk_posenc.PoorFitWarning")  # most lie outside
@pytest.mark.parametrize("boundary", ["extend", "cut", "periodic"])
def test_impulse_has_one_entry_in_each_row(boundary, rng):
    domain = (0.0, 1.0)
    encoder = ShiftedBasisEncoder("impulse", stable_rank=10, boundary=boundary, domain=domain)
    for dtype in (np.float64, np.float32):
        ends = np.array([0.0, 1.0, -3.0, 7.0, 0.05, 0.1, 0.5])
        X = np.concatenate([rng.uniform(-2, 3, 500), np.arange(0, 1, 1 / 40), ends])
        E = encoder.fit(X[:, None].astype(dtype)).transform(X[:, None].astype(dtype))
        np.testing.assert_array_equal(np.count_nonzero(E, axis=1), 1)
        np.testing.assert_array_equal(E.max(axis=1), 1)


@pytest.mark.parametrize(
    ("basis", "boundary"),
    [
        ("gaussian", "extend"),
        ("gaussian", "periodic"),
        ("bspline", "cut"),
        ("bspline", "periodic"),
        ("sine", "periodic"),
        ("sine", "cut"),
        (RaisedCosine(), "periodic"),
        (Bumps(), "periodic"),
    ],
    ids=str,
)
def test_gradients_flow(basis, boundary):
    encoder = ShiftedBasisEncoder(basis, boundary=boundary, domain=(0, 1)).fit(grid(10))
    X = torch.rand(3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    X.requires_grad_()
    xp = array_namespace(X)
    arrays = encoder._arrays_like(X)
    assert torch.autograd.gradcheck(lambda x: encoder._features(x, arrays, xp), X)


@pytest.mark.parametrize("basis", ["gaussian", "triangle", "rectangle", "bspline"])
def test_ends_do_not_fade_whatever_the_number_of_shifts(basis):
    X = np.array([[1e-6], [1 - 1e-6]])  # off the jumps of the rectangle
    for rank in np.linspace(3, 40, 12):
        encoder = ShiftedBasisEncoder(basis, stable_rank=rank, domain=(0, 1)).fit(X)
        norms = np.sum(encoder.transform(X) ** 2, axis=1)
        np.testing.assert_allclose(norms, 1, rtol=0, atol=RIPPLE[basis])


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"basis": "gauss"}, ValueError, "basis"),
        ({"basis": None}, TypeError, "basis"),
        ({"basis": np.exp}, TypeError, "basis"),
        ({"basis": RaisedCosine}, TypeError, "basis"),
        ({"basis": "sine", "stable_rank": 8}, ValueError, "stable_rank=8.*2.*bandwidth"),
        ({"basis": "square", "stable_rank": 8}, ValueError, r"stable_rank=8.*2\.467.*bandwidth"),
        ({"basis": "sine", "stable_rank": 2, "bandwidth": 1}, ValueError, "stable_rank.*bandwidth"),
        ({"stable_rank": 8, "bandwidth": 0.1}, ValueError, "stable_rank.*bandwidth"),
        ({"stable_rank": ["auto", 8], "bandwidth": [1, 0.1]}, ValueError, "stable_rank.*bandwidth"),
        ({"stable_rank": 0.5}, ValueError, "stable_rank must be at least 1"),
        ({"stable_rank": 1e12}, ValueError, "stable_rank"),
        ({"stable_rank": 1e300}, ValueError, "stable_rank"),
        ({"bandwidth": 1e-300}, ValueError, "bandwidth"),
        ({"n_shifts": 10**15}, ValueError, "n_shifts"),
        ({"n_shifts": 2.5}, TypeError, "n_shifts"),
        ({"n_shifts": 0}, ValueError, "n_shifts"),
        ({"n_shifts": "many"}, ValueError, "n_shifts"),
        ({"n_shifts": True}, TypeError, "n_shifts"),
        ({"n_shifts": None}, TypeError, "n_shifts"),
        ({"n_shifts": [3, 3, 3]}, ValueError, "n_shifts.*2 axes"),
        ({"boundary": "wrap"}, ValueError, "boundary"),
        ({"boundary": None}, TypeError, "boundary"),
        ({"boundary": ["extend"] * 3}, ValueError, "boundary.*2 axes"),
        ({"boundary": "periodic"}, ValueError, "periodic.*domain"),
        ({"boundary": ["extend", "periodic"]}, ValueError, "periodic.*domain"),
        (
            {"basis": "sine", "boundary": "periodic", "domain": (0, 1), "bandwidth": 0.4},
            ValueError,
            "bandwidth",
        ),
        *[
            ({name: value}, (ValueError, TypeError), name)
            for name in ("stable_rank", "bandwidth")
            for value in (0, -1, np.nan, np.inf, "wide", True, 1j, [1, 2, 3], {"x": 1}, [[1, 2]])
        ],
        ({"stable_rank": None}, TypeError, "stable_rank"),
    ],
    ids=str,
)
def test_bad_settings(settings, error, message):
    with pytest.raises(error, match=message):
        ShiftedBasisEncoder(**settings).fit(grid(5))


def test_sine_accepts_its_own_stable_rank():
    assert ShiftedBasisEncoder("sine", stable_rank=2).fit(grid(5)).n_features_in_ == 2
    assert ShiftedBasisEncoder("square", stable_rank=2.467).fit(grid(5)).n_features_in_ == 2


def test_a_failed_setting_leaves_a_fitted_encoder_alone():
    encoder = ShiftedBasisEncoder().fit(grid(5))
    before = encoder.transform(grid(5))
    for bad in ({"stable_rank": [3, -1]}, {"stable_rank": "auto", "basis": "no"}):
        state = encoder.set_params(**bad).__dict__.copy()
        with pytest.raises(ValueError, match=r"stable_rank|basis"):
            encoder.fit(np.zeros((4, 2)))
        assert all(encoder.__dict__[name] is state[name] for name in state)
        np.testing.assert_array_equal(encoder.transform(grid(5)), before)


@parametrize_with_checks(
    [
        ShiftedBasisEncoder("triangle", stable_rank=6),
        ShiftedBasisEncoder("rectangle", boundary="cut"),
        ShiftedBasisEncoder("impulse", n_shifts=9),
        ShiftedBasisEncoder("bspline", bandwidth=0.5, boundary="periodic", domain=(-20, 20)),
        ShiftedBasisEncoder("sine", boundary="periodic", domain=(-20, 20), bandwidth=5),
        ShiftedBasisEncoder("square"),
        ShiftedBasisEncoder(Laplacian(), stable_rank=3),
    ]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


# Beyond so many bandwidths a basis is below 1e-5 of its peak.
REACH = {"gaussian": math.sqrt(2 * math.log(1e5)), "triangle": 1, "rectangle": 0.5, "bspline": 2}
REACH |= {"impulse": 0.5, "matern12": math.log(1e5)}
REACH |= {"matern32": math.log(1e5), "matern72": 14.2367}
SPACINGS_PER_RANK = {"gaussian": 2.6, "triangle": 8.3, "rectangle": 8, "bspline": 4.2, "impulse": 1}
SPACINGS_PER_RANK |= {"matern12": 128, "matern32": 18, "matern72": 5.4}
JUMPS = {"rectangle": 0.5, "matern12": 0.0}  # of |u|
whole_ranks_alone = pytest.mark.filterwarnings("ignore:ShiftedBasisEncoder reaches")  # impulses


def images_apart(encoder, x):
    """Displacements of coordinates from all shifts, and all their images, in bandwidths."""
    shifts, width = encoder.shifts_[0], encoder.bandwidth_[0]
    low, high = encoder.domain_[0]
    images = np.arange(-9, 10) * (high - low) if encoder.boundary == "periodic" else np.zeros(1)
    if encoder.boundary == "extend":
        x = np.clip(x, low, high)
    return (shifts + images[:, None, None] - x[:, None]) / width


@whole_ranks_alone
@given(
    basis=st.sampled_from([*LOCAL, "impulse"]),
    boundary=st.sampled_from(["extend", "periodic", "cut"]),
    n_spacings=st.integers(18, 100),
    part=st.sampled_from([0, 0.3, 0.97]),
    low=st.sampled_from([0.0, -3.0, 1000.0]),
    length=st.sampled_from([1.0, 7.3]),
    seed=st.integers(0, 10_000),
)
@settings(max_examples=150)
def test_columns_are_the_basis_at_evenly_spaced_shifts(
    basis, boundary, n_spacings, part, low, length, seed
):
    domain = (low, low + length)
    n_spacings += 110 * (basis == "matern12")  # a stable rank is no lower than 1
    rank = (n_spacings + part) / SPACINGS_PER_RANK[basis]
    encoder = ShiftedBasisEncoder(basis, stable_rank=rank, boundary=boundary, domain=domain)
    encoder.fit([[low], [low + length]])
    shifts, width = encoder.shifts_[0], encoder.bandwidth_[0]
    reach = REACH[basis] * width
    spacing = np.diff(shifts)
    middle = low + length / 2
    if boundary == "periodic":
        np.testing.assert_allclose(spacing, length / len(shifts), rtol=1e-9)
        assert shifts[0] == low
        rounded = round(part) if basis in ("rectangle", "impulse") else math.ceil(part)
        assert len(shifts) == n_spacings + rounded
    else:
        np.testing.assert_allclose(spacing, spacing.mean(), rtol=1e-9)
        inside = np.abs(shifts - middle) <= length / 2 * (1 + 1e-9)
        assert inside.sum() == n_spacings + 1
        own = shifts[inside] if basis == "matern12" else shifts
        np.testing.assert_allclose(own + own[::-1], 2 * middle, rtol=1e-9)
    if boundary == "cut" or (basis == "impulse" and boundary == "extend"):
        assert inside.all()
    elif boundary == "extend":
        # all whose functions reach into the domain, and none besides
        beyond = shifts[-1] - (low + length)
        assert reach - spacing[0] * (1 + 1e-6) <= beyond <= reach + 1e-6 * spacing[0]
        assert basis != "matern12" or inside[0]  # those below the domain never reach into it
    rng = np.random.default_rng(seed)
    x = rng.uniform(low - 0.2 * length, low + 1.2 * length, 40)
    u = images_apart(encoder, x)
    if basis == "impulse":
        nearest = np.abs(u).min(axis=0)
        values = (nearest == nearest.min(axis=1, keepdims=True)).astype(float)
    else:
        values = PHI[basis](u).sum(axis=0)
    E = encoder.transform(x[:, None])
    # on a jump, as at an end, rounding decides
    clear = (np.abs(np.abs(u) - JUMPS.get(basis, math.inf)) > 1e-6).all(axis=0)
    error = np.abs(E - E.max() / values.max() * values)
    assert error[clear].max() <= 1e-7 * E.max()


@pytest.mark.parametrize("boundary", ["extend", "periodic", "cut"])
# float32 has no digits for the coordinates of other domains
@pytest.mark.parametrize(
    ("dtype", "low"), [("float32", 0.0), ("float64", 0.0), ("float64", 0.3), ("float64", 1000.0)]
)
def test_on_aligned_grids_a_one_sided_basis_has_its_peak(boundary, dtype, low):
    """A coordinate that is a shift but for rounding counts to the right of its jump."""
    n = 11 if boundary != "periodic" else 10
    encoder = ShiftedBasisEncoder(
        "matern12", bandwidth=0.15, n_shifts=n, domain=(low, low + 1), boundary=boundary
    )
    encoder.fit([[low], [low + 1]])
    own = encoder.shifts_[0][:n]
    for x in (own, low + np.arange(n) / 10, np.nextafter(own, low), np.nextafter(own, low + 1)):
        E = encoder.transform(np.clip(x, low, low + 1).astype(dtype)[:, None])[:, :n]
        np.testing.assert_array_equal(np.argmax(E, axis=1), np.arange(n))
        np.testing.assert_allclose(E.max(axis=1), E.max(), rtol=1e-5)


def test_a_one_sided_basis_has_even_norms_at_both_ends():
    encoder = ShiftedBasisEncoder("matern12", stable_rank=8, domain=(0, 1)).fit([[0.0], [1.0]])
    spacing = np.diff(encoder.shifts_[0])[0]
    for low in (0.0, 0.5, 1 - 3 * spacing):
        E = encoder.transform(np.linspace(low, low + 3 * spacing, 1000)[:, None])
        norms = np.sum(E**2, axis=1)
        # a saw of the spacing in bandwidths, about 1
        assert norms.mean() == pytest.approx(1, abs=1e-3)
        assert np.ptp(norms) == pytest.approx(spacing / encoder.bandwidth_[0] * 2, rel=0.02)
    assert np.all(encoder.transform([[0.0], [1.0]]).max(axis=0)[:-1] > 0)


@whole_ranks_alone
@given(
    basis=st.sampled_from([*LOCAL, "impulse"]),
    boundary=st.sampled_from(["extend", "periodic"]),
    rank=st.floats(1, 40),
    n_axes=st.integers(1, 2),
    seed=st.integers(0, 10_000),
)
def test_norms_are_one_to_either_end(basis, boundary, rank, n_axes, seed):
    x = np.random.default_rng(seed).uniform(0, 1, 60)
    x[:4] = 1e-7, 1 - 1e-7, 1e-3, 1 - 1e-3
    encoder = ShiftedBasisEncoder(basis, stable_rank=rank, boundary=boundary, domain=(0, 1))
    E = encoder.fit_transform(np.column_stack([x] * n_axes))
    # narrow circles hold a whole number of shifts, and ripple less
    np.testing.assert_allclose(np.sum(E**2, axis=1), 1, atol=RIPPLE.get(basis, 1e-9))
    if basis in ("rectangle", "impulse"):
        per_axis = np.count_nonzero(E.reshape(60, n_axes, -1), axis=2)
        assert np.ptp(per_axis) == 0  # piecewise constant: as many ones wherever it is


@given(rank=st.floats(1, 60), width=st.sampled_from([1.0, 7.3, 1e-3]))
def test_a_circle_holds_a_whole_number_of_rectangles(rank, width):
    encoder = ShiftedBasisEncoder(
        "rectangle", stable_rank=rank, boundary="periodic", domain=(0, width)
    ).fit([[0.0]])
    n = len(encoder.shifts_[0])
    assert n == max(1, round(8 * rank))
    assert encoder.bandwidth_[0] == pytest.approx(8 * width / n)
    assert encoder.stable_rank_[0] == pytest.approx(max(1, n / 8), rel=0.02)


@pytest.mark.parametrize("basis", LOCAL)
@pytest.mark.parametrize("rank", [1.0, 1.2, 2.7, 30.0])
def test_similarity_on_a_circle_sums_all_images(basis, rank):
    encoder = ShiftedBasisEncoder(basis, stable_rank=rank, boundary="periodic", domain=(0, 7))
    delta = np.linspace(-9, 9, 181)[:, None]
    width = encoder.fit([[0.0]]).bandwidth_[0]
    images = 7 * np.arange(-40, 41)
    of = resolve_basis(basis).similarity
    expected = of((delta + images) / width).sum(axis=1) / of(images / width).sum()
    found = encoder.similarity(np.zeros((1, 1)), delta)[0]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_similarity_of_moved_shifts_is_that_of_the_mean_place(rng):
    encoder = ShiftedBasisEncoder(stable_rank=4, domain=(-1, 6)).fit([[0.0]])
    module = EncoderModule(encoder, trainable=True)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += torch.as_tensor(rng.uniform(-0.4, 0.4, parameter.shape))
    moved = module.fitted_encoder()
    lags = np.array([0.0, 0.2, 0.7, 1.5, 3.0])
    expected = []
    for lag in lags:
        start = np.linspace(-1, 6 - lag, 2_000)[:, None]
        first, second = moved.transform(start), moved.transform(start + lag)
        expected.append(np.sum(first * second) / np.sum(first**2 + second**2) * 2)
    found = moved._axis_similarity(0, lags)
    np.testing.assert_allclose(found, expected, atol=0.02)
    assert found[0] == pytest.approx(1)


@pytest.mark.parametrize("basis", ["gaussian", "matern32", "sine", "square"])
def test_shifts_closer_than_floats_are_refused(basis):
    X = 1e12 + np.linspace(0, 1, 30)[:, None]
    with pytest.raises(ValueError, match=r"shifts of axis 0 are closer than floats tell.*1e\+12"):
        ShiftedBasisEncoder(basis, bandwidth=1e-4).fit(X)
    assert np.isfinite(ShiftedBasisEncoder(basis).fit_transform(X)).all()
