"""Positional encodings for signals over coordinates, as scikit-learn estimators.

Encoders turn coordinates into features, heads fit signals on them, and scorers
measure what an encoding can memorise and how well it carries over between
samples. Names that need torch or matplotlib load them on first use.
"""

import importlib
from typing import TYPE_CHECKING, Any

from sk_posenc.analysis import EncodingReport, encoding_report
from sk_posenc.bases import Basis
from sk_posenc.datasets import grid_samples, load_signal, samples_to_grid
from sk_posenc.fourier import FourierEncoder, LogFourierEncoder, RandomFourierEncoder
from sk_posenc.kronecker import KroneckerRidge, KroneckerRidgeCV
from sk_posenc.learnable import LearnableFourierEncoder
from sk_posenc.metrics import (
    distance_preservation,
    distance_preservation_scorer,
    make_psnr_scorer,
    psnr_score,
    psnr_scorer,
    similarity_radius,
    similarity_radius_scorer,
    stable_rank,
    stable_rank_scorer,
)
from sk_posenc.model_selection import CoordinateKFold
from sk_posenc.network_kernel import network_similarity, network_stable_rank, tangent_kernel
from sk_posenc.shifted_basis import ShiftedBasisEncoder
from sk_posenc.suggestion import Suggestion, suggest_encoder

if TYPE_CHECKING:
    from sk_posenc.coordinate_mlp import CoordinateMLPRegressor
    from sk_posenc.coordinate_network import CoordinateMLP
    from sk_posenc.encoder_module import EncoderModule
    from sk_posenc.plotting import (
        BasisDisplay,
        ReconstructionDisplay,
        SpectrumDisplay,
        TradeoffDisplay,
    )

__all__ = [
    "Basis",
    "BasisDisplay",
    "CoordinateKFold",
    "CoordinateMLP",
    "CoordinateMLPRegressor",
    "EncoderModule",
    "EncodingReport",
    "FourierEncoder",
    "KroneckerRidge",
    "KroneckerRidgeCV",
    "LearnableFourierEncoder",
    "LogFourierEncoder",
    "RandomFourierEncoder",
    "ReconstructionDisplay",
    "ShiftedBasisEncoder",
    "SpectrumDisplay",
    "Suggestion",
    "TradeoffDisplay",
    "distance_preservation",
    "distance_preservation_scorer",
    "encoding_report",
    "grid_samples",
    "load_signal",
    "make_psnr_scorer",
    "network_similarity",
    "network_stable_rank",
    "psnr_score",
    "psnr_scorer",
    "samples_to_grid",
    "similarity_radius",
    "similarity_radius_scorer",
    "stable_rank",
    "stable_rank_scorer",
    "suggest_encoder",
    "tangent_kernel",
]

__version__ = "0.1.0.dev0"

# What needs torch or matplotlib loads on first use: name -> module.
_LAZY = {
    "BasisDisplay": "plotting",
    "CoordinateMLP": "coordinate_network",
    "CoordinateMLPRegressor": "coordinate_mlp",
    "EncoderModule": "encoder_module",
    "ReconstructionDisplay": "plotting",
    "SpectrumDisplay": "plotting",
    "TradeoffDisplay": "plotting",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'sk_posenc' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"sk_posenc.{_LAZY[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
