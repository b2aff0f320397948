"""What KroneckerRidgeCV with all its defaults learns from few samples."""

import warnings

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.metrics import r2_score

from sk_posenc import KroneckerRidge, KroneckerRidgeCV, PoorFitWarning, grid_samples
from sk_posenc.core.limits import limits
from sk_posenc.encoders.bases import resolve_basis
from sk_posenc.encoders.shifted_basis import ShiftedBasisEncoder
from sk_posenc.kronecker._stage import Stage

PARTS = {"climbed_up_to": 60, "part_size": 40, "judged_up_to": 80}
BETWEEN = np.random.default_rng(1).uniform(0.05, 0.95, size=(60, 2))


def noisy(n=60, n_axes=2, noise=0.1, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.uniform(size=(n, n_axes))
    return X, np.sin(7 * X[:, 0]) * np.cos(5 * X[:, -1]) + noise * rng.standard_normal(n)


def fitted(X, y, weights=None, **settings):
    return KroneckerRidgeCV(**settings).fit(X, y, weights)


def fitted_quietly(X, y, weights=None, **settings):
    """Where a poor fit is no surprise."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PoorFitWarning)
        return fitted(X, y, weights, **settings)


def encoders_of(model):
    best = model.best_encoder_
    return [str(each) for each in (best if isinstance(best, list) else [best])]


def assert_same_choice(one, two):
    """Where coordinates have the same units."""
    assert encoders_of(one) == encoders_of(two)
    settings = ("alpha_", "penalty_", "spacing_", "best_index_")
    assert [getattr(one, name) for name in settings] == [getattr(two, name) for name in settings]


def is_learnt(model):
    return "mean_test_criterion" in model.cv_results_


def line():
    x = np.geomspace(1, 1e4, 120)[:, None]
    return x, np.sqrt(x[1:] * x[:-1]), lambda X: np.sin(2 * np.log(X[:, 0]))


def river():
    rng = np.random.default_rng(0)
    X, between = (rng.uniform(size=(n, 2)) * [30_000, 300] for n in (300, 1_000))
    k = 2 * np.pi / 2_000
    return X, between, lambda X: np.sin(k * X[:, 0]) * np.cos(k * X[:, 1])


def table():
    axes = np.geomspace(1, 1_000, 20), np.linspace(0, 1, 12)
    X = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    share = np.random.default_rng(0).uniform(size=(500, 2))
    between = np.column_stack([1_000 ** share[:, 0], share[:, 1]])
    return X, between, lambda X: np.sin(np.log(X[:, 0])) + X[:, 1] ** 2


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize(("samples", "rms"), [(line, 0.02), (river, 0.05), (table, 0.02)])
def test_signals_are_predicted_between_their_samples(samples, rms, cut):
    X, between, signal = samples()
    with limits(**(PARTS if cut else {})):
        model = fitted(X, signal(X))
    assert is_learnt(model)
    errors = model.predict(between) - signal(between)
    assert np.sqrt(np.mean(errors**2)) < rms
    assert r2_score(signal(between), model.predict(between)) > 0.99


@pytest.mark.parametrize("samples", [line, table])
def test_log_spaced_axes_are_mapped(samples):
    X, _, signal = samples()
    assert fitted(X, signal(X)).spacing_ > 0


def test_even_axes_are_not_mapped():
    x = np.linspace(0, 1, 12)
    model = fitted(*grid_samples(np.sin(5 * np.add.outer(x, x)), axes=(x, x)))
    assert set(model.cv_results_["param_spacing"]) == {0.0}


@pytest.mark.parametrize("holes", ["nan", "weight"])
@pytest.mark.parametrize("gridded", [False, True])
def test_holes_are_absent(holes, gridded):
    X, y = noisy()
    if gridded:
        x = np.linspace(0, 1, 10)
        X, y = grid_samples(np.sin(6 * np.add.outer(x, x**2)), axes=(x, x))
    absent = np.arange(len(X)) % 7 == 3
    if holes == "nan":
        model = fitted(X, np.where(absent, np.nan, y), nan_is_hole=True)
    else:
        model = fitted(X, np.where(absent, 1e3, y), np.where(absent, 0.0, 1.0))
    without = fitted(X[~absent], y[~absent])
    assert is_learnt(model)
    assert_same_choice(model, without)
    np.testing.assert_allclose(model.predict(BETWEEN), without.predict(BETWEEN), atol=1e-7)


def test_many_outputs_are_judged_together(rng):
    X, _ = noisy()
    directions = rng.normal(size=(2, 40)) * 4
    model = fitted(X, np.sin(X @ directions))
    # what the climb found is all that was judged
    assert len(model.cv_results_["params"]) == len(set(model.cv_results_["param_alpha"]))
    assert r2_score(np.sin(BETWEEN @ directions), model.predict(BETWEEN)) > 0.99


@pytest.mark.parametrize("value", [0.0, 0.1, 7.0, -1e30])
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_constant_targets(value, n_outputs):
    X, _ = noisy(30)
    y = np.full((30, n_outputs) if n_outputs > 1 else 30, value)
    np.testing.assert_allclose(fitted(X, y).predict(BETWEEN[: len(y)]), y, rtol=1e-12)


def models():
    yield "scattered", *noisy(), {}
    yield "radial", *radial(), {}
    yield "parts", *noisy(100), PARTS
    for name, samples in (("log line", line), ("table", table), ("river", river)):
        X, _, signal = samples()
        rng = np.random.default_rng(0)
        yield name, X, signal(X) + 0.05 * rng.standard_normal(len(X)), PARTS
    X, y = noisy(5)
    yield "tiny", X, y, {}


def radial():
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(150, 2))
    return X, np.abs(np.linalg.norm(X - 0.5, axis=1) - 0.3)


@pytest.mark.parametrize(
    ("X", "y", "changed"), [each[1:] for each in models()], ids=[each[0] for each in models()]
)
def test_the_chosen_model_is_that_of_its_settings(X, y, changed):
    with limits(**changed):
        model = fitted_quietly(X, y)
    single = KroneckerRidge(
        model.best_encoder_, alpha=model.alpha_, penalty=model.penalty_, spacing=model.spacing_
    ).fit(X, y)
    between = (X[1:] + X[:-1]) / 2
    np.testing.assert_allclose(
        single.predict(between), model.predict(between), atol=1e-8 * np.std(y)
    )


@pytest.mark.parametrize(
    ("n", "least", "most", "found"),
    [(60, 60, 60, 60), (61, 61, 61, 40), (80, 80, 80, 40), (100, 60, 80, 40)],
)
def test_many_places_are_judged_by_parts(n, least, most, found, monkeypatch):
    sizes, judge = [], Stage.judge

    def counted(stage, *settings):
        sizes.append(stage.n_places)
        return judge(stage, *settings)

    monkeypatch.setattr(Stage, "judge", counted)
    with limits(**PARTS):
        fitted(*noisy(n))
    assert least <= max(sizes) <= most
    assert sizes[0] == found
    # three that parts find, and coarser ones as long as these are better
    assert sizes.count(max(sizes)) <= 5 or most == found


def test_a_distance_is_learnt_where_it_tells():
    assert fitted(*radial()).penalty_ == "radial"


@pytest.mark.parametrize("changed", [{}, PARTS])
def test_results_have_their_columns(changed):
    X, y = noisy(100)
    with limits(**changed):
        model = fitted(X, y)
    results = model.cv_results_
    names = ("encoder", "stable_rank", "penalty", "spacing", "alpha")
    columns = {f"param_{name}" for name in names} | {
        *("params", "split0_test_score", "mean_test_score", "std_test_score", "rank_test_score"),
        *("mean_fit_time", "std_fit_time", "mean_score_time", "std_score_time"),
        "mean_test_criterion",
    }
    assert set(results) == columns
    assert {len(column) for column in results.values()} == {len(results["params"])}
    assert all(np.isfinite(results[name]).all() for name in columns if "score" in name)
    criterion, best = results["mean_test_criterion"], model.best_index_
    assert criterion.max() - criterion[best] <= 1e-6
    assert model.best_score_ == results["mean_test_score"][best]
    chosen = results["params"][best]
    assert (chosen["alpha"], chosen["penalty"]) == (model.alpha_, model.penalty_)
    assert chosen["spacing"] == model.spacing_
    assert np.all(results["mean_fit_time"] >= 0)


@pytest.mark.parametrize("factor", [1.0, 30.0])
def test_the_score_is_leave_one_out(factor):
    X, y = noisy(40, 1)
    y = factor * y
    model, x = fitted(X, y), X[:, 0]
    encoder = model.best_encoder_
    basis = resolve_basis(encoder.basis)
    width = basis.bandwidth(encoder.stable_rank) * np.ptp(x)
    assert model.spacing_ == 0
    K = basis.similarity(np.subtract.outer(x, x) / width)
    errors = []
    for i in range(len(x)):
        others = np.arange(len(x)) != i
        S = K[np.ix_(others, others)] + model.alpha_ * np.eye(len(x) - 1)
        of_one = np.linalg.solve(S, np.ones(len(S)))
        constant = of_one @ y[others] / of_one.sum()
        dual = np.linalg.solve(S, y[others] - constant)
        errors.append(y[i] - constant - K[i, others] @ dual)
    np.testing.assert_allclose(model.best_score_, -np.mean(np.square(errors)), rtol=1e-6)


@pytest.mark.parametrize("n", [3, 4, 5, 9])
@pytest.mark.parametrize("n_axes", [1, 2, 3, 4, 5, 6])
def test_tiny_samples(n, n_axes):
    X, y = noisy(n, n_axes)
    model = fitted_quietly(X, y)
    assert is_learnt(model)
    assert np.isfinite(model.predict(X, return_std=True)).all()
    values, spread = model.predict(X), np.ptp(y)
    assert np.all((values > y.min() - spread) & (values < y.max() + spread))


@pytest.mark.parametrize("penalties", [None, "slope"])
def test_one_place_tells_nothing(penalties):
    X, y = np.ones((5, 2)), np.arange(5.0)
    with pytest.raises(ValueError, match=r"2 places or more.*Got n_places = 1\."):
        fitted(X, y, penalties=penalties)
    with pytest.raises(ValueError, match="2 places or more"):
        fitted(np.r_[X, X + 1], np.r_[y, y], np.repeat([1.0, 0.0], 5), penalties=penalties)


def test_two_places_are_too_few():
    X = np.array([[0.0], [1.0], [1.0]])
    model = fitted_quietly(X, [0.0, 1.0, 1.2])
    assert not is_learnt(model)


@pytest.mark.parametrize("direction", [[1, 0], [0, 1], [1, 1], [1, -2]])
def test_places_on_a_line(direction, rng):
    along = rng.uniform(size=90)
    X, y = np.outer(along, direction) + np.array([3.0, 5.0]), np.sin(6 * along)
    with limits(**PARTS):
        model = fitted(X, y)
    assert is_learnt(model)
    along = np.linspace(0.1, 0.9, 50)
    predicted = model.predict(np.outer(along, direction) + np.array([3.0, 5.0]))
    np.testing.assert_allclose(predicted, np.sin(6 * along), atol=0.01)


@pytest.mark.parametrize(
    "settings",
    [
        {"penalties": "slope"},
        {"alphas": [0.01, 0.1]},
        {"encoders": ShiftedBasisEncoder("bspline")},
        {"stable_ranks": [0.3, 0.5]},
        {"cv": 3},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_any_setting_goes_another_way(settings):
    assert not is_learnt(fitted(*noisy(), **settings))


@pytest.mark.parametrize(("n", "learnt"), [(50, True), (51, False)])
def test_more_places_go_another_way(n, learnt):
    X, y = noisy(n)
    with limits(learnt_up_to=50):
        assert is_learnt(fitted(np.r_[X, X], np.r_[y, y])) == learnt


@pytest.mark.parametrize("n_axes", [1, 2])
def test_noise_is_no_signal(n_axes):
    rng = np.random.default_rng(3)
    X, y = rng.uniform(size=(150, n_axes)), rng.standard_normal(150)
    with pytest.warns(PoorFitWarning, match="KroneckerRidgeCV"):
        model = fitted(X, y)
    others = rng.uniform(size=(500, n_axes))
    assert -0.2 < r2_score(rng.standard_normal(500), model.predict(others)) < 0.1


values = st.integers(-4, 4).map(lambda each: each / 4)


@given(
    rows=st.integers(1, 3).flatmap(
        lambda d: st.lists(st.tuples(*[values] * (d + 1)), min_size=2, max_size=12)
    ),
    scale=st.sampled_from([1.0, 1e-12, 1e15]),
    cut=st.booleans(),
)
def test_any_few_samples(rows, scale, cut):
    data = np.array(rows)
    assume(len(np.unique(data[:, :-1], axis=0)) > 1)
    X, y = data[:, :-1], scale * data[:, -1]
    tight = {"climbed_up_to": 5, "part_size": 4, "judged_up_to": 7}
    with limits(**(tight if cut else {})):
        one, two = (fitted_quietly(X, y).predict(X) for _ in range(2))
    assert np.isfinite(one).all()
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(("shape", "learnt"), [((400,), True), ((20, 20), False)])
def test_more_places_of_a_line_are_learnt_too(shape, learnt):
    rng = np.random.default_rng(0)
    X = grid_samples(np.zeros(shape))[0]
    y = np.sin(3 * X[:, 0] / np.ptp(X[:, 0])) + 0.1 * rng.standard_normal(len(X))
    with limits(learnt_up_to=300, lines_learnt_from=300):
        assert is_learnt(fitted(X, y)) == learnt
