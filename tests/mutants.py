"""Breaks the package in small ways, one at a time, and asks whether its tests notice.

    python tests/mutants.py --number 300 --seed 0 --jobs 2

draws mutants from all modules in proportion to their lines and runs each in a copy of the package
of its own, with those of the module's tests, and doctests, that execute the changed line: a case of
each test first, fast tests first, until one fails. It prints a table, and the mutants that
survived. It needs ``coverage``, and an hour or two; ``--seconds 30`` of tests per mutant do too.

A survivor is a gap in the tests, or no fault: it costs time alone, or changes nothing at all.
What is known to cost time alone is not drawn (``SPEED``, ``SPEED_KEYWORDS``).
"""

import argparse
import ast
import contextlib
import copy
import hashlib
import math
import multiprocessing
import os
import pickle
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict, deque
from itertools import accumulate, pairwise
from pathlib import Path
from typing import NamedTuple

os.environ.update(OMP_NUM_THREADS="1", MPLBACKEND="Agg")

# What all the processes that are forked need is imported once, here.
import coverage
import hypothesis.extra.numpy  # noqa: F401
import matplotlib.pyplot  # noqa: F401
import pytest
import scipy.stats  # noqa: F401
import skorch  # noqa: F401
import torch  # noqa: F401
from sklearn.utils import estimator_checks  # noqa: F401

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "sk_posenc"
BASES = [*("encoders/bases", "encoders/shifted_basis", "encoders/sparse_and_product", "properties")]
FOURIER = ["encoders/fourier", "properties", "networks/encoder_module", "networks/training"]
LEARNABLE = ["encoders/learnable", "properties", "networks/encoder_module", "networks/training"]
METRICS = [f"measures/{name}" for name in ("distance_preservation", "psnr", "scorers")]
HELD = ["measures/held_encoder", *METRICS, "measures/encoding_report"]
# Tests of a module that are not in the file of its name, or not in that alone; of a room.
TESTS = {
    "__init__": ["package"],
    "core": BASES,
    "core/arrays": ["array_api"],
    "core/encoding": [*HELD, *BASES],
    "core/callback_support": ["kronecker/progress", "selection/perturbation_search"],
    "core/folds": ["core/folds", "kronecker/patterns"],
    "core/r_squared": ["core/r_squared", "kronecker/scoring", "networks/regressor"],
    "core/checks": ["core/checks", "tables", "measures/psnr"],
    "core/date_columns": ["core/dates", "core/incoming"],
    "core/dates": ["core/dates", "encoders/domains"],
    "core/incoming": ["core/incoming", "tables"],
    "core/augmenting": ["networks/views"],
    "core/group_labels": ["core/group_labels", "selection/groups"],
    "core/grids": ["core/grids", "plotting/plotting", "kronecker/kronecker"],
    "core/limits": [
        *("core/limits", "plotting/plotting", "measures/encoding_report"),
        *(f"kronecker/kronecker{name}" for name in ("", "_adaptive", "_scattered", "_search")),
        "kronecker/learnt_search",
    ],
    "core/listing": ["core/listing"],
    "core/memory": ["core/memory"],
    "core/outside": ["core/outside", "measures/encoding_report"],
    "core/poor_fit": ["core/poor_fit", "core/outside"],
    "core/samples_per_axis": ["core/samples_per_axis"],
    "core/sphere": ["core/sphere", "encoders/sphere_coordinates", "selection/sphere_blocks"],
    "core/settings": ["core/settings", "encoders/fourier", "encoders/learnable", *BASES],
    "core/stable_rank": ["core/stable_rank", "properties"],
    "core/state": ["refits", "stress", "networks/training"],
    "encoders": [*FOURIER, "encoders/learnable", *BASES],
    "encoders/csr": BASES,
    "encoders/_grid_levels": ["encoders/multigrid"],
    "encoders/_grid_parts": ["encoders/multigrid", "networks/multigrid_training"],
    "encoders/multigrid": ["encoders/multigrid", "networks/multigrid_training"],
    "encoders/own_training": ["networks/multigrid_training", "networks/network_settings"],
    "encoders/_quasi_random": ["encoders/quasi_random", "encoders/fourier"],
    "encoders/axis_spacing": [
        *("encoders/spacing", "kronecker/kronecker_spacing", "kronecker/criterion")
    ],
    "encoders/bases": BASES,
    "encoders/basis": BASES,
    "encoders/domains": ["encoders/domains", "encoders/shifted_basis"],
    "encoders/fourier": FOURIER,
    "encoders/learnable": LEARNABLE,
    "encoders/log_fourier": FOURIER,
    "encoders/random_fourier": FOURIER,
    "encoders/shifted_basis": BASES,
    "encoders/spherical_harmonics": ["encoders/spherical_harmonics", "array_api"],
    "encoders/spacing": ["encoders/spacing", "package", "refits"],
    "graphs": [
        *("graphs/anchor_distance", "graphs/anchor_path", "graphs/node_predictors"),
        "graphs/path_preservation",
    ],
    **{
        f"kronecker/_{name}": ["kronecker/covariates"]
        for name in ("alternate", "columns", "covariates", "linear_term")
    },
    "kronecker/_automatic": ["kronecker/kronecker_defaults"],
    "kronecker/_centres": ["kronecker/centres", "kronecker/many"],
    "kronecker/_climb": ["kronecker/climb", "kronecker/learnt_search"],
    "kronecker/_criterion": ["kronecker/criterion"],
    "kronecker/_detail": ["kronecker/detail", "kronecker/many"],
    "kronecker/_fit": ["kronecker/deviations", "kronecker/kronecker", "kronecker/covariates"],
    "kronecker/_fit_of_sums": ["kronecker/deviations"],
    "kronecker/_gap_spacing": ["kronecker/deviations"],
    "kronecker/_learnt": ["kronecker/learnt_search", "kronecker/learnt_units"],
    "kronecker/_leaves_out": ["kronecker/kronecker", "kronecker/line", "kronecker/centres"],
    "kronecker/_listed": ["kronecker/kronecker_search", "kronecker/patterns"],
    "kronecker/_many": ["kronecker/many"],
    "kronecker/_band": ["kronecker/band", "kronecker/line"],
    **{
        f"kronecker/_line{name}": ["kronecker/line", "kronecker/line_search"]
        for name in ("", "_cells", "_features", "_search", "_systems")
    },
    **{
        f"kronecker/_line_{name}": [
            "kronecker/line_ranks",
            "kronecker/line",
            "kronecker/line_search",
        ]
        for name in ("adaptive", "candidates", "judged", "ranks")
    },
    "kronecker/_matern_splines": ["kronecker/matern_splines", "kronecker/line"],
    "kronecker/_parts": ["kronecker/climb", "kronecker/learnt_search"],
    "kronecker/_periods": ["kronecker/periods", "kronecker/seasonal_dates"],
    "kronecker/_components": ["kronecker/components", "kronecker/strengths"],
    "kronecker/_knots": ["kronecker/components"],
    "kronecker/_outputs": ["kronecker/seasonal_ridge", "kronecker/seasonal_covariates"],
    "kronecker/_series": [
        f"kronecker/{part}" for part in ("strengths", "seasonal_ridge", "seasonal_covariates")
    ],
    "kronecker/_splines": ["kronecker/components"],
    "kronecker/_strengths": ["kronecker/strengths", "kronecker/seasonal_ridge"],
    "kronecker/seasonal_ridge": [
        *("kronecker/seasonal_ridge", "kronecker/seasonal_dates", "kronecker/seasonal_covariates"),
        "package",
    ],
    "kronecker/_pattern_search": ["kronecker/patterns"],
    "kronecker/_patterns": ["kronecker/patterns"],
    "kronecker/_perturbed": ["kronecker/deviations"],
    "kronecker/_beyond": ["kronecker/beyond"],
    "kronecker/_posterior": ["kronecker/deviations", "kronecker/scales", "kronecker/kronecker"],
    "kronecker/_progress": ["kronecker/progress"],
    "kronecker/_noise": ["kronecker/scales"],
    "kronecker/_scales": ["kronecker/scales"],
    "kronecker/_scoring": ["kronecker/scoring"],
    "kronecker/_warnings": ["kronecker/kronecker", "kronecker/kronecker_iterative"],
    "kronecker/_searched": ["kronecker/scales", "kronecker/deviations", "kronecker/patterns"],
    "kronecker/_stages": ["kronecker/patterns"],
    "kronecker/_judged_by_centres": ["kronecker/judged_by_centres"],
    "kronecker/_judgements": ["kronecker/learnt_search", "kronecker/on_sphere"],
    "kronecker/_sphere_climb": ["kronecker/on_sphere", "kronecker/sphere_polish"],
    "kronecker/_sphere_polish": ["kronecker/sphere_polish"],
    "kronecker/_stage": ["kronecker/criterion", "kronecker/learnt_search", "kronecker/on_sphere"],
    "kronecker/_nested": ["kronecker/kronecker_defaults", "tables"],
    "kronecker/_multigrid": ["kronecker/kronecker_gaps"],
    "kronecker/_gaps": ["kronecker/kronecker_gaps"],
    "kronecker/_axis_cosines": ["kronecker/kronecker_gaps"],
    "kronecker/_systems": ["kronecker/kronecker_iterative"],
    "kronecker/_radial": ["kronecker/kronecker_radial"],
    "kronecker": [
        *("kronecker/kronecker", "kronecker/deviations", "kronecker/patterns", "refits"),
        *(f"kronecker/kronecker_{name}" for name in ("adaptive", "blocks", "defaults", "device")),
        *(f"kronecker/kronecker_{name}" for name in ("iterative", "processors", "scattered")),
        *(f"kronecker/kronecker_{name}" for name in ("search", "similarity", "spacing")),
        *("kronecker/kronecker_radial", "kronecker/learnt_search", "kronecker/learnt_units"),
    ],
    "maps/_beside": ["kronecker/covariates"],
    "maps": ["maps/predict_grid", "maps/fill_grid"],
    "measures": [*METRICS, "measures/similarity_radius", "properties"],
    "measures/_advice": ["measures/encoding_report"],
    "measures/_layout_advice": ["measures/sample_layout"],
    "measures/_tracks": ["measures/sample_layout"],
    "measures/_trials": ["measures/encoding_report"],
    "measures/encoding_report": ["measures/encoding_report"],
    "measures/held_encoder": [*HELD, "plotting/plotting"],
    "measures/report": ["measures/encoding_report"],
    "measures/sample_layout": ["measures/sample_layout"],
    "measures/spectrum": ["plotting/plotting", "measures/encoding_report"],
    "networks": ["networks/regressor", "networks/training"],
    "networks/_building": ["networks/coordinate_module"],
    "networks/_judgement": ["networks/judgement"],
    "networks/_labels": ["networks/classifier"],
    "networks/_noise_test": ["networks/noise_test"],
    "networks/_schedules": ["networks/training"],
    "networks/_layer_ranks": ["networks/layer_ranks"],
    "networks/classifier": ["networks/classifier"],
    "networks/_doubles": ["networks/encoder_module"],
    "networks/_memory": ["networks/training"],
    "networks/_muon": ["networks/muon"],
    "networks/meanwhile": ["stress"],
    "networks/_origin": ["networks/regressor"],
    "networks/_orthogonal_steps": ["networks/muon"],
    "networks/_plain": ["networks/pickling"],
    "networks/hints": ["networks/hints"],
    "networks/_views": ["networks/views"],
    "networks/_fixed_batches": ["networks/multigrid_training"],
    "networks/_products": ["networks/multigrid_training"],
    "networks/_roughness": ["networks/multigrid_training"],
    "networks/_smoothness_search": ["networks/multigrid_training"],
    "networks/_weights": ["networks/weights"],
    "networks/_checkpoint": [
        "networks/checkpoint",
        "networks/estimator",
        "networks/training",
        "refits",
    ],
    "networks/coordinate_module": ["networks/regressor", "networks/coordinate_module"],
    "networks/encoder_module": ["networks/encoder_module"],
    "networks/estimator": ["networks/estimator", "networks/regressor", "networks/training"],
    "networks/linear_layers": [
        *("graphs/anchor_path", "graphs/node_predictors", "networks/muon", "networks/layer_ranks")
    ],
    "networks/network_similarity": ["networks/network_similarity", "plotting/plotting"],
    "networks/parameters": ["networks/estimator", "networks/regressor", "refits"],
    "networks/pickling": [
        "networks/pickling",
        "networks/estimator",
        "networks/regressor",
        "refits",
    ],
    "networks/run": ["networks/run", "networks/estimator", "networks/training"],
    "networks/scaling": ["networks/scaling", "networks/regressor"],
    "networks/settings": [
        *("networks/network_settings", "networks/training", "networks/regressor")
    ],
    "networks/standardised": ["networks/regressor", "series/attention_regressor"],
    "networks/training": ["networks/estimator", "networks/training", "refits"],
    "networks/tangent_kernel": ["networks/tangent_kernel", "networks/network_similarity"],
    "plotting": ["plotting/plotting", "tables"],
    "plotting/layer_rank_display": ["plotting/layer_rank_display"],
    "series": [
        "series/augmenter",
        "series/attention",
        "series/attention_regressor",
        "series/block_sums",
        "series/positive_features",
        "series/toeplitz",
    ],
    "selection": ["selection/suggestion"],
    "selection/_alike": ["selection/perturbation_search"],
    "selection/_candidates_of_edges": ["selection/perturbation_search"],
    "selection/_doubts": ["selection/doubts", "selection/suggestion"],
    "selection/_mixed_encoding": ["selection/mixed_encoding", "selection/perturbation_search"],
    "selection/_perturbation": ["selection/mixed_encoding", "selection/perturbation_search"],
    "selection/_search_progress": ["selection/perturbation_search"],
    "selection/_supernet": ["selection/mixed_encoding", "selection/perturbation_search"],
    "selection/_crowding": ["selection/crowding", "selection/coordinate_folds"],
    "selection/_groups": ["selection/groups", "selection/coordinate_folds"],
    "selection/coordinate_folds": ["selection/coordinate_folds", "selection/groups"],
    "datasets": ["datasets/datasets"],
    "datasets/labelled": ["datasets/labelled", "maps/predict_grid"],
}
# Reads the defaults of functions, which no line executes.
DEFAULTS = "tests/test_package.py::test_defaults_are_those_documented"
# Tests that run others in a process of their own, and may execute what no test does here.
PROCESS = "test_all_of_this_file_under_array_api_dispatch"
# What decides how fast something is, in how many pieces or by which of two exact ways.
SPEED = """_BAND_ROWS _BLOCK _CELLS_PER_POINT _DENSE _DENSE_UP_TO _DEVICE_BLOCK _FIT_BYTES
    _GRAM_UP_TO _HELD _HOST_BLOCK _PREDICTION_ENTRIES _PROBE_ROWS _SPARSE_BLOCK
    _SVD_UP_TO all_exact block_bytes direct_up_to dual_up_to few_cells node_block row_block
    sparse_entries"""
SPEED_KEYWORDS = {"copy", "check_finite", "driver", "n_jobs", "order", "stacklevel", "strict"}
SWAPS = {
    **{ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt},
    **{ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.In: ast.NotIn, ast.NotIn: ast.In},
    **{ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.And: ast.Or, ast.Or: ast.And},
    **{ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult},
    **{ast.Pow: ast.Mult, ast.FloorDiv: ast.Div, ast.Mod: ast.Mult},
    **{ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.LShift: ast.RShift},
}
NAMES = {"min": "max", "any": "all", "floor": "ceil", "zeros": "ones", "minimum": "maximum"}
NAMES |= {"argmin": "argmax", "nanmin": "nanmax", "zeros_like": "ones_like", "sin": "cos"}
NAMES |= {new: old for old, new in NAMES.items()}


class Mutant(NamedTuple):
    """Bytes ``start`` to ``stop`` of a module replaced; ``lines`` tell which tests to run."""

    path: str
    start: int
    stop: int
    line: int
    old: str
    new: str
    lines: frozenset[int | str]  # of the module; a name, for lines that read it; or DEFAULTS


class Finder:
    """All mutants of a module."""

    def __init__(self, path: str, source: bytes) -> None:
        self.path, self.source, self.found = path, source, []
        self.starts = [0, *accumulate(map(len, source.splitlines(keepends=True)))]
        self.lines, self.function = set(), None
        for statement in ast.parse(source).body:
            self.walk(statement)

    def add(self, node, text):
        start = self.starts[node.lineno - 1] + node.col_offset
        stop = self.starts[node.end_lineno - 1] + node.end_col_offset
        old = self.source[start:stop].decode()
        self.found.append(
            Mutant(self.path, start, stop, node.lineno, old, text, frozenset(self.lines))
        )

    def changed(self, node, **fields):
        new = copy.copy(node)
        for name, value in fields.items():
            setattr(new, name, value)
        text = ast.unparse(new)
        self.add(node, text if isinstance(node, (ast.stmt, ast.Slice)) else f"({text})")

    def walk(self, node):
        if isinstance(node, ast.JoinedStr) or called(node).startswith("warn"):
            return
        if isinstance(node, ast.FunctionDef):
            outside, self.function = self.function, node
            self.lines = {DEFAULTS, *range(node.body[0].lineno, node.end_lineno + 1)}
            for part in (*node.args.defaults, *filter(None, node.args.kw_defaults), *node.body):
                self.walk(part)
            self.function = outside
            return
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None)
            last = max(node.lineno, body[0].lineno - 1) if body else node.end_lineno
            self.lines = set(range(node.lineno, last + 1))
            targets = filter(None, [getattr(node, "target", None), *getattr(node, "targets", ())])
            names = stored(*targets)
            if self.function is None and names:
                if names & {"__all__", *SPEED.split()}:
                    return
                self.lines = names
            if not body and any(called(part) == "perf_counter" for part in ast.walk(node)):
                return
            self.statement(node)
            if isinstance(node, (ast.Raise, ast.Import, ast.ImportFrom)):
                return
        else:
            self.expression(node)
        for field, value in ast.iter_fields(node):
            for part in value if isinstance(value, list) else [value]:
                speed = isinstance(part, ast.keyword) and part.arg in SPEED_KEYWORDS
                hint = field in ("annotation", "decorator_list", "bases")
                if isinstance(part, ast.AST) and not speed and not hint:
                    lines = self.lines
                    self.walk(part)
                    self.lines = lines

    def statement(self, node):
        typing = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        if isinstance(node, (ast.If, ast.While)) and not typing:
            self.add(node.test, f"(not ({ast.unparse(node.test)}))")
        gone = isinstance(node, (ast.Raise, ast.AugAssign, ast.Continue, ast.Break))
        if isinstance(node, ast.Expr):
            gone = bool(called(node.value)) and not called(node.value).startswith("warn")
        elif isinstance(node, ast.Assign) and self.function:  # not the first of a name's
            gone = stored(*node.targets) <= {
                *stored(self.function, until=node.lineno),
                *(a.arg for a in ast.walk(self.function.args) if isinstance(a, ast.arg)),
            }
        if gone:
            self.add(node, "pass")
        if isinstance(node, ast.AugAssign) and type(node.op) in SWAPS:
            self.changed(node, op=SWAPS[type(node.op)]())

    def expression(self, node):
        if isinstance(node, ast.Compare):
            for i, op in enumerate(node.ops):
                self.changed(node, ops=[*node.ops[:i], SWAPS[type(op)](), *node.ops[i + 1 :]])
        elif isinstance(node, (ast.BinOp, ast.BoolOp)) and type(node.op) in SWAPS:
            self.changed(node, op=SWAPS[type(node.op)]())
        elif isinstance(node, ast.UnaryOp) and not isinstance(node.operand, ast.Constant):
            self.add(node, f"({ast.unparse(node.operand)})")
        elif isinstance(node, ast.IfExp):
            self.add(node.test, f"(not ({ast.unparse(node.test)}))")
        elif isinstance(node, ast.Constant) and isinstance(node.value, (bool, int, float)):
            value = node.value
            new = not value if isinstance(value, bool) else value + 1
            self.add(node, repr(2 * value if isinstance(value, float) and value else new))
        elif isinstance(node, ast.Slice):
            for side in ("lower", "upper"):
                if getattr(node, side) is not None:
                    self.changed(node, **{side: None})
        elif isinstance(node, ast.Call):
            if called(node) in NAMES:
                field = "id" if isinstance(node.func, ast.Name) else "attr"
                self.changed(node.func, **{field: NAMES[called(node)]})
            for keyword in node.keywords:
                if keyword.arg and keyword.arg not in SPEED_KEYWORDS:
                    self.changed(node, keywords=[k for k in node.keywords if k is not keyword])


def called(node: ast.AST) -> str:
    """The name of what is called, without what it belongs to; empty for what is no call."""
    function = node.func if isinstance(node, ast.Call) else None
    return getattr(function, "id", getattr(function, "attr", "?" if function else ""))


def stored(*nodes: ast.AST, until: float = math.inf) -> set[str]:
    found = [n for node in nodes for n in ast.walk(node) if isinstance(n, ast.Name)]
    return {n.id for n in found if isinstance(n.ctx, ast.Store) and n.lineno < until}


def drawn(number: int, seed: int, chosen: list[str]) -> list[Mutant]:
    """Mutants of the modules, as many of each as its share of all lines."""
    every = {}
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        name, source = str(path.relative_to(ROOT)), path.read_bytes()
        found = Finder(name, source).found
        if found and any(part in name for part in chosen or [""]):
            every[name] = source.count(b"\n"), found
    shares = [0, *accumulate(lines for lines, _ in every.values())]
    ends = [round(number * share / shares[-1]) for share in shares]
    mutants = []
    for (name, (_, found)), (start, end) in zip(every.items(), pairwise(ends), strict=True):
        mutants += random.Random(f"{seed} {name}").sample(found, min(end - start, len(found)))
    return mutants


class Plugin:
    """Of pytest: runs the tests that have a time, in their order; or all, and watches them."""

    def __init__(self, times: dict[str, float], watch: coverage.Coverage | None = None) -> None:
        self.times, self.watch = times, watch
        self.taken, self.failed, self.skipped = {}, set(), set()

    def pytest_collection_modifyitems(self, items):
        if not self.watch:
            items[:] = [item for item in items if item.nodeid in self.times]
            place = {nodeid: i for i, nodeid in enumerate(self.times)}
            items.sort(key=lambda item: place[item.nodeid])

    def pytest_runtest_logstart(self, nodeid):
        if self.watch:
            self.watch.switch_context(nodeid)
            self.taken[nodeid] = time.perf_counter()
        else:  # what runs for ever ends by this signal, after so much time of the processor
            signal.setitimer(signal.ITIMER_PROF, 20 + 10 * self.times[nodeid])

    def pytest_runtest_logfinish(self, nodeid):
        if self.watch:
            self.watch.switch_context("")
            self.taken[nodeid] = time.perf_counter() - self.taken[nodeid]

    def pytest_runtest_logreport(self, report):
        if not report.passed:
            (self.failed if report.failed else self.skipped).add(report.nodeid)


def copied(origin: Path, place: Path) -> Path:
    """The package, its tests and settings, and links to what else some tests read."""
    place.mkdir()
    for each in origin.iterdir():
        if each.name in (PACKAGE, "tests"):
            shutil.copytree(each, place / each.name)
        elif each.name == "pyproject.toml":
            shutil.copy2(each, place)
        elif not each.name.startswith("."):
            (place / each.name).symlink_to(each)
    return place


def run(
    origin: Path, place: Path, mutant: Mutant | None, files: list[str], plugin: Plugin, to: Path
) -> None:
    """Tests in a copy; for a process of its own, which has imported none of the package."""
    os.setsid()
    copied(origin, place)
    if mutant:
        whole = (place / mutant.path).read_bytes()
        changed = whole[: mutant.start] + mutant.new.encode() + whole[mutant.stop :]
        (place / mutant.path).write_bytes(changed)
    os.chdir(place)
    sys.path.insert(0, str(place))
    os.environ["PYTHONPATH"] = str(place)
    log = os.open(to.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    options = ["-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    if plugin.watch is None:
        os._exit(pytest.main([*options, "-x", *files], plugins=[plugin]))
    plugin.watch.start()
    pytest.main([*options, *files], plugins=[plugin])
    plugin.watch.stop()
    data = plugin.watch.get_data()
    executed = {
        os.path.relpath(file, place): dict(data.contexts_by_lineno(file))
        for file in data.measured_files()
    }
    taken = {test: t for test, t in plugin.taken.items() if test not in plugin.skipped}
    to.write_bytes(pickle.dumps((taken, plugin.failed, executed)))
    os._exit(0)


def side_by_side(tasks, n_jobs: int):
    """Calls ``run`` in forks, with the arguments of (key, seconds, *arguments); yields codes."""
    fork, waiting, running = multiprocessing.get_context("fork"), deque(tasks), {}
    while waiting or running:
        while waiting and len(running) < n_jobs:
            key, seconds, *arguments = waiting.popleft()
            running[key] = fork.Process(target=run, args=arguments), time.time() + seconds
            running[key][0].start()
        time.sleep(0.05)
        for key, (process, end) in list(running.items()):
            if not process.is_alive() or time.time() > end:
                with contextlib.suppress(ProcessLookupError):  # it, and what it has started
                    os.killpg(process.pid, signal.SIGKILL)
                process.join()
                del running[key]
                yield key, process.exitcode


def test_files(path: str) -> set[str]:
    """Those of a module, else of its room, and the module itself for its doctests."""
    module = path.removeprefix(f"{PACKAGE}/").removesuffix(".py")
    named = TESTS.get(module) or TESTS[module.partition("/")[0]]
    rooms = (Path(name) for name in named)
    return {
        path,
        "tests/test_package.py",
        *(f"tests/{p.parent / f'test_{p.name}.py'}" for p in rooms),
    }


def watched(origin: Path, files: set[str], cache: Path, n_jobs: int):
    """Times of the tests, those that fail, and the tests that execute each line."""
    sources = [*(origin / PACKAGE).rglob("*.py"), *(origin / "tests").glob("[ce]*.py")]
    package = b"".join(path.read_bytes() for path in sorted(sources))
    answers, tasks = [], []
    for index, file in enumerate(sorted(files)):
        key = hashlib.sha1(package + (origin / file).read_bytes() + file.encode()).hexdigest()
        answers.append(cache / f"{key}.pickle")
        if not answers[-1].exists():
            place = origin.parent / f"watched{index}"
            watch = coverage.Coverage(data_file=None, source=[str(place / PACKAGE)])
            plugin = Plugin({}, watch)
            tasks.append((file, 3600, origin, place, None, [file], plugin, answers[-1]))
    for file, _ in side_by_side(tasks, n_jobs):
        print("watched", file, flush=True)
    times, failed, lines = {}, set(), defaultdict(set)
    for answer in answers:
        taken, not_passed, executed = pickle.loads(answer.read_bytes())
        times |= taken
        failed |= not_passed
        for path, tests_of_lines in executed.items():
            for line, tests in tests_of_lines.items():
                lines[path, line].update(filter(None, tests))
    return times, failed, lines


def tests_of(mutant: Mutant, times: dict[str, float], lines) -> set[str]:
    """Its module's tests that execute its lines, or, of what runs on import, read its name."""
    wanted = {(mutant.path, line) for line in mutant.lines}
    named = {line for line in mutant.lines if isinstance(line, str)} - {DEFAULTS}
    for name in named:
        wanted |= {
            (str(path.relative_to(ROOT)), number)
            for path in (ROOT / PACKAGE).rglob("*.py")
            for number, text in enumerate(path.read_text().splitlines(), 1)
            if re.search(rf"\b{name}\b", text)
        }
    if named and not any(lines.get(key) for key in wanted):  # read on import too
        wanted = {key for key in lines if key[0] == mutant.path}
    found = set().union(*(lines.get(key, ()) for key in wanted))
    if not found:
        found = {test for test in times if test.endswith(PROCESS)}
    found = {test for test in found if test.split("::")[0] in test_files(mutant.path)}
    return found | ({DEFAULTS} & mutant.lines)


def in_order(names: set[str], times: dict[str, float], seconds: float) -> dict[str, float]:
    """Their times: one case of each test first, fast tests before slow ones, up to so long."""
    cases, turns = Counter(), []
    for name in sorted(names, key=lambda name: times[name]):
        test = name.split("[")[0]
        turns.append((cases[test], times[name], name))
        cases[test] += 1
    ends = accumulate(t for _, t, _ in sorted(turns))
    return {
        name: t for (_, t, name), end in zip(sorted(turns), ends, strict=True) if end - t < seconds
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("modules", nargs="*", help="parts of their paths; all modules if none")
    parser.add_argument("--number", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=math.inf, help="of tests per mutant")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir(), "mutants"))
    args = parser.parse_args()
    cache = args.cache.resolve()
    cache.mkdir(parents=True, exist_ok=True)
    mutants = drawn(args.number, args.seed, args.modules)
    files = {DEFAULTS.split("::")[0]}.union(*(test_files(mutant.path) for mutant in mutants))
    fates, tasks = {}, []
    with tempfile.TemporaryDirectory() as folder:
        origin = copied(ROOT, Path(folder, "origin"))
        times, failed, lines = watched(origin, files, cache, args.jobs)
        print(f"{len(times)} tests in {sum(times.values()):.0f} s; left out for they fail:")
        print(*sorted(failed), sep="\n", flush=True)
        for index, mutant in enumerate(mutants):
            names = (tests_of(mutant, times, lines) - failed) & times.keys()
            own = in_order(names, times, args.seconds)
            needed = sorted({name.split("::")[0] for name in own})
            place, seconds = Path(folder, str(index)), 120 + 10 * sum(own.values())
            if own:
                to = cache / f"mutant{index}"
                tasks.append((mutant, seconds, origin, place, mutant, needed, Plugin(own), to))
            else:
                fates[mutant] = "not executed"
        for mutant, code in side_by_side(tasks, args.jobs):
            fates[mutant] = {0: "survived", 1: "killed", 2: "killed"}.get(code, "ended")
            shown = f"{mutant.path}:{mutant.line}: {mutant.old}  ->  {mutant.new}"
            print(f"{len(fates)} {fates[mutant]}", " ".join(shown.split()), flush=True)
    kinds = ["killed", "ended", "survived", "not executed"]
    print(f"\n{'':40} {'mutants':>12}" + "".join(f"{kind:>13}" for kind in kinds))
    for path in [*sorted({mutant.path for mutant in mutants}), ""]:
        counts = Counter(fate for mutant, fate in fates.items() if path in mutant.path)
        row = "".join(f"{counts[kind]:13}" for kind in kinds)
        print(f"{path or 'all':40} {counts.total():12}{row}")
    for mutant in mutants:
        if fates[mutant] in kinds[2:]:
            print(f"\n{mutant.path}:{mutant.line} {fates[mutant]}")
            print(f"-   {mutant.old}\n+   {mutant.new}")


if __name__ == "__main__":
    main()
