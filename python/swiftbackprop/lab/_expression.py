"""A small grammar of NumPy: expressions are parsed and walked, never run as Python."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

import numpy as np

from swiftbackprop._net.arrays import FloatArray
from swiftbackprop.lab._answer_text import grammar_signs
from swiftbackprop.lab._operations import FUNCTIONS, NotInGrammar, Value, binary, indexed

_LONGEST = 300  # characters of an expression
_MODULES = ("np", "numpy", "jnp", "torch", "tf", "cp")
_TORCH = {"mm": "matmul", "mul": "multiply", "dim": "axis", "keepdim": "keepdims"}
_ENDS = (("", ""), ("t", ".T"))
_DEEPEST = 40  # levels of the tree


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
            return binary(type(node.op), left, right, _text(node.left), _text(node.right))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
            operand = self.value(node.operand, down)
            return -operand if isinstance(node.op, ast.USub) else operand
        if isinstance(node, ast.Attribute) and node.attr == "T":
            return np.transpose(self.value(node.value, down))
        if isinstance(node, ast.Subscript):
            return indexed(self.value(node.value, down), _index(node.slice))
        if isinstance(node, ast.Call):
            return self._call(node, down)
        if isinstance(node, ast.Tuple):
            raise NotInGrammar("a comma stands between two values: decimals have a point, as 0.5")
        raise NotInGrammar(
            f"{_text(node)!r} is not part of the grammar: there are {', '.join(self._quantities)}, "
            "@ ⊙ * / + - **, .T, indices and NumPy's "
            f"{', '.join(f'np.{name}' for name in FUNCTIONS)}"
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
        if not isinstance(function, ast.Attribute) or name not in FUNCTIONS:
            raise NotInGrammar(
                f"{_text(function)!r} is not part of the grammar: the functions are "
                f"{', '.join(f'np.{name}' for name in FUNCTIONS)}"
            )
        nodes = list(node.args)
        if not (isinstance(function.value, ast.Name) and function.value.id in _MODULES):
            nodes.insert(0, function.value)
        operands, made = FUNCTIONS[name]
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


def _index(node: ast.expr) -> tuple[Any, ...]:
    """Return what stands in brackets: whole numbers, slices and None."""
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
    return tuple(index)
