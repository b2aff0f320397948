"""What a plain Kronecker ridge is where nothing is set, and what is set of it by name."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sk_posenc import (
    FourierEncoder,
    KroneckerRidge,
    KroneckerRidgeCV,
    ShiftedBasisEncoder,
    grid_samples,
    load_signal,
    psnr_score,
    suggest_encoder,
)
from sk_posenc.core.limits import limits

OLD = {"penalty": "ridge", "alpha": 1e-6}
PLACED = ShiftedBasisEncoder("bspline", stable_rank=4, n_shifts=9, domain=(0, 1))


def waves(X):
    return np.sin(5 * X[:, 0]) + X[:, -1] ** 2


def full_grid(n_axes=2, n=9):
    X, _ = grid_samples(np.zeros((n,) * n_axes), [np.arange(n) / (n - 1)] * n_axes)
    return X, waves(X)


def scattered(n_axes=2, n=150):
    X = np.random.default_rng(0).uniform(size=(n, n_axes))
    return X, waves(X)


def used(model):
    return model.penalty_, model.alpha_


def rising(X):
    return 1 + np.arange(len(X)) % 7 / 3


@pytest.mark.parametrize("encoder", [None, PLACED, FourierEncoder(3)])
@pytest.mark.parametrize("weights", [None, rising])
@pytest.mark.parametrize("n_axes", [1, 2])
def test_on_a_full_grid_nothing_has_changed(encoder, weights, n_axes):
    X, y = full_grid(n_axes)
    order = np.random.default_rng(0).permutation(len(X))
    X, y = X[order], y[order]
    weights = None if weights is None else weights(X)
    model = KroneckerRidge(encoder).fit(X, y, weights)
    before = KroneckerRidge(encoder, **OLD).fit(X, y, weights)
    assert used(model) == ("ridge", 1e-6)
    assert_array_equal(model.predict(X), before.predict(X))
    assert_array_equal(model.coefficients_, before.coefficients_)


def test_a_full_grid_is_one_of_coordinates_whatever_samples_weigh():
    X, y = full_grid()
    random = np.random.default_rng(0).uniform(0.5, 2, len(X))
    model = KroneckerRidge().fit(X, y, random)
    assert (model.layout_, *used(model)) == ("holes", "ridge", 1e-6)
    assert_array_equal(
        model.predict(X[:20] + 0.01),
        KroneckerRidge(**OLD).fit(X, y, random).predict(X[:20] + 0.01),
    )
    twice = KroneckerRidge().fit(np.repeat(X, 2, axis=0), np.repeat(y, 2))
    uneven = KroneckerRidge().fit(np.concatenate([X, X[:5]]), np.concatenate([y, y[:5]]))
    assert used(twice) == used(uneven) == ("ridge", 1e-6)
    random[7] = 0  # absent
    assert used(KroneckerRidge().fit(X, y, random)) == (2.0, 1e-3)


def test_holes_of_every_kind_ask_for_smoothness():
    X, y = full_grid()
    dropped = KroneckerRidge().fit(X[1:], y[1:])
    marked = y.copy()
    marked[0] = np.nan
    hole = KroneckerRidge(nan_is_hole=True).fit(X, marked)
    absent = KroneckerRidge().fit(X, y, np.arange(len(X)) > 0)
    for model in (dropped, hole, absent):
        assert (model.layout_, *used(model)) == ("holes", 2.0, 1e-3)
        assert [each.basis for each in model.encoders_] == ["bspline"] * 2
    line, values = full_grid(1, 20)
    values[[4, 5, 11]] = np.nan
    assert used(KroneckerRidge(nan_is_hole=True).fit(line, values)) == (2.0, 1e-3)


@pytest.mark.parametrize("n_axes", [2, 3])
def test_scattered_samples_ask_for_smoothness(n_axes):
    X, y = scattered(n_axes)
    model = KroneckerRidge().fit(X, y)
    assert used(model) == (2.0, 1e-3)
    again = KroneckerRidge(ShiftedBasisEncoder("bspline"), penalty=2.0, alpha=1e-3).fit(X, y)
    assert_array_equal(model.predict(X), again.predict(X))


def test_few_uneven_samples_of_one_axis_are_no_grid():
    X, y = scattered(1, 30)
    assert used(KroneckerRidge(PLACED).fit(X, y)) == (2.0, 1e-3)
    even = np.linspace(0, 1, 30)[:, None]
    assert used(KroneckerRidge(PLACED).fit(even, y)) == ("ridge", 1e-6)
    with limits(direct_up_to=20):
        assert used(KroneckerRidge(PLACED).fit(X, y)) == ("ridge", 1e-6)


@pytest.mark.parametrize(
    ("encoder", "n_axes", "penalty"),
    [
        (FourierEncoder(2), 2, "ridge"),
        ([ShiftedBasisEncoder(), FourierEncoder(2)], 2, "ridge"),
        ([ShiftedBasisEncoder(), ShiftedBasisEncoder("triangle")], 2, 2.0),
        (ShiftedBasisEncoder(), 2, 2.0),
        (None, 3, 2.0),
        (None, 4, "ridge"),
        (ShiftedBasisEncoder(stable_rank=2), 4, "ridge"),
    ],
)
def test_smoothness_needs_ordered_encoders_and_few_axes(encoder, n_axes, penalty):
    X, y = scattered(n_axes)
    model = KroneckerRidge(encoder).fit(X, y)
    assert used(model) == (penalty, 1e-6 if penalty == "ridge" else 1e-3)
    if penalty == "ridge":
        assert_array_equal(model.predict(X), KroneckerRidge(encoder, **OLD).fit(X, y).predict(X))


@pytest.mark.parametrize(
    ("penalty", "alpha"),
    [("ridge", 1e-6), ("slope", 1e-6), ("curvature", 1e-6), (1.5, 1e-3), ("adaptive", 0.2)],
)
@pytest.mark.parametrize("samples", [full_grid, scattered])
def test_alpha_depends_on_the_penalty(penalty, alpha, samples):
    X, y = samples()
    model = KroneckerRidge(penalty=penalty).fit(X, y)
    assert used(model) == (penalty, alpha)
    assert_array_equal(
        model.predict(X), KroneckerRidge(penalty=penalty, alpha=alpha).fit(X, y).predict(X)
    )


@pytest.mark.parametrize(("samples", "penalty"), [(full_grid, "ridge"), (scattered, 2.0)])
def test_an_alpha_applies_to_the_penalty_that_is_taken(samples, penalty):
    X, y = samples()
    assert used(KroneckerRidge(alpha=0.5).fit(X, y)) == (penalty, 0.5)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"alpha": "Auto"}, ValueError, "alpha must be a number or \"auto\". Got 'Auto'."),
        ({"alpha": None}, TypeError, 'alpha must be a number or "auto". Got None.'),
        ({"alpha": -1}, ValueError, 'alpha must be finite and at least 0 or "auto". Got -1.'),
        (
            {"penalty": "smooth"},
            ValueError,
            "'auto', 'curvature', 'radial', .*Got 'smooth'.",
        ),
        ({"penalty": 0}, ValueError, "greater than 0 and at most 8.*'auto'.*Got 0."),
        ({"penalty": None}, TypeError, "penalty must be a number.*'auto'.*Got None."),
    ],
)
def test_other_values_are_refused(settings, error, message):
    X, y = scattered()
    for fit in (
        KroneckerRidge(PLACED, **settings).fit,
        KroneckerRidge(PLACED).set_params(**settings).partial_fit,
    ):
        with pytest.raises(error, match=message):
            fit(X, y)


def test_a_search_has_no_automatic_candidate():
    X, y = full_grid()
    with pytest.raises(ValueError, match=r"penalties must be one of.*Got 'auto'"):
        KroneckerRidgeCV(penalties=["auto"]).fit(X, y)


@pytest.mark.parametrize("samples", [full_grid, scattered])
def test_blocks_take_what_a_fit_off_a_grid_takes(samples):
    X, y = samples()
    model = KroneckerRidge(PLACED, tol=1e-10)
    for rows in np.array_split(np.arange(len(X)), 3):
        model.partial_fit(X[rows], y[rows])
        assert used(model) == (2.0, 1e-3)
    whole = KroneckerRidge(PLACED, penalty=2.0, alpha=1e-3, tol=1e-10).fit(X, y)
    np.testing.assert_allclose(model.predict(X), whole.predict(X), atol=1e-6)
    waves_of = FourierEncoder(stable_rank=4, domain=(0, 1))
    assert used(KroneckerRidge(waves_of).partial_fit(X, y)) == ("ridge", 1e-6)


def test_merged_models_take_the_settings_of_the_first():
    X, y = scattered()
    first = KroneckerRidge(PLACED).partial_fit(X[:80], y[:80])
    first.set_params(alpha=0.1).merge(KroneckerRidge(PLACED, **OLD).partial_fit(X[80:], y[80:]))
    assert used(first) == (2.0, 0.1)


@pytest.mark.parametrize("name", ["camera", "coffee", "grass"])
def test_scattered_pixels_are_filled_nearly_as_well_as_by_a_search(name):
    image = load_signal(name)[0][100:228, 100:228]
    everywhere, values = grid_samples(image, channels=image.ndim == 3)
    known = np.random.default_rng(0).uniform(size=len(values)) < 0.25

    def psnr(model):
        filled = model.fit(everywhere[known], values[known]).predict(everywhere[~known])
        return psnr_score(values[~known], np.clip(filled, 0, 1))

    assert psnr(KroneckerRidge()) > psnr(KroneckerRidgeCV()) - 1


def test_a_ranking_is_at_the_settings_that_a_fit_would_have():
    X, y = scattered()
    candidates = [ShiftedBasisEncoder("bspline", stable_rank=4), FourierEncoder(2)]
    ranking = suggest_encoder(X, y, KroneckerRidge(), candidates).table
    together = dict(zip(ranking["index"], ranking["mse"], strict=True))
    for index, (penalty, alpha) in enumerate([(2.0, 1e-3), ("ridge", 1e-6)]):
        head = KroneckerRidge(penalty=penalty, alpha=alpha)
        assert suggest_encoder(X, y, head, [candidates[index]]).table["mse"] == together[index]


@pytest.mark.parametrize(
    ("penalty", "basis"),
    [("auto", "gaussian"), ("ridge", "gaussian"), (2.0, "gaussian"), ("adaptive", "triangle")],
)
def test_parameters_of_no_encoder_are_those_of_the_default_one(penalty, basis):
    model = KroneckerRidge(penalty=penalty)
    assert model.set_params(encoder__stable_rank=(3, 5), encoder__n_shifts=9) is model
    assert (model.encoder.basis, model.encoder.stable_rank) == (basis, (3, 5))
    assert model.encoder.n_shifts == 9
    model.set_params(encoder__stable_rank=4)  # of the encoder that is there now
    assert (model.encoder.stable_rank, model.encoder.n_shifts) == (4, 9)
    together = KroneckerRidge().set_params(penalty=penalty, encoder__stable_rank=3, encoder=None)
    assert (together.encoder.basis, together.penalty) == (basis, penalty)
    given = KroneckerRidge().set_params(encoder__stable_rank=3, encoder=FourierEncoder(9))
    assert repr(given.encoder) == repr(FourierEncoder(9, stable_rank=3))


def test_a_grid_search_sets_parameters_of_the_default_encoder():
    X, y = full_grid(2, 12)
    model = KroneckerRidge()
    search = GridSearchCV(model, {"encoder__stable_rank": [3, (3, 5)]}, cv=3).fit(X, y)
    assert list(search.cv_results_["param_encoder__stable_rank"]) == [3, (3, 5)]
    assert np.ptp(search.cv_results_["mean_test_score"]) > 0
    best = search.best_params_["encoder__stable_rank"]
    assert search.best_estimator_.encoder.stable_rank == best
    assert model.encoder is None
    nested = GridSearchCV(
        make_pipeline(KroneckerRidge()), {"kroneckerridge__encoder__stable_rank": [3, 4]}, cv=3
    )
    assert nested.fit(X, y).best_estimator_[0].encoder.stable_rank in (3, 4)


@pytest.mark.parametrize(
    "wrong", [{"encoder__rank": 3}, {"rank": 3}, {"alpha": 1.0, "encoder__rank": 3, "tol": 1.0}]
)
def test_unknown_parameters_are_refused_and_nothing_is_set(wrong):
    model = KroneckerRidge()
    with pytest.raises(ValueError, match=r"Invalid parameter 'rank' for estimator"):
        model.set_params(**wrong)
    with pytest.raises(ValueError, match=r"Invalid parameter 'bogus' for estimator KroneckerRidge"):
        model.set_params(alpha=2.0, bogus=1, encoder__stable_rank=3)
    assert model.get_params() == KroneckerRidge().get_params()


def test_no_encoder_stays_none_where_nothing_of_it_is_set():
    model = KroneckerRidge().set_params(alpha=0.1)
    assert clone(model).get_params() == model.get_params()
    assert (model.encoder, repr(model)) == (None, "KroneckerRidge(alpha=0.1)")
    assert repr(KroneckerRidge()) == "KroneckerRidge()"
    assert not [name for name in model.get_params() if name.startswith("encoder__")]
