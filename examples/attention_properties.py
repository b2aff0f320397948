"""What must hold of attention with relative positions, and the worst error of each property.

Each property is tried for 1 to 1,000 steps, both directions and causal, by FFT, in blocks and with
the matrix. A number is the largest absolute difference of outputs, which are of size 1; of
`toeplitz_matmul` the largest one in parts of the largest result.

    OMP_NUM_THREADS=1 python examples/attention_properties.py
"""

import os
from collections.abc import Callable, Iterator

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from scipy.linalg import matmul_toeplitz
from torch import Tensor

from sk_posenc import PositiveRandomFeatures, ToeplitzAttention, toeplitz_matmul
from sk_posenc.core.limits import limits

SIZES = (1, 2, 3, 17, 256, 1000)
DTYPES = (torch.float64, torch.float32)
D_MODEL = 16


def layers(n: int, **settings: object) -> Iterator[ToeplitzAttention]:
    """By all ways to the sums, with weights as wild as after training."""
    for causal in (False, True):
        for method in ("fft", "dense", "auto"):
            generator = torch.Generator().manual_seed(0)
            settings |= {"causal": causal, "method": method, "max_distance": min(n, 100)}
            layer = ToeplitzAttention(D_MODEL, 2, **settings, generator=generator)  # type: ignore
            if layer.relative_weights is not None:
                torch.nn.init.normal_(layer.relative_weights, generator=generator)
            yield layer


def series(n: int, dtype: torch.dtype) -> Tensor:
    return torch.randn(1, n, D_MODEL, generator=torch.Generator().manual_seed(1)).to(dtype)


def ways_agree(layer: ToeplitzAttention, x: Tensor) -> float:
    found = layer(x)
    layer.method = "dense"
    expected = layer.double()(x.double())
    return float((found - expected).abs().max())


def constant(layer: ToeplitzAttention, x: Tensor) -> float:
    before = layer(x)
    layer.relative_weights += 5.0
    return float((layer(x) - before).abs().max())


def equal_weights(layer: ToeplitzAttention, x: Tensor) -> float:
    torch.nn.init.constant_(layer.relative_weights, 0.7)
    linear = ToeplitzAttention(D_MODEL, 2, causal=layer.causal, relative=False).to(x.dtype)
    state = {k: v for k, v in layer.state_dict().items() if k != "relative_weights"}
    linear.load_state_dict(state)
    return float((layer(x) - linear(x)).abs().max())


def equal_values(layer: ToeplitzAttention, x: Tensor) -> float:
    layer.in_projection.weight[2 * D_MODEL :] = 0
    layer.in_projection.bias[2 * D_MODEL :] = 1
    torch.nn.init.eye_(layer.out_projection.weight)
    return float((layer(x) - 1).abs().max())


def earlier_steps(layer: ToeplitzAttention, x: Tensor) -> float:
    if not layer.causal or x.shape[1] == 1:
        return 0.0
    half = x.shape[1] // 2
    other = torch.cat([x[:, :half], x[:, half:] + 3], 1)
    return float((layer(other) - layer(x))[:, :half].abs().max())


def padding(layer: ToeplitzAttention, x: Tensor) -> float:
    n = -(-x.shape[1] // 2)
    present = (torch.arange(x.shape[1]) < n)[None]
    return float((layer(x, present)[:, :n] - layer(x[:, :n])).abs().max())


PROPERTIES: dict[str, Callable[[ToeplitzAttention, Tensor], float]] = {
    "outputs are those of the matrix in float64": ways_agree,
    "a constant added to all weights changes nothing": constant,
    "equal weights are linear attention": equal_weights,
    "values that are all 1 come out as 1": equal_values,
    "causal: a change of later steps changes no earlier one": earlier_steps,
    "padding changes nothing": padding,
}


@torch.no_grad()
def worst(of: Callable[[ToeplitzAttention, Tensor], float], dtype: torch.dtype) -> float:
    with limits(attention_dense_up_to=0):  # blocks for short series too
        made = ((layer.to(dtype), series(n, dtype)) for n in SIZES for layer in layers(n))
        return max(of(layer, x) for layer, x in made)


@torch.no_grad()
def least_change_of_reversed() -> float:
    """The largest change that reversed weights make, where it is least."""
    changes = []
    for n in SIZES[2:]:
        for layer in layers(n):
            before = layer(series(n, torch.float32))
            layer.relative_weights.copy_(layer.relative_weights.flip(1))
            changes.append(float((layer(series(n, torch.float32)) - before).abs().max()))
    return min(changes)


def products(dtype: str) -> float:
    errors = []
    rng = np.random.default_rng(0)
    for n in SIZES:
        c, X = rng.normal(size=2 * n - 1), rng.normal(size=(n, 4))
        for causal in (False, True):
            seen = np.where(np.arange(2 * n - 1) < n, c, 0) if causal else c
            expected = matmul_toeplitz((seen[n - 1 :: -1], seen[n - 1 :]), X)
            for method in ("fft", "dense"):
                found = toeplitz_matmul(c.astype(dtype), X.astype(dtype), causal, method)
                errors.append(np.abs(found - expected).max() / np.abs(expected).max())
    return float(max(errors))


def moments(n: int = 1_000_000) -> tuple[float, float]:
    """Mean and variance of phi(x) . phi(y) n, over what the formulas say."""
    x, y = np.array([[0.6, 0.3, 0.0], [0.2, -0.4, 0.5]])
    phi = PositiveRandomFeatures(n, orthogonal=False, random_state=0).fit_transform([x, y])
    found = phi[0] * phi[1] * n
    variance = (np.exp((x + y) @ (x + y)) - 1) * np.exp(2 * x @ y)
    return float(found.mean() / np.exp(x @ y)), float(found.var() / variance)


def main() -> None:
    torch.set_num_threads(1)
    console = Console(width=110)
    table = Table()
    for heading in ("property", "worst error, float64", "float32"):
        table.add_column(heading, justify="left" if heading == "property" else "right")
    cells = (products(dtype) for dtype in ("float64", "float32"))
    table.add_row("toeplitz_matmul is SciPy's", *(f"{cell:.0e}" for cell in cells))
    for name, of in PROPERTIES.items():
        table.add_row(name, *(f"{worst(of, dtype):.0e}" for dtype in DTYPES))
    console.print(table)
    console.print(f"reversed weights change outputs by at least {least_change_of_reversed():.2f}")
    mean, variance = moments()
    console.print(f"random features: mean {mean:.4f}, variance {variance:.3f} of what is stated")


if __name__ == "__main__":
    main()
