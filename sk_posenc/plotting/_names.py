"""What encoders are called in a legend."""

from collections.abc import Callable, Mapping
from typing import Any

from sklearn.utils.validation import check_is_fitted

from sk_posenc._arrays import to_numpy
from sk_posenc.metrics import (
    _find_encoder,
)


def name_of(encoder: Any) -> str:
    """What an encoder is called in a legend."""
    basis = getattr(encoder, "basis", None)
    if isinstance(basis, str):
        return basis
    if basis is not None:
        return type(basis).__name__
    words = {"FourierEncoder": "Fourier", "LogFourierEncoder": "log Fourier",
             "RandomFourierEncoder": "random Fourier"}  # fmt: skip
    return words.get(type(encoder).__name__, type(encoder).__name__)


def by_name(values: Any, name_of: Callable[[Any], str], detail: Callable[[Any], str]) -> dict:
    """Values by name, from a mapping, a sequence or one value; equal names get a detail."""
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
        raise ValueError("expected at least one to draw. Got none.")
    return named


def encoders_by_name(encoders: Any, fitted: bool = True) -> dict[str, Any]:
    def encoder_of(each: Any) -> Any:
        return _find_encoder(each) if fitted else each

    def detail(each: Any) -> str:
        encoder = encoder_of(each)
        if not fitted:
            return repr(encoder)
        ranks = to_numpy(encoder.stable_rank_)
        return "stable rank " + " x ".join(f"{rank:.3g}" for rank in ranks)

    named = by_name(encoders, lambda each: name_of(encoder_of(each)), detail)
    for each in named.values():
        encoder = encoder_of(each)
        if fitted:
            check_is_fitted(encoder)
    return {name: encoder_of(each) for name, each in named.items()}
