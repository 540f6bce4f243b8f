"""Nanoseconds an element of every activation, loss and optimizer, on one thread.

Through the public functions, on arrays that stay in the cache. A rule that has lost its
specialisation, or calls libm for every element, stands out against the time of a NumPy copy.
Times are the least that was seen: whatever disturbs, adds.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import swiftbackprop as sb
from benchmarks.cases import COPY, Floats

N = 100_000
SIDE = 316  # a net of one layer: as many weights
CALLS = 10  # of each, a round

Call = Callable[[], Any]


def _activations(x: Floats) -> Iterator[tuple[str, Call]]:
    rows = x.reshape(-1, 10)  # softmax acts on rows
    for name in sb.activations():
        rule = sb.activation(name)
        yield f"{name}", lambda rule=rule: rule(rows)  # type: ignore[misc]
        try:
            rule.derivative(rows[:1])
        except ValueError:
            continue
        yield f"{name}'", lambda rule=rule: rule.derivative(rows)  # type: ignore[misc]


def _losses(a: Floats, t: Floats) -> Iterator[tuple[str, Call]]:
    for name in sb.losses():
        rule = sb.loss(name)
        yield f"{name}", lambda rule=rule: rule(a, t)  # type: ignore[misc]
        yield f"{name}'", lambda rule=rule: rule.derivative(a, t)  # type: ignore[misc]


def _optimizers(dtype: str) -> Iterator[tuple[str, Call]]:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((4, SIDE)).astype(dtype)
    for name in sb.optimizers():
        net = sb.Network([SIDE, SIDE], optimizer=sb.optimizer(name, lr=1e-7), dtype=dtype, seed=0)
        net.forward(X)
        net.backward(X)
        yield name, net.step


def _calls(dtype: str) -> Iterator[tuple[str, Call]]:
    """Yield (name, call) of everything, each for N elements or nearly."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-4, 4, N).astype(dtype)
    a, t = (rng.uniform(0.05, 0.95, N).astype(dtype) for _ in range(2))
    to = np.empty_like(x)
    yield COPY, lambda: np.copyto(to, x)
    groups = {
        "activation": _activations(x),
        "loss": _losses(a, t),
        "optimizer": _optimizers(dtype),
    }
    for group, calls in groups.items():
        for name, call in calls:
            yield f"{group} {name}", call


def measure(rounds: int, dtypes: list[str]) -> dict[str, dict[str, float]]:
    """Return seconds an element: dtype -> name -> the least of all rounds."""
    found: dict[str, dict[str, float]] = {}
    for dtype in dtypes:
        calls = dict(_calls(dtype))
        best = found[dtype] = dict.fromkeys(calls, float("inf"))
        for _ in range(rounds):
            for name, call in calls.items():
                best[name] = min(best[name], *(_seconds(call) / N for _ in range(CALLS)))
    return found


def _seconds(call: Call) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin
