r"""
Too wide, right, too narrow: memorising is not generalising
===========================================================

**The claim** (Zheng, Ramasinghe, Lucey 2021): a linear layer on Gaussians shifted to 10,000
places learns every second sample of a row of an image. A Gaussian that is too wide
neither memorises nor generalises. The right one does both. One that is too narrow only memorises.

Theirs, on three rows of a photograph of 512 pixels (256 samples to learn): PSNR in dB at the
samples that the layer saw, and on their "test" set, with the stable rank that the width means:

======  ===========  =======  ============
s       stable rank  train    test
======  ===========  =======  ============
0.01    28           27-28    26-27
0.002   141          131-133  30-32
0.0003  940          122-125  12-15
======  ===========  =======  ============

Their "test" set is all 512 samples, those that the layer saw among them. Where these are hit
exactly, that makes 3 dB more than at the unseen ones alone. Both numbers are below.

::

    python examples/plot_memorise_generalise.py [--output FILE.png]

.. image:: /plot_memorise_generalise.png
   :alt: A row of an image, learnt with three widths
"""

# %%
# Two ways to the weights
# -----------------------
# Theirs is gradient descent, 2,000 full batches of Adam at a rate of 1e-3, on rows of norm
# 1. Our network scales its inputs to a mean square of 1, rows of norm 100 here, and its
# targets to a standard deviation of 1: the rate that moves its output alike is
# 1e-3 / (100 std(y)). Ours besides is the ridge of the same 10,000 columns in closed form.

# sphinx_gallery_thumbnail_path = "plot_memorise_generalise.png"
import argparse
import math

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline, make_pipeline

from sk_posenc import (
    CoordinateMLPRegressor,
    ReconstructionDisplay,
    ShiftedBasisEncoder,
    load_signal,
    psnr_score,
)

WIDTHS = {"too wide": 0.01, "right": 0.002, "too narrow": 0.0003}
THEIRS = {
    "too wide": ("27-28", "26-27"),
    "right": ("131-133", "30-32"),
    "too narrow": ("122-125", "12-15"),
}


def fit(
    head: str, width: float, n_shifts: int, epochs: int, X: np.ndarray, y: np.ndarray
) -> Pipeline:
    encoder = ShiftedBasisEncoder(bandwidth=width, n_shifts=n_shifts, domain=(0, 1), boundary="cut")
    if head == "ridge":
        return make_pipeline(encoder, Ridge(alpha=1e-9, solver="cholesky")).fit(X, y)
    linear = CoordinateMLPRegressor(
        hidden_layer_sizes=(),
        batch_size=-1,
        max_epochs=epochs,
        lr=1e-3 / (math.sqrt(n_shifts) * y.std()),
        lr_schedule="constant",
        random_state=0,
    )
    return make_pipeline(encoder, linear).fit(X.astype(np.float32), y)


# %%
# Three rows of a photograph
# --------------------------


def measure(
    n_samples: int = 512,
    n_shifts: int = 10_000,
    epochs: int = 2000,
    rows: tuple[int, ...] = (100, 200, 300),
) -> dict[tuple[str, str], dict[str, np.ndarray]]:
    """Per head and width: predictions, and PSNR of each row on seen, unseen and all samples."""
    photograph = load_signal("astronaut")[0].mean(axis=2)
    signals = photograph[list(rows), :n_samples]
    X = np.arange(n_samples)[:, None] / n_samples
    seen = np.arange(n_samples) % 2 == 0
    parts = {"seen": seen, "unseen": ~seen, "all": np.ones(n_samples, dtype=bool)}
    results = {}
    for head in ("Adam", "ridge"):
        for name, width in WIDTHS.items():
            width *= 512 / n_samples  # the same in samples
            models = [fit(head, width, n_shifts, epochs, X[seen], y[seen]) for y in signals]
            fits = np.array([model.predict(X) for model in models], dtype=np.float64)
            scores = {
                part: np.array([psnr_score(signals[i, at], fits[i, at]) for i in range(len(rows))])
                for part, at in parts.items()
            }
            results[head, name] = {"X": X, "signals": signals, "fits": fits, "seen at": seen}
            results[head, name] |= scores
    return results


def span(values: np.ndarray) -> str:
    return f"{values.min():.0f}-{values.max():.0f}"


def report(results: dict[tuple[str, str], dict[str, np.ndarray]]) -> str:
    lines = [f"{'':<20}{'theirs: train, all':>22}{'ours: train':>14}{'all':>9}{'unseen':>9}"]
    for (head, name), result in results.items():
        theirs = ", ".join(THEIRS[name])
        lines.append(
            f"{name + ', ' + head:<20}{theirs:>22}{span(result['seen']):>14}"
            f"{span(result['all']):>9}{span(result['unseen']):>9}"
        )
    return "\n".join(lines)


def draw(results: dict[tuple[str, str], dict[str, np.ndarray]], row: int = 1) -> plt.Figure:
    figure, axes = plt.subplots(2, 3, figsize=(14, 5.2), layout="constrained", sharex=True)
    for column, (name, width) in zip(axes.T, WIDTHS.items(), strict=True):
        result = results["ridge", name]
        display = ReconstructionDisplay.from_predictions(
            result["X"],
            result["signals"][row],
            result["fits"][row],
            train=result["seen at"],
            axis_names=["column, image widths"],
            signal_name="brightness",
            ax=column,
        )
        title = f"{name}: s = {width:g}\n{display.axes_[0].get_title()}"
        display.axes_[0].set_title(title, fontsize="medium")
        display.axes_[1].set(xlim=(0.4, 0.6), xticks=[0.4, 0.45, 0.5, 0.55, 0.6])
    return figure


# %%
# What is said of memorising holds: too wide a Gaussian cannot hit the samples that it saw,
# the other two hit them to rounding, 150 dB in float32 and 190 in double precision. Too
# narrow, the fit falls back between its samples to the mean of the row.
#
# What is said of generalising holds of "too narrow" only. At the unseen samples alone, too
# wide a Gaussian does as well as the right one in closed form, and better under Adam: the
# lead of 4 dB in the authors' table is for 3 dB the samples that the test had seen.

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Too wide, right, too narrow")
    parser.add_argument("--output", help="file for the picture; none: show it")
    arguments = parser.parse_args()
    results = measure()
    print(report(results))
    figure = draw(results)
    figure.savefig(arguments.output, dpi=110) if arguments.output else plt.show()
