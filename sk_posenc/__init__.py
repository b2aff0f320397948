"""Positional encodings for signals over coordinates, as scikit-learn estimators.

Encoders turn coordinates into features, heads fit signals on them, and scorers
measure what an encoding can memorise and how well it carries over between
samples. Names that need torch load it on first use.
"""

import importlib
from typing import Any

__version__ = "0.1.0.dev0"

# Each public name and the module that holds it; modules load on first use.
_MODULE_OF = {
    "CoordinateKFold": "model_selection",
    "CoordinateMLP": "coordinate_mlp",
    "CoordinateMLPRegressor": "coordinate_mlp",
    "grid_samples": "datasets",
    "load_signal": "datasets",
    "samples_to_grid": "datasets",
}

__all__ = sorted(_MODULE_OF)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'sk_posenc' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"sk_posenc.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
