"""Noise and signal of fits that were chosen from a list, against dense algebra."""

import numpy as np
import pytest
from test_deviations import BSPLINE, EXACT, WAYS, points_of, samples_of
from test_kronecker import DenseRidge, close

from sk_posenc import KroneckerRidgeCV
from sk_posenc.core.limits import limits
from sk_posenc.kronecker._noise import learnt_noise
from sk_posenc.kronecker._perturbed import PosteriorByDraws
from sk_posenc.kronecker._samples import Samples
from sk_posenc.kronecker._scales import scales_of


def listed(penalty=2.0, alpha=1e-4, **settings):
    return KroneckerRidgeCV(BSPLINE, penalties=[penalty], alphas=[alpha], **settings)


def dense_scales(dense, X, y, weights, noise):
    """Signals, and the covariance of the error of coefficients for each output."""
    dense.fit(X, y, weights)
    root = np.sqrt(dense.w)
    A = root[:, None] * dense.features(X)
    inverse = np.linalg.inv(dense.gram + dense.strength * dense.prior())
    H = A @ inverse @ A.T
    R = np.eye(len(H)) - H
    left = R @ (root[:, None] * (y - dense.mean))
    of_noise, of_signal = np.trace(H @ R @ R), np.trace(H @ H @ R)
    signal = (np.sum(left * (H @ left), axis=0) / noise - of_noise) / of_signal
    own = np.sum(left**2, axis=0) / np.trace(R)
    signal = np.maximum(signal, 0.25 * own / noise)
    known = inverse @ dense.gram @ inverse
    return [n * (known + s * (inverse - known)) for n, s in zip(noise, signal, strict=True)]


@pytest.mark.parametrize("kind", ["grid", "holes", "weights", "scattered"])
@pytest.mark.parametrize("way", [None, *WAYS])
def test_every_layout(way, kind):
    X, y, weights = samples_of(kind)
    with limits(**(WAYS[way] if way else {})):
        model = listed(**EXACT).fit(X, y, weights)
        stds = [model.predict(points_of(at), return_std=True)[1] for at in ("grid", "anywhere")]
    dense = DenseRidge(model, 2.0, 1e-4)
    covariances = dense_scales(dense, X, y, weights, model.noise_variance_)
    for at, std in zip(("grid", "anywhere"), stds, strict=True):
        own = dense.features(points_of(at))
        expected = np.sqrt([np.einsum("ij,jk,ik->i", own, each, own) for each in covariances]).T
        if way is None or way is not PosteriorByDraws:
            tolerance = 0.03 if way else 5e-6  # traces by signs that are drawn
            assert np.max(np.abs(std / expected - 1)) < tolerance
        else:
            assert np.sqrt(np.mean((std / expected - 1) ** 2)) < 0.15
