"""What encoders are called in a legend."""

from collections.abc import Callable, Mapping
from typing import Any

from sklearn.utils.validation import check_is_fitted

from sk_posenc.core.arrays import to_numpy
from sk_posenc.core.encoding import Encoding
from sk_posenc.measures.held_encoder import encoder_within

_UNFITTED = (
    "estimator must be fitted, as a Display draws what it has learnt: call its fit(X) first. "
    "encoding_report fits a clone by itself. Got a %(name)s that is not fitted yet."
)


def name_of(encoder: Any) -> str:
    """What an encoder, or another transformer, is called in a legend."""
    return encoder._short_name() if isinstance(encoder, Encoding) else type(encoder).__name__


def by_name(
    values: Any, what: str, name_of: Callable[[Any], str], detail: Callable[[Any], str]
) -> dict:
    """Values by name, from a mapping, a sequence or one value; equal names get a detail.

    `what` is the argument that errors name.
    """
    if isinstance(values, Mapping):
        named = {str(name): value for name, value in values.items()}
    else:
        # a pipeline is a sequence of its steps, and an array of its rows
        listed = list(values) if isinstance(values, list | tuple) else [values]
        plain = [name_of(value) for value in listed]
        names = [
            f"{name}, {detail(value)}" if plain.count(name) > 1 else name
            for name, value in zip(plain, listed, strict=True)
        ]
        named = {}
        for name, value in zip(names, listed, strict=True):
            same = sum(1 for other in named if other == name or other.startswith(f"{name} ("))
            named[f"{name} ({same + 1})" if same else name] = value
    if not named:
        raise ValueError(f"{what} must hold at least one to draw. Got {values!r}.")
    return named


def estimators_by_name(estimators: Any) -> dict[str, Any]:
    """Fitted estimators by what the encoder in each is called."""

    def detail(each: Any) -> str:
        encoder = encoder_within(each)
        check_is_fitted(encoder, msg=_UNFITTED)
        ranks = to_numpy(encoder.stable_rank_)
        return "stable rank " + " x ".join(f"{rank:.3g}" for rank in ranks)

    named = by_name(estimators, "estimator", lambda each: name_of(encoder_within(each)), detail)
    for each in named.values():
        check_is_fitted(encoder_within(each), msg=_UNFITTED)
    return named
