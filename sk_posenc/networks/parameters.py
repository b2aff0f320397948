"""Parameters of a skorch net, which can be set at any time."""

from __future__ import annotations

from inspect import signature
from typing import Any, Self

from sklearn.base import BaseEstimator
from skorch import NeuralNet
from torch import nn

from sk_posenc.core.state import Before
from sk_posenc.networks._muon import is_muon, optimizer_class, split_hidden
from sk_posenc.networks.settings import check_optimizer, options_named

# Parts whose parameters are read when they are next needed.
_READ_LATER = {"optimizer", "iterator_train", "iterator_valid", "dataset"}


class LiveParameters(NeuralNet):
    """A skorch net whose parameters, once set, hold in later fits, clones and pickles.

    New parameters of the optimiser take effect at once, and it keeps what it has learnt. Those of
    module and criterion rebuild them, as in skorch. After an error the net is unchanged.
    """

    # Names of the parameters that are estimators, with parameters of their own.
    _nested: tuple[str, ...] = ()

    def _chosen(self, name: str) -> Any:
        """A setting, with what "auto" means in its place."""
        return getattr(self, name)

    def _undecayed_parameters(self) -> list[nn.Parameter]:
        """Parameters that weight decay must leave alone."""
        return []

    def get_params_for_optimizer(self, prefix: str, named_parameters: Any) -> tuple[Any, Any]:
        """As skorch's, with some parameters left out of weight decay.

        ``optimizer__param_groups__0__lr`` is the `lr` of the first group.
        """
        args, kwargs = super().get_params_for_optimizer(prefix, named_parameters)
        if isinstance(kwargs["lr"], str):
            kwargs["lr"] = self._chosen("lr")
        undecayed = {id(each) for each in self._undecayed_parameters()}
        rest = args[0][-1]
        of_no_pattern = set(rest) == {"params"}  # parameters that match no pattern of the user
        kind = optimizer_class(self.optimizer)
        if undecayed and of_no_pattern and "weight_decay" in signature(kind).parameters:
            kept = [p for p in rest["params"] if id(p) in undecayed]
            rest["params"] = [p for p in rest["params"] if id(p) not in undecayed]
            if kept:
                args[0].append({"params": kept, "weight_decay": 0.0})
        if is_muon(self.optimizer):
            args = split_hidden(args[0], self.module_), *args[1:]
        for name in [each for each in kwargs if each.startswith("param_groups__")]:
            value, (_, index, option) = kwargs.pop(name), name.split("__", 2)
            if index not in map(str, range(len(args[0]))):
                raise ValueError(
                    f"{prefix}__{name} names a parameter group that does not exist: the groups "
                    f"are 0 to {len(args[0]) - 1}."
                )
            args[0][int(index)][option] = value
        return args, kwargs

    def initialize_optimizer(self, triggered_directly: Any = None) -> Self:
        """Make `optimizer_`, for the parameters that the network has; see skorch.

        Returns
        -------
        self : estimator
        """
        args, kwargs = self.get_params_for_optimizer("optimizer", self.get_all_learnable_params())
        with options_named(self, "optimizer"):
            self.optimizer_ = optimizer_class(self.optimizer)(*args, **kwargs)
        return self

    def set_params(self, **parameters: Any) -> Self:
        """Set parameters, including those of skorch's parts (`optimizer__betas`, ...).

        Returns
        -------
        self : estimator
        """
        nested = [getattr(self, name) for name in self._nested]
        held = [each for each in nested if isinstance(each, BaseEstimator)]
        callbacks = [each for _, each in self.__dict__.get("callbacks_", []) if each is not None]
        with Before(self, *held, *callbacks):
            self._set_all(parameters)
        return self

    def _set_all(self, parameters: dict[str, Any]) -> None:
        self._set_nested({
            name: parameters.pop(name)
            for name in list(parameters)
            if name.split("__")[0] in self._nested
        })  # fmt: skip
        if "callbacks" in parameters:
            self.callbacks = parameters.pop("callbacks")
            if self.initialized_:  # else `fit` builds them, and reports errors
                self._initialize_callbacks()
        # skorch would set those of the optimiser at work and forget them, and refuse the others
        kept = {k: v for k, v in parameters.items() if k == "lr" or k.split("__")[0] in _READ_LATER}
        self._params_to_validate: set[str] = self._params_to_validate | (kept.keys() - {"lr"})
        self.__dict__.update(kept)
        before = self.__dict__.get("optimizer_")
        super().set_params(**{k: v for k, v in parameters.items() if k not in kept})
        if self.initialized_ and kept:
            self._validate_params()
            tuned = {k for k in kept if k == "lr" or k.split("__")[0] == "optimizer"}
            if tuned and self.__dict__.get("optimizer_") is before is not None:
                self._tune_optimizer(tuned)

    def _set_nested(self, parameters: dict[str, Any]) -> None:
        for name in self._nested:
            asked = sorted(each for each in parameters if each.startswith(f"{name}__"))
            if asked and name not in parameters and getattr(self, name) is None:
                raise ValueError(f"{name} is None and has no parameters {asked}: set {name} first.")
        BaseEstimator.set_params(self, **parameters)

    def _tune_optimizer(self, names: set[str]) -> None:
        """Apply settings to the present optimiser; make a new one where groups change."""
        check_optimizer(self)
        args, kwargs = self.get_params_for_optimizer("optimizer", self.get_all_learnable_params())
        with options_named(self, "optimizer"):
            tuned = optimizer_class(self.optimizer)(*args, **kwargs)
        groups = self.optimizer_.param_groups
        if (
            type(tuned) is not type(self.optimizer_)
            or len(tuned.param_groups) != len(groups)
            or "optimizer__param_groups" in names
        ):
            self._initialize_optimizer()
            return
        for name in (each.split("__")[-1].removeprefix("adam_") for each in names):
            for group, new in zip(groups, tuned.param_groups, strict=True):
                group[name] = new[name]
                if name == "lr" and "initial_lr" in group:
                    group["initial_lr"] = new["lr"]  # where schedules start

    def __repr__(self) -> str:
        usual: dict[str, Any] = {}
        for kind in reversed(type(self).__mro__):
            if issubclass(kind, NeuralNet) and "__init__" in vars(kind):
                usual |= {name: p.default for name, p in signature(kind).parameters.items()}
        settings = self.get_params(deep=False).items()
        changed = [f"{k}={v!r}" for k, v in settings if k not in usual or repr(v) != repr(usual[k])]
        return f"{type(self).__name__}({', '.join(sorted(changed))})"

    def _get_param_names(self) -> list[str]:
        return [name for name in super()._get_param_names() if not name.startswith("_")]
