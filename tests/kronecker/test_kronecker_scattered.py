"""Kronecker ridge off the grid: scattered samples and holes against dense ridge, and each other."""

import tracemalloc
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from test_kronecker import DenseRidge, close, make_grid

from sk_posenc import (
    FourierEncoder,
    LogFourierEncoder,
    RandomFourierEncoder,
    ShiftedBasisEncoder,
    grid_samples,
    load_signal,
    predict_grid,
    psnr_score,
)
from sk_posenc.core.limits import limits
from sk_posenc.kronecker._smoothness import integrate, smooth_axis
from sk_posenc.kronecker.ridge import KroneckerRidge
from sk_posenc.kronecker.ridge_cv import KroneckerRidgeCV

PENALTIES = ["ridge", "slope", "curvature", 1.5, 2.0]
BSPLINE = ShiftedBasisEncoder("bspline", n_shifts=7, stable_rank=3, domain=(-1.0, 2.0))
EXACT = {"tol": 1e-12, "max_iter": 20_000}


def inside(n_axes, n=40):
    return np.random.default_rng(7).uniform(-1.2, 2.2, (n, n_axes))


@pytest.fixture
def iterating():
    """Conjugate gradients from the smallest sizes on, in searches too."""
    with limits(direct_up_to=5, exact_up_to=5, dual_up_to=5, learnt_up_to=0):
        yield


def scattered(n, n_axes, n_outputs=2, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 2, (n, n_axes)), rng.standard_normal((n, n_outputs))


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize(("n_axes", "n"), [(1, 30), (2, 60), (2, 900), (3, 400)])
def test_conjugate_gradients_are_dense_ridge(n, n_axes, penalty, iterating):
    X, y = scattered(n, n_axes)
    weights = np.random.default_rng(1).uniform(0.5, 2, n)
    encoder = clone(BSPLINE).set_params(n_shifts=5 if n_axes == 3 else 7)
    model = KroneckerRidge(encoder, alpha=1e-2, penalty=penalty, **EXACT).fit(X, y, weights)
    if n_axes > 1:
        assert model.layout_ == "scattered"
        assert model.n_iter_ > 5
    dense = DenseRidge(model, penalty).fit(X, y, weights)
    close(model.predict(inside(n_axes)), dense.predict(inside(n_axes)), 1e-8)


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("layout", ["grid", "holes", "block", "scattered", "dual", "repeats"])
@pytest.mark.parametrize("direct", [True, False])
def test_every_way_is_dense_ridge(layout, penalty, direct, request):
    if not direct:
        request.getfixturevalue("iterating")
    X, y = make_grid((9, 10), 2)
    if layout == "holes":
        X, y = X[17:], y[17:]
    elif layout == "block":
        out = (np.abs(X - 0.4) < 0.7).all(axis=1)
        X, y = X[~out], y[~out]
    elif layout in {"scattered", "dual"}:
        X, y = scattered(200 if layout == "scattered" else 50, 2)
    elif layout == "repeats":
        X, y = np.concatenate([X, X[:30]]), np.concatenate([y, y[:30] + 1])
    model = KroneckerRidge(BSPLINE, alpha=1e-2, penalty=penalty, **EXACT).fit(X, y)
    told = {"block": "holes", "repeats": "holes"}
    if not (direct and isinstance(penalty, str)):
        told["dual"] = "scattered"
    assert model.layout_ == told.get(layout, layout)
    dense = DenseRidge(model, penalty).fit(X, y)
    close(model.predict(inside(2)), dense.predict(inside(2)), 1e-8)


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("direct", [True, False])
def test_one_point_less_is_little_less(penalty, direct, request):
    if not direct:
        request.getfixturevalue("iterating")
    x, z = np.linspace(0, 1, 12), np.linspace(0, 1, 13)
    X, y = grid_samples(np.sin(5 * x)[:, None] * np.cos(4 * z), axes=(x, z))
    model = KroneckerRidge(alpha=1e-4, penalty=penalty, **EXACT)
    kept = np.arange(len(X)) != 13 * 6 + 6
    whole, holed = clone(model).fit(X, y), clone(model).fit(X[kept], y[kept])
    assert (whole.layout_, holed.layout_) == ("grid", "holes")
    for each, at in ((whole, slice(None)), (holed, kept)):
        dense = DenseRidge(each, penalty).fit(X[at], y[at])
        close(each.predict(inside(2)), dense.predict(inside(2)), 1e-7)
    np.testing.assert_allclose(whole.predict(X), holed.predict(X), atol=0.02)


@pytest.mark.parametrize("penalty", ["ridge", 2.0])
def test_samples_that_repeat_are_averaged_by_weight(penalty, iterating, rng):
    X, y = scattered(80, 2)
    counts = rng.integers(1, 4, 80)
    model = KroneckerRidge(BSPLINE, alpha=1e-2, penalty=penalty, **EXACT)
    repeated = clone(model).fit(np.repeat(X, counts, axis=0), np.repeat(y, counts, axis=0))
    weighted = clone(model).fit(X, y, sample_weight=counts)
    close(repeated.predict(inside(2)), weighted.predict(inside(2)))


@pytest.mark.parametrize(
    "encoder",
    [
        ShiftedBasisEncoder("gaussian", n_shifts=9, stable_rank=3),
        ShiftedBasisEncoder("triangle", n_shifts=7, stable_rank=3),
        ShiftedBasisEncoder("bspline", stable_rank=3, domain=(-1, 2), boundary="periodic"),
        FourierEncoder(stable_rank=4),
        RandomFourierEncoder(8, stable_rank=4, random_state=0),
    ],
    ids=lambda encoder: type(encoder).__name__ + str(getattr(encoder, "basis", "")),
)
def test_every_encoder_by_every_kind_of_rows(encoder, iterating):
    X, y = scattered(150, 2)
    for penalty in ("ridge", 1.5):
        model = KroneckerRidge(encoder, alpha=1e-2, penalty=penalty, **EXACT).fit(X, y)
        assert model.n_iter_ > 1
        with limits(direct_up_to=2_000, exact_up_to=2**19):
            direct = clone(model).fit(X, y)
            assert direct.n_iter_ == 1
        close(model.predict(inside(2)), direct.predict(inside(2)), 1e-8)
        with limits(sparse_entries=0, row_block=100):
            close(clone(model).fit(X, y).predict(inside(2)), direct.predict(inside(2)), 1e-8)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.sampled_from(PENALTIES), st.sampled_from([1, 2, 3]))
def test_order_of_samples_and_units_play_no_part(seed, penalty, n_axes):
    X, y = scattered(40, n_axes, seed=seed)
    model = KroneckerRidge(
        ShiftedBasisEncoder("bspline", n_shifts=4, stable_rank=2), alpha=1e-2, penalty=penalty
    )
    plain = clone(model).fit(X, y).predict(inside(n_axes))
    order = np.random.default_rng(seed).permutation(40)
    close(clone(model).fit(X[order], y[order]).predict(inside(n_axes)), plain, 1e-8)
    scaled = clone(model).fit(X * 7 - 3, 5 * y + 1).predict(inside(n_axes) * 7 - 3)
    close(scaled, 5 * plain + 1, 1e-8)


def test_smoothness_is_that_of_the_function():
    # that of the second derivative too, of a function level at its ends
    encoder = ShiftedBasisEncoder("bspline", stable_rank=30, domain=(0.0, 1.0)).fit([[0.0], [1.0]])
    integrals = integrate(encoder)
    x = np.linspace(0, 1, 20_001)
    features = encoder.transform(x[:, None])
    c = np.linalg.lstsq(features, np.cos(2 * np.pi * 3 * x), rcond=None)[0]
    assert c @ integrals.size @ c == pytest.approx(0.5, rel=1e-3)
    assert c @ integrals.slope @ c == pytest.approx(0.5 * (6 * np.pi) ** 2, rel=5e-3)
    axis = smooth_axis(encoder)
    z = np.linalg.lstsq(axis.basis, c, rcond=None)[0]
    assert np.sum(z**2) == pytest.approx(0.5, rel=1e-3)
    rank = encoder.stable_rank_[0]
    assert np.sum(axis.roughness**2 * z**2) == pytest.approx(
        0.5 * (6 * np.pi / rank) ** 4, rel=0.05
    )


def test_stopping_looks_into_the_holes():
    # residuals at the samples are nothing long before the hole has filled
    values, axes = load_signal("camera")
    axes = [axis[::8] for axis in axes]
    X, y = grid_samples(values[::8, ::8], axes)
    i, j = np.indices((64, 64)).reshape(2, -1)
    hole = (abs(i - 32) < 8) & (abs(j - 26) < 8)
    model = KroneckerRidge(alpha=1e-6, penalty="ridge").fit(X[~hole], y[~hole])
    assert model.n_iter_ > 20
    exact = clone(model).set_params(tol=1e-10).fit(X[~hole], y[~hole])
    difference = np.abs(model.predict(X) - exact.predict(X))
    assert difference[~hole].max() < 1e-6
    assert difference[hole].max() < 1e-3
    with pytest.warns(ConvergenceWarning, match="max_iter=5"):
        early = clone(model).set_params(max_iter=5).fit(X[~hole], y[~hole])
    assert np.abs(early.predict(X) - exact.predict(X))[hole].max() > 0.02


@pytest.mark.filterwarnings("ignore::sk_posenc.PoorFitWarning")  # targets are noise
def test_nan_is_a_hole_only_where_asked():
    X, y = make_grid((12, 13), 2)
    y[[3, 40, 77]] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        KroneckerRidge().fit(X, y)
    present = np.isfinite(y).all(axis=1)
    for model in (KroneckerRidge(alpha=1e-3), KroneckerRidgeCV(alphas=[1e-3, 1e-1])):
        holed = clone(model).set_params(nan_is_hole=True).fit(X, y)
        assert holed.layout_ == "holes"
        left_out = clone(model).fit(X[present], y[present])
        close(holed.predict(inside(2)), left_out.predict(inside(2)))
        close(holed.noise_variance_, left_out.noise_variance_)
    # holes along an edge, whose coordinates count
    edge = X[:, 0] == X[:, 0].max()
    y[edge] = np.nan
    wide = KroneckerRidge(alpha=1e-3, nan_is_hole=True).fit(X, y)
    assert wide.encoders_[0].domain_[0, 1] == X[:, 0].max()
    with pytest.raises(ValueError, match="NaN for all samples"):
        KroneckerRidge(nan_is_hole=True).fit(X, np.full(len(X), np.nan))
    scattered_X, scattered_y = scattered(50, 2)
    scattered_y[:9] = np.nan
    close(
        KroneckerRidge(alpha=1e-2, nan_is_hole=True).fit(scattered_X, scattered_y).predict(X),
        KroneckerRidge(alpha=1e-2).fit(scattered_X[9:], scattered_y[9:]).predict(X),
    )
    with pytest.raises(TypeError, match="nan_is_hole must be"):
        KroneckerRidge(nan_is_hole="yes").fit(X, y)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_standard_deviations_of_direct_solutions(penalty):
    X, y = scattered(40, 2, 1)
    model = KroneckerRidge(BSPLINE, alpha=1e-2, penalty=penalty, **EXACT).fit(X, y[:, 0])
    dense = DenseRidge(model, penalty).fit(X, y[:, 0])
    A = dense.features(X)
    points = np.clip(inside(2), X.min(axis=0), X.max(axis=0))
    own = dense.features(points)
    inverse = np.linalg.inv(A.T @ A + dense.strength * dense.prior())
    variance = np.einsum("ij,jk,ik->i", own, inverse, own)
    _, std = model.predict(points, return_std=True)
    close(std, np.sqrt(variance * model.noise_variance_), 1e-6)


@pytest.fixture(scope="module")
def pixels():
    """A quarter of the pixels of an image, and the others."""
    values, axes = load_signal("astronaut")
    X, y = grid_samples(values[::4, ::4], [axis[::4] for axis in axes], channels=True)
    train = np.random.default_rng(0).permutation(len(X)) < len(X) // 4
    return X[train], y[train], X[~train], y[~train]


def test_selection_on_held_out_cells(pixels):
    X, y, unseen, truth = pixels
    model = KroneckerRidgeCV().fit(X, y)
    assert model.layout_ == "scattered"
    scores = model.cv_results_["mean_test_score"]
    assert 4 < np.isfinite(scores).sum() < len(scores) / 3
    chosen = psnr_score(truth, model.predict(unseen))
    tried = [
        psnr_score(
            truth,
            KroneckerRidge(ShiftedBasisEncoder("bspline"), penalty=p, alpha=a)
            .fit(X, y)
            .predict(unseen),
        )
        for p in (1.25, 1.5, 2.0, 2.5)
        for a in np.logspace(-4, -1, 7)
    ]
    assert chosen > max(tried) - 0.15
    again = KroneckerRidge(
        model.best_encoder_, alpha=model.alpha_, penalty=model.penalty_, tol=1e-4
    ).fit(X, y)
    assert psnr_score(model.predict(unseen), again.predict(unseen)) > 40


def test_selection_of_the_spacing_and_of_explicit_candidates(pixels):
    X, y, *_ = pixels
    X, y = X[:1500], y[:1500]
    alphas = [1e-3, 1e-1]
    model = KroneckerRidgeCV(
        stable_ranks=[0.1, 0.6], alphas=alphas, penalties=["slope", 1.5, 2.0]
    ).fit(X, y[:, 0])
    results = model.cv_results_
    assert len(results["params"]) == 12
    assert np.isfinite(results["mean_test_score"]).all()
    best = results["params"][model.best_index_]
    assert best["stable_rank"] == 0.6
    assert (model.alpha_, model.penalty_) == (best["alpha"], best["penalty"])
    assert np.argmax(results["mean_test_score"]) == model.best_index_


def test_noise_asks_for_smoothing(pixels, rng):
    X, y, unseen, truth = pixels
    noisy = KroneckerRidgeCV().fit(X, y + 0.3 * rng.standard_normal(y.shape))
    clean = KroneckerRidgeCV().fit(X, y)
    as_clean = KroneckerRidge(
        ShiftedBasisEncoder("bspline"), alpha=clean.alpha_, penalty=clean.penalty_
    ).fit(X, y + 0.3 * rng.standard_normal(y.shape))
    gain = psnr_score(truth, noisy.predict(unseen)) - psnr_score(truth, as_clean.predict(unseen))
    assert gain > 1


def test_memory_follows_the_samples():
    X, y = scattered(30_000, 2, 1)
    tracemalloc.start()
    KroneckerRidge(ShiftedBasisEncoder("bspline"), penalty=2.0, alpha=1e-3).fit(X, y[:, 0])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30_000 * 16 * 8 * 8  # a few times the entries of the sparse matrix


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"penalty": 0.0}, ValueError, "greater than 0"),
        ({"penalty": 9}, ValueError, "at most 8"),
        ({"penalty": True}, TypeError, "exponent of smoothness"),
        ({"penalty": None}, TypeError, "exponent of smoothness"),
        ({"tol": 0}, ValueError, "tol must be finite and greater"),
        ({"tol": "small"}, TypeError, "tol must be a number"),
        ({"max_iter": 0}, ValueError, "max_iter"),
        ({"penalty": 2.0, "alpha": 0.0}, ValueError, "alpha > 0"),
    ],
)
def test_what_is_refused(settings, error, message, iterating):
    X, y = scattered(40, 2)
    with pytest.raises(error, match=message):
        KroneckerRidge(ShiftedBasisEncoder("bspline"), **settings).fit(X, y)


def test_no_warning_where_it_converges(iterating):
    X, y = scattered(300, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        KroneckerRidge(BSPLINE, penalty=2.0, alpha=1e-3).fit(X, y)


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("encoder", [BSPLINE, FourierEncoder(stable_rank=4, domain=(-1.0, 2.0))])
@pytest.mark.parametrize("n_axes", [1, 2])
def test_blocks_of_rows_are_all_rows(encoder, penalty, n_axes, rng):
    if isinstance(encoder, FourierEncoder) and penalty in {"slope", "curvature"}:
        pytest.skip("differences of neighbours are for shifted bases")
    X, y = scattered(300, n_axes)
    y[:, 1] *= 50
    weights = rng.uniform(0.5, 2, 300)
    model = KroneckerRidge(encoder, alpha=1e-2, penalty=penalty, **EXACT)
    whole = clone(model).fit(X, y, weights)
    blocks, other = clone(model), clone(model)
    for at in np.array_split(np.arange(200), 3):
        blocks.partial_fit(X[at], y[at], weights[at])
    assert not np.allclose(blocks.predict(inside(n_axes)), whole.predict(inside(n_axes)))
    other.partial_fit(X[200:], y[200:], weights[200:])
    alone = other.predict(inside(n_axes))
    blocks.merge(other)
    assert blocks.layout_ == "normal"
    close(blocks.intercept_, whole.intercept_)
    close(blocks.coefficients_, whole.coefficients_, 1e-6)
    close(blocks.predict(inside(n_axes)), whole.predict(inside(n_axes)), 1e-8)
    np.testing.assert_array_equal(other.predict(inside(n_axes)), alone)
    # a fit begins anew, and so does what follows it
    close(blocks.fit(X[:50], y[:50]).partial_fit(X, y, weights).predict(X), whole.predict(X), 1e-8)


def test_what_blocks_refuse():
    X, y = scattered(60, 2)
    for encoder, message in [
        (None, "Missing: encoder"),
        (ShiftedBasisEncoder("bspline"), "Missing: domain, n_shifts, stable_rank or bandwidth"),
        ([BSPLINE, FourierEncoder(domain=(0, 1))], "max_frequency"),
        (LogFourierEncoder(), "Missing: domain, max_frequency"),
        (RandomFourierEncoder(domain=(0, 1)), "Missing: stable_rank or bandwidth"),
    ]:
        with pytest.raises(AttributeError) as error:
            KroneckerRidge(encoder).partial_fit(X, y)
        assert message in str(error.value)
    assert not hasattr(KroneckerRidge(), "partial_fit")
    with pytest.raises(ValueError, match="alpha > 0"):
        KroneckerRidge(BSPLINE, alpha=0).partial_fit(X, y).predict(X)
    model = KroneckerRidge(BSPLINE, alpha=1e-2).partial_fit(X, y)
    before = model.predict(X)
    for bad_X, bad_y, message in [
        (X[:, :1], y, "features"),
        (X, y[:, 0], "2 outputs"),
        (X * np.nan, y, "NaN"),
    ]:
        with pytest.raises(ValueError, match=message):
            model.partial_fit(bad_X, bad_y)
    np.testing.assert_array_equal(model.predict(X), before)
    for other in (KroneckerRidge(BSPLINE).fit(X, y), KroneckerRidge()):
        with pytest.raises(ValueError, match="fitted by partial_fit"):
            model.merge(other)
    with pytest.raises(TypeError, match=r"merge needs models .* KroneckerRidge\. Got 3\."):
        model.merge(3)
    wider = clone(BSPLINE).set_params(domain=(-2.0, 2.0))
    with pytest.raises(ValueError, match="same encoder"):
        model.merge(KroneckerRidge(wider).partial_fit(X, y))
    fine = ShiftedBasisEncoder(n_shifts=200, stable_rank=50, domain=(-1.0, 2.0))
    with pytest.raises(ValueError, match="GiB"):
        KroneckerRidge(fine).partial_fit(X, y)


@pytest.mark.parametrize("penalty", ["ridge", "slope", "curvature", 2.0])
@pytest.mark.parametrize("alpha", [1e-2, 1.0, 10.0, 1e12])
def test_an_exact_preconditioner_is_no_accident(alpha, penalty, iterating):
    """A grid less one point, and weights nearly equal, leave next to nothing to iterate for."""
    x = np.arange(16) / 16
    X, y = grid_samples(np.sin(7 * x)[:, None] * np.cos(5 * x), (x, x))
    for place in (100, 120, 201):
        model = KroneckerRidge(penalty=penalty, alpha=alpha, tol=1e-8)
        less = model.fit(np.delete(X, place, 0), np.delete(y, place)).predict(X)
        assert np.abs(less - clone(model).fit(X, y).predict(X)).max() < 0.1
    weights = 1 + 1e-3 * np.random.default_rng(0).uniform(size=len(y))
    close(clone(model).fit(X, y, weights).predict(X), clone(model).fit(X, y).predict(X), 1e-2)


def test_noise_far_below_the_samples_is_smoothed():
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(1_000, 1))
    truth = np.sin(7 * X[:, 0])
    y = truth + 0.2 * rng.standard_normal(1_000)
    search = KroneckerRidgeCV(penalties=[2.0, 2.5]).fit(X, y)
    assert search.alpha_ > 1e3  # beyond what pixels ask for
    assert np.std(search.predict(X) - truth) < 0.04


@pytest.mark.filterwarnings("ignore::sk_posenc.PoorFitWarning")  # targets are noise
def test_a_few_samples_are_enough_to_choose(iterating):
    X, y = scattered(6, 2, 1)
    assert np.isfinite(KroneckerRidgeCV(penalties=[1.5, 2.0]).fit(X, y).best_score_)


def test_settings_that_are_not_meant_so():
    X, y = scattered(60, 2, 1)
    with pytest.raises(ValueError, match=r"at most 4.*divide.*Got .*8"):
        KroneckerRidgeCV(stable_ranks=[8]).fit(X, y)
    for wrong in ("2.0", "smooth"):
        with pytest.raises(ValueError, match=r"adaptive.*or a number"):
            KroneckerRidge(penalty=wrong).fit(X, y)
    many = np.random.default_rng(0).uniform(size=(300, 8))
    with pytest.raises(ValueError, match=r'up to 4 axes.*penalty="ridge"'):
        KroneckerRidgeCV(penalties=2.0).fit(many, many.sum(axis=1))
    encoder = clone(BSPLINE).set_params(domain=(-1.0, 2.0))
    summed = KroneckerRidge(encoder, alpha=1e-2).partial_fit(X, y)
    with pytest.raises(ValueError, match="the model itself"):
        summed.merge(summed)


@pytest.mark.parametrize("layout", ["line", "scattered", "holes"])
@pytest.mark.parametrize("cv", [None, 3])
def test_an_alpha_that_is_found_leaves_a_sound_system(layout, cv):
    X = np.random.default_rng(0).uniform(size=(200, 1 if layout == "line" else 3))
    if layout == "holes":
        X = np.random.default_rng(0).permutation(np.argwhere(np.ones((15, 15))))[:190] / 15
    y = np.sin(7 * X[:, 0])
    settings = {"penalties": [2.0, 2.5] if layout == "line" else "ridge", "cv": cv}
    limit = KroneckerRidgeCV(**settings).fit(X, y).condition_ ** 0.5
    with limits(ill_conditioned=limit):
        with warnings.catch_warnings():
            if cv is not None:  # the fit to all samples may be worse conditioned than to a part
                warnings.filterwarnings("ignore", "the regularised system has condition number")
            search = KroneckerRidgeCV(**settings).fit(X, y)
        assert search.condition_ <= limit * (1 if cv is None else 3)
        with pytest.warns(UserWarning, match="condition number"):
            KroneckerRidgeCV(penalties=search.penalty_, alphas=search.alpha_ / 1e3).fit(X, y)
    refused = pytest.raises(ValueError, match="rounding decides its solution")
    with limits(ill_conditioned=1.0), refused:
        KroneckerRidgeCV(**settings).fit(X, y)


def test_blocks_have_holes(rng):
    X, y = scattered(80, 2)
    holed = y.copy()
    holed[::5] = np.nan
    present = np.isfinite(holed).all(axis=1)
    model = KroneckerRidge(BSPLINE, alpha=1e-2, nan_is_hole=True, **EXACT)
    blocks = clone(model)
    for at in (slice(0, 30), slice(30, 80)):
        blocks.partial_fit(X[at], holed[at])
    whole = clone(model).fit(X[present], y[present])
    close(blocks.predict(inside(2)), whole.predict(inside(2)), 1e-8)


@pytest.mark.parametrize(
    ("encoder", "missing"),
    [
        (RandomFourierEncoder(8, domain=(-1, 2)), "stable_rank or bandwidth"),
        (FourierEncoder(domain=(-1, 2)), "stable_rank or max_frequency"),
        (ShiftedBasisEncoder("bspline", domain=(-1, 2), n_shifts=5), "stable_rank or bandwidth"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_blocks_need_all_settings(encoder, missing):
    X, y = scattered(40, 2)
    model = KroneckerRidge(encoder, alpha=1e-2)
    assert not hasattr(model, "partial_fit")
    with pytest.raises(AttributeError) as refused:
        model.partial_fit(X, y)
    assert str(refused.value).endswith(f"Missing: {missing}.")
    if isinstance(encoder, RandomFourierEncoder):
        given = clone(encoder).set_params(bandwidth=0.5, random_state=0)
        KroneckerRidge(given, alpha=1e-2).partial_fit(X, y)


def test_coefficients_beyond_floats_are_refused():
    x = np.random.default_rng(0).uniform(size=(30, 1))
    model = KroneckerRidge(ShiftedBasisEncoder(stable_rank=3), penalty="slope", alpha=0)
    y = np.sin(1e3 * x[:, 0])
    with pytest.raises(ValueError, match=r"raise alpha, or scale y.*Got a spread of \de\+30\d\."):
        model.fit(np.hstack([x, np.ones_like(x)]), 1e304 * y)


def test_predictions_beyond_float32():
    X = np.random.default_rng(0).uniform(size=(30, 2))
    model = KroneckerRidge(alpha=1e-3).fit(X, 1e50 * X[:, 0])
    single = X.astype(np.float32)
    for options in ({}, {"return_std": True}):
        with pytest.raises(ValueError, match=r"X must be in float64.*Got float32\."):
            model.predict(single, **options)
    with pytest.raises(ValueError, match=r"X must be in float64.*Got float32\."):
        predict_grid(model, coords=[np.linspace(0, 1, 3, dtype=np.float32)] * 2)
