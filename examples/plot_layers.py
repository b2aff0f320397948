r"""
Stable rank through the layers of a trained network
===================================================

**The claim** (Zheng, Ramasinghe, Lucey 2021): a network without an encoding has to raise
the stable rank itself, and does so layer by layer as it learns. An encoding hands it over
ready made.

The authors show it in a figure, without numbers: a row of an image, and noise, 256 of 512
samples to learn, four hidden layers of 256 units, 2,000 full batches.

::

    python examples/plot_layers.py [--output FILE.png]

.. image:: /plot_layers.png
   :alt: Stable ranks through the layers, and spectra
"""

# %%
# Watching the layers
# -------------------
# Hooks collect what each hidden layer puts out for all samples that were learnt,
# before training and after. Outputs of a ReLU are never negative, so that their common mean
# is by far their largest singular direction and hides all others: the stable ranks are told
# of outputs less their mean over the samples (as a layer's bias can take it off), and, in
# the table, of the outputs as they are.

# sphinx_gallery_thumbnail_path = "plot_layers.png"
import argparse

import matplotlib.pyplot as plt
import numpy as np
import torch
from joblib import Parallel, delayed
from sklearn.base import clone

from sk_posenc import (
    CoordinateMLPRegressor,
    ShiftedBasisEncoder,
    SpectrumDisplay,
    load_signal,
    psnr_score,
    stable_rank,
)

ENCODINGS = {"no encoding": None, "Gaussian, stable rank 32": ShiftedBasisEncoder(stable_rank=32)}
SIGNALS = ("row of an image", "noise")


def layers_of(network: CoordinateMLPRegressor, E: np.ndarray) -> list[np.ndarray]:
    """The input of a fitted network, and the outputs of its hidden layers after the ReLU."""
    outputs = [E]

    def keep(module: torch.nn.Module, inputs: tuple[torch.Tensor]) -> None:
        outputs.append(inputs[0].detach().cpu().numpy())

    hooks = [layer.register_forward_pre_hook(keep) for layer in network.module_.linears[1:]]
    with torch.no_grad():  # predict would add rows, up to blocks of one size
        network.module_(torch.from_numpy(E).to(network.device_))
    for hook in hooks:
        hook.remove()
    return outputs


# %%
# Train
# -----


def measure(
    n_samples: int = 512,
    epochs: int = 1000,
    width: int = 256,
    rows: tuple[int, ...] = (100, 200),
    n_jobs: int = 2,
) -> dict[tuple[str, str], list[dict[str, object]]]:
    """Per signal and encoding, for each row: stable ranks before and after, PSNR, layers."""

    def centred(layers: list[np.ndarray]) -> list[np.ndarray]:
        return [layer - layer.mean(axis=0) for layer in layers]

    pixels = load_signal("astronaut")[0].mean(axis=2)[:, :: 512 // n_samples]
    X, seen = np.arange(n_samples)[:, None] / n_samples, np.arange(n_samples) % 2 == 0

    def one(signal: str, encoding: str, row: int) -> dict[str, object]:
        noise = np.random.default_rng(row).normal(size=n_samples)
        y = pixels[row] if signal == SIGNALS[0] else 0.5 + 0.2 * noise
        encoder = ENCODINGS[encoding]
        E = X if encoder is None else clone(encoder).fit_transform(X)
        E = E.astype(np.float32)
        network = CoordinateMLPRegressor(
            hidden_layer_sizes=(width,) * 4,
            batch_size=-1,
            max_epochs=0,
            lr=1e-3,
            lr_schedule="constant",
            random_state=row,
        ).fit(E[seen], y[seen])
        before = centred(layers_of(network, E[seen]))
        network.set_params(max_epochs=epochs).fit(E[seen], y[seen])
        layers = layers_of(network, E[seen])
        fit = network.predict(E).astype(float)
        return {
            "before": [stable_rank(layer) for layer in before],
            "after": [stable_rank(layer) for layer in centred(layers)],
            "after, with the mean": [stable_rank(layer) for layer in layers],
            "layers": centred(layers),
            "train": psnr_score(y[seen], fit[seen]),
            "test": psnr_score(y[~seen], fit[~seen]),
        }

    jobs = [(s, e, row) for s in SIGNALS for e in ENCODINGS for row in rows]
    done = Parallel(n_jobs=n_jobs)(delayed(one)(*job) for job in jobs)
    results: dict[tuple[str, str], list[dict[str, object]]] = {}
    for (signal, encoding, _), result in zip(jobs, done, strict=True):
        results.setdefault((signal, encoding), []).append(result)
    return results


def mean_of(results: list[dict[str, object]], name: str) -> np.ndarray:
    return np.mean([result[name] for result in results], axis=0)


def report(results: dict[tuple[str, str], list[dict[str, object]]]) -> str:
    lines = [f"{'':<26}{'input':>9}" + "".join(f"{f'layer {i}':>9}" for i in range(1, 5))]
    for (signal, encoding), each in results.items():
        lines.append(f"{signal}, {encoding}")
        for when in ("before", "after", "after, with the mean"):
            ranks = "".join(f"{rank:>9.2f}" for rank in mean_of(each, when))
            lines.append(f"{'  ' + when:<26}{ranks}")
        train, test = mean_of(each, "train"), mean_of(each, "test")
        lines.append(f"{'  PSNR, dB':<26} train {train:.1f}, test {test:.1f}")
    return "\n".join(lines)


def draw(results: dict[tuple[str, str], list[dict[str, object]]]) -> plt.Figure:
    figure, axes = plt.subplots(1, 3, figsize=(14.5, 4.3), layout="constrained")
    styles = {"row of an image": ("#0072B2", "o"), "noise": ("#D55E00", "s")}
    for axis, encoding in zip(axes, ENCODINGS, strict=False):
        for signal, (colour, mark) in styles.items():
            for when, line in (("before", ":"), ("after", "-")):
                ranks = mean_of(results[signal, encoding], when)
                axis.plot(ranks, line, marker=mark, color=colour, label=f"{signal}, {when}",
                          markerfacecolor=colour if when == "after" else "none")  # fmt: skip
        axis.set(xlabel="layer", ylabel="stable rank", title=encoding)
        axis.set_xticks(range(5), ["input", "1", "2", "3", "4"])
        axis.grid(alpha=0.3)
        axis.set_yscale("log")
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter("{x:g}")
        axis.legend(fontsize="small")
    layers = results[SIGNALS[0], "no encoding"][0]["layers"]
    named = {"input": layers[0], "layer 1": layers[1], "layer 4": layers[4]}
    SpectrumDisplay.from_encodings(named, ax=axes[2])
    axes[2].set_title("Spectra, no encoding, row of an image")
    axes[2].set_ylim(1e-9, 2)
    return figure


# %%
# Without an encoding the claim holds, in its direction: the stable rank rises from layer to
# layer, and training raises it from the second layer on. But it raises it to 2, not
# to 30. With an encoding it is the other way round: the input has all the stable rank that
# is needed, and each layer gives some of it away, until the last has little more than the
# one direction that is the signal.


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Stable rank through the layers")
    parser.add_argument("--output", help="file for the picture; none: show it")
    arguments = parser.parse_args()
    results = measure()
    print(report(results))
    figure = draw(results)
    figure.savefig(arguments.output, dpi=110) if arguments.output else plt.show()
