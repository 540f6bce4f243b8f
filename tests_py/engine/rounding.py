"""What the tests of precision share: networks, data, the unit of this CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

import swiftbackprop as sb

Array = npt.NDArray[Any]
ROUNDING = ("bf16x3", "bf16x2", "bfloat16")


def make(sizes: list[int], precision: str | None, **more: Any) -> sb.Network:
    options = {"activation": "tanh", "output": "identity", "optimizer": sb.SGD(0.1), "seed": 3}
    return sb.Network(sizes, precision=precision, **(options | more))


def data(sizes: list[int], rows: int, seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((rows, sizes[0]), dtype=np.float32)
    return X, rng.standard_normal((rows, sizes[-1]), dtype=np.float32)


def unit_here() -> str:
    return {"t": "tiles", "d": "dot", "e": "emulated"}[sb.config()["engine"]["bfloat16"][0]]
