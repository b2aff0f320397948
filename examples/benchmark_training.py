"""How soon a coordinate network reaches 25 dB on the astronaut, and what it needs.

Networks train on every second pixel of every second row (65,536 samples, 3 channels). They are
tested on the others after each epoch (of the authors' after each tenth); the time of the tests
does not count. All networks have four hidden layers of 256.

- The authors' protocol: 256 independent random frequencies of deviation 14 (512 columns),
  normalised by the largest row of the batch, encoded once, all rows in each step of Adam at
  5e-3, up to 2,000 steps.
- A plain loop over minibatches: the same encoder as ours, encoded once, Adam at 1e-3.
- CoordinateMLPRegressor in the same batches of 1024 at the same rate, with the encoder in front (a
  Pipeline) and inside.

Then the seconds of an epoch beside the plain loop, in turns, and the memory that 262,144
samples of 10,000 columns take. Rows for CUDA stand below where there is a card.

Run with `python benchmark_training.py [--threads 2] [--part race|epoch|memory|all]`.
"""

import argparse
import contextlib
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from skimage.data import astronaut
from skorch.callbacks import Callback
from torch import Tensor, nn

from sk_posenc import CoordinateMLPRegressor, ShiftedBasisEncoder, grid_samples, psnr_score

GOAL = 25.0
# A race has no end that a schedule could be planned for.
STEADY = {"lr": 1e-3, "lr_schedule": "constant", "batch_size": 1024, "max_epochs": 100}


def signal() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coordinates, colours, and which pixels are for training."""
    axis = np.arange(512) / 512
    X, y = grid_samples(astronaut() / 255, (axis, axis), channels=True)
    train = np.zeros((512, 512), dtype=bool)
    train[::2, ::2] = True
    return X.astype(np.float32), y, train.ravel()


def network(n_columns: int) -> nn.Sequential:
    """Four hidden layers of 256, as PyTorch starts them."""
    layers: list[nn.Module] = []
    for n_in in (n_columns, 256, 256, 256):
        layers += [nn.Linear(n_in, 256), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(256, 3))


def test_psnr(predict: Callable[[Tensor], Tensor], X: Tensor, y: np.ndarray) -> float:
    """PSNR of a torch network on its test rows."""
    with torch.no_grad():
        predicted = torch.cat([predict(rows) for rows in X.split(16_384)])
    return psnr_score(y, predicted.cpu().numpy().astype(np.float64))


def synchronise(device: str) -> None:
    """Wait for a card, whose work is asynchronous."""
    if device == "cuda":
        torch.cuda.synchronize()


def authors(device: str, most: int) -> tuple[float, int, float]:
    """Seconds, epochs and PSNR of the authors' protocol."""
    X, y, train = signal()
    torch.manual_seed(0)
    started = time.perf_counter()
    frequencies = 14 * torch.randn(2, 256, device=device)

    def encode(rows: Tensor) -> Tensor:
        phases = 2 * torch.pi * rows.to(device) @ frequencies
        features = torch.cat([torch.sin(phases), torch.cos(phases)], dim=1)
        return features / features.norm(dim=1).max()

    rows, targets = torch.from_numpy(X[train]), torch.from_numpy(y[train]).float().to(device)
    features = encode(rows)
    net = network(512).to(device)
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    seconds, psnr = time.perf_counter() - started, 0.0
    held_out = torch.from_numpy(X[~train])
    for epoch in range(1, most + 1):
        started = time.perf_counter()
        loss = torch.mean((net(features) - targets) ** 2)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        synchronise(device)
        seconds += time.perf_counter() - started
        if epoch % 10 == 0:
            psnr = test_psnr(lambda rows: net(encode(rows)), held_out, y[~train])
            if psnr >= GOAL:
                break
    return seconds, epoch, psnr


class PlainLoop:
    """A loop over minibatches of what an encoder makes of all rows at once."""

    def __init__(self, encoder: ShiftedBasisEncoder, device: str, batch: int = 4096) -> None:
        self.X, self.y, self.train = signal()
        self.device, self.batch = device, batch
        started = time.perf_counter()
        features = encoder.fit_transform(self.X[self.train])
        self.encoder = encoder
        self.features = torch.from_numpy(features).to(device)
        self.targets = torch.from_numpy(self.y[self.train]).float().to(device)
        torch.manual_seed(0)
        self.net = network(features.shape[1]).to(device)
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=1e-3)
        self.seconds = time.perf_counter() - started

    def epoch(self) -> float:
        """Train for an epoch; its seconds."""
        started = time.perf_counter()
        order = torch.randperm(len(self.features)).to(self.device)
        for chosen in order.split(self.batch):
            loss = torch.mean((self.net(self.features[chosen]) - self.targets[chosen]) ** 2)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
        synchronise(self.device)
        taken = time.perf_counter() - started
        self.seconds += taken
        return taken

    def race(self) -> tuple[float, int, float]:
        """Seconds, epochs and PSNR at the goal."""
        held_out = torch.from_numpy(self.encoder.transform(self.X[~self.train]))
        truth = self.y[~self.train]
        psnr, epochs = 0.0, 0
        while psnr < GOAL and epochs < 100:
            self.epoch()
            epochs += 1
            psnr = test_psnr(lambda rows: self.net(rows.to(self.device)), held_out, truth)
        return self.seconds, epochs, psnr


class Watch(Callback):
    """Stops at the goal; counts the seconds from the call of `fit`, tests left out."""

    def __init__(self, test: Callable[[object], float]) -> None:
        self.test = test
        self.seconds, self.psnr, self.epochs = 0.0, 0.0, 0
        self.started = time.perf_counter()

    def on_epoch_end(self, net: object, **kwargs: object) -> None:
        synchronise(net.device_.type)
        self.seconds += time.perf_counter() - self.started
        self.epochs, self.psnr = self.epochs + 1, self.test(net)
        self.started = time.perf_counter()
        if self.psnr >= GOAL:
            raise KeyboardInterrupt


def ours(device: str, inside: bool, **settings: object) -> tuple[float, int, float]:
    """Seconds, epochs and PSNR at the goal of CoordinateMLPRegressor."""
    X, y, train = signal()
    encoder = ShiftedBasisEncoder()
    if inside:
        watch = Watch(lambda net: psnr_score(y[~train], net.predict(X[~train])))
        net = CoordinateMLPRegressor(
            encoder, random_state=0, device=device, callbacks=[watch], **STEADY | settings
        )
        rows = X[train]
    else:
        watch = Watch(lambda net: psnr_score(y[~train], net.predict(held_out)))
        net = CoordinateMLPRegressor(
            random_state=0, device=device, callbacks=[watch], **STEADY | settings
        )
        rows = encoder.fit_transform(X[train])
    if not inside:
        seconds = time.perf_counter() - watch.started
        held_out = encoder.transform(X[~train])
        watch.seconds, watch.started = seconds, time.perf_counter()
    with contextlib.suppress(KeyboardInterrupt):  # the goal is reached
        net.fit(rows, y[train])
    return watch.seconds, watch.epochs, watch.psnr


def race(device: str, most: int) -> None:
    """Print how soon each reaches the goal."""
    runs = {
        "authors' protocol": lambda: authors(device, most),
        "plain loop, batch 4096": lambda: PlainLoop(ShiftedBasisEncoder(), device).race(),
        "plain loop, batch 1024": lambda: PlainLoop(ShiftedBasisEncoder(), device, 1024).race(),
        "encoder in front": lambda: ours(device, False),
        "encoder inside": lambda: ours(device, True),
        "  batch 4096": lambda: ours(device, True, batch_size=4096),
        "  bfloat16": lambda: ours(device, True, mixed_precision=True),
    }
    print(f"{'to 25 dB, ' + device:>24} {'s':>8} {'epochs':>7} {'dB':>6} {'authors / this':>15}")
    reference = None
    for name, run in runs.items():
        seconds, epochs, psnr = run()
        reference = reference or seconds
        print(
            f"{name:>24} {seconds:8.2f} {epochs:7d} {psnr:6.2f} {reference / seconds:15.1f}",
            flush=True,
        )


def epoch_ratios(device: str, epochs: int = 7) -> None:
    """Print the seconds of an epoch beside the plain loop, in turns."""
    X, y, train = signal()
    for name, settings in {
        "encoder inside, float32": {},
        "float64 coordinates": {"double": True},
        "bfloat16": {"mixed_precision": True},
        "trained encoder": {"train_encoder": True},
    }.items():
        loop = PlainLoop(ShiftedBasisEncoder(), device, 1024)
        plain, inside = [], []
        rows = X[train].astype(np.float64) if settings.pop("double", False) else X[train]
        net = CoordinateMLPRegressor(
            ShiftedBasisEncoder(),
            random_state=0,
            device=device,
            **STEADY | settings | {"max_epochs": 1},
        ).fit(rows, y[train])
        for _ in range(epochs):
            plain.append(loop.epoch())
            started = time.perf_counter()
            net.partial_fit(rows, y[train])
            synchronise(device)
            inside.append(time.perf_counter() - started)
        ratio = np.median(np.divide(inside, plain))
        print(f"{name:>24} {np.median(inside):8.3f} s an epoch, {ratio:.2f} of the plain loop's")


def memory() -> None:
    """Print the peak of a process that trains on 262,144 samples of 10,000 columns."""
    X = np.random.default_rng(0).uniform(size=(262_144, 2)).astype(np.float32)
    encoder = ShiftedBasisEncoder(stable_rank=64, n_shifts=4_900)
    started = time.perf_counter()
    net = CoordinateMLPRegressor(encoder, max_epochs=1, batch_size=1024, random_state=0).fit(
        X, X[:, 0]
    )
    seconds = time.perf_counter() - started
    # of this process alone; getrusage would tell the peak of the one that started it
    peak = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 2**20
    columns = net.module_.encoder.n_features
    print(f"{columns} columns, one epoch: {peak:.2f} GiB at most, {seconds:.0f} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--most", type=int, default=2000, help="epochs of the authors' protocol")
    parser.add_argument("--part", choices=["race", "epoch", "memory", "all"], default="all")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    devices = ["cpu"] + (["cuda"] if torch.cuda.is_available() else [])
    if arguments.part != "memory":
        card = torch.cuda.get_device_name() if "cuda" in devices else "no CUDA device"
        print(f"{arguments.threads} threads, torch {torch.__version__}, {card}")
    for device in devices:
        if arguments.part in ("race", "all"):
            race(device, arguments.most)
        if arguments.part in ("epoch", "all"):
            epoch_ratios(device)
    if arguments.part == "memory":
        memory()
    elif arguments.part == "all":  # in a process of its own, which has no peak yet
        subprocess.run([sys.executable, __file__, "--part", "memory"], check=True)
