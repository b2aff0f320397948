"""The package as a whole: imports, names, scikit-learn's checks, arrays of other namespaces."""

import ast
import importlib
import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sklearn.base import BaseEstimator
from sklearn.utils.estimator_checks import parametrize_with_checks

import sk_posenc

MODULES = sorted(Path(sk_posenc.__file__).parent.glob("*.py"))
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
        try:
            value = getattr(sk_posenc, name)
        except ImportError:  # under construction
            continue
        if inspect.isclass(value) and issubclass(value, BaseEstimator):
            yield value(**SETTINGS.get(name, {}))


@parametrize_with_checks(list(public_estimators()))
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_all_names_resolve():
    assert len(set(sk_posenc.__all__)) == len(sk_posenc.__all__)
    for name in sk_posenc.__all__:
        assert getattr(sk_posenc, name).__doc__ or name == "psnr_scorer"
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
    names = {module.stem for module in MODULES} - {"__init__"}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            module = (node.module or "").split(".")
            if node.level or module[0] == "sk_posenc":
                candidates = {module[-1], *(alias.name for alias in node.names)}
                yield from candidates & names
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("sk_posenc."):
                    yield alias.name.split(".")[1]


def test_imports_go_one_way():
    graph = {path.stem: set(imports_of(path)) for path in MODULES if path.stem != "__init__"}
    assert graph["shifted_basis"] >= {"_base", "bases"}  # the walk sees imports
    while graph:
        leaves = {name for name, needs in graph.items() if not needs & graph.keys()}
        assert leaves, f"a circle among {sorted(graph)}"
        graph = {name: needs for name, needs in graph.items() if name not in leaves}


def test_nothing_imports_plotting():
    for path in MODULES:
        if path.stem not in ("plotting", "__init__"):
            assert "plotting" not in set(imports_of(path))
            source = path.read_text().splitlines()
            assert not [line for line in source if line.split()[:2] == ["import", "matplotlib"]]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_modules_import_alone(path):
    if path.stem != "__init__":
        importlib.import_module(f"sk_posenc.{path.stem}")
