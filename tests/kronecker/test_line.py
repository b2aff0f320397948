"""Long lines by bands, against dense solutions through singular values."""

import warnings

import numpy as np
import pytest
from scipy import linalg
from sklearn.base import clone

from sk_posenc import KroneckerRidge, KroneckerRidgeCV, ShiftedBasisEncoder
from sk_posenc.core.limits import limits
from sk_posenc.kronecker._encoders import axis_features
from sk_posenc.kronecker._line import ByLine
from sk_posenc.kronecker._smoothness import integrate
from sk_posenc.kronecker._whitening import NULL_SPACE

N = 260


@pytest.fixture
def line(rng):
    x = np.sort(rng.uniform(0, 3, N))
    x[-1] = 3.0
    x[0] = 0.0
    return x[:, None], np.sin(4 * x) + 0.1 * rng.normal(size=N)


def by_bands(encoder, X, y, weights=None, **settings):
    with limits(lines_from=20):
        model = KroneckerRidge(encoder, **settings).fit(X, y, sample_weight=weights)
    assert isinstance(model._problem.solver, ByLine)
    return model


def penalty_root(encoder, penalty):
    """M with c = M z, and z'z the penalty of c."""
    k = len(encoder.shifts_[0])
    if not isinstance(penalty, str):
        integrals, rank = integrate(encoder), float(encoder.stable_rank_[0])
        kept = np.diag(integrals.size) > 1e-8 * np.diag(integrals.size).max()
        size, slope = integrals.size[np.ix_(kept, kept)], integrals.slope[np.ix_(kept, kept)]
        own, V = linalg.eigh(slope / rank**2, size)
        M = np.zeros((k, len(own)))
        M[kept] = V / (np.maximum(own, 0) + (np.pi / rank) ** 2) ** (penalty / 2)
        return M
    D = np.eye(k)
    for _ in range(["ridge", "slope", "curvature"].index(penalty)):
        wraps = encoder._boundary(0) == "periodic"
        D = np.roll(D, -1, axis=0) - D if wraps else np.diff(D, axis=0)
    P = np.eye(k) if penalty == "ridge" else D.T @ D + NULL_SPACE * np.eye(k)
    return np.linalg.inv(np.linalg.cholesky(P)).T


def dense(model, X, y, weights, penalty, alpha):
    """Centred fit at points, hat diagonal, and variance, as functions of features there."""
    encoder, x = model.encoders_[0], X[:, 0]
    M = penalty_root(encoder, penalty)
    features = axis_features(encoder, x)
    w = np.ones(len(x)) if weights is None else weights / weights[weights > 0].mean()
    unit = w.sum()
    if isinstance(penalty, str):
        unit = float(w @ np.sum(features**2, axis=1)) / features.shape[1]
    U, s, Vt = np.linalg.svd(np.sqrt(w)[:, None] * features @ M, full_matrices=False)
    mean = np.average(y, weights=w)
    shrunk = Vt.T @ (s / (s**2 + alpha * unit) * (U.T @ (np.sqrt(w) * (y - mean))))
    whole = np.linalg.svd(np.sqrt(w)[:, None] * features @ M)[2]
    values = np.zeros(len(whole))
    values[: len(s)] = s**2

    def at(points, order):
        white = axis_features(encoder, points, order) @ M
        variance = ((white @ whole.T) ** 2) @ (1 / (values + alpha * unit))
        return white @ shrunk + (mean if order == 0 else 0), variance

    return at


CASES = [
    (basis, penalty, boundary, alpha)
    for basis in ("bspline", "gaussian")
    for penalty in ("ridge", "slope", "curvature", 1.0, 2.0, 3.0, 5.0)
    for boundary in ("extend", "periodic")
    for alpha in (1e-4, 10.0)
    if basis == "bspline" or isinstance(penalty, str)
]


@pytest.mark.parametrize(("basis", "penalty", "boundary", "alpha"), CASES)
def test_bands_give_the_dense_solution(basis, penalty, boundary, alpha, line, rng):
    X, y = line
    weights = rng.uniform(0.5, 2, N) if alpha > 1 else None
    ends = {"domain": (0, 3.1), "boundary": boundary} if boundary == "periodic" else {}
    encoder = ShiftedBasisEncoder(basis, **ends)
    model = by_bands(encoder, X, y, weights, penalty=penalty, alpha=alpha)
    at = dense(model, X, y, weights, penalty, alpha)
    points = rng.uniform(-0.2, 3.2, 60)
    # outside the domain deviations grow: test_beyond.py
    inside = np.full(60, True)
    if boundary == "extend":
        inside = (points > X.min()) & (points < X.max())
    for order in (0, 1):
        values, std = model.predict(points[:, None], derivative=order, return_std=True)
        wanted, variance = at(points, order)
        tolerance = 1e-8 if penalty != 5.0 else 1e-6  # condition numbers beyond 1e12
        np.testing.assert_allclose(values, wanted, atol=tolerance * np.abs(wanted).max())
        shown = (std / np.sqrt(model.noise_variance_))[inside]
        deviations = np.sqrt(variance)[inside]
        np.testing.assert_allclose(shown, deviations, rtol=0, atol=1e-6 * shown.max())
    assert model.layout_ == "grid"
    assert model.condition_ < 1e12


@pytest.mark.parametrize("penalty", ["slope", 2.0])
def test_leave_one_out(penalty, line, rng):
    X, y = line
    twice = np.concatenate([np.arange(N), np.arange(0, N, 5)])
    X, y = X[twice], np.concatenate([y, y[::5] + 0.2])
    weights = rng.uniform(0.5, 2, len(X))
    encoder = ShiftedBasisEncoder("bspline", stable_rank=20, n_shifts=50, domain=(0, 3))
    settings = {"penalty": penalty, "alpha": 1e-3}
    model = by_bands(encoder, X, y, weights, **settings)
    other = KroneckerRidge(encoder, **settings).fit(X, y, sample_weight=weights)
    columns = (y - np.average(y, weights=weights))[:, None]
    found, wanted = (
        solver.leave_one_out(columns, solver.rotate_all(columns), model._alpha)
        for solver in (model._problem.solver, other._problem._factored("samples"))
    )
    np.testing.assert_allclose(found, wanted, rtol=1e-8, atol=1e-10)


def test_holes_and_outputs(line):
    X, y = line
    both = np.column_stack([y, 3 - y])
    both[::7] = np.nan
    encoder = ShiftedBasisEncoder("bspline", stable_rank=20, n_shifts=60, domain=(0, 3))
    settings = {"penalty": 2.0, "alpha": 0.1}
    holes = by_bands(encoder, X, both, nan_is_hole=True, **settings)
    kept = ~np.isnan(both[:, 0])
    left_out = by_bands(encoder, X[kept], both[kept], **settings)
    points = np.linspace(0, 3, 40)[:, None]
    np.testing.assert_allclose(holes.predict(points), left_out.predict(points), rtol=1e-10)
    np.testing.assert_allclose(holes.predict(points).sum(axis=1), 3.0, rtol=1e-10)
    assert holes.layout_ == "holes"


def test_mapped_axes(line, rng):
    X, y = line
    X = np.exp(X)
    encoder = ShiftedBasisEncoder("bspline")
    settings = {"penalty": "curvature", "alpha": 1e-2, "spacing": 0.7}
    model = by_bands(encoder, X, y, **settings)
    other = KroneckerRidge(encoder, **settings).fit(X, y)
    points = np.exp(rng.uniform(0, 3, 50))[:, None]
    for order in (0, 1, 2):
        found = model.predict(points, derivative=order)
        wanted = other.predict(points, derivative=order)
        np.testing.assert_allclose(found, wanted, atol=1e-9 * np.abs(wanted).max())


@pytest.mark.parametrize("basis", ["matern32", "matern72"])
@pytest.mark.parametrize("spacing", [0.0, 0.9])
def test_a_process_on_a_long_line(basis, spacing, line, rng):
    X, y = line
    # as rough as its alpha says: the splines follow the posterior, not rounding
    encoder = ShiftedBasisEncoder(basis, bandwidth=0.3 if spacing == 0 else 0.1)
    settings = {"penalty": "similarity", "alpha": 0.02, "spacing": spacing}
    model = by_bands(encoder, X, y, **settings)
    other = KroneckerRidge(encoder, **settings).fit(X, y)
    points = rng.uniform(0, 3, 80)[:, None]
    for order in (0, 1):
        found, std = model.predict(points, derivative=order, return_std=True)
        wanted, true_std = other.predict(points, derivative=order, return_std=True)
        assert np.max(np.abs(found - wanted) / true_std) < 0.03
        assert np.max(np.abs(std / true_std - 1)) < (0.1 if order else 0.02)
    assert model.noise_variance_ == pytest.approx(other.noise_variance_, rel=1e-3)


def test_a_process_on_a_wider_domain(line, rng):
    X, y = line
    X = X[::-1] * 1.2  # in any order, some of them outside
    encoder = ShiftedBasisEncoder("matern72", bandwidth=0.3, domain=(-2, 3.3))
    model = by_bands(encoder, X, y, penalty="similarity", alpha=0.02)
    other = KroneckerRidge(encoder, penalty="similarity", alpha=0.02).fit(X, y)
    points = rng.uniform(-2.2, 4, 80)[:, None]
    found, std = model.predict(points, return_std=True)
    wanted, true_std = other.predict(points, return_std=True)
    assert np.max(np.abs(found - wanted) / true_std) < 0.03
    assert np.max(np.abs(std / true_std - 1)) < 0.05


@pytest.mark.parametrize(
    "settings",
    [
        {"alpha": 0.0},
        {"penalty": 2.0, "encoder": ShiftedBasisEncoder("gaussian", stable_rank=20, n_shifts=200)},
        {"penalty": "ridge", "encoder": ShiftedBasisEncoder("matern32")},
        {"penalty": "similarity", "encoder": ShiftedBasisEncoder("gaussian", stable_rank=9)},
        {
            "penalty": "similarity",
            "encoder": ShiftedBasisEncoder(
                "matern32", stable_rank=9, domain=(0, 3), boundary="periodic"
            ),
        },
    ],
)
def test_what_has_no_band_is_solved_as_before(settings, line):
    X, y = line
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        with limits(lines_from=20):
            model = KroneckerRidge(**settings).fit(X, y)
        other = KroneckerRidge(**settings).fit(X, y)
    assert not isinstance(model._problem.solver, ByLine)
    np.testing.assert_array_equal(model.predict(X), other.predict(X))


def test_exponents_without_a_band_are_refused_beyond_a_limit(line):
    X, y = line
    assert KroneckerRidge(penalty=1.5).fit(X, y).penalty_ == 1.5
    model = KroneckerRidge()
    with limits(lines_from=N):
        model.set_params(penalty=1.5).fit(X, y)
    with limits(lines_from=N - 1):
        with pytest.raises(
            ValueError,
            match=rf"up to {N - 1} places, as their matrices have no band: take penalty=1 or 2,"
            rf".*Got penalty=1\.5 and {N} places\.",
        ):
            model.fit(X, y)
        with pytest.raises(ValueError, match=r"take penalty=1, or fewer.*Got penalty=0\.5 "):
            KroneckerRidgeCV(penalties=[2.0, 0.5]).fit(X, y)
        for penalty in (1.0, 3.0, "adaptive"):
            clone(model).set_params(penalty=penalty).fit(X, y)
    with limits(lines_from=20):
        holes = np.where(np.arange(N) % 5 == 0, np.nan, y)
        search = KroneckerRidgeCV(alphas=[1e-3, 0.1], nan_is_hole=True).fit(X, holes)
        assert set(search.cv_results_["param_penalty"]) == {1.0, 2.0}
    plane = np.column_stack([X, X[::-1] ** 2])
    with limits(lines_from=20):
        assert KroneckerRidge(penalty=1.5).fit(plane, y).penalty_ == 1.5


def test_a_hundred_thousand_samples_smooth_away_their_noise(rng):
    """Third differences of one unknown a sample, as normal equations, have no digits here."""
    x = np.sort(rng.uniform(0, 1, 100_000))
    truth = np.sin(9 * x)
    encoder = ShiftedBasisEncoder("bspline", n_shifts=5_001, bandwidth=1 / 5_000, domain=(0, 1))
    # alpha in units of one domain over the stable rank: a sixth power of details 1/30 wide
    alpha = (float(encoder.fit(x[:, None]).stable_rank_[0]) / 90) ** 6 * 1e-3
    model = KroneckerRidge(encoder, penalty=3.0, alpha=alpha)
    model.fit(x[:, None], truth + 0.1 * rng.normal(size=len(x)))
    inner = (x > 0.05) & (x < 0.95)
    error = model.predict(x[:, None]) - truth
    assert np.sqrt(np.mean(error[inner] ** 2)) < 0.1 * np.sqrt(200 / 100_000)


@pytest.mark.parametrize(
    ("basis", "boundary"), [("triangle", "extend"), ("bspline", "extend"), ("triangle", "periodic")]
)
def test_the_adaptive_penalty_is_that_of_conjugate_gradients(basis, boundary, line):
    X, y = line[0][::3], line[1][::3]
    y = np.column_stack([y, (X[:, 0] > 1.3) + 0.1 * y])
    ends = {"domain": (0, 3.1), "boundary": boundary} if boundary == "periodic" else {}
    encoder = ShiftedBasisEncoder(basis, **ends)
    model = by_bands(encoder, X, y, penalty="adaptive", alpha=1.0)
    slow = KroneckerRidge(encoder, penalty="adaptive", alpha=1.0, tol=1e-8, max_iter=20_000)
    points = np.linspace(0, 3, 90)[:, None]
    found, wanted = model.predict(points), slow.fit(X, y).predict(points)
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    assert np.isnan(model.condition_)
    with pytest.raises(ValueError, match="not linear"):
        model.predict(points, return_std=True)
    with pytest.raises(AttributeError, match="not linear"):
        model.noise_variance_  # noqa: B018


def test_one_fit_with_smoothness_goes_by_bands_sooner(line):
    X, y = line
    with limits(smooth_lines_from=20):
        model = KroneckerRidge(ShiftedBasisEncoder("bspline"), penalty=2.0).fit(X, y)
        assert isinstance(model._problem.solver, ByLine)
        model = KroneckerRidge(ShiftedBasisEncoder("bspline"), penalty="slope").fit(X, y)
        assert not isinstance(model._problem.solver, ByLine)


def test_shifts_follow_a_stable_rank_that_is_given(line):
    X, y = line
    for size, most in ((10, 30), (300, 1_000)):
        encoder = ShiftedBasisEncoder("bspline", stable_rank=size)
        model = by_bands(encoder, X, y, penalty="slope", alpha=0.1)
        assert size < len(model.encoders_[0].shifts_[0]) < most


def test_strengths_that_rounding_decides_are_refused(line, monkeypatch):
    X, y = line
    monkeypatch.setattr("sk_posenc.kronecker._band._WORST", 10.0)
    with pytest.raises(ValueError, match="rounding decides the solution on this axis"):
        by_bands(ShiftedBasisEncoder("bspline"), X, y, penalty="slope", alpha=1e-6)
