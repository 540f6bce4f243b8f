"""A student's functions: run in a process of their own, and judged by what they returned."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import cached_property
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from swiftbackprop._inspect.in_double import as_inputs, in_double
from swiftbackprop._net.arrays import FloatArray, as_labels
from swiftbackprop._net.base import NetworkBase
from swiftbackprop._net.labels import encode
from swiftbackprop.lab._attribution import Finding
from swiftbackprop.lab._contained import NoResult, Outcome
from swiftbackprop.lab._formulas import Formulas
from swiftbackprop.lab._own_backward import findings_of
from swiftbackprop.lab._own_forward import findings_of_forward, findings_of_step
from swiftbackprop.lab._without_gradients import (
    allow_everywhere,
    refuse_everywhere,
    without_gradients,
)

Functions: TypeAlias = Mapping[str, Callable[..., Any]]

_RATE = 0.5  # of the update; no fraction of N
FUNCTIONS = {"forward": ("z", "a"), "backward": ("grad_W", "grad_b"), "step": ("W", "b")}
MADE_BY = {
    **dict.fromkeys(("z", "a"), "forward"),
    **dict.fromkeys(("grad_z", "grad_a", "grad_W", "grad_b"), "backward"),
    **dict.fromkeys(("W", "b"), "step"),
}


class Submission:
    """A submission and the data it is tried on."""

    def __init__(
        self, student: Any, net: NetworkBase, X: npt.ArrayLike, y: npt.ArrayLike, columns: bool
    ) -> None:
        self._student, self._columns, self.path, self.name = student, columns, "", "student"
        if isinstance(student, str | os.PathLike):
            self.path = os.path.abspath(os.fsdecode(student))
            if not os.path.isfile(self.path):
                raise ValueError(f"there is no file {os.fsdecode(student)!r}")
            self.name = os.path.splitext(os.path.basename(self.path))[0]
        elif isinstance(student, ModuleType):
            self.name = student.__name__.rpartition(".")[2]
            self.path = getattr(student, "__file__", None) or ""
        elif not isinstance(student, Mapping):
            raise TypeError(
                "student is a module, a dict of functions or the path of a .py file, not "
                f"{type(student).__name__}"
            )
        self._net, self._X = in_double(net), as_inputs(net, X)
        self._y = y
        self._targets = encode(net, y, "y") if as_labels(y, "y").dtype.kind == "U" else y
        if len(self._X) == 0:
            raise ValueError("X has no rows: grading needs one or more")

    # --- In the student's process --------------------------------------------------------

    def load(self) -> None:
        """Load the submission; code beside its functions may run a forward pass."""
        if isinstance(self._student, str | os.PathLike):
            spec = importlib.util.spec_from_file_location("submission", self.path)
            if spec is None or spec.loader is None:
                raise ImportError(f"{self.name} is not a .py file")
            module = importlib.util.module_from_spec(spec)
            refuse_everywhere(forward=False)
            spec.loader.exec_module(module)
            self._student = module

    def run(self, name: str) -> Any:
        """Call one of the functions."""
        # The update alone is given gradients, and they are computed when it comes to it.
        allow_everywhere()
        pairs = self._gradients() if name == "step" else []
        net = self._net.copy()
        if name != "forward":
            net.forward(self._X.copy())
        refuse_everywhere(forward=name == "forward")
        with without_gradients(net):
            function = self._function(name)
            if name == "forward":
                return function(net, self._X.copy())
            if name == "backward":
                return function(net, self._X.copy(), deepcopy(self._targets))
            returned = function(net, pairs, _RATE)
        if returned is not None:
            return returned
        return [(layer.W.copy(), layer.b.copy()) for layer in net.layers]

    def _gradients(self) -> list[tuple[FloatArray, FloatArray]]:
        truth = Formulas(self._net.copy(), self._X, self._y).truth
        layers = range(1, len(self._net.sizes))
        return [(truth["grad_W", m], truth["grad_b", m]) for m in layers]

    def _function(self, name: str) -> Callable[..., Any]:
        functions = self._student if isinstance(self._student, Mapping) else vars(self._student)
        if name not in functions:
            raise NoResult(f"is missing: there is no function {name!r}")
        function = functions[name]
        if not callable(function):
            raise NoResult(f"is no function, but of type {type(function).__name__}")
        return function  # type: ignore[no-any-return]

    # --- Afterwards ----------------------------------------------------------------------

    @cached_property
    def _right(self) -> Formulas:
        """The right quantities, kept from the student's process until it has ended."""
        return Formulas(self._net.copy(), self._X, self._y)

    def blind(self, required: tuple[str, ...]) -> tuple[str, ...]:
        """Return what these data cannot show."""
        said = []
        if "z" in required and not any(b.any() for b in self._right.b[1:]):
            said.append("b is 0 in every layer of net: a missing b cannot be seen.")
        if len(self._X) == 1 and {"grad_W", "grad_b"} & set(required):
            said.append("X has one row: a missing 1/N cannot be seen.")
        return tuple(said)

    def judged(
        self, outcomes: Mapping[str, Outcome], required: tuple[str, ...]
    ) -> tuple[tuple[Finding, ...], dict[str, str]]:
        """Return the findings on all that was returned, and why something was not."""
        found: list[Finding] = []
        problems = {}
        for name, (value, problem) in outcomes.items():
            wanted = tuple(quantity for quantity in required if MADE_BY[quantity] == name)
            if not problem:
                try:
                    found += self._findings(name, value, wanted)
                    continue
                except (TypeError, ValueError) as error:
                    problem = str(error).removeprefix("student_fn ")
                    problem = problem.replace("a list from student_fn", "returned a list, which")
                    if not problem.startswith(("returned", "must")):
                        problem = f"returned what cannot be read: {problem}"
            problem = problem.replace("student_fn", name)
            problems[name] = problem
            layers = range(1, self._right.L + 1)
            found += [
                Finding(quantity, m, "missing", ("missing",), f"{name} {problem}", error=np.nan)
                for m in layers
                for quantity in wanted
            ]
        return tuple(found), problems

    def _findings(self, name: str, value: Any, wanted: tuple[str, ...]) -> tuple[Finding, ...]:
        if value is None:
            raise ValueError("returned None")
        if name == "forward":
            return findings_of_forward(value, self._net, self._right, wanted, self._columns)
        if name == "step":
            return findings_of_step(value, self._net, self._right, wanted, _RATE)
        return findings_of(value, self._net, self._right, wanted, self._columns)[0]
