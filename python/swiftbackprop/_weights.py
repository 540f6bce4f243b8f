"""Weights in the layouts of other libraries, checked before any of them is written."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from swiftbackprop._arrays import FloatArray, as_data
from swiftbackprop._names import unknown
from swiftbackprop._recipe import as_parameter

if TYPE_CHECKING:
    from swiftbackprop._inside import NetworkInside

__all__ = ["kernels", "load_state_dict", "set_kernels", "state_dict"]


def state_dict(net: "NetworkInside") -> dict[str, FloatArray]:
    """Return copies of all W and b in C order, by PyTorch's names."""
    arrays: dict[str, FloatArray] = {}
    for place, layer in zip(_places(net), net.layers, strict=True):
        arrays[f"{place}.weight"] = layer.W.copy(order="C")
        arrays[f"{place}.bias"] = layer.b.copy()
    return arrays


def load_state_dict(net: "NetworkInside", state: Mapping[str, npt.ArrayLike]) -> None:
    """Write all W and b, given by PyTorch's names."""
    if not isinstance(state, Mapping):
        raise TypeError(
            f"a state dict maps names to arrays, as state_dict() does; got a {type(state).__name__}"
        )
    wanted = [f"{place}.{part}" for place in _places(net) for part in ("weight", "bias")]
    for name in state:
        if name not in wanted:
            raise ValueError(f"the state dict has an {unknown('name', str(name), wanted)}")
    missing = [name for name in wanted if name not in state]
    if missing:
        raise ValueError(f"the state dict lacks {', '.join(missing)}")
    arrays = [state[name] for name in wanted]
    _write(net, zip(arrays[::2], arrays[1::2], strict=True), wanted)


def kernels(net: "NetworkInside") -> list[FloatArray]:
    """Return copies of W(m)ᵀ and b(m), alternating, as Keras has them."""
    return [array.copy() for layer in net.layers for array in (layer.W.T, layer.b)]


def set_kernels(net: "NetworkInside", weights: Iterable[npt.ArrayLike]) -> None:
    """Write all W and b, given as `kernels` returns them."""
    if isinstance(weights, str | bytes) or not isinstance(weights, Iterable):
        raise TypeError(f"weights is a list of arrays, not a {type(weights).__name__}")
    given, count = list(weights), len(net.layers)
    if len(given) != 2 * count:
        raise ValueError(
            f"weights lists {len(given)} arrays; the {count} layers want {2 * count}: W(1)ᵀ, "
            "b(1), W(2)ᵀ, b(2) and so on"
        )
    for m, (inputs, outputs) in enumerate((layer.sizes for layer in net.layers), start=1):
        kernel = given[2 * m - 2] = as_data(given[2 * m - 2], f"weights[{2 * m - 2}]")
        if kernel.shape != (inputs, outputs):
            hint = (
                "; its transpose .T has that shape" if kernel.T.shape == (inputs, outputs) else ""
            )
            raise ValueError(
                f"weights[{2 * m - 2}], W({m})ᵀ, has shape (D({m - 1}), D({m})) = "
                f"{(inputs, outputs)}, not {kernel.shape}{hint}"
            )
        given[2 * m - 2] = kernel.T
    _write(
        net,
        zip(given[::2], given[1::2], strict=True),
        [f"weights[{place}]" for place in range(2 * count)],
    )


def _places(net: "NetworkInside") -> list[int]:
    """Return the place of every layer in the Sequential that `to_torch` makes.

    An activation follows its Linear, Dropout the activation; identity has no module, and
    neither has a layer that drops nothing.
    """
    places, place = [], 0
    for layer in net.layers:
        places.append(place)
        place += 1 + (layer.activation.name != "identity") + (layer.dropout > 0)
    return places


def _write(net: "NetworkInside", pairs: Iterable[tuple[Any, Any]], names: list[str]) -> None:
    """Write a pair (W, b) of every layer, if all of them fit."""
    checked = []
    for m, pair in enumerate(pairs, start=1):
        shape = net._recipe.shapes[m - 1]
        own = names[2 * m - 2 : 2 * m]
        W, b = (
            as_parameter(
                as_data(array, name), f"{name}, {letter} of layer {m},", wanted, m, net.dtype
            )
            for array, name, letter, wanted in zip(pair, own, "Wb", (shape, shape[:1]), strict=True)
        )
        checked.append((W, b))
    np.copyto(net.parameters, net.flatten(checked))
