"""A network and data to fit."""

from __future__ import annotations

from typing import Any

import numpy as np

from helpers import quiet_network

N = 50


def network(dtype: str = "float32", seed: int = 0, **keywords: Any) -> Any:
    options = {"activation": "tanh", "output": "softmax", "loss": "cross_entropy"} | keywords
    return quiet_network([6, 8, 3], dtype=dtype, seed=seed, **options)


def data(rows: int = N, dtype: str = "float32", seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, 6)).astype(dtype)
    y = np.argmax(X[:, :3] + 0.1 * rng.normal(size=(rows, 3)), axis=1)
    return X, y


def train(net: Any, *arguments: Any, **keywords: Any) -> Any:
    return net.fit(*arguments, **({"progress": False} | keywords))
