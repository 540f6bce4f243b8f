"""Weights in the layouts of other libraries, checked before any of them is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from swiftbackprop._net.arrays import FloatArray, as_data
from swiftbackprop._net.checks import as_int, got, listed
from swiftbackprop._net.initial_weights import as_parameter
from swiftbackprop._net.names import unknown
from swiftbackprop._net.state import vectors

if TYPE_CHECKING:
    from swiftbackprop._net.base import NetworkBase


# The names of PyTorch in a Linear, and in its modules of normalisation.
_LINEAR = {"W": "weight", "b": "bias"}
_NORM = {
    "gamma": "weight",
    "beta": "bias",
    "running_mean": "running_mean",
    "running_var": "running_var",
}
_COUNTER = "num_batches_tracked"


class _Array(NamedTuple):
    """An array of a network: its name elsewhere, and where it is here."""

    name: str
    m: int
    letter: str  # W, b, gamma, ...

    def of(self, net: NetworkBase) -> FloatArray:
        """Return it, live."""
        array: FloatArray = getattr(net.layer(self.m), self.letter)
        return array


# --- PyTorch --------------------------------------------------------------------------------


def state_dict(net: NetworkBase) -> dict[str, FloatArray]:
    """Return copies of all arrays in C order, by PyTorch's names."""
    arrays: dict[str, FloatArray] = {}
    for each in _by_torch(net):
        arrays[each.name] = each.of(net).copy(order="C")
        if each.letter == "running_var":
            arrays[_counter(each)] = np.array(net.step_count, np.int64)
    return arrays


def load_state_dict(net: NetworkBase, state: Mapping[str, npt.ArrayLike]) -> None:
    """Write all arrays, given by PyTorch's names."""
    if not isinstance(state, Mapping):
        raise TypeError(
            f"state must be a dict from names to arrays, as state_dict() returns, got {got(state)}"
        )
    expected = _by_torch(net)
    names = [each.name for each in expected]
    counters = [_counter(each) for each in expected if each.letter == "running_var"]
    for name in state:
        if name not in names and name not in counters:
            raise ValueError(
                f"the state dict has an {unknown('name', str(name), names)}"
                f"{_by_place(expected, state, name)}"
            )
    missing = [name for name in names if name not in state]
    if missing:
        raise ValueError(f"missing in the state dict: {listed(missing)}")
    for name in counters:
        as_int(state.get(name, 0), name, min_=0)  # momentum here does not depend on it
    _write(net, expected, [state[name] for name in names])


def _by_place(expected: list[_Array], state: Mapping[str, Any], name: Any) -> str:
    """Return what a name means if only the names are another module's, as a half sentence."""
    if len(state) != len(expected):
        return ""
    own = expected[list(state).index(name)]
    return (
        f"; the names are those of nn.Sequential, where {own.name!r} is {own.letter} of layer "
        f"{own.m}. For a module with names of its own and the same layers in order, write "
        "dict(zip(net.state_dict(), state.values()))"
    )


def _by_torch(net: NetworkBase) -> list[_Array]:
    """Return all arrays as the Sequential of `to_torch` has them.

    Behind a Linear stand an activation, unless it is identity, and Dropout, if the layer drops
    units; a normalisation stands before or behind the activation.
    """
    arrays, place = [], 0
    for layer in net.layers:
        arrays += [_Array(f"{place}.{name}", layer.m, letter) for letter, name in _LINEAR.items()]
        activation = int(layer.activation.name != "identity")
        if layer.norm:
            norm = place + 1 + (activation if layer.norm.after else 0)
            arrays += [
                _Array(f"{norm}.{_NORM[letter]}", layer.m, letter)
                for letter in vectors(layer.norm)[1:]
            ]
        place += 1 + activation + (layer.norm is not None) + (layer.dropout > 0)
    return arrays


def _counter(running_var: _Array) -> str:
    return running_var.name.replace("running_var", _COUNTER)


# --- Keras ----------------------------------------------------------------------------------


def kernels(net: NetworkBase) -> list[FloatArray]:
    """Return copies of W(m)ᵀ, b(m) and what a normalised layer has, as Keras has them."""
    return [_as_kernel(each, each.of(net)).copy(order="C") for each in _by_keras(net)]


def set_kernels(net: NetworkBase, weights: Iterable[npt.ArrayLike]) -> None:
    """Write all arrays, given as `kernels` returns them."""
    if isinstance(weights, str | bytes) or not isinstance(weights, Iterable):
        raise TypeError(f"weights must be a list of arrays, got {got(weights)}")
    given, expected = list(weights), _by_keras(net)
    if len(given) != len(expected):
        order = ", ".join(f"{_symbol(each)}" for each in expected[:4])
        raise ValueError(
            f"weights: expected {len(expected)} arrays for the {len(net.layers)} layers, {order} "
            f"and so on, got {len(given)}"
        )
    for place, each in enumerate(expected):
        if each.letter != "W":
            continue
        shape = each.of(net).T.shape
        kernel = as_data(given[place], each.name)
        if kernel.shape != shape:
            hint = "; its transpose .T has that shape" if kernel.T.shape == shape else ""
            raise ValueError(
                f"{each.name}, {_symbol(each)}: expected shape (D({each.m - 1}), D({each.m})) = "
                f"{shape}, got {kernel.shape}{hint}"
            )
        given[place] = kernel.T
    _write(net, expected, given)


def _by_keras(net: NetworkBase) -> list[_Array]:
    """Return all arrays in the order of Dense and the normalisation behind it."""
    letters = [(layer.m, letter) for layer in net.layers for letter in ("W", *vectors(layer.norm))]
    return [_Array(f"weights[{place}]", *each) for place, each in enumerate(letters)]


def _symbol(each: _Array) -> str:
    return f"W({each.m})ᵀ" if each.letter == "W" else f"{each.letter}({each.m})"


def _as_kernel(each: _Array, array: FloatArray) -> FloatArray:
    return array.T if each.letter == "W" else array


# --- Both -------------------------------------------------------------------------------------


def _write(net: NetworkBase, arrays: Iterable[_Array], values: Iterable[Any]) -> None:
    """Write a value to each array, if all of them fit."""
    checked = []
    for each, value in zip(arrays, values, strict=True):
        own = each.of(net)
        what = f"{each.name} ({each.letter} of layer {each.m})"
        array = as_parameter(as_data(value, each.name), what, own.shape, each.m, own.dtype)
        if each.letter == "running_var" and (array < 0).any():
            raise ValueError(f"{what} must be >= 0: it is a variance")
        checked.append((own, array))
    for own, array in checked:
        own[...] = array
