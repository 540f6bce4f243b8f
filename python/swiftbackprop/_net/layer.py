"""A network's layers: views of everything the lectures name."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn, overload

import numpy as np
import numpy.typing as npt

from swiftbackprop._engine.loader import core
from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._net.checks import got
from swiftbackprop._net.names import meant
from swiftbackprop._net.normalization import Norm
from swiftbackprop._net.rules import Activation
from swiftbackprop._net.spec import as_parameter, as_rate

if TYPE_CHECKING:
    from swiftbackprop._net.specified import SpecifiedNet

__all__ = ["Layer", "Layers", "find_layer", "pre_activation"]

# What normalised layers alone have.
_NORMALISED = ("gamma", "beta", "grad_gamma", "grad_beta", "u", "running_mean", "running_var")


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
        if self.m == 0:
            raise AttributeError(
                f"layer 0 is the input and has no {name}, only a and grad_a: the first {name} is "
                f"net.layer(1).{name}"
            )

    def _view(self, name: str, what: int) -> FloatArray:
        self._check(name)
        return self._net._view(what, self.m)

    def _check_norm(self, name: str) -> None:
        self._check(name)
        kind = self.norm
        if kind is None or (name.startswith("running") and kind.name != "batch"):
            has = "no normalisation" if kind is None else "layer norm, which has no running values"
            raise AttributeError(f"layer {self.m} has {has}: there is no {name}")

    def _norm_view(self, name: str, what: int) -> FloatArray:
        self._check_norm(name)
        return self._net._view(what, self.m)

    def _assign(self, name: str, value: npt.ArrayLike) -> None:
        view = getattr(self, name)
        view[...] = as_parameter(
            value,
            f"{name} of layer {self.m}",
            view.shape,
            self.m,
            view.dtype,
            finite=not name.startswith("grad"),
        )

    @property
    def W(self) -> FloatArray:
        """The weights, (D(m), D(m-1)), live."""
        return self._view("W", core.W)

    @W.setter
    def W(self, value: npt.ArrayLike) -> None:
        self._assign("W", value)

    @property
    def b(self) -> FloatArray:
        """The biases, (D(m),), live."""
        return self._view("b", core.B)

    @b.setter
    def b(self, value: npt.ArrayLike) -> None:
        self._assign("b", value)

    @property
    def grad_W(self) -> FloatArray:
        """The gradient of C with respect to W, (D(m), D(m-1)), live."""
        return self._view("grad_W", core.GRAD_W)

    @grad_W.setter
    def grad_W(self, value: npt.ArrayLike) -> None:
        self._assign("grad_W", value)

    @property
    def grad_b(self) -> FloatArray:
        """The gradient of C with respect to b, (D(m),), live."""
        return self._view("grad_b", core.GRAD_B)

    @grad_b.setter
    def grad_b(self, value: npt.ArrayLike) -> None:
        self._assign("grad_b", value)

    @property
    def z(self) -> FloatArray:
        """W a(m-1) + b of every row, (N, D(m)), of the last forward; read-only."""
        return self._view("z", core.Z)

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

    @property
    def grad_z(self) -> FloatArray:
        """The gradient of C with respect to z, (N, D(m)), read-only."""
        return self._view("grad_z", core.GRAD_Z)

    @property
    def grad_a(self) -> FloatArray:
        """The gradient of C with respect to a, (N, D(m)), read-only."""
        return self._net._view(core.GRAD_A, self.m)

    @property
    def norm(self) -> Norm | None:
        """How this layer is normalised; None if it is not."""
        self._check("norm")
        return self._net._spec.norm(self.m)

    @property
    def gamma(self) -> FloatArray:
        """What a normalised layer multiplies with, (D(m),), live."""
        return self._norm_view("gamma", core.GAMMA)

    @gamma.setter
    def gamma(self, value: npt.ArrayLike) -> None:
        self._assign("gamma", value)

    @property
    def beta(self) -> FloatArray:
        """What a normalised layer adds, (D(m),), live."""
        return self._norm_view("beta", core.BETA)

    @beta.setter
    def beta(self, value: npt.ArrayLike) -> None:
        self._assign("beta", value)

    @property
    def grad_gamma(self) -> FloatArray:
        """The gradient of C with respect to gamma, (D(m),), live."""
        return self._norm_view("grad_gamma", core.GRAD_GAMMA)

    @grad_gamma.setter
    def grad_gamma(self, value: npt.ArrayLike) -> None:
        self._assign("grad_gamma", value)

    @property
    def grad_beta(self) -> FloatArray:
        """The gradient of C with respect to beta, (D(m),), live."""
        return self._norm_view("grad_beta", core.GRAD_BETA)

    @grad_beta.setter
    def grad_beta(self, value: npt.ArrayLike) -> None:
        self._assign("grad_beta", value)

    @property
    def u(self) -> FloatArray:
        """What stands between normalisation and σ of the last forward, (N, D(m)), read-only.

        γ x̂ + β, which σ takes in; of a layer normalised after σ what σ gave. A copy.
        """
        return self._norm_view("u", core.U)

    @property
    def running_mean(self) -> FloatArray:
        """The running mean of batch norm, (D(m),), live."""
        return self._norm_view("running_mean", core.RUNNING_MEAN)

    @running_mean.setter
    def running_mean(self, value: npt.ArrayLike) -> None:
        self._assign("running_mean", value)

    @property
    def running_var(self) -> FloatArray:
        """The running variance of batch norm, (D(m),), live; at least 0."""
        return self._norm_view("running_var", core.RUNNING_VAR)

    @running_var.setter
    def running_var(self, value: npt.ArrayLike) -> None:
        if np.any(np.asarray(value) < 0):
            raise ValueError(f"running_var of layer {self.m} must be >= 0: it is a variance")
        self._assign("running_var", value)

    @property
    def mask(self) -> FloatArray:
        """What dropout multiplied a with: 0 or 1/(1 - p), (N, D(m)); read-only.

        Of the last ``forward(X, training=True)``; made anew when asked for.
        """
        return self._view("mask", core.MASK)

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
            if name in _NORMALISED:
                self._check_norm(name)
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
