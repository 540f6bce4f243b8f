"""A network in float64, to be checked: same weights, no penalties."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from swiftbackprop._net.arrays import FloatArray, as_data
from swiftbackprop._net.base import NetworkBase, check_network
from swiftbackprop._net.state import parameters_and_buffers, write_parameters_and_buffers

N = TypeVar("N", bound=NetworkBase)


def in_double(net: N) -> N:
    """Return a copy of a network in float64, with its weights and without penalties.

    Batch norm keeps its running statistics.
    """
    check_network(net)
    spec = replace(net._spec, dtype=np.dtype(np.float64), l1=0.0, l2=0.0, clip_norm=0.0)
    clone = type(net).__new__(type(net))
    clone.__dict__.update(net.__dict__)
    clone._build(spec, net.seed)
    write_parameters_and_buffers(clone, parameters_and_buffers(net))
    return clone


def as_inputs(net: NetworkBase, X: npt.ArrayLike) -> FloatArray:
    """Return a copy of X as the network reads it, integers scaled, in float64."""
    array = as_data(X, "X")
    rows = np.array(array, np.float64, order="C")
    return rows * net.input_scale if array.dtype.kind in "biu" else rows
