"""A network in float64, to be checked: same weights, no penalties."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from swiftbackprop._net.arrays import FloatArray, as_data
from swiftbackprop._net.base import NetworkBase
from swiftbackprop._net.state import learnt, write_learnt

__all__ = ["as_inputs", "in_double"]

N = TypeVar("N", bound=NetworkBase)


def in_double(net: N) -> N:
    """Return a copy of a network in float64, with its weights and without penalties.

    Batch norm keeps its running statistics.

    Raises
    ------
    TypeError
        If it is no network.
    """
    if not isinstance(net, NetworkBase):
        raise TypeError(f"net is a Network, not {type(net).__name__}")
    recipe = replace(net._recipe, dtype=np.dtype(np.float64), l1=0.0, l2=0.0, clip_norm=0.0)
    twin = type(net).__new__(type(net))
    twin.__dict__.update(net.__dict__)
    twin._build(recipe, net.seed)
    write_learnt(twin, learnt(net))
    return twin


def as_inputs(net: NetworkBase, X: npt.ArrayLike) -> FloatArray:
    """Return a copy of X as the network reads it, integers scaled, in float64."""
    array = as_data(X, "X")
    rows = np.array(array, np.float64, order="C")
    return rows * net.input_scale if array.dtype.kind in "biu" else rows
