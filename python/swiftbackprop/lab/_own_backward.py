"""A backward pass that somebody wrote, against the network's own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from swiftbackprop._inspect.in_double import as_inputs, in_double
from swiftbackprop._inspect.report import TOLERANCE, Report, number, place
from swiftbackprop._net.arrays import FloatArray, as_labels
from swiftbackprop._net.base import NetworkBase
from swiftbackprop._net.labels import encode
from swiftbackprop._net.names import unknown
from swiftbackprop._net.repr import sizes_of
from swiftbackprop.lab._attribution import Finding, attribute
from swiftbackprop.lab._formulas import Formulas
from swiftbackprop.lab._returned import QUANTITIES, read
from swiftbackprop.lab._returned import Returned as Read
from swiftbackprop.lab._without_gradients import without_gradients

Returned: TypeAlias = Mapping[str, Any] | Sequence[Any] | FloatArray


class BackwardReport(Report):
    """What `check_backward` found; shown as a table.

    Attributes
    ----------
    findings : tuple of Finding
        In the order of the backward pass, from the output to the input.
    ok : bool
    """

    _head = ("gradient", "error", "verdict", "what is wrong")

    def __init__(
        self, net: str, rows: int, findings: tuple[Finding, ...], columns: bool = False
    ) -> None:
        self._net, self._rows_of_X, self._columns = net, rows, columns
        self.findings = findings

    def __getitem__(self, name: str) -> Finding:
        """Return the finding of this name, such as ``report["grad_W(2)"]``."""
        for finding in self.findings:
            if finding.name == name:
                return finding
        raise KeyError(f"{name!r}; there are {', '.join(f.name for f in self.findings)}")

    def _title(self) -> str:
        word = "all right" if self.ok else "WRONG"
        return f"Your backward pass of {self._net}, beside the network's own: {word}"

    def _rows(self) -> list[tuple[str, ...]]:
        return [(f.name, _error(f), f.verdict, sentence_of(f)) for f in self.findings]

    def _bad(self) -> list[int]:
        return [place for place, f in enumerate(self.findings) if not f.ok]

    def _failures(self) -> list[str]:
        return [
            f"{f.quantity} of layer {f.m} is {'missing' if f.verdict == 'missing' else 'wrong'}: "
            f"{sentence_of(f)}"
            for f in self.findings
            if not f.ok
        ]

    def _notes(self) -> list[str]:
        notes = []
        if self._columns:
            notes.append("Read as columns: an example in each column of grad_z and grad_a.")
        if self._rows_of_X == 1:
            words = "X has one row: a missing 1/N, or a sum over the wrong rows, cannot be seen."
            notes.append(words)
        return notes


def _error(finding: Finding) -> str:
    return "" if np.isnan(finding.error) else number(finding.error)


def sentence_of(f: Finding) -> str:
    if f.ok or f.sentence:
        return f.sentence
    return (
        f"no usual mistake: relative error {number(f.error)}, allowed {number(TOLERANCE)}; the "
        f"worst is {f.quantity}{place(f.worst)} = {f.g:.6g}, expected {f.n:.6g}"
    )


def check_backward(
    student_fn: Callable[[Any, FloatArray, Any], Returned],
    net: NetworkBase,
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    quantities: Iterable[str] = ("grad_W", "grad_b"),
    columns: bool = False,
) -> BackwardReport:
    """Check a backward pass of one's own: which quantity is wrong, and how.

    Parameters
    ----------
    student_fn : callable
        Called as ``student_fn(net, X, y)`` with a float64 copy of the network on which
        ``net.forward(X)`` was run, X in float64, and y as given, of labels of text the class
        numbers. While it runs, neither this
        copy nor `net` gives its own gradients away. It returns gradients of C, as

        - a dict of lists with one array for each layer, from the first:
          ``{"grad_W": [...], "grad_b": [...], "grad_z": [...], "grad_a": [...]}``.
          A list of grad_a may begin with that of layer 0. None stands for what is not there;
        - a dict of arrays: ``{"grad_W1": ..., "grad_z2": ...}``;
        - a list of pairs (grad_W, grad_b), as `Network.unflatten` gives it;
        - two lists, (grad_Ws, grad_bs);
        - one flat array in the order of `Network.gradients`, or with each W row by row, as
          `ravel` gives it.
    net : Network
    X : array_like, shape (N, D(0))
        Some rows, of which N is best no other size in the network.
    y : array_like, shape (N, D(L)) or (N,)
    quantities : iterable of str, default ("grad_W", "grad_b")
        What has to be returned for every layer; for a first exercise perhaps
        ``["grad_z"]``, and ``()`` for whatever is there.
    columns : bool, default False
        Whether an example is a column of grad_z and grad_a, (D(m), N), and grad_b(m) is
        (D(m), 1), as on the slides. Where the shapes say so it is seen without this.

    Returns
    -------
    BackwardReport
        A finding for each quantity: right, wrong (and by which mistake), computed
        rightly from one that is wrong, or missing.

    Raises
    ------
    ValueError, TypeError
        If what the function returns is none of these.
    RuntimeError
        If the function asks a network for its gradients.

    Notes
    -----
    Every diagnosis is a computation: the wrong formula is worked out from the network's own
    quantities, and compared with what was returned, up to a relative error of 1e-7. Where
    two mistakes give the same numbers, as they often do with one output or a square W, both
    are named. A quantity is judged by the student's own value of what it comes from.

    Examples
    --------
    >>> import numpy as np, swiftbackprop as sb
    >>> def backward(net, X, y):
    ...     (layer,) = net.layers
    ...     grad_z = (layer.a - y) / len(X)
    ...     return {"grad_z": [grad_z], "grad_W": [grad_z.T @ X], "grad_b": [grad_z.mean(axis=0)]}
    >>> net = sb.Network([3, 2], seed=0)
    >>> X, y = np.eye(5, 3), np.ones((5, 2))
    >>> report = sb.lab.check_backward(backward, net, X, y)
    >>> report["grad_W(1)"].ok, report["grad_b(1)"].kinds
    (True, ('mean instead of sum',))
    """
    required = _as_quantities(quantities)
    clone = in_double(net)
    rows = as_inputs(net, X)
    formulas = Formulas(clone.copy(), rows, y)
    if as_labels(y, "y").dtype.kind == "U":  # the formulas are of numbers
        y = encode(net, y, "y")
    clone.forward(rows.copy())
    with without_gradients(clone, net):
        returned = student_fn(clone, rows.copy(), deepcopy(y))
    found, given = findings_of(returned, clone, formulas, required, columns)
    title = f"Network({sizes_of(net.sizes)})"
    return BackwardReport(title, len(rows), found, given.columns)


@np.errstate(all="ignore")
def findings_of(
    returned: Any, net: NetworkBase, formulas: Formulas, required: tuple[str, ...], columns: bool
) -> tuple[tuple[Finding, ...], Read]:
    """Return the findings on what a backward pass returned, and how it was read."""
    given = read(returned, net, formulas.truth, columns)
    if not given.arrays:
        names = ", ".join(QUANTITIES)
        raise ValueError(f"student_fn returned no gradient: expected one or more of {names}")
    found = [in_order(finding, given.reversed) for finding in attribute(formulas, given.arrays)]
    return (*found, *missing(required, found, formulas.L)), given


def _as_quantities(names: Iterable[str]) -> tuple[str, ...]:
    found = (names,) if isinstance(names, str) else tuple(names)
    for name in found:
        if name not in QUANTITIES:
            raise ValueError(unknown("quantity", str(name), QUANTITIES))
    return found


def in_order(finding: Finding, turned: frozenset[str]) -> Finding:
    """Return the finding on an array that stood in a list the wrong way round."""
    if finding.quantity not in turned or not finding.returned:
        return finding
    words = (
        f"the list of {finding.quantity} runs from the last layer to the first: return it from "
        f"layer 1 on, as {finding.quantity}[::-1]"
    )
    kinds = ("reversed list", *finding.kinds)
    also = f"; and {sentence_of(finding)}" if finding.verdict == "wrong" else ""
    return replace(finding, verdict="wrong", kinds=kinds, sentence=words + also)


def missing(required: tuple[str, ...], found: list[Finding], L: int) -> Iterator[Finding]:
    """Yield a finding for everything that had to be returned and was not."""
    there = {finding.name for finding in found if finding.returned}
    for m in range(L, 0, -1):
        for quantity in required:
            if f"{quantity}({m})" not in there:
                words = "it was not returned"
                yield Finding(
                    *(quantity, m, "missing", ("missing",), words),
                    error=np.nan,
                    returned=False,
                )
