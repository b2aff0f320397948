"""Settings of the documentation; the README has the command that builds it."""

import ast
import re
from graphlib import TopologicalSorter
from inspect import getdoc
from pathlib import Path
from textwrap import indent
from typing import Any
from xml.etree import ElementTree

from docutils.nodes import Node, SkipNode, math, math_block
from latex2mathml.converter import convert
from skorch import NeuralNet
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.writers.html5 import HTML5Translator

import sk_posenc

PACKAGE = Path(__file__).parent.parent / "sk_posenc"

project = "sk_posenc"
author = "The sk_posenc developers"
copyright = author
release = version = sk_posenc.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "_templates"]
templates_path = ["_templates"]
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(sklearn|skorch|torch|scipy|numpy|matplotlib)\..*")]

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

autosummary_generate = True
autodoc_typehints = "none"  # the docstrings tell types and shapes
autodoc_inherit_docstrings = False
autodoc_preserve_defaults = True  # as written: the names of classes, not their repr
toc_object_entries_show_parents = "hide"  # the page says of which class
numpydoc_show_class_members = False
# What is there must be complete: summaries, parameters and returns with types and words.
numpydoc_validation_checks = {
    *("GL06", "GL07", "GL08", "GL09", "GL10"),
    *("SS02", "SS03", "SS04", "SS05"),
    *("PR01", "PR02", "PR03", "PR04", "PR05", "PR10"),
    *("RT01", "RT05", "YD01", "SA04"),
}

# records and an object: their classes say what they hold
numpydoc_validation_exclude = {r"\.(EncodingReport|Suggestion)$", r"\.psnr_scorer$"}

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "ignore_pattern": r"^(attention|benchmark|calibrate|choose|compare|folds|graph|learnable|panel"
    r"|search|selection|series)_",
    # These run in seconds. The others show the figure that they drew, which lies beside the pages.
    "filename_pattern": r"/(quickstart|three_signals|anchors|classes|demand|edges|geographic"
    r"|hourly_demand|inpainting|sea_temperatures|seasons|soundings|stations|volume"
    r"|plot_stable_rank|plot_widths)\.py",
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "show_signature": False,
    "remove_config_comments": True,
    "write_computation_times": False,
    "abort_on_example_error": True,
    "ignore_repr_types": r"matplotlib",
}

html_theme = "pydata_sphinx_theme"
html_title = "sk_posenc"
html_theme_options = {
    "navbar_align": "left",
    "header_links_before_dropdown": 7,
    "secondary_sidebar_items": ["page-toc"],
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_prev_next": False,
}
html_static_path = ["_static"]
html_css_files = ["style.css"]
html_show_sourcelink = False
html_math_renderer = "mathml"


_MATHML = "{http://www.w3.org/1998/Math/MathML}"
_FUNCTIONS = {"arccos", "cos", "exp", "ln", "log", "max", "min", "sin"}


def _convert(latex: str, display: str) -> str:
    """MathML of a formula, with the thin spaces that TeX sets around names of functions."""
    tree = ElementTree.fromstring(convert(latex, display=display))
    for leaf in tree.iter(f"{_MATHML}mi"):
        if leaf.text == "~":  # what becomes of \sim
            leaf.tag, leaf.text = f"{_MATHML}mo", "\N{TILDE OPERATOR}"
    for bar in tree.iter(f"{_MATHML}mo"):
        if bar.text == "|":
            bar.attrib |= {"lspace": "0", "rspace": "0"}
    for row in tree.iter(f"{_MATHML}mrow"):
        items = list(row)
        for item, before, after in reversed(
            list(zip(items, [None, *items], [*items[1:], None], strict=False))
        ):
            if item.text == "\N{MINUS SIGN}" and _opens(before):
                item.set("form", "prefix")
            name = item if len(item) == 0 else item[0]
            if name.text not in _FUNCTIONS:
                continue
            if name.tag == f"{_MATHML}mo":  # else it has the wide spaces of a relation
                name.attrib |= {"lspace": "0", "rspace": "0"}
            place = list(row).index(item)
            if _needs_space(after):
                row.insert(place + 1, _thin_space())
            if _needs_space(before):
                row.insert(place, _thin_space())
    ElementTree.register_namespace("", _MATHML.strip("{}"))
    return ElementTree.tostring(tree, encoding="unicode")


def _opens(before: ElementTree.Element | None) -> bool:
    """Whether a minus behind this is a sign, not a difference."""
    return before is None or before.text in {"(", "[", "=", ","}


def _needs_space(neighbour: ElementTree.Element | None) -> bool:
    return neighbour is not None and neighbour.tag.removeprefix(_MATHML) not in {"mo", "mspace"}


def _thin_space() -> ElementTree.Element:
    return ElementTree.Element(f"{_MATHML}mspace", width="0.167em")


def _inline(translator: HTML5Translator, node: math) -> None:
    translator.body.append(_convert(node.astext(), "inline"))
    raise SkipNode


def _displayed(translator: HTML5Translator, node: math_block) -> None:
    text = node.astext().strip()
    if r"\\" in text or "&" in text:
        parts = [rf"\begin{{split}}{text}\end{{split}}"]
    else:
        parts = text.split(r"\qquad")  # these stand below each other in a narrow window
    formulas = " ".join(_convert(part, "block") for part in parts)
    translator.body.append(f'<div class="formula">{formulas}</div>')
    raise SkipNode


# what nets override for those who call it; the rest skorch calls
_USED = {"fit", "partial_fit", "predict"}
_OF_NETS = {
    each.__name__
    for name in sk_posenc.__all__
    for each in getattr(getattr(sk_posenc, name), "__mro__", ())
    if issubclass(getattr(sk_posenc, name), NeuralNet)
}


def _skip(app: Sphinx, what: str, name: str, member: Any, skip: bool, options: Any) -> bool | None:
    """Leave out what scikit-learn, skorch and torch document themselves."""
    function = getattr(member, "fget", member)
    ours = str(getattr(function, "__module__", "sk_posenc")).startswith("sk_posenc")
    overrides = str(getattr(function, "__qualname__", "")).partition(".")[0] in _OF_NETS
    hook = overrides and hasattr(NeuralNet, name) and name not in _USED
    return None if ours and not hook else True


class Modules(SphinxDirective):
    """A table of the package's modules, each below all that it imports."""

    def run(self) -> list[Node]:
        about, imports = {}, {}
        for path in sorted(PACKAGE.rglob("*.py")):
            name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
            if name.endswith("__init__"):
                continue
            tree = ast.parse(path.read_text(encoding="utf-8"))
            about[name] = (ast.get_docstring(tree) or "").partition("\n")[0]
            imports[name] = {
                module
                for node in ast.walk(tree)
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sk_posenc")
                for module in _modules_of(node)
            }
        known = {name: sorted(imports[name] & set(about)) for name in about}
        order = TopologicalSorter(known).static_order()  # raises on a circle
        rows = "".join(
            f"* - ``{name}``\n  - {about[name]}\n"
            f"  - {', '.join(f'``{each}``' for each in known[name])}\n"
            for name in order
        )
        table = "\n* - module\n  - what it is\n  - imports\n" + rows
        text = ".. list-table::\n   :header-rows: 1\n   :widths: 22 48 30\n"
        return self.parse_text_to_nodes(text + indent(table, "   "))


class Terms(SphinxDirective):
    """What the docstring of load_signal says about data and their licences."""

    def run(self) -> list[Node]:
        notes = getdoc(sk_posenc.load_signal).split("Notes\n-----\n")[1].split("Examples\n---")[0]
        return self.parse_text_to_nodes(notes.replace("References\n----------", ""))


def _modules_of(node: ast.ImportFrom) -> list[str]:
    """Names below sk_posenc that an import may mean, a module or names of one."""
    base = (node.module or "").removeprefix("sk_posenc").lstrip(".")
    inside = [f"{base}.{alias.name}".lstrip(".") for alias in node.names]
    return [base, *inside]


def _break_lines(app: Sphinx, page: str, template: str, context: dict[str, Any], tree: Any) -> None:
    """Where lines may break in a narrow window: in long names between their words, and not
    between a formula and its punctuation or within a shape."""

    def between_words(name: str) -> str:
        outer = r"(?<=[.(=/,])(?=[A-Za-z_]|&quot;)(?!py\b)|(?<=[^\W_]_)(?<!\bsk_)(?=[A-Za-z])"
        inner = r"(?<=[a-z])(?=[A-Z]\w{2})"
        return re.sub(inner, '<wbr class="inner">', re.sub(outer, "<wbr>", name))

    def breaking(found: re.Match[str]) -> str:
        return f'<span class="pre breaks">{between_words(found[1])}</span>'

    def in_table(found: re.Match[str]) -> str:
        table = re.sub(r'<span class="pre">([^<]{8,})</span>', breaking, found[0])
        return re.sub(r"<td><p>\(\d[^<]*", lambda shape: shape[0].replace(" ", "&#160;"), table)

    if "body" not in context:
        return
    body = re.sub(r"<table.*?</table>", in_table, context["body"], flags=re.DOTALL)
    body = re.sub(r'(?<!"n">)<span class="pre">([^<]{30,})</span>', breaking, body)
    body = re.sub(r"(?<=<h1>)[^<]+", lambda title: between_words(title[0]), body)
    body = body.replace('<span class="sig-name', '<wbr><span class="sig-name')
    body = body.replace('<span class="sig-paren">(</span>', '<span class="sig-paren">(</span><wbr>')
    context["body"] = re.sub(
        r'\(?<math [^>]*display="inline".*?</math>[.,;:)\]]*',
        r'<span class="whole">\g<0></span>',
        body,
    )


def _prepare(app: Sphinx, page: str, source: list[str]) -> None:
    """The version where a page asks for it, within code too; examples as pages of the gallery.

    Sources link to the scripts, so that the links work on a code host as well.
    """
    text = source[0].replace("|version|", version)
    text = re.sub(r"\]\(\.\./examples/(\w+)\.py\)", r"](gallery/\1.rst)", text)
    source[0] = text.replace("](../examples)", "](gallery/index.rst)")


def setup(app: Sphinx) -> None:
    """Formulas as MathML, which browsers draw by themselves: no script, no network."""
    app.add_html_math_renderer("mathml", (_inline, None), (_displayed, None))
    app.add_directive("modules", Modules)
    app.add_directive("terms", Terms)
    app.connect("autodoc-skip-member", _skip)
    app.connect("source-read", _prepare)
    app.connect("html-page-context", _break_lines)
