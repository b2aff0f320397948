"""Groups stay together, and lie in space as their places do."""

import numpy as np
import pandas as pd
import pytest

from sk_posenc import CoordinateKFold

RNG = np.random.default_rng(0)
PLACES = RNG.random((32, 2))
NAMES = np.repeat([f"s{k}" for k in range(32)], 20)
TABLE = pd.DataFrame(np.repeat(PLACES, 20, axis=0), columns=["lon", "lat"])
TABLE["t"] = np.tile(pd.date_range("2024-01-01", periods=20), 32)
KEPT = RNG.random(len(TABLE)) < 0.8


@pytest.mark.parametrize("scheme", ["subgrid", "block", "random"])
@pytest.mark.parametrize("labels", [NAMES, pd.Series(NAMES), NAMES.astype(object)])
def test_groups_stay_together(scheme, labels):
    tested = []
    cv = CoordinateKFold(4, scheme=scheme, random_state=0)
    for train, test in cv.split(TABLE[KEPT], groups=labels[KEPT]):
        names = NAMES[KEPT]
        assert not set(names[train]) & set(names[test])
        assert len(train) + len(test) == KEPT.sum()
        tested.extend(test)
    assert sorted(tested) == list(range(KEPT.sum()))


def test_stations_are_laid_out_by_place_not_by_date():
    with_dates = CoordinateKFold(4).split(TABLE[KEPT], groups=NAMES[KEPT])
    places = CoordinateKFold(4).split(PLACES)
    for (_, of_samples), (_, of_places) in zip(with_dates, places, strict=True):
        assert {f"s{k}" for k in of_places} == set(NAMES[KEPT][of_samples])


def test_moving_groups_lie_at_their_means():
    X = np.arange(40.0)[:, None]
    groups = np.arange(40) // 10
    folds = [test for _, test in CoordinateKFold(2, scheme="block").split(X, groups=groups)]
    assert [fold.tolist() for fold in folds] == [list(range(20)), list(range(20, 40))]


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (NAMES[:5], r"groups must have shape \(640,\)"),
        (np.where(NAMES == "s3", None, NAMES), "20 that are missing"),
        (np.ma.array(np.arange(640), mask=np.arange(640) < 3), "3 that are missing"),
        (np.arange(640) % 3, "as many groups.*Got 3"),
    ],
)
def test_bad_groups(groups, message):
    with pytest.raises(ValueError, match=message):
        list(CoordinateKFold(4).split(TABLE, groups=groups))
