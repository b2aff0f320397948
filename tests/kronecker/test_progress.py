"""What long fits say: lines on the console, and the callbacks of scikit-learn."""

import importlib.util
import pickle
import re
import sys
from collections import Counter

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from sk_posenc import KroneckerRidge, KroneckerRidgeCV, SeasonalRidge, ShiftedBasisEncoder
from sk_posenc.core import callback_support
from sk_posenc.core.limits import limits
from sk_posenc.kronecker import _progress

LINE = r"\[{}\] {}: {}, \d+\.\d\d s"
ENCODER = ShiftedBasisEncoder("bspline", n_shifts=7, stable_rank=3, domain=(0.0, 1.0))


def samples(n=60):
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(n, 2))
    return X, np.sin(5 * X[:, 0]) + 0.1 * rng.standard_normal(n)


def lines(capsys):
    return capsys.readouterr().out.splitlines()


def said(line, *parts):
    return re.fullmatch(LINE.format(*parts), line) is not None


@pytest.mark.parametrize("verbose", [0, False])
def test_silence(verbose, capsys):
    KroneckerRidgeCV(penalties=2.0, alphas=[0.1], verbose=verbose).fit(*samples())
    assert not lines(capsys)


@pytest.mark.parametrize("verbose", [1, True, 3])
def test_a_line_for_each_stage(verbose, capsys):
    X, y = samples()
    KroneckerRidge(ENCODER, alpha=0.1, penalty=2.0, verbose=verbose).fit(X, y)
    first, second = lines(capsys)
    assert said(first, "KroneckerRidge", "encode", "81 products of features")
    assert said(second, "KroneckerRidge", "solve", "60 places, layout 'scattered'")


def test_steps_of_conjugate_gradients(capsys):
    X, y = samples()
    with limits(exact_up_to=5, direct_up_to=5):
        model = KroneckerRidge(ENCODER, alpha=0.1, penalty=2.0, verbose=1).fit(X, y)
    steps = f"60 places, layout 'scattered', {model.n_iter_} steps"
    assert said(lines(capsys)[1], "KroneckerRidge", "solve", steps)


@pytest.mark.parametrize("name", ["leave-one-out", "held out", "folds", "learnt"])
def test_candidates_of_a_search(name, capsys):
    X, y = samples(120)
    cv = 2 if name == "folds" else None
    settings = {} if name == "learnt" else {"penalties": [1.5, 2.0], "alphas": [0.1, 1.0, 3.0]}
    sizes = {"exact_up_to": 5, "direct_up_to": 5} if name == "held out" else {}
    with limits(**sizes):
        search = KroneckerRidgeCV(cv=cv, verbose=1, **settings).fit(X, y)
    first, second = lines(capsys)
    if name == "learnt":
        assert said(first, "KroneckerRidgeCV", "learn the resolution", r"\d+ scored")
    else:
        scored = "12 scored" if name == "folds" else "6 scored"
        told = f"{scored}, of 2 x 3 alphas"
        assert said(first, "KroneckerRidgeCV", "score candidates", told)
    assert second.startswith(f"[KroneckerRidgeCV] solve: 120 places, layout '{search.layout_}'")


def test_outputs_of_a_series(capsys):
    t = np.arange(40.0)[:, None]
    y = np.column_stack([np.sin(t[:, 0]), np.where(t[:, 0] < 8, np.nan, t[:, 0] % 7)])
    model = SeasonalRidge([7], nan_is_hole=True)
    model.fit(t, y)
    assert not lines(capsys)
    silent = model.predict(t)
    assert np.array_equal(model.set_params(verbose=1).fit(t, y).predict(t), silent)
    first, second = lines(capsys)
    assert said(first, "SeasonalRidge", "learn the strengths", r"\d+ scored, 40 times")
    assert said(second, "SeasonalRidge", "learn the strengths", r"\d+ scored, 32 times")
    with pytest.raises(ValueError, match=r"verbose must be at least 0\. Got -1\."):
        model.set_params(verbose=-1).fit(t, y)


def test_callbacks_hear_of_a_series(listener):
    t = np.arange(40.0)[:, None]
    SeasonalRidge([7]).set_callbacks(listener).fit(t, np.sin(t[:, 0]))
    told = Counter(each[:2] for each in listener.heard if isinstance(each, tuple))
    assert told["begin", "fit"] == told["begin", "learn the strengths"] == 1
    assert told["begin", "candidate"] == told["end", "candidate"] > 5
    assert listener.heard[-2:] == [("end", "fit", True), "teardown"]


@pytest.mark.parametrize("head", [KroneckerRidge, KroneckerRidgeCV])
def test_what_verbose_may_not_be(head):
    model = head(verbose=-1)
    with pytest.raises(ValueError, match=r"verbose must be at least 0\. Got -1\."):
        model.fit(*samples())
    for wrong in ("loud", 0.5, None):
        with pytest.raises(TypeError, match="verbose must be a whole number"):
            model.set_params(verbose=wrong).fit(*samples())
    assert not hasattr(model, "n_features_in_")


class Listener:
    """Keeps what it hears."""

    def __init__(self):
        self.heard = []

    def setup(self, estimator, context):
        self.heard.append("setup")

    def teardown(self, estimator, context):
        self.heard.append("teardown")

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None, metadata=None):
        weighted = metadata is not None and "sample_weight" in metadata
        self.heard.append(("begin", context.task_name, X is not None, y is not None, weighted))

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        one = X_ONE[:, : getattr(fitted_estimator, "n_features_in_", 2)]
        predicts = fitted_estimator is not None and np.isfinite(fitted_estimator.predict(one))
        self.heard.append(("end", context.task_name, bool(predicts)))


X_ONE = np.full((1, 2), 0.5)


@pytest.fixture
def listener():
    pytest.importorskip("sklearn.callback")
    return Listener()


def test_callbacks_hear_of_the_stages(listener):
    model = KroneckerRidge(ENCODER, alpha=0.1).set_callbacks(listener)
    model.fit(*samples(), np.ones(60))
    assert listener.heard == [
        "setup",
        ("begin", "fit", True, True, True),
        ("begin", "encode", False, False, False),
        ("end", "encode", False),
        ("begin", "solve", False, False, False),
        ("end", "solve", False),
        ("end", "fit", True),
        "teardown",
    ]
    assert "_callback_fit_ctx" not in vars(model)
    silent = clone(model).set_callbacks().fit(*samples())
    assert pickle.loads(pickle.dumps(silent)).predict(X_ONE) == model.predict(X_ONE)


def test_callbacks_hear_of_each_candidate(listener):
    settings = {"penalties": [1.5, 2.0], "alphas": [0.1, 1.0]}
    KroneckerRidgeCV(**settings).set_callbacks(listener).fit(*samples())
    counts = Counter(each[:2] for each in listener.heard if isinstance(each, tuple))
    assert counts["begin", "candidate"] == counts["end", "candidate"] == 4
    assert counts["end", "score candidates"] == counts["end", "solve"] == 1
    learnt, listener.heard = KroneckerRidgeCV().set_callbacks(listener), []
    learnt.fit(*samples())
    counts = Counter(each[:2] for each in listener.heard if isinstance(each, tuple))
    assert counts["end", "candidate"] > 10


def test_a_fit_that_fails_is_torn_down(listener):
    model = KroneckerRidge(ENCODER).set_callbacks(listener)
    with pytest.raises(ValueError, match="NaN"):
        model.fit(samples()[0], np.full(60, np.nan))
    assert listener.heard == ["setup", ("begin", "fit", True, True, False), "teardown"]
    assert "_callback_fit_ctx" not in vars(model)
    assert not hasattr(model, "n_features_in_")
    listener.heard = []
    model.fit(*samples())
    assert listener.heard[-1] == "teardown"


def test_inside_a_search_of_scikit_learn(listener):
    search = GridSearchCV(KroneckerRidge(ENCODER), {"alpha": [0.1, 1.0]}, cv=2)
    search.set_callbacks(listener).fit(*samples())
    assert listener.heard.count("setup") == 1
    assert search.best_estimator_.predict(X_ONE).shape == (1,)


def loaded_anew(module):
    spec = importlib.util.spec_from_file_location("earlier", module.__file__)
    again = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(again)
    return again


def test_before_scikit_learn_had_callbacks(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "sklearn.callback", None)
    support = loaded_anew(callback_support)
    monkeypatch.setitem(sys.modules, callback_support.__name__, support)
    earlier = loaded_anew(_progress)
    assert not hasattr(support.CallbackSupport, "set_callbacks")
    model = KroneckerRidge(ENCODER, verbose=1)

    def fit(fitted):
        with earlier.stage("solve") as told:
            told.note("all")
            fitted.done_ = True

    earlier.fit_aloud(model, fit, *samples(), None)
    assert model.done_
    assert said(lines(capsys)[0], "KroneckerRidge", "solve", "all")
