"""A network class with the settings of an estimator, checked before it is called."""

from __future__ import annotations

from inspect import Parameter, signature
from typing import Any

import torch

from sk_posenc.networks.coordinate_module import CoordinateModule

# What each network must take by name, and the settings that it may take.
_NEEDED = ("in_features", "out_features", "encoder", "generator")
_SETTINGS = ("hidden_layer_sizes", "activation", "output_activation")
# Rows of which the shape of an output is seen.
_ROWS = 3
_PAGE = "the guide's page 'Add a network' has an example"


def check_module(net: Any) -> None:
    """Raise for a class that is no network over coordinates."""
    module = net.module
    if not (isinstance(module, type) and issubclass(module, CoordinateModule)):
        raise TypeError(
            f"module must be a class that derives from sk_posenc.CoordinateModule; {_PAGE}. "
            f"Got {module!r}."
        )
    missing = [name for name in _NEEDED if not _takes(module, name)]
    if missing:
        raise TypeError(
            f"module must take {', '.join(_NEEDED)} by name; {_PAGE}. {module.__name__} does not "
            f"take {', '.join(missing)}. Got {module!r}."
        )
    unread = [name for name in _set_by_user(net) if not _takes(module, name)]
    if unread:
        raise TypeError(
            f"{', '.join(unread)} cannot be set, as {module.__name__} does not take it: leave it "
            f"at its default, or let __init__ take it. Got module={module!r}."
        )


def settings_for_module(net: Any) -> dict[str, Any]:
    """The settings of an estimator that its network takes."""
    return {
        name: getattr(net, name)
        for name in _SETTINGS
        if hasattr(net, name) and _takes(net.module, name)
    }


def check_built(module: Any, in_features: int, out_features: int) -> None:
    """Raise for a network of other widths than it was told, or one that was not set up."""
    widths = getattr(module, "in_features", None), getattr(module, "out_features", None)
    if widths != (in_features, out_features):
        raise ValueError(
            f"{type(module).__name__} must pass in_features and out_features on to "
            f"super().__init__; {_PAGE}. Expected {in_features} and {out_features}. "
            f"Got {widths[0]} and {widths[1]}."
        )
    if not list(module.parameters()):
        raise ValueError(f"{type(module).__name__} has no parameters to train: {_PAGE}.")


@torch.no_grad()
def check_output(module: CoordinateModule, n_features: int) -> None:
    """Raise for a network whose output has another shape than (n_rows, out_features)."""
    was_training = module.training
    try:
        with torch.random.fork_rng(devices=[]):  # a forward of one's own may draw
            found = module.eval()(torch.zeros(_ROWS, n_features))
    finally:
        module.train(was_training)
    wanted = (_ROWS, module.out_features)
    shape = tuple(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
    if shape != wanted:
        raise ValueError(
            f"{type(module).__name__}.forward must return a tensor of shape (n_rows, "
            f"out_features), {wanted} for {_ROWS} rows; {_PAGE}. Got {shape}."
        )


def _takes(module: type, name: str) -> bool:
    parameters = signature(module).parameters
    return name in parameters or any(p.kind is Parameter.VAR_KEYWORD for p in parameters.values())


def _set_by_user(net: Any) -> list[str]:
    defaults = signature(type(net)).parameters
    return [
        name
        for name in _SETTINGS
        if name in defaults and repr(getattr(net, name)) != repr(defaults[name].default)
    ]
