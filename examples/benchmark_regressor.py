"""Speed and accuracy of CoordinateMLPRegressor.

Speed: an epoch against a bare PyTorch loop over the same network, optimiser and batches, on
65,536 rows of 512 float32 features and 3 targets in batches of 4096. Both sides take turns in
this process, an epoch each; the table has medians.

Accuracy: the astronaut image, trained on every second pixel of every second row, PSNR on the
other pixels, with default parameters.

Run with `python benchmark_regressor.py [--threads 2] [--epochs 15] [--part speed|accuracy]`.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from skimage.data import astronaut
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from skorch.callbacks import Callback

from sk_posenc import (
    CoordinateMLP,
    CoordinateMLPRegressor,
    RandomFourierEncoder,
    ShiftedBasisEncoder,
    psnr_score,
)

N_ROWS, N_FEATURES, N_OUTPUTS, BATCH = 65_536, 512, 3, 4096


class PerEpoch(Callback):
    """Run a function before each epoch, and keep the seconds of each epoch."""

    def __init__(self, before: Callable[[], None]) -> None:
        self.before = before

    def initialize(self) -> "PerEpoch":
        self.seconds_, self.cpu_ = [], []
        return self

    def on_epoch_begin(self, net: object, **kwargs: object) -> None:
        self.before()
        self.started_ = time.perf_counter(), time.process_time()

    def on_epoch_end(self, net: object, **kwargs: object) -> None:
        self.seconds_.append(time.perf_counter() - self.started_[0])
        self.cpu_.append(time.process_time() - self.started_[1])


def bare_loop(X: torch.Tensor, Z: torch.Tensor, sizes: tuple[int, ...]) -> Callable[[], None]:
    """One epoch of training, as PyTorch's tutorials write it, on tensors already scaled."""
    net = CoordinateMLP(N_FEATURES, N_OUTPUTS, hidden_layer_sizes=sizes)
    layers = []
    for layer in net.linears:
        layers += [layer, torch.nn.ReLU()]
    net = torch.nn.Sequential(*layers[:-1])
    criterion, optimizer = torch.nn.MSELoss(), torch.optim.Adam(net.parameters(), lr=1e-3)

    def epoch() -> None:
        order = torch.randperm(len(X))
        for start in range(0, len(X), BATCH):
            rows = order[start : start + BATCH]
            loss = criterion(net(X.index_select(0, rows)), Z.index_select(0, rows))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        loss.item()

    return epoch


def speed(epochs: int) -> None:
    """Print the ratio of an epoch in the regressor to one in the bare loop."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N_ROWS, N_FEATURES), dtype=np.float32)
    y = rng.standard_normal((N_ROWS, N_OUTPUTS), dtype=np.float32)
    print(f"{'hidden layers':>20} {'bare, s':>9} {'ours, s':>9} {'wall':>6} {'CPU':>6}")
    for sizes in ((256, 256, 256, 256), ()):
        epoch = bare_loop(torch.from_numpy(X), torch.from_numpy(y), sizes)
        bare, bare_cpu = [], []

        def run_bare(epoch=epoch, bare=bare, bare_cpu=bare_cpu) -> None:
            wall, cpu = time.perf_counter(), time.process_time()
            epoch()
            bare.append(time.perf_counter() - wall)
            bare_cpu.append(time.process_time() - cpu)

        model = CoordinateMLPRegressor(
            hidden_layer_sizes=sizes,
            batch_size=BATCH,
            max_epochs=epochs * (1 if sizes else 5),
            lr=1e-3,
            lr_schedule="constant",
            callbacks=[("per_epoch", PerEpoch(run_bare))],
        ).fit(X, y)
        ours = dict(model.callbacks_)["per_epoch"]
        wall, ours_wall = np.median(bare), np.median(ours.seconds_)
        cpu = np.median(np.divide(ours.cpu_, bare_cpu))
        print(
            f"{sizes!s:>20} {wall:9.4f} {ours_wall:9.4f} {ours_wall / wall:6.3f} {cpu:6.3f}",
            flush=True,
        )


def accuracy(seeds: int) -> None:
    """Print the test PSNR with default parameters."""
    image = astronaut() / 255
    axis = np.arange(512) / 512
    X = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    y = image.reshape(-1, 3)
    train = np.zeros(image.shape[:2], dtype=bool)
    train[::2, ::2] = True
    train = train.ravel()
    print(f"{'encoding':>16} {'seed':>5} {'test dB':>8} {'fit, s':>7} {'fit CPU, s':>11}")
    encoders = {
        "gaussian": ShiftedBasisEncoder(bandwidth=0.006, n_shifts=256),
        "random Fourier": RandomFourierEncoder(bandwidth=1 / (8**0.5 * np.pi * 14), random_state=0),
        "none": FunctionTransformer(),
    }
    for name, encoder in encoders.items():
        for seed in range(seeds):
            wall, cpu = time.perf_counter(), time.process_time()
            model = make_pipeline(encoder, CoordinateMLPRegressor(random_state=seed))
            model.fit(X[train].astype(np.float32), y[train])
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            psnr = psnr_score(y[~train], model.predict(X[~train].astype(np.float32)))
            print(f"{name:>16} {seed:>5} {psnr:8.2f} {wall:7.1f} {cpu:11.1f}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--part", choices=["speed", "accuracy", "both"], default="both")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"{arguments.threads} threads, torch {torch.__version__}")
    if arguments.part in ("speed", "both"):
        speed(arguments.epochs)
    if arguments.part in ("accuracy", "both"):
        accuracy(arguments.seeds)
