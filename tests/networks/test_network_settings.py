"""What the settings of a network come to: batches and epochs."""

import pytest

from sk_posenc.encoders.own_training import GENERAL
from sk_posenc.networks.settings import batch_size_of, epochs_of

SIZES = [1, 100, 511, 512, 513, 5_000, 16_384, 16_385, 65_536, 10**6]


@pytest.mark.parametrize("n_samples", SIZES)
def test_batches_and_epochs_over_coordinates(n_samples):
    size = batch_size_of("auto", n_samples)
    assert size == min(max(n_samples // 16, 32), 512)
    assert batch_size_of(-1, n_samples) == n_samples
    assert batch_size_of(1, n_samples) == 1

    def enough(epochs):
        many = epochs >= 40 and epochs * -(-n_samples // size) >= 640
        return epochs >= 10 and (many or epochs * n_samples >= 655_360)

    epochs = epochs_of("auto", n_samples, size)
    assert enough(epochs)
    assert not enough(epochs - 1)
    assert epochs_of(0, n_samples, size) == 0


@pytest.mark.parametrize("n_samples", SIZES)
def test_batches_and_epochs_of_other_networks(n_samples):
    size = batch_size_of("auto", n_samples, GENERAL)
    assert size == min(max(n_samples // 16, 32), 1_024)

    def enough(epochs):
        steps = epochs * -(-n_samples // size)
        return epochs >= 20 and (steps >= 1_000 or epochs * n_samples >= 2**20)

    epochs = epochs_of("auto", n_samples, size, GENERAL)
    assert enough(epochs)
    assert not enough(epochs - 1)
