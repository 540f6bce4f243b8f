"""What keeps a network from learning: dead and saturated units, gradients, updates."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from swiftbackprop._engine.loader import core
from swiftbackprop._inspect.health_data import (
    constant_cost,
    judge_cost,
    judge_data,
    judge_outputs,
    judge_units,
)
from swiftbackprop._inspect.health_report import HealthFinding, HealthReport, LayerHealth
from swiftbackprop._net.arrays import FloatArray, as_data, as_row_weights
from swiftbackprop._net.labels import as_rows, encode
from swiftbackprop._net.layer import Layer, pre_activation
from swiftbackprop._net.rule import known
from swiftbackprop._net.rules import Activation

if TYPE_CHECKING:
    from swiftbackprop._net.base import NetworkBase


# The limits; docs/health.md says where they come from.
FLAT = 1e-6  # |σ′(z)| of a dead unit
SATURATED = 0.01  # |σ′(z)| of a saturated value, by the largest |σ′|
MOST = 0.5  # of a layer's units dead, or of its values saturated
VANISHING, EXPLODING = 1e-3, 1e3  # the norm of grad_z(m) by that of grad_z(L)
SMALL, GOOD, LARGE = 1e-5, 1e-3, 0.1  # the norm of W's update by that of W
GAIN = 1e-3  # the part of C that a step of the good length has to win
WRONG = 0.1  # |a - t| by the largest |t|, or by 1 if t = 0

_FAR = 1e4  # a z where σ is as flat as it gets


def examine(
    net: NetworkBase,
    clone: NetworkBase,
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    sample_weight: npt.ArrayLike | None = None,
    *,
    steps: bool = True,
) -> HealthReport:
    """Return the report of a network; `clone`, an equal network, is used up.

    Without `steps` the next update is left out: then the copy needs no optimizer state.
    """
    inputs, targets = as_data(X, "X"), encode(net, y, "y")
    weights = as_row_weights(sample_weight)
    rows = len(inputs)
    try:
        clone.forward(X)
        C = clone.backward(y, sample_weight=weights)
    except core.DivergenceError as error:
        return HealthReport(net.sizes, (), (_overflow(str(error)),), math.nan, rows)
    own = [Layer(clone, m) for m in range(1, len(net.sizes))]
    norms = [norm(layer.grad_z) for layer in own]
    t, rows_of_X = as_rows(net, targets), Layer(clone, 0).a
    stuck = [_stuck(layer, t) for layer in own]
    updates: list[float | None] = _updates(net, clone) if steps else [None] * len(own)
    layers = tuple(
        LayerHealth(m, rule.name, dead, saturated, size / norms[-1] if norms[-1] else None, update)
        for m, (rule, (dead, saturated), size, update) in enumerate(
            zip(net._spec.activations, stuck, norms, updates, strict=True), start=1
        )
    )

    def cost() -> float:
        """Return C of the copy as it is now; infinity if there is none."""
        try:
            return clone._evaluate(inputs, targets, weights)[0]
        except core.DivergenceError:
            return math.inf

    findings = [*_judge_units(layers), *_judge_depth(layers), *judge_units(own, layers)]
    if not findings and rows > 1:  # else the cause is named
        findings += judge_outputs(own, rows_of_X, t)
    largest = max((u for u in updates if u is not None), default=GOOD)
    if largest == math.inf or (largest > LARGE and cost() > C):
        findings.append(_large(net, updates.index(largest) + 1, largest))
    elif largest < SMALL:
        clone.parameters[...] = net.parameters
        clone.forward(X)
        clone.backward(y, sample_weight=weights)
        enough = GAIN * max(abs(C), float(np.finfo(net.dtype).eps))
        if _go_downhill(net, clone, clone.gradients) and C - cost() > enough:
            findings.append(_small(net, largest))
    if rows > 1:
        guess = constant_cost(net, t, weights)
        findings += judge_cost(net, C, guess)
        findings += judge_data(net, rows_of_X, t, C, guess)
    return HealthReport(net.sizes, layers, tuple(findings), C, rows)


# --- Units ----------------------------------------------------------------------------------


class _Shape(NamedTuple):
    """Where σ is flat."""

    dies: bool  # on one side: a unit can stay there
    saturates: bool  # on both
    steepest: float


@cache
def _shape(rule: Activation) -> _Shape:
    flat = np.abs(rule.derivative(np.array([-_FAR, _FAR]))) <= FLAT
    steepest = np.abs(rule.derivative(np.linspace(-10, 10, 2001))).max()
    return _Shape(bool(flat[0] != flat[1]), bool(flat.all()), float(steepest))


def _stuck(layer: Layer, t: FloatArray) -> tuple[float | None, float | None]:
    """Return the shares of dead units and of saturated values; None where neither can be.

    The output layer counts where it is wrong alone, since 0 and 1 may be what it should
    say; and not at all if its loss is its partner, for then grad_z has no factor σ′.
    """
    rule, net = layer.activation, layer._net
    last = layer.m == len(net.sizes) - 1
    if last and net.loss.partner == rule.name:
        return None, None
    if rule.flags & core.RULE_ROWS:
        top = layer.a.max(axis=1)
        flat = ((top > 0.5) & (top * (1 - top) <= SATURATED / 4))[:, None]
        return None, _share(flat, layer, t, last)
    shape = _shape(rule)
    if not shape.dies and not shape.saturates:
        return None, None
    slope = np.abs(rule.derivative(pre_activation(layer)))
    if shape.saturates:
        return None, _share(slope <= SATURATED * shape.steepest, layer, t, last)
    dead = slope.max(axis=0) <= FLAT
    if last:
        dead &= _wrong(layer.a, t).any(axis=0)
    return np.count_nonzero(dead) / dead.size, None


def _share(flat: FloatArray, layer: Layer, t: FloatArray, last: bool) -> float:
    """Return the share of flat values; of the output, of rows with a wrong one."""
    if last:
        flat = np.any(flat & _wrong(layer.a, t), axis=1, keepdims=True)
    return np.count_nonzero(flat) / flat.size


def _wrong(a: FloatArray, t: FloatArray) -> FloatArray:
    """Return which outputs are far from their targets, (N, D(L))."""
    wrong: FloatArray = np.abs(a - t) > WRONG * (np.abs(t).max() or 1)
    return wrong


# --- Gradients and updates ------------------------------------------------------------------


def norm(x: FloatArray) -> float:
    """Return ‖x‖, also where squares of its numbers overflow or vanish."""
    square = float(np.vdot(x, x))
    if 1e-30 < square < 1e30:
        return math.sqrt(square)
    largest = float(np.abs(x).max())
    return largest * float(np.linalg.norm(x / largest)) if largest else 0.0


def _updates(net: NetworkBase, clone: NetworkBase) -> list[float | None]:
    """Make a step on the copy; return ‖ΔW‖ / ‖W‖ of every layer, None if W = 0."""
    try:
        clone.step()
    except core.DivergenceError:
        return [math.inf] * len(net.layers)
    W, step = net.parameters, clone.gradients
    np.subtract(clone.parameters, W, out=step)  # the gradients have served
    ratios: list[float | None] = []
    for part in _weights(net):
        size = norm(W[part])
        ratios.append(norm(step[part]) / size if size else None)
    return ratios


def _weights(net: NetworkBase) -> Iterator[slice]:
    """Yield where every W lies among the parameters."""
    start = 0
    spec = net._spec
    for (outputs, inputs), count in zip(spec.shapes, spec.counts, strict=True):
        yield slice(start, start + outputs * inputs)
        start += count


def _go_downhill(net: NetworkBase, clone: NetworkBase, g: FloatArray) -> bool:
    """Step against the gradient g by the good length; False if there is no gradient."""
    W = net.parameters
    steepest = max((norm(g[w]) / norm(W[w]) for w in _weights(net) if W[w].any()), default=0)
    if not steepest:
        return False
    clone.parameters[...] = W - GOOD / steepest * g
    return True


# --- Findings -------------------------------------------------------------------------------


def _judge_units(layers: Sequence[LayerHealth]) -> Iterator[HealthFinding]:
    """Judge each layer. Skip layers above a dead one; they are a consequence."""
    first = min((layer.m for layer in layers if layer.dead == 1), default=len(layers))
    for layer in layers:
        m, last = layer.m, layer is layers[-1]
        if layer.dead is not None and layer.dead > MOST and m <= first:
            what = f"{layer.dead:.0%} of the units of layer {m} ({layer.activation}) " + (
                "are wrong and do not change with z in any row."
                if last
                else "do not change with z in any row, so nothing below them learns by them."
            )
            yield HealthFinding(
                "dead", m, layer.dead, what, _advice_on_dead(layer.activation, last)
            )
        if layer.saturated is not None and layer.saturated > MOST:
            where = f"layer {m} ({layer.activation})"
            what = f"{layer.saturated:.0%} of the {'rows' if last else 'values'} of {where} " + (
                "are wrong where σ is flat, so that little of their error comes back."
                if last
                else "lie where σ is flat, so that little gradient passes."
            )
            advice = _advice_on_saturated(layer.activation, last)
            yield HealthFinding("saturated", m, layer.saturated, what, advice)


def _advice_on_dead(activation: str, last: bool) -> str:
    if last:
        return f"Take an output that fits the targets instead of {activation}."
    return (
        "Start again with he_normal weights, b = 0 and a lower learning rate, scale X, or "
        "take leaky_relu."
    )


def _advice_on_saturated(activation: str, last: bool) -> str:
    if last:
        for loss in known(core.LOSS).values():
            if loss.canonical_output == activation:
                return f"Take loss={loss.name!r}, with which grad_z is a - t on {activation}."
    return "Start again with smaller weights (glorot_uniform) or a lower learning rate, or scale X."


def _judge_depth(layers: Sequence[LayerHealth]) -> Iterator[HealthFinding]:
    """Judge the gradients' norms, but not those below a layer that is all dead."""
    dead = max((layer.m for layer in layers if layer.dead == 1), default=0)
    sizes = {
        layer.m: layer.gradient for layer in layers if layer.gradient is not None and layer.m > dead
    }
    if not sizes:
        return
    low, high = min(sizes, key=sizes.__getitem__), max(sizes, key=sizes.__getitem__)
    L = layers[-1].m
    if sizes[low] < VANISHING:
        yield HealthFinding(
            "vanishing",
            low,
            sizes[low],
            f"The norm of grad_z({low}) is {sizes[low]:.1g} times that of grad_z({L}): "
            f"layer {low} hardly learns.",
            "Take relu with he_normal in the hidden layers, larger initial weights or "
            "fewer layers.",
        )
    if sizes[high] > EXPLODING:
        yield HealthFinding(
            "exploding",
            high,
            sizes[high],
            f"The norm of grad_z({high}) is {sizes[high]:.1g} times that of grad_z({L}).",
            "Start again with smaller weights (he_normal, glorot_uniform), or set clip_norm.",
        )


def _large(net: NetworkBase, m: int, ratio: float) -> HealthFinding:
    if ratio == math.inf:
        what = "The next update makes a weight infinite."
    else:
        what = f"The next update of W({m}) has {ratio:.2g} times its norm, and C rises by it."
    return HealthFinding("large update", m, ratio, what, _rate(net, "Lower", ratio))


def _small(net: NetworkBase, ratio: float) -> HealthFinding:
    what = (
        f"The next update of every W has at most {ratio:.1g} times its norm, and a longer "
        "step would lower C."
    )
    return HealthFinding("small update", None, ratio, what, _rate(net, "Raise", ratio))


def _rate(net: NetworkBase, verb: str, ratio: float) -> str:
    """Say what to do about the learning rate, an optimizer's first parameter."""
    name, value = next(iter(net.optimizer.parameters.items()))
    better = value * GOOD / ratio if ratio else 0.0
    hint = f": at {better:.1g} the update would be a thousandth of W" if better else ""
    return f"{verb} {name}, which is {value:g}{hint}."


def _overflow(message: str) -> HealthFinding:
    advice = "Start again with smaller weights or a lower learning rate, and scale X."
    return HealthFinding("overflow", None, math.inf, f"{message.partition(';')[0]}.", advice)
