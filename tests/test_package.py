"""The package as a whole: imports, names, types, the wheel, scikit-learn's checks."""

import ast
import inspect
import os
import re
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import matplotlib.pyplot as plt
import networkx as nx
import numpy as np
import pytest
import typed_use
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils.estimator_checks import parametrize_with_checks
from two_columns import CoordinatesOfTwo, HarmonicsOfTwo

import sk_posenc

ROOT = Path(sk_posenc.__file__).parent


def name_of(path):
    """A module by its dotted name within the package, a folder by its own; "" is the package."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in sorted(ROOT.rglob("*.py"))}
LATTICE = sparse.csr_array(nx.to_scipy_sparse_array(nx.grid_2d_graph(12, 5)))
PATHS = {
    **{"graph": LATTICE, "anchors": [0, 5], "n_features": 4, "max_epochs": 80},
    **{"device": "cpu", "random_state": 0},
}
# What an estimator needs, and small nets, so that checks are quick. With a graph, rows of X are its
# nodes.
SMALL = {"hidden_layer_sizes": (32,), "device": "cpu", "random_state": 0}
SERIES = {
    **{"d_model": 8, "n_heads": 2, "n_layers": 1, "lr": 1e-2, "max_epochs": 25},
    **{"device": "cpu", "random_state": 0},
}
SETTINGS = {
    "AnchorDistanceEncoder": {"graph": LATTICE, "anchors": 4, "random_state": 0},
    "AnchorPathClassifier": PATHS,
    "AnchorPathEncoder": PATHS,
    "AnchorPathRegressor": PATHS,
    "PerturbationSearchCV": {
        "estimator": sk_posenc.CoordinateMLPRegressor(**SMALL),
        "encoders": [sk_posenc.FourierEncoder(2), sk_posenc.ShiftedBasisEncoder(stable_rank=3)],
        **{"search_epochs": 2, "tune_epochs": 1, "random_state": 0},
    },
    "SeasonalRidge": {"periods": 2.5},
    "ToeplitzAttentionRegressor": SERIES,
    "CoordinateMLPClassifier": SMALL,
    "CoordinateMLPRegressor": SMALL,
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


class OfFirstColumn(sk_posenc.SeasonalRidge):
    """Of several columns it takes the first: checks have more than the one that it wants."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True  # targets follow the other columns
        return tags

    def _points(self, X):
        return X[:, 0]


class OfShares:
    """Checks of weights have parts of 1 as X, whatever its tags: here they are nodes."""

    def _node_columns(self, X, reset):
        shares = np.asarray(X)
        if shares.dtype.kind == "f" and np.all((shares >= 0) & (shares < 1)):
            X = np.floor(shares * LATTICE.shape[0])
        return super()._node_columns(X, reset)


class RegressorOfShares(OfShares, sk_posenc.AnchorPathRegressor):
    pass


class ClassifierOfShares(OfShares, sk_posenc.AnchorPathClassifier):
    pass


CHECKED = {
    "AnchorPathClassifier": ClassifierOfShares,
    "AnchorPathRegressor": RegressorOfShares,
    "SeasonalRidge": OfFirstColumn,
    "SphereCoordinates": CoordinatesOfTwo,
    "SphericalHarmonicEncoder": HarmonicsOfTwo,
}


def public_estimators():
    for name in sk_posenc.__all__:
        value = CHECKED.get(name, getattr(sk_posenc, name))
        if inspect.isclass(value) and issubclass(value, BaseEstimator):
            yield value(**SETTINGS.get(name, {}))


def trains(estimator):
    return hasattr(estimator, "max_epochs") or hasattr(estimator, "search_epochs")


NETWORK = [each for each in public_estimators() if trains(each)]


@pytest.mark.filterwarnings("ignore::sk_posenc.PoorFitWarning")  # checks fit on noise
@parametrize_with_checks([each for each in public_estimators() if not trains(each)])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.slow  # test_coordinate_mlp.py runs them with fewer epochs
@parametrize_with_checks(NETWORK)
def test_scikit_learn_checks_of_networks(estimator, check):
    check(estimator)


def test_all_names_resolve():
    assert len(set(sk_posenc.__all__)) == len(sk_posenc.__all__)
    for name in sk_posenc.__all__:
        assert getattr(sk_posenc, name).__doc__
    assert set(sk_posenc.__all__) <= set(dir(sk_posenc))


def test_unknown_name():
    with pytest.raises(AttributeError, match="no_such_name"):
        sk_posenc.no_such_name  # noqa: B018


HEAVY = {"matplotlib", "skimage", "skorch", "torch", "xarray"}
OF_NETWORKS = ("CoordinateM", "AnchorPath", "PerturbationSearch", "ToeplitzAttention")
NEED_THEM = {"EncoderModule"} | {
    name
    for name in sk_posenc.__all__
    if name.endswith("Display") or any(each in name for each in OF_NETWORKS)
}


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import sk_posenc", {"numpy", "scipy", "sklearn"} | HEAVY),
        (
            "from sk_posenc import FourierEncoder, ShiftedBasisEncoder, psnr_scorer",
            {"sklearn.linear_model", "sklearn.model_selection", "sklearn.neural_network"} | HEAVY,
        ),
        (
            "from sk_posenc import KroneckerRidge, KroneckerRidgeCV, CoordinateKFold",
            {"sklearn.linear_model", "sklearn.neural_network"} | HEAVY,
        ),
        (f"from sk_posenc import {', '.join({*sk_posenc.__all__} - NEED_THEM)}", HEAVY),
    ],
    ids=["package", "encoders", "ridge", "light"],
)
def test_names_load_what_they_need(code, absent):
    loaded = run(f"import sys\n{code}\nprint(*sys.modules)").split()
    assert "sk_posenc" in loaded
    assert not absent.intersection(loaded)


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
    assert graph["encoders.shifted_basis"] >= {"core.arrays", "encoders.bases"}  # it sees imports
    while graph:
        leaves = {name for name, needs in graph.items() if not needs & graph.keys()}
        assert leaves, f"a circle among {sorted(graph)}"
        graph = {name: needs for name, needs in graph.items() if name not in leaves}


# What a room stands on, itself and the core aside.
STANDS_ON = {
    "core": set(),
    "encoders": set(),
    "kronecker": {"encoders"},
    "networks": {"encoders"},
    "measures": set(),
    "selection": {"encoders", "kronecker", "networks"},
    "graphs": {"networks"},
    "series": {"encoders", "networks"},
    "datasets": set(),
    "maps": {"kronecker", "datasets"},
    "plotting": {"encoders", "measures", "networks", "selection"},
}


def test_rooms_stand_on_what_they_say():
    assert {name.split(".")[0] for name in MODULES if name} == STANDS_ON.keys()
    for name, path in MODULES.items():
        room = name.split(".")[0]
        used = {each.split(".")[0] for each in imports_of(path)} if room else set()
        assert used <= STANDS_ON.get(room, set()) | {room, "core"}, name


def test_modules_with_an_underscore_are_of_their_room_alone():
    for name, path in MODULES.items():
        for used in imports_of(path):
            room, _, module = used.partition(".")
            assert not module.startswith("_") or room == name.split(".")[0], (name, used)


def test_nothing_imports_plotting():
    for name, path in MODULES.items():
        if name.split(".")[0] not in ("plotting", ""):
            assert not [used for used in imports_of(path) if used.split(".")[0] == "plotting"]
            source = path.read_text().splitlines()
            assert not [line for line in source if line.split()[:2] == ["import", "matplotlib"]]


def test_modules_import_alone():
    names = [f"sk_posenc.{name}" for name in MODULES if name]
    run(
        "import importlib, sys\n"
        f"for name in {names}:\n"
        "    for loaded in [each for each in sys.modules if each.startswith('sk_posenc')]:\n"
        "        del sys.modules[loaded]\n"
        "    importlib.import_module(name)\n",
        PYTHONDONTWRITEBYTECODE="",  # compiled once, not for each module
    )


def names_in(tree):
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def test_stub_lists_the_names():
    stub = ast.parse((ROOT / "__init__.pyi").read_text())
    (listed,) = (
        ast.literal_eval(node.value)
        for node in stub.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "__all__"
    )
    assert listed == sk_posenc.__all__


def test_typed_use_has_every_name_and_runs(capsys):
    functions = ast.parse(Path(typed_use.__file__).read_text()).body
    used = set().union(*(names_in(each) for each in functions if hasattr(each, "body")))
    assert not {*sk_posenc.__all__} - used
    typed_use.main()
    plt.close("all")
    assert "FourierEncoder" in capsys.readouterr().out


@pytest.mark.slow  # a minute where nothing is cached; `mypy` by itself checks the file as well
def test_typed_use_is_strict(tmp_path):
    options = ["--strict", "--config-file=", f"--cache-dir={ROOT.parent / '.mypy_cache/strict'}"]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, typed_use.__file__],
        cwd=tmp_path,  # so that the package is found as an installed one
        env={**os.environ, "PYTHONPATH": str(ROOT.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_version_is_stated_once():
    pages = [*(ROOT.parent / "docs").glob("*.*"), *ROOT.parent.glob("*.*"), *ROOT.rglob("*.py*")]
    texts = [page for page in pages if page.suffix in {".md", ".rst", ".py", ".pyi", ".toml"}]
    stated = re.compile(rf"(?<![\w.]){re.escape(sk_posenc.__version__)}(?![\w.])")
    having = {page.name for page in texts if stated.search(page.read_text(encoding="utf-8"))}
    assert having - {"changelog.md"} == {"__init__.py"}
    assert version("sk_posenc") == sk_posenc.__version__, "install the package anew"


def test_wheel_holds_types_and_version(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT.parent,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = (archive.read(name) for name in names if name.endswith("/METADATA"))
    assert {"sk_posenc/py.typed", "sk_posenc/__init__.pyi"} <= set(names)
    assert {name for name in names if name.endswith(".py")} == {
        str(path.relative_to(ROOT.parent)) for path in MODULES.values()
    }
    lines = metadata.decode().splitlines()
    assert f"Version: {sk_posenc.__version__}" in lines
    assert "Classifier: Typing :: Typed" in lines


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
            if not inspect.getdoc(value) or value is sk_posenc.PoorFitWarning:  # no signature
                continue
            signature = inspect.signature(value).parameters
            for parameter, default in documented_defaults(value):
                if parameter in signature:
                    assert signature[parameter].default == default, (name, parameter)
                    checked += 1
    assert checked > 100
