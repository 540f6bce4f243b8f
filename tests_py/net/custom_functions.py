"""Activations and losses of one's own, and what equals them in the engine."""

from __future__ import annotations

from typing import Any

import numpy as np

import swiftbackprop as sb
from helpers import assert_matches, data, quiet_network


def tanh(z: np.ndarray) -> np.ndarray:
    return np.tanh(z)


def d_tanh(z: np.ndarray) -> np.ndarray:
    return 1 - np.tanh(z) ** 2


def d2_tanh(z: np.ndarray) -> np.ndarray:
    a = np.tanh(z)
    return -2 * a * (1 - a**2)


def sine(z: np.ndarray) -> np.ndarray:
    return np.sin(z)


def d_sine(z: np.ndarray) -> np.ndarray:
    return np.cos(z)


def square(a: np.ndarray, t: np.ndarray) -> np.ndarray:
    return 0.5 * np.sum((a - t) ** 2, axis=1)


def d_square(a: np.ndarray, t: np.ndarray) -> np.ndarray:
    return a - t


def entropy(a: np.ndarray, t: np.ndarray) -> np.ndarray:
    return -np.sum(t * np.log(np.maximum(a, 1e-300)), axis=1)


def d_entropy(a: np.ndarray, t: np.ndarray) -> np.ndarray:
    return -t / np.maximum(a, 1e-300)


def quartic(a: np.ndarray, t: np.ndarray) -> np.ndarray:
    return np.sum((a - t) ** 4 + np.sin(a), axis=1)


def d_quartic(a: np.ndarray, t: np.ndarray) -> np.ndarray:
    return 4 * (a - t) ** 3 + np.cos(a)


TANH = sb.CustomActivation(tanh, d_tanh)
CURVED = sb.CustomActivation(tanh, d_tanh, d2_tanh)
SINE = sb.CustomActivation(sine, d_sine)
SQUARE = sb.CustomLoss(square, d_square)
ENTROPY = sb.CustomLoss(entropy, d_entropy, output="softmax", classes=True)
QUARTIC = sb.CustomLoss(quartic, d_quartic)

# What a network gets, and what its twin in the engine gets.
PAIRS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "activation": ({"activation": TANH}, {"activation": "tanh"}),
    "one layer of two": ({"activation": ["relu", TANH]}, {"activation": ["relu", "tanh"]}),
    "output": ({"output": TANH}, {"output": "tanh"}),
    "loss": ({"loss": SQUARE}, {"loss": "squared_error"}),
    "all": (
        {"activation": TANH, "output": TANH, "loss": SQUARE},
        {"activation": "tanh", "output": "tanh", "loss": "squared_error"},
    ),
    "classes": ({"loss": ENTROPY}, {"loss": "cross_entropy"}),
    "under the engine's partners": (
        {"activation": TANH, "loss": "cross_entropy"},
        {"activation": "tanh", "loss": "cross_entropy"},
    ),
}
CLASSES = ("classes", "under the engine's partners")


def twins(name: str, sizes: list[int], **keywords: Any) -> tuple[Any, Any]:
    options: dict[str, Any] = {"dtype": "float64", "seed": 5, "initializer": "glorot_uniform"}
    own, engines = PAIRS[name]
    return (
        quiet_network(sizes, **(options | keywords | own)),
        quiet_network(sizes, **(options | keywords | engines)),
    )


def examples(name: str, rows: int = 60) -> tuple[np.ndarray, np.ndarray]:
    X, t = data([5, 3], rows, "squared_error", "float64")
    return X, np.arange(rows) % 3 if name in CLASSES else t / 3


def assert_same_pass(net: Any, twin: Any, tolerance: float) -> None:
    for layer, other in zip(net.layers, twin.layers, strict=True):
        for what in ("z", "a", "grad_z", "grad_a", "grad_W", "grad_b"):
            assert_matches(getattr(layer, what), getattr(other, what), tolerance, what)
    assert_matches(net.layer(0).grad_a, twin.layer(0).grad_a, tolerance, "grad_a(0)")
