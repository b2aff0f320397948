"""Every public name, called as users with a strict type checker call it.

``mypy --strict`` accepts this file, and it runs. Return types that users rely on are asserted;
an array may be of another namespace, and scikit-learn has no types yet: those are Any.
"""

import warnings
from collections.abc import Iterator
from types import ModuleType
from typing import Any, assert_type

import numpy as np
import torch
from numpy.typing import NDArray

from sk_posenc import (
    AnchorDistanceEncoder,
    AnchorPathClassifier,
    AnchorPathEncoder,
    AnchorPathRegressor,
    Basis,
    BasisDisplay,
    CoordinateKFold,
    CoordinateMLP,
    CoordinateMLPClassifier,
    CoordinateMLPRegressor,
    CoordinateModule,
    EncoderModule,
    EncodingReport,
    FourierEncoder,
    KroneckerRidge,
    KroneckerRidgeCV,
    LayerRankDisplay,
    LearnableFourierEncoder,
    LogFourierEncoder,
    MultigridEncoder,
    PerturbationSearchCV,
    PoorFitWarning,
    PositionAugmenter,
    PositiveRandomFeatures,
    RandomFourierEncoder,
    ReconstructionDisplay,
    SeasonalRidge,
    ShiftedBasisEncoder,
    SpacingTransformer,
    SpectrumDisplay,
    SphereCoordinates,
    SphericalHarmonicEncoder,
    Suggestion,
    ToeplitzAttention,
    ToeplitzAttentionRegressor,
    TradeoffDisplay,
    distance_preservation,
    distance_preservation_scorer,
    encoding_report,
    fill_grid,
    grid_samples,
    load_signal,
    make_distance_preservation_scorer,
    make_path_preservation_scorer,
    make_psnr_scorer,
    network_similarity,
    network_stable_rank,
    path_preservation,
    predict_grid,
    psnr_score,
    psnr_scorer,
    samples_to_grid,
    similarity_radius,
    similarity_radius_scorer,
    stable_rank,
    stable_rank_scorer,
    suggest_encoder,
    tangent_kernel,
    toeplitz_matmul,
)

Floats = NDArray[np.float64]


class Cosine(Basis):
    """A basis of one's own."""

    support = 0.5

    def phi(self, u: Any, xp: ModuleType) -> Any:
        return xp.cos(np.pi * u) * (abs(u) < self.support)


def samples() -> tuple[Floats, Floats]:
    values, axes = load_signal("camera")
    assert_type(axes, tuple[Floats, ...])
    X, y = grid_samples(values[::64, ::64], tuple(axis[::64] for axis in axes))
    grid: Floats = samples_to_grid(y, (8, 8))
    assert grid.shape == (8, 8)
    return X, y


def encoders(X: Floats) -> None:
    assert_type(ShiftedBasisEncoder("triangle", stable_rank=4).fit(X), ShiftedBasisEncoder)
    assert_type(ShiftedBasisEncoder(Cosine(), stable_rank=[3, 4]).fit(X), ShiftedBasisEncoder)
    assert_type(FourierEncoder(3, domain=(0.0, 512.0)).fit(X), FourierEncoder)
    assert_type(LogFourierEncoder(3).fit(X), LogFourierEncoder)
    assert_type(RandomFourierEncoder(32, random_state=0).fit(X), RandomFourierEncoder)
    assert_type(LearnableFourierEncoder(8, random_state=0).fit(X), LearnableFourierEncoder)
    assert_type(MultigridEncoder(finest=20, random_state=0).fit(X), MultigridEncoder)
    spaced = SpacingTransformer([0.9, 0.0]).fit(X)
    assert_type(spaced, SpacingTransformer)
    places: Floats = spaced.transform(X)
    back: Floats = spaced.inverse_transform(places)
    assert np.allclose(back, X)
    E: Floats = FourierEncoder(3).fit(X).transform(X)
    similarity: Floats = FourierEncoder(3).fit(X).similarity(X[:3])
    assert len(E) == len(X)
    assert similarity.shape == (3, 3)


def regressors(X: Floats, y: Floats) -> None:
    encoder = FourierEncoder(stable_rank=4, domain=(0.0, 512.0))
    ridge = KroneckerRidge(encoder, alpha=1e-3)
    assert_type(ridge.fit(X, y, sample_weight=np.ones(len(y))), KroneckerRidge)
    blocks = KroneckerRidge(encoder).partial_fit(X[:32], y[:32])
    rest = KroneckerRidge(encoder).partial_fit(X[32:], y[32:])
    assert_type(blocks.merge(rest), KroneckerRidge)
    slope, std = ridge.predict(X, derivative=(1, 0), return_std=True)
    search = KroneckerRidgeCV([encoder], alphas=[1e-3, 1e-1]).fit(X, y)
    assert_type(search, KroneckerRidgeCV)
    network = CoordinateMLPRegressor(encoder, hidden_layer_sizes=4, max_epochs=1, device="cpu")
    assert_type(network.fit(X, y), CoordinateMLPRegressor)
    assert_type(network.partial_fit(X, y), CoordinateMLPRegressor)
    predicted: Floats = network.fit(X, y).predict(X)
    assert predicted.shape == slope.shape == std.shape


def seasons() -> None:
    hours = np.arange(200.0)
    model = SeasonalRidge([24, 50], trend=False, alphas=[0.1, 1.0])
    assert_type(model.fit(hours[:, None], np.cos(hours)), SeasonalRidge)
    value: Floats = model.predict(hours[:, None])
    components, std = model.predict_components(hours[:, None], return_std=True)
    assert components.shape == std.shape == (*value.shape, 3)


def maps(X: Floats, y: Floats) -> None:
    x = np.linspace(0.0, 0.9, 5)
    found: Floats = predict_grid(KroneckerRidge().fit(X, y), coords=[x, x])
    filled: Floats = fill_grid(np.where(found > 0.5, np.nan, found), KroneckerRidge())
    assert filled.shape == (5, 5)


def classifiers(X: Floats, y: Floats) -> None:
    network = CoordinateMLPClassifier(hidden_layer_sizes=4, max_epochs=1, device="cpu")
    labels = np.where(y > 0.5, "light", "dark")
    assert_type(network.fit(X, labels, sample_weight=np.ones(len(y))), CoordinateMLPClassifier)
    assert_type(network.partial_fit(X, labels), CoordinateMLPClassifier)
    assert_type(network.predict_proba(X), Floats)
    assert len(network.predict(X)) == len(X)


class Linear(CoordinateModule):
    """A network of one's own."""

    def __init__(self, in_features: int, out_features: int = 1, **parts: Any) -> None:
        super().__init__(in_features, out_features, encoder=parts.get("encoder"))
        self.layer = torch.nn.Linear(in_features, out_features)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = self.layer(self.scaled(x))
        return output


def modules(X: Floats) -> None:
    module = EncoderModule(FourierEncoder(3).fit(X), trainable=True)
    network = CoordinateMLP(module.n_features, hidden_layer_sizes=(4, 4), encoder=module)
    assert_type(module.forward(torch.tensor(X, dtype=torch.float32)), torch.Tensor)
    assert_type(network.forward(torch.tensor(X, dtype=torch.float32)), torch.Tensor)
    assert_type(Linear(2).scaled(torch.zeros(3, 2)), torch.Tensor)


def measures(X: Floats, y: Floats) -> None:
    encoder = FourierEncoder(3).fit(X)
    assert_type(stable_rank(encoder.transform(X)), float)
    assert_type(distance_preservation(X, encoder.transform(X)), float)
    assert_type(similarity_radius(encoder), Floats)
    assert_type(psnr_score(y, y + 0.1), float)
    assert_type(stable_rank_scorer(encoder, X), float)
    assert_type(distance_preservation_scorer(encoder, X), float)
    globe = np.array([[10.0, 50.0], [170.0, -40.0], [-170.0, 80.0]])
    sphere = SphereCoordinates(unit="degrees").fit(globe)
    points: Floats = sphere.inverse_transform(sphere.transform(globe))
    assert np.allclose(points, globe)
    assert_type(make_distance_preservation_scorer(metric="great_circle")(sphere, globe), float)
    harmonics: Floats = SphericalHarmonicEncoder(3).fit(globe).similarity(globe)
    assert harmonics.shape == (3, 3)
    assert_type(similarity_radius_scorer(encoder), float)
    ridge = KroneckerRidge(encoder).fit(X, y)
    assert_type(psnr_scorer(ridge, X, y), float)
    assert_type(make_psnr_scorer(255.0)(ridge, X, y), float)
    folds: Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]] = CoordinateKFold(2).split(X)
    assert sum(len(test) for _, test in folds) == len(X)


def networks_see(X: Floats) -> None:
    encoder = FourierEncoder(3).fit(X)
    kernel: Floats = tangent_kernel(np.linspace(-1.0, 1.0, 5), 2)
    assert_type(network_similarity(encoder, [0.1, 0.2], 2), Floats)
    assert_type(network_stable_rank(encoder, (64, 64)), Floats)
    assert kernel.shape == (5,)


def reports(X: Floats, y: Floats) -> None:
    report = encoding_report(FourierEncoder(3), X, y)
    assert_type(report, EncodingReport)
    suggestion = suggest_encoder(X, y, KroneckerRidge(), [FourierEncoder(3), LogFourierEncoder(2)])
    assert_type(suggestion, Suggestion)
    doubts: tuple[str, ...] = suggestion.doubts
    print(report, suggestion, suggestion.best_encoder, doubts)


def searches(X: Floats, y: Floats) -> None:
    network = CoordinateMLPRegressor(hidden_layer_sizes=4, max_epochs=1, device="cpu")
    encoders = [FourierEncoder(2), ShiftedBasisEncoder(stable_rank=3)]
    search = PerturbationSearchCV(network, encoders, search_epochs=1, tune_epochs=1)
    assert_type(search.fit(X, y), PerturbationSearchCV)
    print(search.score(X, y))
    assert len(search.predict(X)) == len(X)


def displays(X: Floats, y: Floats) -> None:
    encoder = FourierEncoder(3).fit(X)
    ridge = KroneckerRidge(encoder).fit(X, y)
    assert_type(BasisDisplay.from_estimator(encoder), BasisDisplay)
    assert_type(SpectrumDisplay.from_estimator(encoder, X).plot(), SpectrumDisplay)
    assert_type(TradeoffDisplay.from_estimator([encoder], X), TradeoffDisplay)
    assert_type(ReconstructionDisplay.from_estimator(ridge, X, y), ReconstructionDisplay)
    network = CoordinateMLPRegressor(
        encoder, optimizer="muon", max_epochs=1, log_stable_rank=True, device="cpu"
    ).fit(X, y)
    assert_type(LayerRankDisplay.from_estimator(network).plot(), LayerRankDisplay)


def positions(X: Floats) -> None:
    augmenter = PositionAugmenter(local_shift=0.5, random_state=0)
    assert_type(augmenter.fit(X), PositionAugmenter)
    groups = np.arange(len(X)) % 3
    assert augmenter.transform(X).shape == augmenter.augment(X, groups).shape
    network = CoordinateMLPRegressor(augmenter=augmenter, max_epochs=1, device="cpu")
    network.fit(X, X[:, 0], groups=groups)
    assert_type(network.score(X, X[:, 0], groups=groups), float)


def graphs() -> None:
    ring: Floats = np.roll(np.eye(6), 1, axis=0) + np.roll(np.eye(6), -1, axis=0)
    nodes = np.arange(6)[:, None]
    encoder = AnchorDistanceEncoder([0, 1], graph=ring).fit(nodes)
    assert_type(encoder, AnchorDistanceEncoder)
    assert_type(encoder.transform(nodes), Floats)
    assert_type(path_preservation(ring, encoder.transform(nodes)), float)
    assert_type(make_path_preservation_scorer(ring)(encoder, nodes), float)
    learnt = AnchorPathEncoder([0], n_features=2, graph=ring, max_epochs=1, device="cpu")
    assert_type(learnt.fit(nodes), AnchorPathEncoder)
    assert_type(learnt.transform(nodes), NDArray[np.float32])
    assert_type(learnt.link_probabilities([[0, 1]]), NDArray[np.float32])
    settings: dict[str, Any] = {"graph": ring, "max_epochs": 1, "device": "cpu"}
    regressor = AnchorPathRegressor([0], n_features=2, **settings)
    assert_type(regressor.fit(nodes, np.arange(6.0)), AnchorPathRegressor)
    classifier = AnchorPathClassifier([0], n_features=2, **settings)
    assert_type(classifier.fit(nodes, np.arange(6) // 3), AnchorPathClassifier)


def series(X: Floats) -> None:
    features = PositiveRandomFeatures(4, random_state=0).fit(X)
    assert_type(features, PositiveRandomFeatures)
    assert len(features.transform(X)) == len(X)
    sums: Floats = toeplitz_matmul(np.ones(2 * len(X) - 1), X, causal=True)
    assert np.allclose(sums, np.cumsum(X, axis=0))
    layer = ToeplitzAttention(4, 2, causal=True, max_distance=8)
    assert_type(layer.forward(torch.zeros(1, 20, 4)), torch.Tensor)
    model = ToeplitzAttentionRegressor(4, 2, 1, causal=True, max_epochs=1, device="cpu")
    assert_type(model.fit(X, X[:, 0]), ToeplitzAttentionRegressor)
    assert len(model.predict(X)) == len(X)


def silenced() -> None:
    category: type[UserWarning] = PoorFitWarning
    warnings.filterwarnings("ignore", category=category)


def main() -> None:
    X, y = samples()
    with warnings.catch_warnings():
        silenced()
    encoders(X)
    regressors(X, y)
    seasons()
    maps(X, y)
    classifiers(X, y)
    modules(X)
    measures(X, y)
    networks_see(X)
    reports(X, y)
    searches(X, y)
    displays(X, y)
    graphs()
    positions(X)
    series(X)


if __name__ == "__main__":
    main()
