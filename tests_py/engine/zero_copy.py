"""Arrays and a network to see what is copied."""

from __future__ import annotations

from typing import Any

import numpy as np

from helpers import quiet_network

ROWS, INPUTS = 12, 5

Array = np.ndarray


def network(dtype: str = "float32") -> Any:
    return quiet_network(
        [INPUTS, 4, 3], activation="tanh", output="softmax", loss="cross_entropy",
        dtype=dtype, seed=0,
    )  # fmt: skip


def labels() -> Array:
    return np.arange(ROWS) % 3


def address(array: Array) -> int:
    return int(array.__array_interface__["data"][0])


def data_block(dtype: str, rows: int = ROWS, columns: int = INPUTS) -> Array:
    return np.random.default_rng(3).normal(size=(rows, columns)).astype(dtype)
