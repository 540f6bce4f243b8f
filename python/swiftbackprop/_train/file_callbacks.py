"""The callbacks that write files: `Checkpoint` and `CSVLogger`."""

from __future__ import annotations

import contextlib
import csv
import os
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Any

from swiftbackprop._export.mixin import CANNOT_SAVE, NetworkExchange
from swiftbackprop._net.checks import as_flag, as_int, as_path
from swiftbackprop._net.custom import refuse_own
from swiftbackprop._net.names import known_keywords
from swiftbackprop._train.callback import Callback
from swiftbackprop.schedules import BestValue, check_monitor

if TYPE_CHECKING:
    from swiftbackprop._net.base import NetworkBase


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
        What is better; by default more for accuracy, precision, recall, f1, auc, top_k and r2,
        less for all others.

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

    _is_of_first = True

    @known_keywords
    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        every: int = 1,
        monitor: str | None = None,
        mode: str | None = None,
    ) -> None:
        self._path = as_path(path)
        try:
            self._path.format(epoch=1)
        except (KeyError, IndexError, ValueError, AttributeError):
            raise ValueError(
                "path may have {epoch} or such as {epoch:03d} in braces and nothing else, got "
                f"{self._path!r}"
            ) from None
        self._every = as_int(every, "every", min_=1)
        if monitor is not None and self._every != 1:
            raise ValueError("give either every or monitor, not both")
        check_monitor(monitor, 0, 0.0, mode)
        self._monitor, self._mode = monitor, mode
        self._watch = BestValue(monitor, 0.0, mode)
        self.path: str | None = None

    @property
    def best(self) -> float:
        """The best value so far of `monitor`; NaN before the first."""
        return self._watch.best

    def on_train_begin(self, net: Any) -> None:
        """Forget the best of an earlier training, and refuse a network that has no file."""
        if type(net).save is NetworkExchange.save:
            refuse_own(net._spec, "save", CANNOT_SAVE)
        self._watch = BestValue(self._monitor, 0.0, self._mode)

    def on_epoch_end(self, net: Any, epoch: int, logs: Mapping[str, float]) -> None:
        """Save the network, if it is time to."""
        due = (epoch + 1) % self._every == 0
        if due and (self._monitor is None or self._watch.see(logs)):
            path = self._path.format(epoch=epoch + 1)
            net.save(path)
            self.path = path


class CSVLogger(Callback):
    """Write the history to a file of comma-separated values, a line for every epoch.

    Parameters
    ----------
    path : str or path-like
    append : bool, default False
        Go on with a file that is there, if its columns are the same.

    Raises
    ------
    ValueError
        If the file to go on with has other columns.
    """

    _is_of_first = True

    @known_keywords
    def __init__(self, path: str | os.PathLike[str], *, append: bool = False) -> None:
        self.path = as_path(path)
        self.append = as_flag(append, "append")
        self._file: IO[str] | None = None

    def on_train_begin(self, net: NetworkBase) -> None:
        """Open the file."""
        mode = "a" if self.append else "w"
        self._file = open(self.path, mode, newline="", encoding="utf-8")  # noqa: SIM115

    def on_epoch_end(self, net: NetworkBase, epoch: int, logs: Mapping[str, float]) -> None:
        """Write the line of an epoch."""
        if self._file is None:
            return
        names = ["epoch", *logs]
        writer = csv.writer(self._file)
        size = os.fstat(self._file.fileno()).st_size
        if size == 0:
            writer.writerow(names)
        elif epoch == 0:
            with open(self.path, newline="", encoding="utf-8-sig") as file:
                before = file.read()
            found = next(csv.reader(before.splitlines()), [])
            if found != names:
                raise ValueError(
                    f"{self.path}: expected the columns {', '.join(names)}, got {', '.join(found)}"
                )
            if not before.endswith("\n"):  # an editor may leave it out
                self._file.write("\n")
        writer.writerow([epoch, *(repr(value) for value in logs.values())])
        try:
            self._file.flush()
        except OSError as error:  # such as a full disk
            with contextlib.suppress(OSError):
                self.on_train_end(net)
            os.truncate(self.path, size)  # no line in part
            error.filename = self.path
            raise

    def on_train_end(self, net: NetworkBase) -> None:
        """Close the file."""
        if self._file is not None:
            file, self._file = self._file, None
            file.close()
