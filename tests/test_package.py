"""The package as a whole: imports, names, scikit-learn's checks, arrays of other namespaces."""

import ast
import importlib
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sklearn.base import BaseEstimator
from sklearn.utils.estimator_checks import parametrize_with_checks

import sk_posenc

ROOT = Path(sk_posenc.__file__).parent


def name_of(path):
    """A module by its dotted name within the package, a folder by its own; "" is the package."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in sorted(ROOT.rglob("*.py"))}
# Small nets, so that checks are quick.
SETTINGS = {
    "CoordinateMLPRegressor": {"hidden_layer_sizes": (32,), "device": "cpu", "random_state": 0}
}


def run(code, **environment):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def public_estimators():
    for name in sk_posenc.__all__:
        value = getattr(sk_posenc, name)
        if inspect.isclass(value) and issubclass(value, BaseEstimator):
            yield value(**SETTINGS.get(name, {}))


@parametrize_with_checks(list(public_estimators()))
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_all_names_resolve():
    assert len(set(sk_posenc.__all__)) == len(sk_posenc.__all__)
    for name in sk_posenc.__all__:
        assert getattr(sk_posenc, name).__doc__
    assert set(sk_posenc.__all__) <= set(dir(sk_posenc))


def test_unknown_name():
    with pytest.raises(AttributeError, match="no_such_name"):
        sk_posenc.no_such_name  # noqa: B018


def test_import_is_light():
    heavy = "('torch', 'matplotlib', 'skorch', 'skimage')"
    code = f"import sys, sk_posenc; print([m for m in {heavy} if m in sys.modules])"
    assert run(code).strip() == "[]"


def test_encoders_and_metrics_need_no_torch():
    code = (
        "import sys, numpy as np, sk_posenc as sp\n"
        "E = sp.ShiftedBasisEncoder().fit_transform(np.eye(4))\n"
        "print(sp.stable_rank(E) >= 1, 'torch' in sys.modules)"
    )
    assert run(code).strip() == "True False"


def imports_of(path):
    """Modules of the package that a module imports, those within functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            inside = [f"{node.module}.{alias.name}" for alias in node.names]
            submodules = [name for name in inside if name.removeprefix("sk_posenc.") in MODULES]
            imported = submodules if len(submodules) == len(inside) else [node.module, *inside]
        elif isinstance(node, ast.Import):
            imported = [alias.name for alias in node.names]
        else:
            continue
        names = {name.removeprefix("sk_posenc.") for name in imported if "sk_posenc" in name}
        yield from names & (MODULES.keys() - {""})


def test_imports_go_one_way():
    graph = {name: set(imports_of(path)) for name, path in MODULES.items() if name}
    assert graph["shifted_basis"] >= {"_base", "bases"}  # the walk sees imports
    assert "plotting.basis_display" in graph["plotting"]
    while graph:
        leaves = {name for name, needs in graph.items() if not needs & graph.keys()}
        assert leaves, f"a circle among {sorted(graph)}"
        graph = {name: needs for name, needs in graph.items() if name not in leaves}


def test_nothing_imports_plotting():
    for name, path in MODULES.items():
        if name.split(".")[0] not in ("plotting", ""):
            assert not [used for used in imports_of(path) if used.split(".")[0] == "plotting"]
            source = path.read_text().splitlines()
            assert not [line for line in source if line.split()[:2] == ["import", "matplotlib"]]


@pytest.mark.parametrize("name", [name for name in MODULES if name])
def test_modules_import_alone(name):
    importlib.import_module(f"sk_posenc.{name}")


def documented_defaults(value):
    """What the Parameters of a docstring say, by name, where it can be written down."""
    section = inspect.getdoc(value).partition("Parameters\n----------\n")[2]
    section = re.split(r"\n\w+\n-{3,}\n", section)[0]
    for names, default in re.findall(r"^(\w[\w, ]*) : .*default=(.+)$", section, re.MULTILINE):
        try:
            default = ast.literal_eval(default)
        except (SyntaxError, ValueError):
            continue
        yield from ((name, default) for name in names.split(", "))


def test_defaults_are_those_documented():
    checked = 0
    for name in sk_posenc.__all__:
        public = getattr(sk_posenc, name)
        methods = (
            [getattr(public, each) for each in vars(public) if not each.startswith("_")]
            if inspect.isclass(public)
            else []
        )
        for value in filter(callable, [public, *methods]):
            if not inspect.getdoc(value):
                continue
            signature = inspect.signature(value).parameters
            for parameter, default in documented_defaults(value):
                if parameter in signature:
                    assert signature[parameter].default == default, (name, parameter)
                    checked += 1
    assert checked > 100
