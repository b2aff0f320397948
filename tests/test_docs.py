"""The documentation names what is there, and all of it."""

import contextlib
import doctest
import importlib
import importlib.util
import inspect
import re
import warnings
from fractions import Fraction
from pathlib import Path
from unittest import SkipTest

import matplotlib.pyplot as plt
import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser

import sk_posenc

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES_AND_README = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
# scikit-learn has callbacks from 1.9 on, as the pages say.
HAS_CALLBACKS = importlib.util.find_spec("sklearn.callback") is not None
PAGES = Sybil(parsers=[PythonCodeBlockParser(), SkipParser()], path=str(ROOT))


@pytest.fixture
def small_signals(monkeypatch, tmp_path):
    """Images of a sixteenth of their pixels, in a folder where checkpoints do no harm."""
    load = sk_posenc.load_signal

    def load_small(name):
        values, axes = load(name)
        if len(axes) == 2:
            return values[::4, ::4], tuple(axis[::4] for axis in axes)
        return values, axes

    monkeypatch.setattr(sk_posenc, "load_signal", load_small)
    monkeypatch.chdir(tmp_path)
    yield
    plt.close("all")


def installed(*names):
    """Whether a page can use other libraries."""
    return all(importlib.util.find_spec(name) is not None for name in names)


@pytest.mark.usefixtures("small_signals")
@pytest.mark.parametrize(
    "page", [page for page in PAGES_AND_README
             if "```python" in page.read_text(encoding="utf-8")], ids=lambda page: page.name
)  # fmt: skip
def test_code_of_pages_runs(page):
    document = PAGES.parse(page)
    document.namespace["installed"] = installed
    examples = list(document.examples())
    assert examples
    with warnings.catch_warnings():
        if page.name == "other_libraries.md":
            warnings.simplefilter("ignore")  # those of the libraries
        for example in examples:
            if "sklearn.callback" in str(example.parsed) and not HAS_CALLBACKS:
                continue
            with contextlib.suppress(SkipTest):  # where the page says why
                example.evaluate()


def anchors_of(page):
    """What links to headings of a page may end in, on a code host and in the built pages."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    titles = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES_AND_README, ids=lambda page: page.name)
def test_links_work_in_the_repository(page):
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    for link in links:
        if link.startswith(("https://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = page if not path else (page.parent / path).resolve()
        assert target.exists(), link
        assert not anchor or anchor in anchors_of(target), link


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


def named_in(page, pattern):
    return sorted(set(re.findall(pattern, (DOCS / page).read_text(encoding="utf-8"))))


@pytest.mark.parametrize(
    "name",
    [
        each
        for page in ("theory.md", "defaults.md")
        for each in named_in(page, r"`(sk_posenc\.[\w.]+)`")
    ],
)
def test_formulas_and_defaults_have_their_places(name):
    assert resolve(name) is not None


def test_constants_have_the_values_that_the_page_says():
    stated = named_in("defaults.md", r"`(sk_posenc\.[\w.]+)` = ([\d.,e/-]+)")
    for name, value in stated:
        assert resolve(name) == float(Fraction(value.rstrip(",.").replace(",", ""))), name
    assert len(stated) > 50


def test_files_that_the_layout_names_are_there():
    names = named_in("layout.md", r"`(sk_posenc/[\w/.]+)`")
    assert not [name for name in names if "MODULE" not in name and not (ROOT / name).exists()]


def test_api_reference_lists_exactly_the_public_names():
    pages = "\n".join(page.read_text() for page in sorted(DOCS.glob("*.rst")))
    blocks = re.findall(r"^\.\. autosummary::\n((?:   .*\n|\n)+)", pages + "\n", flags=re.MULTILINE)
    entries = [line.strip() for block in blocks for line in block.splitlines()]
    listed = [entry for entry in entries if entry and not entry.startswith(":")]
    assert sorted(listed) == sorted(sk_posenc.__all__)


@pytest.mark.parametrize("name", sorted(set(sk_posenc.__all__) - {"EncodingReport", "Suggestion"}))
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
