"""The error of a head on an encoding, estimated without training it: one criterion per kind."""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, Ridge, RidgeCV
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline

from sk_posenc.core.arrays import to_numpy
from sk_posenc.core.encoding import Encoding
from sk_posenc.kronecker.ridge import KroneckerRidge
from sk_posenc.kronecker.ridge_cv import KroneckerRidgeCV
from sk_posenc.networks.tangent_kernel import tangent_kernel
from sk_posenc.selection._expected_error import (
    expected_error,
    in_cells,
    neighbourhood,
    places_between,
    regression_weights,
    roughness,
)
from sk_posenc.selection._leave_one_out import LeaveOneOut

# Rows that are used by default.
_NETWORK_ROWS, _LINEAR_ROWS = 256, 4096

# Places between the samples where the error of a network is expected.
_PLACES = 160

# Kernel time of one step of Adam with learning rate 1; see the Notes of `suggest_encoder`.
_TIME_PER_STEP = 1e4


def head_of(regressor: Any) -> Any:
    """The linear head or network in what was given."""
    head = regressor
    if isinstance(regressor, Pipeline):
        *before, (_, head) = regressor.steps
        others = [step for _, step in before if not _is_placeholder(step)]
        if others or len(before) > 1:
            raise TypeError(
                "a Pipeline must be two steps, an encoder and a regressor: transform X first, "
                f"and pass the last step. Got {regressor!r}."
            )
    if _is_network(head) and head.activation != "relu":
        raise ValueError(
            "only ReLU networks can be ranked by their tangent kernel: use GridSearchCV for "
            f"others. Got activation={head.activation!r}."
        )
    linear = LinearRegression, Ridge, RidgeCV, KroneckerRidge, KroneckerRidgeCV
    if isinstance(head, linear) or _is_network(head):
        return head
    raise TypeError(
        "regressor must be LinearRegression, Ridge, RidgeCV, KroneckerRidge, KroneckerRidgeCV, "
        "MLPRegressor or CoordinateMLPRegressor, or a Pipeline of an encoder and one of them: use "
        f"GridSearchCV and CoordinateKFold for others. Got {regressor!r}."
    )


def _is_placeholder(step: Any) -> bool:
    return step is None or step == "passthrough" or isinstance(step, Encoding)


def _is_network(head: Any) -> bool:
    """Whether it is an MLPRegressor, or a CoordinateMLPRegressor, whose module loads torch."""
    if isinstance(head, MLPRegressor):
        return True
    return any(kind.__name__ == "CoordinateMLPRegressor" for kind in type(head).__mro__)


def _training_time(head: Any, n_samples: int) -> float:
    r"""Kernel time :math:`\tau` that corresponds to the training of a network."""
    _check_optimizer(head)
    if isinstance(head, MLPRegressor):
        size = min(200, n_samples) if head.batch_size == "auto" else int(head.batch_size)
        epochs, rate = int(head.max_iter), float(head.learning_rate_init)
    else:
        from sk_posenc.networks.settings import batch_size_of, chosen, epochs_of

        size = batch_size_of(head.batch_size, n_samples)
        epochs, rate = epochs_of(head.max_epochs, n_samples, size), float(chosen(head, "lr"))
        if head.lr_schedule in ("cosine", "linear"):
            rate /= 2  # the mean over training
    steps = epochs * math.ceil(n_samples / size)
    if steps == 0:
        raise ValueError("the network is not trained at all: raise its number of epochs.")
    return _TIME_PER_STEP * steps * rate


def _layers_of(head: Any) -> Any:
    if isinstance(head, MLPRegressor):
        return head.hidden_layer_sizes
    from sk_posenc.networks.settings import chosen

    return chosen(head, "hidden_layer_sizes")


def _check_optimizer(head: Any) -> None:
    """Raise for optimisers for which the factor is not calibrated."""
    name = head.solver if isinstance(head, MLPRegressor) else head.optimizer.__name__
    if name.lower() not in ("adam", "adamw"):
        raise ValueError(
            "training_time is known for Adam only: pass it for other optimisers, as 10,000 times "
            "the steps times the learning rate of an Adam that would learn as much. "
            f"Got {name!r}."
        )


def criterion_for(
    head: Any,
    X: NDArray,
    y: NDArray,
    max_samples: int | None,
    training_time: float | None,
    rng: np.random.RandomState,
) -> Criterion:
    """What ranks encodings for a head."""
    if isinstance(head, KroneckerRidge | KroneckerRidgeCV):
        return _Kronecker(head, X, y)
    Y = y.reshape(len(y), -1).astype(np.float64)
    if isinstance(head, LinearRegression | Ridge | RidgeCV):
        return _Linear(head, X, Y, max_samples or _LINEAR_ROWS)
    tau = _training_time(head, len(X)) if training_time is None else training_time
    return _Network(head, X, Y, max_samples or _NETWORK_ROWS, tau, rng)


class Criterion(Protocol):
    """The squared error of a head on an encoding, estimated without training it."""

    name: str
    n_samples: int
    exponent: float | None  # how rough the signal is, where that decides

    def error_of(self, encoder: Any) -> tuple[float, Any]:
        """The error, and the encoder, which is fitted."""


class _Network:
    """The error that a network is expected to make between samples."""

    name = "Expected between the samples by the tangent kernel"

    def __init__(
        self, head: Any, X: NDArray, Y: NDArray, n_rows: int, tau: float, rng: Any
    ) -> None:
        cells = in_cells(X)
        rough = roughness(cells, Y, rng)
        self.exponent: float | None = rough.exponent
        rows = neighbourhood(cells, n_rows)
        places = places_between(cells[rows], _PLACES, rng)
        self._all, self._n = X, len(rows)
        gaps = np.ptp(cells, axis=0)
        unit = np.ptp(X, axis=0) / np.where(gaps > 0, gaps, 1.0)
        self._X = np.concatenate([X[rows], (X.min(axis=0) + places * unit).astype(X.dtype)])
        self._layers = len(np.atleast_1d(_layers_of(head)))
        self._ridge = len(X) / tau
        at = np.concatenate([cells[rows], places])
        variogram = _distances(at, cells[rows]) ** rough.exponent * rough.scale
        self._variogram, self._cross = variogram[: self._n], variogram[self._n :]
        self.n_samples = self._n

    def error_of(self, encoder: Any) -> tuple[float, Any]:
        n = self._n
        E = _dense(encoder.fit(self._all).transform(self._X))
        E = E - E[:n].mean(axis=0)
        norms = np.sqrt(np.sum(E**2, axis=1))
        E /= np.maximum(norms, 1e-3 * norms.mean() or 1.0)[:, None]
        # single precision is far finer than the ridge, and twice as fast
        cosine = np.clip(E @ E[:n].T, -1, 1).astype(np.float32)
        kernel = tangent_kernel(cosine, self._layers).astype(np.float64)
        weights = regression_weights(kernel[:n], kernel[n:], self._ridge)
        return expected_error(weights, self._cross, self._variogram), encoder


class _Linear:
    """Leave-one-out of a linear model on encoded coordinates."""

    name = "By leave-one-out"
    exponent: float | None = None

    def __init__(self, head: Any, X: NDArray, Y: NDArray, n_rows: int) -> None:
        rows = neighbourhood(in_cells(X), n_rows) if len(X) > n_rows else np.arange(len(X))
        self._all, self._X, self._Y = X, X[rows], Y[rows]
        self._intercept = bool(head.fit_intercept)
        self._alphas = _alphas_of(head, Y.shape[1])
        self.n_samples = len(rows)

    def error_of(self, encoder: Any) -> tuple[float, Any]:
        E = _dense(encoder.fit(self._all).transform(self._X)).astype(np.float64)
        left_out = LeaveOneOut(E, fit_intercept=self._intercept)
        errors = []
        for alphas in self._alphas:
            residuals = [
                left_out.residuals(y[:, None], float(alpha))
                for y, alpha in zip(self._Y.T, alphas, strict=True)
            ]
            errors.append(float(np.mean(np.square(residuals))))
        return min(errors), encoder


class _Kronecker:
    """Leave-one-out of a Kronecker ridge on the product of encodings, or its own folds."""

    name = "By the search of the Kronecker ridge"
    exponent: float | None = None

    def __init__(self, head: Any, X: NDArray, y: NDArray) -> None:
        self._head, self._X, self._y, self.n_samples = head, X, y, len(X)

    def _search_of(self, encoder: Any) -> KroneckerRidgeCV:
        head = self._head
        if isinstance(head, KroneckerRidgeCV):
            return clone(head).set_params(encoders=[encoder])
        alpha, penalty = head._settings_for(self._X, encoder)
        return KroneckerRidgeCV(
            [encoder], alphas=[alpha], penalties=[penalty], tol=head.tol, max_iter=head.max_iter
        )

    def error_of(self, encoder: Any) -> tuple[float, Any]:
        search = self._search_of(encoder).fit(self._X, self._y)
        return -search.best_score_, encoder.fit(self._X)


def _distances(first: NDArray, second: NDArray) -> NDArray[np.float64]:
    return np.sqrt(np.sum((first[:, None] - second[None]) ** 2, axis=2))


def _dense(E: Any) -> NDArray:
    return E.toarray() if sparse.issparse(E) else np.asarray(to_numpy(E))


def _alphas_of(head: Any, n_outputs: int) -> list[NDArray[np.float64]]:
    """Strengths of the ridge to choose from, each one per output."""
    if isinstance(head, LinearRegression):
        if head.positive:
            raise ValueError("positive=True makes LinearRegression non-linear in y: use False.")
        return [np.zeros(n_outputs)]
    if isinstance(head, RidgeCV):
        return [np.full(n_outputs, float(alpha)) for alpha in np.ravel(head.alphas)]
    if head.positive:
        raise ValueError("positive=True makes Ridge non-linear in y: use False.")
    alphas = np.ravel(np.asarray(head.alpha, dtype=np.float64))
    if alphas.size not in (1, n_outputs):
        raise ValueError(
            f"alpha must be one number or one per output: y has {n_outputs}. Got {head.alpha!r}."
        )
    return [np.broadcast_to(alphas, (n_outputs,))]
