# Every public name and its module. Type checkers read this, and lazy_loader when it is imported.

from .analysis import EncodingReport, encoding_report
from .bases import Basis
from .coordinate_mlp import CoordinateMLPRegressor
from .coordinate_network import CoordinateMLP
from .datasets import grid_samples, load_signal, samples_to_grid
from .encoder_module import EncoderModule
from .fourier import FourierEncoder, LogFourierEncoder, RandomFourierEncoder
from .kronecker import KroneckerRidge, KroneckerRidgeCV
from .learnable import LearnableFourierEncoder
from .metrics import (
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
from .model_selection import CoordinateKFold
from .network_kernel import network_similarity, network_stable_rank, tangent_kernel
from .plotting import BasisDisplay, ReconstructionDisplay, SpectrumDisplay, TradeoffDisplay
from .shifted_basis import ShiftedBasisEncoder
from .suggestion import Suggestion, suggest_encoder

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

__version__: str
