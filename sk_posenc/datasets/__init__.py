"""Arrays over a grid to samples and back, and the real signals that examples use."""

from sk_posenc.datasets.grids import grid_samples, samples_to_grid
from sk_posenc.datasets.signals import load_signal

__all__ = ["grid_samples", "load_signal", "samples_to_grid"]
