"""Scorers of encodings and predictions, for searches of scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.metadata_routing import MetadataRequest

from sk_posenc.core.arrays import to_numpy
from sk_posenc.core.settings import parse_positive
from sk_posenc.core.sphere import parse_metric, quarter_of
from sk_posenc.core.stable_rank import stable_rank
from sk_posenc.measures.distance_preservation import distance_preservation
from sk_posenc.measures.held_encoder import encoder_within, encoding_by
from sk_posenc.measures.psnr import psnr_score
from sk_posenc.measures.similarity_radius import similarity_radius


def stable_rank_scorer(estimator: Any, X: Any, y: Any = None) -> float:
    """Stable rank of the encoding of `X`, the whole matrix of all axes.

    A scorer for GridSearchCV, on an encoder, a Pipeline that ends in one, a Pipeline
    that ends in a regressor, or a regressor that holds its encoder. It measures the rows
    that it is given: in a search, the rows held out. It shows what an encoding can
    memorise, not how well it fits: by itself, ``refit="stable_rank"`` chooses the largest
    stable rank among the candidates, even if it generalises badly between samples.

    Parameters
    ----------
    estimator : fitted estimator
    X : array-like of shape (n_samples, n_axes)
    y : ignored

    Returns
    -------
    float

    Raises
    ------
    TypeError
        Where the estimator neither encodes nor holds an encoder.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posenc import ShiftedBasisEncoder, stable_rank_scorer
    >>> X = np.linspace(0, 1, 500)[:, None]
    >>> encoder = ShiftedBasisEncoder(stable_rank=16).fit(X)
    >>> round(stable_rank_scorer(encoder, X), 1)
    16.1
    """
    return stable_rank(encoding_by(estimator, X))


def distance_preservation_scorer(estimator: Any, X: Any, y: Any = None) -> float:
    """Distance preservation of the encoding of `X`, over a fixed draw of pairs.

    Works where :func:`stable_rank_scorer` does, on the rows that it is given. By itself it
    chooses the smoothest encoding, which memorises nothing.

    Parameters
    ----------
    estimator : fitted estimator
    X : array-like of shape (n_samples, n_axes)
    y : ignored

    Returns
    -------
    float

    Raises
    ------
    TypeError
        Where the estimator neither encodes nor holds an encoder.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posenc import ShiftedBasisEncoder, distance_preservation_scorer
    >>> X = np.linspace(0, 1, 500)[:, None]
    >>> smooth, sharp = (ShiftedBasisEncoder(stable_rank=rank).fit(X) for rank in (2, 64))
    >>> distance_preservation_scorer(smooth, X) > distance_preservation_scorer(sharp, X)
    True
    """
    return distance_preservation(X, encoding_by(estimator, X), random_state=0)


def make_distance_preservation_scorer(
    *, metric: str = "euclidean", unit: str = "degrees"
) -> _DistancePreservationScorer:
    """A scorer of encodings by :func:`distance_preservation`, with a metric of choice.

    ``distance_preservation_scorer`` is that of the metric "euclidean".

    Parameters
    ----------
    metric : {"euclidean", "great_circle"}, default="euclidean"
        The distance of coordinates. "great_circle": the shortest way on a sphere; the columns of
        `X` are longitude and latitude.
    unit : {"degrees", "radians"}, default="degrees"
        Unit of longitude and latitude, with `metric` "great_circle".

    Returns
    -------
    callable
        ``scorer(estimator, X, y=None)``, greater is better, over a fixed draw of pairs.

    Raises
    ------
    ValueError
        For an unknown `metric` or `unit`.
    TypeError
        For a `metric` or `unit` that is not a string.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posenc import (
    ...     FourierEncoder,
    ...     SphericalHarmonicEncoder,
    ...     make_distance_preservation_scorer,
    ... )
    >>> rng = np.random.default_rng(0)
    >>> X = np.column_stack([rng.uniform(-180, 180, 300), rng.uniform(-90, 90, 300)])
    >>> score = make_distance_preservation_scorer(metric="great_circle")
    >>> for encoder in (FourierEncoder(stable_rank=3), SphericalHarmonicEncoder(1)):
    ...     print(round(score(encoder.fit(X), X), 2))
    0.62
    0.97
    """
    return _DistancePreservationScorer(metric, unit)


class _DistancePreservationScorer:
    """``scorer(estimator, X, y=None)``, which can be pickled."""

    def __init__(self, metric: str, unit: str) -> None:
        quarter_of(unit)
        self._metric, self._unit = parse_metric(metric), unit

    def __call__(self, estimator: Any, X: Any, y: Any = None) -> float:
        E = encoding_by(estimator, X)
        return distance_preservation(X, E, random_state=0, metric=self._metric, unit=self._unit)

    def __repr__(self) -> str:
        settings = f"metric={self._metric!r}, unit={self._unit!r}"
        return f"make_distance_preservation_scorer({settings})"


def similarity_radius_scorer(estimator: Any, X: Any = None, y: Any = None) -> float:
    """Similarity radius of the encoder as a share of its domain, mean over the axes.

    Works on an encoder of this package, a Pipeline that has one, or a regressor that holds
    one. A FeatureUnion or ColumnTransformer has no single radius. `X` is not needed: the
    radius is known after ``fit``.

    Parameters
    ----------
    estimator : fitted estimator
    X, y : ignored

    Returns
    -------
    float

    Raises
    ------
    TypeError
        Where the estimator is not an encoder of this package and does not hold a single one.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posenc import ShiftedBasisEncoder, similarity_radius_scorer
    >>> encoder = ShiftedBasisEncoder(stable_rank=16).fit(np.linspace(0, 1, 500)[:, None])
    >>> round(similarity_radius_scorer(encoder), 4)  # sqrt(ln 10 / pi) / 16
    0.0535
    """
    encoder = encoder_within(estimator)
    radius = similarity_radius(encoder)  # which says where the encoder is not fitted
    low, high = to_numpy(encoder.domain_).T
    return float(np.mean(radius / (high - low)))


def predictions(estimator: Any, X: Any) -> Any:
    """Predictions of a fitted regressor; TypeError for what predicts nothing."""
    if isinstance(estimator, type) or not hasattr(estimator, "predict"):
        raise TypeError(f"expected a fitted regressor. Got {estimator!r}.")
    return estimator.predict(X)


class _PSNRScorer:
    """PSNR in dB of the predictions of an estimator, for signals of a given range.

    ``scorer(estimator, X, y, sample_weight=None)``; ``psnr_scorer`` has the range 1, others come
    from :func:`make_psnr_scorer`.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posenc import KroneckerRidge, psnr_scorer
    >>> X = np.linspace(0, 1, 50)[:, None]
    >>> y = 0.5 + 0.5 * np.sin(6 * X[:, 0])
    >>> psnr_scorer(KroneckerRidge(alpha=1).fit(X, y), X, y) > 20
    True
    """

    def __init__(self, data_range: float) -> None:
        parse_positive(data_range, "data_range")
        self._data_range = data_range
        self._requests = MetadataRequest(owner=repr(self))
        self._requests.score.add_request(param="sample_weight", alias=None)

    def __call__(self, estimator: Any, X: Any, y: Any, sample_weight: Any = None) -> float:
        predicted = predictions(estimator, X)
        return psnr_score(y, predicted, sample_weight=sample_weight, data_range=self._data_range)

    def set_score_request(self, *, sample_weight: bool | str | None = None) -> _PSNRScorer:
        """A scorer to which searches route `sample_weight`, or what has the name that is given.

        This one stays as it is, as ``psnr_scorer`` is the same object everywhere.

        Parameters
        ----------
        sample_weight : bool, str or None, default=None
            As in scikit-learn's metadata routing.

        Returns
        -------
        scorer
        """
        asking = _PSNRScorer(self._data_range)
        asking._requests.score.add_request(param="sample_weight", alias=sample_weight)
        return asking

    def get_metadata_routing(self) -> MetadataRequest:
        """What the scorer asks of searches; see scikit-learn's metadata routing.

        Returns
        -------
        MetadataRequest
        """
        return self._requests

    def __repr__(self) -> str:
        return f"make_psnr_scorer(data_range={self._data_range!r})"


def make_psnr_scorer(data_range: float) -> _PSNRScorer:
    """A scorer of predictions by :func:`psnr_score`.

    ``psnr_scorer`` is ``make_psnr_scorer(1.0)``, for signals in [0, 1].

    Parameters
    ----------
    data_range : float
        Largest value of the signal less the smallest.

    Returns
    -------
    callable
        ``scorer(estimator, X, y)``, greater is better.

    Raises
    ------
    ValueError
        For a `data_range` that is not finite and positive.
    TypeError
        For a `data_range` that is not a number.

    Examples
    --------
    >>> from sk_posenc import make_psnr_scorer
    >>> make_psnr_scorer(data_range=255)
    make_psnr_scorer(data_range=255)
    """
    return _PSNRScorer(data_range)


psnr_scorer = make_psnr_scorer(1.0)
