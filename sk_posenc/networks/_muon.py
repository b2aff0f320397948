"""The optimiser "muon": Muon on hidden matrices, Adam on all other parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.optim import AdamW, Optimizer

from sk_posenc.networks._orthogonal_steps import SinglePrecisionMuon
from sk_posenc.networks.linear_layers import linears_in

# The name in the parameter `optimizer`.
MUON = "muon"
# Learning rates where nobody sets one: of hidden matrices, and of all other parameters.
MUON_LR = 0.05
ADAM_LR = 3e-3
# What a group says of its parameters.
_HIDDEN = "is_hidden"
# Parameters of Muon alone, and of Adam alone, with their defaults.
_OF_MUON: dict[str, Any] = {
    "momentum": 0.95,
    "nesterov": True,
    "ns_coefficients": (3.4445, -4.775, 2.0315),
    "ns_steps": 5,
    "adjust_lr_fn": None,
}
_OF_ADAM: dict[str, Any] = {
    "betas": (0.9, 0.999),
    "eps": 1e-8,
    "amsgrad": False,
    "foreach": None,
    "fused": None,
}
# What keeps Muon from a division by 0: another number than Adam's `eps`.
_MUON_EPS = 1e-7


class MuonAndAdam(Optimizer):
    """Muon and Adam as one optimiser: their groups and states are those of the whole.

    Parameters
    ----------
    params : iterable of dict
        Groups of parameters, as `split_hidden` makes them.
    lr : float
        Learning rate of hidden matrices.
    adam_lr : float
        Learning rate of all other parameters.
    weight_decay : float, default=0.0
        Share of a parameter that a step of learning rate 1 takes off, in both parts.
    **options : dict
        Parameters of Muon (`momentum`, `nesterov`, `ns_coefficients`, `ns_steps`,
        `adjust_lr_fn`) and of Adam (`betas`, `eps`, `amsgrad`, `foreach`, `fused`).
    """

    def __init__(
        self,
        params: Iterable[dict[str, Any]],
        lr: float = MUON_LR,
        *,
        adam_lr: float = ADAM_LR,
        weight_decay: float = 0.0,
        **options: Any,
    ) -> None:
        check_options(options)
        groups = [dict(each) for each in params]
        for group in groups:
            if group[_HIDDEN]:
                group["eps"] = _MUON_EPS
            else:
                group.setdefault("lr", adam_lr)
        usual = {"lr": lr, "weight_decay": weight_decay, _HIDDEN: False}
        super().__init__(groups, usual | _OF_MUON | _OF_ADAM | options)
        self._make_parts()

    def _make_parts(self) -> None:
        """Two optimisers on the groups and the state of this one."""
        self._parts: list[Optimizer] = []
        for kind, is_hidden in ((SinglePrecisionMuon, True), (AdamW, False)):
            groups = [each for each in self.param_groups if each[_HIDDEN] == is_hidden]
            if any(each["params"] for each in groups):
                part = kind(groups)
                part.param_groups, part.state = groups, self.state
                self._parts.append(part)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._make_parts()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step of both parts.

        Returns
        -------
        loss : what `closure` returns, or None
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for part in self._parts:
            part.step()
        return loss


def is_muon(optimizer: Any) -> bool:
    """Whether a setting names this optimiser."""
    return isinstance(optimizer, str) and optimizer == MUON


def optimizer_class(optimizer: Any) -> Any:
    """The class that the parameter `optimizer` means."""
    return MuonAndAdam if is_muon(optimizer) else optimizer


def check_muon() -> None:
    """Raise where PyTorch has no Muon."""
    if not hasattr(torch.optim, "Muon"):
        raise ImportError(
            'optimizer="muon" needs PyTorch 2.9 or later: update it, or set '
            f"optimizer=torch.optim.Adam. Got PyTorch {torch.__version__}."
        )


def check_options(options: Iterable[str]) -> None:
    """Raise for parameters that neither part has."""
    known = {"lr", "adam_lr", "weight_decay", *_OF_MUON, *_OF_ADAM}
    of_groups = {each for each in options if each.split("__")[0] == "param_groups"}
    unknown = sorted(set(options) - known - of_groups)
    if unknown:
        raise TypeError(
            'optimizer="muon" takes lr, adam_lr and weight_decay, '
            f"for its hidden matrices {', '.join(_OF_MUON)}, "
            f"and for all other parameters {', '.join(_OF_ADAM)}. Got {', '.join(unknown)}."
        )


def split_hidden(groups: list[dict[str, Any]], module: nn.Module) -> list[dict[str, Any]]:
    """Groups without hidden matrices, in the same places, then those of hidden matrices."""
    hidden = {id(layer.weight) for layer in linears_in(module)[1:-1]}
    others, own = [], []
    for group in groups:
        kept = [each for each in group["params"] if id(each) not in hidden]
        taken = [each for each in group["params"] if id(each) in hidden]
        others.append({**group, "params": kept, _HIDDEN: False})
        if taken:
            own.append({**group, "params": taken, _HIDDEN: True})
    if not own:
        raise ValueError(
            'optimizer="muon" needs a matrix between the first and the last layer: use two hidden '
            "layers or more, or optimizer=torch.optim.Adam. Got a network with "
            f"{len(linears_in(module))} linear layers."
        )
    return [*others, *own]
