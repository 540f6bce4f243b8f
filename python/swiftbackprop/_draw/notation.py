"""The letters of the two lecture decks, for formulas in text, in HTML and in pictures."""

from __future__ import annotations

import re
from html import escape
from typing import NamedTuple

from swiftbackprop._net.names import unknown


class Letters(NamedTuple):
    """How a deck writes the quantities of a network.

    z, a, W and b are the letters alone; the number of a layer is put behind them. The
    gradients are patterns that take that number.
    """

    z: str
    a: str
    activation: str
    slope: str
    cost: str
    last: str
    grad_z: str
    grad_a: str
    grad_W: str
    grad_b: str

    def with_nabla(self) -> Letters:
        """Return letters whose gradients are as on the slides, which deck two's are already.

        Examples
        --------
        >>> from swiftbackprop._draw.notation import letters
        >>> letters("deck1").with_nabla().quantity("grad_z", 3)
        '∇z(3)C'
        """
        if "grad_" not in self.grad_z:
            return self
        return self._replace(
            **{f"grad_{letter}": f"∇{letter}({{}}){self.cost}" for letter in ("z", "a", "W", "b")}
        )

    def quantity(self, name: str, m: int) -> str:
        """Return a quantity of layer m, such as "grad_z", in this deck's letters."""
        if name.startswith("grad_"):
            pattern: str = getattr(self, name)
            return pattern.format(m)
        return f"{getattr(self, name, name)}({m})"


_DECKS = {
    # CSC311, Vectorizing the Backpropagation Algorithm; gradients by their names in Python
    "deck1": Letters(
        *("z", "a", "σ", "σ′", "C", "L"),
        *("grad_z({})", "grad_a({})", "grad_W({})", "grad_b({})"),
    ),
    # Backpropagation: a Matrix Formulation
    "deck2": Letters(
        *("π", "x", "a", "a′", "L", "M"),
        *("∂L/∂π({})", "∂L/∂x({})", "∂L/∂w({})", "∂L/∂b({})"),
    ),
}


def letters(symbols: str) -> Letters:
    """Return the letters of "deck1" or "deck2".

    Examples
    --------
    >>> from swiftbackprop._draw.notation import letters
    >>> letters("deck2").quantity("grad_z", 3)
    '∂L/∂π(3)'
    """
    if symbols not in _DECKS:
        raise ValueError(unknown("symbols", str(symbols), _DECKS))
    return _DECKS[symbols]


# The number of a layer, with what belongs above the line as well.
_RAISED = re.compile(r"\((\d+)\)(ᵀ?)")


def math_html(formula: str) -> str:
    """Return a formula as HTML, the numbers of layers raised.

    Examples
    --------
    >>> from swiftbackprop._draw.notation import math_html
    >>> math_html("W(2)ᵀ grad_z(2)")
    'W<sup>(2)ᵀ</sup> grad_z<sup>(2)</sup>'
    """
    return _RAISED.sub(r"<sup>(\1)\2</sup>", escape(formula))


def math_svg(formula: str, size: float) -> str:
    """Return a formula as the content of an SVG text of this size, numbers of layers raised."""
    up, small = f"{0.38 * size:.1f}", f"{0.72 * size:.1f}"
    parts = _RAISED.split(formula)
    text, lift = "", ""
    for place in range(0, len(parts), 3):
        rest = parts[place]
        if rest:
            text += f"<tspan{lift}>{escape(rest)}</tspan>" if lift else escape(rest)
            lift = ""
        if place + 1 < len(parts):
            number = f"({parts[place + 1]}){parts[place + 2]}"
            text += f'<tspan dy="-{up}" font-size="{small}">{number}</tspan>'
            lift = f' dy="{up}"'
    return text


# What formulas are made of, longest first, and how LaTeX writes it.
_LATEX = {
    "Σₙ": r"\sum_n ",
    "Σw": r"\sum_n w_n",
    "σ′": r"\sigma'",
    "a′": "a'",
    "σ": r"\sigma ",
    "π": r"\pi ",
    "γ": r"\gamma ",
    "β": r"\beta ",
    "∂": r"\partial ",
    "⊙": r"\odot ",
    "−": "-",
    "ᵀ": r"^{\mathsf T}",
    "′": "'",
    "ₙ": "_n",
    "1/N": r"\frac{1}{N}",
}
_NAMES = re.compile(r"grad_(\w(?:,n)?)|\b(norm)\(")
_OF_A_ROW = re.compile(r"(grad_\w)(\(\d+\))ₙ")  # a second index beside that of grad
_FRACTION = re.compile(r"∂([^ /()]+(?:\(\d+\))?)/∂([^ /()]+(?:\(\d+\))?)")


def math_latex(formula: str) -> str:
    r"""Return a formula as LaTeX, without dollars.

    Examples
    --------
    >>> from swiftbackprop._draw.notation import math_latex
    >>> print(math_latex("grad_z(1) = grad_a(1) ⊙ σ′(z(1))"))
    \mathrm{grad}_{z}^{(1)} = \mathrm{grad}_{a}^{(1)} \odot \sigma'(z^{(1)})
    >>> print(math_latex("∂L/∂π(2)"))
    \frac{\partial L}{\partial \pi ^{(2)}}
    """
    text = _FRACTION.sub(r"\\frac{∂\1}{∂\2}", formula)
    text = _OF_A_ROW.sub(r"\1,n\2", text)
    text = _RAISED.sub(lambda m: f"^{{({m[1]})" + (r"\,\mathsf T}" if m[2] else "}"), text)
    text = _NAMES.sub(
        lambda m: rf"\mathrm{{grad}}_{{{m[1]}}}" if m[1] else r"\operatorname{norm}(", text
    )
    for letters, command in _LATEX.items():
        text = text.replace(letters, command)
    return text
