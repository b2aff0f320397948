"""Sizes at which the code switches to another method with the same result, all in one place.

The code reads them where it decides, as ``limits_now().direct_up_to``. None is a setting of an
estimator. ``with limits(direct_up_to=5):`` changes them in a block, as tests do to reach every
method with little data.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Limits:
    """All limits. The defaults were measured: they are fast, or exact enough."""

    # Kronecker heads: which way to the solution.
    # Samples up to which an n x n matrix is factorised in one step.
    direct_up_to: int = 2_000
    # Samples beyond which a kernel is solved by Cholesky, where no leave-one-out is asked for.
    eigen_up_to: int = 1_500
    # Samples up to which one is factorised where nothing else fits.
    dual_up_to: int = 8_000
    # Beyond: most centres of a kernel.
    centres_up_to: int = 3_000
    # Products (samples x centres x centres) that they may take, some seconds.
    centre_steps: int = 4 * 10**10
    # Numbers (samples x centres) of the matrix that chooses them.
    centre_numbers: int = 4 * 10**7
    # Places on one axis beyond which matrices with a band take the place of dense ones.
    lines_from: int = 2_000
    # The same for one fit with smoothness, whose dense solution needs more.
    smooth_lines_from: int = 500
    # Places on one axis beyond which the resolution is learnt by bands.
    lines_learnt_from: int = 3_000
    # Cells of a line that judge its resolution at first.
    line_cells: int = 2**12
    # At most, where details are as narrow.
    line_cells_most: int = 2**16
    # Entries up to which features are multiplied out to spare the condition number a square.
    exact_up_to: int = 2**19
    # Axes up to which products of all of them are within reach of conjugate gradients.
    iterated_axes: int = 4
    # Entries of a row up to which a sparse matrix of products of features pays.
    sparse_entries: int = 512
    # Cells of a grid up to which points to predict go by it, however few they are.
    few_cells: int = 2**16

    # Kronecker heads: what a search tries.
    # Places of samples up to which the resolution is learnt from them.
    learnt_up_to: int = 3_000
    # Rows of a kernel up to which all places judge every resolution.
    climbed_up_to: int = 600
    # Beyond, places of each of three parts that find one.
    part_size: int = 400
    # Places that judge what the parts have found.
    judged_up_to: int = 1_000
    # Places on a sphere that judge it again, by centres.
    polished_up_to: int = 8_000
    # Products (places x centres x centres) that one of these judgements may take.
    judged_steps: int = 15 * 10**9
    # Condition number past which float64 keeps fewer than four digits.
    ill_conditioned: float = 1e12
    # Numbers (cells x columns x candidates) up to which leave-one-out is found for all candidates.
    all_exact: int = 2**25
    # Beyond, candidates with the best generalised cross-validation for which it is.
    shortlist: int = 24
    # Steps of conjugate gradients that a candidate has, where samples are held out.
    candidate_steps: int = 10
    # Samples up to which a penalty that follows the function is tried without being asked for.
    adaptive_up_to: int = 1_000_000

    # Networks.
    # Bytes of sparse matrices up to which batches of a linear encoding keep theirs.
    fixed_batches_bytes: int = 2**30

    # Kronecker heads: how much is worked on at a time, to stay in the caches of a processor.
    # Bytes of intermediate arrays.
    block_bytes: int = 2**26
    # Numbers of products of features, row by row.
    row_block: int = 2**22
    # Numbers of an array over the nodes of a penalty that follows the function.
    node_block: int = 2**16

    # Series.
    # Places up to which a Toeplitz matrix is multiplied as it is.
    toeplitz_dense_up_to: int = 256
    # Numbers that one FFT takes at a time, to stay in the caches of a processor.
    fft_numbers: int = 2**19
    # Numbers of a matrix of attention that is formed at a time.
    block_numbers: int = 2**19
    # Numbers that attention keeps for gradients; beyond, they are computed a second time.
    kept_numbers: int = 2**26
    # Steps up to which the matrix of attention is formed.
    attention_dense_up_to: int = 256
    # Distance up to which weights of their own go in blocks of steps.
    block_reach: int = 192

    # Measures.
    # Entries up to which a matrix is decomposed itself; beyond, its Gram matrix is.
    decomposed_up_to: int = 1 << 23
    # Places on an axis that a linear head is tried on at most.
    tried_samples: int = 1024


_now = Limits()


def limits_now() -> Limits:
    """The limits that hold at this moment."""
    return _now


@contextmanager
def limits(**changed: float) -> Iterator[Limits]:
    """Change limits within a block; those that are not named stay as they are.

    The change holds for the whole process. A ``ContextVar`` would not reach the threads of a
    search, which would then silently use other limits than the block. Two blocks in two threads
    at the same time undo each other.

    Raises
    ------
    TypeError
        For a name that is no limit.
    """
    global _now
    before = _now
    _now = replace(before, **changed)  # type: ignore[arg-type]
    try:
        yield _now
    finally:
        _now = before
