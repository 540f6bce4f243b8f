"""What a student's backward pass returned, read into arrays by quantity and layer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._net.base import NetworkBase
from swiftbackprop._net.names import translated, unknown
from swiftbackprop.lab._diagnosis import agrees

QUANTITIES = ("grad_W", "grad_b", "grad_z", "grad_a")
_FROM_ZERO = ("grad_a", "a")  # whose lists may begin with layer 0
_MATRICES, _VECTORS = ("grad_W", "W"), ("grad_b", "b")
Arrays: TypeAlias = dict[tuple[str, int], FloatArray]


class Returned(NamedTuple):
    """The arrays of a result, as rows and from layer 1 on, and how they were given.

    Attributes
    ----------
    arrays : dict
        By quantity and layer.
    columns : bool
        Whether an example was a column.
    reversed : frozenset of str
        Quantities whose lists ran from the last layer to the first.
    """

    arrays: Arrays
    columns: bool
    reversed: frozenset[str]


def read(
    value: Any,
    net: NetworkBase,
    truth: Mapping[tuple[str, int], FloatArray],
    columns: bool,
    names: tuple[str, ...] = QUANTITIES,
) -> Returned:
    """Read a result in any of its forms; `truth` are the right arrays.

    `columns` says whether an example is a column; what is plainly one by its shapes is read so
    anyway. `names` are what may be there; of lists without names, the first two.
    """
    arrays: Arrays = {}
    turned = set()
    for quantity, parts, is_list in _parts(value, net, truth, names):
        found = dict(_numbers(quantity, parts))
        if is_list and (other := _reversed(found, truth)):
            turned.add(quantity)
            found = other
        arrays.update(found)
    columns = columns or _are_columns(arrays, truth)
    if columns:
        arrays = {key: _as_rows(array, key, truth[key]) for key, array in arrays.items()}
    return Returned(arrays, columns, frozenset(turned))


# --- Lists and dicts ----------------------------------------------------------------------


def _parts(
    value: Any,
    net: NetworkBase,
    truth: Mapping[tuple[str, int], FloatArray],
    names: tuple[str, ...],
) -> Iterator[tuple[str, Mapping[int, Any], bool]]:
    """Yield quantity, arrays by layer, and whether they were a list."""
    L = len(net.layers)
    if isinstance(value, Mapping):
        for key, item in value.items():
            quantity, m = _key(key, L, names)
            parts = {m: item} if m is not None else _by_layer(quantity, item, L, names)
            yield quantity, parts, m is None and not isinstance(item, Mapping)
        return
    if isinstance(value, np.ndarray) and value.dtype != object:
        if value.shape != net.parameters.shape:
            raise ValueError(
                f"student_fn returned one array of shape {value.shape}: expected "
                f"{net.parameters.shape}, all gradients in the order of net.parameters"
            )
        pairs, is_list = _flat_pairs(value, net, truth, names), False
    elif isinstance(value, list | tuple):
        pairs, is_list = _pairs(value, L, truth, names), True
    else:
        first, second = names[:2]
        raise TypeError(
            f"student_fn must return a dict such as {{'{first}': [...], '{second}': [...]}} or a "
            f"list of pairs ({first}, {second}), got {type(value).__name__}"
        )
    for quantity, arrays in zip(names[:2], zip(*pairs, strict=True), strict=True):
        yield quantity, dict(enumerate(arrays, start=1)), is_list


def _key(key: object, L: int, names: tuple[str, ...]) -> tuple[str, int | None]:
    """Return quantity and layer of a dict's key; no layer if it is a list's."""
    match = re.fullmatch(r"(\w*?)_?\(?(\d+)?\)?", str(key))
    quantity, digits = match.groups() if match else (str(key), None)
    if quantity not in names:
        named = quantity if translated("quantity", quantity) in names else str(key)
        raise ValueError(f"student_fn returned an {unknown('quantity', named, names)}")
    m = None if digits is None else int(digits)
    first = 0 if quantity in _FROM_ZERO else 1
    if m is not None and not first <= m <= L:
        raise ValueError(
            f"student_fn returned {key!r}, but {quantity} belongs to the layers {first} to {L}"
        )
    return quantity, m


def _by_layer(quantity: str, value: Any, L: int, names: tuple[str, ...]) -> dict[int, Any]:
    """Return a list's arrays by the number of their layer."""
    if isinstance(value, Mapping):
        return {_key(f"{quantity}{m}", L, names)[1] or 0: array for m, array in value.items()}
    if not isinstance(value, list | tuple):
        raise TypeError(
            f"{quantity} must be a list with one array for each layer 1 to {L}, got "
            f"{type(value).__name__}; a single array has its layer in the key, as {quantity}1"
        )
    first = 0 if quantity in _FROM_ZERO and len(value) == L + 1 else 1
    if len(value) != L + 1 - first:
        raise ValueError(
            f"{quantity}: expected {L} arrays, one for each layer from layer 1 (None for one that "
            f"was not computed), got {len(value)}"
        )
    return dict(enumerate(value, start=first))


def _pairs(
    returned: Sequence[Any],
    L: int,
    truth: Mapping[tuple[str, int], FloatArray],
    names: tuple[str, ...],
) -> list[tuple[Any, Any]]:
    """Return pairs from pairs, or from a list of grad_W and one of grad_b, by their shapes."""
    first, second = names[:2]
    items = [list(item) if isinstance(item, list | tuple) else [] for item in returned]
    readings = []
    if len(items) == L and all(len(item) == 2 for item in items):
        readings.append([(W, b) for W, b in items])
    if len(items) == 2 and all(len(item) == L for item in items):
        readings.append(list(zip(*items, strict=True)))
    if not readings:
        raise ValueError(
            f"a list from student_fn must have a pair ({first}, {second}) for each of the {L} "
            f"layers, or be two lists, ({first}s, {second}s), of {L} arrays each"
        )

    def fit(pairs: list[tuple[Any, Any]]) -> int:
        rights = [[truth[name, m] for m in range(1, L + 1)] for name in (first, second)]
        points = 0
        for pair in pairs:
            arrays = [_as_array(item) for item in pair]
            for array, right in zip(arrays, rights, strict=True):
                points += (array.ndim == right[0].ndim) + (array.size in {r.size for r in right})
            # So it is too where the sum over the rows is missing in both.
            points += 2 * (arrays[0].ndim - arrays[1].ndim == rights[0][0].ndim - rights[1][0].ndim)
        return points

    return max(readings, key=fit)


def _flat_pairs(
    value: npt.NDArray[Any],
    net: NetworkBase,
    truth: Mapping[tuple[str, int], FloatArray],
    names: tuple[str, ...],
) -> list[tuple[Any, Any]]:
    """Return pairs from one array; each matrix row by row, if it is plainly meant so."""
    pairs = [(W, b) for W, b, *_ in net.unflatten(value)]
    if value.dtype.kind == "c":
        return pairs
    by_rows = [(W.ravel(order="K").reshape(W.shape), b) for W, b in pairs]

    def agreeing(pairs: list[tuple[Any, Any]]) -> int:
        arrays = {(names[0], m): W.astype(float) for m, (W, _) in enumerate(pairs, start=1)}
        return _score(arrays, truth)[0]

    return by_rows if agreeing(by_rows) > agreeing(pairs) else pairs


def _as_array(value: Any) -> npt.NDArray[Any]:
    try:
        return np.asarray(value)
    except ValueError:  # lists of unequal lengths
        return np.empty(())


def _numbers(
    quantity: str, parts: Mapping[int, Any]
) -> Iterator[tuple[tuple[str, int], FloatArray]]:
    for m, value in parts.items():
        if value is None:
            continue
        try:
            array = np.array(value)
            if array.dtype.kind == "c":
                raise TypeError(f"its numbers are complex ({array.dtype})")
            yield (quantity, m), array.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise TypeError(f"{quantity}({m}) is not an array of real numbers: {error}") from error


# --- The order of the layers, and rows or columns -----------------------------------------


def _reversed(arrays: Arrays, truth: Mapping[tuple[str, int], FloatArray]) -> Arrays | None:
    """Return a list the other way round, if it is plainly meant so; else None."""
    numbers = [m for _, m in arrays]
    if len(numbers) < 2:
        return None
    turn = min(numbers) + max(numbers)
    other = {(name, turn - m): array for (name, m), array in arrays.items()}
    (agree, fit), (agree_turned, fit_turned) = (_score(a, truth) for a in (arrays, other))
    by_numbers = agree_turned > agree
    by_shapes = agree_turned == agree and fit_turned == len(arrays) > fit
    return other if by_numbers or by_shapes else None


def _score(arrays: Arrays, truth: Mapping[tuple[str, int], FloatArray]) -> tuple[int, int]:
    """Return how many arrays are right, and how many have the right shape, perhaps turned."""
    agree = fit = 0
    for key, array in arrays.items():
        right = truth.get(key, np.empty(0))
        shapes = (right.shape, right.T.shape, (right.size, 1)[: 1 + (right.ndim == 1)])
        agree += agrees(_as_rows(array, key, right), right) or agrees(array, right)
        fit += array.shape in shapes
    return agree, fit


def _are_columns(arrays: Arrays, truth: Mapping[tuple[str, int], FloatArray]) -> bool:
    """Whether all that could be an example in a column is one by its shape."""
    told = []
    for (name, m), array in arrays.items():
        right = truth[name, m].shape
        if name in _VECTORS:
            told.append(array.shape == (*right, 1))
        elif name not in _MATRICES and right[0] != right[1]:
            told.append(array.shape == right[::-1])
    return bool(told) and all(told)


def _as_rows(array: FloatArray, key: tuple[str, int], right: FloatArray) -> FloatArray:
    """Return an array of columns as one of rows."""
    if key[0] in _VECTORS:
        return array[:, 0] if array.shape == (*right.shape, 1) else array
    return array.T if key[0] not in _MATRICES and array.shape == right.shape[::-1] else array
