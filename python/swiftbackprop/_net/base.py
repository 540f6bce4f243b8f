"""The inside of a network: what it is made of, its parameters and its layers."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from swiftbackprop._engine.loader import core
from swiftbackprop._net.arrays import FloatArray, as_data
from swiftbackprop._net.checks import got
from swiftbackprop._net.copies import as_column, as_input
from swiftbackprop._net.labels import encode
from swiftbackprop._net.layer import Layer, Layers, find_layer
from swiftbackprop._net.normalization import Norm
from swiftbackprop._net.optimizers import LiveOptimizer
from swiftbackprop._net.spec import as_dropout, as_limit, as_penalty
from swiftbackprop._net.specified import SpecifiedNet


class NetworkBase(SpecifiedNet):
    """The engine's net with everything to look at; the base of `Network`."""

    _history: Any = None  # of the last fit
    _stopped = False

    @property
    def optimizer(self) -> LiveOptimizer:
        """The optimizer at work; its parameters can be read and set."""
        return LiveOptimizer(self, self._spec.optimizer)

    @property
    def step_count(self) -> int:
        """How many updates were made since the start or the last `reset`."""
        return int(self._option(core.OPTION_STEPS))

    @property
    def l1(self) -> float:
        """The factor of Σ|W| in the objective; can be set."""
        return self._option(core.OPTION_L1)

    @l1.setter
    def l1(self, value: float) -> None:
        self._set_option(core.OPTION_L1, as_penalty(value, "l1"))

    @property
    def l2(self) -> float:
        """The factor of Σ W²/2 in the objective; can be set."""
        return self._option(core.OPTION_L2)

    @l2.setter
    def l2(self, value: float) -> None:
        self._set_option(core.OPTION_L2, as_penalty(value, "l2"))

    @property
    def clip_norm(self) -> float | None:
        """The limit of the gradients' norm, None without one; can be set."""
        return self._option(core.OPTION_CLIP_NORM) or None

    @clip_norm.setter
    def clip_norm(self, value: float | None) -> None:
        self._set_option(core.OPTION_CLIP_NORM, as_limit(value, "clip_norm"))

    @property
    def max_norm(self) -> float | None:
        """The limit of the norm of every row of W, None without one; can be set."""
        return self._option(core.OPTION_MAX_NORM) or None

    @max_norm.setter
    def max_norm(self, value: float | None) -> None:
        self._set_option(core.OPTION_MAX_NORM, as_limit(value, "max_norm"))

    @property
    def dropout(self) -> tuple[float, ...]:
        """The probability to drop a unit, for each layer; can be set, as in `Network`."""
        return tuple(layer.dropout for layer in self.layers)

    @dropout.setter
    def dropout(self, value: float | Iterable[float]) -> None:
        rates = as_dropout(value, len(self.layers))
        for m, rate in enumerate(rates, start=1):
            if rate != self._option(core.OPTION_DROPOUT + m):  # setting one copies all of them
                self._set_option(core.OPTION_DROPOUT + m, rate)

    @property
    def norm(self) -> tuple[Norm | None, ...]:
        """The normalisation of each layer; None for a layer without."""
        return self._spec.norms or (None,) * len(self.layers)

    @property
    def generator_state(self) -> tuple[int, int, int, int]:
        """The state of the random numbers, four integers; can be set to what it was before.

        The generator serves initial weights, the order of the rows in `fit` and the masks of
        dropout, so with the same state ``forward(X, training=True)`` drops the same units.
        """
        return self._generator()

    @generator_state.setter
    def generator_state(self, state: tuple[int, int, int, int]) -> None:
        self._set_generator(state)

    # --- Looking inside -------------------------------------------------------------------

    @property
    def parameters(self) -> FloatArray:
        """All parameters, (P,), live: layer by layer W(m)ᵀ in C order, then b(m).

        A normalised layer has gamma(m) and beta(m) after its b(m).
        """
        return self._view(core.PARAMETERS, 0)

    @property
    def gradients(self) -> FloatArray:
        """The gradients of all parameters, (P,), live, in the order of `parameters`."""
        return self._view(core.GRADIENTS, 0)

    @property
    def layers(self) -> Layers:
        """The layers 1..L; ``layers[m - 1].m == m``."""
        return Layers(self)

    def layer(self, m: int) -> Layer:
        """Return layer m = 0..L; layer 0 is the input and has a and grad_a alone.

        Raises
        ------
        IndexError
            If there is no such layer.
        """
        return find_layer(self, m)

    def unflatten(self, v: npt.ArrayLike) -> list[Any]:
        """Return views of a flat vector in the shapes of W and b, and gamma and beta.

        Parameters
        ----------
        v : array_like, shape (P,)
            In the order of `parameters`, such as `parameters` or `gradients`.

        Returns
        -------
        list of (ndarray of shape (D(m), D(m-1)), ndarray of shape (D(m),))
            One pair for each layer; views if v is an array. Of a normalised layer four
            arrays, (W, b, gamma, beta).

        Examples
        --------
        >>> import numpy as np, swiftbackprop as sb
        >>> net = sb.Network([2, 1], seed=0)
        >>> net.unflatten(np.array([1.0, 2.0, 3.0]))
        [(array([[1., 2.]]), array([3.]))]
        """
        vector = as_data(v, "v")
        if vector.shape != (self.n_parameters,):
            raise ValueError(f"v: expected shape (P,) = ({self.n_parameters},), got {vector.shape}")
        parts: list[tuple[FloatArray, ...]] = []
        start = 0
        for (outputs, inputs), vectors in zip(self._spec.shapes, self._spec.vectors, strict=True):
            middle = start + outputs * inputs
            W = vector[start:middle].reshape(inputs, outputs).T
            start = middle + vectors * outputs
            parts.append((W, *vector[middle:start].reshape(vectors, outputs)))
        return parts

    def flatten(self, pairs: Iterable[Iterable[npt.ArrayLike]]) -> FloatArray:
        """Return one flat vector of pairs (W, b), the inverse of `unflatten`.

        Parameters
        ----------
        pairs : list of (W of shape (D(m), D(m-1)), b of shape (D(m),))
            One pair for each layer; (W, b, gamma, beta) for a normalised one.

        Returns
        -------
        ndarray, shape (P,)
        """
        shapes, counts = self._spec.shapes, self._spec.vectors
        given = [tuple(pair) for pair in pairs]
        if [len(g) - 1 for g in given] != counts:
            more = ", or (W, b, gamma, beta) if it is normalised," if self._spec.norms else ""
            raise ValueError(
                f"flatten needs a pair (W, b){more} for each of the {len(shapes)} layers"
            )
        parts = []
        for m, (arrays, (outputs, inputs)) in enumerate(zip(given, shapes, strict=True), start=1):
            names = ("W", "b", "gamma", "beta")
            W, *vectors = (
                as_data(array, f"{name} of layer {m}")
                for name, array in zip(names, arrays, strict=False)
            )
            bad = next((v for v in vectors if v.shape != (outputs,)), None)
            if W.shape != (outputs, inputs) or bad is not None:
                shape = (vectors[0] if bad is None else bad).shape
                others = "b, gamma and beta" if len(vectors) > 1 else "b"
                raise ValueError(
                    f"layer {m}: expected W of shape (D({m}), D({m - 1})) = {(outputs, inputs)} "
                    f"and {others} of shape (D({m}),) = {(outputs,)}, got {W.shape} and {shape}"
                )
            parts += [W.T.ravel(), *vectors]
        return np.concatenate(parts)

    # --- Hooks of the engine: what it cannot use where it lies ------------------------------

    def _as_input(self, X: Any, copy: bool | None) -> FloatArray:
        return as_input(self, X, copy)

    def _as_target(self, y: Any, copy: bool | None) -> FloatArray:
        if not isinstance(y, np.ndarray) or y.dtype.kind in "OU":
            numbers = encode(self, y, "y")
            y = y if copy is not None and not copy else numbers
        return as_column(self, y, copy, "y")

    def _as_weights(self, w: Any, copy: bool | None) -> FloatArray:
        return as_column(self, w, copy, "sample_weight")

    def copy(self) -> Self:
        """Return an independent copy: weights, optimizer state, random numbers."""
        return self._clone()

    def _clone(self) -> Self:
        clone = type(self).__new__(type(self))
        clone._copy_from(self)
        clone.__dict__.update(self.__dict__)
        return clone

    def __copy__(self) -> Self:
        return self.copy()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        clone = memo[id(self)] = self.copy()
        clone.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return clone


def check_network(net: object) -> None:
    """Raise a TypeError unless this is a network."""
    if not isinstance(net, NetworkBase):
        raise TypeError(f"net must be a Network, got {got(net)}")
