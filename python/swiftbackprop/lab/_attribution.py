"""Which of a student's quantities are wrong by themselves, and which only follow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from swiftbackprop._inspect.report import relative_error, worst_of
from swiftbackprop._net.arrays import FloatArray
from swiftbackprop.lab._diagnosis import Diagnosis, agrees, along, diagnose
from swiftbackprop.lab._formulas import Formulas
from swiftbackprop.lab._wrong_formulas import Line, Wrong, lines_of, lines_of_grad_z, wrongs_of

Given = Mapping[tuple[str, int], FloatArray]


@dataclass(frozen=True)
class Finding:
    """The verdict on one quantity of one layer.

    Attributes
    ----------
    quantity : str
        "grad_W", "grad_b", "grad_z" or "grad_a".
    m : int
        The layer.
    verdict : str
        "right", "wrong", "follows" (computed rightly from a wrong quantity) or "missing".
    kinds : tuple of str
        The mistakes, by short names such as "transposed" or "missing 1/N"; () if the
        mistake is not a usual one.
    sentence : str
        What is wrong, and what is wanted.
    source : str
        What a quantity that follows comes from, such as "grad_z(2)".
    error : float
        ‖g - n‖ / (‖g‖ + ‖n‖); NaN where shapes differ or the quantity was not returned.
    returned : bool
        False for a quantity that was not returned, but shows in others.
    """

    quantity: str
    m: int
    verdict: str = "right"
    kinds: tuple[str, ...] = ()
    sentence: str = ""
    source: str = ""
    error: float = 0.0
    worst: tuple[int, ...] = ()
    g: float = 0.0
    n: float = 0.0
    returned: bool = True

    @property
    def name(self) -> str:
        """The quantity as the lectures write it, such as grad_W(2)."""
        return f"{self.quantity}({self.m})"

    @property
    def ok(self) -> bool:
        """Whether it is right."""
        return self.verdict == "right"


@dataclass
class _Step:
    """A quantity as the student must have had it, and where its error comes from."""

    value: FloatArray
    source: str = ""  # "" for the right value


def attribute(net: Formulas, given: Given) -> list[Finding]:
    """Return a finding for every quantity given, from the output back to the input.

    A quantity is judged by the student's own value of what it is computed from. One that
    was not returned is taken to follow the formula, unless those that come from it agree
    on a mistake in it.
    """
    return list(_Walk(net, given).findings())


class _Walk:
    def __init__(self, net: Formulas, given: Given) -> None:
        self._net, self._given = net, given

    def findings(self) -> Iterator[Finding]:
        """Walk in the order of the backward pass."""
        net = self._net
        grad_z = _Step(np.empty(0))
        for m in range(net.L, -1, -1):
            above = grad_z
            right_a = self._right("grad_a", m, above)
            yield from self._judge("grad_a", m, right_a, above.value)
            grad_a = self._as_had("grad_a", m, right_a)
            if m == 0:
                return
            right_z = self._right("grad_z", m, grad_a)
            wrongs = partial(self._wrong_grad_z, m, grad_a.value, above.value)
            lines = partial(self._lines_of_grad_z, m, above.value)
            if ("grad_z", m) in self._given:
                yield from self._judge("grad_z", m, right_z, grad_a.value, wrongs, lines)
                grad_z = self._as_had("grad_z", m, right_z)
            else:
                found = self._hidden_grad_z(m, right_z, wrongs, lines)
                grad_z = right_z
                if found is not None:
                    grad_z = _Step(found[1], f"grad_z({m})")
                    yield found[0]
            for quantity in ("grad_W", "grad_b"):
                right = self._right(quantity, m, grad_z)
                yield from self._judge(quantity, m, right, grad_z.value)

    def _right(self, quantity: str, m: int, source: _Step) -> _Step:
        """Return a quantity by the right formula from what it comes from."""
        if source.source:
            return _Step(getattr(self._net, quantity)(m, source.value), source.source)
        return _Step(self._net.truth[quantity, m])

    def _as_had(self, quantity: str, m: int, right: _Step) -> _Step:
        """Return a quantity as the student went on with it."""
        given = self._given.get((quantity, m))
        truth = self._net.truth[quantity, m]
        if given is None or given.size != truth.size:
            return right
        if given.shape != truth.shape == given.T.shape:
            given = given.T  # an example a column
        value = given.reshape(truth.shape)
        if agrees(value, truth):
            return _Step(truth)
        if right.source and agrees(value, right.value):
            return right
        return _Step(value, f"{quantity}({m})")

    def _wrong_grad_z(self, m: int, grad_a: FloatArray, above: FloatArray) -> Iterator[Wrong]:
        """Yield what the usual mistakes make of grad_z(m), and those in a grad_a(m) not given."""
        yield from wrongs_of(self._net, "grad_z", m, grad_a)
        if ("grad_a", m) not in self._given:
            yield from self._through_grad_a(m, above)

    def _lines_of_grad_z(self, m: int, above: FloatArray) -> Iterator[Line]:
        if ("grad_a", m) not in self._given:
            yield from lines_of_grad_z(self._net, m, above)

    def _through_grad_a(self, m: int, above: FloatArray) -> Iterator[Wrong]:
        """Yield what grad_z(m) becomes by a mistake in a grad_a(m) that was not returned."""
        shape = self._net.truth["grad_a", m].shape
        for wrong in wrongs_of(self._net, "grad_a", m, above):
            if wrong.value.shape == shape:
                value = self._net.grad_z(m, wrong.value)
                yield Wrong(wrong.kind, f"in grad_a({m}), {wrong.sentence}", value)

    # --- One quantity -------------------------------------------------------------------

    def _judge(
        self,
        quantity: str,
        m: int,
        right: _Step,
        source: FloatArray,
        wrongs: Callable[[], Iterable[Wrong]] | None = None,
        lines: Callable[[], Iterable[Line]] | None = None,
    ) -> Iterator[Finding]:
        """Yield the finding on a quantity, if it was returned."""
        g = self._given.get((quantity, m))
        if g is None:
            return
        truth = self._net.truth[quantity, m]
        if agrees(g, truth):
            yield Finding(quantity, m, error=relative_error(g, truth))
        elif right.source and agrees(g, right.value):
            words = f"it follows from {right.source} by the right formula"
            yield finding_of(quantity, m, g, truth, "follows", Diagnosis((), words), right.source)
        else:
            net = self._net
            others = wrongs_of(net, quantity, m, source) if wrongs is None else wrongs()
            open_ = lines_of(net, quantity, m, source) if lines is None else lines()
            found = diagnose(quantity, g, right.value, others, net.N, open_)
            if right.source:
                found = self._simpler(found, self._by_itself(quantity, m, g))
            yield finding_of(quantity, m, g, truth, "wrong", found)

    def _by_itself(self, quantity: str, m: int, g: FloatArray) -> Diagnosis | None:
        """Return the diagnosis of a quantity that was computed from right ones after all."""
        source, net = self._true_source(quantity, m), self._net
        wrongs, lines = wrongs_of(net, quantity, m, source), lines_of(net, quantity, m, source)
        return diagnose(quantity, g, net.truth[quantity, m], wrongs, net.N, lines)

    @staticmethod
    def _simpler(one: Diagnosis | None, two: Diagnosis | None) -> Diagnosis | None:
        """Return the diagnosis with fewer mistakes."""
        known = [found for found in (one, two) if found]
        return min(known, key=lambda d: 9 * ("factor" in d.kinds) + len(d.kinds), default=None)

    def _true_source(self, quantity: str, m: int) -> FloatArray:
        """Return the right value of what a quantity is computed from."""
        if quantity == "grad_a":
            return self._net.truth.get(("grad_z", m + 1), np.empty(0))
        return self._net.truth["grad_a" if quantity == "grad_z" else "grad_z", m]

    # --- A grad_z that was not returned -------------------------------------------------

    def _hidden_grad_z(
        self,
        m: int,
        right: _Step,
        wrongs: Callable[[], Iterable[Wrong]],
        lines: Callable[[], Iterable[Line]],
    ) -> tuple[Finding, FloatArray] | None:
        """Return a mistake in grad_z(m) that two or more quantities agree on, and its value."""
        witnesses = [(name, k) for name, k in self._given if name != "grad_z" and k <= m]
        witnesses = [w for w in witnesses if w[0] != "grad_a" or w[1] < m]
        witnesses.sort(key=lambda w: -w[1])
        own = [w for w in witnesses if w[1] == m]
        if not own or any(self._follows(w, m, right.value) for w in own):
            return None
        for kind, sentence, value in self._hypotheses(right, list(wrongs())):
            agreeing = [w for w in witnesses if self._follows(w, m, value)]
            if len(agreeing) >= 2 and set(own) <= set(agreeing):
                shown = " and ".join(f"{name}({k})" for name, k in agreeing[:2])
                words = f"{sentence} (not returned, but {shown} show it)"
                finding = Finding("grad_z", m, "wrong", kind, words, error=np.nan, returned=False)
                return finding, value
        return self._hidden_on_a_line(m, own, lines())

    def _hidden_on_a_line(
        self, m: int, own: list[tuple[str, int]], lines: Iterable[Line]
    ) -> tuple[Finding, FloatArray] | None:
        """Return a mistake with an unknown number in it that the layer's quantities show."""
        for line in lines:
            for witness in own:
                of = getattr(self._net, witness[0])
                start, direction = of(m, line.start), of(m, line.direction)
                s = along(self._given[witness], line._replace(start=start, direction=direction))
                if s is None:
                    continue
                value = line.start + s * line.direction
                if all(self._follows(w, m, value) for w in own):
                    shown = " and ".join(f"{name}({k})" for name, k in own)
                    words = line.sentence.format(s=f"{s:.4g}")
                    words += f" (not returned, but {shown} show{'s' * (len(own) == 1)} it)"
                    kinds, error = (line.kind,), np.nan
                    finding = Finding(
                        "grad_z", m, "wrong", kinds, words, error=error, returned=False
                    )
                    return finding, value
        return None

    def _hypotheses(
        self, right: _Step, wrongs: list[Wrong]
    ) -> Iterator[tuple[tuple[str, ...], str, FloatArray]]:
        """Yield what grad_z is by one mistake, then by one and a factor."""
        shape, rows = right.value.shape, self._net.N
        every = [Wrong("", "", right.value), *(w for w in wrongs if w.value.shape == shape)]
        scales = (-1.0, float(rows), 1 / rows, 2.0, 0.5)
        pairs = [(every[0], scale) for scale in scales]
        pairs += [(wrong, scale) for scale in (1.0, *scales) for wrong in every[1:]]
        for wrong, scale in pairs:
            value = scale * wrong.value
            found = diagnose("grad_z", value, right.value, [wrong], rows)
            if found is not None and not agrees(value, right.value):
                yield found.kinds, found.sentence, value

    def _follows(self, witness: tuple[str, int], m: int, grad_z: FloatArray) -> bool:
        """Whether a returned quantity comes by the right formulas from this grad_z(m)."""
        quantity, k = witness
        g = self._given[witness]
        for layer in range(m, k, -1):
            grad_a = self._net.grad_a(layer - 1, grad_z)
            if layer - 1 == k and quantity == "grad_a":
                return agrees(g, grad_a)
            grad_z = self._net.grad_z(layer - 1, grad_a)
        value: FloatArray = getattr(self._net, quantity)(k, grad_z)
        return agrees(g, value)


def finding_of(
    quantity: str,
    m: int,
    g: FloatArray,
    truth: FloatArray,
    verdict: str,
    found: Diagnosis | None,
    source: str = "",
) -> Finding:
    """Return the finding on a returned g, with its error where that can be computed."""
    kinds, sentence = found or ((), "")
    if g.shape != truth.shape or not np.isfinite(g).all():
        return Finding(quantity, m, verdict, kinds, sentence, source, float("nan"))
    worst = worst_of(g, truth)
    numbers = (relative_error(g, truth), worst, float(g[worst]), float(truth[worst]))
    return Finding(quantity, m, verdict, kinds, sentence, source, *numbers)
