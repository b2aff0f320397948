"""The contract of every public callable: a finite result, or an error that says what to do.

    python tests/contract.py --examples 2000 [NAME ...]

draws inputs and settings of any kind for each target, and prints how many examples it has seen and
what broke: a wrong kind of exception, a message that does not name what was wrong, a warning of
NumPy, a result that is not finite, inputs that were changed, a fitted estimator that a refused fit
has changed, and what took more than 20 seconds. ``test_contract.py`` draws fewer, by Hypothesis.
"""

import argparse
import copy
import inspect
import random
import re
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import torch
from scipy import sparse
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError

import sk_posenc
from sk_posenc import (
    AnchorDistanceEncoder,
    AnchorPathClassifier,
    AnchorPathEncoder,
    AnchorPathRegressor,
    CoordinateKFold,
    CoordinateMLP,
    CoordinateMLPClassifier,
    CoordinateMLPRegressor,
    EncoderModule,
    FourierEncoder,
    KroneckerRidge,
    KroneckerRidgeCV,
    LearnableFourierEncoder,
    LogFourierEncoder,
    MultigridEncoder,
    PerturbationSearchCV,
    PoorFitWarning,
    PositionAugmenter,
    PositiveRandomFeatures,
    RandomFourierEncoder,
    SeasonalRidge,
    ShiftedBasisEncoder,
    SpacingTransformer,
    SphereCoordinates,
    SphericalHarmonicEncoder,
    ToeplitzAttention,
    ToeplitzAttentionRegressor,
)

SLOW = 20.0
MOST_EPOCHS = 10
MEMORY = SimpleNamespace(available=2**28)  # so that nothing large is made, and all of it refused
REFUSALS = (ValueError, TypeError, NotFittedError)
# What scikit-learn calls what it was given, where it has no name for it.
ARRAYS = re.compile(
    r"\b[XyAEc]\b|(?i:y_true|y_pred|array|sample|feature|dtype|convert|complex|sparse|dimension)"
)
ABOUT_SELF = re.compile(r"(?i:fit|memory|GiB|diverge|domain)")

RNG = np.random.default_rng(0)
X = RNG.uniform(size=(30, 2))
y = np.sin(5 * X[:, 0]) + X[:, 1]
Z = RNG.uniform(size=(4, 2))
LABELS = np.where(y > 1, "b", "a")
RING = sparse.csr_array(np.roll(np.eye(30), 1, axis=1) + np.roll(np.eye(30), -1, axis=1))
NODES = np.arange(30)[:, None]
SPHERE = np.column_stack([360 * X[:, 0] - 180, 180 * X[:, 1] - 90])


def junk() -> list[Any]:
    """Values that hardly any setting takes, and some that many do."""
    return [
        None, True, False, 0, 1, 2, 3, -1, 10**15, 2**70, 0.0, 0.5, 1.5, -0.5, 1e-300, 1e300,
        np.nan, np.inf, -np.inf, 1j, "", "auto", "x", b"x", "1D", (), (1,), (1, 2), (0.5, np.nan),
        (1, 2, 3), [], [1.0, 2.0], [[1, 2], [3, 4]], ["x"], [None], {}, {"a": 1}, {1}, range(3),
        np.float32(2), np.int8(3), np.bool_(True), np.array([]), np.array([1.0, 2.0]),
        np.array(2.0), np.array(["a"]), torch.ones(2), object(), object, int, len, slice(None), ...,
        pd.Timestamp("2024-01-01"), pd.NaT, X, ShiftedBasisEncoder(), KroneckerRidge, np.random,
    ]  # fmt: skip


def tables() -> dict[str, Callable[[], Any]]:
    """Coordinates of any kind; each is made anew."""
    changed = {
        "NaN": np.nan,
        "inf": np.inf,
        "1e308": 1e308,
        "-1e30": -1e30,
        "text": "east",
        "1j": 1j,
    }

    def with_entry(value: Any) -> Any:
        array = X.astype(object if isinstance(value, str) else type(value))
        array[3, 0] = value
        return array

    return {
        **{name: (lambda v=v: with_entry(v)) for name, v in changed.items()},
        "one": lambda: X[:1].copy(),
        "two": lambda: X[:2].copy(),
        "three": lambda: X[:3].copy(),
        "same": lambda: np.repeat(X[:1], 30, axis=0),
        "collinear": lambda: np.outer(np.linspace(0, 1, 30), [1.0, 2.0]),
        "constant column": lambda: np.column_stack([X[:, 0], np.ones(30)]),
        "rounded column": lambda: np.column_stack([X[:, 0], 0.1 * 3 + 1e-17 * X[:, 1]]),
        "line": lambda: X[:, :1].copy(),
        "three axes": lambda: np.column_stack([X, X[:, 0] * X[:, 1]]),
        "far": lambda: X + 1e12,
        "tiny": lambda: X * 1e-300,
        "huge": lambda: X * 1e300,
        "far triangle": lambda: np.vstack([X[:27], X[:3] + 1e6]),
        "repeated": lambda: np.repeat(X[:10], 3, axis=0),
        "grid": lambda: np.stack(np.meshgrid(range(6), range(5)), -1).reshape(-1, 2),
        "float32": lambda: X.astype(np.float32),
        "float16": lambda: X.astype(np.float16),
        "long double": lambda: X.astype(np.longdouble),
        "big-endian": lambda: X.astype(">f8"),
        "whole": lambda: (9 * X).astype(int),
        "truth": lambda: X > 0.5,
        "columns first": lambda: np.asfortranarray(X),
        "read-only": lambda: _read_only(X),
        "frame": lambda: pd.DataFrame(X, columns=["a", "b"]),
        "dates": lambda: pd.DataFrame({"t": pd.date_range("2024", periods=30), "b": X[:, 0]}),
        "list": lambda: X.tolist(),
        "masked": lambda: np.ma.masked_array(X, X > 0.9),
        "tensor": lambda: torch.as_tensor(X),
        "sparse": lambda: sparse.csr_array(X),
        "graph": lambda: RING.copy(),
        "nodes": lambda: NODES.copy(),
        "no rows": lambda: X[:0].copy(),
        "no columns": lambda: X[:, :0].copy(),
        "flat": lambda: X[:, 0].copy(),
        "cube": lambda: X.reshape(5, 6, 2),
        "ragged": lambda: [[1.0], [1.0, 2.0]],
        "word": lambda: "X",
        "nothing": lambda: None,
        "dict": lambda: {"a": [1.0]},
    }


def targets() -> dict[str, Callable[[], Any]]:
    """Targets of any kind, of 30 rows where they have any."""

    def with_entry(value: Any) -> Any:
        array = y.astype(type(value))
        array[3] = value
        return array

    return {
        "NaN": lambda: with_entry(np.nan),
        "inf": lambda: with_entry(-np.inf),
        "1e39": lambda: with_entry(1e39),
        "1e300": lambda: y * 1e300,
        "1e-300": lambda: y * 1e-300,
        "far": lambda: y + 1e12,
        "constant": lambda: np.ones(30),
        "zero": lambda: np.zeros(30),
        "whole": lambda: np.arange(30),
        "truth": lambda: y > 1,
        "words": lambda: LABELS.copy(),
        "two": lambda: np.column_stack([y, 1e6 * y]),
        "column": lambda: y[:, None].copy(),
        "no outputs": lambda: np.ones((30, 0)),
        "cube": lambda: np.ones((30, 2, 2)),
        "short": lambda: y[:-1].copy(),
        "float32": lambda: y.astype(np.float32),
        "big-endian": lambda: y.astype(">f8"),
        "complex": lambda: y + 1j,
        "masked": lambda: np.ma.masked_array(y, y > 1.2),
        "series": lambda: pd.Series(y),
        "list": lambda: y.tolist(),
        "nothing": lambda: None,
        "word": lambda: "y",
    }


def _read_only(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array.flags.writeable = False
    return array


TABLES, TARGETS_ = tables(), targets()

# Values that settings take, by name. What is not here is left at its default, or gets junk.
PLAUSIBLE: dict[str, list[Any]] = {
    "stable_rank": ["auto", 2, 3.5, (3, 4)],
    "stable_ranks": [None, "auto", [0.2, 0.4]],
    "bandwidth": [None, 0.1, (0.1, 0.2), 0.01, 1e-12, 1e6],
    "basis": ["gaussian", "triangle", "rectangle", "impulse", "bspline", "sine", "matern32"],
    "boundary": ["extend", "periodic", "cut", ("extend", "periodic")],
    "domain": [None, (0, 1), [(0, 1), None], (0, 1e-12), (-1e9, 1e9), (5, 6)],
    "n_shifts": ["auto", 5, (4, 6)],
    "tensor_product": [False, True],
    "sparse_output": [False, True],
    "n_frequencies": ["auto", 1, 4],
    "max_frequency": [None, "auto", 0.5, 3.0, 100.0, 1e12],
    "sampling": ["qmc", "independent"],
    "alpha": ["auto", 0, 1e-6, 1.0, 1e300],
    "alphas": [None, "auto", [1e-3, 1.0], [1e-300, 1e300], [1.0]],
    "penalty": ["auto", "ridge", "slope", "curvature", 1.5, 2, "adaptive", "similarity", "radial"],
    "penalties": [None, ["ridge"], [2.0, "slope"], "adaptive"],
    "spacing": [0.0, 0.5, 1.0, (0.2, 0.9)],
    "tol": [0.1, 1e-8],
    "max_iter": [1, 1000],
    "nan_is_hole": [False, True],
    "covariates": [None, [1], [0]],
    "cv": [None, 2, 3, [([0, 1, 2, 3], [4, 5])], [([0], [99])], [([], [])]],
    "hidden_layer_sizes": [(4,), (), (3, 3)],
    "activation": ["relu", "tanh", "gelu", "sine", "gaussian", "sigmoid"],
    "output_activation": [None, "sigmoid", "tanh"],
    "lr_schedule": ["auto", "constant", "cosine", "linear"],
    "lr": ["auto", 1e-2, 10.0],
    "early_stopping": [None, 1, 3],
    "batch_size": ["auto", -1, 1, 16],
    "max_epochs": [1, 2],
    "train_encoder": ["auto", True, False],
    "encoder": [None, FourierEncoder(2), ShiftedBasisEncoder(stable_rank=3)],
    "periods": [0.25, [0.3, 0.1], [0.3, 0.3]],
    "trend": [True, False],
    "degree": [0, 1, 8],
    "unit": ["degrees", "radians"],
    "order": [1, 2, 3],
    "n_levels": ["auto", 1, 3],
    "coarsest": [1, 16],
    "finest": ["auto", 20],
    "smoothness": [0.0, 1.0, "auto"],
    "anchors": [1, 4, [0, 3]],
    "placement": ["random", "spread"],
    "aggregation": ["mean", "sum"],
    "gcn_layers": [0, 1],
    "random_state": [None, 0, np.random.RandomState(0)],
    "scheme": ["subgrid", "block", "random"],
    "metric": ["euclidean", "great_circle"],
    "n_splits": [2, 4, 30],
    "class_weight": [None, "balanced", {"a": 2.0}],
    "gamma": [None, 0.2],
    "mlp": [None, (4, 4)],
    "verbose": [0],
    "sample_weight": [None, np.ones(30), np.arange(30.0), np.zeros(30), -np.ones(30), np.ones(3)],
    "groups": [None, np.arange(30) % 5, np.arange(3)],
    "return_std": [False, True, "observation"],
    "derivative": [None, 1, (1, 0), 10**15],
}  # fmt: skip
# Not by chance: they write files, take long, or are objects of other libraries.
# The names of columns are checked by scikit-learn in some transformers.
LEFT = {
    "input_features",
    "checkpoint",
    "module",
    "criterion",
    "verbose",
    "iterator_train",
    "iterator_valid",
    "dataset",
}


class Chance:
    """What is drawn, by a random generator."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def one(self, options: list[Any]) -> Any:
        return self._random.choice(options)


class Call:
    """The arguments of a call, and which of them are not what they should be."""

    def __init__(self, chance: Any) -> None:
        self.chance = chance
        self.names: set[str] = set()  # all that a message may name
        self.suspects: set[str] = set()  # what may be wrong

    def rarely(self) -> bool:
        return bool(self.chance.one([False] * 7 + [True]))

    def setting(self, name: str, default: Any) -> Any:
        """A value of a setting, now and then of a wrong kind."""
        self.names.add(name)
        kind = self.chance.one(["default"] * 14 + ["plausible"] * 5 + ["junk"])
        if kind == "default" or name in LEFT:
            return default
        if kind == "plausible":
            return copy.deepcopy(self.chance.one(PLAUSIBLE.get(name, [default])))
        value = self.chance.one(junk())
        if name.endswith("epochs") and isinstance(value, int) and value > MOST_EPOCHS:
            return default  # is trained as long as it says
        self.suspects.add(name)
        return value

    def settings(self, function: Any, given: dict[str, Any], skip: tuple[str, ...] = ()) -> dict:
        """Values of all settings that a function takes."""
        drawn = {}
        for name, each in inspect.signature(function).parameters.items():
            if name in ("self", *skip) or each.kind in (each.VAR_KEYWORD, each.VAR_POSITIONAL):
                continue
            default = given.get(name, None if each.default is each.empty else each.default)
            drawn[name] = self.setting(name, default)
        return drawn

    def data(self, name: str, good: Any, kinds: dict[str, Callable[[], Any]]) -> Any:
        """An array, mostly a good one."""
        self.names.add(name)
        if self.chance.one([True, True, False]):
            return copy.deepcopy(good)
        self.suspects.add(name)
        return self.chance.one(list(kinds.items()))[1]()

    def says_why(self, error: Exception) -> bool:
        """Whether a message names an argument, or what scikit-learn calls it."""
        message = str(error)
        named = any(re.search(rf"\b{re.escape(name)}\b", message) for name in self.names)
        return bool(named or ARRAYS.search(message) or ABOUT_SELF.search(message))


class BrokenError(AssertionError):
    """A callable that did not hold its contract."""


def finite(result: Any) -> bool:
    """Whether all numbers of a result are finite."""
    if isinstance(result, tuple | list):
        return all(map(finite, result))
    if isinstance(result, torch.Tensor):
        return bool(torch.isfinite(result).all())
    if sparse.issparse(result):
        result = result.data
    if isinstance(result, float | np.ndarray) or np.isscalar(result):
        array = np.asarray(result)
        return array.dtype.kind not in "fc" or bool(np.isfinite(array).all())
    return True


def answer(
    call: Call, function: Callable[..., Any], *args: Any, passes: bool = False, **kwargs: Any
) -> Any:
    """The result of a call that keeps the contract; None where it is refused.

    What a function `passes` on as it is may be NaN or infinite.
    """
    before = [copy.deepcopy(each) for each in args if isinstance(each, np.ndarray)]
    started = time.process_time()
    with mock.patch("psutil.virtual_memory", return_value=MEMORY), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", RuntimeWarning)
        warnings.simplefilter("error", DeprecationWarning)
        try:
            result = function(*args, **kwargs)
        except REFUSALS as error:
            if not call.says_why(error):
                raise BrokenError(f"unclear: {type(error).__name__}: {error}") from error
            result = None
        except (PoorFitWarning, ConvergenceWarning):
            raise
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            raise BrokenError(
                f"{type(error).__name__}: {str(error)[:200]} ({where.filename.split('/')[-1]})"
            ) from error
    after = [each for each in args if isinstance(each, np.ndarray)]
    for one, other in zip(before, after, strict=True):
        if one.dtype != other.dtype or one.tobytes() != other.tobytes():
            raise BrokenError("an input was changed")
    if not passes and not finite(result):
        raise BrokenError("a result that is not finite")
    if time.process_time() - started > SLOW:
        raise BrokenError(f"slow: over {SLOW} s")
    return result


def estimator(made: BaseEstimator, good: tuple, methods: tuple[str, ...], **kinds: Any) -> Any:
    """The target of an estimator: settings, `fit`, a refused refit, and what it then answers."""
    given = made.get_params(deep=False)

    def run(chance: Any) -> None:
        call = Call(chance)
        drawn = call.settings(type(made).__init__, given)
        model = clone(made)
        is_refit = chance.one([False, True])
        if is_refit:
            model.fit(*copy.deepcopy(good))
        before = state(model, good) if is_refit else None
        fit_params = {}
        for name in ("sample_weight", "groups"):
            if name in inspect.signature(model.fit).parameters and call.rarely():
                fit_params[name] = call.setting(name, None)
        if is_refit:  # set_params of a fitted network acts at once
            for name, value in drawn.items():
                setattr(model, name, value)
        elif answer(call, model.set_params, **drawn) is None:
            return
        data = [call.data("X", good[0], kinds.get("X", TABLES))]
        if len(good) > 1:
            data.append(call.data("y", good[1], kinds.get("y", TARGETS_)))
        method = "partial_fit" if hasattr(model, "partial_fit") and call.rarely() else "fit"
        if answer(call, getattr(model, method), *data, **fit_params) is None:
            if is_refit:
                for name, value in given.items():
                    setattr(model, name, value)
                if before != state(model, good):
                    raise BrokenError(f"a refused {method} changed the fitted estimator")
            return
        for name in fitted_attributes(model):
            call.names.add(name)
            answer(call, told, model, name)
        for name in methods:
            function = getattr(model, name, None)
            if function is None:
                continue
            options = call.settings(function, {}, skip=("X", "y", "Y", "Xt"))
            asked = call.data("X", data[0], kinds.get("X", TABLES))
            rows = [asked] if name in _ONE else [asked, asked] if name == "similarity" else []
            if name == "score":
                rows = data
            answer(call, function, *rows, **options)

    return run


_ONE = {"transform", "predict", "predict_proba", "predict_components", "link_probabilities"}
_ONE |= {"inverse_transform", "augment", "split"}


# The condition number of what is singular, or that is not known; distances to what has no path.
_NOT_FINITE = {"condition_", "distances_"}


def fitted_attributes(model: Any) -> list[str]:
    """Public attributes that a fit has set, or works out when asked."""
    ends = [name for name in dir(model) if name.endswith("_") and name[0] != "_"]
    return sorted(set(ends) - _NOT_FINITE)


def told(model: Any, name: str) -> Any:
    """A fitted attribute; one that is not available says why in a ValueError here."""
    try:
        return getattr(model, name)
    except AttributeError as error:
        raise ValueError(str(error)) from error


def state(model: Any, good: tuple) -> bytes:
    """What a fitted estimator answers, to the last bit."""
    function = model.predict if hasattr(model, "predict") else model.transform
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = function(copy.deepcopy(good[0]))
    result = result.toarray() if sparse.issparse(result) else np.asarray(result)
    return result.tobytes() + repr(getattr(model, "n_features_in_", None)).encode()


def function(
    of: Callable, good: dict[str, Any], kinds: dict[str, Any] | None = None, passes: bool = False
) -> Any:
    """The target of a function: `good` arguments, of which some are drawn anew."""
    kinds = kinds or {}

    def run(chance: Any) -> None:
        call = Call(chance)
        arguments = call.settings(of, good)
        for name, options in kinds.items():
            arguments[name] = call.data(name, good[name], options)
        answer(call, of, passes=passes, **arguments)

    return run


NETWORK = {"hidden_layer_sizes": (4,), "max_epochs": 2, "batch_size": 16, "device": "cpu"}
TRANSFORMS = ("transform", "get_feature_names_out", "similarity", "inverse_transform")
PREDICTS = ("predict", "score", "predict_proba", "predict_components")
SERIES = RNG.normal(size=(6, 12))
FITTED = FourierEncoder(3).fit(X)
RIDGE = KroneckerRidge(alpha=1e-3).fit(X, y)
IMAGE = RNG.uniform(size=(6, 5))


def _figure(display: Callable[..., Any]) -> Callable[..., Any]:
    """A Display whose figure is closed again."""

    def drawn(**arguments: Any) -> Any:
        import matplotlib.pyplot as plt

        try:
            display(**arguments)
        finally:
            plt.close("all")
        return 0.0

    drawn.__signature__ = inspect.signature(display)  # type: ignore[attr-defined]
    return drawn


def _logged() -> CoordinateMLPRegressor:
    """A network that has recorded the stable ranks of its layers."""
    return CoordinateMLPRegressor(**NETWORK, log_stable_rank=True, random_state=0).fit(X, y)


def _images(holes: bool = True) -> dict[str, Callable[[], Any]]:
    shapes = {"image": IMAGE, "line": IMAGE[0], "volume": IMAGE[None], "number": np.array(1.0)}
    shapes |= {"whole": (9 * IMAGE).astype(int), "empty": IMAGE[:0], "words": IMAGE.astype(str)}
    if holes:
        missing = np.where(IMAGE > 0.7, np.nan, IMAGE)
        shapes |= {"holes": missing, "none": missing * np.nan}
    return {k: (lambda v=v: v.copy()) for k, v in shapes.items()}


def light() -> dict[str, Any]:
    """Targets that cost milliseconds an example."""
    plain = (X, y)
    found: dict[str, Any] = {
        type(each).__name__: estimator(
            each, (SPHERE,) if "Spher" in type(each).__name__ else (X,), TRANSFORMS
        )
        for each in (
            ShiftedBasisEncoder(),
            FourierEncoder(),
            LogFourierEncoder(4),
            RandomFourierEncoder(16),
            LearnableFourierEncoder(8, mlp=(4, 4)),
            MultigridEncoder(),
            SpacingTransformer(),
            SphereCoordinates(),
            SphericalHarmonicEncoder(3),
            PositiveRandomFeatures(8),
            PositionAugmenter(local_shift=0.1),
        )
    }
    found["AnchorDistanceEncoder"] = estimator(
        AnchorDistanceEncoder(4, graph=RING), (NODES,), TRANSFORMS
    )
    found["KroneckerRidge"] = estimator(KroneckerRidge(), plain, PREDICTS)
    arrays = {"A": TABLES}
    found["stable_rank"] = function(sk_posenc.stable_rank, {"A": X}, arrays)
    found["psnr_score"] = function(
        sk_posenc.psnr_score,
        {"y_true": y, "y_pred": y + 0.1},
        {"y_true": TARGETS_, "y_pred": TARGETS_},
    )
    found["distance_preservation"] = function(
        sk_posenc.distance_preservation, {"X": X, "E": X}, {"X": TABLES, "E": TABLES}
    )
    found["similarity_radius"] = function(sk_posenc.similarity_radius, {"encoder": FITTED})
    found["tangent_kernel"] = function(
        sk_posenc.tangent_kernel, {"cosine": X, "hidden_layers": 2}, {"cosine": TABLES}
    )
    found["network_similarity"] = function(
        sk_posenc.network_similarity,
        {"encoder": FITTED, "delta": X[:, 0], "hidden_layers": 1},
        {"delta": TABLES},
    )
    found["network_stable_rank"] = function(
        sk_posenc.network_stable_rank, {"encoder": FITTED, "hidden_layers": 1}
    )
    found["toeplitz_matmul"] = function(
        sk_posenc.toeplitz_matmul, {"c": np.arange(59.0), "X": X}, {"c": TARGETS_, "X": TABLES}
    )
    found["grid_samples"] = function(
        sk_posenc.grid_samples, {"values": IMAGE}, {"values": _images(holes=False)}
    )
    found["samples_to_grid"] = function(
        sk_posenc.samples_to_grid, {"y": y, "shape": (6, 5)}, {"y": TARGETS_}, passes=True
    )
    found["load_signal"] = function(sk_posenc.load_signal, {"name": "co2"})
    found["make_psnr_scorer"] = function(sk_posenc.make_psnr_scorer, {"data_range": 1.0})
    found["make_distance_preservation_scorer"] = function(
        sk_posenc.make_distance_preservation_scorer, {}
    )
    found["make_path_preservation_scorer"] = function(
        sk_posenc.make_path_preservation_scorer, {"graph": RING}, {"graph": TABLES}
    )
    found["path_preservation"] = function(
        sk_posenc.path_preservation, {"graph": RING, "E": X}, {"graph": TABLES, "E": TABLES}
    )
    for name in ("stable_rank_scorer", "distance_preservation_scorer", "similarity_radius_scorer"):
        found[name] = function(
            getattr(sk_posenc, name), {"estimator": FITTED, "X": X}, {"X": TABLES}
        )
    found["psnr_scorer"] = function(
        sk_posenc.psnr_scorer, {"estimator": RIDGE, "X": X, "y": y}, {"X": TABLES, "y": TARGETS_}
    )
    found["encoding_report"] = function(
        sk_posenc.encoding_report,
        {"encoder": FourierEncoder(), "X": X, "y": y},
        {"X": TABLES, "y": TARGETS_},
    )
    found["predict_grid"] = function(
        sk_posenc.predict_grid, {"model": RIDGE, "coords": [[0.1, 0.2], [0.3]]}
    )
    found["CoordinateKFold"] = _folds
    found["EncoderModule"] = function(
        lambda encoder, trainable=False, dtype=None: EncoderModule(
            encoder, trainable=trainable, dtype=dtype
        )(torch.as_tensor(X)),
        {"encoder": FITTED},
    )
    found["CoordinateMLP"] = function(CoordinateMLP, {"in_features": 2, "hidden_layer_sizes": (4,)})
    found["ToeplitzAttention"] = function(ToeplitzAttention, {"d_model": 8, "max_distance": 4})
    return found


def _folds(chance: Any) -> None:
    """Folds are made, and hold each row once."""
    call = Call(chance)
    drawn = call.settings(CoordinateKFold.__init__, {})
    rows = call.data("X", X, TABLES)
    call.names |= {"groups", "n_splits"}
    folds = answer(call, lambda: list(CoordinateKFold(**drawn).split(rows)))
    if folds is not None:
        held = np.sort(np.concatenate([test for _, test in folds]))
        if not np.array_equal(held, np.arange(len(held))):
            raise BrokenError("folds that do not hold each row once")


def heavy() -> dict[str, Any]:
    """Targets that train, search or draw."""
    small = {**NETWORK, "random_state": 0}
    graph = {"graph": RING, "max_epochs": 2, "hidden_layer_sizes": (4,), "device": "cpu"}
    plain = (X, y)
    found: dict[str, Any] = {
        "KroneckerRidgeCV": estimator(KroneckerRidgeCV(), plain, PREDICTS),
        "KroneckerRidgeCV listed": estimator(
            KroneckerRidgeCV(penalties=[2.0], alphas=[1e-3, 1.0]), plain, PREDICTS
        ),
        "KroneckerRidge adaptive": estimator(KroneckerRidge(penalty="adaptive"), plain, PREDICTS),
        "SeasonalRidge": estimator(SeasonalRidge([0.3]), (X[:, :1], y), PREDICTS),
        "CoordinateMLPRegressor": estimator(CoordinateMLPRegressor(**small), plain, PREDICTS),
        "CoordinateMLPClassifier": estimator(
            CoordinateMLPClassifier(**small), (X, LABELS), PREDICTS
        ),
        "AnchorPathRegressor": estimator(AnchorPathRegressor(4, **graph), (NODES, y), PREDICTS),
        "AnchorPathClassifier": estimator(
            AnchorPathClassifier(4, **graph), (NODES, LABELS), PREDICTS
        ),
        "AnchorPathEncoder": estimator(
            AnchorPathEncoder(4, graph=RING, max_epochs=2, device="cpu"), (NODES,), ("transform",)
        ),
        "ToeplitzAttentionRegressor": estimator(
            ToeplitzAttentionRegressor(8, n_heads=2, n_layers=1, max_epochs=2, device="cpu"),
            (SERIES, SERIES[:, 0]),
            ("predict", "score"),
        ),
        "PerturbationSearchCV": estimator(
            PerturbationSearchCV(
                CoordinateMLPRegressor(**small),
                [FourierEncoder(2), ShiftedBasisEncoder(stable_rank=3)],
                search_epochs=1,
                tune_epochs=1,
            ),
            plain,
            ("predict", "score"),
        ),
        "suggest_encoder": function(
            sk_posenc.suggest_encoder,
            {"X": X, "y": y, "regressor": KroneckerRidge(), "random_state": 0},
            {"X": TABLES, "y": TARGETS_},
        ),
        "fill_grid": function(
            sk_posenc.fill_grid,
            {
                "values": np.where(IMAGE > 0.7, np.nan, IMAGE),
                "model": KroneckerRidge(nan_is_hole=True),
            },
            {"values": _images()},
        ),
    }
    displays = {
        "BasisDisplay": {
            "from_bases": {"bases": "gaussian"},
            "from_estimator": {"estimator": FITTED},
        },
        "LayerRankDisplay": {"from_estimator": {"estimator": _logged()}},
        "SpectrumDisplay": {"from_estimator": {"estimator": FITTED, "X": X}},
        "TradeoffDisplay": {"from_estimator": {"estimator": FITTED, "X": X}},
        "ReconstructionDisplay": {
            "from_estimator": {"estimator": RIDGE, "X": X, "y": y},
            "from_predictions": {"X": X, "y_true": y, "y_pred": y},
        },
    }
    for name, ways in displays.items():
        for way, good in ways.items():
            of = getattr(getattr(sk_posenc, name), way)
            kinds = {
                k: TABLES if k == "X" else TARGETS_
                for k in good
                if k in ("X", "y", "y_true", "y_pred")
            }
            found[f"{name}.{way}"] = function(_figure(of), good, kinds)
    return found


def kind(error: BaseException) -> str:
    """What broke, without its numbers."""
    return re.sub(r"[-+]?\d[\d.e+-]*", "#", str(error))[:150] or type(error).__name__


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--examples", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--trace", action="store_true", help="the traceback of each kind")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    targets = {**light(), **heavy()}
    print("| target | examples | failures | CPU s |\n|---|---|---|---|")
    for name in asked.names or targets:
        broken: Counter[str] = Counter()
        seeds: dict[str, int] = {}
        started = time.process_time()
        for seed in range(asked.first, asked.first + asked.examples):
            try:
                targets[name](Chance(seed))
            except Exception as error:
                what = kind(error) if isinstance(error, BrokenError) else f"harness {error!r}"[:150]
                if what not in seeds and asked.trace:
                    traceback.print_exc(file=sys.stdout)
                broken[what] += 1
                seeds.setdefault(what, seed)
        spent = time.process_time() - started
        print(f"| {name} | {asked.examples} | {broken.total()} | {spent:.0f} |", flush=True)
        for what, n in broken.most_common():
            print(f"    {n} x {what!r}, first seed {seeds[what]}", flush=True)


if __name__ == "__main__":
    main()
