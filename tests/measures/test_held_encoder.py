"""All that takes an estimator, on all that holds an encoder: numbers of the dense encoding."""

from collections import namedtuple

import matplotlib
import numpy as np
import pandas as pd
import pytest
from encoder_contract import dense_stable_rank
from scipy import linalg
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, SplineTransformer, StandardScaler

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from sk_posenc import (
    BasisDisplay,
    CoordinateMLPRegressor,
    FourierEncoder,
    KroneckerRidge,
    KroneckerRidgeCV,
    LogFourierEncoder,
    RandomFourierEncoder,
    ReconstructionDisplay,
    ShiftedBasisEncoder,
    SpectrumDisplay,
    TradeoffDisplay,
    distance_preservation,
    distance_preservation_scorer,
    encoding_report,
    grid_samples,
    network_similarity,
    network_stable_rank,
    psnr_score,
    psnr_scorer,
    similarity_radius,
    similarity_radius_scorer,
    stable_rank_scorer,
    suggest_encoder,
)
from sk_posenc.core.limits import limits
from sk_posenc.kronecker._axis_product import AxisProduct

X, Y = grid_samples(
    np.sin(np.add.outer(np.arange(10) / 3, np.arange(9) / 2)),
    axes=(np.arange(10) / 10, 300 + 40 * np.arange(9)),
)
RNG = np.random.default_rng(0)
SCATTERED = RNG.uniform(size=(70, 3)) * [1.0, 50.0, 0.1] + [0.0, -7.0, 3.0]
SHIFTED = ShiftedBasisEncoder("triangle", stable_rank=(4, 3))
SPECIFIED = ShiftedBasisEncoder(stable_rank=4, n_shifts=9, domain=(0, 1))
MIXED = [ShiftedBasisEncoder("bspline", stable_rank=4), FourierEncoder(3)]


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def network(encoder=None):
    return CoordinateMLPRegressor(
        encoder, hidden_layer_sizes=(8,), max_epochs=2, device="cpu", random_state=0
    )


def by_blocks(encoder, X, y):
    model = KroneckerRidge(encoder, alpha=1e-2)
    for rows in np.array_split(np.arange(len(X)), 3):
        model.partial_fit(X[rows], y[rows])
    return model


# A fitted estimator, the rows that it is asked about, the transformations before its encoder, and
# the encoder, or for a product of encodings those of the axes.
Held = namedtuple("Held", ["estimator", "X", "before", "encoders"])


def of_head(head, X, before=None):
    return Held(head, X, before, head.encoders_)


def of_pipeline(pipeline):
    pipeline.fit(X, Y)
    head = pipeline[-1]
    return Held(pipeline, X, pipeline[:-1], getattr(head, "encoders_", None) or [head.encoder_])


def of_search():
    search = GridSearchCV(
        make_pipeline(StandardScaler(), KroneckerRidge(SHIFTED)),
        {"kroneckerridge__alpha": [1e-3, 1e-2]},
        cv=3,
    ).fit(X, Y)
    best = search.best_estimator_
    return Held(search, X, best[:-1], best[-1].encoders_)


def of_transformed(regressor):
    model = TransformedTargetRegressor(regressor, transformer=MinMaxScaler()).fit(X, Y)
    if isinstance(model.regressor_, Pipeline):
        return Held(model, X, model.regressor_[:-1], model.regressor_[-1].encoders_)
    return Held(model, X, None, model.regressor_.encoders_)


def of_encoder(estimator, at=None):
    estimator.fit(X, Y)
    if at is None:
        return Held(estimator, X, None, [estimator])
    return Held(estimator, X, estimator[:at] if at else None, [estimator[at]])


def of_nested(pipeline):
    pipeline.fit(X, Y)
    outer, inner = pipeline
    return Held(pipeline, X, make_pipeline(outer, inner[0]), [inner[1]])


PRODUCTS = {
    "grid": lambda: of_head(KroneckerRidge(SHIFTED).fit(X, Y), X),
    "different encoders": lambda: of_head(KroneckerRidge(MIXED).fit(X, Y), X),
    "search": lambda: of_head(KroneckerRidgeCV().fit(X, Y), X),
    "holes": lambda: of_head(KroneckerRidge(MIXED).fit(X[7:], Y[7:]), X),
    "three axes, scattered": lambda: of_head(
        KroneckerRidge(
            [
                ShiftedBasisEncoder("impulse", stable_rank=3),
                RandomFourierEncoder(6, random_state=0),
                LogFourierEncoder(3),
            ]
        ).fit(SCATTERED, SCATTERED[:, 0]),
        SCATTERED,
    ),
    "one axis": lambda: of_head(KroneckerRidge(FourierEncoder(4)).fit(X[:, :1], Y), X[::9, :1]),
    "in blocks": lambda: of_head(
        by_blocks([SPECIFIED, clone(SPECIFIED).set_params(domain=(300, 620))], X, Y), X
    ),
    "scaled": lambda: of_pipeline(make_pipeline(StandardScaler(), KroneckerRidge(SHIFTED))),
    "scaled search": lambda: of_pipeline(make_pipeline(StandardScaler(), KroneckerRidgeCV(MIXED))),
    "grid search": of_search,
    "transformed target": lambda: of_transformed(KroneckerRidge(MIXED)),
    "transformed target, scaled": lambda: of_transformed(
        make_pipeline(MinMaxScaler(), KroneckerRidge(SHIFTED))
    ),
}
OTHERS = {
    "encoder": lambda: of_encoder(clone(SHIFTED)),
    "pipeline to encoder": lambda: of_encoder(make_pipeline(StandardScaler(), clone(SHIFTED)), 1),
    "pipeline to regressor": lambda: of_encoder(
        make_pipeline(StandardScaler(), clone(SHIFTED), Ridge()), 1
    ),
    "pipeline within a pipeline": lambda: of_nested(
        make_pipeline(MinMaxScaler(), make_pipeline(StandardScaler(), clone(SHIFTED), Ridge()))
    ),
    "encoder before a search": lambda: of_encoder(
        make_pipeline(clone(SHIFTED), GridSearchCV(Ridge(), {"alpha": [1.0, 2.0]})), 0
    ),
    "encoder before a transformed target": lambda: of_encoder(
        make_pipeline(clone(SHIFTED), TransformedTargetRegressor(Ridge())), 0
    ),
    "network with an encoder": lambda: of_pipeline(make_pipeline(MinMaxScaler(), network(SHIFTED))),
    "network behind an encoder": lambda: of_encoder(make_pipeline(clone(SHIFTED), network()), 0),
}
HOLDERS = PRODUCTS | OTHERS
ENCODERS = ("encoder", "pipeline to encoder")


def dense(held):
    """The encoding, by the encoders of the axes alone."""
    reaching = held.X if held.before is None else held.before.transform(held.X)
    if held.estimator is held.encoders[0] or len(held.encoders) == 1 != reaching.shape[1]:
        return held.encoders[0].transform(reaching)
    product = np.ones((len(reaching), 1))
    for axis, own in enumerate(held.encoders):
        block = own.transform(reaching[:, [axis]])
        product = np.einsum("ni,nj->nij", product, block).reshape(len(reaching), -1)
    return product


def joined(measure, held):
    return np.concatenate([np.atleast_1d(measure(own)) for own in held.encoders])


def shares_of_domain(own):
    return similarity_radius(own) / np.ptp(own.domain_, axis=1)


@pytest.fixture(params=HOLDERS)
def held(request):
    return HOLDERS[request.param]()


@pytest.fixture(params=PRODUCTS)
def product(request):
    return PRODUCTS[request.param]()


def test_layouts_that_are_covered():
    layouts = {name: PRODUCTS[name]().estimator.layout_ for name in SUGGESTED - {"search"}}
    assert {layouts["three axes, scattered"], layouts["in blocks"]} == {"dual", "normal"}
    assert layouts["grid"] == "grid" != layouts["holes"]


def test_scorers(held):
    E = dense(held)
    assert stable_rank_scorer(held.estimator, held.X) == pytest.approx(dense_stable_rank(E))
    preserved = distance_preservation(held.X, E, random_state=0)
    # of ties that rounding breaks otherwise, a few pairs change places
    assert distance_preservation_scorer(held.estimator, held.X) == pytest.approx(
        preserved, abs=1e-3
    )
    radius = similarity_radius_scorer(held.estimator, held.X)
    assert radius == pytest.approx(np.mean(joined(shares_of_domain, held)))


def test_report(held):
    E = dense(held)
    y = np.sin(held.X @ (3 / np.ptp(held.X, axis=0)))
    report = encoding_report(held.estimator, held.X, y)
    values = linalg.svdvals(E)
    assert report.whole_stable_rank == pytest.approx(dense_stable_rank(E))
    assert report.rank == np.linalg.matrix_rank(E)
    assert report.n_features == E.shape[1]
    if report.rank == len(values):
        assert report.condition_number == pytest.approx(values[0] / values[-1], rel=1e-3)
    assert report.stable_rank == pytest.approx(joined(lambda own: own.stable_rank_, held))
    assert report.similarity_radius == pytest.approx(joined(similarity_radius, held))
    # a ridge so slight that it plays no part: the projection on the columns that matter
    rows = np.random.RandomState(0).permutation(len(E))
    held_out, seen = np.split(rows, [max(1, len(E) // 5)])
    centred = E - E[seen].mean(axis=0)
    damped = centred[seen].T @ centred[seen]
    damped.flat[:: len(damped) + 1] += 1e-6 * np.sum(E[seen] ** 2) / E.shape[1]
    weights = np.linalg.solve(damped, centred[seen].T @ (y[seen] - y[seen].mean()))
    fit = centred[held_out] @ weights + y[seen].mean()
    expected = psnr_score(y[held_out], fit, data_range=np.ptp(y))
    assert report.held_out_psnr == pytest.approx(expected, abs=0.01)


def test_report_of_each_axis(product):
    head = product.estimator
    report = encoding_report(head, product.X)
    assert report.columns_per_axis.tolist() == [
        own.transform(np.zeros((1, 1))).shape[1] for own in product.encoders
    ]
    reaching = product.X if product.before is None else product.before.transform(product.X)
    for axis, own in enumerate(product.encoders):
        alone = encoding_report(own, reaching[:, [axis]])
        numbers = ["fading", "ripple", "stable_rank_asked"]
        if alone.samples_per_axis[0] == report.samples_per_axis[axis]:
            numbers += ["slow_error", "gain", "spacing"]
        for name in numbers:
            expected = getattr(alone, name)[0]
            own_number = getattr(report, name)[axis]
            assert own_number == (
                None if expected is None else pytest.approx(expected, nan_ok=True, abs=1e-9)
            ), name
        if hasattr(own, "bandwidth_"):
            assert report.bandwidth[axis] == pytest.approx(own.bandwidth_[0])
        elif report.bandwidth is not None:
            assert np.isnan(report.bandwidth[axis])
    assert str(report).startswith("AxisProduct(encoders=[")
    assert "sum of functions" not in str(report)


def test_spectrum(held):
    display = SpectrumDisplay.from_estimator({"it": held.estimator}, held.X)
    E = dense(held)
    np.testing.assert_allclose(
        display.singular_values["it"], linalg.svdvals(E), atol=1e-9 * linalg.norm(E)
    )
    assert display.stable_rank["it"] == pytest.approx(dense_stable_rank(E))


def test_spectrum_of_a_product_that_is_not_formed(product, monkeypatch):
    whole = SpectrumDisplay.from_estimator({"it": product.estimator}, product.X)
    monkeypatch.setattr(AxisProduct, "_encode", None)
    with limits(decomposed_up_to=1):
        display = SpectrumDisplay.from_estimator({"it": product.estimator}, product.X)
    n = len(whole.singular_values["it"])
    largest = whole.singular_values["it"][0]
    np.testing.assert_allclose(
        display.singular_values["it"][:n], whole.singular_values["it"], atol=1e-6 * largest
    )


def test_basis_of_each_axis(product):
    for axis, own in enumerate(product.encoders):
        display = BasisDisplay.from_estimator(
            {"it": product.estimator}, axis=axis, hidden_layers=(0, 2)
        )
        alone = BasisDisplay.from_estimator({"it": own}, hidden_layers=(0, 2))
        own_extent = 4 * similarity_radius(own)[0]
        assert display.displacement[-1] == pytest.approx(
            min(own_extent, np.ptp(own.domain_, axis=1)[0])
        )
        np.testing.assert_allclose(display.similarity["it"], alone.similarity["it"])
        assert display.phi.keys() == alone.phi.keys()
        for depth in (0, 2):
            np.testing.assert_allclose(display.network["it"][depth], alone.network["it"][depth])
    with pytest.raises(ValueError, match=f"one of the {len(product.encoders)} axes"):
        BasisDisplay.from_estimator(product.estimator, axis=len(product.encoders))


@pytest.mark.parametrize("where", HOLDERS)
def test_tradeoff_takes_encoders_alone(where):
    held = HOLDERS[where]()
    if where in ENCODERS:
        display = TradeoffDisplay.from_estimator(held.estimator, held.X)
        E = dense(held)
        assert display.stable_rank[0] == pytest.approx(dense_stable_rank(E))
        assert display.distance_preservation[0] == pytest.approx(
            distance_preservation(held.X, E, random_state=0)
        )
    else:
        with pytest.raises(TypeError, match=r"(?s)must be an encoder.*head as regressor"):
            TradeoffDisplay.from_estimator(held.estimator, held.X)


@pytest.mark.parametrize("where", HOLDERS)
def test_reconstruction_and_psnr_take_regressors_alone(where):
    held = HOLDERS[where]()
    y = held.X[:, 0]
    if where in ENCODERS:
        for call in (psnr_scorer, ReconstructionDisplay.from_estimator):
            with pytest.raises(TypeError, match=r"expected a fitted regressor. Got"):
                call(held.estimator, held.X, y)
            with pytest.raises(TypeError, match=r"expected a fitted regressor. Got <class"):
                call(KroneckerRidge, held.X, y)  # the class itself
        return
    expected = psnr_score(y, held.estimator.predict(held.X))
    assert psnr_scorer(held.estimator, held.X, y) == expected
    if held.X.shape[1] < 3:
        display = ReconstructionDisplay.from_estimator(held.estimator, held.X, y)
        assert display.psnr_ == expected


@pytest.mark.parametrize("where", HOLDERS)
@pytest.mark.parametrize(
    "measure",
    [
        similarity_radius,
        lambda estimator: network_stable_rank(estimator, 2),
        lambda estimator: network_similarity(estimator, [0.0], 2),
    ],
    ids=["radius", "network rank", "network similarity"],
)
def test_what_measures_encoders_takes_no_holders(where, measure):
    held = HOLDERS[where]()
    if where == "encoder":
        assert (measure(held.estimator) > 0).all()
    else:
        with pytest.raises(TypeError, match=r"encoder must be a fitted encoder of sk_posenc. Got"):
            measure(held.estimator)


SUGGESTED = {
    "grid", "different encoders", "search", "holes", "three axes, scattered", "one axis",
    "in blocks",
}  # fmt: skip


@pytest.mark.parametrize("where", HOLDERS)
def test_suggestions_take_heads_and_encoders_before_them(where):
    candidates = [ShiftedBasisEncoder(stable_rank=2), ShiftedBasisEncoder(stable_rank=4)]
    regressor = HOLDERS[where]().estimator
    if where in SUGGESTED:
        found = suggest_encoder(X, Y, regressor, candidates)
        unfitted = suggest_encoder(X, Y, clone(regressor), candidates)
        np.testing.assert_array_equal(found.table["mse"], unfitted.table["mse"])
    elif where == "network behind an encoder":
        assert suggest_encoder(X, Y, regressor, candidates).n_samples == len(X)
    else:
        with pytest.raises(TypeError, match=r"(?s)must be .*Got"):
            suggest_encoder(X, Y, regressor, candidates)


def test_candidates_take_the_place_of_a_product():
    candidates = [ShiftedBasisEncoder(stable_rank=2), ShiftedBasisEncoder(stable_rank=4)]
    product = KroneckerRidge(SHIFTED).fit(X, Y).encoder_
    plain, instead = (
        suggest_encoder(X, Y, regressor, candidates).table["mse"]
        for regressor in (Ridge(), make_pipeline(product, Ridge()))
    )
    np.testing.assert_array_equal(plain, instead)


# The product of the encodings, as an encoder


def test_similarity_and_network_of_a_product():
    head = KroneckerRidge([FourierEncoder(4), FourierEncoder(3)]).fit(X, Y)
    encoder = head.encoder_
    E = encoder.transform(X)
    np.testing.assert_allclose(encoder.similarity(X), E @ E.T, atol=1e-12)
    np.testing.assert_allclose(encoder.similarity(X, X[:3]), E @ E[:3].T, atol=1e-12)
    beyond = X * [1.0, 2.0]  # counts as the end of the domain
    at_ends = encoder.transform(beyond)
    np.testing.assert_allclose(encoder.similarity(beyond), at_ends @ at_ends.T, atol=1e-12)
    offsets = X[:5] - X[40:45]
    cosines = np.diag(encoder.similarity(X[:5], X[40:45]))
    np.testing.assert_allclose(network_similarity(encoder, offsets, 0, axis=None), cosines)
    tensor = ShiftedBasisEncoder("gaussian", stable_rank=(4, 3), tensor_product=True).fit(X)
    same = KroneckerRidge(ShiftedBasisEncoder("gaussian", stable_rank=(4, 3))).fit(X, Y).encoder_
    for layers in (2, (16, 16)):
        np.testing.assert_allclose(
            network_similarity(same, offsets, layers, axis=None),
            network_similarity(tensor, offsets, layers, axis=None),
            atol=0.02,  # by as many shifts as there are samples
        )
        np.testing.assert_allclose(
            network_stable_rank(same, layers),
            [network_stable_rank(own, layers)[0] for own in same.encoders_],
        )
    with_cells = KroneckerRidge([FourierEncoder(3), ShiftedBasisEncoder("impulse")]).fit(X, Y)
    with pytest.raises(ValueError, match="depends on the displacement only"):
        network_similarity(with_cells.encoder_, offsets, 2, axis=None)


def test_names_of_a_product():
    frame = pd.DataFrame(X, columns=["hour", "metre"])
    head = KroneckerRidge([FourierEncoder(1), ShiftedBasisEncoder(n_shifts=2, bandwidth=99)])
    head.fit(frame, Y)
    names = head.encoder_.get_feature_names_out()
    assert names[:2].tolist() == ["hour_constant metre_gaussian0", "hour_constant metre_gaussian1"]
    assert len(names) == head.encoder_.transform(frame).shape[1]
    named = encoding_report(head, frame)
    assert named.axis_names == ["hour", "metre"]
    assert list(BasisDisplay.from_estimator(head).similarity) == ["Fourier x gaussian"]
    shown = head.encoder_.set_output(transform="pandas").transform(frame)
    assert shown.columns.tolist() == names.tolist()
    with pytest.raises(ValueError, match="feature names"):
        head.encoder_.transform(frame[["metre", "hour"]])


def test_a_product_is_fitted_and_cloned():
    encoder = KroneckerRidge(MIXED).fit(X, Y).encoder_
    again = clone(encoder).fit(X)
    np.testing.assert_allclose(again.transform(X), encoder.transform(X))
    single = encoder.transform(X.astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, encoder.transform(X), atol=1e-6)
    line = make_pipeline(clone(encoder), Ridge(1e-6)).fit(X, Y)
    assert psnr_score(Y, line.predict(X), data_range=2) > 40
    with pytest.raises(ValueError, match=r"a column for each of 2 encoders. Got 1 columns"):
        clone(encoder).fit(X[:, :1])
    with pytest.raises(ValueError, match="not fitted"):
        clone(encoder).transform(X)
    with pytest.raises(ValueError, match="3 features"):
        encoder.transform(SCATTERED)


def test_products_that_do_not_fit_into_memory_are_refused(rng):
    many = rng.uniform(size=(1_000, 4))
    encoder = ShiftedBasisEncoder(stable_rank=60, domain=(0, 1))
    head = KroneckerRidge(encoder).fit(many, many[:, 0])
    with pytest.raises(ValueError, match=r"GiB of memory are available: measure fewer"):
        stable_rank_scorer(head, many)
    with pytest.raises(ValueError, match="memory are available: use fewer columns"):
        head.encoder_.get_feature_names_out()
    # what needs no matrix of products is told of it nevertheless
    report = encoding_report(head, many, many[:, 0], max_samples=100)
    assert report.n_features == np.prod(report.columns_per_axis) > 1e8
    assert report.rank == 100
    assert report.fit_psnr is None


def test_other_transformers_on_an_axis():
    head = KroneckerRidge([SplineTransformer(5), FourierEncoder(3)]).fit(X, Y)
    E = dense(of_head(head, X))
    assert stable_rank_scorer(head, X) == pytest.approx(dense_stable_rank(E))
    np.testing.assert_allclose(head.encoder_.similarity(X), E @ E.T, atol=1e-12)
    for measure in (
        lambda: similarity_radius_scorer(head),
        lambda: encoding_report(head, X),
        lambda: SpectrumDisplay.from_estimator(head, X),
        lambda: BasisDisplay.from_estimator(head),
        lambda: network_stable_rank(head.encoder_, 1),
    ):
        with pytest.raises(TypeError, match=r"Got SplineTransformer.* on axis 0"):
            measure()


@pytest.mark.parametrize(
    "estimator",
    [
        Ridge().fit(X, Y),
        network().fit(X, Y),
        GridSearchCV(KroneckerRidge(), {"alpha": [1.0]}, refit=False).fit(X, Y),
        KroneckerRidge(),
        TransformedTargetRegressor(Ridge()).fit(X, Y),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
@pytest.mark.parametrize(
    "measure",
    [
        stable_rank_scorer,
        distance_preservation_scorer,
        similarity_radius_scorer,
        encoding_report,
        SpectrumDisplay.from_estimator,
        lambda estimator, X: BasisDisplay.from_estimator(estimator),
    ],
    ids=["rank", "distances", "radius", "report", "spectrum", "basis"],
)
def test_what_holds_no_encoder_is_refused(estimator, measure):
    with pytest.raises(TypeError, match=r"must be an encoder.*, (or )?a .*Pipeline"):
        measure(estimator, X)


@pytest.mark.parametrize("penalty", [2.0, "adaptive"])
def test_a_report_does_not_judge_what_a_penalty_does(penalty):
    rng = np.random.default_rng(0)
    places = rng.uniform(size=(150, 2))
    head = KroneckerRidge(penalty=penalty, alpha=1e-2).fit(places, np.sin(5 * places[:, 0]))
    report = encoding_report(head, places)
    assert any("encoding alone" in each for each in report.memorises)
    assert not [each for each in report.warnings if "n_shifts" in each or "ripple" in each]
    # an encoder that no head has penalised
    alone = ShiftedBasisEncoder("triangle", n_shifts=34, stable_rank=20, tensor_product=True)
    bare = encoding_report(alone.fit(places), places)
    assert not any("encoding alone" in each for each in bare.memorises)
    assert [each for each in bare.warnings if "n_shifts" in each or "ripple" in each]
    far = encoding_report(head, places * 2)
    assert any("outside the domain" in each for each in far.warnings)
