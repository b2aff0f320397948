"""encoding_report: numbers against dense algebra and closed forms, traps, and its two forms."""

import math
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_posenc import (
    CoordinateMLPRegressor,
    FourierEncoder,
    KroneckerRidge,
    LearnableFourierEncoder,
    LogFourierEncoder,
    RandomFourierEncoder,
    ShiftedBasisEncoder,
    distance_preservation,
    encoding_report,
    grid_samples,
    psnr_score,
    similarity_radius,
    stable_rank,
)
from sk_posenc.core.limits import limits

N = 128
LINE = np.arange(N)[:, None] / N
ENCODERS = [
    ShiftedBasisEncoder(stable_rank=6),
    ShiftedBasisEncoder("square"),
    ShiftedBasisEncoder("impulse", stable_rank=6),
    ShiftedBasisEncoder("triangle", stable_rank=4, tensor_product=True),
    ShiftedBasisEncoder("bspline", stable_rank=4, sparse_output=True, tensor_product=True),
    FourierEncoder(stable_rank=6),
    LogFourierEncoder(4),
    RandomFourierEncoder(12, random_state=0),
    LearnableFourierEncoder(16, mlp=(8, 12), random_state=0),
]


@pytest.mark.parametrize("encoder", ENCODERS, ids=repr)
@pytest.mark.parametrize("n_axes", [1, 2])
def test_numbers_against_dense_algebra(encoder, n_axes, rng):
    X = rng.uniform(size=(80, n_axes))
    report = encoding_report(encoder, X)
    assert not hasattr(encoder, "domain_")
    fitted = clone(encoder).fit(X)
    E = fitted.transform(X)
    E = E.toarray() if sparse.issparse(E) else E
    values = np.linalg.svd(E, compute_uv=False)
    assert report.whole_stable_rank == pytest.approx(stable_rank(E))
    assert report.rank == np.linalg.matrix_rank(E)
    if report.rank == min(E.shape):
        assert report.condition_number == pytest.approx(values[0] / values[-1], rel=1e-3)
    else:
        assert report.condition_number == math.inf
    assert (report.n_samples, report.n_measured, report.n_features) == (80, 80, E.shape[1])
    assert report.n_axes == n_axes
    assert report.stable_rank == pytest.approx(fitted.stable_rank_)
    assert report.similarity_radius == pytest.approx(similarity_radius(fitted))
    if report.columns_per_axis is not None:
        product = getattr(encoder, "tensor_product", False)
        assert (np.prod if product else np.sum)(report.columns_per_axis) == E.shape[1]
    assert encoding_report(fitted, X).rank == report.rank


@pytest.mark.parametrize("per_width", [0.5, 0.7, 1.0])
def test_ripple_is_that_of_a_sampled_gaussian(per_width):
    # the squares of Gaussians of width s at spacing h ripple by 2 exp(-(pi s / h)**2)
    width = per_width / 64
    encoder = ShiftedBasisEncoder(bandwidth=width, n_shifts=65, domain=(0, 1))
    report = encoding_report(encoder, LINE)
    assert report.ripple[0] == pytest.approx(2 * np.exp(-((np.pi * per_width) ** 2)), rel=0.1)


def test_fading():
    cut = encoding_report(
        ShiftedBasisEncoder(bandwidth=0.02, n_shifts=201, domain=(0, 127 / 128), boundary="cut"),
        LINE,
    )
    # at an end are half of a Gaussian's square and half of the shift in its middle
    half = 0.5 - 0.5 * (127 / 128 / 200) / (math.sqrt(math.pi) * 0.02)
    assert cut.fading[0] == pytest.approx(half, abs=0.01)
    assert any("fade towards the ends" in warning for warning in cut.warnings)
    whole = encoding_report(ShiftedBasisEncoder(stable_rank=20), LINE)
    assert whole.fading[0] < 0.02


@pytest.mark.parametrize("spacings", [1, 2, 3])
def test_widths_at_and_between_harmonics(spacings):
    settings = {"n_shifts": N + 1, "domain": (0, 1), "boundary": "extend"}
    at = encoding_report(
        ShiftedBasisEncoder("triangle", bandwidth=spacings / N, **settings), LINE
    )  # fmt: skip
    between = encoding_report(
        ShiftedBasisEncoder("triangle", bandwidth=(spacings + 0.5) / N, **settings), LINE
    )
    assert at.slow_error[0] < 0.01 < 0.03 < between.slow_error[0]
    assert not any("whole number of the spacings" in warning for warning in at.warnings)
    assert any("whole number of the spacings" in warning for warning in between.warnings)


def test_slow_error_and_gain_in_closed_form():
    settings = {"n_shifts": N + 1, "domain": (0, 1)}
    # triangles 1.5 spacings wide add up to 5/3 at shifts and to 4/3 between: 20 % is lost
    lost = encoding_report(ShiftedBasisEncoder("triangle", bandwidth=1.5 / N, **settings), LINE)
    assert lost.slow_error[0] == pytest.approx(0.2, abs=0.02)
    # one spacing wide they interpolate linearly: noise is halved in variance
    linear = encoding_report(ShiftedBasisEncoder("triangle", bandwidth=1 / N, **settings), LINE)
    assert linear.gain[0] == pytest.approx(math.sqrt(0.5), rel=0.01)


def tried_by_hand(encoder, x, places, alpha=1e-6):
    """Gain and slow error of one axis, by scikit-learn's ridge and waves over the places."""
    at, between = (encoder.transform(p[:, None]) for p in (places, (places[1:] + places[:-1]) / 2))
    n, span = len(places), np.ptp(places)
    centred = at - at.mean(axis=0)
    model = Ridge(alpha * np.sum(centred**2) / n, solver="cholesky").fit(at, np.eye(n))
    # in the mean over noise, less the intercept's share of it
    gain = np.linalg.norm(model.predict(between) - 1 / n) / math.sqrt(n - 1)
    low, high = encoder.domain_[0]
    held = encoder.stable_rank_[0] * span / (high - low)
    errors = []
    for k in range(1, min(3, math.floor(held / 2)) + 1):
        turns = k / 2  # over the places
        if getattr(encoder, "boundary", None) == "periodic":
            turns = max(1, round(turns / span * (high - low))) / ((high - low) / span)
        wave = np.cos(2 * math.pi * turns * np.linspace(0, 1, 2 * n - 1))
        model.fit(at, wave[::2])
        missed = model.predict(between) - wave[1::2]
        errors.append(np.sqrt(np.mean(missed**2)) / np.std(wave[1::2]))
    return gain, max(errors)


@pytest.mark.parametrize(
    "encoder",
    [
        ShiftedBasisEncoder("triangle", bandwidth=0.03, n_shifts=70),
        ShiftedBasisEncoder("triangle", stable_rank=9, domain=(0, 2.5)),
        ShiftedBasisEncoder(bandwidth=0.012, n_shifts=65, domain=(0, 1), boundary="periodic"),
        ShiftedBasisEncoder("bspline", stable_rank=31, domain=(0, 1), boundary="cut"),
        FourierEncoder(n_frequencies=17),
        FourierEncoder(stable_rank=9, domain=(0, 1.5), boundary="periodic"),
        LogFourierEncoder(7),
        RandomFourierEncoder(20, stable_rank=6, random_state=0),
    ],
    ids=repr,
)
@pytest.mark.parametrize("n", [40, 41])
def test_trials_between_samples_are_those_of_ridge(encoder, n):
    x = np.linspace(0, 1, n, endpoint=False)
    report = encoding_report(encoder, x[:, None])
    fitted = clone(encoder).fit(x[:, None])
    gain, error = tried_by_hand(fitted, x, x)
    assert report.gain[0] == pytest.approx(gain, rel=1e-4)
    assert report.slow_error[0] == pytest.approx(error, rel=1e-3, abs=1e-6)
    assert report.spacing[0] == pytest.approx(1 / n)
    # of very many samples those in the middle are tried
    with limits(tried_samples=25):
        fewer = encoding_report(encoder, x[:, None])
    skipped = (n - 25) // 2
    gain, error = tried_by_hand(fitted, x, x[skipped : n - skipped])
    assert fewer.gain[0] == pytest.approx(gain, rel=1e-4)
    assert fewer.slow_error[0] == pytest.approx(error, rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("boundary", ["cut", "extend"])
def test_ripple_is_that_of_the_middle_and_fading_of_the_ends(boundary):
    # the ends of a cut domain lose about half, which is no ripple
    report = encoding_report(
        ShiftedBasisEncoder("bspline", stable_rank=20, boundary=boundary, domain=(0, 1)), LINE
    )
    assert report.ripple[0] < 0.01
    assert (report.fading[0] > 0.2) == (boundary == "cut")


def test_gain_foretells_double_descent(rng):
    y = np.cumsum(rng.normal(size=2 * N))
    X, seen = np.arange(2 * N)[:, None] / (2 * N), np.arange(2 * N) % 2 == 0
    gains, losses = [], []
    for n_shifts in (N // 2, N - 6, N):
        encoder = ShiftedBasisEncoder(bandwidth=0.64 / n_shifts, n_shifts=n_shifts)
        report = encoding_report(encoder, X[seen])
        gains.append(report.gain[0])
        model = KroneckerRidge(encoder).fit(X[seen], y[seen])
        losses.append(-psnr_score(y[~seen], model.predict(X[~seen]), data_range=np.ptp(y)))
        warned = any("noise" in warning for warning in report.warnings)
        assert warned == (n_shifts == N - 6)
    assert np.argmax(gains) == 1
    assert losses[1] > losses[2] + 1


TRAPS = {
    "49.22% of the samples lie outside the domain": ShiftedBasisEncoder(domain=(0, 0.5)),
    "count as its nearest end": FourierEncoder(domain=(0, 0.5)),
    "have fading columns": ShiftedBasisEncoder(domain=(0, 0.5), boundary="cut"),
    "not covered by its stable rank": LogFourierEncoder(domain=(0, 0.5)),
    "cover 10% of the domain": ShiftedBasisEncoder(domain=(0, 10), stable_rank=40),
    "fewer shifts than its bandwidth needs": ShiftedBasisEncoder(stable_rank=20, n_shifts=26),
    "40 is expected for": RandomFourierEncoder(32, stable_rank=40, sampling="iid", random_state=0),
    "a whole number of the spacings": ShiftedBasisEncoder(
        "triangle", bandwidth=1.5 / N, n_shifts=N
    ),
    "piecewise constant": ShiftedBasisEncoder("impulse", stable_rank=24),
    "share nothing": ShiftedBasisEncoder(stable_rank=150),
    "hard to learn": ShiftedBasisEncoder(stable_rank=4),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_traps(trap):
    report = encoding_report(TRAPS[trap], LINE)
    assert any(trap in warning for warning in report.warnings)
    for text in (str(report), report._repr_html_()):
        assert trap in " ".join(text.split())


@pytest.mark.parametrize(
    "encoder",
    [
        ShiftedBasisEncoder(),
        ShiftedBasisEncoder("bspline"),
        ShiftedBasisEncoder("triangle"),
        ShiftedBasisEncoder("rectangle"),
        ShiftedBasisEncoder(domain=(0, 1), boundary="periodic"),
        FourierEncoder(),
        FourierEncoder(domain=(0, 1), boundary="periodic"),
        RandomFourierEncoder(random_state=0),
    ],
    ids=repr,
)
def test_defaults_are_no_trap(encoder):
    assert encoding_report(encoder, LINE).warnings == []
    assert "No trap found" in str(encoding_report(encoder, LINE))


def test_the_advice_mends_the_trap():
    few = encoding_report(ShiftedBasisEncoder(stable_rank=20, n_shifts=26), LINE)
    [told] = [warning for warning in few.warnings if "at least" in warning]
    enough = int(told.split("at least ")[1].split(",")[0])
    mended = encoding_report(ShiftedBasisEncoder(stable_rank=20, n_shifts=enough), LINE)
    assert mended.warnings == []


def test_memory_is_bounded(rng):
    X = rng.uniform(size=(20_000, 3))
    encoder = ShiftedBasisEncoder("triangle", stable_rank=60, tensor_product=True)
    report = encoding_report(encoder, X, X[:, 0], max_samples=300)
    assert report.n_features > 10**8
    assert report.n_measured == 300
    assert report.rank == 300
    assert report.fit_psnr is None
    assert "300 samples, drawn at random" in str(report)
    assert "too many columns" in " ".join(report.memorises)


def test_rows_are_subsampled_alike(rng):
    X = rng.uniform(size=(400, 1))
    first, again, other = (
        encoding_report(ShiftedBasisEncoder(stable_rank=5), X, max_samples=50, random_state=seed)
        for seed in (0, 0, 1)
    )
    assert first.whole_stable_rank == again.whole_stable_rank != other.whole_stable_rank


def test_a_signal():
    smooth = np.sin(8 * LINE[:, 0])
    report = encoding_report(ShiftedBasisEncoder(), LINE, smooth)
    assert report.held_out_psnr > 40
    assert report.n_fitted == N - N // 5
    assert "generalises" in " ".join(report.memorises)
    noise = np.random.default_rng(0).normal(size=N)
    report = encoding_report(ShiftedBasisEncoder(stable_rank=90), LINE, noise)
    assert report.fit_psnr > report.held_out_psnr + 10
    assert "lower stable rank may be better" in " ".join(report.memorises)
    X, y = grid_samples(np.sin(np.outer(np.arange(20), np.arange(30)) / 50))
    report = encoding_report(ShiftedBasisEncoder(), X, np.column_stack([y, y]))
    assert "sum of functions of one axis each" in " ".join(report.memorises)
    assert "cannot hold this signal" in " ".join(report.memorises)
    product = encoding_report(ShiftedBasisEncoder(tensor_product=True), X, y)
    assert product.fit_psnr > report.fit_psnr + 10
    assert "sum of functions" not in " ".join(product.memorises)


def test_encoders_within_other_estimators():
    X = 7 + 3 * LINE
    encoder = ShiftedBasisEncoder(stable_rank=8)
    y = np.sin(X[:, 0])
    plain = encoding_report(encoder, StandardScaler().fit_transform(X))
    pipeline = make_pipeline(StandardScaler(), clone(encoder), Ridge()).fit(X, y)
    network = CoordinateMLPRegressor(
        encoder, hidden_layer_sizes=(4,), max_epochs=1, device="cpu", random_state=0
    )
    held = make_pipeline(StandardScaler(), network).fit(X, y)
    for estimator in (pipeline, held, Pipeline([("outer", pipeline)])):
        report = encoding_report(estimator, X)
        assert report.whole_stable_rank == pytest.approx(plain.whole_stable_rank, rel=1e-3)
    frame = pd.DataFrame(X, columns=["hour"])
    report = encoding_report(encoder, frame)
    assert report.axis_names == ["hour"]
    assert "hour" in str(report)
    tensor = encoding_report(encoder, torch.asarray(X))
    assert tensor.rank == report.rank
    single = encoding_report(encoder, X.astype(np.float32))
    assert single.whole_stable_rank == pytest.approx(report.whole_stable_rank, rel=1e-4)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ((Ridge(), LINE), TypeError, "encoder of sk_posenc"),
        (
            (Pipeline([("a", StandardScaler()), ("b", Ridge())]), LINE),
            TypeError,
            "regressor of one",
        ),
        ((KroneckerRidge(), LINE), TypeError, "encoder of sk_posenc"),
        ((ShiftedBasisEncoder(), LINE + np.nan), ValueError, "NaN"),
        ((ShiftedBasisEncoder(), LINE[:1]), ValueError, "at least 2 samples"),
        ((ShiftedBasisEncoder(stable_rank=0), LINE), ValueError, "stable_rank must be"),
        ((ShiftedBasisEncoder(), LINE, LINE[:5, 0]), ValueError, "inconsistent"),
        ((ShiftedBasisEncoder(), LINE, np.ones(N)), ValueError, "y is constant"),
        ((ShiftedBasisEncoder(), LINE, LINE + np.inf), ValueError, "y contains"),
    ],
)
def test_bad_input(arguments, error, match):
    with pytest.raises(error, match=match):
        encoding_report(*arguments)


def test_seeds_are_checked_where_none_is_drawn():
    with pytest.raises(TypeError, match="random_state must be a whole number"):
        encoding_report(FourierEncoder(), LINE, random_state={})
    with pytest.raises(TypeError, match="random_state must be a whole number"):
        distance_preservation(LINE, LINE, random_state={})


@pytest.mark.parametrize("max_samples", [1, 2.5, "all"])
def test_bad_max_samples(max_samples):
    with pytest.raises((ValueError, TypeError), match="max_samples"):
        encoding_report(ShiftedBasisEncoder(), LINE, max_samples=max_samples)


def test_constant_axis_and_few_samples():
    report = encoding_report(ShiftedBasisEncoder(), np.column_stack([LINE, np.ones(N)]))
    assert np.isnan(report.gain[1])
    assert "-" in str(report).split()
    tiny = encoding_report(ShiftedBasisEncoder(), [[0.0], [1.0]])
    assert tiny.rank == 2


def test_stable_ranks_asked_of_the_columns_of_a_group(rng):
    encoder = LearnableFourierEncoder(
        16, mlp=(8, 8), groups=[[0, 3], [2, 1]], stable_rank=(2, 3), random_state=0
    )
    report = encoding_report(encoder, rng.uniform(size=(80, 4)))
    assert report.stable_rank_asked == [2, 3, 2, 3]
    assert "rank asked" in str(report)


def test_both_forms_say_the_same():
    X = pd.DataFrame(np.column_stack([LINE, LINE[::-1] * 100]), columns=["<time>", "depth & more"])
    report = encoding_report(ShiftedBasisEncoder(stable_rank=[8, 20]), X, LINE[:, 0])
    page = ElementTree.fromstring(report._repr_html_())
    cells = [cell.text for cell in page.iter() if cell.tag in ("td", "th", "li", "code")]
    text = " ".join(str(report).split())
    assert {"<time>", "depth & more"} <= set(cells)
    for cell in cells:
        assert " ".join(cell.split()) in text
    assert len(report._per_axis()) == 3


@pytest.mark.parametrize("low", [0.0, 250.0])
def test_spacing_and_idle_parts_in_the_units_of_an_axis(low):
    X = low + np.linspace(0, 3, 31)[:, None]
    whole = encoding_report(ShiftedBasisEncoder(stable_rank=5), X)
    assert whole.spacing == pytest.approx([0.1])
    assert not any("idle" in warning for warning in whole.warnings)
    wide = encoding_report(ShiftedBasisEncoder(stable_rank=5, domain=(low, low + 15)), X)
    assert any("The samples cover 20% of the domain" in warning for warning in wide.warnings)


def test_samples_beside_the_domain_measure_all_of_it():
    encoder = ShiftedBasisEncoder(bandwidth=0.7 / 64, n_shifts=65, domain=(0, 1))
    within, beside = encoding_report(encoder, LINE), encoding_report(encoder, LINE + 5)
    assert beside.ripple == pytest.approx(within.ripple, rel=0.05)
    assert any("100.00% of the samples lie outside" in warning for warning in beside.warnings)


@pytest.mark.parametrize(
    "encoder",
    [FourierEncoder(), ShiftedBasisEncoder("triangle"), ShiftedBasisEncoder(boundary="cut")],
    ids=repr,
)
@pytest.mark.parametrize("far", [100, 1e8])
def test_samples_that_are_one_point_to_the_encoding(rng, encoder, far):
    X = rng.uniform(size=(40, 2))
    report = encoding_report(encoder.fit(X), X + far, X[:, 0])
    np.testing.assert_array_equal(report.gain, 0)
    np.testing.assert_allclose(report.slow_error, 1)  # the mean is all that a head knows
    assert "100.00% of the samples lie outside the domain" in str(report)


def test_the_number_of_samples_is_told_once():
    X = np.random.default_rng(0).uniform(size=(400, 1))
    of_some = encoding_report(ShiftedBasisEncoder(stable_rank=100), X, max_samples=50)
    assert "The matrix of 50 of 400 samples" in " ".join(of_some.memorises)
    of_all = encoding_report(ShiftedBasisEncoder(stable_rank=100), X[:50])
    assert "The matrix of 50 samples" in " ".join(of_all.memorises)
