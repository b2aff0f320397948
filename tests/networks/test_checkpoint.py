"""Checkpoints: files that are whole or refused, and what a longer fit goes on from."""

import errno
import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from sk_posenc import CoordinateMLPRegressor
from sk_posenc.networks._checkpoint import _read

X = np.random.default_rng(0).uniform(size=(60, 2))
Y = np.sin(5 * X[:, 0]) + X[:, 1]
small = partial(
    CoordinateMLPRegressor,
    hidden_layer_sizes=(4,),
    max_epochs=4,
    lr=1e-3,
    lr_schedule="constant",
    random_state=0,
    device="cpu",
    batch_size=20,
)


class Begins(Callback):
    """Notes which epochs begin."""

    def __init__(self):
        self.seen = []

    def on_epoch_begin(self, net, **kwargs):
        self.seen.append(len(net.history))


def begun_by(**settings):
    begins = Begins()
    model = small(callbacks=[begins], **settings).fit(X, Y)
    return model, begins.seen


@pytest.fixture(name="file")
def checkpoint_of_a_fit(tmp_path):
    small(checkpoint=tmp_path).fit(X, Y)
    (file,) = tmp_path.iterdir()
    return file


def assert_refused(file, message):
    content = file.read_bytes()
    model = small().fit(X, Y)
    before = model.predict(X)
    for each in (model.set_params(checkpoint=file.parent), small(checkpoint=file.parent)):
        with pytest.raises(ValueError, match=message) as refusal:
            each.fit(X, Y)
        assert str(file) in str(refusal.value)
    np.testing.assert_array_equal(model.predict(X), before)
    assert len(model.history_) == 4
    assert list(file.parent.iterdir()) == [file]
    assert file.read_bytes() == content


def test_no_single_flipped_bit_goes_unnoticed(file, rng):
    content = bytearray(file.read_bytes())
    for place in rng.integers(8 * len(content), size=200):
        flipped = content.copy()
        flipped[place // 8] ^= 1 << (place % 8)
        file.write_bytes(flipped)
        with pytest.raises(ValueError, match=r"is damaged: delete it|is no checkpoint of this fit"):
            _read(file)
    assert_refused(file, "is damaged: delete it to start again")
    file.write_bytes(content)
    model, begun = begun_by(checkpoint=file.parent)
    assert not begun
    np.testing.assert_array_equal(model.predict(X), small().fit(X, Y).predict(X))


@pytest.mark.parametrize("length", [0, 5, 40, 900, -1])
def test_a_file_that_was_cut_off(file, length):
    file.write_bytes(file.read_bytes()[:length])
    assert_refused(file, "is damaged: delete it to start again")


@pytest.mark.parametrize("what", ["older", "text"])
def test_other_files(file, what):
    if what == "older":  # without a head
        torch.save({"module": {}}, file)
    else:
        file.write_text("notes")
    assert_refused(file, "is no checkpoint of this fit, or one of another version: move or delete")


def test_a_full_disk_keeps_the_file_before(file, monkeypatch):
    content, model = file.read_bytes(), small().fit(X, Y)
    before = model.predict(X)

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    model.set_params(checkpoint=file.parent, max_epochs=6)
    with pytest.raises(OSError, match=r"could not be written.*No space left.*make room") as refusal:
        model.fit(X, Y)
    assert refusal.value.errno == errno.ENOSPC
    assert Path(refusal.value.filename).parent == file.parent
    np.testing.assert_array_equal(model.predict(X), before)
    assert list(file.parent.iterdir()) == [file]
    assert file.read_bytes() == content


@pytest.mark.parametrize("settings", [{}, {"early_stopping": 50}], ids=["plain", "stopping"])
def test_a_longer_fit_goes_on_where_the_rate_is_constant(tmp_path, settings):
    for planned in (3, 5):
        begun_by(checkpoint=tmp_path, max_epochs=planned, **settings)
    longer, begun = begun_by(checkpoint=tmp_path, max_epochs=9, **settings)
    assert begun == [6, 7, 8, 9]
    whole = small(max_epochs=9, **settings).fit(X, Y)
    np.testing.assert_array_equal(longer.predict(X), whole.predict(X))
    # a shorter one has a file of its own, and loses nothing of the longer
    shorter, begun = begun_by(checkpoint=tmp_path, max_epochs=4, **settings)
    assert begun == [4]
    expected = small(max_epochs=4, **settings).fit(X, Y)
    np.testing.assert_array_equal(shorter.predict(X), expected.predict(X))
    assert not begun_by(checkpoint=tmp_path, max_epochs=9, **settings)[1]


def test_a_fit_that_early_stopping_has_ended_stays_ended(tmp_path):
    settings = {"early_stopping": 1, "lr": 0.5, "checkpoint": tmp_path}
    stopped, begun = begun_by(max_epochs=300, **settings)
    assert len(begun) < 300
    longer, begun = begun_by(max_epochs=400, **settings)
    assert not begun
    np.testing.assert_array_equal(longer.predict(X), stopped.predict(X))


def test_a_schedule_of_other_epochs_starts_anew_and_says_so(tmp_path):
    settings = {"lr_schedule": "cosine", "checkpoint": tmp_path}
    begun_by(max_epochs=3, **settings)
    with pytest.warns(UserWarning, match="starts anew: lr_schedule='cosine' .* of 3 epochs in"):
        longer, begun = begun_by(max_epochs=5, **settings)
    assert begun == [1, 2, 3, 4, 5]
    expected = small(max_epochs=5, lr_schedule="cosine").fit(X, Y)
    np.testing.assert_array_equal(longer.predict(X), expected.predict(X))
    assert len(list(tmp_path.iterdir())) == 2
