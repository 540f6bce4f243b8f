"""Training over whole epochs: the loop around the engine's slices of work."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from swiftbackprop._engine.loader import core
from swiftbackprop._net.arrays import FloatArray, as_data, check_some_weight
from swiftbackprop._net.checks import as_int, as_number, listed
from swiftbackprop._net.labels import encode
from swiftbackprop._train.callback import CallbackLike, as_callbacks, call, sets_rate, wants_batches
from swiftbackprop._train.chunked import ChunkedSession, as_pieces
from swiftbackprop._train.class_weight import ClassWeights, class_numbers
from swiftbackprop._train.history import History
from swiftbackprop._train.session import BATCH_DONE, SLICE_NS, Record, TrainingSession
from swiftbackprop.metrics import MetricLike, as_metrics, without_accuracy

if TYPE_CHECKING:
    from swiftbackprop._net.base import NetworkBase
    from swiftbackprop._train.progress import ProgressBar

__all__ = [
    "ChunkedData",
    "Data",
    "Options",
    "columns",
    "fit",
    "gather",
    "gather_pieces",
    "with_class_weight",
]

_VALID = " of validation_data"
_WEIGHTED = "the weight, of class_weight and sample_weight, of the validation rows"


@dataclass(frozen=True)
class Data:
    """The arrays of a training session, whole, of any numeric dtype."""

    X: FloatArray
    y: FloatArray
    weights: FloatArray | None
    valid_X: FloatArray | None = None
    valid_y: FloatArray | None = None
    valid_weights: FloatArray | None = None


@dataclass(frozen=True)
class Options:
    """The other arguments of `fit`."""

    epochs: int
    batch_size: int | None  # None: 32 rows, or a piece as a whole
    shuffle: bool
    callbacks: Iterable[CallbackLike]
    progress: bool
    metrics: Iterable[MetricLike] = ()


def as_progress(progress: bool, verbose: object) -> bool:
    """Return whether to show a bar, by `progress` or by what Keras calls verbose."""
    if verbose is None:
        return progress
    if verbose == "auto" or (isinstance(verbose, int | np.bool_) and 0 <= verbose <= 2):
        return bool(verbose)
    raise ValueError(
        f'verbose must be 0 or False for no progress bar, or 1, 2, True or "auto", got {verbose!r}'
    )


def gather(
    net: NetworkBase,
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    sample_weight: npt.ArrayLike | None,
    validation_data: Sequence[npt.ArrayLike] | None,
    validation_split: float,
    stratify: bool = False,
) -> Data:
    """Return the arrays of a session; nothing is copied that is an array already."""
    train = _three(net, "", X, y, sample_weight)
    split = as_number(validation_split, "validation_split", min_=0, below=1)
    if validation_data is None:
        if stratify and not split:
            raise ValueError("stratify=True needs validation_split: give both")
        return _split(net, train, split, stratify) if split else Data(*train)
    if stratify:
        raise ValueError("stratify=True needs validation_split, not validation_data")
    if split:
        raise ValueError("give either validation_split or validation_data, not both")
    if not isinstance(validation_data, tuple | list) or len(validation_data) not in (
        2,
        3,
    ):
        size = f" of {len(validation_data)}" if hasattr(validation_data, "__len__") else ""
        raise TypeError(
            "validation_data must be a tuple (X, y) or (X, y, sample_weight), got a "
            f"{type(validation_data).__name__}{size}"
        )
    return Data(*train, *_three(net, _VALID, *validation_data))


def _three(
    net: NetworkBase, where: str, X: Any, y: Any, weights: Any = None
) -> tuple[FloatArray, FloatArray, FloatArray | None]:
    w = None if weights is None else as_data(weights, f"sample_weight{where}")
    if where and w is not None:
        check_some_weight(w, f"sample_weight{where}")
    return as_data(X, f"X{where}"), encode(net, y, f"y{where}"), w


def _split(
    net: NetworkBase,
    train: tuple[FloatArray, FloatArray, FloatArray | None],
    share: float,
    stratify: bool,
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
    if not 0 < first < rows:
        raise ValueError(
            f"validation_split={share} leaves {first} of {rows} rows to train on and "
            f"{rows - first} to validate on; both need one at least"
        )
    if numbers is not None and not stratify:
        _warn_of_sides(net, numbers[one], numbers[other], share)
    parts = [None if part is None else part[one] for part in train]
    rest = [None if part is None else part[other] for part in train]
    if rest[2] is not None:
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
            stacklevel=6,
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


def gather_pieces(
    net: NetworkBase,
    pieces: Any,
    steps: int | None,
    batch_size: int | None,
    class_weight: Mapping[Any, float] | str | None,
    sample_weight: npt.ArrayLike | None,
    validation_data: Sequence[npt.ArrayLike] | None,
    validation_split: float,
) -> ChunkedData:
    """Return the data of a session whose X is an iterable of pairs."""
    if sample_weight is not None:
        raise ValueError("without y, weights come with the pieces: (X, y, sample_weight)")
    if validation_split:
        raise ValueError("validation_split needs arrays: give validation_data")
    if class_weight == "balanced":
        raise ValueError('class_weight="balanced" needs all of y: give a dict')
    none = np.zeros((1, net.sizes[0])), np.zeros(0, np.int64)
    classes = None if class_weight is None else ClassWeights(net, class_weight, none[1])
    valid = gather(net, *none, None, validation_data, 0.0)
    if classes is not None and valid.valid_y is not None:
        weights = classes.weigh(valid.valid_y, valid.valid_weights)
        check_some_weight(weights, _WEIGHTED)
        valid = replace(valid, valid_weights=weights)
    count = None if steps is None else as_int(steps, "steps_per_epoch", min_=1)
    return ChunkedData(pieces, valid, count, classes, 0 if batch_size else count or 0)


def _begin_pieces(
    net: NetworkBase, data: ChunkedData, options: Options, epochs: int, pause: int
) -> ChunkedSession:
    size = options.batch_size
    X, y, weights = data.valid.valid_X, data.valid.valid_y, data.valid.valid_weights
    return ChunkedSession(
        net,
        as_pieces(data.source, epochs, data.steps),
        epochs,
        None if size is None else as_int(size, "batch_size", min_=1),
        data.steps,
        data.batches,
        bool(options.shuffle),
        pause,
        None if X is None or y is None else (X, y, weights),
        data.evaluate,
        data.classes,
    )


def with_class_weight(
    net: NetworkBase, data: Data, class_weight: Mapping[Any, float] | str | None
) -> Data:
    """Return the data with the weights of their classes in those of their rows."""
    if class_weight is None:
        return data
    table = ClassWeights(net, class_weight, data.y)
    valid_weights = data.valid_weights
    if data.valid_y is not None:
        valid_weights = table.weigh(data.valid_y, valid_weights)
        check_some_weight(valid_weights, _WEIGHTED)
    return replace(data, weights=table.weigh(data.y, data.weights), valid_weights=valid_weights)


def fit(net: NetworkBase, data: Data | ChunkedData, options: Options) -> History:
    """Train a network; `Network.fit` documents it."""
    epochs = as_int(options.epochs, "epochs", min_=0)
    callbacks = as_callbacks(options.callbacks)
    run = _Run(net, data, callbacks, options)
    history = run.history
    session: TrainingSession | None = None
    try:
        # Inside, so that Ctrl-C at any moment gives the network back.
        if isinstance(data, ChunkedData):
            session = _begin_pieces(net, data, options, epochs, run.pause)
        else:
            session = _begin(net, data, options, epochs, run.pause)
        net._history, net._stopped = history, False
        if options.progress and epochs:
            from swiftbackprop._train.progress import ProgressBar

            run.bar = ProgressBar(epochs, run.batches)
        run.begin(session)
        history.stop_reason = run.advance(session)
    except KeyboardInterrupt:
        history.stop_reason = "interrupted"
        raise
    except core.DivergenceError:
        history.stop_reason = "diverged"
        raise
    except BaseException:
        history.stop_reason = "error"
        raise
    finally:
        if session is not None:
            try:
                run.end(session)
            finally:
                session.end()  # should Ctrl-C have come as run.end began
    return history


def _begin(net: NetworkBase, data: Data, options: Options, epochs: int, pause: int) -> core.Fit:
    batch_size = as_int(_size(options), "batch_size", min_=1)
    return net._fit(
        data.X,
        data.y,
        data.weights,
        data.valid_X,
        data.valid_y,
        data.valid_weights,
        epochs,
        batch_size,
        bool(options.shuffle),
        pause,
    )


def _size(options: Options) -> int:
    return 32 if options.batch_size is None else options.batch_size


class _Run:
    """A session on its way."""

    def __init__(
        self, net: NetworkBase, data: Data | ChunkedData, callbacks: list[Any], options: Options
    ) -> None:
        self.net = net
        #: What is validated on.
        self.data = data if isinstance(data, Data) else data.valid
        self.batches = 0 if isinstance(data, Data) else data.batches  # 0 if that is not known
        if isinstance(data, Data) and len(data.X):
            self.batches = -(-len(data.X) // max(1, min(_size(options), len(data.X))))
        self.epochs = options.epochs
        self.callbacks = callbacks
        self.begun: list[Any] = []
        self.bar: ProgressBar | None = None
        self.metrics = as_metrics(options.metrics)
        if self.metrics and self.data.valid_X is None:
            raise ValueError("metrics are computed on validation data: give validation_data too")
        if net.loss.flags & core.RULE_CLASSES:
            self.metrics = without_accuracy(self.metrics)
        self.batch_callbacks = [c for c in callbacks if wants_batches(c)]
        #: When the engine comes back: 0 whenever it likes, 1 after every epoch, 2 every batch.
        self.pause = 2 if self.batch_callbacks else int(bool(callbacks or self.metrics))
        self.columns = columns(net, validates=self.data.valid_X is not None)
        seconds = self.columns.pop("seconds")
        self.extra = [f"val_{name}" for name in self.metrics]
        if any(map(sets_rate, callbacks)):
            self.extra.append("lr")
        self.outputs: FloatArray | None = None  # a(L) of the validation rows, for metrics
        self.history = History(dict.fromkeys([*self.columns, *self.extra, "seconds"], 0))
        self.columns["seconds"] = seconds

    def begin(self, session: TrainingSession) -> None:
        X = self.data.valid_X
        if self.metrics and X is not None:
            # What the engine has validated with: X goes through it once.
            self.outputs = np.empty((len(X), self.net.sizes[-1]), self.net.dtype)
            session.set_outputs(self.outputs)
        for callback in self.callbacks:
            self.begun.append(callback)
            call(callback, "on_train_begin", self.net)
        if self.epochs:
            self.begin_epoch(session, 0)

    def begin_epoch(self, session: TrainingSession, epoch: int) -> None:
        for callback in self.callbacks:
            call(callback, "on_epoch_begin", self.net, epoch)
            if sets_rate(callback) and callback.per_batch:
                if not self.batches:
                    raise ValueError(
                        "a schedule that changes the rate with every batch needs their number: "
                        "give steps_per_epoch and no batch_size, or X and y as arrays"
                    )
                rates = callback.batch_rates(epoch, self.batches)
                if rates is not None:
                    session.set_rates(rates)

    def advance(self, session: TrainingSession) -> str:
        """Work slice by slice; return why training ended."""
        done, phase, batch, ended = False, 0, 0, 0
        slice_ns = 0 if self.batch_callbacks else SLICE_NS
        while not done:
            if self.net._stopped:
                return "stopped"
            trained = phase == 1
            last = batch
            ended, batch, _, loss, done, phase = session.run(slice_ns)
            before = self.history.epochs
            self.collect(session, ended)
            if self.bar:
                self.bar.show(ended, batch, loss, self.history)
            if phase == BATCH_DONE:
                trained, last = True, batch - 1
            if self.batch_callbacks and trained and self.report_batch(last, loss):
                return "stopped"
            for epoch in range(before, ended):
                if self.report(epoch):
                    return "stopped"
                if not done:
                    self.begin_epoch(session, epoch + 1)
        return "completed"

    def collect(self, session: TrainingSession, ended: int, *, is_over: bool = False) -> None:
        """Store the records of the epochs that have ended since."""
        for epoch in range(self.history.epochs, ended):
            record = session.epoch(epoch)
            logs = {name: record[place] for name, place in self.columns.items()}
            self.history.append(logs | self.measure(is_over))

    def measure(self, is_over: bool) -> dict[str, float]:
        """Return the columns that the engine does not know; NaN for metrics once it is over."""
        values = dict.fromkeys(self.extra, math.nan)
        if "lr" in values:
            values["lr"] = self.net.optimizer.lr
        if self.outputs is not None and not is_over:
            y: Any = self.data.valid_y
            a = self.outputs.copy()  # a metric may keep it
            for name, metric in self.metrics.items():
                values[f"val_{name}"] = metric(y, a, self.data.valid_weights)
        return values

    def report_batch(self, batch: int, loss: float) -> bool:
        """Tell the callbacks of a batch; return whether one wants to stop."""
        if math.isnan(loss) and self.history.epochs:  # the epoch has ended with it
            loss = self.history["loss"][-1]
        answers = [
            call(callback, "on_batch_end", self.net, batch, {"loss": loss})
            for callback in self.batch_callbacks
        ]
        return any(answer is not None and bool(answer) for answer in answers)

    def report(self, epoch: int) -> bool:
        """Tell the callbacks of an epoch; return whether one wants to stop."""
        logs = {name: column[epoch] for name, column in self.history.items()}
        answers = [
            call(callback, "on_epoch_end", self.net, epoch, dict(logs))
            for callback in self.callbacks
        ]
        return any(answer is not None and bool(answer) for answer in answers)

    def end(self, session: TrainingSession) -> None:
        """Store what is not stored yet, give the network back, and tell every callback."""
        with ExitStack() as last:  # all of them, whatever one of them raises
            for callback in reversed(self.begun):
                last.callback(call, callback, "on_train_end", self.net)
            if self.bar:
                last.callback(self.bar.close, self.history)
            last.callback(session.end)
            with suppress(ValueError):  # there is no such epoch
                while True:
                    self.collect(session, self.history.epochs + 1, is_over=True)


def columns(net: NetworkBase, validates: bool) -> dict[str, int]:
    """Return the history's columns and their places in the engine's records."""
    classes = net.loss.flags & core.RULE_CLASSES
    columns = {"loss": 0}
    if classes:
        columns["accuracy"] = 1
    if net.l1 or net.l2:
        columns["penalty"] = 2
    if validates:
        columns["val_loss"] = 4
        columns |= {"val_accuracy": 5} if classes else {"val_mse": 6, "val_mae": 7, "val_r2": 8}
    return columns | {"seconds": 3}
