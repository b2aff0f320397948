"""The encoder that an estimator holds, and the coordinates that reach it."""

from typing import Any

from sklearn.pipeline import Pipeline

from sk_posenc.core.encoding import Encoding


def encoder_within(estimator: Any) -> Any:
    """The encoder of this package inside an estimator: the last one of a Pipeline."""
    encoder = _search(estimator)
    if encoder is None:
        raise TypeError(
            "estimator must be an encoder of sk_posenc, or a fitted Pipeline or regressor of one. "
            f"Got {estimator!r}."
        )
    return encoder


def coordinates_within(estimator: Any, X: Any) -> Any:
    """The coordinates that reach this encoder, past the steps of Pipelines before it."""
    if isinstance(estimator, Encoding):
        return X
    if not isinstance(estimator, Pipeline):
        return coordinates_within(_held_by(estimator), _placed_by(estimator, X))
    i = max(i for i, step in enumerate(estimator) if _search(step) is not None)
    return coordinates_within(estimator[i], estimator[:i].transform(X) if i else X)


def encoding_by(estimator: Any, X: Any) -> Any:
    """The encoding that an estimator makes of coordinates on the way to its prediction."""
    encoding = _encoded(estimator, X)
    if encoding is None:
        raise TypeError(
            "estimator must be an encoder, a Pipeline with one, or a regressor that holds one. Got "
            f"{estimator!r}."
        )
    return encoding


def _encoded(estimator: Any, X: Any) -> Any:
    """What reaches the regressor at the end of an estimator; None where nothing encodes for it."""
    if hasattr(estimator, "transform"):
        return estimator.transform(X)
    if isinstance(estimator, Pipeline):
        if len(estimator) > 1:
            X = estimator[:-1].transform(X)
        within = _encoded(estimator[-1], X)
        return X if within is None else within
    held = _held_by(estimator)
    return None if held is None else _encoded(held, _placed_by(estimator, X))


def _placed_by(estimator: Any, X: Any) -> Any:
    """Coordinates as an augmenter inside an estimator places them ahead of its encoder."""
    augmenter = getattr(estimator, "augmenter_", None)
    return X if augmenter is None else augmenter.transform(X)


def _held_by(estimator: Any) -> Any:
    """What an estimator holds that encodes for it, if anything."""
    for name in ("encoder_", "best_estimator_", "regressor_", "estimator_"):
        if hasattr(estimator, name):
            return getattr(estimator, name)
    return None


def _search(estimator: Any) -> Any:
    if isinstance(estimator, Encoding):
        return estimator
    parts = estimator if isinstance(estimator, Pipeline) else [_held_by(estimator)]
    for part in reversed(list(parts)):
        found = None if part is None else _search(part)
        if found is not None:
            return found
    return None
