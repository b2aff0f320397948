"""The documentation names what is there, and all of it."""

import doctest
import importlib
import inspect
import re
from pathlib import Path

import pytest

import sk_posenc

DOCS = Path(__file__).parent.parent / "docs"


def resolve(dotted):
    """The object of a dotted name: a module, then attributes of it."""
    parts = dotted.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for attribute in parts[end:]:
            found = getattr(found, attribute)
        return found
    raise ModuleNotFoundError(dotted)


@pytest.mark.parametrize(
    "name", sorted(set(re.findall(r"`(sk_posenc\.[\w.]+)`", (DOCS / "theory.md").read_text())))
)
def test_formulas_have_their_functions(name):
    assert resolve(name) is not None


def test_api_reference_has_every_public_name():
    listed = re.findall(r"^   (\w+)$", (DOCS / "api.rst").read_text(), flags=re.MULTILINE)
    assert sorted(listed) == sorted(sk_posenc.__all__)


@pytest.mark.parametrize("name", sorted(set(sk_posenc.__all__) - {"EncodingReport"}))
def test_every_public_name_has_an_example_that_runs(name):
    found = getattr(sk_posenc, name)
    if not inspect.isclass(found) and not inspect.isfunction(found):
        found = type(found)
    examples = [
        example
        for test in doctest.DocTestFinder(recurse=False).find(found)
        for example in test.examples
    ]
    assert examples, f"{name} has no example in its docstring"


@pytest.mark.parametrize("name", sk_posenc.__all__)
def test_what_can_be_called_is_documented(name):
    found = getattr(sk_posenc, name)
    for method in ("fit", "transform", "predict", "plot", "from_estimator", "forward", "split"):
        if inspect.isclass(found) and hasattr(found, method):
            owner = next(base for base in found.__mro__ if method in vars(base))
            if owner.__module__.startswith("sk_posenc"):
                assert inspect.getdoc(getattr(owner, method)), f"{name}.{method}"
