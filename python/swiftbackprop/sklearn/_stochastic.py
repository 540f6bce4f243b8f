"""Stochastic training of an estimator: scikit-learn's rules around the engine's epochs."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._net.caller import outside
from swiftbackprop._train.builtin_callbacks import EarlyStopping
from swiftbackprop._train.callback import Callback
from swiftbackprop._train.communicator import share_of
from swiftbackprop._train.data import ChunkedData, Data
from swiftbackprop._train.fit import fit
from swiftbackprop._train.history import History
from swiftbackprop._train.options import Options
from swiftbackprop._train.shared import join
from swiftbackprop.network import Network
from swiftbackprop.sklearn._network import change_rate
from swiftbackprop.sklearn._rows import Rows, blocks, evaluation_of
from swiftbackprop.sklearn._scoring import Scoring

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

    from swiftbackprop._train.processes import Processes


class StoppingRules(Callback):
    """What scikit-learn does after each epoch: curves, stopping rules, learning rates.

    The estimator's fitted attributes are written. An epoch has so many `rows`, and the reported
    loss has `constant` beside C and the penalty; with `shows` what happens is printed.
    """

    def __init__(
        self,
        estimator: BaseEstimator,
        net: Network,
        rows: int,
        constant: float,
        scoring: Scoring | None,
        shows: bool,
    ) -> None:
        self.estimator, self.rows, self.constant = estimator, rows, constant
        self.scoring, self.shows = scoring, shows
        self.follows_schedule = estimator.solver == "sgd" and estimator.optimizer is None
        self.best: FloatArray | None = None
        if estimator.early_stopping and estimator.best_validation_score_ > -np.inf:
            self.best = net.parameters.copy()  # of an earlier fit

    def on_epoch_end(self, net: Network, epoch: int, logs: Mapping[str, float]) -> bool:
        """Record the epoch; return whether training is over."""
        given = self.estimator
        given.n_iter_ += 1
        given.t_ += self.rows
        given.loss_ = logs["loss"] + logs.get("penalty", 0.0) + self.constant
        given.loss_curve_.append(given.loss_)
        self._say(f"Iteration {given.n_iter_}, loss = {given.loss_:.8f}")
        if self.scoring is not None:
            self._validate(net, logs, self.scoring)
        if not given.early_stopping:
            self._count(given.loss_ > given.best_loss_ - given.tol)
            given.best_loss_ = min(given.best_loss_, given.loss_)
        if self.follows_schedule and given.learning_rate == "invscaling":
            change_rate(net, given.learning_rate_init / (given.t_ + 1) ** given.power_t)
        return given._no_improvement_count > given.n_iter_no_change and self._is_over(net)

    def on_train_end(self, net: Network) -> None:
        """Put the best weights back; callbacks that do the same come later and prevail."""
        if self.best is not None:
            net.parameters[...] = self.best

    def on_divergence(self, error: FloatingPointError, callbacks: Sequence[Any]) -> None:
        """Record an epoch without numbers and warn; raise unless good weights were put back."""
        stops = [c for c in callbacks if isinstance(c, EarlyStopping) and c.restore_best_weights]
        if self.best is None and all(stop.best_epoch < 0 for stop in stops):
            raise error
        given = self.estimator
        given.n_iter_ += 1
        given.loss_ = math.nan
        for curve in (given.loss_curve_, given.validation_scores_, given.validation_loss_curve_):
            if curve is not None:
                curve.append(math.nan)
        warnings.warn(
            f"Training diverged in epoch {given.n_iter_} and ended there; the best weights "
            f"before it are kept. A smaller learning_rate_init or scaled data may help. ({error})",
            ConvergenceWarning,
            stacklevel=outside(),
        )

    def _validate(self, net: Network, logs: Mapping[str, float], scoring: Scoring) -> None:
        given = self.estimator
        best = given.best_validation_score_
        score = given._record_validation(net, logs, scoring, shows=self.shows)
        if given.early_stopping:
            self._count(not score >= best + given.tol)  # NaN is no improvement
            if score > best:
                self.best = net.parameters.copy()

    def _count(self, is_worse: bool) -> None:
        given = self.estimator
        given._no_improvement_count = given._no_improvement_count + 1 if is_worse else 0

    def _is_over(self, net: Network) -> bool:
        """Stop, or go on with a fifth of the learning rate if that is adaptive."""
        given = self.estimator
        what = "Validation score" if given.early_stopping else "Training loss"
        reason = (
            f"{what} did not improve more than tol={given.tol:f} for "
            f"{given.n_iter_no_change} consecutive epochs."
        )
        if not self.follows_schedule or given.learning_rate != "adaptive":
            self._say(f"{reason} Stopping.")
            return True
        if net.optimizer.lr <= 1e-6:
            self._say(f"{reason} Learning rate too small. Stopping.")
            return True
        change_rate(net, net.optimizer.lr / 5)
        given._no_improvement_count = 0
        self._say(f"{reason} Setting learning rate to {net.optimizer.lr:f}")
        return False

    def _say(self, line: str) -> None:
        if self.shows:
            print(line)  # noqa: T201 - asked for


def train(
    estimator: BaseEstimator,
    net: Network,
    data: Rows,
    valid: Rows | None,
    watch: StoppingRules,
    callbacks: Sequence[Any],
    *,
    is_partial: bool,
    processes: Processes | None = None,
) -> None:
    """Train for max_iter epochs or fewer, or for one; the rules are `StoppingRules`'s."""
    epochs = 1 if is_partial else estimator.max_iter
    size = _batch_size(estimator.batch_size, len(data))
    options = Options(epochs, size, estimator.shuffle, [watch, *callbacks], progress=False)
    options = replace(options, processes=processes)
    try:
        fit_rows = _fit_sparse if data.is_sparse else _fit_dense
        history = fit_rows(net, data, valid, options)
    except FloatingPointError as error:
        return watch.on_divergence(error, callbacks)
    if history.stop_reason == "completed" and not is_partial:
        warnings.warn(
            f"Stochastic Optimizer: Maximum iterations ({epochs}) reached and the "
            "optimization hasn't converged yet.",
            ConvergenceWarning,
            stacklevel=outside(),
        )
    return None


def _batch_size(given: Any, rows: int) -> int:
    if given == "auto":
        return min(200, rows)
    if given > rows:
        warnings.warn(
            "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped",
            stacklevel=outside(),
        )
    return min(int(given), rows)


def _fit_dense(net: Network, data: Rows, valid: Rows | None, options: Options) -> History:
    """Train with whole epochs in the engine, alone or on a share of the rows."""
    processes = options.processes
    if valid is not None:
        valid = valid.dense(net.dtype)
    if processes is not None:
        data = data.take(share_of(len(data), processes))
        valid = None if valid is None else valid.take(share_of(len(valid), processes))
    return net.fit(
        data.X,
        data.y,
        sample_weight=data.weights,
        epochs=options.epochs,
        batch_size=options.batch_size,
        shuffle=options.shuffle,
        validation_data=None if valid is None else valid.arrays,
        callbacks=options.callbacks,
        progress=False,
        comm=processes,
    )


def _fit_sparse(net: Network, data: Rows, valid: Rows | None, options: Options) -> History:
    """Train on some batches of dense rows at a time; they are made anew in every epoch.

    Of several processes, which all have the same rows, each makes its share of every batch dense.
    """
    size, processes = options.batch_rows(), options.processes

    def pieces() -> Iterator[tuple[Any, ...]]:
        order = np.arange(len(data), dtype=np.int32)
        if options.shuffle:
            net._draw_order(order)
        row_bytes = data.X.shape[1] * net.dtype.itemsize
        for rows in blocks(len(data), size, row_bytes, alone=processes is not None):
            found = order[rows]
            if processes is not None:
                found = found[share_of(len(found), processes)]
            yield data.take(found).dense(net.dtype).arrays

    held = Data(data.X, data.y, None, *(() if valid is None else valid.arrays))
    evaluate = evaluation_of(net, valid, processes)
    source = ChunkedData(pieces, held, batches=-(-len(data) // size), evaluate=evaluate)
    if processes is not None:
        join(net, processes, options.epochs, size, options.row_order(), [])
    return fit(net, source, replace(options, shuffle=False))
