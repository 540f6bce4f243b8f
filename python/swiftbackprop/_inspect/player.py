"""A trace to be played: forward and backward, one quantity at a time."""

from __future__ import annotations

import os
from html import escape
from importlib.util import find_spec
from typing import Any, Self, SupportsIndex

import numpy as np
import numpy.typing as npt

from swiftbackprop._draw.array_text import short_value
from swiftbackprop._draw.notation import math_html
from swiftbackprop._inspect import computation_graph, trace_steps
from swiftbackprop._inspect.graph_shapes import GROUNDS
from swiftbackprop._inspect.in_double import in_double
from swiftbackprop._inspect.trace_steps import Parts
from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._net.checks import as_int, as_number

_PARAMETERS = ("W", "b")


class Player:
    """A trace one quantity at a time; made by `Trace.play`.

    Its passes run on a copy of the network in float64, with the weights of the trace.

    Attributes
    ----------
    trace : Trace
        With the weights as they are set now.
    position : int
        The number of the step, from 1.
    changed : dict
        The numbers that were set, by name and index.
    columns : bool
    """

    def __init__(self, trace: Any, *, columns: bool = False, example: int = 0) -> None:
        self.columns, self._example = bool(columns), example
        self._weights = trace._sample_weight
        self._net = in_double(trace._net)
        parts = trace._parts
        self._X, self._y = np.array(parts.X, np.float64), parts.y
        for layer, of in zip(self._net.layers, parts.layers, strict=True):
            layer.W, layer.b = of.W, of.b
        self._symbols = trace.symbols
        self._start = self.trace = self._traced()
        self.position = 1
        self.changed: dict[tuple[str, tuple[int, ...]], float] = {}

    def _traced(self) -> Any:
        return self._net.trace(self._X, self._y, sample_weight=self._weights, symbols=self._symbols)

    # --- Going -------------------------------------------------------------------------------

    @property
    def step(self) -> Any:
        """The `Step` that is shown."""
        return self.trace.steps[self.position - 1]

    def next(self) -> Self:
        """Go to the next quantity; at the end, stay.

        Returns
        -------
        Player
            Itself, so that a notebook shows it.
        """
        self.position = min(self.position + 1, len(self.trace.steps))
        return self

    def back(self) -> Self:
        """Go back by one quantity; at the beginning, stay.

        Returns
        -------
        Player
            Itself.
        """
        self.position = max(self.position - 1, 1)
        return self

    def to(self, name: str | SupportsIndex) -> Self:
        """Go to a quantity by its name in the trace, such as "grad_z(1)", or by its number.

        Returns
        -------
        Player
            Itself.

        Raises
        ------
        KeyError, IndexError
            If there is no such step.
        """
        if isinstance(name, str):
            self.position = self.trace[name].number
            return self
        number = as_int(name, "step")
        if not 1 <= number <= len(self.trace.steps):
            raise IndexError(f"step must be 1 to {len(self.trace.steps)}, got {number}")
        self.position = number
        return self

    # --- Changing a weight -------------------------------------------------------------------

    def set(self, name: str, *index_and_value: float) -> Self:
        """Set one weight and run both passes again.

        Parameters
        ----------
        name : str
            "W(m)" or "b(m)".
        *index_and_value : int, ..., float
            ``set("W(1)", i, j, value)`` or ``set("b(1)", i, value)``; indices are Python's,
            from 0.

        Returns
        -------
        Player
            Itself.

        Raises
        ------
        KeyError
            If there is no such parameter.
        IndexError, TypeError, ValueError
            If the index or the value does not fit.
        """
        array = self._parameter(name)
        if len(index_and_value) != array.ndim + 1:
            indices = ", ".join("ij"[: array.ndim])
            raise TypeError(f'set takes a name, {indices} and a value: set("{name}", {indices}, x)')
        *where, given = index_and_value
        index = tuple(as_int(i, f"an index of {name}") for i in where)
        if any(not 0 <= i < size for i, size in zip(index, array.shape, strict=True)):
            raise IndexError(f"{name} has shape {array.shape}, got index {index}")
        value = as_number(given, "a weight")
        if not np.isfinite(value):
            raise ValueError(f"a weight must be finite, got {value}")
        array[index] = value
        self.changed[name, index] = value
        self.trace = self._traced()
        return self

    def reset(self) -> Self:
        """Take back every change.

        Returns
        -------
        Player
            Itself.
        """
        for name, index in self.changed:
            self._parameter(name)[index] = self._at_start(name)[index]
        self.changed = {}
        self.trace = self._start = self._traced()
        return self

    def _parameter(self, name: str) -> FloatArray:
        letter, m = _split(name)
        if letter not in _PARAMETERS or not 1 <= m <= len(self._net.layers):
            raise KeyError(
                f"{name!r}; parameters are W(1), b(1) to W({len(self._net.layers)}), ..."
            )
        return getattr(self._net.layers[m - 1], letter)  # type: ignore[no-any-return]

    def _at_start(self, name: str) -> FloatArray:
        letter, m = _split(name)
        return getattr(self._start._parts.layers[m - 1], letter)  # type: ignore[no-any-return]

    @property
    def change(self) -> float:
        """By how much C has changed with the weights."""
        return float(self.trace.C - self._start.C)

    @property
    def predicted(self) -> float:
        """By how much C would change if it were as straight as its gradient says."""
        total = 0.0
        for (name, index), value in self.changed.items():
            slope = np.asarray(self._start[f"grad_{name}"].value)[index]
            total += float(slope) * (value - float(self._at_start(name)[index]))
        return total

    # --- What is shown -----------------------------------------------------------------------

    @property
    def _parts(self) -> Parts:
        """What the passes left, to be written in the letters of the slides."""
        parts: Parts = self.trace._parts
        return parts._replace(letters=parts.letters.with_nabla())

    def _formulas(self) -> list[str]:
        """Return the formula of every step, in the letters of the slides."""
        return [line[2] for line in trace_steps.lines(self._parts, self.trace.C)]

    def _letters(self, name: str) -> str:
        """Return a quantity in the letters of the slides."""
        letters = self._parts.letters
        if name == "C":
            return letters.cost
        if name == "t":
            return name
        letter, m = _split(name)
        if letter in ("grad_gamma", "grad_beta"):
            return f"∂{letters.cost}/∂{'γ' if letter == 'grad_gamma' else 'β'}({m})"
        return letters.quantity(letter, m)

    def _value(self, step: Any) -> npt.ArrayLike:
        """Return a step's value as rows, or as the slides' columns."""
        value = np.asarray(step.value)
        if not self.columns or step.name.startswith("grad_W") or value.ndim == 0:
            return value
        return value[:, np.newaxis] if value.ndim == 1 else value.T

    def _said(self) -> str:
        """Return what the weights that were set have done, if any were."""
        if not self.changed:
            return ""
        C = self._parts.letters.cost
        return (
            f"{C} changed by {self.change:.4g}, from {self._start.C:.4g} to {self.trace.C:.4g}; "
            f"the gradient said {self.predicted:.4g}"
        )

    def _reading(self) -> str:
        """Return what the step reads and writes, in the deck's letters."""
        read = ", ".join(self._letters(name) for name in reads(self.trace._parts, self.step.name))
        shape = np.shape(self._value(self.step))
        written = f"writes {self._letters(self.step.name)} of shape {shape}"
        return f"reads {read}; {written}" if read else written

    def _headline(self) -> str:
        step = self.step
        return (
            f"step {step.number} of {len(self.trace.steps)}, {step.way}: "
            f"{self._formulas()[self.position - 1]}"
        )

    def __repr__(self) -> str:
        value = short_value(np.asarray(self._value(self.step)))
        lines = [self._headline(), self._reading(), value]
        return "\n".join([*lines, said] if (said := self._said()) else lines)

    def _states(self) -> dict[str, str]:
        """Return for each quantity whether it is read, written or still to come."""
        states = {step.name: "later" for step in self.trace.steps[self.position :]}
        states |= dict.fromkeys(reads(self.trace._parts, self.step.name), "read")
        return states | {self.step.name: "written"}

    def _repr_html_(self) -> str:
        states = self._states()
        graph = computation_graph.draw(self._parts, self.trace.C, self._example, states)
        left = 'style="text-align:left"'
        rows = []
        for step, formula in zip(self.trace.steps, self._formulas(), strict=True):
            state = states.get(step.name, "")
            colour = GROUNDS.get(state)
            ground = f' style="background:{colour}44"' if colour else ""
            done = state != "later"
            shape = str(np.shape(self._value(step))) if done else ""
            value = short_value(np.asarray(self._value(step))) if done else "…"
            cells = (str(step.number), math_html(formula), shape, escape(value))
            inner = "".join(f"<td {left}>{cell}</td>" for cell in cells)
            rows.append(f'<tr class="{state}"{ground}>{inner}</tr>')
        said = f"<p><b>{escape(self._said())}</b></p>" if self.changed else ""
        return (
            f"<div><div><b>{math_html(self._headline())}</b></div>"
            f"<div>{math_html(self._reading())}</div>{said}{graph._repr_html_()}"
            f"<table><tbody>{''.join(rows)}</tbody></table></div>"
        )

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """Return text and HTML, and with ipywidgets buttons and a slider too."""
        bundle: dict[str, Any] = {"text/plain": repr(self), "text/html": self._repr_html_()}
        if os.environ.get("SWIFTBACKPROP_WIDGETS") != "0" and find_spec("ipywidgets"):
            from swiftbackprop._inspect.player_widget import widget

            bundle |= widget(self)._repr_mimebundle_()
            bundle["text/plain"] = repr(self)
        return bundle


def _split(name: str) -> tuple[str, int]:
    """Return letter and layer of a name such as grad_z(2)."""
    letter, _, digits = name.rstrip(")").partition("(")
    return letter, int(digits) if digits.isdecimal() else 0


def reads(parts: Parts, name: str) -> tuple[str, ...]:
    """Return the names of what a step is computed from.

    Examples
    --------
    >>> import numpy as np, swiftbackprop as sb
    >>> from swiftbackprop._inspect.player import reads
    >>> trace = sb.Network([2, 3, 1], seed=0).trace(np.ones((1, 2)), np.ones(1))
    >>> reads(trace._parts, "z(2)"), reads(trace._parts, "grad_a(1)")
    (('W(2)', 'a(1)', 'b(2)'), ('W(2)', 'grad_z(2)'))
    """
    last = parts.last.m
    if name == "C":
        return (f"a({last})", "t")
    letter, m = _split(name)
    layer = parts.layers[m - 1] if m else None
    if layer is None:
        return ()
    norm = layer.norm
    return {
        "z": (f"W({m})", f"a({m - 1})", f"b({m})"),
        "u": (f"a({m})",) if norm and norm.after else (f"z({m})",),
        "a": (f"u({m})",) if norm else (f"z({m})",),
        "grad_a": (f"a({m})", "t") if m == last else (f"W({m + 1})", f"grad_z({m + 1})"),
        "grad_z": _reads_of_grad_z(parts, m),
        "grad_gamma": (f"grad_a({m})", f"z({m})"),
        "grad_beta": (f"grad_a({m})",),
        "grad_W": (f"grad_z({m})", f"a({m - 1})"),
        "grad_b": (f"grad_z({m})",),
    }[letter]


def _reads_of_grad_z(parts: Parts, m: int) -> tuple[str, ...]:
    layer = parts.layers[m - 1]
    if m == parts.last.m and parts.is_fused and layer.norm is None:
        return (f"a({m})", "t")
    return (f"grad_a({m})", f"a({m})" if layer.acts_on_rows else f"z({m})")
