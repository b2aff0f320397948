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
        elif nested and isinstance(params.get("encoder", self.encoder), list | tuple):
            raise ValueError(
                f"encoder is a list of one per axis, which has no parameters {nested}: set the "
                "whole list, encoder=[...], or one encoder with settings per axis, such as "
                f"stable_rank=[8, 16]. Got {params[nested[0]]!r}."
            )
        super().set_params(**params)
        return self


class NestedCandidates(BaseEstimator):
    """An estimator that searches `encoders`, whose parameters are candidates too."""

    def set_params(self, **params: Any) -> Self:
        """Set parameters.

        Parameters
        ----------
        **params : dict

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For names that the estimator does not have, such as parameters of an encoder.
        """
        nested = [name for name in params if name.partition("__")[0] in ("encoder", "encoders")]
        if any(name != "encoders" for name in nested):
            raise ValueError(
                f"{type(self).__name__} has no parameters {nested}: it chooses the encoder itself. "
                "Give it candidates, as encoders=[ShiftedBasisEncoder(), FourierEncoder()] and "
                f"stable_ranks, or search KroneckerRidge in GridSearchCV. Got {nested[0]!r}."
            )
        super().set_params(**params)
        return self
