"""`dir` of an estimator lists what it has, and computes nothing."""

import inspect

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.utils.metaestimators import available_if
from test_package import public_estimators

from sk_posenc import KroneckerRidge
from sk_posenc.core.listing import ListedCheaply
from sk_posenc.kronecker._head import KroneckerHead

ESTIMATORS = [(type(each), each.get_params(deep=False)) for each in public_estimators()]


class Costly(ListedCheaply, BaseEstimator):
    """Counts how often its property is computed, and lacks a method."""

    computed = 0

    @property
    def slow_(self):
        type(self).computed += 1
        raise TypeError("not yet")

    @available_if(lambda self: False)
    def absent(self):
        """Is not there."""


def test_properties_are_listed_and_not_computed():
    listed = dir(Costly())
    assert "slow_" in listed
    assert "get_params" in listed
    assert "absent" not in listed
    assert Costly.computed == 0


@pytest.mark.parametrize(("kind", "settings"), ESTIMATORS)
def test_members_of_unfitted_estimators(kind, settings):
    estimator = kind(**settings)
    assert {"fit", "get_params"} <= set(dir(estimator))
    assert dict(inspect.getmembers(estimator, inspect.ismethod))["fit"]


def test_dir_of_a_fitted_ridge_solves_nothing(monkeypatch):
    X = np.random.default_rng(0).uniform(size=(50, 2))
    model = KroneckerRidge().fit(X, X[:, 0])

    def solve(*args, **settings):
        raise AssertionError("computed")

    monkeypatch.setattr(KroneckerHead, "_shown_solution", solve)
    assert {"coefficients_", "noise_variance_", "predict"} <= set(dir(model))
