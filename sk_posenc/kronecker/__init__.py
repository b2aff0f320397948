"""Ridge regression on products of encodings, one per axis: the closed form of a network.

Samples on a grid, with holes, scattered, or in blocks of rows are one problem, solved axis by
axis, by conjugate gradients, by kernels or by sums, whichever is cheapest.
"""

from sk_posenc.kronecker.ridge import KroneckerRidge
from sk_posenc.kronecker.ridge_cv import KroneckerRidgeCV

__all__ = ["KroneckerRidge", "KroneckerRidgeCV"]
