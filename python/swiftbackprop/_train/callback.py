"""Callbacks for `Network.fit`."""

from __future__ import annotations

import inspect
import re
import sys
import warnings
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from swiftbackprop._net.caller import outside
from swiftbackprop._net.checks import got, short
from swiftbackprop._net.names import meant

if TYPE_CHECKING:
    from swiftbackprop._train.processes import Processes


class Callback:
    """What happens during `Network.fit` beside training; a base to derive from.

    Any object with one of these methods will do. They run on the thread of `fit`, and may
    read the network, evaluate and predict.

    Examples
    --------
    >>> import numpy as np, swiftbackprop as sb
    >>> class Halve(sb.Callback):
    ...     def on_epoch_end(self, net, epoch, logs):
    ...         net.optimizer.lr /= 2
    >>> net = sb.Network([2, 1], optimizer=sb.SGD(0.4), seed=0)
    >>> X, y = np.ones((4, 2)), np.ones(4)
    >>> history = net.fit(X, y, epochs=2, callbacks=[Halve()], progress=False)
    >>> net.optimizer.lr
    0.1
    """

    # `net` is a `Network`. Its type is not said, so that those who derive may say it.

    #: Whether it sets the learning rate, as `LearningRateScheduler` does.
    _sets_rate = False
    #: Whether it changes the network, so that of several processes all need the same.
    _is_of_all = False
    #: Whether it writes or shows, so that of several processes the first alone has it.
    _is_of_first = False

    def __repr__(self) -> str:
        shown = []
        for name, parameter in inspect.signature(type(self)).parameters.items():
            value = getattr(self, f"_{name}", getattr(self, name, parameter.default))
            if value is not parameter.default and repr(value) != repr(parameter.default):
                shown.append(f"{name}={short(value)}")
        return f"{type(self).__name__}({', '.join(shown)})"

    def on_train_begin(self, net: Any) -> None:
        """Be called before the first epoch."""

    def on_epoch_begin(self, net: Any, epoch: int) -> None:
        """Be called before an epoch, counted from 0."""

    def on_batch_end(self, net: Any, batch: int, logs: dict[str, float]) -> bool | None:
        """Be called after every update; return True to end the training.

        Then `fit` leaves the engine after every batch, which takes some microseconds more.
        The gradients are those of this batch.

        Parameters
        ----------
        net : Network
        batch : int
            Counted from 0 in every epoch.
        logs : dict
            ``loss``: the mean of the epoch's batches so far.
        """

    def on_epoch_end(self, net: Any, epoch: int, logs: dict[str, float]) -> bool | None:
        """Be called at the end of an epoch; return True to end the training.

        Parameters
        ----------
        net : Network
        epoch : int
            Counted from 0: ``net.history["loss"][epoch]`` is of this epoch.
        logs : dict
            The epoch's columns of the history.
        """

    def on_train_end(self, net: Any) -> None:
        """Be called when training has ended, in whatever way."""


CallbackLike: TypeAlias = Callback | Callable[[Any, int, dict[str, float]], bool | None]

# What is called, and what it is given.
_METHODS = {
    "on_train_begin": ("net",),
    "on_epoch_begin": ("net", "epoch"),
    "on_batch_end": ("net", "batch", "logs"),
    "on_epoch_end": ("net", "epoch", "logs"),
    "on_train_end": ("net",),
}
# Whose answer can end the training.
_ENDING = ("on_batch_end", "on_epoch_end")


def as_callbacks(given: Iterable[CallbackLike]) -> list[Any]:
    if isinstance(given, str | bytes | np.ndarray) or not isinstance(given, Iterable):
        raise TypeError(
            f"callbacks must be a list of callbacks, got {got(given)}: write [callback]"
        )
    callbacks = list(given)
    for callback in callbacks:
        if isinstance(callback, type):
            raise TypeError(
                f"a callback must be an instance, got the class: write {callback.__name__}(...)"
            )
        schedules = sys.modules.get("swiftbackprop.schedules")  # not there: it is none of them
        if schedules and isinstance(callback, schedules.Schedule | schedules.ReduceOnPlateau):
            raise TypeError(f"a schedule is no callback: write LearningRateScheduler({callback})")
        if not callable(callback) and not any(hasattr(callback, n) for n in _METHODS):
            raise TypeError(
                f"an item of callbacks must be callable or have one of {', '.join(_METHODS)}, got "
                f"{got(callback)}"
            )
        _check_calls(callback)
    return callbacks


def _check_calls(callback: Any) -> None:
    """Refuse methods that cannot be called, and warn of those that never are."""
    if type(callback).__module__.startswith("swiftbackprop."):
        return
    methods = {name: getattr(callback, name) for name in _METHODS if hasattr(callback, name)}
    for name, function in (methods or {"on_epoch_end": callback}).items():
        try:
            signature = inspect.signature(function)
        except (TypeError, ValueError):  # nothing of Python's
            continue
        try:
            signature.bind(*_METHODS[name])
        except TypeError:
            title = f"{type(callback).__name__}.{name}" if methods else f"the callback {callback}"
            raise TypeError(
                f"{title} takes {signature}, and is called with ({', '.join(_METHODS[name])})"
            ) from None
    for name in dir(callback) if methods else ():
        if name.startswith("on_") and name not in _METHODS:
            hint = meant("callback", name, _METHODS)
            warnings.warn(
                f"{type(callback).__name__}.{name} is never called: "
                f"{hint or 'callbacks have ' + ', '.join(_METHODS)}",
                stacklevel=outside(),
            )


def call(callback: Any, method: str, *arguments: Any) -> Any:
    """Call a callback's method if it has it; a plain callable is its on_epoch_end."""
    if any(hasattr(callback, name) for name in _METHODS):
        function = getattr(callback, method, None)
        title = f"{type(callback).__name__}.{method}"
    else:
        function = callback if method == "on_epoch_end" else None
        title = f"the callback {short(callback)}"
    answer = None if function is None else function(*arguments)
    # A number, text or array would end the training, or not, as it happens to be true.
    if method in _ENDING and not (answer is None or isinstance(answer, bool | np.bool_)):
        raise TypeError(
            f"{title} must return True to end the training, or False or nothing to go on, got "
            f"{got(answer)}"
        )
    return answer


def sets_rate(callback: Any) -> bool:
    """Return whether a callback is a `LearningRateScheduler`, without importing it."""
    return isinstance(callback, Callback) and callback._sets_rate


def of_process(callbacks: Iterable[Any], processes: Processes | None) -> list[Any]:
    """Return the callbacks of a process: of several the first alone has what writes or shows."""
    return [
        callback
        for callback in callbacks
        if processes is None
        or processes.is_first
        or not (isinstance(callback, Callback) and callback._is_of_first)
    ]


def shown_of_all(callbacks: Iterable[Any]) -> str:
    """Return the callbacks that all processes need alike, as text that is the same on each."""
    found = [repr(c) for c in callbacks if isinstance(c, Callback) and c._is_of_all]
    return re.sub(r" at 0x[0-9a-fA-F]+", "", ", ".join(found)) or "none"


def wants_batches(callback: Any) -> bool:
    """Return whether a callback does something after every batch."""
    inherited = getattr(type(callback), "on_batch_end", None) is Callback.on_batch_end
    return hasattr(callback, "on_batch_end") and not inherited
