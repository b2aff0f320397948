r"""
Stable rank of the weights while they train
===========================================

**The claim** of theory: a network learns coarse detail first, because gradient steps let the
stable rank of its weights collapse to few directions. Muon moves all directions of a hidden
matrix alike, and should keep it.

Half the pixels of an image of 128 x 128 are learnt by four hidden layers of 128 units, with Adam
and with Muon, without an encoding and with one. ``log_stable_rank=True`` records the stable rank
of each layer in each epoch.

::

    python examples/plot_layer_ranks.py [--output FILE.png]

.. image:: /plot_layer_ranks.png
   :alt: Stable ranks of the weights of five layers by epoch, and the training loss
"""

# %%
# Four networks
# -------------
# Both optimisers start from the same weights, and have a cosine schedule. Each has about the best
# of its rates.

# sphinx_gallery_thumbnail_path = "plot_layer_ranks.png"
import argparse

import matplotlib.pyplot as plt
import numpy as np
import torch

from sk_posenc import (
    CoordinateMLPRegressor,
    LayerRankDisplay,
    ShiftedBasisEncoder,
    grid_samples,
    load_signal,
    psnr_score,
)

ENCODINGS = {"no encoding": None, "shifted Gaussians": ShiftedBasisEncoder()}
OPTIMIZERS = {"Adam": (torch.optim.Adam, 3e-3), "Muon": ("muon", 0.05)}


def measure(
    step: int = 4, width: int = 128, epochs: int = 30, batch_size: int = 512
) -> dict[tuple[str, str], tuple[CoordinateMLPRegressor, float, float]]:
    """Fitted networks, with the PSNR of the pixels that were learnt, and of the others."""
    X, y = grid_samples(load_signal("astronaut")[0][::step, ::step], channels=True)
    known = np.random.default_rng(0).permutation(len(X)) < len(X) // 2
    results = {}
    for encoding, encoder in ENCODINGS.items():
        for name, (optimizer, lr) in OPTIMIZERS.items():
            network = CoordinateMLPRegressor(
                encoder,
                hidden_layer_sizes=(width,) * 4,
                optimizer=optimizer,
                lr=lr,
                lr_schedule="cosine",
                batch_size=batch_size,
                max_epochs=epochs,
                log_stable_rank=True,
                random_state=0,
            ).fit(X[known], y[known])
            fit = np.clip(network.predict(X), 0, 1)
            psnr = [psnr_score(y[part], fit[part]) for part in (known, ~known)]
            results[encoding, name] = network, *psnr
    return results


def ranks_of(network: CoordinateMLPRegressor) -> np.ndarray:
    """Stable ranks of shape (n_epochs + 1, n_layers)."""
    rows = network.history_
    return np.array([rows[0]["stable_rank_before"], *rows[:, "stable_rank"]])


def report(results: dict[tuple[str, str], tuple[CoordinateMLPRegressor, float, float]]) -> str:
    n_layers = ranks_of(next(iter(results.values()))[0]).shape[1]
    lines = [f"{'':<24}" + "".join(f"{f'layer {i + 1}':>9}" for i in range(n_layers))]
    for (encoding, name), (network, train, test) in results.items():
        ranks = ranks_of(network)
        lines.append(f"{encoding}, {name}: train {train:.1f} dB, test {test:.1f} dB")
        for when, row in (("before", ranks[0]), ("after", ranks[-1])):
            lines.append(f"{'  ' + when:<24}" + "".join(f"{rank:>9.1f}" for rank in row))
    return "\n".join(lines)


# %%
# Draw
# ----


def draw(
    results: dict[tuple[str, str], tuple[CoordinateMLPRegressor, float, float]],
) -> plt.Figure:
    figure, axes = plt.subplots(1, 3, figsize=(14.5, 4.6), layout="constrained")
    styles = {"no encoding": "#0072B2", "shifted Gaussians": "#D55E00"}
    for axis, encoding in zip(axes, ENCODINGS, strict=False):
        networks = {name: results[encoding, name][0] for name in OPTIMIZERS}
        LayerRankDisplay.from_estimator(networks, ax=axis)
        axis.set_title(encoding)
        for name, dashes in zip(OPTIMIZERS, ("-", "--"), strict=True):
            network, train, _ = results[encoding, name]
            loss = network.history_[:, "train_loss"]
            label = f"{encoding}, {name}: {train:.1f} dB"
            axes[2].plot(range(1, len(loss) + 1), loss, dashes, color=styles[encoding], label=label)
    axes[2].set(
        yscale="log", xlabel="epochs trained", ylabel="training loss", title="What is learnt"
    )
    axes[2].grid(alpha=0.3, which="both")
    axes[2].legend(fontsize="small")
    return figure


# %%
# The stable rank of the hidden matrices collapses under Adam, within ten epochs, from 33 to
# between 5 and 13: few directions carry the image. Muon keeps it at 21 or more, with an encoding
# and without. It also learns more: its loss falls faster, and goes on falling where Adam's has
# stopped. This is the order that theory expects. It is no proof that the one causes the other.
#
# The first and the last layer, which Adam moves in both networks, do not follow it: under Muon
# they end lower. An encoding hands 34 directions to the first layer in place of two, and that gains
# more than the optimiser does. What Muon learns beyond Adam is of use without an encoding (4.5 dB
# on the other half of the pixels). With one it is memorised: 11 dB on the pixels that were given,
# and nothing on the others.


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Stable rank of the weights while they train")
    parser.add_argument("--output", help="file for the picture; none: show it")
    arguments = parser.parse_args()
    results = measure()
    print(report(results))
    figure = draw(results)
    figure.savefig(arguments.output, dpi=110) if arguments.output else plt.show()
