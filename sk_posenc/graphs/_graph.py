"""A graph as it is walked: links in both directions, with their lengths."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from sk_posenc.core.checks import checked_array
from sk_posenc.core.settings import parse_choice

# Lengths of both directions that differ by less, as a share of the largest, are the same.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Graph:
    """A graph without directions.

    Attributes
    ----------
    lengths : csr_array of shape (n_nodes, n_nodes)
        Lengths of the links, in float64, symmetric, without zeros.
    step : float or None
        The length that all links have; None where lengths differ.
    """

    lengths: sparse.csr_array
    step: float | None

    @property
    def n_nodes(self) -> int:
        return int(self.lengths.shape[0])

    def is_same(self, other: sparse.csr_array) -> bool:
        """Whether a matrix of lengths is that of this graph, up to rounding."""
        if other.shape != self.lengths.shape or ((other != 0) != (self.lengths != 0)).nnz:
            return False
        difference = abs(other - self.lengths)
        return difference.nnz == 0 or bool(difference.max() <= _ROUNDING * self.lengths.max())


def graph_of(adjacency: Any, directed: str = "error", name: str = "graph") -> Graph:
    """The graph of an adjacency matrix; ValueError for what is none.

    Parameters
    ----------
    adjacency : sparse matrix or array-like of shape (n_nodes, n_nodes)
        Lengths of the links; 0 is no link.
    directed : {"error", "symmetrise"}
        What to do where a link has one direction only, or two lengths.
    name : str
        What messages call the matrix.
    """
    parse_choice("error", "symmetrise")(directed, "directed")
    lengths = lengths_of(adjacency, name)
    if lengths.shape[0] != lengths.shape[1]:
        raise ValueError(
            f"{name} must be the adjacency matrix of a graph, as many columns as rows. "
            f"Got shape {lengths.shape}."
        )
    if _differs_by_rounding(lengths):
        lengths = sparse.csr_array(lengths.minimum(lengths.T))
    elif (lengths != lengths.T).nnz:
        if directed == "error":
            raise ValueError(
                f"{name} must be symmetric: set directed='symmetrise', and links hold in both "
                "directions. Got a matrix that differs from its transpose."
            )
        lengths = _symmetrised(lengths)
    same = lengths.nnz == 0 or bool(np.all(lengths.data == lengths.data[0]))
    step = (float(lengths.data[0]) if lengths.nnz else 1.0) if same else None
    return Graph(lengths, step)


def lengths_of(adjacency: Any, name: str) -> sparse.csr_array:
    """Rows of an adjacency matrix as lengths of links, checked, without zeros."""
    if not sparse.issparse(adjacency) and not hasattr(adjacency, "__array__"):
        adjacency = _as_array(adjacency, name)
    checked = checked_array(adjacency, accept_sparse="csr", dtype=np.float64, input_name=name)
    lengths = sparse.csr_array(checked, copy=True)  # what follows changes it
    lengths.sum_duplicates()
    lengths.eliminate_zeros()
    if lengths.nnz and lengths.data.min() < 0:
        raise ValueError(
            f"Negative values in data: {name} must have lengths of links, where 0 is no link. "
            f"Got {lengths.data.min()!r}."
        )
    return lengths


def _as_array(adjacency: Any, name: str) -> NDArray:
    if isinstance(adjacency, list | tuple):
        return np.asarray(adjacency)
    raise TypeError(
        f"{name} must be an adjacency matrix, of scipy.sparse or an array; of a graph of networkx "
        f"take networkx.to_scipy_sparse_array. Got {adjacency!r}."
    )


def _differs_by_rounding(lengths: sparse.csr_array) -> bool:
    """Whether both directions have the same links, of lengths that are not quite the same."""
    difference = abs(lengths - lengths.T)
    if not difference.nnz or ((lengths != 0) != (lengths.T != 0)).nnz:
        return False
    return bool(difference.max() <= _ROUNDING * lengths.max())


def _symmetrised(lengths: sparse.csr_array) -> sparse.csr_array:
    """Links in both directions; where these have two lengths, the shorter one."""
    longer, shorter = lengths.maximum(lengths.T), lengths.minimum(lengths.T)
    both = sparse.csr_array(longer - longer.multiply(shorter != 0) + shorter)
    both.eliminate_zeros()
    return both
