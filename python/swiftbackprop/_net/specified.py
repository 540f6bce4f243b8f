"""The engine's net and the specification that it was made from."""

from __future__ import annotations

from typing import Any

import numpy as np

from swiftbackprop._engine.loader import core
from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._net.normalization import NO_NORM
from swiftbackprop._net.rules import Loss
from swiftbackprop._net.spec import PRECISIONS, NetworkSpec, as_input_scale, as_precision


class SpecifiedNet(core.Net):
    """The engine's net, with what it is made of."""

    # Of a network whose __init__ has not run to its end.
    _made: NetworkSpec | None = None
    _seed = 0
    _classes: FloatArray | None = None  # the labels of text of its classes

    def _build(self, spec: NetworkSpec, seed: int) -> None:
        """Make the engine's net from a spec."""
        self._create(
            spec.sizes,
            spec.dtype.name,
            [rule._as_engine_rule() for rule in spec.activations],
            [rule._as_engine_rule() for rule in spec.initializers],
            spec.loss._as_engine_rule(),
            spec.optimizer._as_engine_rule(),
            spec.l1,
            spec.l2,
            spec.clip_norm,
            seed,
            [norm._as_engine_norm() if norm else NO_NORM for norm in spec.norms] or None,
        )
        self._made, self._seed = spec, seed

    def _answer(
        self, kind: int, order: int, m: int, x: FloatArray, t: FloatArray | None, out: FloatArray
    ) -> None:
        """Write what a function of one's own gives into `out`: the engine asks for it."""
        rule: Any = self._spec.loss if kind == core.LOSS else self._spec.activations[m - 1]
        rule._answer(order, x, t, out)

    # --- What it is made of -------------------------------------------------------------

    @property
    def _spec(self) -> NetworkSpec:
        if self._made is None:
            raise RuntimeError("this network was not made: call Network.__init__ first")
        return self._made

    @property
    def sizes(self) -> tuple[int, ...]:
        """D(0), ..., D(L)."""
        return self._spec.sizes

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of all numbers in the network."""
        return self._spec.dtype

    @property
    def seed(self) -> int:
        """The seed of the initial weights and of all that was drawn since."""
        return self._seed

    @property
    def loss(self) -> Loss:
        """The loss, usable by itself: ``net.loss(a, t)``."""
        return self._spec.loss

    @property
    def n_parameters(self) -> int:
        """The number P of all parameters."""
        return self._spec.n_parameters

    @property
    def input_scale(self) -> float:
        """What integers in X are multiplied with; can be set."""
        return self._option(core.OPTION_INPUT_SCALE)

    @input_scale.setter
    def input_scale(self, value: float) -> None:
        self._set_option(core.OPTION_INPUT_SCALE, as_input_scale(value))

    @property
    def precision(self) -> str:
        """What the factors of matrix products are rounded to; can be set, as in `Network`."""
        number = int(self._option(core.OPTION_PRECISION))
        return PRECISIONS[number] if number else self.dtype.name

    @precision.setter
    def precision(self, value: str | None) -> None:
        self._set_option(core.OPTION_PRECISION, as_precision(value, self.dtype))
