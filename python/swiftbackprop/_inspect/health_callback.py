"""The health of a network while it trains."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from swiftbackprop._engine.loader import core
from swiftbackprop._inspect.health import examine
from swiftbackprop._inspect.health_report import HealthReport
from swiftbackprop._net.arrays import as_data, as_labels
from swiftbackprop._net.caller import outside
from swiftbackprop._net.checks import as_int
from swiftbackprop._net.state import (
    OptimizerState,
    parameters_and_buffers,
    write_parameters_and_buffers,
)
from swiftbackprop._train.callback import Callback

if TYPE_CHECKING:
    from swiftbackprop._net.base import NetworkBase


_APART = 500  # steps between measurements of an update


class HealthCheck(Callback):
    """Examine a network while it trains, at the end of epochs; a callback for `Network.fit`.

    It looks at a few rows, drawn once, and works on a copy of the network. The first
    time that something turns bad it warns: once for each kind of finding. The next update
    takes as long to measure as all the rest: that is done at the first epoch, and then
    whenever 500 steps have gone by.

    Parameters
    ----------
    X : array_like, shape (M, D(0))
        The data to draw rows from, such as those to train on.
    y : array_like, shape (M, D(L)) or (M,)
    rows : int, default 32
        How many rows to look at; all if there are fewer. A check takes longer with more,
        and with fewer a unit that is rarely active may look dead.
    every : int, default 1
        Check every so many epochs, the first included.
    seed : int, default 0
        Of the drawing.

    Attributes
    ----------
    reports : list of HealthReport
        Of the last training, in order, each as `Network.health` returns it.

    Warns
    -----
    UserWarning
        With the finding and a sentence of advice.

    Examples
    --------
    >>> import numpy as np, swiftbackprop as sb
    >>> X = np.random.default_rng(0).normal(size=(100, 3))
    >>> net = sb.Network([3, 16, 1], seed=0)
    >>> check = sb.HealthCheck(X, X[:, 0])
    >>> history = net.fit(X, X[:, 0], epochs=5, callbacks=[check], progress=False)
    >>> [report.ok for report in check.reports]
    [True, True, True, True, True]
    """

    reports: list[HealthReport]

    def __init__(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        *,
        rows: int = 32,
        every: int = 1,
        seed: int = 0,
    ) -> None:

        data, targets = as_data(X, "X"), as_labels(y, "y")
        if len(data) != len(targets):
            raise ValueError(
                f"X has {len(data)} rows and y has {len(targets)}: one target for each example"
            )
        self._every = as_int(every, "every", min_=1)
        most = min(as_int(rows, "rows", min_=1), len(data))
        drawn = np.sort(np.random.default_rng(seed).permutation(len(data))[:most])
        self._X, self._y = data[drawn], targets[drawn]
        self._clone: NetworkBase | None = None
        self._said: set[str] = set()
        self._next: int | None = None  # the step from which to measure an update again
        self.reports = []

    def on_train_begin(self, net: NetworkBase) -> None:
        """Make a copy of the network, and see that the rows fit it."""
        self.reports, self._said, self._next = [], set(), None
        clone = net.copy()
        clone.forward(self._X)
        clone.backward(self._y)
        self._clone = clone

    def on_epoch_end(self, net: NetworkBase, epoch: int, logs: Mapping[str, float]) -> None:
        """Store the report of this epoch, and warn of what is new in it."""
        if epoch % self._every:
            return
        if self._clone is None:
            raise RuntimeError("a HealthCheck starts with a training: call on_train_begin first")
        steps = net.step_count
        stepped = self._next is None or steps >= self._next
        if stepped:
            self._next = steps + _APART
        _follow(self._clone, net, stepped)
        report = examine(net, self._clone, self._X, self._y, steps=stepped)
        self.reports.append(report)
        for finding in report.findings:
            if finding.kind not in self._said:
                self._said.add(finding.kind)
                warnings.warn(f"epoch {epoch}: {finding}", stacklevel=outside())

    def on_train_end(self, net: NetworkBase) -> None:
        """Let go of the copy."""
        self._clone = None


def _follow(clone: NetworkBase, net: NetworkBase, stepped: bool) -> None:
    """Give the copy the weights that the network has now; if it steps, the optimizer too."""
    write_parameters_and_buffers(clone, parameters_and_buffers(net))
    if not stepped:
        return
    OptimizerState.of(net).write(clone)
    hyper = range(len(net._spec.optimizer.parameters))
    for option in (
        *(core.OPTION_L1, core.OPTION_L2, core.OPTION_CLIP_NORM),
        core.OPTION_PRECISION,
        *(core.OPTION_HYPER + k for k in hyper),
    ):
        clone._set_option(option, net._option(option))
