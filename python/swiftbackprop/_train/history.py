"""What a training reports, epoch by epoch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NoReturn

from swiftbackprop._engine.loader import core
from swiftbackprop._net.names import unknown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from swiftbackprop._net.base import NetworkBase


class History(dict[str, list[float]]):
    """The record of a `fit`: a list for each column, with one entry for each epoch.

    Columns are ``loss``, the cost C without penalties, ``accuracy`` (cross-entropies),
    ``penalty`` (with l1 or l2), ``val_loss`` and ``val_accuracy`` or ``val_mse``,
    ``val_mae`` and ``val_r2`` (with validation data), and ``seconds``. It is a dict, so
    ``pandas.DataFrame(history)`` has a row for each epoch and ``json.dumps(history)`` works.

    Attributes
    ----------
    history : dict of str to list of float
        All columns.
    epochs : int
        How many epochs were trained to their end.
    stop_reason : str
        Why training ended: "completed", "stopped" (by `Network.stop` or a callback),
        "interrupted" (Ctrl-C), "diverged", "error" (in a callback), or "running".

    Examples
    --------
    >>> import numpy as np, swiftbackprop as sb
    >>> net = sb.Network([2, 1], seed=0)
    >>> history = net.fit(np.ones((4, 2)), np.ones(4), epochs=3, progress=False)
    >>> history.epochs, history.stop_reason, list(history)
    (3, 'completed', ['loss', 'seconds'])
    """

    def __init__(self, columns: Iterable[str] = ()) -> None:
        super().__init__({name: [] for name in columns})
        self.stop_reason = "running"

    @property
    def history(self) -> dict[str, list[float]]:
        """All columns, as in Keras."""
        return dict(self)

    @property
    def epochs(self) -> int:
        """How many epochs were trained to their end."""
        return min((len(column) for column in self.values()), default=0)

    def __missing__(self, name: str) -> NoReturn:
        raise KeyError(unknown("column", str(name), self))

    if not TYPE_CHECKING:  # which would take any attribute for one that is there

        def __getattr__(self, name: str) -> NoReturn:
            hint = f": write history[{name!r}]" if name in self else ""
            raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}{hint}")

    def append(self, logs: Mapping[str, float]) -> None:
        """Add the record of an epoch; once more, if Ctrl-C came in between."""
        place = self.epochs
        for name, column in self.items():
            column[place:] = [logs[name]]

    def plot(self, *names: str, ax: Axes | None = None) -> Axes:
        """Plot columns against the epochs, with matplotlib.

        Parameters
        ----------
        *names : str
            Quantities such as "loss", each of training and of validation. By default loss,
            accuracy and r2, as far as they are there. What is best at 1, such as accuracy, r2
            or recall, has its axis on the right.
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default in a new figure.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        ValueError
            If there is no such column.
        ImportError
            If matplotlib is missing.

        Examples
        --------
        >>> import numpy as np, swiftbackprop as sb
        >>> net = sb.Network([2, 1], seed=0)
        >>> history = net.fit(np.ones((4, 2)), np.ones(4), epochs=3, progress=False)
        >>> axes = history.plot()
        >>> [line.get_label() for line in axes.get_lines()]
        ['loss']
        """
        from swiftbackprop._train.history_plot import plot_history

        return plot_history(self, names, ax)

    def __repr__(self) -> str:
        last = [
            f"{name}={column[-1]:.4g}"
            for name, column in self.items()
            if column and name != "seconds" and not math.isnan(column[-1])
        ]
        shown = ", ".join([f"{self.epochs} epochs", self.stop_reason, *last])
        return f"History({shown})"


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
