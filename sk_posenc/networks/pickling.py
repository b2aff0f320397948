"""Pickles and files of a skorch net, whose device and generator belong to a machine."""

from __future__ import annotations

import copyreg
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any, Self

import torch
from skorch import NeuralNet

from sk_posenc.core.state import Before
from sk_posenc.networks._plain import plain_state, restore
from sk_posenc.networks.batches import seeded_generator
from sk_posenc.networks.settings import options_named, resolve_device


class PickledState(dict[str, Any]):
    """The state of a net in a pickle or a copy, and in nothing else."""


class PortableNet(NeuralNet):
    """A skorch net with ``device="auto"`` and a generator of its own.

    It can be pickled, and loaded where its device does not exist. Its `__getstate__` holds arrays
    and plain values alone, so that skops saves and loads it. All random numbers come from
    the generator, which `random_state` seeds. The global generators of PyTorch and NumPy are
    neither used nor changed.
    """

    # What an estimator holds only while it trains: no pickle has it.
    _of_a_run: tuple[str, ...] = ("_run", "_meanwhile")
    random_state: Any
    device: Any

    @property
    def device_(self) -> torch.device:
        """The device that the network is on."""
        return next(chain(self.module_.parameters(), self.module_.buffers())).device

    def initialize(self) -> Self:
        """Draw new weights. `fit` calls it itself.

        Returns
        -------
        self : estimator
        """
        self._generator = seeded_generator(self.random_state)
        self.history_ = None  # skorch would clear the list of an earlier fit
        return super().initialize()

    @contextmanager
    def _device_named(self, named: torch.device) -> Iterator[None]:
        # skorch reads the parameter, which may be "auto"
        device = self.device
        self.device = named
        try:
            yield
        finally:
            self.device = device

    def _initialize_module(self, *args: Any, **kwargs: Any) -> Self:
        with self._device_named(resolve_device(self.device)):
            return super()._initialize_module(*args, **kwargs)

    def _initialize_criterion(self, *args: Any, **kwargs: Any) -> Self:
        device = resolve_device(self.device)
        with self._device_named(device), options_named(self, "criterion"):
            return super()._initialize_criterion(*args, **kwargs)

    def get_loss(self, y_pred: Any, y_true: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Criterion of one batch, on the device of the network; see skorch."""
        with self._device_named(self.device_):
            loss: torch.Tensor = super().get_loss(y_pred, y_true, *args, **kwargs)
        return loss

    def load_params(self, *args: Any, **kwargs: Any) -> None:
        """Load what `save_params` saved, buffers included; see skorch."""
        in_place = self._trained_in_place() if self.initialized_ else []
        device = resolve_device(self.device)
        with Before(self, in_place=in_place), self._device_named(device):
            super().load_params(*args, **kwargs)

    def _trained_in_place(self) -> list[Any]:
        """What training changes without assigning it."""
        names = (*self._modules, *self._criteria, *self._optimizers)
        parts = [getattr(self, f"{name}_", None) for name in names]
        stateful = [part for part in parts if hasattr(part, "state_dict")]
        return [*stateful, self.history_, self._generator]

    def __getstate__(self) -> dict[str, Any]:
        # for skops and the like; pickles and copies hold the whole module, see __reduce_ex__
        return plain_state(self)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        state = PickledState(super().__getstate__())
        for name in self._of_a_run:
            state.pop(name, None)
        if "_generator" in state:
            # torch.Generator itself pickles in recent versions of PyTorch only
            state["_generator"] = state["_generator"].get_state()
        return copyreg.__newobj__, (type(self),), state  # type: ignore[attr-defined]

    def __setstate__(self, state: dict[str, Any]) -> None:
        # skorch unpickles what it finds in a state: that of a pickle alone may hold code
        if not isinstance(state, PickledState):
            restore(self, state)
            return
        given = dict(state)
        device = given["device"]
        is_auto = isinstance(device, str) and device == "auto"
        super().__setstate__(given | {"device": resolve_device("auto")} if is_auto else given)
        if is_auto:
            self.device = device
        if "_generator" in given:
            self._generator = torch.Generator()
            self._generator.set_state(given["_generator"])
