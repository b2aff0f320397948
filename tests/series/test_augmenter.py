"""The properties of augmented positions that the paper states, and those that users rely on."""

import math

import array_api_strict
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn import config_context
from sklearn.exceptions import NotFittedError, UnsetMetadataPassedError
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import make_pipeline

from sk_posenc import FourierEncoder, PositionAugmenter, RandomFourierEncoder

RNG = np.random.default_rng(0)
X = RNG.uniform(-3, 9, size=(60, 2))
GROUPS = RNG.integers(0, 7, size=60)
ALL = {"global_shift": 2.0, "local_shift": 0.3, "global_scale": 1.4}


def per_group(values, groups):
    """Each group's values, a list of arrays."""
    return [values[groups == label] for label in np.unique(groups)]


def many_groups(**settings):
    """A view of 20,000 groups of two rows, three axes: rows at 1 and 2, not centred."""
    groups = np.repeat(np.arange(20_000), 2)
    rows = np.tile([[1.0] * 3, [2.0] * 3], (20_000, 1))
    augmenter = PositionAugmenter(center=False, random_state=1, **settings).fit(rows)
    return augmenter.augment(rows, groups).reshape(-1, 2, 3)


# --- what the paper states


def test_without_augmentation_all_is_the_plain_encoding():
    augmenter = PositionAugmenter().fit(X)
    centred = X - X.mean(axis=0)
    np.testing.assert_allclose(augmenter.transform(X), centred, rtol=0, atol=1e-14)
    np.testing.assert_array_equal(augmenter.augment(X), augmenter.transform(X))
    np.testing.assert_array_equal(augmenter.augment(X, GROUPS), augmenter.transform(X, GROUPS))
    plain = PositionAugmenter(center=False)
    np.testing.assert_array_equal(plain.fit_transform(X), X)
    np.testing.assert_array_equal(
        make_pipeline(plain, FourierEncoder(stable_rank=5)).fit_transform(X),
        FourierEncoder(stable_rank=5).fit_transform(X),
    )


def test_test_time_is_never_random():
    augmenter = PositionAugmenter(**ALL).fit(X)
    for groups in (None, GROUPS):
        still = PositionAugmenter().fit(X).transform(X, groups)
        np.testing.assert_array_equal(augmenter.transform(X, groups), still)
        assert np.abs(augmenter.augment(X, groups) - still).min() > 0


def test_scales_are_log_uniform_and_shared_by_axes():
    view = many_groups(global_scale=1.4)
    scale = view[:, 0, :1]
    np.testing.assert_allclose(view, scale[:, None] * [[[1.0] * 3, [2.0] * 3]], rtol=1e-15)
    assert 1 / 1.4 < scale.min() < 0.715 < 1.399 < scale.max() < 1.4
    expected = (1.4 - 1 / 1.4) / (2 * math.log(1.4))
    assert expected == pytest.approx(1.0190, abs=1e-4)
    assert scale.mean() == pytest.approx(expected, abs=4 * 0.2 / math.sqrt(20_000))
    logs = np.log(scale) / math.log(1.4)
    assert np.mean(logs**2) == pytest.approx(1 / 3, abs=0.01)


def test_global_shifts_are_uniform_on_each_axis_and_constant_in_a_group():
    view = many_groups(global_shift=[0.5, 2.0, 0.0])
    shift = view[:, 0] - 1
    np.testing.assert_allclose(view[:, 1] - 2, shift, atol=1e-15)
    assert not shift[:, 2].any()
    for of_axis, most in zip(shift.T[:2], (0.5, 2.0), strict=True):
        assert 0.999 * most < of_axis.max() < most
        assert np.mean(of_axis) == pytest.approx(0, abs=0.02 * most)
        assert np.var(of_axis) == pytest.approx(most**2 / 3, rel=0.03)
    assert abs(np.corrcoef(shift[:, :2].T)[0, 1]) < 0.03


def test_local_shifts_are_uniform_and_each_row_has_its_own():
    view = many_groups(local_shift=[0.5, 0.25, 0.0])
    shift = view - [[[1.0], [2.0]]]
    assert not shift[..., 2].any()
    independent = shift[..., :2].reshape(-1, 4)
    assert np.abs(np.corrcoef(independent.T) - np.eye(4)).max() < 0.03
    np.testing.assert_allclose(np.var(independent, axis=0), [1 / 12, 1 / 48] * 2, rtol=0.03)
    assert 0.499 < np.abs(shift).max() <= 0.5


def test_the_order_is_centre_global_local_scale():
    def views(**settings):
        augmenter = PositionAugmenter(random_state=3, **settings).fit(X)
        return augmenter.augment(X, GROUPS)

    shifted = views(global_shift=2.0)
    jittered = views(global_shift=2.0, local_shift=0.3)
    scaled = views(**ALL)
    centred = PositionAugmenter().fit(X).transform(X, GROUPS)
    for rows in per_group(shifted - centred, GROUPS):
        np.testing.assert_allclose(rows, rows[:1].repeat(len(rows), axis=0), atol=1e-14)
    assert 0 < np.abs(jittered - shifted).max() <= 0.3 + 1e-14
    for rows in per_group(scaled / jittered, GROUPS):  # the scale comes last, and scales shifts
        np.testing.assert_allclose(rows, rows[0, 0], rtol=1e-12)
    assert np.ptp([rows[0, 0] for rows in per_group(scaled / jittered, GROUPS)]) > 0.05


def sinusoids(x, d=16):
    """Features of the paper's equations 1 (one axis) and 2 (two axes)."""
    k = np.arange(d // 2)
    if x.shape[1] == 1:
        phase = x * 10_000 ** (-2 * k / d)
    else:
        phase = np.pi * (x @ np.stack([np.cos(k + 1), np.sin(k + 1)])) * 10 ** (2 * (k + 1) / d)
    return np.hstack([np.sin(phase), np.cos(phase)])


@pytest.mark.parametrize("n_axes", [1, 2])
def test_a_global_shift_leaves_the_gram_of_sinusoids(n_axes):
    rows = X[:, :n_axes]
    augmenter = PositionAugmenter(global_shift=5.0, random_state=0).fit(rows)
    encoder = RandomFourierEncoder(32, stable_rank=6, random_state=0).fit(augmenter.transform(rows))
    for encode in (sinusoids, encoder.transform):
        plain, moved = encode(augmenter.transform(rows)), encode(augmenter.augment(rows))
        assert np.abs(plain - moved).max() > 0.1
        np.testing.assert_allclose(moved @ moved.T, plain @ plain.T, atol=1e-12)
        scaled = augmenter.set_params(global_scale=1.4).augment(rows)
        assert np.abs(encode(scaled) @ encode(scaled).T - plain @ plain.T).max() > 0.1
        augmenter.set_params(global_scale=1.0)


@given(
    st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=20, unique_by=lambda x: round(x, 3)),
    st.integers(0, 2**31),
)
def test_a_local_shift_of_half_the_spacing_keeps_the_order(places, seed):
    rows = np.sort(places)[:, None]
    half = float(np.diff(rows[:, 0]).min()) / 2
    augmenter = PositionAugmenter(local_shift=half).fit(rows)
    view = augmenter.augment(rows, random_state=seed)[:, 0]
    assert (np.diff(view) >= -1e-12 * np.abs(rows).max()).all()


# --- groups


def test_rows_depend_on_their_group_only_where_groups_are_given():
    augmenter = PositionAugmenter().fit(X)
    one = augmenter.transform(X[:1])
    np.testing.assert_array_equal(augmenter.transform(X)[:1], one)
    of_groups = augmenter.transform(X, GROUPS)
    for rows, given_rows in zip(per_group(of_groups, GROUPS), per_group(X, GROUPS), strict=True):
        np.testing.assert_allclose(rows, given_rows - given_rows.mean(axis=0), atol=1e-14)
    # a group that fit has not seen is centred by itself, whatever its label
    for labels in (np.full(3, 99), np.array(["new"] * 3), np.array(["a", None, 1])[[0, 0, 0]]):
        rows = augmenter.transform(X[:3] + 100, labels)
        np.testing.assert_allclose(rows, X[:3] - X[:3].mean(axis=0), atol=1e-13)
    names = np.array(list("abcdefg"))[GROUPS]
    np.testing.assert_array_equal(augmenter.transform(X, names), of_groups)
    np.testing.assert_array_equal(augmenter.transform(X, (10**6 - GROUPS).tolist()), of_groups)


def test_means_keep_digits():
    times = 1.7e9 + np.arange(4.0)[:, None]
    augmenter = PositionAugmenter().fit(times)
    np.testing.assert_array_equal(augmenter.transform(times)[:, 0], [-1.5, -0.5, 0.5, 1.5])
    same = np.full((10, 1), 0.1)
    assert not PositionAugmenter().fit_transform(same).any()
    assert not PositionAugmenter().fit_transform(same, groups=np.arange(10) // 3).any()


def test_groups_are_routed_to_transform():
    y = X[:, 0]
    pipeline = make_pipeline(PositionAugmenter(), LinearRegression())
    with pytest.raises(ValueError, match="does not accept the groups parameter"):
        pipeline.fit(X, y, groups=GROUPS)
    with config_context(enable_metadata_routing=True):
        with pytest.raises(UnsetMetadataPassedError, match="groups"):
            pipeline.fit(X, y, groups=GROUPS)
        pipeline[0].set_transform_request(groups=True)
        pipeline.fit(X, y, groups=GROUPS)
        predicted = pipeline.predict(X, groups=GROUPS)
        centred = PositionAugmenter().fit_transform(X, groups=GROUPS)
        np.testing.assert_allclose(
            predicted, LinearRegression().fit(centred, y).predict(centred), atol=1e-12
        )
        assert np.abs(predicted - pipeline.predict(X)).max() > 0.1


# --- seeds, tensors, dates


def test_seeds():
    augmenter = PositionAugmenter(**ALL).fit(X)
    assert np.abs(augmenter.augment(X) - augmenter.augment(X)).min() > 0
    seeded = augmenter.augment(X, GROUPS, random_state=5)
    np.testing.assert_array_equal(augmenter.augment(X, GROUPS, random_state=5), seeded)
    augmenter.set_params(random_state=5)
    np.testing.assert_array_equal(augmenter.augment(X, GROUPS), seeded)
    np.testing.assert_array_equal(augmenter.augment(X, GROUPS), seeded)
    assert np.abs(augmenter.augment(X, GROUPS, random_state=6) - seeded).min() > 0
    augmenter.set_params(random_state=np.random.RandomState(5))
    np.testing.assert_array_equal(augmenter.augment(X, GROUPS), seeded)
    assert np.abs(augmenter.augment(X, GROUPS) - seeded).min() > 0
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    PositionAugmenter(**ALL).fit(X).augment(X)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
@pytest.mark.parametrize("xp", [torch, array_api_strict], ids=["torch", "strict"])
def test_tensors_have_the_view_of_arrays(xp, dtype):
    if not hasattr(xp, dtype):
        pytest.skip("the standard has no half precision")
    augmenter = PositionAugmenter(**ALL).fit(X)
    tensor = xp.asarray(X, dtype=getattr(xp, dtype))
    rounded = np.asarray(tensor).astype(np.float64)
    for groups in (None, GROUPS, xp.asarray(GROUPS)):
        for name, seed in (("transform", {}), ("augment", {"random_state": 3})):
            moved = getattr(augmenter, name)(tensor, groups, **seed)
            assert moved.dtype == tensor.dtype
            assert type(moved) is type(tensor)
            expected = getattr(augmenter, name)(rounded, None if groups is None else GROUPS, **seed)
            tolerance = 4 * np.finfo(dtype).eps * np.abs(expected).max()
            np.testing.assert_allclose(np.asarray(moved), expected, rtol=0, atol=tolerance)


def test_tensors_keep_their_gradient():
    augmenter = PositionAugmenter(**ALL).fit(X)
    tensor = torch.tensor(X, requires_grad=True)
    view = augmenter.augment(tensor, random_state=0)
    view.sum().backward()
    scale = tensor.grad[0, 0]
    torch.testing.assert_close(tensor.grad, scale.expand(60, 2), rtol=1e-12, atol=0)
    assert 1 / 1.4 <= scale <= 1.4
    assert not augmenter.fit(tensor).augment(tensor.detach()).requires_grad
    assert augmenter.transform(torch.arange(6).reshape(3, 2)).dtype == torch.float64


def test_single_precision_and_tables_stay():
    pd = pytest.importorskip("pandas")
    single = X.astype(np.float32)
    augmenter = PositionAugmenter(**ALL, random_state=0).fit(single)
    assert augmenter.transform(single).dtype == augmenter.augment(single).dtype == np.float32
    days = pd.DataFrame({"t": pd.date_range("2024-01-01", periods=5), "x": np.arange(5.0)})
    dated = PositionAugmenter().set_output(transform="pandas").fit(days)
    np.testing.assert_array_equal(dated.transform(days)["t"], [-2.0, -1, 0, 1, 2])
    assert list(dated.get_feature_names_out()) == ["t", "x"]


def test_the_given_rows_are_not_touched():
    rows = X.copy()
    augmenter = PositionAugmenter(center=False, local_shift=1.0).fit(rows)
    for made in (augmenter.transform(rows), augmenter.augment(rows)):
        made[:] = 0
    np.testing.assert_array_equal(rows, X)


# --- errors


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"global_shift": -1.0}, ValueError, "global_shift must be finite and at least 0.*Got -1"),
        ({"local_shift": "wide"}, TypeError, "local_shift must be a number. Got 'wide'"),
        ({"local_shift": [0.1]}, ValueError, "one value or one per axis: X has 2 axes"),
        ({"local_shift": [0.1, -1]}, ValueError, r"local_shift\[1\] must be"),
        ({"global_scale": 0.7}, ValueError, "global_scale must be finite and at least 1. Got 0.7"),
        ({"global_scale": np.inf}, ValueError, "global_scale must be finite"),
        ({"global_scale": [1.4, 1.2]}, TypeError, "global_scale must be a number"),
        ({"center": "mean"}, TypeError, "center must be True or False. Got 'mean'"),
        ({"random_state": True}, TypeError, "random_state must be a whole number.*Got True"),
        ({"random_state": "seed"}, TypeError, "random_state must be"),
    ],
)
def test_bad_settings(settings, error, message):
    with pytest.raises(error, match=message):
        PositionAugmenter(**settings).fit(X)


@pytest.mark.parametrize("method", ["transform", "augment"])
def test_bad_rows_and_groups(method):
    fitted = getattr(PositionAugmenter().fit(X), method)
    with pytest.raises(NotFittedError):
        getattr(PositionAugmenter(), method)(X)
    holed = X.copy()
    holed[3, 1] = np.nan
    for rows, message in [
        (holed, "NaN"),
        (torch.tensor(holed), "NaN or infinity"),
        (X[:, :1], "has 1 features, but PositionAugmenter is expecting 2"),
        (torch.tensor(X[:, :1]), r"n_samples, 2\).*Got shape \(60, 1\)"),
        (torch.tensor(X[0]), r"Got shape \(2,\)"),
        (torch.tensor(X[:0]), "at least one row"),
        (torch.tensor(X, dtype=torch.complex64), "must be real"),
    ]:
        with pytest.raises(ValueError, match=message):
            fitted(rows)
    for groups, message in [
        (GROUPS[1:], r"groups must have shape \(60,\).*Got \(59,\)"),
        (np.where(GROUPS == 3, np.nan, GROUPS), "a label for each sample"),
        ("sensor", "groups must have shape"),
    ]:
        with pytest.raises(ValueError, match=message):
            fitted(X, groups)


def test_views_help_a_model_of_noisy_positions():
    """Views are samples of noisy positions: what they teach is a smoother function."""
    x = np.linspace(0, 1, 40)[:, None]
    y = np.sin(6 * x[:, 0]) + 0.5 * np.random.default_rng(0).normal(size=40)
    augmenter = PositionAugmenter(local_shift=0.1, random_state=np.random.RandomState(0)).fit(x)
    encoder = FourierEncoder(20).fit(augmenter.transform(x))
    views = np.vstack([encoder.transform(augmenter.augment(x)) for _ in range(50)])
    at = np.linspace(0, 1, 400)[:, None]
    models = (
        Ridge(1e-6).fit(encoder.transform(augmenter.transform(x)), y),
        Ridge(1e-6).fit(views, np.tile(y, 50)),
    )
    encoded = encoder.transform(augmenter.transform(at))
    plain, augmented = (
        np.mean((model.predict(encoded) - np.sin(6 * at[:, 0])) ** 2) for model in models
    )
    assert augmented < 0.5 * plain


@pytest.mark.parametrize("place", [0, 1, 59])
def test_means_of_huge_positions_do_not_overflow(place):
    huge = np.zeros((60, 2))
    huge[place] = 1.7e308
    centred = PositionAugmenter(random_state=0).fit(X).transform(huge, GROUPS)
    group = np.equal(GROUPS, GROUPS[place])
    expected = huge[group] - 1.7e308 / np.count_nonzero(group)
    np.testing.assert_allclose(centred[group], expected, rtol=1e-12)
    assert not centred[~group].any()


def test_places_beyond_floats_are_refused():
    augmenter = PositionAugmenter(local_shift=1e308, random_state=0).fit(X)
    huge = np.where(np.arange(60)[:, None] < 30, -1.7e308, 1.7e308) * np.ones(2)
    with pytest.raises(ValueError, match="X must be placed within what float64 holds"):
        augmenter.augment(huge)
    with pytest.raises(ValueError, match="X must be placed within what float64 holds"):
        augmenter.transform(huge, np.arange(60) // 29)
