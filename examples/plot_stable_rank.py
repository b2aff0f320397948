r"""
Stable rank and similarity, measured and by closed form
=======================================================

**The claim** (Zheng, Ramasinghe, Lucey 2021): the stable rank says how many values an encoding can
memorise. The similarity D says how near coordinates stay. Both are known in closed form, from the
basis function alone. On N equidistant samples of a circle of length 1, with densely placed shifts,

.. math:: \mathrm{SR} = \min\Big(N, \frac{D(0)}{\int D(\delta)\,d\delta}\Big),

or, for a basis that turns negative, what its highest Fourier coefficient leaves:

============================  =========================  ==========================
basis                         D(delta) / D(0)            stable rank, large N
============================  =========================  ==========================
impulse                       1 at 0, else 0             N
square wave                   triangle wave              pi^2 / 4 = 2.467
sine wave                     cosine                     2
Gaussian, std s               exp(-delta^2 / 4 s^2)      1 / (2 sqrt(pi) s)
random Fourier, std b         exp(-2 pi^2 b^2 delta^2)   sqrt(2 pi) b
============================  =========================  ==========================

With b = 1 / (2 sqrt(2) pi s) the last two are the same encoding in all that counts:
Fourier features are a special case. They are set here by one number, the ``bandwidth`` s.

::

    python examples/plot_stable_rank.py [--output FILE.png]
"""

# %%
# The five encoders
# -----------------
# As in the paper: 10,000 shifts, samples at 0, 1/N, ..., 1 - 1/N. Shifted bases live on a
# circle. Frequencies drawn at random fit no circle, so the last encoder's interval has
# ends, which add a little to its stable rank.

import argparse
import math

import matplotlib.pyplot as plt
import numpy as np

from sk_posenc import RandomFourierEncoder, ShiftedBasisEncoder, stable_rank

WIDTH = 0.01
LIMIT = 1 / (2 * math.sqrt(math.pi) * WIDTH)

# Name -> stable rank in the limit of many samples.
LIMITS = {
    "impulse": math.inf,
    "square": math.pi**2 / 4,
    "sine": 2.0,
    "gaussian": LIMIT,
    "random Fourier": LIMIT,
}
COLOURS = dict(zip(LIMITS, ["#000000", "#E69F00", "#009E73", "#0072B2", "#D55E00"], strict=True))


def make_encoder(name: str, n_shifts: int) -> RandomFourierEncoder | ShiftedBasisEncoder:
    if name == "random Fourier":
        return RandomFourierEncoder(n_shifts // 2, bandwidth=WIDTH, domain=(0, 1), random_state=0)
    width = {"gaussian": WIDTH, "impulse": None}.get(name, 1.0)
    return ShiftedBasisEncoder(
        name, bandwidth=width, n_shifts=n_shifts, domain=(0, 1), boundary="periodic"
    )


# %%
# Measure
# -------
# The stable rank of the encoded matrix for each number of samples; the inner products of
# the encodings of 0.5 and of 0.5 + delta.


def measure(
    n_samples: tuple[int, ...] = (2, 3, 5, 8, 12, 18, 25, 35, 50, 70, 100), n_shifts: int = 10_000
) -> dict[str, dict[str, np.ndarray]]:
    """Per encoder: stable ranks over `n_samples`, and D over displacements."""
    results = {}
    delta = np.linspace(-0.5, 0.5, 201)
    for name, limit in LIMITS.items():
        encoder = make_encoder(name, n_shifts).fit([[0.0], [1.0]])
        ranks = [stable_rank(encoder.transform(np.arange(n)[:, None] / n)) for n in n_samples]
        centre, others = (encoder.transform(x) for x in ([[0.5]], (0.5 + delta)[:, None]))
        similarity = (others @ centre.T)[:, 0]
        results[name] = {
            "n_samples": np.array(n_samples),
            "stable_rank": np.array(ranks),
            "closed_rank": np.minimum(n_samples, limit),
            "delta": delta,
            "similarity": similarity / similarity.max(),
            "closed_similarity": closed_similarity(name, delta),
        }
    return results


def closed_similarity(name: str, delta: np.ndarray) -> np.ndarray:
    if name == "impulse":
        return np.where(np.abs(delta) < 1e-9, 1.0, 0.0)
    if name == "square":
        return 1 - 4 * np.abs(delta - np.round(delta))
    if name == "sine":
        return np.cos(2 * np.pi * delta)
    return np.exp(-(delta**2) / (4 * WIDTH**2))


def report(results: dict[str, dict[str, np.ndarray]]) -> str:
    lines = [f"{'':<16}{'SR, closed form':>16}{'measured':>10}{'largest error of D':>20}"]
    for name, result in results.items():
        error = np.abs(result["similarity"] - result["closed_similarity"]).max()
        lines.append(
            f"{name:<16}{result['closed_rank'][-1]:>16.3f}{result['stable_rank'][-1]:>10.3f}"
            f"{error:>20.4f}"
        )
    return "\n".join(lines)


def draw(results: dict[str, dict[str, np.ndarray]]) -> plt.Figure:
    figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 4.2), layout="constrained")
    for name, result in results.items():
        style = {"color": COLOURS[name]}
        hollow = {"markerfacecolor": "none", "markersize": 9} if name == "random Fourier" else {}
        left.plot(result["n_samples"], result["closed_rank"], **style, linewidth=1.2)
        left.plot(result["n_samples"], result["stable_rank"], "o", **style, label=name, **hollow)
        wave = name in ("square", "sine")
        shown = slice(None, None, 4) if wave else np.abs(result["delta"]) < 0.06
        right.plot(result["delta"], result["closed_similarity"], **style, linewidth=1.2)
        right.plot(
            result["delta"][shown], result["similarity"][shown], ".", **style, label=name, **hollow
        )
    left.set(xscale="log", yscale="log", xlabel="number of samples N", ylabel="stable rank")
    right.set(xlabel="displacement, domains", ylabel="similarity D / D(0)")
    for axis in (left, right):
        axis.grid(alpha=0.3)
    left.xaxis.set_major_formatter("{x:g}")
    left.yaxis.set_major_formatter("{x:g}")
    left.legend(title="dots measured, lines closed form", fontsize="small")
    right.set_title("What it keeps of nearness", fontsize="medium")
    left.set_title("What it can memorise", fontsize="medium")
    return figure


# %%
# All five stand on their closed forms. The impulse tells any number of samples apart and
# knows of no neighbour; the waves know far neighbours and tell two samples apart. Only the
# width of the Gaussian sets something between.

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Stable rank and similarity")
    parser.add_argument("--output", help="file for the picture; none: show it")
    arguments = parser.parse_args()
    results = measure()
    print(report(results))
    figure = draw(results)
    figure.savefig(arguments.output, dpi=110) if arguments.output else plt.show()
