"""The decks' questions: formulas with indices, options, and the mistakes that come up."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import numpy as np

from swiftbackprop._net.arrays import FloatArray
from swiftbackprop.network import Network

Quantities: TypeAlias = dict[str, FloatArray]


class Question(NamedTuple):
    """One question, for the layer m of the numbers; formulas have {m}, {above}, {below}.

    Attributes
    ----------
    title : str
    place : str
        Where it stands in the decks.
    formula : str
        What is asked for, with indices.
    letters : dict
        What each name of an expression is.
    options : dict
        By letter: as on the slides, and as NumPy writes it.
    indices : str
        The right answer for `numpy.einsum`, in the order of the letters.
    usual : tuple of (str, str)
        Wrong expressions, and what to say of them.
    remark : str
        What the right answer leaves to be said.
    """

    title: str
    place: str
    formula: str
    letters: dict[str, str]
    options: dict[str, tuple[str, str]]
    indices: str
    usual: tuple[tuple[str, str], ...]
    remark: str = ""

    def right(self, quantities: Quantities) -> FloatArray:
        """Return the answer, summed by its indices."""
        arrays = [quantities[name] for name in self.letters]
        return np.asarray(np.einsum(self.indices, *arrays))


_ELEMENTWISE = {
    "A": ("gᵀ s", "g.T @ s"),
    "B": ("sᵀ g", "s.T @ g"),
    "C": ("g ⊙ s", "g ⊙ s"),
    "D": ("s gᵀ", "s @ g.T"),
    "E": ("g sᵀ", "g @ s.T"),
}
_SLOPE = (
    ("g", "the factor σ′ is missing: this is the gradient by a alone"),
    ("s", "the gradient by a is missing: this is σ′ alone"),
    ("g + s", "the chain rule multiplies the two factors, here they are added"),
    ("g / s", "the chain rule multiplies by σ′, here it is divided by it"),
)
_FIRST = "Vectorizing the Backpropagation Algorithm"
_SECOND = "Backpropagation: a Matrix Formulation"

_QUESTIONS = (
    Question(
        "The weighted sum",
        f"{_FIRST}, slide “Result of Vectorizing Weighted Sum”",
        "Σⱼ Wᵢⱼ({m}) aⱼ({below}),  i = 1 .. D({m})",
        {"W": "W({m})", "a": "a({below})"},
        {
            "A": ("Wᵀ a", "W.T @ a"),
            "B": ("aᵀ W", "a.T @ W"),
            "C": ("W a", "W @ a"),
            "D": ("a W", "a @ W"),
        },
        "ij,jk->ik",
        (
            ("W.T @ a", "it sums over the rows of W: the sum here runs over j, its columns"),
            ("(a.T @ W).T", "it sums over the rows of W: the sum here runs over j, its columns"),
            (
                "np.sum(W * a, axis=0, keepdims=True).T",
                "it sums over the rows of W: the sum here runs over j, its columns (axis=1)",
            ),
        ),
    ),
    Question(
        "The gradient by z of the output layer",
        f"{_FIRST}, exercise 1",
        "∂C/∂aᵢ(L) · σ(L)′(zᵢ(L)),  i = 1 .. D(L)",
        {"g": "∇a(L) C", "s": "σ(L)′(z(L))"},
        _ELEMENTWISE,
        "ik,ik->ik",
        _SLOPE,
        "This holds for a σ that acts on each entry by itself. For softmax the product with its "
        "Jacobian takes the place of ⊙.",
    ),
    Question(
        "The gradient by the activations",
        f"{_FIRST}, exercise 2",
        "Σᵢ ∂C/∂zᵢ({above}) Wᵢⱼ({above}),  j = 1 .. D({m})",
        {"W": "W({above})", "g": "∇z({above}) C"},
        {
            "A": ("Wᵀ g", "W.T @ g"),
            "B": ("gᵀ W", "g.T @ W"),
            "C": ("W g", "W @ g"),
            "D": ("g W", "g @ W"),
        },
        "ij,ik->jk",
        (
            ("W @ g", "it sums over the columns of W: the sum here runs over i, its rows"),
            (
                "np.sum(W * g, axis=1, keepdims=True)",
                "it sums over the columns of W: the sum here runs over i, its rows (axis=0)",
            ),
        ),
    ),
    Question(
        "The gradient by z of a hidden layer",
        f"{_FIRST}, exercise 3",
        "∂C/∂aⱼ({m}) · σ({m})′(zⱼ({m})),  j = 1 .. D({m})",
        {"g": "∇a({m}) C", "s": "σ({m})′(z({m}))"},
        _ELEMENTWISE,
        "ik,ik->ik",
        _SLOPE,
    ),
    Question(
        "The gradient by the weights",
        f"{_FIRST}, exercise 4",
        "∂C/∂zᵢ({m}) · aⱼ({below}),  i = 1 .. D({m}), j = 1 .. D({below})",
        {"g": "∇z({m}) C", "a": "a({below})"},
        {
            "A": ("gᵀ a", "g.T @ a"),
            "B": ("aᵀ g", "a.T @ g"),
            "C": ("g ⊙ a", "g ⊙ a"),
            "D": ("a gᵀ", "a @ g.T"),
            "E": ("g aᵀ", "g @ a.T"),
        },
        "ik,jk->ij",
        (("a @ g.T", "its rows are inputs, and the rows of W are outputs: it is the transpose"),),
    ),
    Question(
        "Step (a): back by one layer",
        f"{_SECOND}, points 5 and 6 (a)",
        "a′(πⱼ({m})) Σₕ wₕⱼ({above}) ∂π(M)/∂πₕ({above}),  j = 1 .. D({m})",
        {"s": "a′(π({m}))", "W": "W({above})", "g": "∂π(M)/∂π({above})"},
        {
            "A": ("s ⊙ (W g)", "s ⊙ (W @ g)"),
            "B": ("sᵀ (Wᵀ g)", "s.T @ (W.T @ g)"),
            "C": ("Wᵀ (s ⊙ g)", "W.T @ (s ⊙ g)"),
            "D": ("s ⊙ (Wᵀ g)", "s ⊙ (W.T @ g)"),
            "E": ("s ⊙ (gᵀ W)", "s ⊙ (g.T @ W)"),
        },
        "jk,hj,hk->jk",
        (
            ("W.T @ g", "the factor a′ of this layer is missing"),
            ("s ⊙ (W @ g)", "it sums over the columns of W: the sum here runs over h, its rows"),
            ("W.T @ (s ⊙ g)", "a′ belongs to the unit j that is asked for, not to h in the sum"),
        ),
    ),
    Question(
        "Step (b): the weights in the layout of the deck",
        f"{_SECOND}, point 7",
        "∂L/∂π(M) · xᵢ({below}) · ∂π(M)/∂πⱼ({m}),  row i = 1 .. D({below}), column j = 1 .. D({m})",
        {"c": "∂L/∂π(M)", "x": "x({below})", "d": "∂π(M)/∂π({m})"},
        {
            "A": ("c · d xᵀ", "c * d @ x.T"),
            "B": ("c · xᵀ d", "c * x.T @ d"),
            "C": ("c · x dᵀ", "c * x @ d.T"),
            "D": ("c · x ⊙ d", "c * x ⊙ d"),
        },
        "kk,ik,jk->ij",
        (
            ("x @ d.T", "the factor ∂L/∂π(M) is missing"),
            (
                "c * d @ x.T",
                "this is the layout of W itself, outputs × inputs, and what grad_W is; the deck's "
                "step (b) has a row for every input",
            ),
        ),
        "The deck's own W(m) has a row for every output: step (b) gives the transpose of its "
        "shape. grad_W(m) of this package has the shape of W(m).",
    ),
)


def question(number: int) -> Question:
    """Return question 1 to 7."""
    return _QUESTIONS[number - 1]


def layer_of(number: int, sizes: tuple[int, ...]) -> int:
    """Return the layer m that a question is asked at: below the output, and step (a) deeper."""
    return max(1, len(sizes) - 2 - (number == 6))


def numbers(number: int, sizes: tuple[int, ...], seed: int) -> Quantities:
    """Return the quantities of a question as columns, from a pass of a network of its own."""
    rng = np.random.default_rng(seed)
    net = Network(
        sizes,
        activation="tanh",
        output="sigmoid",
        loss="squared_error",
        dtype="float64",
        initializer=[
            (rng.normal(size=(outputs, inputs)), rng.normal(size=outputs))
            for inputs, outputs in pairwise(sizes)
        ],
    )
    X = rng.normal(size=(1, sizes[0]))
    net.forward(X)
    net.backward(rng.uniform(size=(1, sizes[-1])))
    return {name: np.array(value) for name, value in _read(number, net, X)}


def _read(number: int, net: Network, X: FloatArray) -> Iterator[tuple[str, FloatArray]]:
    """Yield what a question names, an example as a column."""
    m, last = layer_of(number, net.sizes), net.layers[-1]
    layer, above = net.layer(m), net.layer(m + 1)
    if number == 1:
        yield "W", layer.W
    elif number in (2, 4):
        asked = last if number == 2 else layer
        yield "g", asked.grad_a.T
        yield "s", asked.activation.derivative(asked.z.T)
    elif number == 3:
        yield "W", above.W
        yield "g", above.grad_z.T
    elif number == 5:
        yield "g", layer.grad_z.T
    else:
        # The deck's output is a scalar: here its first unit.
        of = net.jacobian(X, of="z", wrt="z", layer=m + (number == 6))[0, :1].T
    if number in (1, 5):
        yield "a", net.layer(m - 1).a.T
    elif number == 6:
        yield "s", layer.activation.derivative(layer.z.T)
        yield "W", above.W
        yield "g", of
    elif number == 7:
        yield "c", last.grad_z[:, :1]
        yield "x", net.layer(m - 1).a.T
        yield "d", of
