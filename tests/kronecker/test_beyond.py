"""Standard deviations outside the domain: as large as what the function does over the distance."""

from itertools import product

import numpy as np
import pytest

from sk_posenc import FourierEncoder, KroneckerRidge, ShiftedBasisEncoder
from sk_posenc.core.limits import limits

RANDOM = np.random.default_rng(0)
X = RANDOM.random((250, 2))


def signal(X):
    return np.sin(9 * X[:, 0]) * np.cos(7 * X[:, 1])


@pytest.mark.parametrize(
    "model",
    [
        KroneckerRidge(alpha=1e-3, penalty=2.0),
        KroneckerRidge(alpha=1e-3, penalty=2.0, spacing=0.5),
        KroneckerRidge(alpha=1e-3, penalty="similarity"),
        KroneckerRidge(FourierEncoder(), alpha=0.1, penalty="ridge"),
    ],
)
def test_errors_outside_are_as_large_as_the_deviations(model):
    model.fit(X, signal(X))
    for distance in (0.02, 0.05, 0.1, 0.3):
        edge = np.column_stack([np.full(200, 1 + distance), np.linspace(0, 1, 200)])
        predicted, std = model.predict(edge, return_std=True)
        share = np.sqrt(np.mean((predicted - signal(edge)) ** 2) / np.mean(std**2))
        assert 0.5 < share < 3, distance


def test_they_start_at_the_end_and_grow_to_the_spread():
    t = np.linspace(0, 10, 400)[:, None]
    y = np.sin(t[:, 0])
    model = KroneckerRidge(ShiftedBasisEncoder("bspline"), alpha=1e-4).fit(t, y)
    at = np.array([[10.0], [10.0 + 1e-7], [10.01], [10.3], [11.0], [30.0], [1e9], [-1e9]])
    predicted, std = model.predict(at, return_std=True)
    np.testing.assert_allclose(std[1], std[0], rtol=1e-3)
    assert np.all(np.diff(std[1:6]) > 0)
    assert std[2] < 0.02
    assert std[5] == std[6] == pytest.approx(np.sqrt(2) * np.std(y), rel=0.15)
    assert std[7] == pytest.approx(std[6], rel=1e-3)
    np.testing.assert_allclose(predicted[1:7], predicted[0], atol=1e-6)


def test_only_axes_that_end_count():
    closed = ShiftedBasisEncoder("gaussian", boundary="periodic", domain=(0, 1))
    y = np.sin(2 * np.pi * X[:, 0]) * X[:, 1]
    model = KroneckerRidge([closed, ShiftedBasisEncoder()], alpha=1e-3, penalty=2.0).fit(X, y)
    at = np.array([[0.3, 0.5], [1.3, 0.5], [0.3, 1.5]])
    _, std = model.predict(at, return_std=True)
    assert std[1] == pytest.approx(std[0], rel=1e-6)
    assert std[2] > 5 * std[0]


def test_grids_and_rows_agree_and_outputs_have_their_own():
    X = np.array(list(product(np.linspace(0, 1, 14), np.linspace(0, 1, 15))))
    y = np.stack([signal(X), 10 * signal(X) + 3], axis=1)
    model = KroneckerRidge(alpha=1e-3, penalty="slope").fit(X, y)
    axes = [np.array([-0.2, 0.0, 0.5, 1.1]), np.linspace(-0.5, 1.5, 7)]
    rows = model.predict(np.array(list(product(*axes))), return_std=True)[1]
    grid = model._predict_on_axes(axes, return_std=True)[1]
    np.testing.assert_allclose(grid.reshape(rows.shape), rows, rtol=1e-9)
    np.testing.assert_allclose(rows[:, 1], 10 * rows[:, 0], rtol=1e-6)


def test_slopes_outside_are_as_unsure_as_slopes_are_large():
    model = KroneckerRidge(alpha=1e-3, penalty=2.0).fit(X, signal(X))
    _, std = model.predict([[1.2, 0.5]], return_std=True, derivative=(1, 0))
    assert std[0] == pytest.approx(4.5, rel=0.2)  # 9 / 2, the root mean square slope


def test_every_layout_says_so():
    y = signal(X)
    with limits(direct_up_to=50, dual_up_to=100, centres_up_to=200):
        for penalty, alpha in [(2.0, 1e-3), ("similarity", 0.1)]:
            encoder = ShiftedBasisEncoder("matern32", stable_rank=2)
            model = KroneckerRidge(encoder, alpha=alpha, penalty=penalty).fit(X, y)
            _, std = model.predict([[0.5, 0.5], [3.0, 0.5]], return_std=True)
            assert std[1] > 0.5 > std[0], model.layout_
