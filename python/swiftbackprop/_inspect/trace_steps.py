"""The steps of backpropagation as formulas, each beside the array that came of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from swiftbackprop._draw.notation import Letters
from swiftbackprop._engine.loader import core
from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._net.layer import Layer
from swiftbackprop._net.normalization import Norm, in_order
from swiftbackprop._net.rules import Activation, Loss

if TYPE_CHECKING:
    from swiftbackprop._net.base import NetworkBase


# way, name, formula, rule, value
Line: TypeAlias = tuple[str, str, str, str, FloatArray | float]


class LayerParts(NamedTuple):
    """What one pass left in layer m; W, b and their gradients are copies."""

    m: int
    activation: Activation
    W: FloatArray
    b: FloatArray
    z: FloatArray
    a: FloatArray
    grad_z: FloatArray
    grad_a: FloatArray
    grad_W: FloatArray
    grad_b: FloatArray
    norm: Norm | None
    # Of a normalised layer: u, gamma, beta, grad_gamma and grad_beta, else nothing
    extra: tuple[FloatArray, ...]

    @property
    def rule(self) -> str:
        """σ, and the normalisation before or behind it."""
        σ = self.activation.name
        return σ if self.norm is None else in_order(self.norm, σ)

    @property
    def acts_on_rows(self) -> bool:
        """Whether σ is not elementwise, as softmax."""
        return bool(self.activation.flags & core.RULE_ROWS)


class Parts(NamedTuple):
    """What one pass left in a network."""

    sizes: tuple[int, ...]
    dtype: str
    loss: Loss
    letters: Letters
    weighted: bool
    X: FloatArray
    y: FloatArray
    layers: tuple[LayerParts, ...]

    @classmethod
    def of(cls, net: NetworkBase, y: npt.ArrayLike, weighted: bool, letters: Letters) -> Parts:
        """Gather the last pass of a network."""
        layers = tuple(
            LayerParts(
                layer.m,
                layer.activation,
                *(_kept(layer.W), _kept(layer.b)),
                *(layer.z, layer.a, layer.grad_z, layer.grad_a),
                *(_kept(layer.grad_W), _kept(layer.grad_b)),
                layer.norm,
                _of_norm(layer),
            )
            for layer in net.layers
        )
        X = net.layer(0).a
        return cls(net.sizes, net.dtype.name, net.loss, letters, weighted, X, np.asarray(y), layers)

    @property
    def rows(self) -> int:
        """N."""
        return len(self.X)

    @property
    def last(self) -> LayerParts:
        """Layer L."""
        return self.layers[-1]

    @property
    def is_fused(self) -> bool:
        """Whether the loss gives grad_z(L) itself: with its partner, and nothing in between."""
        if self.last.norm and self.last.norm.after:
            return False
        return self.loss._fuses_with(self.last.activation)

    @property
    def sizes_text(self) -> str:
        """The sizes in one word."""
        sizes = [str(size) for size in self.sizes]
        if len(sizes) > 12:
            sizes[6:-5] = ["..."]
        return "-".join(sizes)

    @property
    def headline(self) -> str:
        """Sizes, rows, loss and dtype in one line."""
        return f"{self.sizes_text}, N = {self.rows}, {self.loss.name}, {self.dtype}"

    def target(self, example: int) -> FloatArray:
        """Return t of one example, (D(L),)."""
        row: FloatArray = np.asarray(self.y[example], float).reshape(-1)
        outputs = self.sizes[-1]
        if self.y.ndim == 1 and outputs > 1:
            return np.asarray(np.arange(outputs) == row[0], float)
        return row


def _of_norm(layer: Layer) -> tuple[FloatArray, ...]:
    if layer.norm is None:
        return ()
    numbers = (layer.gamma, layer.beta, layer.grad_gamma, layer.grad_beta)
    return (layer.u, *(_kept(vector) for vector in numbers))


def _kept(array: FloatArray) -> FloatArray:
    copy = array.copy()
    copy.flags.writeable = False
    return copy


def lines(parts: Parts, C: float) -> Iterator[Line]:
    """Yield every step, first forward and then backward."""
    yield from _forward(parts, C)
    yield from _backward(parts)


def _forward(parts: Parts, C: float) -> Iterator[Line]:
    of = parts.letters.quantity
    yield "forward", "a(0)", f"{of('a', 0)} = {_input_letter(parts)}", "", parts.X
    for layer in parts.layers:
        m = layer.m
        z, a = of("z", m), of("a", m)
        weighted_sum = f"{of('W', m)} {of('a', m - 1)} + {of('b', m)}"
        yield "forward", f"z({m})", f"{z} = {weighted_sum}", "", layer.z
        yield from _activated(parts, layer, z, a)
    yield "forward", "C", _cost(parts), parts.loss.name, C


def _activated(parts: Parts, layer: LayerParts, z: str, a: str) -> Iterator[Line]:
    """Yield a(m) from z(m), with u(m) between them in a normalised layer."""
    m, σ, name = layer.m, parts.letters.activation, layer.activation.name
    if layer.norm is None:
        yield "forward", f"a({m})", f"{a} = {σ}({z})", name, layer.a
        return
    u, kind = f"u({m})", f"{layer.norm.name} norm"
    scaled = "γ({m}) ⊙ norm({x}) + β({m})"
    first, then = (f"{σ}({z})", scaled.format(m=m, x=u)), (scaled.format(m=m, x=z), f"{σ}({u})")
    formulas, rules = (first, (name, kind)) if layer.norm.after else (then, (kind, name))
    yield "forward", u, f"{u} = {formulas[0]}", rules[0], layer.extra[0]
    yield "forward", f"a({m})", f"{a} = {formulas[1]}", rules[1], layer.a


def _input_letter(parts: Parts) -> str:
    return "x" if parts.letters.a == "a" else "X"


def _cost(parts: Parts) -> str:
    cost, a = parts.letters.cost, parts.letters.quantity("a", parts.last.m)
    if parts.weighted:
        return f"{cost} = Σₙ wₙ {cost}({a}ₙ, tₙ) / Σₙ wₙ"
    if parts.rows > 1:
        return f"{cost} = 1/N Σₙ {cost}({a}ₙ, tₙ)"
    return f"{cost} = {cost}({a}, t)"


def _backward(parts: Parts) -> Iterator[Line]:
    of, last = parts.letters.quantity, parts.last.m
    for layer in reversed(parts.layers):
        m, rule = layer.m, layer.rule
        grad_z, grad_a = of("grad_z", m), of("grad_a", m)
        if m == last:
            by_a, source = f"∂{parts.letters.cost}/∂{of('a', m)}", parts.loss.name
            if by_a == grad_a:
                by_a = f"{parts.letters.cost}′({of('a', m)}, t){_share(parts)}"
        else:
            by_a, source = f"{of('W', m + 1)}ᵀ {of('grad_z', m + 1)}", ""
        yield "backward", f"grad_a({m})", f"{grad_a} = {by_a}", source, layer.grad_a
        by_z = product(parts, layer)
        if m == last and parts.is_fused and layer.norm is None:
            by_z += f" = {difference(parts)}"
        yield "backward", f"grad_z({m})", f"{grad_z} = {by_z}", rule, layer.grad_z
        if layer.norm:
            of_norm = (("γ", "gamma", 3), ("β", "beta", 4))
            for letter, word, place in of_norm:
                formula = f"∂{parts.letters.cost}/∂{letter}({m})"
                yield "backward", f"grad_{word}({m})", formula, "", layer.extra[place]
        by_W = f"{grad_z} {of('a', m - 1)}ᵀ"
        yield "backward", f"grad_W({m})", f"{of('grad_W', m)} = {by_W}", "", layer.grad_W
        by_b = grad_z if parts.rows == 1 else f"Σₙ {grad_z}ₙ"
        yield "backward", f"grad_b({m})", f"{of('grad_b', m)} = {by_b}", "", layer.grad_b


def difference(parts: Parts) -> str:
    """Return grad_z(L) of partners: a − t with the row's weight."""
    apart, share = f"{parts.letters.quantity('a', parts.last.m)} − t", _share(parts)
    return f"({apart}){share}" if share else apart


def _share(parts: Parts) -> str:
    """Return the factor with which a row's own cost enters C."""
    if parts.weighted:
        return " wₙ/Σw"
    return "/N" if parts.rows > 1 else ""


def product(parts: Parts, layer: LayerParts) -> str:
    """Return grad_z(m) from grad_a(m): a Hadamard product, or one with a Jacobian."""
    grad_a = parts.letters.quantity("grad_a", layer.m)
    if layer.norm is not None:
        a, z = (parts.letters.quantity(name, layer.m) for name in ("a", "z"))
        return f"(∂{a}/∂{z})ᵀ {grad_a}"
    if layer.acts_on_rows:
        return f"J({layer.m})ᵀ {grad_a}"
    return f"{grad_a} ⊙ {parts.letters.slope}({parts.letters.quantity('z', layer.m)})"


def notes(parts: Parts) -> Iterator[str]:
    """Yield what has to be known to read the formulas."""
    write = parts.letters
    of, last = write.quantity, parts.last
    yield (
        "Formulas are the lecture's, for columns. The arrays hold an example in each row: "
        f"there {of('z', 1)} is {of('a', 0)} {of('W', 1)}ᵀ + {of('b', 1)}, and "
        f"{of('grad_W', 1)} is {of('grad_z', 1)}ᵀ {of('a', 0)}."
    )
    if parts.weighted:
        yield f"Row n of {_rows_of(write)} carries its share wₙ/Σw of {write.cost}."
    elif parts.rows > 1:
        yield f"Every row of {_rows_of(write)} carries its share 1/N of {write.cost}."
    if parts.is_fused and not last.norm:
        yield (
            f"{last.activation.name} and {parts.loss.name} are partners: what one divides by "
            f"the other multiplies with, and {of('a', last.m)} − t is left. It is computed as "
            "this difference, which stays accurate where the factors overflow or vanish."
        )
    normed = [layer for layer in parts.layers if layer.norm]
    if normed:
        yield (
            "norm(x) = (x − μ)/√(v + ε): layer norm takes mean μ and variance v of an example over "
            "the units; batch norm has, in evaluation as here, the running ones. The step back "
            f"from {of('grad_a', normed[0].m)} goes through σ and this."
        )
    numbers = [layer.m for layer in parts.layers if layer.acts_on_rows and not layer.norm]
    if numbers:
        m, name = numbers[0], parts.layers[numbers[0] - 1].activation.name
        a = of("a", m)
        yield (
            f"{name} is not elementwise: its Jacobian J({m}) = diag({a}) − {a} {a}ᵀ takes the "
            f"place of ⊙ {write.slope}."
        )
    if write.cost == "L":
        yield (
            "The deck has no b: it is this project's addition. It writes w for W where it "
            f"differentiates, and the transpose of {of('grad_W', 1)}: inputs x outputs."
        )


def _rows_of(write: Letters) -> str:
    return f"{write.grad_z.replace('({})', '')} and {write.grad_a.replace('({})', '')}"
