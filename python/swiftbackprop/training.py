"""Training over whole epochs: the loop around the engine's slices of work."""

import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from swiftbackprop._arrays import FloatArray, as_data
from swiftbackprop._callbacks import CallbackLike, as_callbacks, call
from swiftbackprop._engine import core
from swiftbackprop._history import History
from swiftbackprop._progress import ProgressBar
from swiftbackprop._rules import as_number

if TYPE_CHECKING:
    from swiftbackprop.network import Network

__all__ = ["Data", "Options", "as_count", "fit", "gather"]

# The engine comes back after this time at the latest, at the end of a batch: then
# signals are handled, so that Ctrl-C acts within a tenth of a second.
_SLICE_NS = 50_000_000


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
    batch_size: int
    shuffle: bool
    callbacks: Iterable[CallbackLike]
    progress: bool


def gather(
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    sample_weight: npt.ArrayLike | None,
    validation_data: Sequence[npt.ArrayLike] | None,
    validation_split: float,
) -> Data:
    """Return the arrays of a session; nothing is copied that is an array already."""
    train = _three("", X, y, sample_weight)
    split = as_number(validation_split, "validation_split")
    if not 0 <= split < 1:
        raise ValueError(f"validation_split lies in [0, 1); got {split}")
    if validation_data is None:
        return _split(train, split) if split else Data(*train)
    if split:
        raise ValueError("validation_split and validation_data are given: one of them is enough")
    if not isinstance(validation_data, tuple | list) or len(validation_data) not in (
        2,
        3,
    ):
        size = f" of {len(validation_data)}" if hasattr(validation_data, "__len__") else ""
        raise TypeError(
            "validation_data is a tuple (X, y) or (X, y, sample_weight), not a "
            f"{type(validation_data).__name__}{size}"
        )
    return Data(*train, *_three(" of validation_data", *validation_data))


def _three(
    where: str, X: Any, y: Any, weights: Any = None
) -> tuple[FloatArray, FloatArray, FloatArray | None]:
    return (
        as_data(X, f"X{where}"),
        as_data(y, f"y{where}"),
        None if weights is None else as_data(weights, f"sample_weight{where}"),
    )


def _split(train: tuple[FloatArray, FloatArray, FloatArray | None], share: float) -> Data:
    """Return the first rows to train on and the last ones to validate on, as views."""
    X, y, weights = train
    rows = len(X)
    if len(y) != rows or (weights is not None and len(weights) != rows):
        return Data(X, y, weights)  # the engine says what does not fit
    first = round(rows * (1 - share))
    if not 0 < first < rows:
        raise ValueError(
            f"validation_split={share} leaves {first} of {rows} rows to train on and "
            f"{rows - first} to validate on; both need one at least"
        )
    parts = [None if part is None else part[:first] for part in train]
    rest = [None if part is None else part[first:] for part in train]
    return Data(*parts, *rest)  # type: ignore[arg-type]


def fit(net: "Network", data: Data, options: Options) -> History:
    """Train a network; `Network.fit` documents it."""
    epochs = as_count(options.epochs, "epochs", least=0)
    batch_size = as_count(options.batch_size, "batch_size", least=1)
    callbacks = as_callbacks(options.callbacks)
    run = _Run(net, _columns(net, validates=data.valid_X is not None), callbacks)
    history = run.history
    session: core.Fit | None = None
    try:
        # Inside, so that Ctrl-C at any moment gives the network back.
        session = net._fit(
            data.X,
            data.y,
            data.weights,
            data.valid_X,
            data.valid_y,
            data.valid_weights,
            epochs,
            batch_size,
            bool(options.shuffle),
            int(bool(callbacks)),
        )
        net._history, net._stopped = history, False
        if options.progress and epochs:
            run.bar = ProgressBar(epochs, len(data.X), batch_size)
        run.begin()
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
            run.end(session)
    return history


class _Run:
    """A session on its way."""

    def __init__(
        self,
        net: "Network",
        columns: Mapping[str, int],
        callbacks: list[Any],
    ) -> None:
        self.net = net
        self.history = History(columns)
        self.bar: ProgressBar | None = None
        self.columns = columns
        self.callbacks = callbacks
        self.begun: list[Any] = []

    def begin(self) -> None:
        for callback in self.callbacks:
            self.begun.append(callback)
            call(callback, "on_train_begin", self.net)

    def advance(self, session: "core.Fit") -> str:
        """Work slice by slice; return why training ended."""
        done = False
        while not done:
            if self.net._stopped:
                return "stopped"
            ended, batch, _, loss, done, _ = session.run(_SLICE_NS)
            before = self.history.epochs
            self.collect(session, ended)
            if self.bar:
                self.bar.show(ended, batch, loss, self.history)
            for epoch in range(before, ended):
                if self.report(epoch):
                    return "stopped"
        return "completed"

    def collect(self, session: "core.Fit", ended: int) -> None:
        """Store the records of the epochs that have ended since."""
        for epoch in range(self.history.epochs, ended):
            record = session.epoch(epoch)
            logs = {name: record[place] for name, place in self.columns.items()}
            self.history.append(logs)

    def report(self, epoch: int) -> bool:
        """Tell the callbacks of an epoch; return whether one wants to stop."""
        logs = {name: column[epoch] for name, column in self.history.items()}
        answers = [
            call(callback, "on_epoch_end", self.net, epoch, dict(logs))
            for callback in self.callbacks
        ]
        return any(answer is not None and bool(answer) for answer in answers)

    def end(self, session: "core.Fit") -> None:
        """Store what is not stored yet, and give the network back."""
        try:
            while True:
                self.collect(session, self.history.epochs + 1)
        except ValueError:  # there is no such epoch
            pass
        finally:
            session.end()
        if self.bar:
            self.bar.close(self.history)
        for callback in self.begun:
            call(callback, "on_train_end", self.net)


def _columns(net: "Network", validates: bool) -> dict[str, int]:
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


def as_count(value: int, name: str, least: int) -> int:
    """Return an integer argument of at least `least`."""
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} is an int, not {value!r} ({type(value).__name__})") from None
    if not least <= number < 2**63:
        raise ValueError(f"{name} is at least {least}; got {number}")
    return number
