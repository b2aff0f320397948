"""Parameters of the encoder of a head, also of the one that None means."""

from typing import Any, Self

from sklearn.base import BaseEstimator

from sk_posenc.kronecker._automatic import default_encoder


class NestedEncoder(BaseEstimator):
    """An estimator whose `encoder` may be None, and has parameters all the same."""

    encoder: Any
    penalty: Any

    def set_params(self, **params: Any) -> Self:
        """Set parameters; ``encoder__stable_rank`` sets the stable rank of the encoder.

        Parameters
        ----------
        **params : dict
            Where `encoder` is None, a parameter of it first puts the default encoder there.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For names that the estimator or its encoder does not have.
        """
        known = self.get_params(deep=False)
        for name in params:
            if name.partition("__")[0] not in known:
                super().set_params(**{name: params[name]})  # raises before anything is set
        nested = [name for name in params if name.startswith("encoder__")]
        if nested and params.get("encoder", self.encoder) is None:
            own = default_encoder(params.get("penalty", self.penalty))
            own.set_params(**{name.partition("__")[2]: params.pop(name) for name in nested})
            params["encoder"] = own
        super().set_params(**params)
        return self
