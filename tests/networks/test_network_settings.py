"""What the settings of a network come to: batches and epochs."""

import pytest

from sk_posenc.networks.settings import batch_size_of, epochs_of


@pytest.mark.parametrize("n_samples", [1, 100, 511, 512, 513, 5_000, 16_384, 16_385, 10**6])
def test_batches_and_epochs(n_samples):
    size = batch_size_of("auto", n_samples)
    assert size == min(max(n_samples // 16, 32), 1_024)
    assert batch_size_of(-1, n_samples) == n_samples
    assert batch_size_of(1, n_samples) == 1

    def enough(epochs):
        steps = epochs * -(-n_samples // size)
        return epochs >= 20 and (steps >= 1_000 or epochs * n_samples >= 2**20)

    epochs = epochs_of("auto", n_samples, size)
    assert enough(epochs)
    assert not enough(epochs - 1)
    assert epochs_of(0, n_samples, size) == 0
