"""The engine's net and the specification that it was made from."""

from __future__ import annotations

from typing import Any

import numpy as np

from swiftbackprop._engine.loader import core
from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._net.normalization import NO_NORM
from swiftbackprop._net.rules import Loss
from swiftbackprop._net.spec import Recipe, as_input_scale

__all__ = ["SpecifiedNet"]


class SpecifiedNet(core.Net):
    """The engine's net, with what it is made of."""

    # Of a network whose __init__ has not run to its end.
    _made: Recipe | None = None
    _seed = 0
    _classes: FloatArray | None = None  # the labels of text of its classes

    def _build(self, recipe: Recipe, seed: int) -> None:
        """Make the engine's net from a recipe."""
        self._create(
            recipe.sizes,
            recipe.dtype.name,
            [rule._as_engine_rule() for rule in recipe.activations],
            [rule._as_engine_rule() for rule in recipe.initializers],
            recipe.loss._as_engine_rule(),
            recipe.optimizer._as_engine_rule(),
            recipe.l1,
            recipe.l2,
            recipe.clip_norm,
            seed,
            [norm._as_engine_norm() if norm else NO_NORM for norm in recipe.norms] or None,
        )
        self._made, self._seed = recipe, seed

    # --- What it is made of -------------------------------------------------------------

    @property
    def _recipe(self) -> Recipe:
        if self._made is None:
            raise RuntimeError("this network was not made: call Network.__init__ first")
        return self._made

    @property
    def sizes(self) -> tuple[int, ...]:
        """D(0), ..., D(L)."""
        return self._recipe.sizes

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of all numbers in the network."""
        return self._recipe.dtype

    @property
    def seed(self) -> int:
        """The seed of the initial weights and of all that was drawn since."""
        return self._seed

    @property
    def loss(self) -> Loss:
        """The loss, usable by itself: ``net.loss(a, t)``."""
        return self._recipe.loss

    @property
    def n_parameters(self) -> int:
        """The number P of all parameters."""
        return self._recipe.n_parameters

    @property
    def input_scale(self) -> float:
        """What integers in X are multiplied with; can be set."""
        return self._option(core.OPTION_INPUT_SCALE)

    @input_scale.setter
    def input_scale(self, value: float) -> None:
        self._set_option(core.OPTION_INPUT_SCALE, as_input_scale(value))
