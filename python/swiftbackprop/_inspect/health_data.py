"""What keeps a network from learning though every unit and update looks well."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from swiftbackprop._engine.loader import core
from swiftbackprop._inspect.health_report import HealthFinding, LayerHealth
from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._net.layer import Layer

if TYPE_CHECKING:
    from swiftbackprop._net.base import NetworkBase


# The limits; docs/health.md says where they come from.
EQUAL = 1e-5  # the distance of numbers that count as equal, by the largest
EXPLAINED = 0.1  # the part of the targets' variance that a linear function has to explain
LARGE = 30.0  # the root mean square of a column
LEARNT = 0.5  # C by that of a constant: below, scales are no hindrance
STEPS, WORSE = 100, 1.1  # after so many steps C is not to be so many times that of a constant


def constant_cost(net: NetworkBase, t: FloatArray, weights: FloatArray | None) -> float:
    """Return the least C that outputs have which are the same for every row."""
    share = np.ones(len(t)) if weights is None else weights.astype(np.float64).ravel()
    share = share / share.sum()
    guesses = (share @ t, np.median(t, axis=0))
    costs = [net.loss(np.broadcast_to(guess, t.shape), t) for guess in guesses]
    return min(float(share @ np.reshape(cost, (len(t), -1)).sum(axis=1)) for cost in costs)


def judge_units(layers: Sequence[Layer], health: Sequence[LayerHealth]) -> Iterator[HealthFinding]:
    """Find hidden layers whose units are all equal, in what comes in and what goes out."""
    for layer, above in pairwise(layers):
        if health[layer.m - 1].dead == 1 or layer.sizes[1] < 2:
            continue
        own = np.column_stack([layer.W, layer.b])
        if _equal(own) and _equal(above.W.T):
            yield HealthFinding(
                "symmetric",
                layer.m,
                1.0,
                f"All {layer.sizes[1]} units of layer {layer.m} are equal, and get equal "
                "gradients: together they are one unit, and stay it.",
                "Start again with weights that are drawn, such as he_normal or glorot_uniform.",
            )


def _equal(rows: FloatArray) -> bool:
    """Whether all rows of a matrix are the same."""
    return bool(np.all(np.ptp(rows, axis=0) <= EQUAL * np.abs(rows).max()))


def judge_outputs(layers: Sequence[Layer], X: FloatArray, t: FloatArray) -> Iterator[HealthFinding]:
    """Find outputs that do not depend on X, and networks that are linear where t is not."""
    last, differ = layers[-1], bool(np.ptp(t, axis=0).any() and np.ptp(X, axis=0).any())
    if not differ:
        return
    before = X if last.m == 1 else layers[-2].a
    # W(L) = 0 is a usual start: the hidden units differ, and it learns from them.
    started = not last.W.any() and not _equal(before)
    if _equal(last.a) and not started:
        yield HealthFinding(
            "constant output",
            last.m,
            float(np.ptp(last.a, axis=0).max()),
            "The outputs are the same in every row, whatever X is.",
            "Scale X to mean 0 and standard deviation 1, and start again with he_normal or "
            "glorot_uniform weights and a lower learning rate.",
        )
    hidden = layers[:-1]
    if hidden and all(layer.activation.name == "identity" and not layer.norm for layer in hidden):
        explained = _explained(X, t)
        if explained < EXPLAINED:
            yield HealthFinding(
                "linear",
                None,
                explained,
                "With identity in all hidden layers the network is a linear function of X, and "
                f"the best one explains {explained:.0%} of the variance of the targets.",
                "Take relu or tanh in the hidden layers.",
            )


def _explained(X: FloatArray, t: FloatArray) -> float:
    """Return R² of the linear function of X that is nearest to t."""
    with_b = np.column_stack([X, np.ones(len(X))]).astype(np.float64)
    rest = t - with_b @ np.linalg.lstsq(with_b, t, rcond=None)[0]
    return max(0.0, 1.0 - float(np.sum(rest**2) / np.sum((t - t.mean(axis=0)) ** 2)))


def judge_data(
    net: NetworkBase, X: FloatArray, t: FloatArray, C: float, guess: float
) -> Iterator[HealthFinding]:
    """Find columns of X and of t that are far from the size of a network's numbers."""
    if guess <= 0 or C / guess <= LEARNT:
        return
    spec = net._spec
    first = spec.norm(1)
    if first is None or first.after:
        yield from _unscaled("X", X, "layer 1 takes in", "Scale X: StandardScaler, or")
    flags = net.loss.flags
    if not flags & core.RULE_CLIPS and spec.activations[-1].name == "identity":
        yield from _unscaled("y", t, "the outputs have to reach", "Scale y:")


def _unscaled(letter: str, columns: FloatArray, what: str, advice: str) -> Iterator[HealthFinding]:
    size = np.sqrt(np.mean(columns.astype(np.float64) ** 2, axis=0))
    worst = int(np.argmax(size))
    if size[worst] <= LARGE:
        return
    column = columns[:, worst].astype(np.float64)
    mean, deviation = column.mean(), column.std()
    name = letter if columns.shape[1] == 1 else f"Column {worst} of {letter}"
    yield HealthFinding(
        f"unscaled {letter}",
        None,
        float(size[worst]),
        f"{name} has mean {mean:.3g} and standard deviation {deviation:.3g}: {what} such numbers "
        "with weights that are made for numbers of size 1.",
        f"{advice} subtract the mean of each column and divide by its standard deviation.",
    )


def judge_cost(net: NetworkBase, C: float, guess: float) -> Iterator[HealthFinding]:
    """Find a network that was trained and says less than a constant would."""
    if guess > 0 and net.step_count >= STEPS and C / guess > WORSE:
        yield HealthFinding(
            "worse than a constant",
            None,
            C / guess,
            f"C is {C:.4g}, and {guess:.4g} for outputs that are the same in every row: after "
            f"{net.step_count} steps the network says less of these rows than a constant.",
            "Scale X and y, take a lower learning rate, and see that every row has its own target.",
        )
