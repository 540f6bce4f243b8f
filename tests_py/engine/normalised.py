"""Normalised networks to test."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import quiet_network

SIZES = [5, 7, 6, 3]


NORMS: dict[str, Any] = {
    "batch": "batch",
    "layer": "layer",
    "batch-after": sb.BatchNorm(momentum=0.3, eps=1e-3, after=True),
    "layer-after": sb.LayerNorm(eps=1e-3, after=True),
    "everywhere": ["batch", sb.LayerNorm(after=True), "batch"],
    "some": [None, sb.BatchNorm(after=True), "layer"],
}

each_norm = pytest.mark.parametrize("name", NORMS)

both_modes = pytest.mark.parametrize("training", [False, True])


def shaken(net: Any, seed: int = 3) -> Any:
    """Give gamma, beta and the running statistics numbers that are not 0 or 1."""
    rng = np.random.default_rng(seed)
    for layer in net.layers:
        if layer.norm is None:
            continue
        size = layer.sizes[1]
        layer.gamma, layer.beta = rng.uniform(0.5, 1.5, size), 0.5 * rng.normal(size=size)
        if layer.norm.name == "batch":
            layer.running_mean = 0.3 * rng.normal(size=size)
            layer.running_var = rng.uniform(0.5, 2, size)
    return net


def made(norm: Any, sizes: list[int] = SIZES, **keywords: Any) -> Any:
    keywords = {"activation": "tanh", "dtype": "float64", "seed": 1} | keywords
    return shaken(quiet_network(sizes, norm=norm, **keywords))


def running(net: Any) -> list[Any]:
    return [
        (layer.running_mean.copy(), layer.running_var.copy())
        for layer in net.layers
        if layer.norm and layer.norm.name == "batch"
    ]
