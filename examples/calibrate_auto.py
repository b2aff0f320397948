"""How good is stable_rank="auto"? Held against a fine grid of stable ranks on real signals.

Every second sample per axis trains a coordinate MLP, the others test it. For each signal
and encoding the table gives the best share of the samples per axis, its PSNR, and how many
dB "auto" loses to it; "auto" is one more fit, with the encoder's own default.

    python examples/calibrate_auto.py [--signals camera co2 ...] [--seeds 2]
"""

import argparse
import warnings

import numpy as np
from joblib import Parallel, delayed
from rich.console import Console
from rich.table import Table
from skimage.transform import resize
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from sk_posenc import (
    CoordinateMLPRegressor,
    FourierEncoder,
    RandomFourierEncoder,
    ShiftedBasisEncoder,
    grid_samples,
    load_signal,
    psnr_score,
)

SHARES = [0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6]
SIGNALS = ["astronaut", "camera", "china", "chelsea", "elevation", "co2", "sunspots", "row"]
ENCODERS = {
    "Gaussian": ShiftedBasisEncoder("gaussian"),
    "triangle": ShiftedBasisEncoder("triangle"),
    "Fourier": FourierEncoder(),
    "random Fourier": RandomFourierEncoder(256, random_state=0),
}


def load(name: str) -> tuple[np.ndarray, list[np.ndarray], bool]:
    """Values in [0, 1], their axes, and whether the last axis of values holds channels."""
    if name == "row":
        return load_signal("camera")[0][256], [np.arange(512) / 512], False
    values, axes = load_signal(name)
    if len(axes) == 2:
        side = 128
        values = resize(values, (side, side, *values.shape[2:]), anti_aliasing=True)
        axes = [np.arange(side) / side] * 2
    low, high = values.min(), values.max()
    return (values - low) / (high - low), list(axes), values.ndim > len(axes)


def split(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Coordinates, targets, training rows, and training samples per axis."""
    values, axes, channels = load(name)
    X, y = grid_samples(values, axes, channels=channels)
    shape = tuple(len(axis) for axis in axes)
    train = np.all(np.indices(shape) % 2 == 0, axis=0).ravel()
    return X, y, train, -(-shape[0] // 2)


def fit_and_test(name: str, encoder: object, seeds: int) -> float:
    X, y, train, _ = split(name)
    scores = []
    for seed in range(seeds):
        regressor = CoordinateMLPRegressor(
            hidden_layer_sizes=(128, 128, 128),
            max_epochs=30,
            lr=1e-3,
            lr_schedule="constant",
            random_state=seed,
        )
        model = make_pipeline(clone(encoder), regressor).fit(X[train], y[train])
        scores.append(psnr_score(y[~train], model.predict(X[~train])))
    return float(np.mean(scores))


def task(name: str, kind: str, share: float | None, seeds: int) -> tuple[str, str, object, float]:
    encoder = clone(ENCODERS[kind])
    if share is not None:
        rank = max(1.0, share * split(name)[3])
        if kind == "random Fourier":
            # as many frequencies as the law needs, as "auto" has by its cap
            encoder.set_params(n_frequencies=max(256, int(4 * rank)))
        encoder.set_params(stable_rank=rank)
    warnings.simplefilter("error")
    return name, kind, share, fit_and_test(name, encoder, seeds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--signals", nargs="+", default=SIGNALS)
    parser.add_argument("--seeds", type=int, default=2)
    arguments = parser.parse_args()
    done = Parallel(n_jobs=2, verbose=1)(
        delayed(task)(name, kind, share, arguments.seeds)
        for name in arguments.signals
        for kind in ENCODERS
        for share in [*SHARES, None]
    )
    table = Table(title='stable_rank="auto" against a grid, PSNR in dB')
    for heading in ("signal", "encoding", "best share", "best", "auto", "lost"):
        table.add_column(heading)
    for name in arguments.signals:
        for kind in ENCODERS:
            scores = {share: s for n, k, share, s in done if (n, k) == (name, kind)}
            auto = scores.pop(None)
            best = max(scores, key=scores.__getitem__)
            lost = scores[best] - auto
            table.add_row(
                name, kind, f"{best:g}", f"{scores[best]:.2f}", f"{auto:.2f}", f"{lost:.2f}"
            )
    Console(width=80).print(table)
    for share in SHARES:
        losses = [
            max(s for n, k, h, s in done if (n, k) == (name, kind) and h is not None)
            - next(s for n, k, h, s in done if (n, k, h) == (name, kind, share))
            for name in arguments.signals
            for kind in ENCODERS
        ]
        near = sum(loss <= 0.5 for loss in losses)
        print(
            f"share {share:4.2f}: within 0.5 dB of the best in {near} of {len(losses)}, "
            f"loss in the median {np.median(losses):.2f}, in the mean {np.mean(losses):.2f}, "
            f"at worst {max(losses):.2f} dB"
        )


if __name__ == "__main__":
    main()
