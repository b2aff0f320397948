"""Properties that hold for any input: laws of similarity and stable rank, and no surprises.

It needs nothing but the package, so that it can be run against an installed one.
"""

import math
import re
import warnings

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sk_posenc import (
    FourierEncoder,
    LogFourierEncoder,
    RandomFourierEncoder,
    ShiftedBasisEncoder,
    distance_preservation,
    psnr_score,
    similarity_radius,
    stable_rank,
)

BASES = ["gaussian", "triangle", "rectangle", "impulse", "bspline", "sine", "square"]
BASES += ["matern12", "matern32", "matern72"]
ENCODERS = {
    **{basis: ShiftedBasisEncoder(basis) for basis in BASES},
    "periodic": ShiftedBasisEncoder("triangle", boundary="periodic", domain=(0, 1)),
    "cut": ShiftedBasisEncoder(boundary="cut"),
    "fourier": FourierEncoder(),
    "log": LogFourierEncoder(4),
    "random": RandomFourierEncoder(16, random_state=0),
}
X = np.random.default_rng(0).uniform(size=(12, 2))

# How scikit-learn speaks of an array that it was given.
ABOUT_ARRAYS = re.compile(
    # capitals alone: "a" is in every message
    r"\b[XAE]\b|(?i:y_true|y_pred|array|sample|feature|dtype|convert|float|domain|complex)"
)
dtypes = st.one_of(
    hnp.floating_dtypes(sizes=(16, 32, 64)),
    hnp.integer_dtypes(),
    hnp.unsigned_integer_dtypes(),
    hnp.boolean_dtypes(),
    hnp.complex_number_dtypes(),
    hnp.unicode_string_dtypes(max_len=4),
    hnp.datetime64_dtypes(),
)
shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=6)
objects = hnp.arrays(
    object,
    shapes,
    elements=st.one_of(
        st.none(), st.text(max_size=3), st.floats(), st.integers(), st.just([1, 2]), st.just({})
    ),
)
tables = hnp.arrays(
    st.sampled_from([np.float64, np.float32]), st.tuples(st.integers(1, 9), st.integers(1, 3))
)
any_array = st.one_of(dtypes.flatmap(lambda d: hnp.arrays(d, shapes)), objects, tables)
matrices = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 8), st.integers(1, 8)),
    elements=st.floats(-10, 10, allow_subnormal=False).map(lambda x: round(x, 3)),
)


def refused_or(compute, about):
    """Result of ``compute``, None where it is refused with an error that says why."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a stable rank that falls short
        try:
            return compute()
        except (ValueError, TypeError) as error:
            message = str(error)
    assert re.search(about, message), f"{message!r} does not say what is wrong"
    return None


@given(matrices)
def test_stable_rank_lies_between_one_and_the_rank(A):
    assume(A.any())
    assert 1 <= stable_rank(A) <= np.linalg.matrix_rank(A, tol=1e-9) * (1 + 1e-9)


@given(matrices, st.floats(1e-100, 1e100), st.integers(0, 99))
def test_stable_rank_does_not_change_with_scale_or_rotation(A, scale, seed):
    assume(A.any())
    expected = pytest.approx(stable_rank(A), rel=1e-9)
    rotation = np.linalg.qr(np.random.default_rng(seed).normal(size=(A.shape[1],) * 2))[0]
    assert stable_rank(A * scale) == expected
    assert stable_rank(A @ rotation) == expected
    assert stable_rank(A.T) == expected


# that of the impulse, by the nearest shift, does on average only
@pytest.mark.parametrize("kind", [kind for kind in ENCODERS if kind != "impulse"])
@settings(max_examples=15)
@given(
    x=st.floats(0.0, 0.5), delta=st.floats(0, 0.25), move=st.floats(0, 0.25), rank=st.floats(1, 40)
)
def test_similarity_depends_on_the_difference_alone(kind, x, delta, move, rank):
    encoder = ENCODERS[kind]
    if "stable_rank" in encoder.get_params() and kind not in ("sine", "square", "random"):
        encoder.set_params(stable_rank=rank)
    encoder.fit([[0.0], [1.0]])
    pairs = np.array([[x, x + delta], [x + move, x + delta + move], [x + delta, x]])
    D = [encoder.similarity([[a]], [[b]])[0, 0] for a, b in pairs]
    np.testing.assert_allclose(D, D[0], rtol=0, atol=1e-9)
    assert abs(D[0]) <= 1 + 1e-9


@pytest.mark.parametrize(
    "basis",
    ["gaussian", "triangle", "rectangle", "bspline", "matern12", "matern32", "matern72"],
)
@settings(max_examples=15)
@given(narrow=st.floats(0.004, 0.5), ratio=st.floats(1.1, 4))
def test_stable_rank_falls_with_bandwidth(basis, narrow, ratio):
    ranks, radii = [], []
    for width in (narrow, narrow * ratio):
        encoder = ShiftedBasisEncoder(basis, bandwidth=width, domain=(0, 1)).fit(X)
        ranks.append(encoder.stable_rank_[0])
        radii.append(similarity_radius(encoder)[0])
    assert ranks[0] >= ranks[1] * (1 - 0.03)  # jumps of the rectangle are measured on samples
    assert radii[0] <= radii[1] * (1 + 1e-9)


# older NumPy warns where scikit-learn adds infinities up to find them
@pytest.mark.filterwarnings("ignore:invalid value encountered in reduce:RuntimeWarning")
@pytest.mark.parametrize("kind", ENCODERS)
@settings(max_examples=40)
@given(data=any_array, rows=any_array)
def test_any_array_is_encoded_or_refused(kind, data, rows):
    encoder = ENCODERS[kind]
    if "stable_rank" in encoder.get_params() and kind not in ("sine", "square"):
        encoder.set_params(stable_rank="auto")
    fitted = refused_or(lambda: encoder.fit(data), ABOUT_ARRAYS)
    if fitted is None:
        fitted = encoder.fit(X)
    else:
        assert np.isfinite(fitted.stable_rank_).all()
        for compute in (fitted.transform, fitted.similarity):
            made = refused_or(lambda compute=compute: compute(data), "^X lies")
            assert made is None or np.isfinite(made).all()
        assert np.isfinite(similarity_radius(fitted)).all()
    E = refused_or(lambda: fitted.transform(rows), ABOUT_ARRAYS)
    assert E is None or np.isfinite(E).all()


@given(any_array, any_array)
@example(np.array([[-np.inf, np.inf]]), np.array(False))
@settings(max_examples=150)
def test_any_array_is_measured_or_refused(A, B):
    for compute in (
        lambda: stable_rank(A),
        lambda: distance_preservation(A, B),
        lambda: distance_preservation(A, A),
        lambda: psnr_score(A, B),
        lambda: psnr_score(A, A),
    ):
        value = refused_or(compute, ABOUT_ARRAYS)
        assert value is None or math.isfinite(value)


# Sizes between these would be allowed, and take gigabytes.
numbers = st.one_of(
    st.integers(-5, 300),
    st.integers(min_value=10**14),
    st.floats(max_value=500),
    st.floats(min_value=1e13),
    st.sampled_from([np.float32(3), np.int8(4), np.float64("nan"), np.bool_(True)]),
)
words = st.sampled_from(["auto", "extend", "periodic", "cut", "qmc", "iid", "gaussian", "", "x"])
values = st.one_of(
    st.none(),
    st.booleans(),
    numbers,
    words,
    st.complex_numbers(),
    st.lists(st.one_of(st.none(), numbers, words), max_size=3),
    st.tuples(numbers, numbers),
    st.lists(st.lists(numbers, min_size=2, max_size=2), max_size=3),
    hnp.arrays(
        st.sampled_from([np.float64, np.int64, object]), shapes, elements=st.integers(-3, 9)
    ),
    st.just({"x": 1}),
    st.just(np.exp),
)
PARAMETERS = [
    (encoder, name)
    for encoder in (ENCODERS["gaussian"], ENCODERS["fourier"], ENCODERS["log"], ENCODERS["random"])
    for name in encoder.get_params()
    if name != "random_state"
]


@pytest.mark.parametrize(
    ("encoder", "name"), PARAMETERS, ids=lambda part: part if isinstance(part, str) else None
)
@given(value=values)
def test_any_value_of_a_parameter_works_or_is_named(encoder, name, value):
    assume(not (name == "bandwidth" and _any_small(value)))
    made = type(encoder)(**{name: value})
    # a domain may be so narrow, or lie so far off, that X and the domain are what is wrong
    fitted = refused_or(lambda: made.fit(X), name)
    if fitted is not None:
        E = refused_or(lambda: fitted.transform(X), f"{name}|domain")
        E = E.toarray() if hasattr(E, "toarray") else E  # sparse_output=True
        assert E is None or np.isfinite(E).all()
        assert np.isfinite(fitted.stable_rank_).all()


def _any_small(value):
    """Bandwidths that would be allowed, and take gigabytes."""
    flat = np.asarray(value, dtype=object).ravel()
    return any(isinstance(x, float | int) and 0 < abs(x) < 1e-3 for x in flat)
