"""A training as it goes on, in a notebook."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any

from swiftbackprop._draw.line_chart import chart
from swiftbackprop._net.checks import as_number
from swiftbackprop._train.callback import Callback
from swiftbackprop._train.history import History

if TYPE_CHECKING:
    from swiftbackprop._net.base import NetworkBase


_SHARE = 0.1  # of the time may go into drawing


class LivePlot(Callback):
    """Show loss curves and the network's diagram while it trains, in a notebook.

    A callback for `Network.fit`. It keeps one display up to date, at the ends of epochs
    and at most twice a second. Outside a notebook it does nothing.

    Parameters
    ----------
    diagram : bool, default True
        Show the diagram of the weights below the curves.
    seconds : float, default 0.5
        How long to wait at least before drawing again; longer if drawing takes more than
        a tenth of the time.

    See Also
    --------
    History.plot : The curves of a training that has ended.
    Network.diagram : The diagram.

    Examples
    --------
    >>> import numpy as np, swiftbackprop as sb
    >>> net = sb.Network([2, 3, 1], seed=0)
    >>> history = net.fit(np.ones((4, 2)), np.ones(4), epochs=3, callbacks=[sb.LivePlot()],
    ...                   progress=False)
    """

    _is_of_first = True

    def __init__(self, *, diagram: bool = True, seconds: float = 0.5) -> None:
        self._diagram = bool(diagram)
        self._seconds = as_number(seconds, "seconds", min_=0)
        self._handle: Any = None
        self._next = 0.0

    def on_train_begin(self, net: NetworkBase) -> None:
        """Make the display, if this is a notebook."""
        display = _notebook_display()
        self._handle = None
        if display:
            self._handle = display(self._data(net), raw=True, display_id=True)

    def on_epoch_end(self, net: NetworkBase, epoch: int, logs: Mapping[str, float]) -> None:
        """Draw again, if enough time has gone by."""
        if self._handle is not None and monotonic() >= self._next:
            self._update(net)

    def on_train_end(self, net: NetworkBase) -> None:
        """Draw for the last time."""
        if self._handle is not None:
            self._update(net)
            self._handle = None

    def _update(self, net: NetworkBase) -> None:
        start = monotonic()
        self._handle.update(self._data(net), raw=True)
        end = monotonic()
        self._next = end + max(self._seconds, (end - start) / _SHARE)

    def _data(self, net: NetworkBase) -> dict[str, str]:
        """Return what to show, as HTML and as text."""
        history = net._history or History({})
        picture = ""
        if self._diagram:
            from swiftbackprop._inspect.network_diagram import diagram

            picture = diagram(net)._repr_html_()
        html = (
            f"<div><div>{_headline(history)}</div>"
            '<div style="display:flex;flex-wrap:wrap;gap:1em">'
            f"{''.join(_charts(history))}</div>"
            f"{picture}</div>"
        )
        return {"text/html": html, "text/plain": repr(history)}


def _headline(history: History) -> str:
    epochs = "1 epoch" if history.epochs == 1 else f"{history.epochs} epochs"
    return f"{epochs}, {history.stop_reason}"


def _charts(history: History) -> list[str]:
    """Return the curves of the loss, and of accuracy or r2 if they are there."""
    names = [("loss", 0.0, -math.inf), ("accuracy", 1.0, 0.0), ("r2", 1.0, -1.0)]
    return [
        chart(history.history, name, best=best, floor=floor)._repr_html_()
        for name, best, floor in names
        if name in history or f"val_{name}" in history
    ]


def _notebook_display() -> Any:
    """Return IPython's function that displays in a notebook; None if this is not one."""
    ipython = sys.modules.get("IPython")  # a kernel has imported it
    shell = ipython.get_ipython() if ipython else None
    if getattr(shell, "kernel", None) is None:
        return None
    from IPython.display import display

    return display
