"""A backward pass that somebody wrote, against the network's own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from swiftbackprop._arrays import FloatArray
from swiftbackprop._display import sizes_of
from swiftbackprop._inside import NetworkInside
from swiftbackprop._names import unknown
from swiftbackprop.lab._attribution import Finding, attribute
from swiftbackprop.lab._double import as_inputs, in_double
from swiftbackprop.lab._formulas import Formulas
from swiftbackprop.lab._report import TOLERANCE, Report, number, place

__all__ = ["BackwardReport", "check_backward"]

QUANTITIES = ("grad_W", "grad_b", "grad_z", "grad_a")
Returned: TypeAlias = Mapping[str, Any] | Sequence[Any] | FloatArray
Arrays: TypeAlias = dict[tuple[str, int], FloatArray]


class BackwardReport(Report):
    """What `check_backward` found; shown as a table.

    Attributes
    ----------
    findings : tuple of Finding
        In the order of the backward pass, from the output to the input.
    ok : bool
    """

    _head = ("gradient", "error", "verdict", "what is wrong")

    def __init__(self, net: str, rows: int, findings: tuple[Finding, ...]) -> None:
        self._net, self._rows_of_X = net, rows
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
        return [(f.name, _error(f), f.verdict, _sentence(f)) for f in self.findings]

    def _failures(self) -> list[str]:
        return [
            f"{f.quantity} of layer {f.m} is wrong: {_sentence(f)}"
            for f in self.findings
            if not f.ok
        ]

    def _notes(self) -> list[str]:
        if self._rows_of_X > 1:
            return []
        return ["X has one row: a missing 1/N, or a sum over the wrong rows, cannot be seen."]


def _error(finding: Finding) -> str:
    return "" if np.isnan(finding.error) else number(finding.error)


def _sentence(f: Finding) -> str:
    if f.ok or f.sentence:
        return f.sentence
    return (
        f"no usual mistake: relative error {number(f.error)}, allowed {number(TOLERANCE)}; the "
        f"worst is {f.quantity}{place(f.worst)} = {f.g:.6g}, wanted is {f.n:.6g}"
    )


def check_backward(
    student_fn: Callable[[Any, FloatArray, Any], Returned],
    net: NetworkInside,
    X: npt.ArrayLike,
    y: npt.ArrayLike,
) -> BackwardReport:
    """Check a backward pass of one's own: which quantity is wrong, and how.

    Parameters
    ----------
    student_fn : callable
        Called as ``student_fn(net, X, y)`` with a float64 copy of the network on which
        ``net.forward(X)`` was run, X in float64, and y as given. It returns any of the
        gradients of C, as

        - a dict of lists with one array for each layer, from the first:
          ``{"grad_W": [...], "grad_b": [...], "grad_z": [...], "grad_a": [...]}``.
          A list of grad_a may begin with that of layer 0. None stands for what is not there;
        - a dict of arrays: ``{"grad_W1": ..., "grad_z2": ...}``;
        - a list of pairs (grad_W, grad_b), as `Network.unflatten` gives it;
        - one flat array in the order of `Network.gradients`.
    net : Network
    X : array_like, shape (N, D(0))
        Some rows, of which N is best no other size in the network.
    y : array_like, shape (N, D(L)) or (N,)

    Returns
    -------
    BackwardReport
        A finding for each quantity: right, wrong (and by which mistake), or computed
        rightly from one that is wrong.

    Raises
    ------
    ValueError, TypeError
        If what the function returns is none of these.

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
    twin = in_double(net)
    rows = as_inputs(net, X)
    formulas = Formulas(twin.copy(), rows, y)
    twin.forward(rows.copy())
    returned = student_fn(twin, rows.copy(), y)
    given = dict(_arrays(returned, twin))
    if not given:
        raise ValueError(f"student_fn returned no gradient: wanted are {', '.join(QUANTITIES)}")
    title = f"Network({sizes_of(net)})"
    return BackwardReport(title, len(rows), tuple(attribute(formulas, given)))


# --- What a student's function returns ---------------------------------------------------


def _arrays(returned: Any, net: NetworkInside) -> Iterator[tuple[tuple[str, int], FloatArray]]:
    """Yield every array returned, under its quantity and layer."""
    L = len(net.layers)
    if isinstance(returned, Mapping):
        for key, value in returned.items():
            quantity, m = _key(key, L)
            parts = {m: value} if m is not None else _by_layer(quantity, value, L)
            yield from _numbers(quantity, parts)
    elif isinstance(returned, np.ndarray):
        for m, (W, b) in enumerate(net.unflatten(returned), start=1):
            yield from _numbers("grad_W", {m: W})
            yield from _numbers("grad_b", {m: b})
    elif isinstance(returned, list | tuple):
        for m, (W, b) in enumerate(_pairs(returned, L), start=1):
            yield from _numbers("grad_W", {m: W})
            yield from _numbers("grad_b", {m: b})
    else:
        raise TypeError(
            "student_fn returns a dict such as {'grad_W': [...], 'grad_b': [...]}, or a list of "
            f"pairs (grad_W, grad_b), not {type(returned).__name__}"
        )


def _key(key: object, L: int) -> tuple[str, int | None]:
    """Return quantity and layer of a dict's key; no layer if it is a list's."""
    match = re.fullmatch(r"(\w*?)_?\(?(\d+)?\)?", str(key))
    quantity, digits = match.groups() if match else (str(key), None)
    if quantity not in QUANTITIES:
        raise ValueError(f"student_fn returned an {unknown('quantity', str(key), QUANTITIES)}")
    m = None if digits is None else int(digits)
    first = 0 if quantity == "grad_a" else 1
    if m is not None and not first <= m <= L:
        raise ValueError(
            f"student_fn returned {key!r}, but {quantity} is of the layers {first} to {L}"
        )
    return quantity, m


def _by_layer(quantity: str, value: Any, L: int) -> dict[int, Any]:
    """Return a list's arrays by the number of their layer."""
    if isinstance(value, Mapping):
        return {_key(f"{quantity}{m}", L)[1] or 0: array for m, array in value.items()}
    if not isinstance(value, list | tuple):
        raise TypeError(
            f"{quantity} is a list with one array for each layer 1 to {L}, not "
            f"{type(value).__name__}; a single array has its layer in the key, as {quantity}1"
        )
    first = 0 if quantity == "grad_a" and len(value) == L + 1 else 1
    if len(value) != L + 1 - first:
        raise ValueError(
            f"{quantity} lists {len(value)} arrays, and the network has {L} layers: one for "
            "each, from layer 1; None for one that is not there"
        )
    return dict(enumerate(value, start=first))


def _pairs(returned: Sequence[Any], L: int) -> list[tuple[Any, Any]]:
    pairs = [tuple(pair) if isinstance(pair, list | tuple) else () for pair in returned]
    if len(pairs) != L or any(len(pair) != 2 for pair in pairs):
        raise ValueError(
            f"a list from student_fn has a pair (grad_W, grad_b) for each of the {L} layers"
        )
    return [(pair[0], pair[1]) for pair in pairs]


def _numbers(
    quantity: str, parts: Mapping[int, Any]
) -> Iterator[tuple[tuple[str, int], FloatArray]]:
    for m, value in parts.items():
        if value is None:
            continue
        try:
            yield (quantity, m), np.array(value, np.float64)
        except (TypeError, ValueError) as error:
            raise TypeError(f"{quantity}({m}) is no array of numbers: {error}") from error
