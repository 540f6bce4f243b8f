"""A small grammar of NumPy: expressions are parsed and walked, never run as Python."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from swiftbackprop._net.arrays import FloatArray
from swiftbackprop.lab._answer_text import grammar_signs

Value: TypeAlias = Any


class NotInGrammar(ValueError):
    """What is written is no expression of the grammar, whatever the shapes."""


_LONGEST = 300  # characters of an expression
_LARGEST = 10_000  # numbers of an array
_MOST_AXES = 3
_MODULES = ("np", "numpy", "jnp", "torch", "tf", "cp")
_TORCH = {"mm": "matmul", "mul": "multiply", "dim": "axis", "keepdim": "keepdims"}
_ENDS = (("", ""), ("t", ".T"))
_DEEPEST = 40  # levels of the tree

_BINARY: dict[type[ast.operator], tuple[str, Callable[[Value, Value], Value]]] = {
    ast.Add: ("+", operator.add),
    ast.Sub: ("-", operator.sub),
    ast.Mult: ("*", operator.mul),
    ast.Div: ("/", operator.truediv),
    ast.Pow: ("**", operator.pow),
}


def shown(value: FloatArray) -> str:
    """Return a shape as the lectures write it.

    Examples
    --------
    >>> import numpy as np
    >>> from swiftbackprop.lab._expression import shown
    >>> shown(np.ones((3, 2))), shown(np.ones(3)), shown(np.float64(2))
    ('3 × 2', '(3,)', 'a number')
    """
    shape = np.shape(value)
    if not shape:
        return "a number"
    return str(shape) if len(shape) == 1 else " × ".join(map(str, shape))


def evaluate(text: str, quantities: Mapping[str, FloatArray]) -> FloatArray:
    """Return the value of an expression in named quantities.

    The grammar has the operators ``@ * / + - **``, the slides' ``⊙`` and ``ᵀ``, ``.T``, indices,
    and some functions and methods of NumPy; other signs for these are read too, see
    `grammar_signs`. Every array is checked before it is made.

    Raises
    ------
    ValueError
        In one sentence: what does not fit, in rows and columns, or what the grammar lacks.

    Examples
    --------
    >>> import numpy as np
    >>> from swiftbackprop.lab._expression import evaluate
    >>> evaluate("Wᵀ @ g", {"W": np.array([[1.0, 2.0]]), "g": np.array([[3.0]])})
    array([[3.],
           [6.]])
    """
    if len(text) > _LONGEST:
        raise NotInGrammar(f"an expression has at most {_LONGEST} characters, got {len(text)}")
    # ⊙ binds as the other products do, and // is free: nothing here is divided by floor.
    if "//" in text:
        raise NotInGrammar("// is not part of the grammar: ⊙ or * multiply, / divides")
    if "einsum" in text:
        raise NotInGrammar(
            "einsum has the formula's indices: write the same with whole matrices, by @, .T and ⊙"
        )
    source = grammar_signs(text).strip().replace("⊙", "//")
    try:
        tree = ast.parse(source, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        said = getattr(error, "msg", None) or str(error)
        raise NotInGrammar(
            f"{text!r} is not an expression ({said}): write products out, with @, ⊙ or *"
        ) from None
    with np.errstate(all="ignore"):
        value = _Walk(quantities).value(tree, 0)
    if not isinstance(value, float | np.ndarray):
        raise NotInGrammar(f"{text!r} has no number for a value")
    return np.asarray(value, np.float64)


class _Walk:
    """Evaluates a tree; whatever is not named here is refused."""

    def __init__(self, quantities: Mapping[str, FloatArray]) -> None:
        self._quantities = quantities

    def value(self, node: ast.expr, depth: int) -> Value:
        """Return the value of a node."""
        if depth > _DEEPEST:
            raise NotInGrammar(f"the expression is nested more than {_DEEPEST} levels deep")
        down = depth + 1
        if isinstance(node, ast.Constant):
            return _constant(node.value)
        if isinstance(node, ast.Name):
            return self._named(node.id)
        if isinstance(node, ast.BinOp):
            left, right = self.value(node.left, down), self.value(node.right, down)
            return _binary(type(node.op), left, right, _text(node.left), _text(node.right))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
            operand = self.value(node.operand, down)
            return -operand if isinstance(node.op, ast.USub) else operand
        if isinstance(node, ast.Attribute) and node.attr == "T":
            return np.transpose(self.value(node.value, down))
        if isinstance(node, ast.Subscript):
            return _indexed(self.value(node.value, down), node.slice)
        if isinstance(node, ast.Call):
            return self._call(node, down)
        if isinstance(node, ast.Tuple):
            raise NotInGrammar("a comma stands between two values: decimals have a point, as 0.5")
        raise NotInGrammar(
            f"{_text(node)!r} is not part of the grammar: there are {', '.join(self._quantities)}, "
            "@ ⊙ * / + - **, .T, indices and NumPy's "
            f"{', '.join(f'np.{name}' for name in _FUNCTIONS)}"
        )

    def _named(self, name: str) -> FloatArray:
        if name not in self._quantities:
            meant = {own.lower() + end: own + dot for own in self._quantities for end, dot in _ENDS}
            near = meant.get(name.lower())
            raise NotInGrammar(
                f"there is no {name!r} here: there are {', '.join(self._quantities)}"
                + f"; write {near}" * bool(near)
            )
        return self._quantities[name]

    def _call(self, node: ast.Call, depth: int) -> Value:
        """Call a function np.f(x, ...) or a method x.f(...) of the few there are."""
        function = node.func
        if isinstance(function, ast.Name) and function.id in self._quantities:
            raise NotInGrammar(
                f"{function.id} is an array and not a function: {function.id} alone is all of it, "
                "and @ multiplies"
            )
        name = function.attr if isinstance(function, ast.Attribute) else ""
        name = _TORCH.get(name, name)
        if not isinstance(function, ast.Attribute) or name not in _FUNCTIONS:
            raise NotInGrammar(
                f"{_text(function)!r} is not part of the grammar: the functions are "
                f"{', '.join(f'np.{name}' for name in _FUNCTIONS)}"
            )
        nodes = list(node.args)
        if not (isinstance(function.value, ast.Name) and function.value.id in _MODULES):
            nodes.insert(0, function.value)
        operands, made = _FUNCTIONS[name]
        if len(nodes) < operands:
            raise NotInGrammar(f"{name} takes {operands} arrays, got {len(nodes)}")
        arrays = [self.value(argument, depth) for argument in nodes[:operands]]
        texts = [_text(argument) for argument in nodes[:operands]]
        options = _options(name, nodes[operands:], node.keywords)
        return made(*arrays, *texts, **options)


def _options(
    name: str, positional: list[ast.expr], keywords: list[ast.keyword]
) -> dict[str, Value]:
    """Return axis and keepdims of a sum."""
    given: list[tuple[str | None, ast.expr]] = [("axis", node) for node in positional]
    given += [(_TORCH.get(k.arg or "", k.arg), k.value) for k in keywords]
    options: dict[str, Value] = {}
    for key, node in given:
        if name not in ("sum", "mean") or key not in ("axis", "keepdims") or key in options:
            raise NotInGrammar(f"{name} does not take {_text(node)!r} here")
        options[key] = _literal(node)
    return options


def _literal(node: ast.expr) -> Value:
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        value = node
    if value is None or isinstance(value, bool) or (isinstance(value, int) and abs(value) < 1000):
        return value
    raise NotInGrammar(f"{_text(node)!r} must be a small whole number, True, False or None")


def _constant(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NotInGrammar(f"{value!r} is not a number")
    try:
        return float(np.float64(value))
    except OverflowError:
        raise NotInGrammar("a number here is below 1e308") from None


def _text(node: ast.expr) -> str:
    return ast.unparse(node).replace("//", "⊙")


def _checked(shape: tuple[int, ...]) -> None:
    """Refuse an array that is too large, before it is made."""
    if int(np.prod(shape, dtype=np.float64)) > _LARGEST:
        raise ValueError(f"an array of shape {shape} is too large: at most {_LARGEST} numbers")
    if len(shape) > _MOST_AXES:
        raise ValueError(f"an array of shape {shape} has more than {_MOST_AXES} axes")


# --- Products and other operators ---------------------------------------------------------


def _binary(kind: type[ast.operator], x: Value, y: Value, left: str, right: str) -> Value:
    if kind is ast.MatMult:
        return _matmul(x, y, left, right)
    if kind is ast.FloorDiv:
        return _hadamard(x, y, left, right)
    if kind not in _BINARY:
        raise NotInGrammar("the operators are @ ⊙ * / + - **")
    sign, operation = _BINARY[kind]
    try:
        shape = np.broadcast_shapes(np.shape(x), np.shape(y))
    except ValueError:
        raise ValueError(
            f"{left} is {shown(x)} and {right} is {shown(y)}: {sign} needs equal shapes"
            + ", and the product of matrices is @" * (sign == "*")
        ) from None
    _checked(shape)
    # As arrays: Python's own numbers raise where NumPy's give infinity.
    return np.asarray(operation(np.asarray(x, np.float64), np.asarray(y, np.float64)))


def _matmul(x: Value, y: Value, left: str, right: str) -> Value:
    if not np.ndim(x) or not np.ndim(y):
        raise ValueError("@ is a product of matrices: a number multiplies by *")
    inner, rows = np.shape(x)[-1], np.shape(y)[0 if np.ndim(y) == 1 else -2]
    if inner != rows:
        raise ValueError(
            f"{left} is {shown(x)} and {right} is {shown(y)}: a product needs as many columns on "
            f"the left ({inner}) as rows on the right ({rows})"
        )
    if np.ndim(x) > 2 or np.ndim(y) > 2:
        raise ValueError("a product @ is of two matrices or vectors here")
    _checked((*np.shape(x)[:-1], *np.shape(y)[1:]))
    return np.asarray(np.matmul(x, y))


def _hadamard(x: Value, y: Value, left: str, right: str) -> Value:
    if np.shape(x) != np.shape(y):
        raise ValueError(
            f"{left} is {shown(x)} and {right} is {shown(y)}: ⊙ multiplies entry by entry and "
            "needs equal shapes"
        )
    return np.multiply(x, y)


def _outer(x: Value, y: Value, left: str, right: str) -> Value:
    _checked((np.size(x), np.size(y)))
    return np.outer(x, y)


# --- Sums and shapes ----------------------------------------------------------------------


def _reduced(
    function: Callable[..., Value],
    x: Value,
    text: str,
    axis: int | None = None,
    keepdims: bool = False,
) -> Value:
    if axis is not None and not -np.ndim(x) <= int(axis) < np.ndim(x):
        raise ValueError(f"{text} is {shown(x)}: it has no axis {axis}")
    return np.asarray(function(np.asarray(x), axis=axis, keepdims=bool(keepdims)))


def _diag(x: Value, text: str) -> Value:
    if np.ndim(x) not in (1, 2):
        raise ValueError(f"{text} is {shown(x)}: diag takes a vector or a matrix")
    if np.ndim(x) == 1:
        _checked((np.size(x), np.size(x)))
    return np.diag(x)


def _diagflat(x: Value, text: str) -> Value:
    _checked((np.size(x), np.size(x)))
    return np.diagflat(x)


_FUNCTIONS: dict[str, tuple[int, Callable[..., Value]]] = {
    "dot": (2, _matmul),
    "matmul": (2, _matmul),
    "multiply": (2, partial(_binary, ast.Mult)),
    "outer": (2, _outer),
    "sum": (1, partial(_reduced, np.sum)),
    "mean": (1, partial(_reduced, np.mean)),
    "diag": (1, _diag),
    "diagflat": (1, _diagflat),
    "transpose": (1, lambda x, text: np.transpose(x)),
    "ravel": (1, lambda x, text: np.ravel(x)),
}


def _indexed(x: Value, node: ast.expr) -> Value:
    """Return x[...] for whole numbers, slices and None."""
    nodes = node.elts if isinstance(node, ast.Tuple) else [node]
    index: list[Any] = []
    for part in nodes:
        if isinstance(part, ast.Slice):
            ends = (part.lower, part.upper, part.step)
            index.append(slice(*(None if end is None else _literal(end) for end in ends)))
        elif isinstance(part, ast.Attribute) and part.attr == "newaxis":
            index.append(None)
        else:
            index.append(_literal(part))
    if any(isinstance(part, bool) for part in index):
        raise NotInGrammar("an index is a whole number, a slice or None")
    if np.ndim(x) + index.count(None) > _MOST_AXES:
        raise ValueError(f"an array has at most {_MOST_AXES} axes here")
    try:
        return np.asarray(np.asarray(x)[tuple(index)])
    except (IndexError, ValueError) as error:
        raise ValueError(f"the index does not fit {shown(x)}: {error}") from None
