"""Labels of groups of any kind as numbers."""

import numpy as np
import pandas as pd
import pytest

from sk_posenc.core.group_labels import numbered_groups


@pytest.mark.parametrize(
    "labels",
    [
        np.array([2, 0, 2, 5, 0, 5]),
        np.array([2, 0, 2, 5, 0, 5], dtype=np.uint8),
        np.array([20, -1, 20, 70, -1, 70]),
        np.array([0.5, 0.1, 0.5, 3, 0.1, 3]),
        np.array(list("babcac")),
        pd.Series(["b", "a", "b", "c", "a", "c"], dtype=object),
        pd.Series(pd.to_datetime([f"2024-0{month}" for month in (2, 1, 2, 3, 1, 3)])),
        [2, 1, 2, 3, 1, 3],
    ],
)
def test_numbers_follow_the_order_of_labels(labels):
    number, n_groups = numbered_groups(labels, 6)
    assert number.tolist() == [1, 0, 1, 2, 0, 2]
    assert n_groups == 3


@pytest.mark.parametrize(
    "labels",
    [
        [1.0, np.nan, 2.0],
        ["a", None, "b"],
        np.ma.masked_array([1, 2, 3], [0, 1, 0]),
        pd.Series(pd.to_datetime(["2024-01", None, "2025-01"])),
    ],
)
def test_missing_labels(labels):
    with pytest.raises(ValueError, match=r"a label for each sample.*Got 1 that are missing"):
        numbered_groups(labels, 3)


def test_one_label_for_each_sample():
    for labels in ([1, 2], [[1, 2, 3]], 4, []):
        with pytest.raises(ValueError, match=r"groups must have shape \(3,\)"):
            numbered_groups(labels, 3)
