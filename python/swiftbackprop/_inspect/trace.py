"""A record of one forward and one backward pass, in the letters of the lectures."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from swiftbackprop._draw.array_text import short_value
from swiftbackprop._draw.notation import Letters, letters, math_html, math_latex
from swiftbackprop._draw.svg import Picture
from swiftbackprop._inspect import trace_steps
from swiftbackprop._net.arrays import FloatArray, as_row
from swiftbackprop._net.labels import encode

if TYPE_CHECKING:
    from swiftbackprop._inspect.player import Player
    from swiftbackprop._net.base import NetworkBase


Cells: TypeAlias = tuple[str, str, str, str, str]

_ROWS = 48  # of either way; what lies between is left out
_WIDTH = 100  # of the notes


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Step:
    """One line of a `Trace`: a formula and what came of it.

    Attributes
    ----------
    number : int
        From 1.
    way : str
        "forward" or "backward".
    name : str
        As in Python: "z(1)" is ``net.layers[0].z``; the cost is "C".
    formula : str
        In the letters of the trace, for columns.
    rule : str
        The name of the activation or loss in it, or nothing.
    shape : tuple of int
    value : ndarray or float
        z, a, grad_z and grad_a are the network's own memory, grad_W and grad_b are
        copies; all are read-only.
    """

    number: int
    way: str
    name: str
    formula: str
    rule: str
    value: FloatArray | float

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the value, () for C."""
        return np.shape(self.value)

    @property
    def latex(self) -> str:
        """The formula as LaTeX, without dollars."""
        return math_latex(self.formula)

    def __repr__(self) -> str:
        return f"Step({self.number}, {self.formula!r}, shape={self.shape})"


class Trace:
    """A record of one forward and one backward pass; see `Network.trace`.

    ``print(trace)`` shows a row for every step, a notebook the computation graph as well.

    Attributes
    ----------
    steps : tuple of Step
    notes : tuple of str
        What has to be known to read the formulas.
    symbols : {"deck1", "deck2"}
    C : float
        The cost.

    Examples
    --------
    >>> import numpy as np, swiftbackprop as sb
    >>> net = sb.Network([2, 1], initializer=[([[1.0, 2.0]], [0.5])], dtype="float64")
    >>> trace = net.trace(np.array([[3.0, -1.0]]), np.array([2.0]))
    >>> print(trace)
    Trace of 2-1, N = 1, squared_error, float64
    forward
        1  a(0) = x                                         (1, 2)  [[3, -1]]
        2  z(1) = W(1) a(0) + b(1)                          (1, 1)  [[1.5]]
        3  a(1) = σ(z(1))                    identity       (1, 1)  [[1.5]]
        4  C = C(a(1), t)                    squared_error  ()      0.125
    backward
        5  grad_a(1) = ∂C/∂a(1)              squared_error  (1, 1)  [[-0.5]]
        6  grad_z(1) = grad_a(1) ⊙ σ′(z(1))  identity       (1, 1)  [[-0.5]]
        7  grad_W(1) = grad_z(1) a(0)ᵀ                      (1, 2)  [[-1.5, 0.5]]
        8  grad_b(1) = grad_z(1)                            (1,)    [-0.5]
    Formulas are the lecture's, for columns. The arrays hold an example in each row: ...
    >>> trace["grad_W(1)"].value
    array([[-1.5,  0.5]])
    """

    def __init__(
        self,
        net: NetworkBase,
        C: float,
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None,
        symbols: str,
    ) -> None:
        self._net, self._sample_weight = net, sample_weight
        self.symbols = symbols
        self.C = C
        self._letters: Letters = letters(symbols)
        self._parts = trace_steps.Parts.of(net, y, sample_weight is not None, self._letters)
        self.steps: tuple[Step, ...] = tuple(
            Step(number, *line)
            for number, line in enumerate(trace_steps.lines(self._parts, C), start=1)
        )
        self.notes: tuple[str, ...] = tuple(trace_steps.notes(self._parts))

    @property
    def headline(self) -> str:
        """Sizes, N, loss and dtype in one line."""
        return self._parts.headline

    def __getitem__(self, name: str) -> Step:
        """Return the step of a quantity, such as "grad_z(2)" or "C"."""
        for step in self.steps:
            if step.name == name:
                return step
        known = ", ".join(step.name for step in self.steps[:3])
        raise KeyError(f"no step is called {name!r}: names are {known}, ..., grad_z(1), C")

    def to_latex(self) -> str:
        r"""Return all formulas as LaTeX: an align* environment, for slides and papers.

        It needs the package amsmath, as MathJax has it too.

        Returns
        -------
        str

        Examples
        --------
        >>> import numpy as np, swiftbackprop as sb
        >>> trace = sb.Network([2, 1], seed=0).trace(np.ones((1, 2)), np.ones(1))
        >>> print(trace.to_latex())
        \begin{align*}
        a^{(0)} &= x \\
        z^{(1)} &= W^{(1)} a^{(0)} + b^{(1)} \\
        a^{(1)} &= \sigma (z^{(1)}) \\
        C &= C(a^{(1)}, t) \\
        \mathrm{grad}_{a}^{(1)} &= \frac{\partial C}{\partial a^{(1)}} \\
        \mathrm{grad}_{z}^{(1)} &= \mathrm{grad}_{a}^{(1)} \odot \sigma'(z^{(1)}) \\
        \mathrm{grad}_{W}^{(1)} &= \mathrm{grad}_{z}^{(1)} a^{(0)\,\mathsf T} \\
        \mathrm{grad}_{b}^{(1)} &= \mathrm{grad}_{z}^{(1)}
        \end{align*}
        """
        lines = " \\\\\n".join(step.latex.replace(" = ", " &= ", 1) for step in self.steps)
        return f"\\begin{{align*}}\n{lines}\n\\end{{align*}}"

    def graph(self, example: int = 0) -> Picture:
        """Return the computation graph as a picture.

        x → z(1) → a(1) → ... → C, with W, b and t entering. In small networks values stand
        over the arrows forward and gradients under the arrows back.

        Parameters
        ----------
        example : int, default 0
            The row of the batch whose values are shown.

        Returns
        -------
        Picture

        Raises
        ------
        IndexError
            If there is no such row.
        """
        from swiftbackprop._inspect import computation_graph

        return computation_graph.draw(self._parts, self.C, as_row(example, self._parts.rows))

    def play(self, *, columns: bool = False, example: int = 0) -> Player:
        """Go through both passes one quantity at a time.

        In a notebook with ipywidgets the player has buttons and a slider for a weight; else,
        or in a program, it has methods: `Player.next`, `Player.back`, `Player.set`.

        Parameters
        ----------
        columns : bool, default False
            Whether an example is a column of the arrays shown, as on the slides.
        example : int, default 0
            The row of the batch whose values stand in the graph.

        Returns
        -------
        Player

        Raises
        ------
        IndexError
            If there is no such row.

        Examples
        --------
        >>> import numpy as np, swiftbackprop as sb
        >>> net = sb.Network([2, 1], initializer=[([[1.0, 2.0]], [0.5])], dtype="float64")
        >>> player = net.trace(np.array([[3.0, -1.0]]), np.array([2.0])).play(columns=True)
        >>> player.to("grad_W(1)")
        step 7 of 8, backward: ∇W(1)C = ∇z(1)C a(0)ᵀ
        reads ∇z(1)C, a(0); writes ∇W(1)C of shape (1, 2)
        [[-1.5, 0.5]]
        >>> player.set("W(1)", 0, 1, 2.1)
        step 7 of 8, backward: ∇W(1)C = ∇z(1)C a(0)ᵀ
        reads ∇z(1)C, a(0); writes ∇W(1)C of shape (1, 2)
        [[-1.8, 0.6]]
        C changed by 0.055, from 0.125 to 0.18; the gradient said 0.05
        """
        from swiftbackprop._inspect.player import Player

        return Player(self, columns=columns, example=as_row(example, self._parts.rows))

    def __repr__(self) -> str:
        return f"<Trace of {self._parts.sizes_text}, N = {self._parts.rows}: print it>"

    def __str__(self) -> str:
        table = [_cells(step) for step in self.steps]
        widths = [max(len(row[column]) for row in table) for column in range(4)]
        out = [f"Trace of {self.headline}"]
        for way in ("forward", "backward"):
            rows = [row for row, step in zip(table, self.steps, strict=True) if step.way == way]
            out += [way, *(_line(row, widths) for row in _shown(rows))]
        for note in self.notes:
            out += textwrap.wrap(note, _WIDTH)
        return "\n".join(out)

    def _repr_html_(self) -> str:
        return _html(self)


def take(
    net: NetworkBase,
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    sample_weight: npt.ArrayLike | None,
    symbols: str,
) -> Trace:
    """Run forward and backward on `net`, and return the record."""
    letters(symbols)  # says what is wrong before anything is computed
    net.forward(X)
    C = net.backward(y, sample_weight=sample_weight)
    return Trace(net, C, np.array(encode(net, y, "y")), sample_weight, symbols)


def _cells(step: Step) -> Cells:
    """Return number, formula, rule, shape and value of a step, as text."""
    shape = str(tuple(step.shape))
    return f"{step.number:3}", step.formula, step.rule, shape, short_value(step.value)


def _shown(rows: list[Cells]) -> list[Cells]:
    """Return the rows of a table, the middle ones left out if they are many."""
    if len(rows) <= _ROWS:
        return rows
    return [*rows[: _ROWS // 2], ("...", "...", "", "", ""), *rows[-_ROWS // 2 :]]


def _line(row: Cells, widths: list[int]) -> str:
    text = "  ".join(cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True))
    return f"  {text}".rstrip()


def _html(trace: Trace) -> str:
    """Return the computation graph above a table of the steps."""
    left = 'style="text-align:left"'
    head = "".join(
        f"<th {left}>{name}</th>" for name in ("step", "formula", "rule", "shape", "values")
    )
    body = []
    for way in ("forward", "backward"):
        body.append(f'<tr><th colspan="5" {left}>{way}</th></tr>')
        for number, formula, rule, shape, value in _shown(
            [_cells(step) for step in trace.steps if step.way == way]
        ):
            words = (number, math_html(formula), *(escape(word) for word in (rule, shape, value)))
            body.append(f"<tr>{''.join(f'<td {left}>{word}</td>' for word in words)}</tr>")
    notes = "".join(f"<p>{math_html(note)}</p>" for note in trace.notes)
    return (
        f"<div><div><b>Trace</b> of {escape(trace.headline)}</div>"
        f"{trace.graph()._repr_html_()}<table><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(body)}</tbody></table>{notes}</div>"
    )
