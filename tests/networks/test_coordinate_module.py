"""Networks of one's own, in the estimators of this package."""

from functools import partial

import numpy as np
import pytest
import torch
from sklearn.model_selection import GridSearchCV
from torch import nn

from sk_posenc import (
    CoordinateMLP,
    CoordinateMLPClassifier,
    CoordinateMLPRegressor,
    CoordinateModule,
    FourierEncoder,
)

small = partial(
    CoordinateMLPRegressor, lr=1e-2, max_epochs=30, random_state=0, device="cpu", batch_size=50
)


def layer(n_in, n_out, generator):
    made = nn.Linear(n_in, n_out, device="meta").to_empty(device="cpu")
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.uniform_(-(n_in**-0.5), n_in**-0.5, generator=generator)
    return made


class Residual(CoordinateModule):
    """Layers that add to what they get."""

    def __init__(
        self, in_features, out_features=1, *, width=16, depth=2, encoder=None, generator=None
    ):
        super().__init__(in_features, out_features, encoder=encoder)
        self.first = layer(in_features, width, generator)
        self.blocks = nn.ModuleList(layer(width, width, generator) for _ in range(depth))
        self.last = layer(width, out_features, generator)

    def forward(self, x):
        h = self.first(self.scaled(x))
        for block in self.blocks:
            h = h + torch.relu(block(h))
        return self.last(h)


class Wide(CoordinateMLP):
    """A network of this package with another default."""

    def __init__(self, *args, hidden_layer_sizes=(64,), **parameters):
        super().__init__(*args, hidden_layer_sizes=hidden_layer_sizes, **parameters)


@pytest.fixture(name="data")
def surface(rng):
    X = 1e4 + 50 * rng.uniform(size=(200, 2))
    return X, np.sin(X[:, 0] / 8) + X[:, 1] / 50


def test_it_is_trained_as_the_network_of_this_package_is(data):
    X, y = data
    model = small(module=Residual, module__width=24).fit(X, y)
    assert model.score(X, y) > 0.9
    assert model.module_.first.out_features == 24
    assert bool(model.module_.is_scaled)
    np.testing.assert_array_equal(
        small(module=Residual, module__width=24).fit(X, y).predict(X), model.predict(X)
    )
    inside = small(FourierEncoder(stable_rank=4), module=Residual).fit(X, y)
    assert inside.module_.first.in_features == inside.encoder_.transform(X).shape[1]
    labels = np.where(y > 0, "a", "b")
    classifier = CoordinateMLPClassifier(
        module=Residual, max_epochs=20, lr=1e-2, random_state=0, device="cpu"
    )
    assert classifier.fit(X, labels).score(X, labels) > 0.7


def test_three_networks_in_one_search(data):
    X, y = data
    grid = [
        {"activation": ["sine"], "module__omega_0": [5.0], "hidden_layer_sizes": [(16, 16)]},
        {"module": [Residual], "module__depth": [1, 2]},
        {"module": [Wide], "hidden_layer_sizes": [(8,)]},
    ]
    search = GridSearchCV(small(max_epochs=10), grid, cv=2, error_score="raise").fit(X, y)
    assert len(set(search.cv_results_["mean_test_score"])) == 4


def test_the_shift_and_scale_of_the_rows_reach_it(data):
    X, y = data
    model = small(module=Residual, max_epochs=1).fit(X, y)
    rows = torch.as_tensor(model._rows(X))
    scaled = model.module_.scaled(rows)
    torch.testing.assert_close(scaled.mean(0), torch.zeros(2), rtol=0, atol=1e-5)
    assert float(scaled.square().mean()) == pytest.approx(1, rel=1e-5)


class NotOurs(nn.Module):
    pass


class NoGenerator(CoordinateModule):
    def __init__(self, in_features, out_features=1, *, encoder=None):
        super().__init__(in_features, out_features, encoder=encoder)


class Forgets(CoordinateModule):
    def __init__(self, in_features, out_features=1, *, encoder=None, generator=None):
        super().__init__(in_features, encoder=encoder)


class Empty(CoordinateModule):
    def __init__(self, in_features, out_features=1, *, encoder=None, generator=None):
        super().__init__(in_features, out_features, encoder=encoder)


class NoForward(Empty):
    def __init__(self, in_features, out_features=1, *, encoder=None, generator=None):
        super().__init__(in_features, out_features, encoder=encoder)
        self.layer = nn.Linear(2, 3)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"module": nn.Linear}, TypeError, "derives from sk_posenc.CoordinateModule"),
        ({"module": NotOurs}, TypeError, "page 'Add a network'"),
        ({"module": partial(CoordinateMLP, sigma=2)}, TypeError, "module must be a class that"),
        ({"module": CoordinateMLP(2)}, TypeError, "module must be a class that derives"),
        ({"module": NoGenerator}, TypeError, "NoGenerator does not take generator"),
        ({"module": Forgets}, ValueError, r"must pass .* Expected 2 and 3. Got 2 and 1"),
        ({"module": Empty}, ValueError, "Empty has no parameters to train"),
        ({"module": NoForward}, NotImplementedError, r"NoForward must define forward\(x\)"),
        (
            {"module": Residual, "hidden_layer_sizes": (8,)},
            TypeError,
            "hidden_layer_sizes cannot be set, as Residual does not take it",
        ),
        (
            {"module": Residual, "output_activation": "tanh"},
            TypeError,
            "output_activation cannot be set",
        ),
    ],
)
def test_what_could_not_be_trained_is_refused(data, settings, error, message):
    X = data[0]
    y = np.tanh(np.column_stack([X[:, 0], X[:, 1], X[:, 0]]) / 1e4)
    model = small(**settings)
    with pytest.raises(error, match=message):
        model.fit(X, y)
    assert not hasattr(model, "module_")


@pytest.mark.parametrize("shape", ["flat", "doubled", "mean", "tuple"])
@pytest.mark.parametrize("estimator", [CoordinateMLPRegressor, CoordinateMLPClassifier])
def test_outputs_of_another_shape_are_refused(estimator, shape):
    class Other(Residual):
        def forward(self, x):
            y = super().forward(x)
            return {
                "flat": y[:, 0], "doubled": torch.cat([y, y], dim=1), "mean": y.mean(),
                "tuple": (y, y),
            }[shape]  # fmt: skip

    X = np.random.default_rng(0).uniform(size=(40, 2))
    model = estimator(module=Other, max_epochs=1, device="cpu")
    with pytest.raises(ValueError, match=r"Other.forward must return .* \(n_rows, out_features\)"):
        model.fit(X, (X[:, 0] > 0.5).astype(int))
    assert not hasattr(model, "module_")


@pytest.mark.parametrize("widths", [(10**15, 1), (1, 10**15)])
def test_networks_beyond_memory_are_refused(widths):
    with pytest.raises(ValueError, match=r"too large.*GiB"):
        CoordinateMLP(*widths, hidden_layer_sizes=(4,))
