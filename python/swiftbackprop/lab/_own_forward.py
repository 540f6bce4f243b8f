"""A forward pass and an update that somebody wrote, judged as backward passes are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from swiftbackprop._inspect.report import relative_error
from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._net.base import NetworkBase
from swiftbackprop._net.rules import Activation, activations
from swiftbackprop.lab._attribution import Finding, finding_of
from swiftbackprop.lab._diagnosis import Diagnosis, agrees, diagnose
from swiftbackprop.lab._formulas import Formulas
from swiftbackprop.lab._own_backward import in_order, missing
from swiftbackprop.lab._returned import read
from swiftbackprop.lab._wrong_formulas import Wrong, off_by_one

FORWARD, STEP = ("z", "a"), ("W", "b")
Truth = Mapping[tuple[str, int], FloatArray]


@np.errstate(all="ignore")
def findings_of_forward(
    returned: Any, net: NetworkBase, formulas: Formulas, required: tuple[str, ...], columns: bool
) -> tuple[Finding, ...]:
    """Return the findings on z and a of each layer, from the input to the output."""
    truth = {("a", 0): formulas.a[0]}
    for m in range(1, formulas.L + 1):
        truth |= {("z", m): formulas.z[m], ("a", m): formulas.a[m]}
    given = read(returned, net, truth, columns, FORWARD)
    found = [in_order(f, given.reversed) for f in _forward(formulas, given.arrays, truth)]
    return (*found, *reversed(list(missing(required, found, formulas.L))))


def _forward(formulas: Formulas, given: Truth, truth: Truth) -> Iterator[Finding]:
    a, source = formulas.a[0], ""
    for m in range(1, formulas.L + 1):
        z = a @ formulas.W[m].T + formulas.b[m]
        wrongs = partial(_wrong_z, formulas, m, a)
        finding, z, source = _judge("z", m, given, truth, (z, source), wrongs)
        if finding:
            yield finding
        a = np.asarray(formulas.rule(m)(z))
        finding, a, source = _judge(
            "a", m, given, truth, (a, source), partial(_wrong_a, formulas, m, z)
        )
        if finding:
            yield finding


def _judge(
    quantity: str,
    m: int,
    given: Truth,
    truth: Truth,
    expected: tuple[FloatArray, str],
    wrongs: Callable[[], list[Wrong]],
) -> tuple[Finding | None, FloatArray, str]:
    """Return the finding on a quantity, its value for what follows, and where an error came in."""
    value, source = expected
    right, g = truth[quantity, m], given.get((quantity, m))
    if g is None:
        return None, value, source
    if agrees(g, right):
        return Finding(quantity, m, error=relative_error(g, right)), right, ""
    found: Diagnosis | None
    if source and agrees(g, value):
        verdict, found = "follows", Diagnosis((), f"it follows from {source} by the right formula")
    else:
        verdict, found = "wrong", diagnose(quantity, g, value, wrongs(), len(right))
        source = f"{quantity}({m})"
    finding = finding_of(quantity, m, g, right, verdict, found, source)
    if g.shape != right.shape or not np.isfinite(g).all():
        return finding, value, ""
    return finding, g, source


def _wrong_z(net: Formulas, m: int, a: FloatArray) -> list[Wrong]:
    """Return what the usual mistakes make of z(m) = a(m-1) W(m)ᵀ + b(m)."""
    W, b = net.W[m], net.b[m]
    found = [Wrong("missing bias", f"b({m}) is missing: it is a({m - 1}) @ W({m}).T", a @ W.T)]
    if W.shape[0] == W.shape[1]:
        words = f"W({m}) is used the wrong way round: for rows it is a({m - 1}) @ W({m}).T + b({m})"
        found.append(Wrong("W not transposed", words, a @ W + b))
    if m > 1 and net.z[m - 1].shape == a.shape:
        words = (
            f"it is computed from z({m - 1}), expected a({m - 1}): σ of layer {m - 1} is missing"
        )
        found.append(Wrong("missing σ", words, net.z[m - 1] @ W.T + b))
    for k in (m - 1, m + 1):
        if 1 <= k <= net.L:
            found.append(off_by_one(f"it is z({k})", net.z[k]))
    words = f"it is σ(z({m})) already: that is a({m})"
    found.append(Wrong("σ too early", words, np.asarray(net.rule(m)(a @ W.T + b))))
    return found


def _wrong_a(net: Formulas, m: int, z: FloatArray) -> list[Wrong]:
    """Return what the usual mistakes make of a(m) = σ(z(m))."""
    rule = net.rule(m)
    found = [Wrong("missing σ", f"σ is missing: it is z({m}), expected {rule.name}(z({m}))", z)]
    for name in activations():
        other = Activation(name)
        if name not in (rule.name, "identity"):
            words = f"it is {name}(z({m})), expected {rule.name}"
            found.append(Wrong("another σ", words, np.asarray(other(z))))
    words = f"it is σ′(z({m})), expected σ(z({m}))"
    if not net.acts_on_rows(m):
        return [*found, Wrong("σ′ for σ", words, np.asarray(rule.derivative(z)))]
    words = f"{rule.name} is taken over the examples: it sums over the units, axis=1 for rows"
    found.append(Wrong("wrong axis", words, np.asarray(rule(z.T)).T))
    e = np.exp(z - z.max(axis=1, keepdims=True))
    words = "exp(z) is not divided by its sum over the units"
    return [*found, Wrong("not normalized", words, e), Wrong("not normalized", words, np.exp(z))]


@np.errstate(all="ignore")
def findings_of_step(
    returned: Any,
    net: NetworkBase,
    formulas: Formulas,
    required: tuple[str, ...],
    rate: float,
) -> tuple[Finding, ...]:
    """Return the findings on W and b after W - rate · grad_W, in the order of the layers."""
    truth, found = {}, []
    for m in range(1, formulas.L + 1):
        for letter, own in (("W", formulas.W[m]), ("b", formulas.b[m])):
            truth[letter, m] = own - rate * formulas.truth[f"grad_{letter}", m]
    given = read(returned, net, truth, False, STEP)
    for letter, m in truth:
        expected = (truth[letter, m], "")
        wrongs = partial(_wrong_step, formulas, letter, m, rate)
        finding, _, _ = _judge(letter, m, given.arrays, truth, expected, wrongs)
        if finding:
            found.append(in_order(finding, given.reversed))
    return (*found, *reversed(list(missing(required, found, formulas.L))))


def _wrong_step(net: Formulas, letter: str, m: int, rate: float) -> list[Wrong]:
    own = net.W[m] if letter == "W" else net.b[m]
    grad, name = net.truth[f"grad_{letter}", m], f"grad_{letter}({m})"
    known = [
        ("not updated", f"it is {letter}({m}) as before", own),
        ("wrong sign", f"{name} is added, and C falls against its gradient", own + rate * grad),
        ("missing rate", f"{name} is not multiplied with the learning rate", own - grad),
        ("divided by N", f"{name} is divided by N once more", own - rate / net.N * grad),
        ("multiplied by N", f"{name} is multiplied with N", own - rate * net.N * grad),
        ("no weights", f"it is the update alone: subtract it from {letter}({m})", rate * grad),
        ("no weights", f"it is the update alone: add it to {letter}({m})", -rate * grad),
    ]
    return [Wrong(*wrong) for wrong in known]
