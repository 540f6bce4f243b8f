"""Marks for forward, backward and step that students wrote, their mistakes held in a process."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from functools import partial
from types import ModuleType
from typing import Any

import numpy.typing as npt

from swiftbackprop._inspect.report import Report
from swiftbackprop._net.base import NetworkBase
from swiftbackprop._net.checks import as_int, as_number, got
from swiftbackprop._net.names import unknown
from swiftbackprop.lab._attribution import Finding
from swiftbackprop.lab._contained import contained
from swiftbackprop.lab._own_backward import sentence_of
from swiftbackprop.lab._submission import FUNCTIONS, MADE_BY, Functions, Submission


class Grade(Report):
    """What `grade` found; shown as a table.

    Attributes
    ----------
    name : str
        Of the submission: its file's or module's, without the ending.
    marks : dict of str to float
        For each required quantity, such as "grad_W", the share of the layers in which it is
        right, from 0 to 1. One that was computed rightly from a wrong one counts as right,
        unless that is not required itself and would cost nothing.
    score : float
        The mean of the marks.
    findings : tuple of Finding
        For each layer, in the order of forward, backward and step; also on quantities that
        were returned and not required.
    problems : dict of str to str
        For "forward", "backward" or "step", why there is no result, if there is none.
    """

    _head = ("quantity", "verdict", "what is wrong")

    def __init__(
        self,
        name: str,
        required: tuple[str, ...],
        findings: tuple[Finding, ...],
        problems: dict[str, str],
        hints: bool,
        blind: tuple[str, ...] = (),
    ) -> None:
        self._blind = blind
        self.name, self.findings, self.problems, self._hints = name, findings, problems, hints
        self.marks: dict[str, float] = {}
        for quantity in required:
            own = [self._counts(f, required) for f in findings if f.quantity == quantity]
            self.marks[quantity] = sum(own) / len(own) if own else 0.0
        self.score = sum(self.marks.values()) / max(1, len(self.marks))

    @staticmethod
    def _counts(f: Finding, required: tuple[str, ...]) -> bool:
        """Whether a quantity has its mark.

        One that follows from a mistake has, if the mistake costs a mark of its own; else it
        costs those of its layer.
        """
        name, _, m = f.source.partition("(")
        is_charged = name not in required and m.rstrip(")") == str(f.m)
        return f.ok or (f.verdict == "follows" and not is_charged)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as dicts, lists, numbers and text.

        Returns
        -------
        dict
            With "name", "score", "marks", "problems" and "findings"; each finding with
            "quantity", "layer", "verdict", and with hints "kinds" and "sentence".
        """
        findings = []
        for f in self.findings:
            row: dict[str, Any] = {"quantity": f.quantity, "layer": f.m, "verdict": f.verdict}
            if self._hints:
                row |= {"kinds": list(f.kinds), "sentence": "" if f.ok else sentence_of(f)}
            findings.append(row)
        return {
            "name": self.name,
            "score": self.score,
            "marks": dict(self.marks),
            "problems": dict(self.problems),
            "findings": findings,
        }

    def to_json(self) -> str:
        """Return `to_dict` as JSON.

        Returns
        -------
        str
        """
        return json.dumps(self.to_dict(), ensure_ascii=False)

    def _title(self) -> str:
        marks = ", ".join(f"{quantity} {mark:.0%}" for quantity, mark in self.marks.items())
        return f"{self.name}: {self.score:.0%} ({marks})"

    def _rows(self) -> list[tuple[str, ...]]:
        return [(f.name, f.verdict, self._sentence(f)) for f in self.findings]

    def _sentence(self, f: Finding) -> str:
        """Return what is wrong; of a function without a result the notes say it, once."""
        is_said = f.ok or not self._hints or MADE_BY[f.quantity] in self.problems
        return "" if is_said else sentence_of(f)

    def _bad(self) -> list[int]:
        required = tuple(self.marks)
        return [place for place, f in enumerate(self.findings) if not self._counts(f, required)]

    def _failures(self) -> list[str]:
        said = [f"{function} {problem}" for function, problem in self.problems.items()]
        required = tuple(self.marks)
        sources = {f.source for f in self.findings if not self._counts(f, required)}
        for f in self.findings:
            made = MADE_BY[f.quantity] not in self.problems
            costs = f.quantity in required or f.name in sources
            if made and costs and f.verdict in ("wrong", "missing"):
                said.append(f"{f.name} is {f.verdict}{': ' * self._hints}{self._sentence(f)}")
        return said

    def _notes(self) -> list[str]:
        return [*(f"{name} {problem}." for name, problem in self.problems.items()), *self._blind]


def grade(
    student: ModuleType | Functions | str | os.PathLike[str],
    net: NetworkBase,
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    require: Iterable[str] = ("forward", "backward", "step"),
    columns: bool = False,
    hints: bool = True,
    timeout: float = 10.0,
    memory: int = 1024,
) -> Grade:
    """Grade forward, backward and step that a student wrote.

    The functions run in a process of their own, where every network refuses its gradients, and
    to forward its z and a. What they raise, print, allocate or never end stays there.

    Parameters
    ----------
    student : module, dict of functions, or path of a .py file
        With functions named "forward", "backward" and "step":

        - ``forward(net, X)`` returns z and a of every layer from the first, as
          ``{"z": [...], "a": [...]}`` or a list of pairs (z, a);
        - ``backward(net, X, y)`` returns gradients in any form that `check_backward` takes;
          on its `net` forward was run;
        - ``step(net, gradients, rate)`` gets a list of pairs (grad_W, grad_b), and returns the
          new W and b as ``{"W": [...], "b": [...]}`` or a list of pairs, or changes layer.W
          and layer.b of `net` and returns None.

        `net` is a copy in float64, X is in float64.
    net : Network
    X : array_like, shape (N, D(0))
        Some rows, of which N is best no other size in the network.
    y : array_like, shape (N, D(L)) or (N,)
    require : iterable of str, default ("forward", "backward", "step")
        What is marked: quantities of z, a, grad_z, grad_a, grad_W, grad_b, W, b; or functions,
        "forward" for z and a, "backward" for grad_W and grad_b, "step" for W and b.
    columns : bool, default False
        Whether an example is a column of what is returned, as on the slides; where the shapes
        say so it is seen without this.
    hints : bool, default True
        Whether it is said what is wrong, and not only that.
    timeout : float, default 10.0
        Seconds for each of the functions.
    memory : int, default 1024
        Megabytes that they may take.

    Returns
    -------
    Grade

    Raises
    ------
    ValueError, TypeError
        If the arguments do not fit; never for what a student's function does.

    Notes
    -----
    The process holds mistakes, not malice: it runs with the rights of its user. Grade the
    files of strangers in a container.

    Examples
    --------
    >>> import numpy as np, swiftbackprop as sb
    >>> def backward(net, X, y):
    ...     (layer,) = net.layers
    ...     grad_z = (layer.a - y) / len(X)
    ...     return {"grad_W": [grad_z.T @ X], "grad_b": [grad_z.mean(axis=0)]}
    >>> net = sb.Network([3, 2], seed=0)
    >>> sb.lab.grade({"backward": backward}, net, np.eye(5, 3), np.ones((5, 2)),
    ...              require=["backward"])
    student: 50% (grad_W 100%, grad_b 0%)
    quantity   verdict  what is wrong
    grad_W(1)  right
    grad_b(1)  wrong    it is a mean over the N = 5 rows in place of the sum: every row of ...
    """
    required = _as_required(require)
    timeout = as_number(timeout, "timeout", above=0)
    memory = as_int(memory, "memory", min_=1)
    submission = Submission(student, net, X, y, columns)
    wanted = [name for name in FUNCTIONS if any(MADE_BY[q] == name for q in required)]
    outcomes = contained(
        {name: partial(submission.run, name) for name in wanted},
        timeout=timeout,
        memory=memory,
        where=submission.path,
        before=submission.load,
    )
    findings, problems = submission.judged(outcomes, required)
    return Grade(submission.name, required, findings, problems, hints, submission.blind(required))


def _as_required(names: Iterable[str]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    if not isinstance(names, Iterable):
        raise TypeError(f"require must be names such as 'backward' or 'grad_W', got {got(names)}")
    for name in (names,) if isinstance(names, str) else names:
        if not isinstance(name, str):
            raise TypeError(f"require must be names, got {got(name)} among them")
        if name not in FUNCTIONS and name not in MADE_BY:
            raise ValueError(unknown("quantity", name, [*FUNCTIONS, *MADE_BY]))
        found |= dict.fromkeys(FUNCTIONS.get(name, (name,)))
    if not found:
        raise ValueError("require must name one quantity or more")
    return tuple(found)
