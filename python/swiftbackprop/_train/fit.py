"""Training over whole epochs: the loop around the engine's slices of work."""

from __future__ import annotations

import math
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np

from swiftbackprop._engine.loader import core
from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._net.checks import as_int
from swiftbackprop._train.callback import (
    as_callbacks,
    call,
    of_process,
    sets_rate,
    shown_of_all,
    wants_batches,
)
from swiftbackprop._train.chunked import ChunkedSession
from swiftbackprop._train.data import ChunkedData, Data
from swiftbackprop._train.evaluation import asked_metrics
from swiftbackprop._train.history import History, columns
from swiftbackprop._train.options import Options
from swiftbackprop._train.session import BATCH_DONE, SLICE_NS, TrainingSession

if TYPE_CHECKING:
    from swiftbackprop._net.base import NetworkBase
    from swiftbackprop._train.processes import Processes
    from swiftbackprop._train.progress import ProgressBar
    from swiftbackprop._train.shared import SharedSession
    from swiftbackprop._train.shared_chunks import SharedChunkedSession


def fit(net: NetworkBase, data: Data | ChunkedData, options: Options) -> History:
    """Train a network; `Network.fit` documents it."""
    epochs = as_int(options.epochs, "epochs", min_=0)
    callbacks = as_callbacks(options.callbacks)
    run = _Run(net, data, callbacks, options)
    history = run.history
    session: TrainingSession | None = None
    close = data.close if isinstance(data, ChunkedData) else None
    shuffle = options.row_order()
    try:
        # Inside, so that Ctrl-C at any moment gives the network back.
        if options.processes is not None:
            session = run.begin_shared(options.processes, data, epochs)
        elif isinstance(data, ChunkedData):
            session = ChunkedSession(net, data, epochs, options.batch_size, shuffle, run.pause)
        else:
            session = data.begin(net, epochs, options.batch_rows(), shuffle, run.pause)
        net._history, net._stopped = history, False
        if options.progress and epochs and run.is_first:
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
        if options.processes is not None and (error := sys.exc_info()[1]) is not None:
            options.processes.leave(error)  # before callbacks take their time
        try:
            if session is not None:
                try:
                    run.end(session)
                finally:
                    session.end()  # should Ctrl-C have come as run.end began
        finally:
            if close is not None:
                close()
    if run.shared is not None:
        run.shared.agreement.compare(0.0, history.epochs)  # what came behind the last epoch too
    return history


class _Run:
    """A session on its way."""

    def __init__(
        self, net: NetworkBase, data: Data | ChunkedData, callbacks: list[Any], options: Options
    ) -> None:
        self.net = net
        #: What is validated on.
        self.data = data if isinstance(data, Data) else data.valid
        self.batches = 0 if isinstance(data, Data) else data.batches  # 0 if that is not known
        self.processes, self.options = options.processes, options
        # One of several processes has it.
        self.shared: SharedSession | SharedChunkedSession | None = None
        rows = len(data.X) if isinstance(data, Data) else 0
        if self.processes is not None:
            rows = int(self.processes.sum(np.array([rows]))[0])
        if rows:
            self.batches = -(-rows // min(options.batch_rows(), rows))
        self.epochs = options.epochs
        self.callbacks = of_process(callbacks, self.processes)
        self.begun: list[Any] = []
        self.bar: ProgressBar | None = None
        self.metrics = asked_metrics(net, options.metrics)
        if self.metrics and self.data.valid_X is None:
            raise ValueError("metrics are computed on validation data: give validation_data too")
        self.batch_callbacks = [c for c in self.callbacks if wants_batches(c)]
        #: When the engine comes back: 0 whenever it likes, 1 after every epoch, 2 every batch.
        self.pause = 2 if self.batch_callbacks else int(bool(callbacks or self.metrics))
        self.columns = columns(net, validates=self.data.valid_X is not None)
        seconds = self.columns.pop("seconds")
        self.extra = [f"val_{name}" for name in self.metrics]
        if any(map(sets_rate, callbacks)):
            self.extra.append("lr")
        self.outputs: FloatArray | None = None  # a(L) of the validation rows, for metrics
        #: Of which these are in parts
        self.stream = data.stream if isinstance(data, ChunkedData) else None
        self.targets: list[Any] = []  # y and weights of these, of all processes
        self.history = History(dict.fromkeys([*self.columns, *self.extra, "seconds"], 0))
        self.columns["seconds"] = seconds

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that writes and shows."""
        return self.processes is None or self.processes.is_first

    def begin_shared(
        self, processes: Processes, data: Data | ChunkedData, epochs: int
    ) -> TrainingSession:
        processes.agree([("the callbacks", shown_of_all(self.callbacks))])
        options, shuffle, net = self.options, self.options.row_order(), self.net
        session: SharedSession | SharedChunkedSession
        if isinstance(data, ChunkedData):
            from swiftbackprop._train.shared_chunks import SharedChunkedSession

            size = options.batch_size
            session = SharedChunkedSession(net, data, processes, epochs, size, shuffle, self.pause)
        else:
            from swiftbackprop._train.shared import SharedSession

            rows, names = options.batch_rows(), list(self.metrics)
            session = SharedSession(net, data, processes, epochs, rows, shuffle, self.pause, names)
        self.shared, self.pause = session, session.pause
        return session

    def begin(self, session: TrainingSession) -> None:
        X = self.data.valid_X
        if self.stream is not None:
            self.stream.keeps = bool(self.metrics)
        elif self.metrics and X is not None:
            if self.processes is not None:
                self.targets = self.processes.gather((self.data.valid_y, self.data.valid_weights))
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
        slice_ns = 0 if self.pause == 2 else SLICE_NS
        while not done:
            if self.shared.is_stopped if self.shared else self.net._stopped:
                return "stopped"
            trained = phase == 1
            last = batch
            ended, batch, _, loss, done, phase = session.run(slice_ns)
            before = self.history.epochs
            self.collect(session)
            if self.bar:
                self.bar.show(ended, batch, loss, self.history)
            if phase == BATCH_DONE:
                trained, last = True, batch - 1
            if self.pause == 2 and trained and self.report_batch(last, loss):
                return "stopped"
            for epoch in range(before, ended):
                if self.report(epoch):
                    return "stopped"
                if not done:
                    self.begin_epoch(session, epoch + 1)
        return "completed"

    def collect(self, session: TrainingSession, *, is_over: bool = False) -> None:
        """Store the records of the epochs that have ended since."""
        for record in session.records(self.history.epochs):
            logs = {name: record[place] for name, place in self.columns.items()}
            self.history.append(logs | self.measure(is_over))

    def measure(self, is_over: bool) -> dict[str, float]:
        """Return the columns that the engine does not know; NaN for metrics once it is over."""
        values = dict.fromkeys(self.extra, math.nan)
        if "lr" in values:
            values["lr"] = self.net.optimizer.lr
        if is_over:
            return values
        if self.stream is not None and self.stream.kept is not None:
            y, a, weights = self.stream.kept
            if self.processes is not None:
                self.targets = self.processes.gather((y, weights))
            values |= self.measure_outputs(y, a, weights)
        elif self.outputs is not None:
            # A copy, for a metric may keep it.
            values |= self.measure_outputs(
                self.data.valid_y, self.outputs.copy(), self.data.valid_weights
            )
        return values

    def measure_outputs(self, y: Any, a: FloatArray, weights: Any) -> dict[str, float]:
        """Return the metrics of the outputs; of several processes the first measures for all."""
        values: dict[str, float] = {}
        if self.processes is not None:
            outputs = self.processes.gather_to_first(a)
            if not self.processes.is_first:
                found: dict[str, float] = self.processes.from_first(values)
                return found
            a = np.concatenate(outputs)
            parts = [(y, w) for y, w in self.targets if len(y)]
            y = np.concatenate([part for part, _ in parts])
            weights = None
            if any(part is not None for _, part in parts):
                each = [np.ones(len(y)) if part is None else part.ravel() for y, part in parts]
                weights = np.concatenate(each)
        for name, metric in self.metrics.items():
            values[f"val_{name}"] = metric(y, a, weights)
        return values if self.processes is None else self.processes.from_first(values)

    def report_batch(self, batch: int, loss: float) -> bool:
        """Tell the callbacks of a batch; return whether one wants to stop."""
        if math.isnan(loss) and self.history.epochs:  # the epoch has ended with it
            loss = self.history["loss"][-1]
        answers = [
            call(callback, "on_batch_end", self.net, batch, {"loss": loss})
            for callback in self.batch_callbacks
        ]
        return self.any(answers)

    def any(self, answers: list[Any]) -> bool:
        """Return whether a callback wants to stop, on whatever process."""
        found = any(answer is not None and bool(answer) for answer in answers)
        return found if self.processes is None else self.processes.any(found)

    def report(self, epoch: int) -> bool:
        """Tell the callbacks of an epoch; return whether one wants to stop."""
        logs = {name: column[epoch] for name, column in self.history.items()}
        answers = [
            call(callback, "on_epoch_end", self.net, epoch, dict(logs))
            for callback in self.callbacks
        ]
        return self.any(answers)

    def end(self, session: TrainingSession) -> None:
        """Store what is not stored yet, give the network back, and tell every callback."""
        with ExitStack() as last:  # all of them, whatever one of them raises
            for callback in reversed(self.begun):
                last.callback(call, callback, "on_train_end", self.net)
            if self.bar:
                last.callback(self.bar.close, self.history)
            last.callback(session.end)
            self.collect(session, is_over=True)
