"""What `dir` lists of an estimator, without computing any of it."""

from collections.abc import Iterable
from inspect import getattr_static
from typing import Any


class ListedCheaply:
    """An estimator whose properties `dir` lists, and does not evaluate.

    scikit-learn leaves out of `dir` what an estimator does not have at present. For that it gets
    every attribute, those included that are computed when they are asked for.
    """

    def __dir__(self) -> Iterable[str]:
        return [name for name in object.__dir__(self) if _is_there(self, name)]


def _is_there(estimator: Any, name: str) -> bool:
    if isinstance(getattr_static(type(estimator), name, None), property):
        return True
    return hasattr(estimator, name)
