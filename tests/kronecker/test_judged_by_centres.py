"""The criterion by centres, against the one of all kernels of all places."""

import numpy as np
import pytest

from sk_posenc.core.limits import limits
from sk_posenc.kronecker._judged_by_centres import judge_by_centres
from sk_posenc.kronecker._samples import Samples
from sk_posenc.kronecker._stage import LIKELIHOOD_ON_SPHERE, Resolution, Stage
from sk_posenc.kronecker._targets import Units

ALPHAS = np.array([1e-3, 1e-2, 1.0])

# The least alpha that is to come decides how many centres there are.
MANY = np.array([1e-8, *ALPHAS])


def stage_and_samples(n, rng, weighted, beside):
    points = rng.normal(size=(n, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    heights = rng.normal(size=(n, 1))
    y = np.column_stack([np.cos(3 * points[:, 0]), points[:, 1] * points[:, 2] + heights[:, 0]])
    samples = Samples(points, rng.uniform(0.3, 2, n) if weighted else None)
    cells = samples.to_cells(Units(samples, y).standardised(y + 0.1 * rng.normal(size=(n, 2))))
    covariates = samples.to_cells(Units(samples, heights).standardised(heights))
    return Stage.of(samples, cells, covariates if beside else None), samples


@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("basis", "octave", "radial"),
    [("gaussian", 1.0, False), ("gaussian", -0.5, False), ("matern72", 0.0, True)],
)
def test_centres_judge_as_all_places_do(basis, octave, radial, weighted, beside, rng):
    whole, samples = stage_and_samples(250, rng, weighted, beside)
    rows = np.arange(10, 240)  # not up to the ends of the domain
    stage, places = whole.part(rows), samples.scattered(rows)
    # points beyond the last place along an axis count as points there, as in predictions
    ends = [(x[rows].min(), x[rows].max()) for x in whole.coordinates]
    stage.between = [np.clip(x, *each) for x, each in zip(stage.between, ends, strict=True)]
    resolution = Resolution(basis, (octave,) * 3, 0.0, radial)
    found = judge_by_centres(places, stage, resolution, MANY, LIKELIHOOD_ON_SPHERE)
    wanted = stage.judge(resolution, ALPHAS)
    np.testing.assert_allclose(found.criterion[1:], wanted.criterion, atol=1e-3)
    np.testing.assert_allclose(found.squared_error[1:], wanted.squared_error, rtol=1e-3)
    # with few centres from where noise is about as large as alpha
    few = judge_by_centres(places, stage, resolution, ALPHAS, LIKELIHOOD_ON_SPHERE)
    np.testing.assert_allclose(few.criterion[1:], wanted.criterion[1:], atol=0.05)
    np.testing.assert_allclose(few.squared_error, wanted.squared_error, rtol=0.05)


def test_details_too_fine_for_the_centres_are_not_judged(rng):
    stage, samples = stage_and_samples(250, rng, False, False)
    places, fine = samples.scattered(np.arange(250)), Resolution("gaussian", (3.0,) * 3, 0.0)
    assert judge_by_centres(places, stage, fine, ALPHAS, LIKELIHOOD_ON_SPHERE) is not None
    with limits(judged_steps=250 * 50**2):
        assert judge_by_centres(places, stage, fine, ALPHAS, LIKELIHOOD_ON_SPHERE) is None
        smooth = Resolution("gaussian", (-1.0,) * 3, 0.0)
        assert judge_by_centres(places, stage, smooth, ALPHAS, LIKELIHOOD_ON_SPHERE) is not None
