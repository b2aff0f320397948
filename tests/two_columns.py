"""Encoders of places on a globe, as scikit-learn's checks can take them."""

from array_api_compat import array_namespace

import sk_posenc


class OfTwoColumns:
    """Checks have any number of columns, and any values: a latitude starts again beyond a pole."""

    def _places(self, X):
        xp = array_namespace(X)
        if X.shape[1] > 1:
            X = xp.stack([X[:, 0], xp.remainder(X[:, 1] + 90, 180) - 90], axis=1)
        return super()._places(X)


class CoordinatesOfTwo(OfTwoColumns, sk_posenc.SphereCoordinates):
    pass


class HarmonicsOfTwo(OfTwoColumns, sk_posenc.SphericalHarmonicEncoder):
    pass
