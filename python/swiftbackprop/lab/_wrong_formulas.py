"""What usual mistakes make of each quantity of the backward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from swiftbackprop._engine.loader import core
from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._net.rules import Activation, activations
from swiftbackprop.lab._formulas import Formulas

# Outer products of every example are only tried below this many numbers.
_MOST_NUMBERS = 10**7


class Wrong(NamedTuple):
    """A wrong formula: a short name, a sentence, and what it gives."""

    kind: str
    sentence: str
    value: FloatArray


class Line(NamedTuple):
    """A wrong formula with a number in it that only the student knows: start + s · direction.

    The sentence has a place {s} for that number, which is above 0.
    """

    kind: str
    sentence: str
    start: FloatArray
    direction: FloatArray


# σ′ as a formula of a, which students write down with z in its place.
_BY_A: dict[str, tuple[str, Callable[[FloatArray], FloatArray]]] = {
    "sigmoid": ("a(1 - a)", lambda a: a * (1 - a)),
    "tanh": ("1 - a²", lambda a: 1 - a * a),
}


def wrongs_of(f: Formulas, quantity: str, m: int, source: FloatArray) -> Iterator[Wrong]:
    """Yield what the usual mistakes make of a quantity.

    "grad_a" wants grad_z(m+1) as its source (nothing at the output), "grad_z" grad_a(m), the others
    grad_z(m).
    """
    if (quantity, m) == ("grad_a", f.L):
        yield from _wrong_output(f)
    else:
        yield from _MISTAKES[quantity](f, m, source)
    yield from _other_layers(f, quantity, m)


def lines_of(f: Formulas, quantity: str, m: int, source: FloatArray) -> Iterator[Line]:
    """Yield the mistakes with an unknown number in them; arguments as for `wrongs_of`."""
    if quantity == "grad_a" and m < f.L:
        yield from _updated_too_early(f, m, source)
    elif quantity in ("grad_W", "grad_b"):
        right = getattr(f, quantity)(m, source)
        letter = quantity.removeprefix("grad_")
        own = getattr(f, letter)[m]
        words = f"it is {letter} - {{s}} {quantity}, the updated {letter}: return the gradient"
        yield Line("updated parameters", words, own, -right)
        words = f"it has {{s}} {letter}({m}) too much: a penalty is no part of C here"
        yield Line("penalty", words, right, own)


def _updated_too_early(f: Formulas, m: int, grad_z: FloatArray) -> Iterator[Line]:
    k = m + 1
    yield Line(
        "updated too early",
        f"W({k}) was updated before grad_a({m}) was computed with it: it is grad_z({k}) @ "
        f"(W({k}) - {{s}} grad_W({k})); compute all gradients first, then update",
        f.grad_a(m, grad_z),
        -np.asarray(grad_z @ f.grad_W(k, grad_z)),
    )


def lines_of_grad_z(f: Formulas, m: int, above: FloatArray) -> Iterator[Line]:
    """Yield what `lines_of` of a grad_a(m) that was not returned make of grad_z(m)."""
    if m == f.L:
        return
    for kind, sentence, start, direction in _updated_too_early(f, m, above):
        yield Line(kind, sentence, f.grad_z(m, start), f.grad_z(m, direction))


def _class_numbers(f: Formulas, by: str) -> Iterator[Wrong]:
    """Yield what comes of class numbers in the place of one-hot rows."""
    if f.classes is None:
        return
    a, L = f.a[f.L], f.L
    words = (
        f"class numbers stand where t({L}) has one-hot rows: write np.eye({f.sizes[-1]})[y] for t"
    )
    numbers = [np.broadcast_to(f.classes[:, None], a.shape)]
    if len(f.classes) == a.shape[1]:  # else NumPy refuses a - y
        numbers.append(np.broadcast_to(f.classes, a.shape))
    for t in numbers:
        slope = (a - t) / f.N
        yield Wrong("class numbers", words, slope)
        slope = np.asarray(f.loss.derivative(a, t)).reshape(a.shape) / f.N
        yield Wrong("class numbers", words, slope if by == "a" else f.grad_z(L, slope))


def _other_layers(f: Formulas, quantity: str, m: int) -> Iterator[Wrong]:
    for k in (m - 1, m + 1):
        if (quantity, k) in f.truth:
            yield off_by_one(f"it is {quantity}({k})", f.truth[quantity, k])


def off_by_one(words: str, value: FloatArray) -> Wrong:
    """Return what a quantity of the next layer, or of the one before, has led to."""
    return Wrong("off by one layer", f"{words}: off by one layer", value)


def _wrong_output(f: Formulas) -> Iterator[Wrong]:
    """Of grad_a(L) = ∂ℓ/∂a / N."""
    L, a = f.L, f.a[f.L]
    residual = (a - f.t) / f.N
    words = f"it is (a({L}) - t)/N, which is not the derivative of {f.loss.name} by a({L})"
    yield Wrong("another loss", words, residual)
    yield from _class_numbers(f, "a")
    yield from _mean_over_outputs(f, "grad_a")
    yield from _broadcast(f, residual)


def _mean_over_outputs(f: Formulas, quantity: str) -> Iterator[Wrong]:
    D = f.sizes[-1]
    yield Wrong(
        "mean instead of sum",
        f"it is D({f.L}) = {D} times too small: an example's loss is the sum over its "
        "outputs, not the mean",
        f.truth[quantity, f.L] / D,
    )


def _broadcast(f: Formulas, residual: FloatArray) -> Iterator[Wrong]:
    L = f.L
    if residual.shape[1] == 1:
        yield Wrong(
            "broadcast",
            f"a({L}) has shape (N, 1) and t has (N,), so NumPy made a({L}) - t an (N, N) "
            "matrix: write t[:, None]",
            (f.a[L] - f.t.T) / f.N,
        )


def _wrong_grad_a(f: Formulas, m: int, grad_z: FloatArray) -> Iterator[Wrong]:
    k = m + 1
    W, D = f.W[k], f.sizes[k]
    if W.shape[0] == W.shape[1]:
        yield Wrong(
            "W not transposed",
            f"W({k}) is used the wrong way round: for rows it is grad_z({k}) @ W({k}), for "
            f"columns W({k}).T @ grad_z({k})",
            grad_z @ W.T,
        )
    yield Wrong(
        "missing σ′",
        f"σ′ of layer {k} is missing: it is grad_a({k}) @ W({k}), expected grad_z({k}) @ W({k})",
        f.truth["grad_a", k] @ W,
    )
    for other in (k - 1, k + 1):
        if 1 <= other <= f.L and f.W[other].shape[0] == D:
            yield off_by_one(f"W({other}) stands in the place of W({k})", grad_z @ f.W[other])
    yield Wrong(
        "mean instead of sum",
        f"it is D({k}) = {D} times too small: it is a sum over the units of layer {k}, not a mean",
        grad_z @ W / D,
    )
    if m:
        words = f"it is grad_z({m}): σ′ of layer {m} does not belong here"
        yield Wrong("σ′ too early", words, f.grad_z(m, grad_z @ W))


def _wrong_grad_z(f: Formulas, m: int, grad_a: FloatArray) -> Iterator[Wrong]:
    a = f.a[m]
    words = f"σ′ is missing: it is grad_a({m}), expected grad_a({m}) * σ′(z({m}))"
    yield Wrong("missing σ′", words, grad_a)
    if f.acts_on_rows(m):
        yield Wrong(
            "softmax as elementwise",
            f"{f.rule(m).name} is not elementwise: a(1 - a) is only the diagonal of its "
            f"Jacobian, expected a * (grad_a - sum(a * grad_a)) of every row",
            grad_a * a * (1 - a),
        )
    else:
        yield from _wrong_derivatives(f, m, grad_a)
    twice = f.grad_z(m, f.grad_z(m, grad_a))
    if m == f.L:
        partner = f.loss.partner == f.rule(m).name
        why = f": for {f.loss.name} on {f.rule(m).name} a - t holds it already"
        yield Wrong("σ′ twice", f"σ′ is there twice{why * partner}", twice)
        if partner and f.acts_on_rows(m):
            name = f.rule(m).name
            words = f"a - t is multiplied with a(1 - a), and holds the derivative of {name} already"
            yield Wrong("σ′ twice", words, (a - f.t) / f.N * a * (1 - a))
        yield from _class_numbers(f, "z")
        yield from _mean_over_outputs(f, "grad_z")
        yield from _broadcast(f, (a - f.t) / f.N)
    else:
        yield Wrong("σ′ twice", "σ′ is there twice", twice)
    if m == f.L or not f.acts_on_rows(m):
        words = f"it is grad_a({m}) * a({m}): σ in the place of σ′"
        yield Wrong("σ instead of σ′", words, grad_a * a)


def _wrong_derivatives(f: Formulas, m: int, grad_a: FloatArray) -> Iterator[Wrong]:
    rule = f.rule(m)
    words = f"σ′ is taken at a({m}): expected σ′(z({m}))"
    yield Wrong("σ′ at a", words, grad_a * rule.derivative(f.a[m]))
    if rule.name in _BY_A:
        words, by_a = _BY_A[rule.name]
        at_z = words.replace("a", "z")
        words = f"σ′ is {at_z}: with z({m}) in the place of a({m}), expected {words}"
        yield Wrong("σ′ of a at z", words, grad_a * by_a(f.z[m]))
    if rule.name == "tanh":
        yield Wrong("σ′ without square", "σ′ is 1 - a, expected 1 - a²", grad_a * (1 - f.a[m]))
    if rule.flags & core.RULE_KINK and np.any(grad_a):
        words = f"σ′ is taken at grad_a({m}): expected σ′(z({m})), where z({m}) > 0"
        yield Wrong("σ′ at grad_a", words, grad_a * rule.derivative(grad_a))
    for k in (m - 1, m + 1):
        if 1 <= k <= f.L and f.z[k].shape == grad_a.shape:
            words = f"σ′ is taken at z({k}) in the place of z({m})"
            yield off_by_one(words, grad_a * rule.derivative(f.z[k]))
    for name in activations():
        other = Activation(name)
        if name == rule.name or other.flags & core.RULE_ROWS:
            continue
        slope = other.derivative(f.z[m])
        if not np.all(slope == 1):  # that is a missing σ′
            words = f"σ′ is that of {name}, and layer {m} has {rule.name}"
            yield Wrong("another σ′", words, grad_a * slope)


def _wrong_grad_W(f: Formulas, m: int, grad_z: FloatArray) -> Iterator[Wrong]:
    a = f.a[m - 1]
    yield Wrong(
        "missing σ′",
        f"σ′ of layer {m} is missing: it is grad_a({m}).T @ a({m - 1}), expected "
        f"grad_z({m}).T @ a({m - 1})",
        f.truth["grad_a", m].T @ a,
    )
    for k in (m, m - 2):
        if k >= 0:
            yield off_by_one(f"a({k}) stands in the place of a({m - 1})", grad_z.T @ f.a[k])
    if m > 1:
        words = f"z({m - 1}) stands in the place of a({m - 1})"
        yield Wrong("z instead of a", words, grad_z.T @ f.z[m - 1])
    yield from _wrong_sums_of_W(f, m, grad_z, a)


def _wrong_sums_of_W(f: Formulas, m: int, grad_z: FloatArray, a: FloatArray) -> Iterator[Wrong]:
    right = f"expected the sum over the rows, grad_z({m}).T @ a({m - 1})"
    rows = grad_z.sum(axis=1, keepdims=True) * a
    units = grad_z * a.sum(axis=1, keepdims=True)
    for value, over in ((rows, f"units of layer {m}"), (units, f"units of layer {m - 1}")):
        words = f"it is summed over the {over}: {right}"
        yield Wrong("summed over the wrong axis", words, value)
    if grad_z.shape[1] == a.shape[1] and f.N**2 <= _MOST_NUMBERS:
        words = f"it is grad_z({m}) @ a({m - 1}).T, a sum over the units: {right}"
        yield Wrong("summed over the wrong axis", words, grad_z @ a.T)
    if grad_z.size * a.shape[1] <= _MOST_NUMBERS:
        words = f"it is not summed over the rows: {right}"
        yield Wrong("not summed", words, grad_z[:, :, None] * a[:, None, :])
    yield from _one_row(grad_z[:, :, None], a[:, None, :])


def _wrong_grad_b(f: Formulas, m: int, grad_z: FloatArray) -> Iterator[Wrong]:
    right = f"expected the sum over the rows, grad_z({m}).sum(axis=0)"
    wrong_axis = "summed over the wrong axis"
    words = f"it is summed over the outputs (axis=1): {right}"
    yield Wrong(wrong_axis, words, grad_z.sum(axis=1))
    yield Wrong(wrong_axis, f"it is the mean over the outputs: {right}", grad_z.mean(axis=1))
    yield Wrong(wrong_axis, f"it is summed over rows and outputs: {right}", grad_z.sum())
    yield Wrong("not summed", f"it is grad_z({m}), not summed: {right}", grad_z)
    yield Wrong(
        "missing σ′",
        f"σ′ of layer {m} is missing: it is the sum of grad_a({m}), expected that of grad_z({m})",
        f.truth["grad_a", m].sum(axis=0),
    )
    yield from _one_row(grad_z, np.ones(()))


def _one_row(left: FloatArray, right: FloatArray) -> Iterator[Wrong]:
    """Yield what a loop over rows gives that forgets to add up."""
    if len(left) > 1:
        for n, word in ((-1, "last"), (0, "first")):
            words = f"it is of the {word} row alone: add up over the rows (+=)"
            yield Wrong("one row", words, left[n] * (right[n] if right.ndim else right))


_MISTAKES = {
    "grad_a": _wrong_grad_a,
    "grad_z": _wrong_grad_z,
    "grad_W": _wrong_grad_W,
    "grad_b": _wrong_grad_b,
}
