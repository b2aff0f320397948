"""Covariates beside the axes, against dense generalised least squares and a Gaussian process."""

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks
from test_kronecker import DenseRidge, close, make_grid

from sk_posenc import KroneckerRidge, KroneckerRidgeCV, ShiftedBasisEncoder, fill_grid, predict_grid
from sk_posenc.core.limits import limits

RATE = np.array([-0.0065, 3.0])  # of metres and of a holiday
PLACED = ShiftedBasisEncoder("bspline", n_shifts=7, stable_rank=3, domain=(-1.0, 2.0))
GAUSSIAN = ShiftedBasisEncoder("gaussian", bandwidth=0.6, domain=(-1.0, 2.0))


def samples_of(kind, n=60, seed=3):
    """Axes, covariates (n, 2), two targets and weights."""
    rng = np.random.default_rng(seed)
    if kind in ("grid", "holes"):
        X = make_grid((8, 8))[0]
        X = X if kind == "grid" else X[4:]
    else:
        X = rng.uniform(-1, 2, (n, 2))
        X = np.repeat(X[: n // 3], 3, axis=0) if kind == "repeats" else X
    weights = rng.uniform(0.3, 3, len(X)) if kind in ("holes", "weights") else None
    Z = np.column_stack(
        [1e6 + 400 * rng.normal(size=len(X)) + 90 * X[:, 0], rng.random(len(X)) < 0.2]
    )
    y = np.sin(2 * X[:, 0]) * np.cos(X[:, 1]) + 0.1 * rng.standard_normal(len(X))
    return X, Z, np.column_stack([y + Z @ RATE, 5 * y - Z @ RATE]), weights


class DenseCovariates:
    """The definition: generalised least squares with the dense smoother, then a dense ridge."""

    def __init__(self, dense, X, Z, weights):
        self.dense, self.X, self.weights = dense, X, weights
        dense.fit(X, np.zeros(len(X)), weights)
        w, A = dense.w, dense.features(X)
        self.inverse = np.linalg.inv(dense.gram + dense.strength * dense.prior())
        left = np.diag(w) - (w[:, None] * A) @ self.inverse @ (A.T * w)
        self.centre = w @ Z / w.sum()
        self.Z = Z - self.centre
        M = np.column_stack([np.ones(len(X)), self.Z])
        covariance = np.linalg.inv(M.T @ left @ M)
        self.rows, self.covariance = (covariance @ M.T @ left)[1:], covariance[1:, 1:]

    def predict(self, X, Z, y):
        columns = y.reshape(len(y), -1)
        coef = (self.rows @ columns).T
        smooth = self.dense.fit(self.X, columns - self.Z @ coef.T, self.weights).predict(X)
        return smooth.reshape(len(X), -1) + (Z - self.centre) @ coef.T, coef

    def noise(self, y):
        Z = self.Z + self.centre
        left = y - self.predict(self.X, Z, y)[0]
        taken = np.trace(self.predict(self.X, Z, np.eye(len(y)))[0])
        return np.average(left**2, axis=0, weights=self.weights) * len(y) / (len(y) - taken)

    def variance(self, X, Z):
        own = self.dense.features(X)
        follows = self.dense.fit(self.X, self.Z, self.weights).predict(X)
        unlike = Z - self.centre - follows
        smooth = np.einsum("ij,jk,ik->i", own, self.inverse, own)
        return smooth + np.einsum("ij,jk,ik->i", unlike, self.covariance, unlike)


LAYOUTS = [
    ("grid", 60, "ridge", "grid"),
    ("holes", 60, "ridge", "holes"),
    ("weights", 60, 2.0, "scattered"),
    ("repeats", 60, 2.0, "scattered"),
    ("scattered", 100, "slope", "scattered"),
    ("weights", 40, "ridge", "dual"),
]


@pytest.mark.parametrize("case", LAYOUTS)
def test_every_direct_layout_is_generalised_least_squares(case):
    kind, n, penalty, layout = case
    X, Z, y, weights = samples_of(kind, n)
    model = KroneckerRidge(PLACED, alpha=0.01, penalty=penalty, covariates=[0, -1])
    model.fit(np.column_stack([Z[:, 0], X, Z[:, 1]]), y, weights)
    assert model.layout_ == layout
    dense = DenseCovariates(DenseRidge(model, penalty), X, Z, weights)
    points, beside = samples_of("scattered", seed=8)[:2]
    values, coef = dense.predict(points, beside, y)
    found, std = model.predict(
        np.column_stack([beside[:, 0], points, beside[:, 1]]), return_std=True
    )
    noise = dense.noise(y)
    close(model.covariate_coef_, coef, 1e-7)
    close(found, values, 1e-7)
    close(model.noise_variance_, noise, 1e-6)
    close(std, np.sqrt(np.outer(dense.variance(points, beside), noise)), 1e-6)
    close(model.covariate_std_, np.sqrt(np.outer(noise, np.diag(dense.covariance))), 1e-6)


def process(X, Z, y, alpha, bandwidth):
    """A Gaussian process with a linear kernel: means of wide priors, and deviations."""
    M = np.column_stack([np.ones(len(X)), (Z - Z.mean(axis=0)) / Z.std(axis=0)])
    kernel = np.exp(-((((X[:, None] - X) / bandwidth) ** 2).sum(axis=2)) / 4) / alpha
    prior = 1e4
    cross = prior * M.T @ np.linalg.inv(kernel + prior * M @ M.T + np.eye(len(X)))
    variance = prior * (1 - np.einsum("ij,ji->i", cross, M))
    return (cross @ (y - y.mean(axis=0)))[1:].T / Z.std(axis=0), np.sqrt(variance)[1:] / Z.std(
        axis=0
    )


@pytest.mark.parametrize("way", [{}, {"eigen_up_to": 20}, {"dual_up_to": 20}])
def test_similarity_is_a_gaussian_process_with_a_linear_kernel(way):
    X, Z, y, _ = samples_of("scattered")
    model = KroneckerRidge(GAUSSIAN, alpha=0.02, penalty="similarity", covariates=[2, 3])
    with limits(**way):
        model.fit(np.hstack([X, Z]), y)
        std = model.covariate_std_
    assert model.layout_ == ("centres" if "dual_up_to" in way else "dual")
    coef, deviation = process(X, Z, y, 0.02, 0.6)
    exact = 1e-2 if "dual_up_to" in way else 1e-3
    close(model.covariate_coef_, coef, exact)
    close(std / np.sqrt(model.noise_variance_)[:, None], np.tile(deviation, (2, 1)), exact)


def test_conjugate_gradients_come_near():
    X, Z, y, weights = samples_of("weights", 90)
    given = np.hstack([X, Z]), y, weights
    model = KroneckerRidge(PLACED, alpha=1e-3, penalty=2.0, covariates=[2, 3])
    exact = clone(model).fit(*given)
    with limits(exact_up_to=5, direct_up_to=5):
        near = model.fit(*given)
        std = near.covariate_std_
    assert near.n_iter_ > 1
    close(near.covariate_coef_, exact.covariate_coef_, 2e-3)
    close(std, exact.covariate_std_, 1e-2)


def test_a_line_of_many_places():
    rng = np.random.default_rng(0)
    t, z = np.sort(rng.uniform(0, 9, 200)), rng.normal(size=200)
    y = np.sin(t) + 2 * z + 0.2 * rng.standard_normal(200)
    model = KroneckerRidge(
        ShiftedBasisEncoder("bspline", stable_rank=8), alpha=0.01, penalty=2.0, covariates=1
    )
    dense = clone(model).fit(np.column_stack([t, z]), y)
    with limits(lines_from=50, smooth_lines_from=50):
        line = model.fit(np.column_stack([t, z]), y)
    close(line.covariate_coef_, dense.covariate_coef_, 1e-4)
    close(line.covariate_std_, dense.covariate_std_, 1e-3)


SEARCHES = {
    "learnt": ({}, {}, "scattered"),
    "learnt on a grid": ({}, {}, "grid"),
    "listed": ({"penalties": [1.5, 2.0]}, {}, "scattered"),
    "held out": ({"penalties": [1.5, 2.0]}, {"exact_up_to": 5, "direct_up_to": 5}, "scattered"),
    "folds": ({"cv": 3, "penalties": ["slope"], "alphas": [0.01, 1.0]}, {}, "grid"),
    "many": ({}, {"learnt_up_to": 50, "exact_up_to": 5, "direct_up_to": 5}, "scattered"),
}


@pytest.mark.parametrize("name", SEARCHES)
def test_every_search_finds_the_coefficients(name):
    given, sizes, kind = SEARCHES[name]
    X, Z, y, _ = samples_of(kind, 100)
    y[:, 1] += np.random.default_rng(1).normal(size=len(y))
    with limits(**sizes):
        model = KroneckerRidgeCV(covariates=[2, 3], **given).fit(np.hstack([X, Z]), y)
        off = (model.covariate_coef_ - [RATE, -RATE]) / model.covariate_std_
    assert np.max(np.abs(off)) < 3
    plain = KroneckerRidgeCV(**given)
    with limits(**sizes):
        known = plain.fit(X, y - Z @ np.column_stack([RATE, -RATE]))
    assert model.best_score_ > 1.5 * known.best_score_  # negative, of about the same size


def test_a_learnt_resolution_counts_the_coefficients():
    """The criterion does not change where a linear term is added to the targets."""
    X, Z, y, _ = samples_of("scattered", 50)
    given = np.hstack([X, Z])
    first = KroneckerRidgeCV(covariates=[2, 3]).fit(given, y[:, 0])
    second = KroneckerRidgeCV(covariates=[2, 3]).fit(given, y[:, 0] + Z @ [0.1, 40.0])
    assert first.alpha_ == second.alpha_
    assert str(first.best_encoder_) == str(second.best_encoder_)
    close(second.covariate_coef_ - first.covariate_coef_, [0.1, 40.0], 1e-9)


def test_holes_of_each_output():
    X, Z, y, _ = samples_of("scattered", 90)
    holes = y.copy()
    holes[:30, 0], holes[50:70, 1] = np.nan, np.nan
    given = np.hstack([X, Z])
    for model in (
        KroneckerRidge(PLACED, alpha=0.01, covariates=[2, 3], nan_is_hole=True),
        KroneckerRidgeCV(covariates=[2, 3], nan_is_hole=True),
    ):
        model.fit(given, holes)
        for output, encoder in enumerate([PLACED, PLACED]):
            if isinstance(model, KroneckerRidgeCV):
                assert np.all(
                    np.abs(model.covariate_coef_ - [RATE, -RATE]) < 4 * model.covariate_std_
                )
                continue
            kept = ~np.isnan(holes[:, output])
            own = KroneckerRidge(encoder, alpha=0.01, covariates=[2, 3], penalty=model.penalty_)
            own.fit(given[kept], y[kept, output])
            close(model.covariate_coef_[output], own.covariate_coef_, 1e-9)
            close(model.predict(given)[:, output], own.predict(given), 1e-9)
            deviations = [each.predict(given, return_std=True)[1] for each in (model, own)]
            close(deviations[0][:, output], deviations[1], 1e-9)


def test_readings_at_one_place_are_not_merged():
    """Stations alone in their places: the regression within stations."""
    rng = np.random.default_rng(0)
    station = np.repeat(np.arange(8), 30)
    X, z = rng.uniform(size=(8, 2))[station], rng.random(240) < 0.3
    level = rng.normal(0, 50, 8)[station]
    y = level + 1.5 * z + rng.normal(0, 0.1, 240)
    model = KroneckerRidge(
        ShiftedBasisEncoder("gaussian", bandwidth=1e-3, domain=(0, 1)),
        alpha=1e-9, penalty="similarity", covariates=[2],
    ).fit(np.column_stack([X, z]), y)  # fmt: skip
    dummies = np.column_stack([z, station[:, None] == np.arange(8)]).astype(float)
    coef, left, *_ = np.linalg.lstsq(dummies, y, rcond=None)
    noise = left[0] / (240 - 9)
    std = np.sqrt(noise * np.linalg.inv(dummies.T @ dummies)[0, 0])
    close(model.covariate_coef_, coef[:1], 1e-6)
    close(model.noise_variance_, [noise], 1e-6)
    close(model.covariate_std_, [std], 1e-6)


@settings(max_examples=8, deadline=None)
@given(st.floats(1e-6, 1e6), st.floats(-1e7, 1e7), st.booleans())
def test_nothing_hangs_on_units(unit, offset, descending):
    X, Z, y, _ = samples_of("scattered", 40)
    model = KroneckerRidge(PLACED, alpha=0.01, covariates=[2, 3])
    first = model.fit(np.hstack([X, Z]), y[:, 0])
    values, std = first.predict(np.hstack([X + 0.1, Z]), return_std=True)
    coef = first.covariate_coef_
    factor = -unit if descending else unit
    moved = np.column_stack([Z[:, 0] * factor + offset * unit, Z[:, 1]])
    second = clone(model).fit(np.hstack([X, moved]), y[:, 0])
    found = second.predict(np.hstack([X + 0.1, moved]), return_std=True)
    close(found[0], values, 1e-5)
    close(found[1], std, 1e-5)
    close(second.covariate_coef_ * [factor, 1], coef, 1e-5)


def test_predictions_go_on_as_straight_lines_and_are_less_sure():
    X, Z, y, _ = samples_of("scattered")
    model = KroneckerRidge(PLACED, alpha=0.01, covariates=[2, 3]).fit(np.hstack([X, Z]), y[:, 0])
    place = np.tile(np.r_[X[0], Z[0]], (4, 1))
    place[:, 2] += [0, 1e3, 2e3, 1e6]
    values, std = model.predict(place, return_std=True)
    close((values - values[0])[1:], model.covariate_coef_[0] * np.array([1e3, 2e3, 1e6]), 1e-9)
    assert np.all(np.diff(std) > 0)
    close([std[-1]], [1e6 * model.covariate_std_[0]], 1e-2)
    slope, deviation = model.predict(place, derivative=(1, 0), return_std=True)
    close(slope, np.full(4, slope[0]), 1e-12)
    close(deviation, np.full(4, deviation[0]), 1e-12)
    step = np.array([1e-5, 0, 0, 0])
    ends = [model.predict(place + each) for each in (step, -step)]
    close(slope, (ends[0] - ends[1]) / 2e-5, 1e-4)
    values, sampled = model.predict(place, return_std="observation")
    close(sampled, np.hypot(std, np.sqrt(model.noise_variance_[0])), 1e-12)


def test_names_dates_and_a_copy():
    rng = np.random.default_rng(0)
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(200), unit="D")
    table = pd.DataFrame({"holiday": rng.random(200) < 0.1, "day": days, "metres": rng.random(200)})
    y = np.sin(np.arange(200) / 30) + 2 * table["holiday"] - 3 * table["metres"]
    model = KroneckerRidge(alpha=1e-3, penalty=2.0, covariates=["metres", "holiday"]).fit(table, y)
    close(model.covariate_coef_, [-3.0, 2.0], 1e-2)
    close(model.covariate_mean_, table[["metres", "holiday"]].to_numpy(float).mean(axis=0), 1e-12)
    assert list(model.feature_names_in_) == list(table)
    assert model.n_features_in_ == 3
    assert [each is None for each in model.dates_] == [True, False, True]
    assert list(model.encoder_.feature_names_in_) == ["day"]
    again = pickle.loads(pickle.dumps(model))
    close(again.predict(table), model.predict(table), 1e-15)
    close(again.covariate_std_, model.covariate_std_, 1e-15)
    assert clone(model).covariates == ["metres", "holiday"]
    without = clone(model).set_params(covariates=None).fit(table[["day"]], y)
    assert not hasattr(without, "covariate_coef_")
    assert not hasattr(without, "covariate_mean_")
    search = KroneckerRidgeCV(covariates="holiday").fit(table[["day", "holiday"]], y)
    assert search.covariate_coef_.shape == (1,)
    narrow = KroneckerRidge(alpha=1e-3, penalty=2.0, covariates=[0, 2])
    rows = np.column_stack([table["holiday"], np.arange(200), table["metres"]]).astype(np.float32)
    close(narrow.fit(rows, y.astype(np.float32)).covariate_coef_, [2.0, -3.0], 1e-2)
    assert narrow.predict(rows).dtype == np.float32


def test_no_covariates_change_nothing():
    X, _, y, _ = samples_of("scattered")
    plain = KroneckerRidgeCV().fit(X, y)
    empty = KroneckerRidgeCV(covariates=[]).fit(X, y)
    np.testing.assert_array_equal(plain.predict(X), empty.predict(X))


def test_maps_take_covariates_at_the_cells():
    xr = pytest.importorskip("xarray")
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"metres": rng.random(90), "lat": rng.random(90), "lon": rng.random(90)})
    y = np.sin(3 * table["lat"]) + table["lon"] - 3 * table["metres"]
    model = KroneckerRidge(alpha=1e-3, covariates=["metres"]).fit(table, y)
    lat, lon = np.linspace(0, 1, 5), np.linspace(0, 1, 4)
    heights = xr.DataArray(rng.random((4, 5)), {"lon": lon, "lat": lat}, ("lon", "lat"))
    maps = predict_grid(
        model, coords={"lon": lon, "lat": lat}, return_std=True, covariates={"metres": heights}
    )
    rows = heights.rename("metres").to_dataframe().reset_index()[["metres", "lat", "lon"]]
    value, std = model.predict(rows, return_std=True)
    close(maps["prediction"].to_numpy().ravel(), value, 1e-9)
    close(maps["prediction_std"].to_numpy().ravel(), std, 1e-9)
    plain = KroneckerRidge(alpha=1e-3, covariates=[0]).fit(table.to_numpy(), y)
    flat = predict_grid(plain, coords=[lat, lon], covariates={0: heights.to_numpy().T})
    close(flat.T.ravel(), value, 1e-9)
    constant = predict_grid(plain, coords=[lat, lon], covariates={0: 0.5})
    close(constant[0, 0], plain.predict([[0.5, 0, 0]])[0], 1e-9)
    for values, message in (
        (None, r"\['metres'\], and of no others. Got \[\]"),
        ({"metres": heights, "holiday": 1.0}, "Got .'metres', 'holiday'"),
        ({"metres": np.ones((3, 3))}, r"shape of the map.*\(5, 4\)"),
        ({"metres": heights.rename(lat="y")}, "over dimensions of the map"),
        ({"metres": heights.assign_coords(lat=lat + 1)}, "coordinates of the map along 'lat'"),
    ):
        with pytest.raises(ValueError, match=message):
            predict_grid(model, coords={"lon": lon, "lat": lat}, covariates=values)
    with pytest.raises(TypeError, match="dict of values"):
        predict_grid(plain, coords=[lat, lon], covariates=[heights])
    with pytest.raises(ValueError, match="fill_grid knows no covariates"):
        fill_grid(np.ones((3, 3)), model)


REFUSED = {
    "name without names": (["z"], ValueError, "no names"),
    "beyond": ([4], ValueError, "from 0 to 3"),
    "twice": ([2, -2], ValueError, "different"),
    "no axis": ([0, 1, 2, 3], ValueError, "at least one column"),
    "kind": ([0.5], TypeError, "column of X"),
    "flag": ([True], TypeError, "column of X"),
    "text": ({"z": 1}, TypeError, "column of X"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_columns_that_are_not_there(name):
    covariates, kind, message = REFUSED[name]
    X, Z, y, _ = samples_of("scattered")
    model = KroneckerRidge(PLACED, covariates=[2, 3]).fit(np.hstack([X, Z]), y)
    before = model.predict(np.hstack([X, Z]))
    with pytest.raises(kind, match=message):
        model.set_params(covariates=covariates).fit(np.hstack([X, Z]), y)
    np.testing.assert_array_equal(model.predict(np.hstack([X, Z])), before)


@pytest.mark.parametrize("head", [KroneckerRidge, KroneckerRidgeCV])
@pytest.mark.parametrize(
    ("z", "message"),
    [
        (lambda X, z: np.column_stack([z, np.full(len(X), 7.0)]), "constant columns 3"),
        (lambda X, z: np.column_stack([z, 3 - 2 * z]), "sums of each other.*columns 2, 3"),
        (lambda X, z: np.column_stack([z, 1e200 * z]), r"differ by less than 1e\+150.*column 3 "),
    ],
)
def test_covariates_that_tell_nothing(head, z, message):
    X, Z, y, _ = samples_of("scattered")
    with pytest.raises(ValueError, match=message):
        head(covariates=[2, 3]).fit(np.column_stack([X, z(X, Z[:, 1])]), y)


def test_a_smooth_covariate_is_unsure_or_refused():
    X, Z, y, _ = samples_of("scattered")
    rough = KroneckerRidge(PLACED, alpha=1e-3, covariates=2).fit(np.column_stack([X, Z[:, 1]]), y)
    smooth = clone(rough).fit(np.column_stack([X, X[:, 0] / X[:, 0].std() * Z[:, 1].std()]), y)
    assert np.all(smooth.covariate_std_ > 10 * rough.covariate_std_)
    with pytest.raises(ValueError, match="raise alpha"):
        clone(rough).set_params(alpha=0.0).fit(np.column_stack([X, X[:, 0]]), y)


def test_what_has_no_covariates_says_so():
    X, Z, y, _ = samples_of("scattered")
    given = np.hstack([X, Z])
    for model in (
        KroneckerRidge(penalty="adaptive", covariates=[2, 3]),
        KroneckerRidgeCV(penalties=[2.0, "adaptive"], covariates=[2, 3]),
    ):
        with pytest.raises(ValueError, match='linear in the targets, and the penalty "adaptive"'):
            model.fit(given, y)
    with pytest.raises(ValueError, match="partial_fit has no covariates"):
        KroneckerRidge(PLACED, covariates=[2]).partial_fit(given, y)
    fitted = KroneckerRidge(PLACED, covariates=[2, 3]).fit(given, y)
    fitted.set_params(covariates=None).partial_fit(X, y)
    assert fitted.predict(X).shape == y.shape
    assert not hasattr(fitted, "covariate_coef_")


def test_three_axes_do_not_try_adaptive():
    rng = np.random.default_rng(0)
    X, z = rng.uniform(size=(80, 3)), rng.normal(size=80)
    with limits(learnt_up_to=50, direct_up_to=60):
        model = KroneckerRidgeCV(covariates=[3]).fit(
            np.column_stack([X, z]), np.sin(3 * X[:, 0]) + z + 0.1 * rng.standard_normal(80)
        )
    assert "adaptive" not in set(model.cv_results_["param_penalty"])
    assert abs(model.covariate_coef_[0] - 1) < 0.1


@parametrize_with_checks([KroneckerRidge(alpha=0.1, penalty="similarity", covariates=[-1])])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("kind", [KroneckerRidge, KroneckerRidgeCV])
def test_missing_numbers_are_told_by_column_and_row(kind, rng):
    X = rng.uniform(size=(30, 3))
    y = X @ [1.0, 2.0, 3.0]
    model = kind(covariates=[2]).fit(X, y)
    cases = [
        ((7, 2), np.nan, r"NaN \(or.*column {2}, a covariate: .*fill it in.* nan in 2 of 30 rows"),
        ((7, 0), np.nan, r"NaN \(or.*column {0}, an axis: drop these rows, as"),
        ((7, 1), -np.inf, r"infinity in column {1}, an axis: .* Got -inf in 2 of 30 rows"),
    ]
    names = ["lon", "lat", "height"]
    for (row, column), value, words in cases:
        Z = X.copy()
        Z[[row, 20], column] = value
        told = words.replace(f"{{{column}}}", str(column)) + rf".*first in row {row}\."
        for call in (lambda Z=Z: model.predict(Z), lambda Z=Z: clone(model).fit(Z, y)):
            with pytest.raises(ValueError, match=f"^Input X contains {told}"):
                call()
        frame = pd.DataFrame(Z, columns=names)
        told = words.replace(f"{{{column}}}", repr(names[column]))
        with pytest.raises(ValueError, match=told):
            kind(covariates="height").fit(frame, y)


def test_a_system_without_a_solution_is_refused():
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(30, 2))
    y = np.sin(5 * X[:, 0]) + X[:, 1]
    model = KroneckerRidge(alpha=1e-300, covariates=[0], tol=2.0)
    with pytest.raises(ValueError, match=r"alpha and tol leave no solution.*Got alpha=.* and tol"):
        model.fit(X, y)


@pytest.mark.parametrize("return_std", [False, True])
def test_covariates_beyond_floats_are_refused(return_std, rng):
    X = rng.uniform(size=(40, 3))
    y = np.sin(5 * X[:, 0]) + 1e9 * X[:, 2]
    model = KroneckerRidge(covariates=[2]).fit(X, y)
    far = X[:3] + np.array([0, 0, 1e200 if return_std else 1e302])
    with pytest.raises(ValueError, match="X has covariates so far"):
        model.predict(far, return_std=return_std)
    assert np.isfinite(model.predict(X[:3] + np.array([0, 0, 1e100]), return_std=return_std)).all()
