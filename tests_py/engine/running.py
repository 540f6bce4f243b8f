"""Networks that train while something else happens."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from helpers import quiet_network

PATIENCE = 60.0  # seconds until a test gives up; nothing here is a speed limit


def network(seed: int = 0, width: int = 16, **keywords: Any) -> Any:
    return quiet_network([8, width, 3], output="softmax", seed=seed, **keywords)


def data(rows: int = 64, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, 8)).astype("float32"), rng.integers(0, 3, rows)


def in_threads(work: Callable[[int], Any], count: int = 4) -> list[Any]:
    """Run work(0..count-1) at once; every one has to end."""
    with ThreadPoolExecutor(count) as pool:
        futures = [pool.submit(work, i) for i in range(count)]
        return [future.result(PATIENCE) for future in futures]
