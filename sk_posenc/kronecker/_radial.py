"""Kronecker ridge whose kernel is the similarity of a basis at the distance of two points."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sk_posenc.encoders.axis_functions import functions_of
from sk_posenc.encoders.basis import Basis
from sk_posenc.kronecker._axis import Axis
from sk_posenc.kronecker._samples import Samples
from sk_posenc.kronecker._similarity import SimilarityDesign
from sk_posenc.kronecker.penalties import Penalty


class RadialDesign(SimilarityDesign):
    """Samples whose "features" along an axis are displacements from its coordinates, in bandwidths.

    The kernel of two points is the similarity at their distance, 1 at none. It is no product over
    the axes, so that a grid is like any other samples.
    """

    by_axis = False

    def __init__(self, samples: Samples, axes: list[Axis], penalty: Penalty) -> None:
        super().__init__(samples, axes, penalty)
        self._basis = _common_basis(axes)

    def cross_kernel(self, features: Sequence[NDArray]) -> NDArray:
        squares = [each[:, i] ** 2 for each, i in zip(features, self.rows(), strict=True)]
        return np.asarray(self._basis.similarity(np.sqrt(sum(squares[1:], squares[0]))))

    def own_at(self, coordinates: Sequence[NDArray], orders: Sequence[int]) -> list[NDArray]:
        return [np.ones(len(x)) for x in coordinates]

    def dual_along_axes(self, dual: NDArray) -> NDArray | None:
        return None


def _common_basis(axes: Sequence[Axis]) -> Basis:
    bases = [functions_of(axis.encoder)._radial_basis() for axis in axes]
    if any(type(each) is not type(bases[0]) for each in bases):
        raise ValueError(
            'penalty="radial" needs the same basis on every axis, as its similarity is one '
            f"function of the distance: use one encoder for all axes. Got {bases!r}."
        )
    return bases[0]
