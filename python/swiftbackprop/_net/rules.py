"""Activations, losses and initializers: the engine's formulas, usable by themselves."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from swiftbackprop._engine.loader import core
from swiftbackprop._net.arrays import FloatArray, as_floats
from swiftbackprop._net.checks import got
from swiftbackprop._net.rule import KINDS, Rule, known, smallest_net

R = TypeVar("R", bound=Rule)


class Activation(Rule):
    """An activation function σ of the engine, to be used in a net or by itself.

    Parameters
    ----------
    name : str
        One of `activations()`.
    **parameters : float
        Its parameters, such as the ``slope`` of leaky_relu.

    Examples
    --------
    >>> import numpy as np, swiftbackprop as sb
    >>> leaky = sb.Activation("leaky_relu", slope=0.25)
    >>> leaky
    Activation('leaky_relu', slope=0.25)
    >>> leaky(np.array([-2.0, 3.0]))
    array([-0.5,  3. ])
    >>> leaky.derivative(np.array([-2.0, 3.0]))
    array([0.25, 1.  ])
    """

    __slots__ = ()
    _kind = core.ACTIVATION

    def __call__(self, z: npt.ArrayLike) -> FloatArray:
        """Return σ(z).

        Parameters
        ----------
        z : array_like
            Of any shape. float32 and float64 are kept, all else becomes float64.
            softmax acts along the last axis.

        Returns
        -------
        ndarray, of the shape of z
        """
        return self._apply(0, z)

    def derivative(self, z: npt.ArrayLike) -> FloatArray:
        """Return σ′(z); at a kink the value that training uses.

        Parameters
        ----------
        z : array_like

        Returns
        -------
        ndarray, of the shape of z

        Raises
        ------
        ValueError
            For softmax, whose derivative is a matrix for every row.
        """
        return self._apply(1, z)

    def second_derivative(self, z: npt.ArrayLike) -> FloatArray:
        """Return σ″(z), 0 at kinks; as `derivative`."""
        return self._apply(2, z)

    def _apply(self, order: int, z: npt.ArrayLike) -> FloatArray:
        (x,) = as_floats(z=z)
        if self.flags & core.RULE_ROWS:
            if order:
                raise ValueError(
                    f"{self.name} acts on rows: its derivative is the matrix "
                    "diag(a) - a aT of every row, not a number for every z"
                )
            if x.ndim == 0:
                raise ValueError(f"{self.name} acts on rows: z has no axis")
        out = np.empty_like(x)
        if x.size:
            shape = (-1, x.shape[-1] if x.ndim else 1)
            core.apply_activation(
                self._as_engine_rule(), order, x.reshape(shape), out.reshape(shape)
            )
        return out[()]

    def _try(self) -> None:
        one = np.ones((1, 1))
        core.apply_activation(self._as_engine_rule(), 0, one, one.copy())


class Loss(Rule):
    """A loss of the engine: the terms whose sum over the outputs is Cₙ.

    Parameters
    ----------
    name : str
        One of `losses()`.
    **parameters : float
        Its parameters, such as the ``delta`` of huber.

    Examples
    --------
    >>> import numpy as np, swiftbackprop as sb
    >>> sb.Loss("squared_error")(np.array([3.0, 1.0]), np.array([1.0, 1.0]))
    array([2., 0.])
    """

    __slots__ = ()
    _kind = core.LOSS

    def __call__(self, a: npt.ArrayLike, t: npt.ArrayLike) -> FloatArray:
        """Return the loss of every output a with its target t.

        Parameters
        ----------
        a, t : array_like
            Of shapes that broadcast together. float32 is kept if both are; all else
            becomes float64.

        Returns
        -------
        ndarray, of the broadcast shape
        """
        return self._apply(0, a, t)

    def derivative(self, a: npt.ArrayLike, t: npt.ArrayLike) -> FloatArray:
        """Return the derivative by a, element by element."""
        return self._apply(1, a, t)

    def second_derivative(self, a: npt.ArrayLike, t: npt.ArrayLike) -> FloatArray:
        """Return the second derivative by a, element by element; 0 at kinks."""
        return self._apply(2, a, t)

    def _apply(self, order: int, a: npt.ArrayLike, t: npt.ArrayLike) -> FloatArray:
        arrays = np.broadcast_arrays(*as_floats(a=a, t=t))
        x, target = (np.array(array, order="C") for array in arrays)
        out = np.empty_like(x)
        if x.size:
            rule = self._as_engine_rule()
            flat = (x.reshape(1, -1), target.reshape(1, -1), out.reshape(1, -1))
            core.apply_loss(rule, order, *flat)
        return out[()]

    def _fuses_with(self, output: Activation) -> bool:
        """Return whether the engine computes both as one, from z: grad_z is a - t then."""
        fuses = bool(self.flags & core.RULE_FUSED)
        # A function of one's own may have any name.
        return fuses and type(output) is Activation and output.name == self.partner

    def _try(self) -> None:
        half = np.full((1, 1), 0.5)
        core.apply_loss(self._as_engine_rule(), 0, half, half, half.copy())


class Initializer(Rule):
    """A rule for the initial weights of a layer.

    Parameters
    ----------
    name : str
        One of `initializers()`.
    """

    __slots__ = ()
    _kind = core.INITIALIZER

    def _try(self) -> None:
        smallest_net(initializer=self)


def as_rule(kind: type[R], value: object, what: str) -> R:
    """Return a rule from itself or from its name; `what` names the argument in errors."""
    if isinstance(value, kind):
        return value
    if isinstance(value, str):
        return kind(value)
    word = KINDS[kind._kind]
    own = ""
    if callable(value) and kind in (Activation, Loss):
        own = f"; a function of your own goes with its derivative into sb.Custom{kind.__name__}"
    raise TypeError(f"{what} must be a name or what sb.{word}(...) returns, got {got(value)}{own}")


def activation(name: str, /, **parameters: float) -> Activation:
    """Return an activation function by its name.

    Parameters
    ----------
    name : str
        One of `activations()`.
    **parameters : float
        Such as ``slope`` for leaky_relu.

    Returns
    -------
    Activation

    Raises
    ------
    ValueError
        If the name or a value is not allowed.
    TypeError
        If there is no such parameter.

    Examples
    --------
    >>> import swiftbackprop as sb
    >>> sb.activation("relu")([-1.0, 2.0])
    array([0., 2.])
    >>> sb.activation("leaky_relu", slope=0.2).slope
    0.2
    """
    return Activation(name, **parameters)


def loss(name: str, /, **parameters: float) -> Loss:
    """Return a loss by its name; as `activation`.

    Examples
    --------
    >>> import swiftbackprop as sb
    >>> sb.loss("huber", delta=2.0).derivative([1.0, 5.0], [0.0, 0.0])
    array([1., 2.])
    """
    return Loss(name, **parameters)


def initializer(name: str, /, **parameters: float) -> Initializer:
    """Return a rule for initial weights by its name; as `activation`."""
    return Initializer(name, **parameters)


def activations() -> list[str]:
    """Return the names of the engine's activation functions.

    Examples
    --------
    >>> import swiftbackprop as sb
    >>> "softmax" in sb.activations()
    True
    """
    return list(known(core.ACTIVATION))


def losses() -> list[str]:
    """Return the names of the engine's losses."""
    return list(known(core.LOSS))


def initializers() -> list[str]:
    """Return the names of the engine's rules for initial weights."""
    return list(known(core.INITIALIZER))
