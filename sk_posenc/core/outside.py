"""Samples outside the domain that an encoder was given."""

from array_api_compat import array_namespace

from sk_posenc.core.arrays import Array, to_numpy
from sk_posenc.core.poor_fit import tell

# More than this share of the samples outside is a mistake, not a margin.
_MOST_OUTSIDE = 0.5

# Fewer samples may be placeholders, given to an encoder that has all its settings.
_FEWEST = 10

# Coordinates may miss the domain by rounding: by this share of its width.
_SLACK = 1e-6

# What becomes of coordinates outside, by the boundary of the axis; a periodic one has no outside.
FATES = {
    "extend": "count as its nearest end, all of them as one point",
    "cut": "have fading columns, or none",
    "none": "are not covered by its stable rank",
}


def outside(x: Array, ends: tuple[float, float]) -> Array:
    """Which coordinates lie outside a domain by more than rounding."""
    low, high = ends
    slack = _SLACK * (high - low)
    return (x < low - slack) | (x > high + slack)


def warn_of_samples_outside(
    x: Array, ends: tuple[float, float], boundary: str, axis: int, who: str
) -> None:
    """Warn where most coordinates of an axis lie outside its domain and are lost there.

    Functions whose boundary is "none" go on outside, and a periodic axis wraps: nothing is lost.
    """
    if boundary not in ("extend", "cut") or x.shape[0] < _FEWEST:
        return
    xp = array_namespace(x)
    share = float(to_numpy(xp.mean(xp.astype(outside(x, ends), x.dtype))))
    if share > _MOST_OUTSIDE:
        low, high = (float(to_numpy(end(x))) for end in (xp.min, xp.max))
        tell(
            f"{who} expects most samples within the domain ({ends[0]:.6g}, {ends[1]:.6g}) of axis "
            f"{axis}, but {share:.0%} of them lie outside and {FATES[boundary]}: check the units "
            f"and the order of the columns of X, or set a domain that covers ({low:.6g}, "
            f"{high:.6g}), or domain=None to learn it."
        )
