# Every public name and its module. Type checkers read this, and lazy_loader when it is imported.

from .core.poor_fit import PoorFitWarning
from .core.stable_rank import stable_rank
from .datasets.grid_samples import grid_samples, samples_to_grid
from .datasets.signals import load_signal
from .encoders.basis import Basis
from .encoders.fourier import FourierEncoder
from .encoders.learnable import LearnableFourierEncoder
from .encoders.log_fourier import LogFourierEncoder
from .encoders.multigrid import MultigridEncoder
from .encoders.random_fourier import RandomFourierEncoder
from .encoders.shifted_basis import ShiftedBasisEncoder
from .encoders.spacing import SpacingTransformer
from .encoders.sphere_coordinates import SphereCoordinates
from .encoders.spherical_harmonics import SphericalHarmonicEncoder
from .graphs.anchor_distance import AnchorDistanceEncoder
from .graphs.anchor_path import AnchorPathEncoder
from .graphs.anchor_path_classifier import AnchorPathClassifier
from .graphs.anchor_path_regressor import AnchorPathRegressor
from .graphs.path_preservation import make_path_preservation_scorer, path_preservation
from .kronecker.ridge import KroneckerRidge
from .kronecker.ridge_cv import KroneckerRidgeCV
from .kronecker.seasonal_ridge import SeasonalRidge
from .maps.fill_grid import fill_grid
from .maps.predict_grid import predict_grid
from .measures.distance_preservation import distance_preservation
from .measures.encoding_report import encoding_report
from .measures.psnr import psnr_score
from .measures.report import EncodingReport
from .measures.scorers import (
    distance_preservation_scorer,
    make_distance_preservation_scorer,
    make_psnr_scorer,
    psnr_scorer,
    similarity_radius_scorer,
    stable_rank_scorer,
)
from .measures.similarity_radius import similarity_radius
from .networks.classifier import CoordinateMLPClassifier
from .networks.coordinate_module import CoordinateModule
from .networks.encoder_module import EncoderModule
from .networks.mlp import CoordinateMLP
from .networks.network_similarity import network_similarity, network_stable_rank
from .networks.regressor import CoordinateMLPRegressor
from .networks.tangent_kernel import tangent_kernel
from .plotting.basis_display import BasisDisplay
from .plotting.layer_rank_display import LayerRankDisplay
from .plotting.reconstruction_display import ReconstructionDisplay
from .plotting.spectrum_display import SpectrumDisplay
from .plotting.tradeoff_display import TradeoffDisplay
from .selection.coordinate_folds import CoordinateKFold
from .selection.perturbation_search import PerturbationSearchCV
from .selection.suggestion import Suggestion, suggest_encoder
from .series.attention import ToeplitzAttention
from .series.attention_regressor import ToeplitzAttentionRegressor
from .series.augmenter import PositionAugmenter
from .series.positive_features import PositiveRandomFeatures
from .series.toeplitz import toeplitz_matmul

__all__ = [
    "AnchorDistanceEncoder",
    "AnchorPathClassifier",
    "AnchorPathEncoder",
    "AnchorPathRegressor",
    "Basis",
    "BasisDisplay",
    "CoordinateKFold",
    "CoordinateMLP",
    "CoordinateMLPClassifier",
    "CoordinateMLPRegressor",
    "CoordinateModule",
    "EncoderModule",
    "EncodingReport",
    "FourierEncoder",
    "KroneckerRidge",
    "KroneckerRidgeCV",
    "LayerRankDisplay",
    "LearnableFourierEncoder",
    "LogFourierEncoder",
    "MultigridEncoder",
    "PerturbationSearchCV",
    "PoorFitWarning",
    "PositionAugmenter",
    "PositiveRandomFeatures",
    "RandomFourierEncoder",
    "ReconstructionDisplay",
    "SeasonalRidge",
    "ShiftedBasisEncoder",
    "SpacingTransformer",
    "SpectrumDisplay",
    "SphereCoordinates",
    "SphericalHarmonicEncoder",
    "Suggestion",
    "ToeplitzAttention",
    "ToeplitzAttentionRegressor",
    "TradeoffDisplay",
    "distance_preservation",
    "distance_preservation_scorer",
    "encoding_report",
    "fill_grid",
    "grid_samples",
    "load_signal",
    "make_distance_preservation_scorer",
    "make_path_preservation_scorer",
    "make_psnr_scorer",
    "network_similarity",
    "network_stable_rank",
    "path_preservation",
    "predict_grid",
    "psnr_score",
    "psnr_scorer",
    "samples_to_grid",
    "similarity_radius",
    "similarity_radius_scorer",
    "stable_rank",
    "stable_rank_scorer",
    "suggest_encoder",
    "tangent_kernel",
    "toeplitz_matmul",
]

__version__: str
