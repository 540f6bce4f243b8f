"""A network's layers: views of everything the lectures name."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Never, NoReturn, Self, overload

import numpy as np
import numpy.typing as npt

from swiftbackprop._engine.loader import core
from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._net.checks import got
from swiftbackprop._net.initial_weights import as_parameter
from swiftbackprop._net.names import meant
from swiftbackprop._net.normalization import Norm
from swiftbackprop._net.rules import Activation
from swiftbackprop._net.spec import as_rate

if TYPE_CHECKING:
    from swiftbackprop._net.specified import SpecifiedNet


# What normalised layers alone have.
_NORMALISED = ("gamma", "beta", "grad_gamma", "grad_beta", "u", "running_mean", "running_var")


class View:
    """What the engine has of a layer: a quantity of the lectures, as an array."""

    def __init__(self, what: int, doc: str) -> None:
        self.__doc__ = doc
        self._what = what

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, layer: None, owner: type, /) -> Self: ...
    @overload
    def __get__(self, layer: Layer, owner: type, /) -> FloatArray: ...
    def __get__(self, layer: Layer | None, owner: type, /) -> Self | FloatArray:
        if layer is None:
            return self
        layer._check(self._name)
        return layer._net._view(self._what, layer.m)

    def __set__(self, layer: Layer, value: Never, /) -> None:
        raise AttributeError(f"{self._name} of a layer is read-only")


class Live(View):
    """The engine's own memory, which can be written to; what is assigned is copied in."""

    def __set__(self, layer: Layer, value: npt.ArrayLike, /) -> None:
        name = self._name
        if name == "running_var" and np.any(np.asarray(value) < 0):
            raise ValueError(f"running_var of layer {layer.m} must be >= 0: it is a variance")
        view = self.__get__(layer, Layer)
        what, finite = f"{name} of layer {layer.m}", not name.startswith("grad")
        view[...] = as_parameter(value, what, view.shape, layer.m, view.dtype, finite=finite)


class Layer:
    """Layer m of a network, m = 1..L; layer 0 is the input.

    W, b, grad_W and grad_b, and gamma and beta of a normalised layer, are live: writing to them
    changes the network, and assigning copies in. z, a, grad_z and grad_a are read-only
    snapshots of the last `forward` and `backward`, which never change. Layer 0 has a, which is
    X, and grad_a alone.

    Attributes
    ----------
    m : int
        The number of the layer.
    W, grad_W : ndarray, shape (D(m), D(m-1))
    b, grad_b : ndarray, shape (D(m),)
    z, a, grad_z, grad_a : ndarray, shape (N, D(m))
    gamma, beta, grad_gamma, grad_beta : ndarray, shape (D(m),)
        Of a normalised layer, live like b.
    running_mean, running_var : ndarray, shape (D(m),)
        Of a layer with batch norm, live; what evaluation normalises with.
    u : ndarray, shape (N, D(m))
        Of a normalised layer: what stands between normalisation and σ.
    norm : BatchNorm, LayerNorm or None
    mask : ndarray, shape (N, D(m))
        Of dropout, in the last training pass.
    activation : Activation
    dropout : float
        The probability to drop a unit in training; can be set.
    trainable : bool
        Whether `Network.step` and `Network.fit` update W and b; can be set.
    sizes : tuple of int
        (D(m-1), D(m)).

    Examples
    --------
    >>> import numpy as np, swiftbackprop as sb
    >>> net = sb.Network([2, 3, 1], dtype="float64", seed=0)
    >>> a = net.forward(np.ones((5, 2)))
    >>> net.layers[0].m, net.layers[0].W.shape, net.layers[0].z.shape
    (1, (3, 2), (5, 3))
    >>> net.layers[0].b = [1, 2, 3]
    >>> net.layers[0].b
    array([1., 2., 3.])
    """

    __slots__ = ("_net", "m")

    def __init__(self, net: SpecifiedNet, m: int) -> None:
        self._net = net
        self.m = m

    def _check(self, name: str) -> None:
        """Raise if this layer has no such quantity."""
        if self.m == 0:
            raise AttributeError(
                f"layer 0 is the input and has no {name}, only a and grad_a: the first {name} is "
                f"net.layer(1).{name}"
            )
        if name not in _NORMALISED:
            return
        kind = self.norm
        if kind is None or (name.startswith("running") and kind.name != "batch"):
            has = "no normalisation" if kind is None else "layer norm, which has no running values"
            raise AttributeError(f"layer {self.m} has {has}: there is no {name}")

    W = Live(core.W, "The weights, (D(m), D(m-1)), live.")
    b = Live(core.B, "The biases, (D(m),), live.")
    grad_W = Live(core.GRAD_W, "The gradient of C with respect to W, (D(m), D(m-1)), live.")
    grad_b = Live(core.GRAD_B, "The gradient of C with respect to b, (D(m),), live.")
    z = View(core.Z, "W a(m-1) + b of every row, (N, D(m)), of the last forward; read-only.")

    @property
    def a(self) -> FloatArray:
        """σ(z), (N, D(m)), of the last forward; of layer 0: X. Read-only."""
        if self.m:
            return self._net._view(core.A, self.m)
        self._net._view(core.A, 1)  # says if the network is closed, or forward missing
        X = self._net._input()
        if X is None:
            raise RuntimeError("the input of the last forward was released")
        view = np.asarray(X).view()
        view.flags.writeable = False
        return view

    grad_z = View(core.GRAD_Z, "The gradient of C with respect to z, (N, D(m)), read-only.")

    @property
    def grad_a(self) -> FloatArray:
        """The gradient of C with respect to a, (N, D(m)), read-only."""
        return self._net._view(core.GRAD_A, self.m)

    @property
    def norm(self) -> Norm | None:
        """How this layer is normalised; None if it is not."""
        self._check("norm")
        return self._net._spec.norm(self.m)

    gamma = Live(core.GAMMA, "What a normalised layer multiplies with, (D(m),), live.")
    beta = Live(core.BETA, "What a normalised layer adds, (D(m),), live.")
    grad_gamma = Live(core.GRAD_GAMMA, "The gradient of C with respect to gamma, (D(m),), live.")
    grad_beta = Live(core.GRAD_BETA, "The gradient of C with respect to beta, (D(m),), live.")
    u = View(
        core.U,
        """What stands between normalisation and σ of the last forward, (N, D(m)), read-only.

        γ x̂ + β, which σ takes in; of a layer normalised after σ what σ gave. A copy.
        """,
    )
    running_mean = Live(core.RUNNING_MEAN, "The running mean of batch norm, (D(m),), live.")
    running_var = Live(
        core.RUNNING_VAR, "The running variance of batch norm, (D(m),), live; at least 0."
    )
    mask = View(
        core.MASK,
        """What dropout multiplied a with: 0 or 1/(1 - p), (N, D(m)); read-only.

        Of the last ``forward(X, training=True)``; made anew when asked for.
        """,
    )

    @property
    def dropout(self) -> float:
        """The probability p to drop a unit of this layer in training; can be set."""
        self._check("dropout")
        return self._net._option(core.OPTION_DROPOUT + self.m)

    @dropout.setter
    def dropout(self, rate: float) -> None:
        self._check("dropout")
        number = as_rate(rate, f"dropout of layer {self.m}")
        self._net._set_option(core.OPTION_DROPOUT + self.m, number)

    @property
    def trainable(self) -> bool:
        """Whether W and b are updated; False freezes the layer.

        `Network.fit` then makes no gradients of the layer (they are 0), and none at all below
        the lowest layer that is updated. `Network.backward` makes all of them.
        """
        self._check("trainable")
        return self._net._option(core.OPTION_TRAINABLE + self.m) != 0

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._check("trainable")
        self._net._set_option(core.OPTION_TRAINABLE + self.m, float(bool(value)))

    @property
    def activation(self) -> Activation:
        """σ of this layer."""
        self._check("activation")
        return self._net._spec.activations[self.m - 1]

    @property
    def sizes(self) -> tuple[int, int]:
        """(D(m-1), D(m))."""
        self._check("sizes")
        before, own = self._net.sizes[self.m - 1 : self.m + 1]
        return before, own

    def __getattr__(self, name: str) -> NoReturn:
        if hasattr(type(self), name):  # a property that has said why
            self._check(name)
        raise AttributeError(f"a layer has no {name!r}{_other_name(name)}")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Layer):
            return NotImplemented
        return self._net is other._net and self.m == other.m

    def __hash__(self) -> int:
        return hash((id(self._net), self.m))

    def __reduce__(self) -> tuple[Any, ...]:
        return Layer, (self._net, self.m)

    def __repr__(self) -> str:
        if self.m == 0:
            return f"Layer(m=0, {self._net.sizes[0]} inputs)"
        before, own = self.sizes
        return f"Layer(m={self.m}, {before} -> {own}, {self.activation.name})"


def pre_activation(layer: Layer) -> FloatArray:
    """Return what σ of a layer took in: z, or u where z is normalised before."""
    return layer.u if layer.norm and not layer.norm.after else layer.z


def _other_name(name: str) -> str:
    """Return which of a layer's names is meant, as a half sentence."""
    names = [n for n in vars(Layer) if not n.startswith("_")]
    hint = meant("attribute of a layer", name, names)
    usual = (n for n in names if n not in _NORMALISED)
    return f"; {hint or 'it has ' + ', '.join(usual)}"


class Layers(Sequence[Layer]):
    """The layers 1..L of a network; ``layers[m - 1].m == m``."""

    __slots__ = ("_net",)

    def __init__(self, net: SpecifiedNet) -> None:
        self._net = net

    def __len__(self) -> int:
        return len(self._net.sizes) - 1

    @overload
    def __getitem__(self, index: int) -> Layer: ...
    @overload
    def __getitem__(self, index: slice) -> list[Layer]: ...
    def __getitem__(self, index: int | slice) -> Layer | list[Layer]:
        try:
            numbers = range(1, len(self) + 1)[index]
        except IndexError:
            L = len(self)
            raise IndexError(
                f"there is no layers[{index}]: Python counts from 0, and layers[0] to "
                f"layers[{L - 1}] are the layers 1 to {L}; net.layer({L}) is layer {L}"
            ) from None
        if isinstance(numbers, range):
            return [Layer(self._net, m) for m in numbers]
        return Layer(self._net, numbers)

    def __reduce__(self) -> tuple[Any, ...]:
        return Layers, (self._net,)

    def __repr__(self) -> str:
        return repr(list(self))


def find_layer(net: SpecifiedNet, m: int) -> Layer:
    """Return layer m = 0..L."""
    try:
        number = operator.index(m)
    except TypeError:
        raise TypeError(f"m must be an int, the number of a layer, got {got(m)}") from None
    last = len(net.sizes) - 1
    if not 0 <= number <= last:
        hint = f"; the last is net.layer({last})" if number < 0 else ""
        raise IndexError(
            f"there is no layer {number}: layers are numbered 0 (the input) to {last}{hint}"
        )
    return Layer(net, number)
