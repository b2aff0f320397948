"""Networks that train on augmented positions: another view in each epoch, fixed at test time."""

import pickle
from functools import partial

import numpy as np
import pytest
import torch
from sklearn import config_context
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from skorch.callbacks import Callback
from skorch.dataset import ValidSplit
from torch.utils.data import DataLoader

from sk_posenc import (
    CoordinateMLPClassifier,
    CoordinateMLPRegressor,
    FourierEncoder,
    PositionAugmenter,
    RandomFourierEncoder,
    distance_preservation,
    distance_preservation_scorer,
)
from sk_posenc.networks.batches import TensorBatches

small = partial(
    CoordinateMLPRegressor,
    hidden_layer_sizes=(16,),
    lr=1e-2,
    max_epochs=3,
    random_state=0,
    device="cpu",
)
RNG = np.random.default_rng(0)
X = RNG.uniform(4, 9, (120, 2))
Y = np.sin(X[:, 0]) + X[:, 1]
GROUPS = RNG.integers(0, 6, 120)
SHIFTED = PositionAugmenter(global_shift=1.0, local_shift=0.2, global_scale=1.4)


def weights(model):
    return torch.cat([each.reshape(-1).double() for each in model.module_.state_dict().values()])


class Seen(Callback):
    """Notes the rows of each epoch, those trained on and those validated on."""

    def on_train_begin(self, net, **kwargs):
        self.trained, self.validated = [], []

    def on_epoch_begin(self, net, **kwargs):
        self.trained.append([])
        self.validated.append([])

    def on_batch_begin(self, net, batch=None, training=False, **kwargs):
        rows = self.trained if training else self.validated
        rows[-1].append(batch[0].clone())

    def views(self):
        return [torch.cat(rows).numpy() for rows in self.trained]


def seen_by(augmenter, fit_params=None, **settings):
    """What a network without an encoder, in the order of the rows, trains on."""
    seen = Seen()
    network = small(
        augmenter=augmenter, callbacks=[seen], iterator_train__shuffle=False, **settings
    )
    network.fit(X, Y, **(fit_params or {}))
    return seen, network


@pytest.mark.slow
@parametrize_with_checks(
    [
        small(FourierEncoder(4), augmenter=PositionAugmenter(), max_epochs=60),
        CoordinateMLPClassifier(
            # weights of rows do not count in the mean
            augmenter=PositionAugmenter(center=False),
            hidden_layer_sizes=(32,),
            lr=1e-2,
            random_state=0,
        ),
    ]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_each_epoch_sees_another_view_and_test_time_sees_none():
    seen, network = seen_by(PositionAugmenter(local_shift=0.2), early_stopping=5)
    split = network.get_split_datasets(torch.tensor(X), torch.tensor(Y))
    kept, held_out = (part.indices for part in split)
    placed = X - X.mean(axis=0)
    views = seen.views()
    for view in views:
        distance = np.abs(view - placed[kept])
        assert 0.15 < distance.max() <= 0.2 + 1e-6
    assert min(np.abs(views[0] - view).min() for view in views[1:]) > 0
    for rows in seen.validated:
        np.testing.assert_allclose(torch.cat(rows), placed[held_out], atol=1e-6)
    # the scaling is that of test time
    spread = np.sqrt(np.mean((placed[kept] - placed[kept].mean(axis=0)) ** 2))
    assert 1 / network.module_.input_scale[0].item() == pytest.approx(spread, rel=1e-5)


def test_groups_are_shifted_and_scaled_together():
    seen, network = seen_by(
        PositionAugmenter(global_shift=1.0, global_scale=1.4), {"groups": GROUPS}
    )
    placed = PositionAugmenter().fit(X).transform(X, GROUPS)
    np.testing.assert_allclose(network.augmenter_.mean_, X.mean(axis=0))
    for view in seen.views():
        scales = []
        for label in range(6):
            rows = label == GROUPS
            scale = np.ptp(view[rows, 0]) / np.ptp(placed[rows, 0])
            shift = view[rows] - scale * placed[rows]
            np.testing.assert_allclose(shift, shift[:1].repeat(len(shift), axis=0), atol=1e-5)
            scales.append(scale)
        assert np.ptp(scales) > 0.1


def test_positions_in_front_train_the_same_network():
    settings = {"batch_size": -1, "max_epochs": 20}
    inside = small(FourierEncoder(4), augmenter=PositionAugmenter(), **settings).fit(X, Y)
    front = make_pipeline(PositionAugmenter(), small(FourierEncoder(4), **settings)).fit(X, Y)
    np.testing.assert_allclose(inside.predict(X), front.predict(X), atol=2e-4)
    np.testing.assert_allclose(inside.encoder_.domain_, front[1].encoder_.domain_)
    np.testing.assert_array_equal(inside.predict(X[:7]), inside.predict(X)[:7])


def test_scorers_place_coordinates_ahead_of_the_encoder():
    model = small(RandomFourierEncoder(16, random_state=0), augmenter=SHIFTED).fit(X, Y)
    placed = X - X.mean(axis=0)
    encoder = clone(model.encoder).fit(placed)
    expected = distance_preservation(placed, encoder.transform(placed))
    assert distance_preservation_scorer(model, X, Y) == pytest.approx(expected, abs=1e-9)


def test_seeds_clones_and_pickles():
    model = small(FourierEncoder(4), augmenter=SHIFTED).fit(X, Y, groups=GROUPS)
    again = clone(model).fit(X, Y, groups=GROUPS)
    assert torch.equal(weights(model), weights(again))
    plain = small(FourierEncoder(4), augmenter=PositionAugmenter()).fit(X, Y, groups=GROUPS)
    assert not torch.equal(weights(model), weights(plain))
    assert SHIFTED.__dict__.keys() == PositionAugmenter().__dict__.keys()  # a clone was fitted
    loaded = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(loaded.predict(X, GROUPS), model.predict(X, GROUPS))
    for each in (model, loaded):
        each.partial_fit(X, Y, groups=GROUPS)
    assert torch.equal(weights(model), weights(loaded))
    assert not model.__dict__.keys() & {"_run", "_groups", "_views"}


def test_checkpoints_go_on_and_tell_groups_apart(tmp_path):
    class Stops(Callback):
        def on_epoch_end(self, net, **kwargs):
            if len(net.history) == 3:
                raise ValueError("cut off")

    make = partial(small, FourierEncoder(4), augmenter=SHIFTED, max_epochs=6)
    whole = make().fit(X, Y, groups=GROUPS)
    with pytest.raises(ValueError, match="cut off"):
        make(checkpoint=tmp_path, callbacks=[Stops()]).fit(X, Y, groups=GROUPS)
    resumed = make(checkpoint=tmp_path).fit(X, Y, groups=GROUPS)
    assert torch.equal(weights(whole), weights(resumed))
    assert len(list(tmp_path.glob("*.pt"))) == 1
    make(checkpoint=tmp_path).fit(X, Y, groups=np.roll(GROUPS, 1))
    make(checkpoint=tmp_path).fit(X, Y)
    assert len(list(tmp_path.glob("*.pt"))) == 3


def test_settings_of_the_augmenter():
    model = small(FourierEncoder(4), augmenter=PositionAugmenter(local_shift=0.2)).fit(X, Y)
    assert model.get_params()["augmenter__local_shift"] == 0.2
    model.set_params(augmenter__local_shift=0.0).partial_fit(X, Y)
    assert model.augmenter_.local_shift == 0.0
    np.testing.assert_array_equal(model.augmenter_.mean_, model.augmenter_.fit(X).mean_)
    search = GridSearchCV(
        small(FourierEncoder(4), augmenter=PositionAugmenter()),
        {"augmenter__local_shift": [0.0, 0.1], "augmenter": [PositionAugmenter(center=False)]},
        cv=2,
        error_score="raise",
    ).fit(X, Y)
    assert search.best_estimator_.augmenter_.center is False
    with pytest.raises(ValueError, match=r"augmenter is None and has no parameters"):
        small().set_params(augmenter__local_shift=0.1)
    fitted = small().fit(X, Y)
    assert not hasattr(fitted, "augmenter_")
    before = weights(fitted)
    with pytest.raises(ValueError, match=r"call fit, which begins anew. It was None. Got Pos"):
        fitted.set_params(augmenter=PositionAugmenter()).partial_fit(X, Y)
    assert torch.equal(before, weights(fitted))
    # without one more training sees the rows as test time does
    model.set_params(augmenter=None).partial_fit(X, Y)
    assert model.augmenter_.local_shift == 0.0


def test_rows_of_no_weight_are_absent_from_groups():
    present = GROUPS != 3
    make = partial(small, FourierEncoder(4), augmenter=SHIFTED)
    weighted = make().fit(X, Y, sample_weight=present.astype(float), groups=GROUPS)
    left_out = make().fit(X[present], Y[present], groups=GROUPS[present])
    assert torch.equal(weights(weighted), weights(left_out))


def test_other_batches_and_splits():
    loader = {"iterator_train": DataLoader, "iterator_valid": DataLoader}
    augmenter = PositionAugmenter(local_shift=0.2)
    seen, _ = seen_by(augmenter, batch_size=32, **loader)
    placed = X - X.mean(axis=0)
    views = seen.views()
    assert all(0 < np.abs(view - placed).max() <= 0.2 + 1e-6 for view in views)
    assert np.abs(views[0] - views[1]).min() > 0
    seen, _ = seen_by(augmenter, {"groups": GROUPS}, train_split=ValidSplit(GroupKFold(3)))
    assert len(seen.views()[0]) == 80
    seen, _ = seen_by(augmenter, {"groups": GROUPS}, train_split=ValidSplit(4))
    assert len(seen.views()[0]) == 90

    def others(dataset, y=None):
        return net.get_dataset(torch.zeros(5, 2), torch.zeros(5)), None

    net = small(augmenter=augmenter, train_split=others)
    with pytest.raises(TypeError, match="augmenter needs training rows that are some of those"):
        net.fit(X, Y)


def test_without_an_augmenter_batches_are_the_plain_ones():
    class Kinds(Callback):
        def on_epoch_begin(self, net, dataset_train=None, **kwargs):
            assert type(net.get_iterator(dataset_train, training=True)) is TensorBatches

    small(callbacks=[Kinds()]).fit(X, Y)


def test_categories():
    labels = np.where(X[:, 0] > 6, "high", "low")
    model = CoordinateMLPClassifier(
        FourierEncoder(4), augmenter=PositionAugmenter(local_shift=0.1), max_epochs=40,
        hidden_layer_sizes=(32,), lr=1e-2, random_state=0, device="cpu",
    )  # fmt: skip
    assert model.fit(X, labels).score(X, labels) > 0.9
    model.fit(X, labels, groups=GROUPS).partial_fit(X, labels, groups=GROUPS)
    found = model.predict(X, GROUPS)
    assert model.score(X, labels, groups=GROUPS) == np.mean(found == labels)
    most = model.predict_proba(X, GROUPS).argmax(axis=1)
    np.testing.assert_array_equal(model.classes_[most], found)


# --- groups on their way


def test_groups_at_predict_may_be_new_and_are_centred_by_themselves():
    model = small(FourierEncoder(4), augmenter=PositionAugmenter()).fit(X, Y, groups=GROUPS)
    one = X[GROUPS == 2]
    expected = model.predict(X, GROUPS)[GROUPS == 2]
    np.testing.assert_allclose(model.predict(one, np.zeros(len(one))), expected, atol=1e-6)
    np.testing.assert_allclose(model.predict(one + 100, ["new"] * len(one)), expected, atol=1e-4)
    assert model.score(one, Y[GROUPS == 2], groups=np.zeros(len(one))) <= 1


def test_groups_are_routed():
    model = small(FourierEncoder(4), augmenter=PositionAugmenter())
    direct = clone(model).fit(X, Y, groups=GROUPS).predict(X, GROUPS)
    cv = GroupKFold(3)
    with config_context(enable_metadata_routing=True):
        with pytest.raises(UnsetMetadataPassedError, match="groups"):
            make_pipeline(StandardScaler(with_std=False, with_mean=False), model).fit(
                X, Y, groups=GROUPS
            )
        model.set_fit_request(groups=True).set_predict_request(groups=True)
        model.set_score_request(groups=True)
        routed = make_pipeline(StandardScaler(with_std=False, with_mean=False), model)
        routed.fit(X, Y, groups=GROUPS)
        np.testing.assert_array_equal(routed.predict(X, groups=GROUPS), direct)
        scores = cross_validate(model, X, Y, params={"groups": GROUPS}, cv=cv)["test_score"]
        assert np.isfinite(scores).all()
        # without an augmenter groups go to the folds alone, as before
        plain = cross_validate(small(), X, Y, params={"groups": GROUPS}, cv=cv)["test_score"]
        assert np.isfinite(plain).all()


def test_groups_without_their_place():
    plain = small().fit(X, Y)
    for method in (plain.fit, plain.partial_fit):
        with pytest.raises(TypeError, match=r"parameters of fit go to .*Got groups"):
            method(X, Y, groups=GROUPS)
    with pytest.raises(TypeError, match="groups go to the augmenter, which is None"):
        plain.predict(X, GROUPS)
    alone = small(augmenter=PositionAugmenter()).fit(X, Y)
    with pytest.raises(ValueError, match=r"in all calls or in none.*The fit had no groups. Got"):
        alone.predict(X, GROUPS)
    grouped = small(augmenter=PositionAugmenter()).fit(X, Y, groups=GROUPS)
    with pytest.raises(ValueError, match=r"The fit had groups. Got groups=None"):
        grouped.predict(X)
    before = weights(grouped)
    with pytest.raises(ValueError, match="in all calls or in none"):
        grouped.partial_fit(X, Y)
    with pytest.raises(ValueError, match="groups must have shape"):
        grouped.fit(X, Y, groups=GROUPS[:5])
    assert torch.equal(before, weights(grouped))
    grouped.predict(X, GROUPS)


class Mirrored(BaseEstimator):
    """An augmenter of one's own, which needs nothing of this package."""

    def __init__(self, bad=""):
        self.bad = bad

    def fit(self, X, y=None):
        return self

    def transform(self, X, groups=None):
        return X[:, :1] if self.bad == "transform" else X

    def augment(self, X, groups=None, random_state=None):
        sign = 1 - 2 * np.random.default_rng(random_state).integers(2)
        return X.numpy() if self.bad == "augment" else sign * X


def test_augmenters_of_ones_own():
    seen, _ = seen_by(Mirrored(), max_epochs=8)
    signs = {np.sign(view[0, 0]) for view in seen.views()}
    assert signs == {-1.0, 1.0}
    with pytest.raises(TypeError, match=r"augment of Mirrored must return a tensor.*Got ndarray"):
        small(augmenter=Mirrored("augment")).fit(X, Y)
    with pytest.raises(TypeError, match=r"transform of Mirrored must return an array of shape"):
        small(augmenter=Mirrored("transform")).fit(X, Y)
    for augmenter in ("shift", PositionAugmenter, StandardScaler(), 0.1):
        with pytest.raises(TypeError, match="augmenter must be None or an estimator with fit"):
            small(augmenter=augmenter).fit(X, Y)
    with pytest.raises(ValueError, match="local_shift must be"):
        small(augmenter=PositionAugmenter(local_shift=-1)).fit(X, Y)


def test_coordinates_far_from_zero_keep_their_digits():
    times = 1.7e9 + np.linspace(0, 10, 120)[:, None]
    for center in (True, False):
        seen = Seen()
        network = small(
            augmenter=PositionAugmenter(local_shift=0.01, center=center),
            callbacks=[seen], iterator_train__shuffle=False,
        )  # fmt: skip
        network.fit(times, Y)
        view = seen.views()[0][:, 0]
        assert 0 < np.abs(np.diff(view) - 10 / 119).max() < 0.0201
        assert np.ptp(view) == pytest.approx(10, abs=0.02)
