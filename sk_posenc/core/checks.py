"""Checks of the arrays that users pass."""

from typing import Any

from sklearn import get_config
from sklearn.utils import check_array

from sk_posenc.core.arrays import float_dtypes, to_numpy


def check_floats(array: Any, name: str, **checks: Any) -> Any:
    """Checked floats, in their own namespace under array API dispatch, else NumPy's."""
    if not get_config()["array_api_dispatch"]:
        array = to_numpy(array)
    return check_array(array, dtype=float_dtypes(array), input_name=name, **checks)
