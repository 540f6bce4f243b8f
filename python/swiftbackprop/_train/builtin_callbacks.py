"""The callbacks that steer a training: `EarlyStopping` and `LearningRateScheduler`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._net.checks import as_flag, as_int, as_number, got
from swiftbackprop._net.names import known_keywords
from swiftbackprop._net.state import parameters_and_buffers, write_parameters_and_buffers
from swiftbackprop._train.callback import Callback
from swiftbackprop.schedules import BestValue, ReduceOnPlateau, Schedule, check_monitor

if TYPE_CHECKING:
    from swiftbackprop._net.base import NetworkBase


class EarlyStopping(Callback):
    """End the training when a quantity does not improve any more.

    Parameters
    ----------
    monitor : str, optional
        A column of the history; by default val_loss, or loss without validation.
    patience : int, default 10
        Stop after more epochs than this without improvement.
    min_delta : float, default 0
        Less than this is no improvement.
    mode : {"min", "max"}, optional
        Whether lower or higher is better; by default guessed from the name.
    restore_best_weights : bool, default True
        Go back to the weights of the best epoch when training ends, and to the running
        statistics of batch norm.

    Attributes
    ----------
    best : float
        The best value so far.
    best_epoch : int
        Its epoch, from 0; -1 before the first.

    Examples
    --------
    >>> import numpy as np, swiftbackprop as sb
    >>> net = sb.Network([1, 1], optimizer=sb.SGD(0.5), seed=0)
    >>> X, y = np.ones((4, 1)), np.ones(4)
    >>> stop = sb.EarlyStopping(patience=2, min_delta=1e-3)
    >>> history = net.fit(X, y, epochs=500, callbacks=[stop], progress=False)
    >>> history.stop_reason, history.epochs < 50
    ('stopped', True)
    """

    _is_of_all = True

    @known_keywords
    def __init__(
        self,
        monitor: str | None = None,
        *,
        patience: int = 10,
        min_delta: float = 0.0,
        mode: str | None = None,
        restore_best_weights: bool = True,
    ) -> None:
        check_monitor(monitor, patience, min_delta, mode)
        self.monitor = monitor
        self.patience = patience
        self.min_delta = min_delta
        self.mode = mode
        self.restore_best_weights = as_flag(restore_best_weights, "restore_best_weights")
        self.best_epoch = -1
        self._watch = BestValue(monitor, min_delta, mode)
        self._weights: list[FloatArray] | None = None

    @property
    def best(self) -> float:
        """The best value so far; NaN before the first epoch."""
        return self._watch.best

    def on_train_begin(self, net: NetworkBase) -> None:
        """Forget what was before."""
        self._watch = BestValue(self.monitor, self.min_delta, self.mode)
        self._weights, self.best_epoch = None, -1

    def on_epoch_end(self, net: NetworkBase, epoch: int, logs: Mapping[str, float]) -> bool:
        """Compare with the best epoch; return whether patience has ended."""
        if self._watch.see(logs):
            self.best_epoch = epoch
            if self.restore_best_weights:
                self._weights = [array.copy() for array in parameters_and_buffers(net)]
        return self._watch.waited > self.patience

    def on_train_end(self, net: NetworkBase) -> None:
        """Put the best weights back."""
        if self._weights is not None:
            write_parameters_and_buffers(net, self._weights)
            self._weights = None


def _check_function(schedule: Callable[[int, float], float]) -> None:
    try:
        signature = inspect.signature(schedule)
    except (TypeError, ValueError):  # nothing of Python's
        return
    try:
        signature.bind(0, 0.1)
    except TypeError:
        raise TypeError(
            f"schedule must be a function f(epoch, lr) that returns the rate, got "
            f"one of {signature}"
        ) from None


class LearningRateScheduler(Callback):
    """Set the learning rate before every epoch, or for every batch.

    The engine runs the batches of an epoch by itself in either case.

    Parameters
    ----------
    schedule : Schedule, ReduceOnPlateau or callable
        One of `swiftbackprop.schedules`, a factor of the rate that the optimizer has when
        training begins, or a function ``f(epoch, lr)`` that returns the rate, as in Keras.
    per_batch : bool, optional
        Follow a schedule within the epochs too; by default only if the schedule is made for
        that, as `schedules.OneCycle` is.
    start : int, default 0
        The number of epochs that were trained before, as when training goes on from a file:
        the schedule goes on from there.
    lr : float, optional
        The rate that a schedule of time is a factor of; by default the optimizer's when
        training begins. Give it with a file that `Checkpoint` wrote, whose optimizer has the
        rate of that moment.

    Notes
    -----
    The history has a column ``lr``: the rate of the epoch's last batch. After training with a
    schedule of time the optimizer has its own rate again; a rate that was reduced on a plateau,
    or set by a function, stays. How long a plateau has lasted is in no file: what goes on from
    one waits anew.

    Examples
    --------
    >>> import numpy as np, swiftbackprop as sb
    >>> net = sb.Network([2, 1], optimizer=sb.SGD(0.1), seed=0)
    >>> steps = sb.LearningRateScheduler(sb.schedules.Step(2, gamma=0.5))
    >>> history = net.fit(np.ones((4, 2)), np.ones(4), epochs=4, callbacks=[steps], progress=False)
    >>> history["lr"]
    [0.1, 0.1, 0.05, 0.05]

    Four more epochs, later:

    >>> steps = sb.LearningRateScheduler(sb.schedules.Step(2, gamma=0.5), start=4)
    >>> history = net.fit(np.ones((4, 2)), np.ones(4), epochs=4, callbacks=[steps], progress=False)
    >>> history["lr"]
    [0.025, 0.025, 0.0125, 0.0125]
    """

    _sets_rate = _is_of_all = True

    @known_keywords
    def __init__(
        self,
        schedule: Schedule | ReduceOnPlateau | Callable[[int, float], float],
        *,
        per_batch: bool | None = None,
        start: int = 0,
        lr: float | None = None,
    ) -> None:
        if isinstance(schedule, type) or not (
            callable(schedule) or isinstance(schedule, ReduceOnPlateau)
        ):
            raise TypeError(
                "schedule must be one of swiftbackprop.schedules, such as Cosine(20), or a "
                f"function f(epoch, lr), got {got(schedule)}"
            )
        timed = isinstance(schedule, Schedule)
        if not isinstance(schedule, Schedule | ReduceOnPlateau):
            _check_function(schedule)
        if per_batch and not timed:
            raise ValueError("per_batch=True needs a schedule of time, such as Cosine(20)")
        if isinstance(schedule, ReduceOnPlateau) and start:
            raise ValueError("start needs a schedule of time, such as Cosine(20), or a function")
        if lr is not None and not timed:
            raise ValueError("lr needs a schedule of time: for others set net.optimizer.lr")
        self.start = as_int(start, "start", min_=0)
        self.lr = None if lr is None else as_number(lr, "lr", min_=0)
        self.schedule = schedule
        self.per_batch = (
            bool(per_batch)
            if per_batch is not None
            else (isinstance(schedule, Schedule) and schedule.per_batch)
        )
        self._base = 0.0
        self._cooldown = 0
        self._watch: BestValue | None = None

    def on_train_begin(self, net: NetworkBase) -> None:
        """Take the rate that is to be scheduled."""
        self._base = net.optimizer.lr if self.lr is None else self.lr
        if isinstance(self.schedule, ReduceOnPlateau):
            plan = self.schedule
            self._watch = BestValue(plan.monitor, plan.min_delta, plan.mode)
            self._cooldown = 0

    def on_epoch_begin(self, net: NetworkBase, epoch: int) -> None:
        """Set the rate of the epoch."""
        if isinstance(self.schedule, Schedule):
            net.optimizer.lr = self._base * float(self.schedule(self.start + epoch))
        elif not isinstance(self.schedule, ReduceOnPlateau):
            net.optimizer.lr = self.schedule(self.start + epoch, net.optimizer.lr)

    def batch_rates(self, epoch: int, batches: int) -> FloatArray | None:
        """Return lr for every batch of an epoch, for the engine; None to leave it alone."""
        if not self.per_batch or not isinstance(self.schedule, Schedule):
            return None
        times = self.start + epoch + np.arange(batches) / batches
        return np.ascontiguousarray(self._base * self.schedule(times), np.float64)

    def on_epoch_end(self, net: NetworkBase, epoch: int, logs: Mapping[str, float]) -> None:
        """Reduce the rate on a plateau."""
        plan = self.schedule
        if not isinstance(plan, ReduceOnPlateau) or self._watch is None:
            return
        self._watch.see(logs)
        if self._cooldown:
            self._cooldown -= 1
            self._watch.waited = 0
        elif self._watch.waited > plan.patience:
            lr = net.optimizer.lr
            net.optimizer.lr = min(lr, max(lr * plan.factor, plan.min_lr))
            self._cooldown, self._watch.waited = plan.cooldown, 0

    def on_train_end(self, net: NetworkBase) -> None:
        """Put the rate back that a schedule of time began with."""
        if isinstance(self.schedule, Schedule):
            net.optimizer.lr = self._base
