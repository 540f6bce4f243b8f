"""What users hang into a training: callbacks."""

import math
import operator
import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from swiftbackprop._names import unknown

if TYPE_CHECKING:
    from swiftbackprop.network import Network

__all__ = ["Callback", "CallbackLike", "Checkpoint", "as_callbacks", "call"]


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

    def on_train_begin(self, net: "Network") -> None:
        """Be called before the first epoch."""

    def on_epoch_end(self, net: "Network", epoch: int, logs: Mapping[str, float]) -> bool | None:
        """Be called at the end of an epoch; return True to end the training.

        Parameters
        ----------
        net : Network
        epoch : int
            Counted from 0: ``net.history["loss"][epoch]`` is of this epoch.
        logs : dict
            The epoch's columns of the history.
        """

    def on_train_end(self, net: "Network") -> None:
        """Be called when training has ended, in whatever way."""


# Columns of which more is better.
_RISING = ("accuracy", "r2")


class Checkpoint(Callback):
    """Save the network during training: every few epochs, or whenever it is at its best.

    A file appears whole or not at all. `load` reads it, and `Network.fit` then goes on with
    the same bits as training that was never interrupted.

    Parameters
    ----------
    path : str or path-like
        Where ``{epoch}`` stands in it, it becomes the number of epochs trained, as in
        ``"net-{epoch:03d}.safetensors"``; else each file replaces the one before.
    every : int, default 1
        Save after this many epochs each.
    monitor : str, optional
        A column of the history, such as ``"val_loss"``: save only when it is better than
        in all epochs before of this `fit`.
    mode : {"min", "max"}, optional
        What is better; by default more for accuracy and r2, less for all others.

    Attributes
    ----------
    path : str or None
        The file written last.
    best : float
        The best value so far of `monitor`.

    Raises
    ------
    ValueError, TypeError
        If an argument is not allowed, or in `fit` if there is no such column.

    Examples
    --------
    >>> import os, tempfile, numpy as np, swiftbackprop as sb
    >>> net = sb.Network([2, 1], seed=0)
    >>> X, y = np.ones((4, 2)), np.ones(4)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     keep = sb.Checkpoint(os.path.join(folder, "net-{epoch}.safetensors"), every=2)
    ...     history = net.fit(X, y, epochs=5, callbacks=[keep], progress=False)
    ...     sorted(os.listdir(folder))
    ['net-2.safetensors', 'net-4.safetensors']
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        every: int = 1,
        monitor: str | None = None,
        mode: str | None = None,
    ) -> None:
        try:
            self._template = os.fsdecode(path)
        except TypeError:
            raise TypeError(f"path is a str or a Path, not {type(path).__name__}") from None
        try:
            self._template.format(epoch=1)
        except (KeyError, IndexError, ValueError, AttributeError):
            raise ValueError(
                f"path is {self._template!r}: braces hold the epoch, as {{epoch}} or {{epoch:03d}}"
            ) from None
        self._every = operator.index(every)
        if self._every < 1:
            raise ValueError(f"every is at least 1; got {every}")
        if monitor is not None and self._every != 1:
            raise ValueError("every and monitor are given: one of them is enough")
        if mode not in (None, "min", "max"):
            raise ValueError(f"mode is 'min' or 'max', not {mode!r}")
        self._monitor, self._mode = monitor, mode
        self.path: str | None = None
        self.best = math.nan

    def on_train_begin(self, net: "Network") -> None:
        """Forget the best of an earlier training."""
        self.best = math.nan

    def on_epoch_end(self, net: "Network", epoch: int, logs: Mapping[str, float]) -> None:
        """Save the network, if it is time to."""
        due = (epoch + 1) % self._every == 0
        if due and (self._monitor is None or self._improves(logs)):
            path = self._template.format(epoch=epoch + 1)
            net.save(path)
            self.path = path

    def _improves(self, logs: Mapping[str, float]) -> bool:
        """Return whether an epoch is the best so far, and remember it if so."""
        name = self._monitor or ""
        if name not in logs:
            hint = ": give fit validation data" if name.startswith("val_") else ""
            raise ValueError(f"{unknown('column', name, logs)}{hint}")
        value = logs[name]
        rises = name.endswith(_RISING) if self._mode is None else self._mode == "max"
        better = value > self.best if rises else value < self.best
        if math.isnan(value) or not (math.isnan(self.best) or better):
            return False
        self.best = value
        return True


CallbackLike: TypeAlias = Callback | Callable[["Network", int, Mapping[str, float]], bool | None]


_METHODS = ("on_train_begin", "on_epoch_end", "on_train_end")


def as_callbacks(given: Iterable[CallbackLike]) -> list[Any]:
    if isinstance(given, str | bytes | np.ndarray) or not isinstance(given, Iterable):
        raise TypeError(
            f"callbacks is a list of callbacks, not a single {type(given).__name__} ({given!r})"
        )
    callbacks = list(given)
    for callback in callbacks:
        if not callable(callback) and not any(hasattr(callback, n) for n in _METHODS):
            raise TypeError(
                f"a callback is callable or has one of {', '.join(_METHODS)}; "
                f"{callback!r} ({type(callback).__name__}) is neither"
            )
    return callbacks


def call(callback: Any, method: str, *arguments: Any) -> Any:
    """Call a callback's method if it has it; a plain callable is its on_epoch_end."""
    if not any(hasattr(callback, name) for name in _METHODS):
        return callback(*arguments) if method == "on_epoch_end" else None
    function = getattr(callback, method, None)
    return None if function is None else function(*arguments)
