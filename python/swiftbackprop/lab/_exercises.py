"""The decks' questions, asked: a formula, options, and an answer in rows and columns."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from html import escape
from importlib.util import find_spec
from typing import Any, SupportsIndex

from swiftbackprop._draw import notation
from swiftbackprop._draw.tables import Tabular, text_table
from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._net.checks import as_int, got
from swiftbackprop.lab._answer_text import bare, grammar_signs
from swiftbackprop.lab._judge import Answer, judge
from swiftbackprop.lab._operations import shown
from swiftbackprop.lab._questions import layer_of, numbers, question

_MOST_LAYERS, _WIDEST = 8, 64  # of a network whose numbers are looked at
_HOW = 'Answer by a letter, or by an expression of your own: .answer("B"), .answer("np.sum({})").'


def _math_html(formula: str) -> str:
    return re.sub(r"\((L|M)\)", r"<sup>(\1)</sup>", notation.math_html(formula))


def _letter(text: str) -> str:
    """Return the letter of an option such as "(a)", in capitals."""
    return grammar_signs(text).strip("()[]: ").upper()


def _same(one: str, other: str) -> bool:
    """Whether two texts are the same but for spaces and how T is written."""
    a, b = (re.sub(r"\s", "", grammar_signs(text)) for text in (one, other))
    return a == b


class Exercise:
    """A question of the decks with numbers of one's own; see `exercise`.

    Attributes
    ----------
    number : int
    title, place : str
        What is asked, and where in the decks.
    formula : str
        With indices.
    letters : dict of str to str
        The names for expressions, and what each stands for in the decks.
    quantities : dict of str to ndarray
        The same names, and their numbers.
    options : dict of str to str
        By letter.
    shape : tuple of int
        That of the right answer.
    """

    def __init__(self, number: int, sizes: tuple[int, ...], seed: int) -> None:
        m = layer_of(number, sizes)
        self._question = question(number)
        self._layers = {"m": m, "above": m + 1, "below": m - 1}
        self.number, self.sizes, self.seed = number, sizes, seed
        self.title, self.place = self._question.title, self._question.place
        self.formula = self._question.formula.format(**self._layers)
        self.letters = {
            name: what.format(**self._layers) for name, what in self._question.letters.items()
        }
        self.quantities: dict[str, FloatArray] = numbers(number, sizes, seed)
        self.options = {letter: said for letter, (said, _) in self._question.options.items()}
        self.shape: tuple[int, ...] = self._question.right(self.quantities).shape

    def answer(self, text: str) -> Answer:
        """Judge an answer.

        Parameters
        ----------
        text : str
            The letter of an option, or an expression of `quantities` such as "W @ g",
            "g ⊙ s.T" or "np.sum(W * g)". It is parsed and computed step by step, never run as
            Python. "option A", "r = W @ g", quotes around it and signs that look like those of
            the grammar are read as they are meant.

        Returns
        -------
        Answer

        Raises
        ------
        TypeError
            If it is not text.
        """
        if not isinstance(text, str):
            raise TypeError(f"an answer must be a str, a letter or an expression, got {got(text)}")
        written = bare(text)
        letter = _letter(written)
        if letter not in self.options:  # as the options are listed: (A) Wᵀ g
            written = re.sub(r"^[(\[]?[A-E][)\].:]\s*(?=\S)", "", written)
            letter = next((k for k, v in self.options.items() if _same(v, written)), letter)
        if letter in self.options:
            said, expression = self._question.options[letter]
            return judge(expression, self._question, self.quantities, f"({letter}) {said}")
        answer = judge(written, self._question, self.quantities, text)
        if answer.kind == "not an expression" and (len(letter) == 1 or not letter):
            letters = ", ".join(f"({option})" for option in self.options)
            return replace(answer, sentence=f"{answer.sentence} The options are {letters}.")
        return answer

    def verdicts(self) -> dict[str, str]:
        """Return what every option comes to, by letter: this tells the answer."""
        return {letter: self.answer(letter).kind for letter in self.options}

    def _named(self) -> list[tuple[str, str, str]]:
        return [(name, self.letters[name], shown(value)) for name, value in self.quantities.items()]

    def _said(self) -> str:
        return _HOW.format(next(iter(self.quantities)))

    def __repr__(self) -> str:
        asked = " × ".join(map(str, self.shape))
        return "\n".join(
            [
                f"{self.number}. {self.title} ({self.place})",
                f"What is, for all indices at once: {self.formula}",
                text_table(("name", "in the deck", "shape"), self._named(), left=3),
                *(f"({letter}) {said}" for letter, said in self.options.items()),
                f"Asked for: {asked}. {self._said()}",
            ]
        )

    def _repr_html_(self) -> str:
        asked = " × ".join(map(str, self.shape))
        options = "".join(
            f"<div>({letter})&emsp;<code>{escape(said)}</code></div>"
            for letter, said in self.options.items()
        )
        table = "".join(
            f"<tr><td><code>{name}</code></td><td>{_math_html(what)}</td><td>{shape}</td></tr>"
            for name, what, shape in self._named()
        )
        return (
            f"<div><div><b>{self.number}. {escape(self.title)}</b> <small>({escape(self.place)})"
            f"</small></div><p>What is, for all indices at once: {_math_html(self.formula)}</p>"
            f"<table><thead><tr><th>name</th><th>in the deck</th><th>shape</th></tr></thead>"
            f"<tbody>{table}</tbody></table>{options}"
            f"<p>Asked for: {asked}. {escape(self._said())}</p></div>"
        )

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """Return text and HTML, and with ipywidgets in a notebook buttons and a field too.

        SWIFTBACKPROP_WIDGETS=0 in the environment leaves these away, for outputs to be stored.
        """
        bundle: dict[str, Any] = {"text/plain": repr(self), "text/html": self._repr_html_()}
        if os.environ.get("SWIFTBACKPROP_WIDGETS") != "0" and find_spec("ipywidgets"):
            from swiftbackprop.lab._exercise_widget import widget

            bundle |= widget(self)._repr_mimebundle_()
            bundle["text/plain"] = repr(self)
        return bundle


def exercise(
    number: SupportsIndex, *, seed: SupportsIndex = 0, sizes: Sequence[int] = (4, 5, 3, 2)
) -> Exercise:
    """Ask one of the decks' questions, with numbers of one's own.

    Parameters
    ----------
    number : int, 1 to 7
        1 to 5 are those of *Vectorizing the Backpropagation Algorithm*: the weighted sum, then
        its exercises 1 to 4. 6 and 7 are the steps (a) and (b) of *Backpropagation: a Matrix
        Formulation*.
    seed : int, default 0
        Of the numbers: another for each student.
    sizes : sequence of int, default (4, 5, 3, 2)
        Of the network that the numbers come from, 3 or more. Equal widths let wrong answers
        have the right shape, and one output makes several options the same.

    Returns
    -------
    Exercise
        Shown with buttons and a field for an answer in a notebook that has ipywidgets, else
        as text; `Exercise.answer` judges an answer anywhere.

    Raises
    ------
    ValueError, TypeError
        If an argument does not fit.

    Examples
    --------
    >>> import swiftbackprop as sb
    >>> question = sb.lab.exercise(3, seed=7)
    >>> question
    3. The gradient by the activations (... exercise 2)
    What is, for all indices at once: Σᵢ ∂C/∂zᵢ(3) Wᵢⱼ(3),  j = 1 .. D(2)
    name  in the deck  shape
    W     W(3)         2 × 3
    g     ∇z(3) C      2 × 1
    (A) Wᵀ g
    (B) gᵀ W
    (C) W g
    (D) g W
    Asked for: 3 × 1. Answer by a letter, or by ... .answer("B"), .answer("np.sum(W)").
    >>> question.answer("W @ g").sentence
    'W is 2 × 3 and g is 2 × 1: a product needs as many columns on the left (3) as rows on the ...
    """
    number = as_int(number, "number", min_=1, max_=7)
    seed = as_int(seed, "seed", min_=0)
    widths = tuple(as_int(size, "a width of sizes") for size in sizes)
    if not 3 <= len(widths) <= _MOST_LAYERS + 1 or not all(1 <= n <= _WIDEST for n in widths):
        raise ValueError(
            f"sizes must be 3 to {_MOST_LAYERS + 1} widths from 1 to {_WIDEST}, got {widths}"
        )
    return Exercise(number, widths, seed)


class Overview(Tabular):
    """How many options of each question fit in shape and in values; see `overview`."""

    _head = ("question", "options", "computable", "right shape", "right")

    def __init__(self, sizes: tuple[int, ...], exercises: Sequence[Exercise]) -> None:
        self.sizes = sizes
        self.verdicts = {item.number: item.verdicts() for item in exercises}
        self._answers = {
            item.number: [item.answer(letter) for letter in item.options] for item in exercises
        }
        self._titles = {item.number: item.title for item in exercises}

    def _title(self) -> str:
        return f"Widths {'-'.join(map(str, self.sizes))}"

    def _rows(self) -> list[tuple[str, ...]]:
        rows = []
        for number, answers in self._answers.items():
            made = [answer for answer in answers if answer.value is not None]
            counts = (
                len(answers),
                len(made),
                sum(answer.shape == answer.wanted.shape for answer in made),
                sum(answer.right for answer in made),
            )
            rows.append((f"{number}. {self._titles[number]}", *map(str, counts)))
        return rows


def overview(sizes: Sequence[int] = (4, 5, 3, 2), *, seed: SupportsIndex = 0) -> Overview:
    """Count for each question how many options can be computed, fit in shape, are right.

    The counts do not tell which; ``overview(sizes).verdicts`` does.

    Parameters
    ----------
    sizes : sequence of int, default (4, 5, 3, 2)
    seed : int, default 0
        Both as for `exercise`.

    Returns
    -------
    Overview

    Raises
    ------
    ValueError, TypeError
        If an argument does not fit.

    Examples
    --------
    >>> import swiftbackprop as sb
    >>> sb.lab.overview([3, 3, 3, 3])
    Widths 3-3-3-3
    question                                           options  computable  right shape  right
    1. The weighted sum                                      4           3            2      1
    2. The gradient by z of the output layer                 5           5            1      1
    3. The gradient by the activations                       4           3            2      1
    4. The gradient by z of a hidden layer                   5           5            1      1
    5. The gradient by the weights                           5           5            2      1
    6. Step (a): back by one layer                           5           4            3      1
    7. Step (b): the weights in the layout of the deck       4           4            2      1
    """
    exercises = [exercise(number, seed=seed, sizes=sizes) for number in range(1, 8)]
    return Overview(exercises[0].sizes, exercises)
