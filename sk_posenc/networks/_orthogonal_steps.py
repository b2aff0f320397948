"""Muon on a CPU: the steps of torch.optim.Muon, orthogonalised in single precision."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

# A class that is never made where PyTorch is older than its Muon.
_Muon: Any = getattr(torch.optim, "Muon", torch.optim.Optimizer)


class SinglePrecisionMuon(_Muon):
    """`torch.optim.Muon`, which computes in float32 on a CPU.

    Its own half precision takes 45 times as long on a CPU that multiplies no such matrices.
    On other devices it is unchanged.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step; see `torch.optim.Muon`."""
        devices = {each.device.type for group in self.param_groups for each in group["params"]}
        if devices != {"cpu"}:
            return super().step(closure)
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for each in group["params"]:
                if each.grad is not None:
                    self._move(each, each.grad, group)
        return loss

    def _move(self, matrix: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        """Move a matrix along the orthogonal part of its averaged gradient."""
        state, momentum, lr = self.state[matrix], group["momentum"], float(group["lr"])
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(gradient)
        mean: Tensor = state["momentum_buffer"].lerp_(gradient, 1 - momentum)
        along = gradient.lerp(mean, momentum) if group["nesterov"] else mean
        update = orthogonal_part(along, group["ns_coefficients"], group["ns_steps"], group["eps"])
        matrix.mul_(1 - lr * group["weight_decay"])
        matrix.add_(update, alpha=-lr * _size_of_step(group["adjust_lr_fn"], matrix))


def orthogonal_part(
    matrix: Tensor, coefficients: tuple[float, float, float], n_steps: int, eps: float
) -> Tensor:
    r"""A matrix whose singular values are near 1: about U V^T of the matrix U S V^T.

    Each step of Newton and Schulz maps all singular values by the polynomial
    :math:`a s + b s^3 + c s^5`.
    """
    a, b, c = coefficients
    is_tall = matrix.shape[0] > matrix.shape[1]
    X = matrix.T if is_tall else matrix
    X = X / X.norm().clamp(min=eps)
    for _ in range(n_steps):
        gram = X @ X.T
        X = torch.addmm(X, torch.addmm(gram, gram, gram, beta=b, alpha=c), X, beta=a)
    return X.T if is_tall else X


def _size_of_step(rule: str | None, matrix: Tensor) -> float:
    """What the learning rate is multiplied by, as in `torch.optim.Muon`."""
    n_rows, n_columns = matrix.shape
    if rule == "match_rms_adamw":
        return 0.2 * math.sqrt(max(n_rows, n_columns))
    return math.sqrt(max(1, n_rows / n_columns))
