r"""
Equal stable rank: Gaussian, random Fourier, quasi-random Fourier
=================================================================

**The claim** (Zheng, Ramasinghe, Lucey 2021): at equal stable rank, and with very many features,
shifted Gaussians and random Fourier features do the same work. With few features, random Fourier
features are worse, and vary from draw to draw. The reason is that a finite draw of frequencies
falls short of the stable rank that its law promises.

Theirs, a row of 512 pixels, every second one to learn, a linear layer, Gaussian width
0.005 (stable rank 56), 10 draws; mean PSNR of random Fourier features at the other pixels:

========  ====  ====  ====  ====  ====
features  100   200   300   500   1000
dB        20.5  26.4  27.4  27.9  28.3
========  ====  ====  ====  ====  ====

and over two axes with a network of four layers, 25.8 dB with 100 features, 29.2 with 1,000.

::

    python examples/plot_equal_stable_rank.py [--output FILE.png]

.. image:: /plot_equal_stable_rank.png
   :alt: PSNR and stable rank over features
"""

# %%
# The same task, three encodings
# ------------------------------
# The third draws its frequencies as a lattice through the normal quantiles: the package's
# default. The linear layer is trained as theirs, 2,000 full batches of Adam, at their rate
# of 1e-3 in the units of our network (rows of norm sqrt(columns), targets of standard
# deviation 1).

# sphinx_gallery_thumbnail_path = "plot_equal_stable_rank.png"
import argparse
import math
import warnings
from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np
from joblib import Parallel, delayed
from sklearn.linear_model import Ridge

from sk_posenc import (
    CoordinateMLPRegressor,
    RandomFourierEncoder,
    ShiftedBasisEncoder,
    grid_samples,
    load_signal,
    psnr_score,
    stable_rank,
)

WIDTH = 0.005
THEIRS = {100: 20.5, 200: 26.4, 300: 27.4, 500: 27.9, 1000: 28.3}
STYLES = {
    "Gaussian": ("#0072B2", "o", "-"),
    "random Fourier, independent": ("#D55E00", "s", "--"),
    "random Fourier, quasi-random": ("#009E73", "^", "-."),
}
Results = dict[str, dict[str, dict[int, list[float]]]]


def encode(name: str, width: float, n_features: int, seed: int, X: np.ndarray) -> np.ndarray:
    """Encoding with so many columns over all axes."""
    if name == "Gaussian":
        encoder = ShiftedBasisEncoder(
            bandwidth=width, n_shifts=n_features // X.shape[1], domain=(0, 1), boundary="cut"
        )
    else:
        encoder = RandomFourierEncoder(
            n_features // 2,
            bandwidth=width,
            sampling="qmc" if "quasi" in name else "iid",
            domain=(0, 1),
            random_state=seed,
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # too few features are the topic
        return encoder.fit_transform(X.astype(np.float32))


# %%
# One axis
# --------
# Beside Adam, the ridge of the same columns in closed form: it sees the inner products of
# rows alone, and hence the stable rank, where Adam also sees the columns one by one.


def measure_row(
    sizes: tuple[int, ...] = (100, 200, 300, 500, 1000),
    n_seeds: int = 5,
    epochs: int = 2000,
    n_jobs: int = 2,
) -> Results:
    """PSNR by Adam and by ridge, and stable rank: per encoding and size, of each seed."""
    y = load_signal("astronaut")[0].mean(axis=2)[200]
    X, seen = np.arange(512)[:, None] / 512, np.arange(512) % 2 == 0

    def one(name: str, n_features: int, seed: int) -> dict[str, float]:
        E = encode(name, WIDTH, n_features, seed, X)
        linear = CoordinateMLPRegressor(
            hidden_layer_sizes=(),
            batch_size=-1,
            max_epochs=epochs,
            lr=1e-3 / (math.sqrt(E.shape[1]) * y[seen].std()),
            lr_schedule="constant",
            random_state=seed,
        )
        ridge = Ridge(alpha=1e-5, solver="cholesky")
        wide = E.astype(np.float64)
        fits = {"Adam": linear.fit(E[seen], y[seen]).predict(E[~seen]).astype(float),
                "ridge": ridge.fit(wide[seen], y[seen]).predict(wide[~seen])}  # fmt: skip
        scores = {head: psnr_score(y[~seen], fit) for head, fit in fits.items()}
        return scores | {"stable rank": stable_rank(E[seen])}

    return run(one, sizes, n_seeds, n_jobs)


# %%
# Two axes
# --------
# Much reduced from theirs (512 x 512 pixels, 2,000 full batches): 128 x 128 pixels, of which
# every fourth is learnt, and 30 passes in minibatches. The width is theirs in pixels.


def measure_image(
    sizes: tuple[int, ...] = (100, 1000),
    n_seeds: int = 2,
    epochs: int = 30,
    side: int = 128,
    n_jobs: int = 2,
) -> Results:
    """The same for an image and a network of four hidden layers."""
    step = 512 // side
    pixels = load_signal("astronaut")[0].mean(axis=2)
    image = pixels.reshape(side, step, side, step).mean(axis=(1, 3))
    X, y = grid_samples(image)
    seen = np.zeros(image.shape, dtype=bool)
    seen[::2, ::2] = True
    seen = seen.ravel()

    def one(name: str, n_features: int, seed: int) -> dict[str, float]:
        E = encode(name, WIDTH * step, n_features, seed, X)
        network = CoordinateMLPRegressor(
            max_epochs=epochs,
            lr=1e-3,
            lr_schedule="constant",
            batch_size=min(len(y[seen]) // 16, 1024),
            random_state=seed,
        )
        fit = network.fit(E[seen], y[seen]).predict(E[~seen]).astype(float)
        rows = np.random.default_rng(0).permutation(np.flatnonzero(seen))[:2000]
        return {"Adam": psnr_score(y[~seen], fit), "stable rank": stable_rank(E[rows])}

    return run(one, sizes, n_seeds, n_jobs)


def run(
    one: Callable[[str, int, int], dict[str, float]],
    sizes: tuple[int, ...],
    n_seeds: int,
    n_jobs: int,
) -> Results:
    """Every encoding, number of features and seed."""
    jobs = [(name, size, seed) for name in STYLES for size in sizes for seed in range(n_seeds)]
    done = Parallel(n_jobs=n_jobs)(delayed(one)(*job) for job in jobs)
    results: Results = {}
    for (name, size, _), measured in zip(jobs, done, strict=True):
        for what, value in measured.items():
            results.setdefault(what, {}).setdefault(name, {}).setdefault(size, []).append(value)
    return results


def report(title: str, results: Results) -> str:
    sizes = list(results["Adam"]["Gaussian"])
    lines = [f"{title + ', features':<43}" + "".join(f"{size:>14}" for size in sizes)]
    for what, by_name in results.items():
        for name, values in by_name.items():
            cells = [f"{np.mean(each):.1f} +- {np.std(each):.1f}" for each in values.values()]
            lines.append(f"{what + ', ' + name:<43}" + "".join(f"{cell:>14}" for cell in cells))
    return "\n".join(lines)


def draw(results: Results) -> plt.Figure:
    figure, axes = plt.subplots(1, 3, figsize=(14, 4.2), layout="constrained")
    for axis, what in zip(axes, ("Adam", "ridge", "stable rank"), strict=True):
        for name, (colour, mark, line) in STYLES.items():
            values = results[what][name]
            means = [np.mean(each) for each in values.values()]
            spread = [np.std(each) for each in values.values()]
            axis.errorbar(
                list(values), means, yerr=spread, color=colour, marker=mark, linestyle=line,
                capsize=3, label=name,
            )  # fmt: skip
        axis.set(xlabel="features", xscale="log", xticks=list(results[what]["Gaussian"]))
        axis.xaxis.set_major_formatter("{x:g}")
        axis.minorticks_off()
        axis.grid(alpha=0.3)
    theirs = zip(*THEIRS.items(), strict=True)
    axes[0].plot(*theirs, "k:", label="independent, the authors' row")
    axes[1].sharey(axes[0])
    axes[2].axhline(1 / (2 * math.sqrt(math.pi) * WIDTH), color="grey", linewidth=1)
    axes[0].set(ylabel="PSNR at unseen pixels, dB", title="A linear layer, Adam as the authors")
    axes[1].set(ylabel="PSNR at unseen pixels, dB", title="A linear layer, ridge")
    axes[2].set(ylabel="stable rank (grey: the law)", title="What the features hold")
    axes[0].legend(fontsize="small")
    return figure


# %%
# The claim holds in part. With 100 features independent draws are 3 dB behind the Gaussian,
# 1.4 dB in closed form, and vary: they hold 23 of the 56 values that their law promises, and
# 41 even at 1,000. With 1,000 features all three meet within 0.4 dB in closed form; Adam
# keeps them 1 dB apart, the Gaussian ahead, for its steps treat columns one by one, and
# shifted Gaussians are not waves.
#
# But the stable rank does not order all: quasi-random draws hold all 56 from 200 features
# on, where independent ones hold half, and both have the same PSNR to 0.3 dB. What
# quasi-random ones surely are better at is not to vary, and to hold more with 100.
#
# Over two axes our reduction takes the effect away: 64 samples an axis ask for a stable rank
# of 14, which 100 features hold well enough, where theirs ask for 56.

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Features at equal stable rank")
    parser.add_argument("--output", help="file for the picture; none: show it")
    arguments = parser.parse_args()
    row = measure_row()
    print(report("One axis", row))
    print(report("\nTwo axes", measure_image()))
    figure = draw(row)
    figure.savefig(arguments.output, dpi=110) if arguments.output else plt.show()
