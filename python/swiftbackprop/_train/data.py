"""The data of `fit`: read, checked, split, and weighed by their classes."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from swiftbackprop._engine.loader import core
from swiftbackprop._net.arrays import FloatArray, as_data, check_some_weight
from swiftbackprop._net.caller import outside
from swiftbackprop._net.checks import as_int, as_number, listed
from swiftbackprop._net.labels import encode
from swiftbackprop._train.class_weight import ClassWeights, class_numbers
from swiftbackprop._train.row_stream import RowStream
from swiftbackprop._train.session import Record

if TYPE_CHECKING:
    from swiftbackprop._net.base import NetworkBase
    from swiftbackprop._train.processes import Processes
    from swiftbackprop._train.stream_validation import StreamValidation


_VALID = " of validation_data"
_WEIGHTED = "the weight, of class_weight and sample_weight, of the {} rows"


@dataclass(frozen=True)
class Data:
    """The arrays of a training session, whole, of any numeric dtype."""

    X: FloatArray
    y: FloatArray
    weights: FloatArray | None
    valid_X: FloatArray | None = None
    valid_y: FloatArray | None = None
    valid_weights: FloatArray | None = None

    def begin(self, net: NetworkBase, *settings: Any) -> core.FitSession:
        """Return the engine's session on them; `settings` are what `Net._fit` takes beside."""
        valid = self.valid_X, self.valid_y, self.valid_weights
        return net._fit(self.X, self.y, self.weights, *valid, *settings)


def gather(
    net: NetworkBase,
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    sample_weight: npt.ArrayLike | None = None,
    validation_data: Sequence[npt.ArrayLike] | None = None,
    validation_split: float = 0.0,
    stratify: bool = False,
    is_shared: bool = False,
) -> Data:
    """Return the arrays of a session; nothing is copied that is an array already.

    With `is_shared` they are those of one of several processes, which may have no row to train or
    to validate on.
    """
    train = _three(net, is_shared, "", X, y, sample_weight)
    split = as_number(validation_split, "validation_split", min_=0, below=1)
    if validation_data is None:
        if stratify and not split:
            raise ValueError("stratify=True needs validation_split: give both")
        return _split(net, train, split, stratify, is_shared) if split else Data(*train)
    if stratify:
        raise ValueError("stratify=True needs validation_split, not validation_data")
    if split:
        raise ValueError("give either validation_split or validation_data, not both")
    if not isinstance(validation_data, tuple | list) or len(validation_data) not in (2, 3):
        size = f" of {len(validation_data)}" if hasattr(validation_data, "__len__") else ""
        raise TypeError(
            "validation_data must be a tuple (X, y) or (X, y, sample_weight), got "
            f"{type(validation_data).__name__}{size}"
        )
    return Data(*train, *_three(net, is_shared, _VALID, *validation_data))


def _three(
    net: NetworkBase, is_shared: bool, where: str, X: Any, y: Any, weights: Any = None
) -> tuple[FloatArray, FloatArray, FloatArray | None]:
    w = None if weights is None else as_data(weights, f"sample_weight{where}")
    if w is not None and not is_shared:  # of several processes another may have the weights
        check_some_weight(w, f"sample_weight{where}")
    return as_data(X, f"X{where}"), encode(net, y, f"y{where}"), w


def _split(
    net: NetworkBase,
    train: tuple[FloatArray, FloatArray, FloatArray | None],
    share: float,
    stratify: bool,
    is_shared: bool,
) -> Data:
    """Return the first rows to train on and the last ones to validate on, as views.

    With `stratify` these are the first and last rows of every class, as copies.
    """
    X, y, weights = train
    rows = len(X)
    if len(y) != rows or (weights is not None and len(weights) != rows):
        return Data(X, y, weights)  # the engine says what does not fit
    is_class = net.loss.flags & core.RULE_CLASSES or stratify
    numbers = class_numbers(y, net.sizes[-1]) if is_class else None
    first = round(rows * (1 - share))
    one: Any = slice(0, first)
    other: Any = slice(first, rows)
    if stratify:
        if numbers is None:
            raise ValueError("stratify=True expects class numbers or one-hot rows as y")
        held = _last_of_each(numbers, share)
        one, other = np.flatnonzero(~held), np.flatnonzero(held)
        first = len(one)
    if not is_shared and not 0 < first < rows:
        raise ValueError(
            f"validation_split={share} leaves {first} of {rows} rows to train on and "
            f"{rows - first} to validate on; both need one at least"
        )
    if numbers is not None and not stratify and not is_shared:
        _warn_of_sides(net, numbers[one], numbers[other], share)
    parts = [None if part is None else part[one] for part in train]
    rest = [None if part is None else part[other] for part in train]
    if rest[2] is not None and not is_shared:
        check_some_weight(rest[2], "sample_weight of the validation rows")
    return Data(*parts, *rest)  # type: ignore[arg-type]


def _last_of_each(numbers: FloatArray, share: float) -> npt.NDArray[np.bool_]:
    """Return which rows are among the last of their class."""
    held = np.zeros(len(numbers), np.bool_)
    for number in np.unique(numbers):
        rows = np.flatnonzero(numbers == number)
        held[rows[round(len(rows) * (1 - share)) :]] = True
    return held


def _warn_of_sides(net: NetworkBase, one: FloatArray, other: FloatArray, share: float) -> None:
    """Say so if there are classes to train on or to validate on alone, as in sorted rows.

    A class of which the other side could not expect a row is rare, and no sign of an order.
    """
    sides = []
    for found, missing, of_others, where in (
        (one, other, share, "to train on"),
        (other, one, 1 - share, "to validate on"),
    ):
        counts = Counter(found.tolist())
        present = set(missing.tolist())
        alone = sorted(k for k, n in counts.items() if n * of_others >= 1 and k not in present)
        if alone:
            names = [str(net._classes[k]) if net._classes is not None else str(k) for k in alone]
            shown = listed(names, 5)
            sides.append(f"class {shown} is among the rows {where} alone")
    if sides:
        warnings.warn(
            f"validation_split={share:g} takes the last rows, and {'; '.join(sides)}: write "
            "stratify=True, or shuffle the rows first",
            stacklevel=outside(),
        )


@dataclass(frozen=True)
class ChunkedData:
    """Training data that come in pieces, and the arrays to validate on."""

    source: Any
    valid: Data  # whose X and y say nothing
    steps: int | None = None
    classes: ClassWeights | None = None
    batches: int = 0  # of an epoch, if that is known
    evaluate: Callable[[Any, Any, Any], Record] | None = None  # in place of the engine
    close: Callable[[], None] | None = None  # at the end of training
    stream: StreamValidation | None = None  # what evaluates, where rows to validate come in parts

    def holds_validation(self) -> bool:
        """Whether there are rows to validate on in arrays that the engine reads."""
        X = self.valid.valid_X
        if not isinstance(X, np.ndarray):  # a stream, or sparse rows
            return False
        return self.evaluate is None or len(X) > 0  # one of several processes may have none


def gather_pieces(
    net: NetworkBase,
    pieces: Any,
    *,
    steps: int | None = None,
    batch_size: int | None = None,
    class_weight: Mapping[Any, float] | str | None = None,
    sample_weight: npt.ArrayLike | None = None,
    validation_data: Sequence[npt.ArrayLike] | RowStream | None = None,
    validation_split: float = 0.0,
    targets: Iterable[FloatArray] | None = None,
    processes: Processes | None = None,
) -> ChunkedData:
    """Return the data of a session whose X is an iterable of pairs.

    `targets` are those of all pieces, if they can be had, for balanced weights of classes;
    `processes` have other pieces.
    """
    if sample_weight is not None:
        raise ValueError("without y, weights come with the pieces: (X, y, sample_weight)")
    if validation_split:
        raise ValueError("validation_split needs arrays: give validation_data")
    if class_weight == "balanced" and targets is None:
        raise ValueError('class_weight="balanced" needs all of y: give a dict')
    none = np.zeros((1, net.sizes[0])), np.zeros(0, np.int64)
    total = None if processes is None else processes.sum
    classes = None
    if class_weight is not None:
        classes = ClassWeights(net, class_weight, targets or (), total)
    count = None if steps is None else as_int(steps, "steps_per_epoch", min_=1)
    batches = 0 if batch_size else count or 0
    if isinstance(validation_data, RowStream):
        from swiftbackprop._train.stream_validation import StreamValidation, check_stream

        check_stream(net, validation_data)
        rows: Any = validation_data
        held = Data(*none, None, rows, rows)
        evaluate = StreamValidation(net, validation_data, classes, processes)
        return ChunkedData(pieces, held, count, classes, batches, evaluate, stream=evaluate)
    valid = gather(net, *none, validation_data=validation_data)
    if classes is not None and valid.valid_y is not None:
        weights = classes.weigh(valid.valid_y, valid.valid_weights)
        if processes is None:
            check_some_weight(weights, _WEIGHTED.format("validation"))
        valid = replace(valid, valid_weights=weights)
    if processes is None or valid.valid_X is None or valid.valid_y is None:
        return ChunkedData(pieces, valid, count, classes, batches)
    from swiftbackprop._train.stream_validation import HeldRows, StreamValidation

    rows_held = HeldRows((valid.valid_X, valid.valid_y, valid.valid_weights))
    evaluate = StreamValidation(net, rows_held, None, processes)
    return ChunkedData(pieces, valid, count, classes, batches, evaluate, stream=evaluate)


def with_class_weight(
    net: NetworkBase,
    data: Data,
    class_weight: Mapping[Any, float] | str | None,
    total: Callable[[FloatArray], FloatArray] | None = None,
) -> Data:
    """Return the data with the weights of their classes in those of their rows.

    `total` makes of counts those of all processes that train together.
    """
    if class_weight is None:
        return data
    table = ClassWeights(net, class_weight, [data.y], total)
    weights, valid_weights = table.weigh(data.y, data.weights), data.valid_weights
    if total is None:
        check_some_weight(weights, _WEIGHTED.format("training"))
    if data.valid_y is not None:
        valid_weights = table.weigh(data.valid_y, valid_weights)
        if total is None:
            check_some_weight(valid_weights, _WEIGHTED.format("validation"))
    return replace(data, weights=weights, valid_weights=valid_weights)
