"""The state of a skorch net as arrays and plain values, which hold no code."""

from __future__ import annotations

import json
from inspect import signature
from typing import Any

import numpy as np
import torch
from skorch.history import History
from torch import Tensor

# Raised where files of before could not be read.
_FORMAT = 1
# What `initialize` makes anew, and what stands elsewhere in the state.
_MADE_ANEW = frozenset((
    *("module_", "criterion_", "optimizer_", "callbacks_", "history_", "_generator"),
    *("init_context_", "virtual_params_", "initialized_", "prefixes_"),
    *("cuda_dependent_attributes_", "_params_to_validate"),
))  # fmt: skip


def plain_state(net: Any) -> dict[str, Any]:
    """Parameters, learnt attributes, and the arrays of the network and of its optimiser."""
    parameters = net.get_params(deep=False)
    usual = _default_types(type(net))
    left_out = _MADE_ANEW | parameters.keys() | {*net._of_a_run}
    state: dict[str, Any] = {
        "format": _FORMAT,
        "parameters": {k: v for k, v in parameters.items() if v is not usual.get(k, _NONE)},
        "attributes": {k: v for k, v in vars(net).items() if k not in left_out},
        "initialized": bool(net.initialized_),
    }
    if net.initialized_:
        state["module"] = _plain(net.module_.state_dict())
        state["criterion"] = _plain(net.criterion_.state_dict())
        state["optimizer"] = _plain(net.optimizer_.state_dict())
        state["history"] = json.dumps(list(net.history_), default=lambda value: value.item())
        state["generator"] = net._generator.get_state().numpy()
    return state


def restore(net: Any, state: dict[str, Any]) -> None:
    """Make an estimator what it was when its state was taken."""
    if state.get("format") != _FORMAT:
        raise ValueError(
            f"{type(net).__name__} was saved by another version of sk_posenc, or in another way: "
            f"fit it again. Got a state of format {state.get('format')!r}."
        )
    made: Any = type(net)
    vars(net).update(vars(made(**state["parameters"])) | state["attributes"])
    if not state["initialized"]:
        return
    seed, net.random_state = net.random_state, 0  # a RandomState must not be drawn from
    try:
        net.initialize()
    finally:
        net.random_state = seed
    net.module_.load_state_dict(_tensors(state["module"]))
    net.criterion_.load_state_dict(_tensors(state["criterion"]))
    net.optimizer_.load_state_dict(_tensors(state["optimizer"]))
    net.history_ = History(json.loads(state["history"]))
    net._generator.set_state(torch.from_numpy(np.array(state["generator"])))


_NONE = object()


def _default_types(kind: type) -> dict[str, Any]:
    """Defaults that are types: left out, so that nobody has to trust them."""
    defaults: dict[str, Any] = {}
    for each in reversed(kind.__mro__):
        if "__init__" in vars(each) and each is not object:
            named = signature(vars(each)["__init__"]).parameters.items()
            defaults |= {k: p.default for k, p in named if isinstance(p.default, type)}
    return {k: v for k, v in defaults.items() if v is not signature(kind).empty}


def _plain(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach().cpu().numpy().copy()
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_plain(each) for each in value)
    return value


def _tensors(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return torch.from_numpy(np.array(value))
    if isinstance(value, dict):
        return {k: _tensors(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_tensors(each) for each in value)
    return value
