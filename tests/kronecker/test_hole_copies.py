"""What fills wide holes of a grid is judged in copies of them."""

import numpy as np
import pytest
from scipy.interpolate import LinearNDInterpolator

from sk_posenc import FourierEncoder, KroneckerRidgeCV, ShiftedBasisEncoder, grid_samples
from sk_posenc.core.limits import limits
from sk_posenc.kronecker import _hole_copies
from sk_posenc.kronecker._held_out import _climb_in_holes, held_out_cells
from sk_posenc.kronecker._hole_copies import WideHoles, best_in_holes, fills_holes
from sk_posenc.kronecker._problem import Problem
from sk_posenc.kronecker._samples import Samples
from sk_posenc.kronecker.penalties import parse_penalty

SIDE = 64
BLOCK = np.s_[10:26, 30:46]


def holed(shape=(SIDE, SIDE), blocks=(BLOCK,), share=0.3, seed=0):
    """Cells that are missing."""
    gone = np.random.default_rng(seed).uniform(size=shape) < share
    for block in blocks:
        gone[block] = True
    return gone


def samples_of(gone):
    X = np.argwhere(np.ones(gone.shape)).astype(float)
    return Samples(X, (~gone).ravel().astype(float))


def rough_field(shape, exponent, seed=0):
    """Whose power falls with the frequency as that of smoothness of an exponent."""
    random = np.random.default_rng(seed)
    squares = sum(np.meshgrid(*(np.fft.fftfreq(n) ** 2 for n in shape), indexing="ij"))
    squares[0, 0] = np.inf
    waves = np.fft.fft2(random.standard_normal(shape)) * squares ** (-exponent / 2)
    field = np.fft.ifft2(waves).real
    return (field - field.mean()) / field.std()


def test_wide_holes_are_blocks_and_no_specks():
    holes = WideHoles.of(samples_of(holed()))
    assert holes.holes[BLOCK].all()
    assert not (holes.holes & holes.known).any()
    assert holes.holes.sum() < 1.3 * 16**2  # specks beside the block are of it
    assert WideHoles.of(samples_of(holed(blocks=()))) is None
    assert WideHoles.of(samples_of(np.zeros((SIDE, SIDE), bool))) is None


@pytest.mark.parametrize("corner", [np.s_[:16, :16], np.s_[-16:, 20:36]])
def test_holes_at_the_edge_are_wide_to_the_edge(corner):
    assert WideHoles.of(samples_of(holed(blocks=(corner,)))).holes[corner].all()


def test_copies_are_of_samples_and_few_of_them():
    holes = WideHoles.of(samples_of(holed()))
    copies = holes.copies()
    assert not (copies & ~holes.known).any()
    assert 0.1 < copies.sum() / holes.known.sum() <= 0.3
    # missing together, they are wide themselves
    without = WideHoles.of(samples_of(~(holes.known & ~copies)))
    assert (without.holes & copies).sum() > 0.9 * copies.sum()
    np.testing.assert_array_equal(copies, holes.copies())


def test_there_is_no_place_for_copies_of_a_hole_of_almost_all():
    holes = WideHoles.of(samples_of(holed(blocks=(np.s_[2:, 2:],))))
    assert holes.copies() is None


def test_the_part_that_judges_is_rough_and_has_holes(monkeypatch):
    monkeypatch.setattr(_hole_copies, "_CELLS", 32**2)
    blocks = [np.s_[8:14, 8:14], np.s_[8:14, 200:206], np.s_[200:206, 200:206]]
    holes = WideHoles.of(samples_of(holed((256, 256), blocks)))
    cells = np.zeros((1, 256, 256))
    cells[0, :, 128:] = np.random.default_rng(0).standard_normal((256, 128))
    cells[0, :128] *= 0.1
    part = holes.part(cells)
    assert all(own.stop - own.start == 32 for own in part)
    assert holes.holes[part].sum() >= 36
    assert all(own.start <= 200 < own.stop for own in part)


def test_pixels_are_held_out_where_holes_have_the_same_draws():
    gone = np.random.default_rng(0).uniform(size=(SIDE, SIDE)) < 0.3
    held = held_out_cells(samples_of(gone)).reshape(gone.shape)
    assert not (held & gone).any()
    assert held.sum() / (~gone).sum() == pytest.approx(0.12, abs=0.03)


@pytest.mark.parametrize(
    ("encoder", "penalty", "fills"),
    [
        (ShiftedBasisEncoder("bspline"), 2.0, True),
        (ShiftedBasisEncoder("bspline", boundary="periodic", domain=(0, 64)), 2.0, False),
        (FourierEncoder(), 2.0, False),
        (ShiftedBasisEncoder("bspline"), "slope", False),
    ],
)
def test_functions_that_need_many_steps_in_holes_are_not_judged_there(encoder, penalty, fills):
    problem = Problem(samples_of(holed()), encoder, parse_penalty(penalty, "penalty"))
    assert fills_holes(problem) is fills


def test_near_samples_choose_alpha_and_all_choose_the_path():
    near = np.array([[-1.0, -1.1, -2.0], [np.nan] * 3, [-1.2, np.nan, np.nan]])
    scores = np.array([[-5.0, -1.0, -0.5], [np.nan] * 3, [-4.0, np.nan, np.nan]])
    assert best_in_holes(scores, near) == 6
    scores[0, 0] = -3.0
    assert best_in_holes(scores, near) == 0


@pytest.mark.parametrize(
    ("errors", "alpha"),
    [
        ({}, 1e-3),
        ({1e-2: 0.96}, 1e-3),  # not worth it
        ({1e-2: 0.9, 1e-1: 0.8, 1e-4: 0.1}, 1e-1),
        ({1e-4: 0.995}, 1e-3),
        ({1e-4: 0.9, 1e-5: 0.89}, 1e-5),
    ],
)
def test_alphas_climb_from_a_small_one(errors, alpha):
    alphas = np.logspace(-5, 7, 37)
    known = np.ones(37)
    for at, error in errors.items():
        known[np.argmin(np.abs(np.log(alphas / at)))] = error
    found = _climb_in_holes(alphas, lambda j: -known[j] if 0 <= j < 37 else -np.inf)
    assert alphas[found] == pytest.approx(alpha)


@pytest.mark.parametrize(("truth", "most"), [(1.25, 1.5), (3.0, 2.5)])
def test_the_exponent_fits_the_field_in_holes_and_near_samples(truth, most):
    shape = (SIDE, SIDE)
    field = rough_field(shape, truth)
    blocks = [np.s_[i : i + 12, j : j + 12] for i in (6, 40) for j in (6, 40)]
    gone = holed(shape, blocks)
    X, y = grid_samples(np.where(gone, np.nan, field))
    with limits(learnt_up_to=10, direct_up_to=10, exact_up_to=10):
        model = KroneckerRidgeCV(penalties=[1.25, 1.5, 1.75, 2.0, 2.5], nan_is_hole=True).fit(X, y)
    assert model.layout_ == "holes"
    assert model.penalty_ <= most if truth < 2 else model.penalty_ >= 2
    filled = model.predict(X).reshape(shape)
    delaunay = LinearNDInterpolator(np.argwhere(~gone), field[~gone])(np.argwhere(gone))
    found = np.full(shape, np.nan)
    found[gone] = delaunay
    inside = np.zeros(shape, bool)
    for block in blocks:
        inside[block] = True
    for at in (inside, gone & ~inside & np.isfinite(found)):
        assert np.mean((filled - field)[at] ** 2) < np.mean((found - field)[at] ** 2)


def test_a_part_of_a_large_grid_chooses_and_all_are_fitted(monkeypatch):
    monkeypatch.setattr(_hole_copies, "_CELLS", 48**2)
    shape, blocks = (96, 120), [np.s_[20:28, 20:28], np.s_[60:68, 80:88]]
    field, gone = rough_field(shape, 1.5), holed(shape, blocks)
    X, y = grid_samples(np.where(gone, np.nan, field))
    model = KroneckerRidgeCV(nan_is_hole=True).fit(X, y)
    assert model.layout_ == "holes"
    assert model.penalty_ in {1.25, 1.5, 1.75}
    scored = model.cv_results_["mean_test_score"]
    assert scored[model.best_index_] == model.best_score_ > -1
    errors = (model.predict(X).reshape(shape) - field)[gone]
    assert np.mean(errors**2) < 0.1
