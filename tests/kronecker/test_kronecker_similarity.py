"""The penalty "similarity" against dense kernel ridge, and as the limit of ever denser shifts."""

import copy
import math
import pickle

import numpy as np
import pytest
from scipy import linalg
from sklearn.base import clone
from test_kronecker import close, make_grid, noise_of, squared_left_out

from sk_posenc import (
    Basis,
    FourierEncoder,
    KroneckerRidge,
    KroneckerRidgeCV,
    LearnableFourierEncoder,
    LogFourierEncoder,
    RandomFourierEncoder,
    ShiftedBasisEncoder,
    encoding_report,
)
from sk_posenc.core.limits import limits
from sk_posenc.kronecker._cholesky import ByCholesky
from sk_posenc.kronecker._similarity import SimilarityByAxis, SimilarityByKernel

GAUSSIAN = ShiftedBasisEncoder("gaussian", bandwidth=0.4)
ALPHA = 1e-3


class Kernel:
    """Dense kernel ridge; the kernel is the product of the similarities that encoders have."""

    def __init__(self, model, alpha=ALPHA):
        self.encoders, self.alpha = model.encoders_, alpha

    def kernel(self, first, second):
        pairs = zip(self.encoders, first.T, second.T, strict=True)
        return math.prod(own.similarity(x[:, None], z[:, None]) for own, x, z in pairs)

    def fit(self, X, y, weights=None):
        weights = np.ones(len(X)) if weights is None else weights
        self.mean = np.average(y, axis=0, weights=weights)
        self.rows, place = np.unique(X, axis=0, return_inverse=True)
        total = np.bincount(place.ravel(), weights)
        means = np.stack([np.bincount(place.ravel(), weights * c) / total for c in y.T], axis=1)
        self.noise = self.alpha * total.mean() / total
        self.matrix = self.kernel(self.rows, self.rows) + np.diag(self.noise)
        self.dual = np.linalg.solve(self.matrix, means - self.mean)
        return self

    def predict(self, X):
        return self.mean + self.kernel(X, self.rows) @ self.dual

    def variance(self, X):
        cross = self.kernel(X, self.rows)
        return 1 - np.sum(cross * np.linalg.solve(self.matrix, cross.T).T, axis=1)

    def left_out(self, X, y, weights=None):
        """Residuals of each sample under the fit to all other places."""
        weights = np.ones(len(X)) if weights is None else weights
        # the strength of the noise stays that of all samples
        _, place = np.unique(X, axis=0, return_inverse=True)
        whole = np.bincount(place.ravel(), weights).mean()
        residuals = np.empty_like(y)
        for each in np.unique(place):
            others = place.ravel() != each
            _, kept = np.unique(X[others], axis=0, return_inverse=True)
            ratio = whole / np.bincount(kept.ravel(), weights[others]).mean()
            held = copy.copy(self)
            held.alpha = self.alpha * ratio
            held.fit(X[others], y[others], weights[others])
            residuals[~others] = y[~others] - held.predict(X[~others])
        return residuals


def between(n_axes, n=30):
    return np.random.default_rng(5).uniform(-1.2, 2.2, (n, n_axes))


GRIDS = {1: (9,), 2: (9, 8), 3: (6, 5, 4)}


def samples_of(kind, n_axes=2):
    rng = np.random.default_rng(3)
    if kind == "grid":
        return make_grid(GRIDS[n_axes], 2)
    if kind == "holes":
        X, y = make_grid((9, 8), 2)
        return X[13:], y[13:]
    X, y = rng.uniform(-1, 2, (50, n_axes)), rng.standard_normal((50, 2))
    return (np.r_[X, X[:20]], np.r_[y, y[:20] + 1]) if kind == "repeats" else (X, y)


@pytest.fixture(params=["eigenvalues", "cholesky"])
def way(request):
    """Both solvers of samples off a grid."""
    with limits(eigen_up_to=10_000 if request.param == "eigenvalues" else 5):
        yield request.param


def fitted(X, y, weights=None, encoder=GAUSSIAN, alpha=ALPHA):
    return KroneckerRidge(encoder, penalty="similarity", alpha=alpha).fit(X, y, weights)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["grid", "holes", "scattered", "repeats"])
def test_every_layout_is_dense_kernel_ridge(kind, weighted, way):
    X, y = samples_of(kind)
    rng = np.random.default_rng(1)
    weights = rng.uniform(0.5, 2, len(X)) if weighted else None
    model = fitted(X, y, weights)
    solver = model._problem.solver
    assert model.layout_ == ("grid" if kind == "grid" and not weighted else "dual")
    if model.layout_ == "grid":
        assert isinstance(solver, SimilarityByAxis)
        assert model.coefficients_.shape == (2, 9, 8)
    else:
        assert isinstance(solver, ByCholesky if way == "cholesky" else SimilarityByKernel)
    dense = Kernel(model).fit(X, y, weights)
    close(model.predict(between(2)), dense.predict(between(2)))
    everywhere = make_grid((14, 11), 1)[0]
    close(model.predict(everywhere), dense.predict(everywhere))
    if model.layout_ == "dual":
        close(model.dual_coefficients_, dense.dual.T)
    residuals = dense.left_out(X, y, weights)
    close(squared_left_out(model), np.average(residuals**2, axis=0, weights=weights))
    close(model.noise_variance_, noise_of(dense, X, y, weights))
    # outside the domain deviations grow: test_beyond.py
    low, high = X.min(axis=0), X.max(axis=0)
    _, std = model.predict(np.clip(between(2), low, high), return_std=True)
    distinct = len(np.unique(X, axis=0))
    scale = model.noise_variance_ * distinct / len(X) / ALPHA
    close(std**2, dense.variance(between(2))[:, None] * scale, 1e-7)
    _, std = model.predict(np.clip(everywhere, low, high), return_std=True)
    close(std**2, dense.variance(everywhere)[:, None] * scale, 1e-7)


@pytest.mark.parametrize("n_axes", [1, 2, 3])
def test_grids_go_axis_by_axis(n_axes, way):
    X, y = samples_of("grid", n_axes)
    for own in (None, np.prod(1 + (X + 1) ** 2, axis=1)):
        model = fitted(X, y, own)
        assert model.layout_ == "grid"
        assert model.coefficients_.shape == (2, *GRIDS[n_axes])
        by_cholesky = isinstance(model._problem.solver, ByCholesky)
        assert by_cholesky == (way == "cholesky" and n_axes == 1)
        dense = Kernel(model).fit(X, y, own)
        points = between(n_axes)
        close(model.predict(points), dense.predict(points))
        close(model.coefficients_.reshape(2, -1), dense.dual.T)
        residuals = dense.left_out(X, y, own)
        close(squared_left_out(model), np.average(residuals**2, axis=0, weights=own))
        close(model.noise_variance_, noise_of(dense, X, y, own))
        ends = np.clip(points, X.min(axis=0), X.max(axis=0))
        _, std = model.predict(ends, return_std=True)
        scale = model.noise_variance_ / ALPHA
        close(std**2, dense.variance(points)[:, None] * scale, 1e-7)


ENCODERS = [
    *map(ShiftedBasisEncoder, ("triangle", "bspline", "rectangle", "matern32", "matern72")),
    ShiftedBasisEncoder("sine"),
    ShiftedBasisEncoder("square"),
    ShiftedBasisEncoder("matern72", domain=(-1, 2), boundary="periodic", stable_rank=4),
    ShiftedBasisEncoder("gaussian", domain=(-0.8, 1.7), boundary="cut"),
    FourierEncoder(),
    FourierEncoder(domain=(-1, 2), boundary="periodic", stable_rank=5),
    [LogFourierEncoder(), RandomFourierEncoder(20, random_state=0)],
]


@pytest.mark.parametrize("kind", ["grid", "holes", "scattered"])
@pytest.mark.parametrize("encoder", ENCODERS)
def test_every_encoder_with_a_similarity(encoder, kind, way):
    X, y = samples_of(kind)
    model = fitted(X, y, encoder=encoder, alpha=0.1)
    dense = Kernel(model, 0.1).fit(X, y)
    points = between(2)
    inside = points if not isinstance(encoder, list) else np.clip(points, X.min(0), X.max(0))
    close(model.predict(points), dense.predict(inside))


@pytest.mark.parametrize("encoder", [GAUSSIAN, FourierEncoder(8), RandomFourierEncoder(20)])
def test_outside_the_domain_counts_as_its_end(encoder, way):
    X, y = samples_of("scattered")
    model = fitted(X, y, encoder=encoder)
    ends = np.clip(between(2), X.min(axis=0), X.max(axis=0))
    assert np.any(ends != between(2))
    close(model.predict(between(2)), model.predict(ends))
    beyond = [[X[:, 0].max() + 0.1, 0.3]]
    slope, std = model.predict(beyond, derivative=(1, 0), return_std=True)
    assert np.all(slope == 0)
    assert np.all(std > 0)


@pytest.mark.parametrize("kind", ["grid", "scattered"])
@pytest.mark.parametrize("basis", ["gaussian", "bspline"])
def test_it_is_the_limit_of_a_ridge_on_ever_more_shifts(basis, kind):
    X, y = samples_of(kind)
    encoder = ShiftedBasisEncoder(basis, bandwidth=0.5, domain=(-1, 2))
    model = fitted(X, y, encoder=encoder, alpha=1e-2)
    points = between(2)
    errors = []
    for n_shifts in (13, 40):
        dense = clone(encoder).set_params(n_shifts=n_shifts)
        ridge = KroneckerRidge(dense, penalty="ridge", alpha=1.0).fit(X, y)
        # its alpha counts in the mean diagonal of the Gram matrix: trace over columns
        ridge.set_params(alpha=1e-2 / ridge._problem.scale).fit(X, y)
        errors.append(np.abs(ridge.predict(points) - model.predict(points)).max())
    assert errors[1] < 1e-4
    assert errors[1] < errors[0] or errors[0] < 1e-6


DERIVATIVES = [
    *((basis, order) for basis in ("gaussian", "bspline", "matern72") for order in (1, 2, 3)),
    ("triangle", 1),
    ("matern32", 1),
    ("sine", 2),
    (FourierEncoder(6), 2),
    (RandomFourierEncoder(20, random_state=0), 2),
    (ShiftedBasisEncoder("gaussian", domain=(-1, 2), boundary="periodic", stable_rank=4), 3),
    (ShiftedBasisEncoder("bspline", domain=(-1, 2), boundary="periodic", stable_rank=4), 2),
]


@pytest.mark.parametrize("kind", ["grid", "holes", "scattered"])
@pytest.mark.parametrize(("encoder", "order"), DERIVATIVES)
def test_derivatives_are_finite_differences(encoder, order, kind, way):
    if isinstance(encoder, str):
        encoder = ShiftedBasisEncoder(encoder, bandwidth=3.0 if encoder == "sine" else 0.5)
    X, y = samples_of(kind)
    model = fitted(X, y, encoder=encoder, alpha=0.1)
    inside = np.random.default_rng(2).uniform(-0.8, 1.8, (20, 2))
    step = np.array([1e-5, 0.0])
    lower = (order - 1, 0)
    up, down = (model.predict(inside + s * step, derivative=lower) for s in (1, -1))
    slope = model.predict(inside, derivative=(order, 0))
    # an error of the third derivative times 1e-10, and rounding over the step
    close(slope, (up - down) / 2e-5, 1e-6)
    mixed, std = model.predict(inside, derivative=(order, 1), return_std=True)
    up, down = (model.predict(inside + s * step[::-1], derivative=(order, 0)) for s in (1, -1))
    close(mixed, (up - down) / 2e-5, 1e-6)
    assert np.all(std > 0)


@pytest.mark.parametrize("kind", ["grid", "holes", "scattered"])
@pytest.mark.parametrize("encoder", [GAUSSIAN, FourierEncoder(6)])
def test_deviations_of_slopes_are_those_of_differences(encoder, kind, way):
    X, y = samples_of(kind)
    model = fitted(X, y, encoder=encoder, alpha=0.1)
    points = np.random.default_rng(2).uniform(-0.8, 1.8, (10, 2))
    _, std = model.predict(points, derivative=(1, 0), return_std=True)
    dense = Kernel(model, 0.1).fit(X, y)
    step = np.array([1e-4, 0.0])
    up, down = points + step, points - step
    own = 2 - 2 * np.diag(dense.kernel(up, down))
    cross = dense.kernel(up, dense.rows) - dense.kernel(down, dense.rows)
    variance = own - np.sum(cross * np.linalg.solve(dense.matrix, cross.T).T, axis=1)
    # of differences, whose error is the square of the step in slopes
    close(std**2, variance[:, None] / 4e-8 * model.noise_variance_ / 0.1, 1e-5)


def test_derivatives_that_no_similarity_has():
    X, y = samples_of("scattered")
    for basis, order in [("matern32", 3), ("triangle", 3), ("rectangle", 1), ("bspline", 7)]:
        model = fitted(X, y, encoder=ShiftedBasisEncoder(basis))
        with pytest.raises(ValueError, match=f"no continuous derivative of order {order}"):
            model.predict(X, derivative=(order, 0))
    model = fitted(X, y, encoder=ShiftedBasisEncoder("matern32"))
    # the derivative of a process of smoothness 3/2 is a process, its second derivative is none
    model.predict(X, derivative=(2, 0))
    with pytest.raises(ValueError, match="no continuous derivative of order 4"):
        model.predict(X, derivative=(2, 0), return_std=True)


@pytest.mark.parametrize("kind", ["holes", "scattered"])
def test_cholesky_is_the_eigenvalues(kind):
    X, y = samples_of(kind)
    weights = np.random.default_rng(1).uniform(0.5, 2, len(X))
    by_eigenvalues = fitted(X, y, weights)
    with limits(eigen_up_to=5):
        by_cholesky = fitted(X, y, weights)
    assert isinstance(by_cholesky._problem.solver, ByCholesky)
    close(by_cholesky.dual_coefficients_, by_eigenvalues.dual_coefficients_, 1e-8)
    close(by_cholesky.noise_variance_, by_eigenvalues.noise_variance_)
    for one, two in zip(
        by_cholesky.predict(between(2), return_std=True),
        by_eigenvalues.predict(between(2), return_std=True),
        strict=True,
    ):
        close(one, two, 1e-8)
    # an estimate, of another norm: no less than a third, no more than n times
    ratio = by_cholesky.condition_ / by_eigenvalues.condition_
    assert 1 / 3 < ratio < len(X)


@pytest.mark.parametrize("alpha", [0.0, 1e-16])
def test_where_there_is_no_cholesky_factor_eigenvalues_solve(alpha):
    X, y = samples_of("scattered")
    smooth = ShiftedBasisEncoder("gaussian", bandwidth=3.0)
    with pytest.warns(UserWarning, match="condition number"):
        by_eigenvalues = fitted(X, y, encoder=smooth, alpha=alpha)
    with limits(eigen_up_to=5), pytest.warns(UserWarning, match="condition number"):
        model = fitted(X, y, encoder=smooth, alpha=alpha)
    assert isinstance(model._problem.solver, ByCholesky) == (alpha > 0)
    assert np.array_equal(model.predict(between(2)), by_eigenvalues.predict(between(2)))
    if alpha > 0:
        assert model.condition_ == by_eigenvalues.condition_
        points = between(2)
        one, two = (m.predict(points, return_std=True)[1] for m in (model, by_eigenvalues))
        assert np.array_equal(one, two)


@pytest.mark.parametrize("kind", ["grid", "holes", "scattered"])
def test_pickling(kind, way):
    X, y = samples_of(kind)
    model = fitted(X, y)
    again = pickle.loads(pickle.dumps(model))
    expected = model.predict(between(2), return_std=True)
    for one, two in zip(again.predict(between(2), return_std=True), expected, strict=True):
        assert np.array_equal(one, two)


def test_a_pickle_holds_no_matrix_of_samples():
    X = np.random.default_rng(0).uniform(size=(400, 2))
    with limits(eigen_up_to=5):
        model = fitted(X, X[:, 0])
    assert len(pickle.dumps(model)) < 400 * 400 * 8 / 10


def test_single_precision_comes_back(way):
    for kind in ("grid", "scattered"):
        X, y = samples_of(kind)
        model = fitted(X.astype(np.float32), y.astype(np.float32))
        values = model.predict(between(2).astype(np.float32))
        assert values.dtype == np.float32
        close(values, fitted(X, y).predict(between(2)), 1e-3)  # rounding over alpha


@pytest.mark.filterwarnings("ignore::sk_posenc.PoorFitWarning")  # targets are noise
@pytest.mark.parametrize("kind", ["grid", "holes", "scattered"])
def test_a_search_finds_its_alpha_by_leave_one_out(kind):
    X, y = samples_of(kind)
    alphas = [1e-4, 1e-2, 1.0]
    model = KroneckerRidgeCV(GAUSSIAN, penalties="similarity", alphas=alphas).fit(X, y)
    units = np.std(y, axis=0)
    scores = []
    for alpha in alphas:
        residuals = Kernel(model, alpha).left_out(X, y)
        scores.append(-np.mean(residuals**2 / units**2) * np.mean(units**2))
    close(model.cv_results_["mean_test_score"], np.array(scores))
    assert model.alpha_ == alphas[int(np.argmax(scores))]
    assert model.penalty_ == "similarity"
    single = fitted(X, y, alpha=model.alpha_)
    close(model.predict(between(2)), single.predict(between(2)))


def test_automatic_alphas_fit_signal_and_noise():
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(300, 2))
    clean = np.sin(6 * X[:, 0]) * np.cos(4 * X[:, 1])
    noise = 0.1 * rng.standard_normal(300)
    exact = KroneckerRidgeCV(penalties="similarity").fit(X, clean)
    noisy = KroneckerRidgeCV(penalties="similarity").fit(X, clean + noise)
    assert exact.alpha_ < 1e-4 < noisy.alpha_
    inner = rng.uniform(0.05, 0.95, (200, 2))
    truth = np.sin(6 * inner[:, 0]) * np.cos(4 * inner[:, 1])
    assert np.std(exact.predict(inner) - truth) < 0.02
    assert np.std(noisy.predict(inner) - truth) < 0.1


@pytest.mark.filterwarnings("ignore::sk_posenc.PoorFitWarning")  # targets are noise
def test_a_search_by_folds_and_beside_penalties_that_iterate():
    X, y = samples_of("scattered")
    for alphas in ([1e-2], [1e-3, 1e-1]):
        for few in (5, 10_000):
            with limits(eigen_up_to=few):
                model = KroneckerRidgeCV(GAUSSIAN, penalties="similarity", alphas=alphas, cv=3)
                scores = model.fit(X, y).cv_results_["mean_test_score"]
            if few == 5:
                first = scores
        close(scores, first)
    with limits(direct_up_to=5, exact_up_to=5):
        encoder = ShiftedBasisEncoder("bspline", n_shifts=7, domain=(-1, 2))
        both = KroneckerRidgeCV(encoder, penalties=["similarity", 2.0], alphas=[0.1]).fit(X, y)
    assert np.isfinite(both.cv_results_["mean_test_score"]).all()


def test_blocks_are_refused_and_leave_the_model_as_it_was():
    X, y = samples_of("scattered")
    encoder = ShiftedBasisEncoder("gaussian", n_shifts=8, stable_rank=3, domain=(-1, 2))
    model = KroneckerRidge(encoder, penalty="similarity").fit(X, y)
    before = model.predict(X)
    with pytest.raises(ValueError, match=r"partial_fit and merge keep sums .* Got penalty="):
        model.partial_fit(X, y)
    assert np.array_equal(model.predict(X), before)
    one, two = (KroneckerRidge(encoder, alpha=1e-2).partial_fit(X, y) for _ in range(2))
    before = one.predict(X)
    with pytest.raises(ValueError, match="needs all samples at once"):
        one.set_params(penalty="similarity").merge(two)
    assert one.layout_ == "normal"
    assert np.array_equal(one.predict(X), before)


@pytest.mark.parametrize(
    "encoder", [ShiftedBasisEncoder("impulse"), LearnableFourierEncoder(random_state=0)]
)
def test_encoders_without_a_similarity_of_displacements(encoder):
    X, y = samples_of("scattered")
    with pytest.raises(ValueError, match=r'penalty="similarity" needs an encoder .* Got '):
        fitted(X, y, encoder=encoder)


def test_other_transformers_are_refused():
    from sklearn.preprocessing import PolynomialFeatures

    X, y = samples_of("grid")
    with pytest.raises(ValueError, match="Got PolynomialFeatures"):
        fitted(X, y, encoder=PolynomialFeatures(3))


def test_many_samples_off_a_grid_go_by_centres():
    with limits(dual_up_to=40):
        for kind, layout in (("scattered", "centres"), ("grid", "grid")):
            X, y = samples_of(kind)
            assert fitted(X, y).layout_ == layout


def test_a_basis_of_your_own_has_the_similarity_that_is_integrated():
    class Cosine(Basis):
        support = 1.0

        def phi(self, u, xp):
            inside = xp.abs(u) < self.support
            return xp.where(inside, 0.5 + 0.5 * xp.cos(np.pi * u), xp.zeros_like(u))

    X, y = samples_of("scattered")
    model = fitted(X, y, encoder=ShiftedBasisEncoder(Cosine(), bandwidth=0.7))
    close(model.predict(between(2)), Kernel(model).fit(X, y).predict(between(2)))
    with pytest.raises(ValueError, match="no continuous derivative of order 1"):
        model.predict(X, derivative=(1, 0))


def test_shifts_do_not_matter():
    X, y = samples_of("grid")
    few = clone(GAUSSIAN).set_params(n_shifts=12, domain=(-1, 2))
    many = clone(few).set_params(n_shifts=60)
    assert np.array_equal(
        fitted(X, y, encoder=few).predict(between(2)),
        fitted(X, y, encoder=many).predict(between(2)),
    )


def test_many_axes_and_what_the_encoder_says_of_itself():
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(80, 6))
    model = KroneckerRidge(penalty="similarity").fit(X, X.sum(axis=1))
    assert model.layout_ == "dual"
    close(model.predict(X), X.sum(axis=1), 1e-3)
    X, y = samples_of("grid")
    report = encoding_report(fitted(X, y).encoder_, X)
    assert report.n_axes == 2


def test_lapack_solves_what_it_factorised():
    """The condition number that is shown, against that of the matrix itself."""
    X, y = samples_of("scattered")
    with limits(eigen_up_to=5):
        model = fitted(X, y)
    matrix = Kernel(model).fit(X, y).matrix
    exact = np.linalg.norm(matrix, 1) * np.linalg.norm(linalg.inv(matrix), 1)
    assert exact / 3 < model.condition_ < exact * (1 + 1e-9)
