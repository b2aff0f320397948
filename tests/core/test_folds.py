"""Folds from all that scikit-learn takes as `cv`, and what is none."""

import numpy as np
import pytest
from sklearn.model_selection import GroupKFold, KFold

from sk_posenc import CoordinateKFold, KroneckerRidgeCV, PerturbationSearchCV
from sk_posenc.core.folds import folds_of

X = np.random.default_rng(0).uniform(size=(12, 2))
PAIRS = [(np.arange(6), np.arange(6, 12)), ([0, 1], [-1])]


def as_lists(folds):
    return [tuple(np.asarray(rows).tolist() for rows in fold) for fold in folds]


@pytest.mark.parametrize(
    ("cv", "expected"),
    [
        (3, KFold(3).split(X)),
        (np.int8(4), KFold(4).split(X)),
        (CoordinateKFold(2), CoordinateKFold(2).split(X)),
        (PAIRS, PAIRS),
        (iter(PAIRS), PAIRS),
    ],
)
def test_folds_are_those_of_scikit_learn(cv, expected):
    assert as_lists(folds_of(cv, X)) == as_lists(expected)


def test_groups_reach_the_splitter():
    groups = np.repeat([0, 1, 2, 3], 3)
    for train, test in folds_of(GroupKFold(2), X, groups=groups):
        assert not set(groups[train]) & set(groups[test])


@pytest.mark.parametrize(
    ("cv", "error"),
    [
        (True, TypeError), (1.5, TypeError), ("x", TypeError), (None, TypeError),
        (KFold, TypeError), (slice(None), TypeError), ({1}, TypeError), (np.ones(2), TypeError),
        (1, ValueError), (0, ValueError), (-3, ValueError), ([], ValueError), ([1, 2], ValueError),
        ([([], [])], ValueError), ([([0], [12])], ValueError), ([([0], [-13])], ValueError),
        ([([0.5], [1])], ValueError), ([([0], [1], [2])], ValueError),
        ([([[0], [1, 2]], [3])], ValueError), ([([0], 1)], ValueError),
    ],
)  # fmt: skip
def test_what_gives_no_folds_is_refused_by_name(cv, error):
    with pytest.raises(error, match=r"which must .*Got|which must be at least 2 folds"):
        list(folds_of(cv, X, name="which"))


def test_searches_name_their_own_setting():
    with pytest.raises(TypeError, match="cv must be a number of folds"):
        KroneckerRidgeCV(penalties=[2.0], cv=slice(None)).fit(X, X[:, 0])
    with pytest.raises(ValueError, match="validation must give for each fold"):
        next(folds_of([1], X, name="validation"))
    assert PerturbationSearchCV.__init__.__kwdefaults__["validation"] == 0.5
