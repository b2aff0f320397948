"""Basis functions against scipy and quadrature, and bases of a user's own."""

import functools
import itertools
import math

import array_api_compat.numpy as xp
import numpy as np
import pytest
from array_api_compat import array_namespace
from encoder_contract import dense_stable_rank
from scipy.integrate import quad
from scipy.interpolate import BSpline as ScipyBSpline

from sk_posenc import Basis, ShiftedBasisEncoder, similarity_radius
from sk_posenc.encoders.bases import resolve_basis

CUBIC = ScipyBSpline.basis_element(np.arange(-2, 3), extrapolate=False)
PHI = {
    "gaussian": lambda u: np.exp(-(u**2) / 2),
    "triangle": lambda u: np.maximum(0.0, 1 - np.abs(u)),
    "rectangle": lambda u: np.where((u >= -0.5) & (u < 0.5), 1.0, 0.0),
    "bspline": lambda u: np.nan_to_num(CUBIC(u)),
    "matern12": lambda u: np.where(u >= 0, np.exp(-np.abs(u)), 0.0),
    "matern32": lambda u: np.exp(-np.abs(u)),
    "matern72": lambda u: (1 + np.abs(u)) * np.exp(-np.abs(u)),
    "sine": lambda u: np.sin(2 * np.pi * u),
    "square": lambda u: np.where(np.mod(u, 1.0) < 0.5, 1.0, -1.0),
}
# where phi ends, or falls below 1e-20, and where it is not smooth
REACH = {"gaussian": 10.0, "triangle": 1.0, "rectangle": 0.5, "bspline": 2.0}
REACH |= {"matern12": 50.0, "matern32": 50.0, "matern72": 55.0}
LAW = {
    "gaussian": lambda b: 1 / (2 * math.sqrt(math.pi) * b),
    "triangle": lambda b: 2 / (3 * b),
    "rectangle": lambda b: 1 / b,
    "bspline": lambda b: 151 / (315 * b),
    "matern12": lambda b: 1 / (2 * b),
    "matern32": lambda b: 1 / (4 * b),
    "matern72": lambda b: 1 / (6.4 * b),
    "sine": lambda b: 2.0,
    "square": lambda b: math.pi**2 / 4,
}


@functools.cache
def autocorrelation(name, delta):
    """Integral of phi(u) phi(u + delta), over a period for a basis that repeats."""
    phi = PHI[name]
    reach = REACH.get(name, 0.5)
    if abs(delta) > 2 * reach and name in REACH:
        return 0.0
    knots = np.unique(np.clip(np.r_[-2:2.5:0.5, -2 - delta : 2.5 - delta : 0.5], -reach, reach))
    ends = np.unique(np.r_[-reach, knots, reach])
    pieces = itertools.pairwise(ends)
    return sum(quad(lambda u: phi(u) * phi(u + delta), a, b, epsabs=1e-14)[0] for a, b in pieces)


class RaisedCosine(Basis):
    """Support given; smooth."""

    support = 1.0

    def phi(self, u, xp):
        return 0.5 * (1 + xp.cos(math.pi * xp.clip(u, -1.0, 1.0)))


class Laplacian(Basis):
    """No support: its reach has to be found."""

    def phi(self, u, xp):
        return xp.exp(-xp.abs(u))


class Bumps(Basis):
    """Repeats."""

    period = 2.0

    def phi(self, u, xp):
        return xp.exp(xp.cos(math.pi * u))


@pytest.mark.parametrize("name", PHI)
def test_values(name, rng):
    u = rng.uniform(-3, 3, size=(50, 7))
    np.testing.assert_allclose(resolve_basis(name).phi(u, xp), PHI[name](u), rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", ["rectangle", "square", "matern12"])
def test_edges_are_half_open(name):
    u = np.array([[-1.0, -0.5, 0.0, 0.5, 1.0]])
    expected = {
        "rectangle": [0, 1, 1, 0, 0],
        "square": [1, -1, 1, -1, 1],
        "matern12": [0, 0, 1, np.exp(-0.5), np.exp(-1.0)],
    }[name]
    np.testing.assert_array_equal(resolve_basis(name).phi(u, xp), [expected])


@pytest.mark.parametrize("name", PHI)
def test_similarity_is_the_autocorrelation(name):
    deltas = np.array([-1.7, -0.4, 0.0, 0.25, 0.5, 0.9, 1.3, 3.1])
    expected = [autocorrelation(name, d) / autocorrelation(name, 0.0) for d in deltas]
    np.testing.assert_allclose(resolve_basis(name).similarity(deltas), expected, rtol=0, atol=1e-9)


# the highest continuous derivative of the similarity; of the sine and the Gaussian, one of many
SMOOTH = {"gaussian": 8, "bspline": 6, "matern72": 6, "triangle": 2, "matern32": 2, "sine": 8}


@pytest.mark.parametrize("name", SMOOTH)
def test_derivatives_of_the_similarity(name):
    basis, step = resolve_basis(name), 1e-4
    delta = np.r_[np.linspace(-4.1, 4.1, 200), 0.0]
    # displacements near a knot, where the derivative of the highest order has a kink
    delta = delta[(np.abs(delta - np.round(delta)) > 2 * step) | (delta == 0)]
    slope = basis.similarity
    for order in range(1, SMOOTH[name] + 1):
        differences = (slope(delta + step) - slope(delta - step)) / (2 * step)
        slope = functools.partial(basis.similarity_derivative, order=order)
        found = slope(delta)
        # the square of the step, times a higher derivative; at a kink the step itself
        limit = np.abs(found).max() * np.where(delta == 0, 10 * step, 1e-6)
        assert np.all(np.abs(found - differences) < limit)
        assert slope(delta.astype(np.float32)).dtype == np.float32
    if name not in {"gaussian", "sine"}:
        with pytest.raises(ValueError, match=f"no continuous derivative of order {order + 1}"):
            basis.similarity_derivative(delta, order + 1)


@pytest.mark.parametrize("name", ["rectangle", "square", "impulse", "matern12"])
def test_similarities_with_kinks_have_no_derivative(name):
    with pytest.raises(ValueError, match="no continuous derivative of order 1"):
        resolve_basis(name).similarity_derivative(np.zeros(1), 1)


def test_triangle_at_a_quarter_is_not_the_authors_value():
    assert resolve_basis("triangle").similarity(np.array([0.25]))[0] == pytest.approx(
        0.918, abs=1e-3
    )


@pytest.mark.parametrize("name", LAW)
@pytest.mark.parametrize("bandwidth", [0.001, 0.3])
def test_law(name, bandwidth):
    basis = resolve_basis(name)
    assert basis.stable_rank(bandwidth) == pytest.approx(LAW[name](bandwidth), rel=1e-12)
    if basis.period is None:
        assert basis.bandwidth(LAW[name](bandwidth)) == pytest.approx(bandwidth, rel=1e-12)
    else:
        with pytest.raises(ValueError, match="stable rank"):
            basis.bandwidth(8)


@pytest.mark.parametrize("name", PHI)
def test_numerical_defaults_equal_closed_forms(name):
    basis = resolve_basis(name)

    class Numerical(Basis):
        support = basis.support
        period = basis.period

        def phi(self, u, xp):
            return basis.phi(u, xp)

    numerical = Numerical()
    deltas = np.linspace(-3, 3, 101)
    # a jump costs half a step of the quadrature, where the wider one of "matern12" is 7e-4
    jumps = {"rectangle": 1e-4, "square": 1e-4, "matern12": 1e-3}.get(name, 1e-5)
    np.testing.assert_allclose(
        numerical.similarity(deltas), basis.similarity(deltas), rtol=0, atol=jumps
    )
    assert numerical.stable_rank(0.1) == pytest.approx(basis.stable_rank(0.1), rel=1e-4)
    assert numerical.energy == pytest.approx(basis.energy, rel=max(jumps, 1e-4))
    assert numerical.similarity(deltas.astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize(
    ("basis", "law"),
    [(RaisedCosine(), 0.75), (Laplacian(), 0.25)],
    ids=["raised cosine", "laplacian"],
)
@pytest.mark.parametrize("rank", [8, 32])
def test_own_basis_meets_the_law(basis, law, rank):
    # integral of phi**2 over the squared integral of phi
    X = np.linspace(0, 1, 2000, endpoint=False)[:, None]
    encoder = ShiftedBasisEncoder(basis, stable_rank=rank, domain=(0, 1), boundary="periodic")
    E = encoder.fit_transform(X)
    assert encoder.bandwidth_[0] == pytest.approx(law / rank, rel=1e-3)
    assert dense_stable_rank(E) == pytest.approx(rank, rel=0.02)
    assert encoder.stable_rank_[0] == pytest.approx(rank, rel=0.02)


@pytest.mark.parametrize("basis", [RaisedCosine(), Laplacian(), Bumps()], ids=repr)
@pytest.mark.parametrize("boundary", ["extend", "periodic"])
def test_own_basis_has_even_norms_and_its_similarity(basis, boundary, rng):
    X = np.vstack([rng.uniform(5, 7, size=(200, 2)), [[5, 5], [7, 7]]])
    encoder = ShiftedBasisEncoder(basis, domain=(5, 7), boundary=boundary).fit(X)
    E = encoder.transform(X)
    # 1 % for the first harmonic of the ripple, and the others where phi has a kink
    np.testing.assert_allclose(np.sum(E**2, axis=1), 1, atol=0.02)
    np.testing.assert_allclose(encoder.similarity(X), E @ E.T, atol=0.02)
    assert similarity_radius(encoder).shape == (2,)
    assert len(set(encoder.get_feature_names_out())) == E.shape[1]


def test_own_basis_without_closed_forms_of_its_own_in_float32(rng):
    X = rng.uniform(size=(50, 1)).astype(np.float32)
    encoder = ShiftedBasisEncoder(Laplacian(), stable_rank=4).fit(X)
    assert encoder.transform(X).dtype == np.float32
    assert encoder.similarity(X).dtype == np.float32


def test_basis_that_never_decays():
    class Cauchy(Basis):
        def phi(self, u, xp):
            return 1 / xp.sqrt(1 + xp.abs(u))

    with pytest.raises(ValueError, match="support"):
        ShiftedBasisEncoder(Cauchy()).fit(np.eye(3))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (lambda u: u[:, :1], "shape"),
        (lambda u: np.exp(-(u**2)).sum(), "shape"),
        (lambda u: np.where(np.abs(u) < 0.1, np.nan, 0.0), "finite"),
        (lambda u: 0.0 * u, "phi is 0"),
    ],
    ids=["columns", "scalar", "nan", "zero"],
)
def test_phi_that_is_wrong(value, message):
    class Wrong(Basis):
        support = 1.0

        def phi(self, u, xp):
            return value(u)

    with pytest.raises(ValueError, match=message):
        ShiftedBasisEncoder(Wrong()).fit(np.eye(3))


def test_basis_without_phi():
    with pytest.raises(TypeError, match="must define phi"):
        ShiftedBasisEncoder(Basis()).fit(np.eye(3))


def test_phi_takes_the_namespace_of_its_argument():
    class Strict(Basis):
        support = 1.0

        def phi(self, u, xp):
            assert xp.exp(u).dtype == u.dtype
            assert array_namespace(u).__name__.split(".")[-1] in xp.__name__
            return xp.exp(-u * u)

    assert np.isfinite(ShiftedBasisEncoder(Strict()).fit_transform(np.eye(3))).all()
