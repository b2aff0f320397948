"""The penalty "radial" against dense kernel ridge with the kernels of scikit-learn."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.gaussian_process.kernels import RBF, Matern
from test_kronecker import close, noise_of, squared_left_out
from test_kronecker_similarity import Kernel, between, samples_of

from sk_posenc import (
    Basis,
    FourierEncoder,
    KroneckerRidge,
    KroneckerRidgeCV,
    RandomFourierEncoder,
    ShiftedBasisEncoder,
    encoding_report,
)
from sk_posenc.core.limits import limits
from sk_posenc.encoders.bases import _BASES
from sk_posenc.kronecker._cholesky import ByCholesky
from sk_posenc.kronecker._similarity import SimilarityByKernel

ALPHA = 1e-3
BANDWIDTHS = (0.4, 0.7, 1.1)
RADIAL = {
    "gaussian": RBF(math.sqrt(2)),
    "matern12": Matern(1.0, nu=0.5),
    "matern32": Matern(math.sqrt(3), nu=1.5),
    "matern72": Matern(math.sqrt(7), nu=3.5),
}
KINDS = ["grid", "holes", "scattered", "repeats"]


class Radial(Kernel):
    """Dense kernel ridge with a kernel of scikit-learn, of coordinates in bandwidths."""

    def __init__(self, basis, n_axes, alpha=ALPHA, ends=(-1, 2)):
        self.one, self.widths = RADIAL[basis], np.array(BANDWIDTHS[:n_axes])
        self.alpha, self.ends = alpha, ends

    def kernel(self, first, second):
        first, second = (np.clip(each, *self.ends) / self.widths for each in (first, second))
        return self.one(first, second)


def encoders(basis, n_axes=2, **settings):
    settings = {"domain": (-1, 2)} | settings
    return [ShiftedBasisEncoder(basis, bandwidth=b, **settings) for b in BANDWIDTHS[:n_axes]]


def fitted(X, y, weights=None, basis="matern32", alpha=ALPHA, penalty="radial"):
    encoder = encoders(basis, X.shape[1]) if isinstance(basis, str) else basis
    return KroneckerRidge(encoder, penalty=penalty, alpha=alpha).fit(X, y, weights)


@pytest.fixture(params=["eigenvalues", "cholesky"])
def way(request):
    """Both solvers."""
    with limits(eigen_up_to=10_000 if request.param == "eigenvalues" else 5):
        yield request.param


def test_every_radial_basis_has_an_oracle():
    assert sorted(RADIAL) == sorted(name for name, basis in _BASES.items() if basis._radial)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("basis", RADIAL)
def test_every_layout_is_dense_kernel_ridge(basis, kind, weighted, way):
    X, y = samples_of(kind)
    weights = np.random.default_rng(1).uniform(0.5, 2, len(X)) if weighted else None
    model = fitted(X, y, weights, basis)
    assert model.layout_ == "dual"
    solver = model._problem.solver
    assert isinstance(solver, ByCholesky if way == "cholesky" else SimilarityByKernel)
    dense = Radial(basis, 2).fit(X, y, weights)
    close(model.predict(between(2)), dense.predict(between(2)))
    close(model.dual_coefficients_, dense.dual.T, 1e-7)
    residuals = dense.left_out(X, y, weights)
    close(squared_left_out(model), np.average(residuals**2, axis=0, weights=weights))
    close(model.noise_variance_, noise_of(dense, X, y, weights))
    # outside the domain deviations grow: test_beyond.py
    ends = np.clip(between(2), -1, 2)
    mean, std = model.predict(ends, return_std=True)
    close(mean, dense.predict(between(2)))
    scale = model.noise_variance_ * len(np.unique(X, axis=0)) / len(X) / ALPHA
    close(std**2, dense.variance(between(2))[:, None] * scale, 1e-7)


@pytest.mark.parametrize("kind", ["grid", "holes", "scattered"])
def test_points_on_a_grid_are_predicted_as_others(kind, way):
    X, y = samples_of(kind)
    model, dense = fitted(X, y), Radial("matern32", 2).fit(X, y)
    axes = np.linspace(-1.2, 2.2, 14), np.linspace(-1, 2, 11)
    everywhere = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    for points in (everywhere, X):
        close(model.predict(points), dense.predict(points))
        ends = np.clip(points, -1, 2)
        mean, std = model.predict(ends, return_std=True)
        close(mean, dense.predict(points))
        scale = model.noise_variance_ / ALPHA
        close(std**2, dense.variance(points)[:, None] * scale, 1e-7)
    shuffled = np.random.default_rng(0).permutation(len(X))
    again = fitted(X[shuffled], y[shuffled])
    close(again.predict(everywhere), dense.predict(everywhere))


@pytest.mark.parametrize("kind", ["grid", "scattered"])
@pytest.mark.parametrize("n_axes", [1, 3])
@pytest.mark.parametrize("basis", RADIAL)
def test_other_numbers_of_axes(basis, n_axes, kind, way):
    X, y = samples_of(kind, n_axes)
    model = fitted(X, y, basis=basis)
    assert model.layout_ == "dual"
    dense = Radial(basis, n_axes).fit(X, y)
    close(model.predict(between(n_axes)), dense.predict(between(n_axes)))
    if n_axes == 1:
        product = fitted(X, y, basis=basis, penalty="similarity")
        close(model.predict(between(1)), product.predict(between(1)))
        close(model.noise_variance_, product.noise_variance_)


@pytest.mark.parametrize("kind", ["grid", "holes", "repeats"])
def test_of_the_gaussian_the_product_is_radial(kind, way):
    X, y = samples_of(kind)
    radial, product = (
        fitted(X, y, basis="gaussian", penalty=penalty) for penalty in ("radial", "similarity")
    )
    for one, two in zip(
        radial.predict(between(2), return_std=True),
        product.predict(between(2), return_std=True),
        strict=True,
    ):
        close(one, two, 1e-7)
    other = fitted(X, y), fitted(X, y, penalty="similarity")
    assert np.abs(other[0].predict(between(2)) - other[1].predict(between(2))).max() > 1e-3


def test_cholesky_is_the_eigenvalues():
    X, y = samples_of("repeats")
    by_eigenvalues = fitted(X, y)
    with limits(eigen_up_to=5):
        by_cholesky = fitted(X, y)
    assert isinstance(by_cholesky._problem.solver, ByCholesky)
    close(by_cholesky.dual_coefficients_, by_eigenvalues.dual_coefficients_, 1e-8)
    close(by_cholesky.noise_variance_, by_eigenvalues.noise_variance_)
    for one, two in zip(
        by_cholesky.predict(between(2), return_std=True),
        by_eigenvalues.predict(between(2), return_std=True),
        strict=True,
    ):
        close(one, two, 1e-8)


@pytest.mark.parametrize("basis", ["matern12", "matern32"])
def test_outside_the_domain_each_axis_counts_as_its_end(basis, way):
    X, y = samples_of("scattered")
    model = fitted(X, y, basis=encoders(basis, domain=None))
    ends = np.clip(between(2), -1, 2)
    assert np.any(ends != between(2))
    close(model.predict(between(2)), model.predict(ends))


def test_with_the_boundary_cut_the_ends_do_not_count(way):
    X, y = samples_of("scattered")
    model = fitted(X, y, basis=encoders("matern32", domain=(-0.8, 1.7), boundary="cut"))
    dense = Radial("matern32", 2, ends=(-math.inf, math.inf)).fit(X, y)
    close(model.predict(between(2)), dense.predict(between(2)))


@pytest.mark.parametrize("kind", ["grid", "scattered"])
def test_distances_are_those_of_mapped_coordinates(kind, way):
    X, y = samples_of(kind)
    X = np.exp(2 * X)  # uneven
    own = [ShiftedBasisEncoder("matern32", bandwidth=b) for b in (0.2, 0.3)]
    model = KroneckerRidge(own, penalty="radial", alpha=ALPHA, spacing=0.9).fit(X, y)
    maps = [axis.spacing for axis in model._expansion.axes]
    dense = Radial("matern32", 2)
    dense.widths = np.array([encoder.bandwidth_[0] for encoder in model.encoders_])
    dense.ends = [encoder.domain_[0] for encoder in model.encoders_]
    dense.ends = tuple(np.transpose(dense.ends))

    def mapped(points):
        return np.column_stack([own(x) for own, x in zip(maps, points.T, strict=True)])

    points = np.exp(2 * between(2))
    assert np.abs(mapped(X) / mapped(X).max(axis=0) - X / X.max(axis=0)).max() > 0.1
    close(model.predict(points), dense.fit(mapped(X), y).predict(mapped(points)))
    assert np.all(model.predict(points, return_std=True)[1] > 0)


def test_shifts_do_not_matter(way):
    X, y = samples_of("scattered")
    few, many = (fitted(X, y, basis=encoders("matern72", n_shifts=n)) for n in (12, 60))
    assert np.array_equal(few.predict(between(2)), many.predict(between(2)))


@pytest.mark.parametrize("kind", ["grid", "scattered"])
def test_pickling(kind, way):
    X, y = samples_of(kind)
    model = fitted(X, y, basis="matern12")
    again = pickle.loads(pickle.dumps(model))
    expected = model.predict(between(2), return_std=True)
    for one, two in zip(again.predict(between(2), return_std=True), expected, strict=True):
        assert np.array_equal(one, two)


class Cosine(Basis):
    support = 1.0

    def phi(self, u, xp):
        inside = xp.abs(u) < self.support
        return xp.where(inside, 0.5 + 0.5 * xp.cos(np.pi * u), xp.zeros_like(u))


REFUSED = [
    *map(ShiftedBasisEncoder, ("triangle", "rectangle", "impulse", "bspline", "sine", "square")),
    ShiftedBasisEncoder(Cosine()),
    ShiftedBasisEncoder("matern32", domain=(-1, 2), boundary="periodic", stable_rank=4),
    FourierEncoder(),
    RandomFourierEncoder(20, random_state=0),
]


@pytest.mark.parametrize("kind", ["grid", "scattered"])
@pytest.mark.parametrize("encoder", REFUSED)
def test_other_encoders_are_refused(encoder, kind):
    X, y = samples_of(kind)
    for each in (encoder, [ShiftedBasisEncoder("matern32"), encoder]):
        with pytest.raises(ValueError, match=r'penalty="radial" needs .* Got \w+Encoder'):
            fitted(X, y, basis=each)


def test_transformers_of_other_packages_are_refused():
    from sklearn.preprocessing import PolynomialFeatures

    X, y = samples_of("scattered")
    with pytest.raises(ValueError, match="Got PolynomialFeatures"):
        fitted(X, y, basis=PolynomialFeatures(3))


def test_different_bases_are_refused():
    X, y = samples_of("scattered")
    mixed = [ShiftedBasisEncoder("matern32"), ShiftedBasisEncoder("matern12")]
    with pytest.raises(ValueError, match=r"same basis on every axis.*Got \[Matern32\(\), Mat"):
        fitted(X, y, basis=mixed)


def test_derivatives_are_refused():
    X, y = samples_of("scattered")
    model = fitted(X, y, basis="gaussian")
    close(model.predict(X, derivative=(0, 0)), model.predict(X), 1e-15)
    for order in ((1, 0), (0, 2)):
        with pytest.raises(ValueError, match=r'"radial" has no derivatives: .* Got an order of'):
            model.predict(X, derivative=order)


def test_blocks_are_refused_and_leave_the_model_as_it_was():
    X, y = samples_of("scattered")
    model = KroneckerRidge(encoders("matern32", n_shifts=8), penalty="radial").fit(X, y)
    before = model.predict(X)
    with pytest.raises(ValueError, match=r'partial_fit and merge .* Got penalty="radial"\.'):
        model.partial_fit(X, y)
    assert np.array_equal(model.predict(X), before)


@pytest.mark.parametrize("kind", ["grid", "scattered"])
def test_many_samples_go_by_centres_on_a_grid_too(kind):
    X, y = samples_of(kind)
    with limits(dual_up_to=40):
        assert fitted(X, y).layout_ == "centres"


@pytest.mark.parametrize("kind", KINDS)
def test_a_search_scores_it_by_leave_one_out(kind):
    X, y = samples_of(kind)
    y = y + 3 * X[:, :1]  # noise alone would be warned of
    alphas = [1e-3, 1e-1]
    candidates = [encoders(basis) for basis in ("matern12", "matern32")]
    search = KroneckerRidgeCV(candidates, penalties=["radial", "similarity"], alphas=alphas)
    search.fit(X, y)
    results = search.cv_results_
    assert sorted(set(results["param_penalty"])) == ["radial", "similarity"]
    units, expected = np.std(y, axis=0), []
    for params in results["params"]:
        model = fitted(X, y, None, params["encoder"], params["alpha"], params["penalty"])
        mean = np.mean(squared_left_out(model) / units**2) * np.mean(units**2)
        expected.append(-mean)
        if params["penalty"] == "radial":
            dense = Radial(params["encoder"][0].basis, 2, params["alpha"])
            residuals = dense.left_out(X, y)
            close(np.mean(residuals**2 / units**2) * np.mean(units**2), mean)
    close(results["mean_test_score"], np.array(expected))
    best = results["params"][search.best_index_]
    assert (search.penalty_, search.alpha_) == (best["penalty"], best["alpha"])
    single = fitted(X, y, None, search.best_encoder_, search.alpha_, search.penalty_)
    close(search.predict(between(2)), single.predict(between(2)))


def test_automatic_alphas_fit_signal_and_noise():
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(300, 2))
    clean = np.sin(6 * X[:, 0]) * np.cos(4 * X[:, 1])
    noisy = clean + 0.1 * rng.standard_normal(300)
    encoder = ShiftedBasisEncoder("matern72")
    one, two = (KroneckerRidgeCV(encoder, penalties="radial").fit(X, y) for y in (clean, noisy))
    assert one.alpha_ < 1e-4 < two.alpha_
    assert one.penalty_ == two.penalty_ == "radial"


def test_the_kernel_has_no_preferred_axes():
    """A turned field is fitted as the field itself, where bandwidths are equal."""
    rng = np.random.default_rng(0)
    X, y = rng.uniform(-1, 1, (60, 2)), rng.standard_normal(60)
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    points = rng.uniform(-0.7, 0.7, (20, 2))
    encoder = ShiftedBasisEncoder("matern32", bandwidth=0.5, domain=(-2, 2))
    radial, product = (
        [
            KroneckerRidge(encoder, penalty=penalty, alpha=ALPHA).fit(X @ R, y).predict(points @ R)
            for R in (np.eye(2), turn)
        ]
        for penalty in ("radial", "similarity")
    )
    close(*radial)
    assert np.abs(product[0] - product[1]).max() > 1e-3


def test_many_axes():
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(80, 6))
    model = KroneckerRidge(penalty="radial").fit(X, X.sum(axis=1))
    assert model.layout_ == "dual"
    close(model.predict(X), X.sum(axis=1), 1e-3)


def test_the_encoder_tells_of_each_axis_and_the_report_says_so():
    X, y = samples_of("scattered")
    notes = {}
    for penalty in ("radial", "similarity"):
        model = fitted(X, y, penalty=penalty)
        notes[penalty] = [line for line in encoding_report(model, X).memorises if "radial" in line]
    assert notes["similarity"] == []
    assert "The numbers of each axis hold" in notes["radial"][0]
    model = fitted(X, y)
    along = np.column_stack([np.linspace(-1, 2, 7), np.full(7, 0.3)])
    close(model.encoder_.similarity(along), Radial("matern32", 2).kernel(along, along))
    one = fitted(*samples_of("scattered", 1))
    assert not any("radial" in line for line in encoding_report(one, X[:, :1]).memorises)
    search = KroneckerRidgeCV(encoders("matern32"), penalties="radial", alphas=[ALPHA])
    search.fit(X, y + 3 * X[:, :1])
    assert search.encoder_._is_of_axes_alone()


@given(
    basis=st.sampled_from(sorted(RADIAL)),
    n_axes=st.integers(1, 4),
    scale=st.floats(0.1, 100),
    seed=st.integers(0, 10_000),
)
def test_kernels_are_positive_definite(basis, n_axes, scale, seed):
    rng = np.random.default_rng(seed)
    X = rng.uniform(size=(40, n_axes))
    X = X if seed % 2 else np.unique(np.round(4 * X) / 4, axis=0)  # of a lattice
    encoder = ShiftedBasisEncoder(basis, bandwidth=scale, domain=(0, 1))
    with np.errstate(all="raise", under="ignore"):
        model = KroneckerRidge(encoder, penalty="radial", alpha=1.0)
        kernel = model.fit(X, X[:, 0])._problem.design.weighted_kernel()
    assert np.linalg.eigvalsh(kernel).min() > -1e-10
    assert np.all(np.diag(kernel) == 1)
