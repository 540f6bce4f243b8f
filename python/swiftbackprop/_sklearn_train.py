"""Stochastic training of an estimator: scikit-learn's rules around the engine's epochs."""

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from swiftbackprop._arrays import FloatArray
from swiftbackprop._callbacks import Callback, call
from swiftbackprop._history import History
from swiftbackprop._sklearn_network import change_rate
from swiftbackprop.network import Network

if TYPE_CHECKING:
    from swiftbackprop._sklearn_base import Estimator

# A block of dense rows that are made of sparse ones, at most; one batch at least.
_BLOCK_BYTES = 16 * 2**20


@dataclass(frozen=True)
class Rows:
    """Inputs, targets as the network learns them, and weights."""

    X: Any
    y: FloatArray
    weights: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.y)

    @property
    def is_sparse(self) -> bool:
        """Whether X is a sparse matrix."""
        return bool(sparse.issparse(self.X))

    def take(self, rows: Any) -> "Rows":
        """Return some of the rows."""
        weights = None if self.weights is None else self.weights[rows]
        return Rows(self.X[rows], self.y[rows], weights)

    def dense(self, dtype: np.dtype[Any]) -> "Rows":
        """Return the same rows with a dense X."""
        X = self.X.astype(dtype).toarray() if self.is_sparse else self.X
        return Rows(X, self.y, self.weights)

    @property
    def arrays(self) -> tuple[Any, ...]:
        """X, y and the weights."""
        return self.X, self.y, self.weights


class Watch(Callback):
    """What scikit-learn does after each epoch: curves, stopping rules, learning rates.

    Parameters
    ----------
    estimator : Estimator
        Its fitted attributes are written.
    net : Network
    rows : int
        The number of rows of an epoch.
    constant : float
        What the reported loss has beside C and the penalty.
    valid : Rows or None
    """

    def __init__(
        self,
        estimator: "Estimator",
        net: Network,
        rows: int,
        constant: float,
        valid: Rows | None,
    ) -> None:
        self.estimator, self.rows, self.constant, self.valid = estimator, rows, constant, valid
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
        if self.valid is not None:
            self._validate(net, logs, self.valid)
        if not given.early_stopping:
            self._count(given.loss_ > given.best_loss_ - given.tol)
            given.best_loss_ = min(given.best_loss_, given.loss_)
        if self.follows_schedule and given.learning_rate == "invscaling":
            change_rate(net, given.learning_rate_init / (given.t_ + 1) ** given.power_t)
        return given._no_improvement_count > given.n_iter_no_change and self._is_over(net)

    def _validate(self, net: Network, logs: Mapping[str, float], valid: Rows) -> None:
        given = self.estimator
        best = given.best_validation_score_
        score = given._record_validation(net, logs, valid, self.constant)
        if given.early_stopping:
            self._count(score < best + given.tol)
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
        if self.estimator.verbose:
            print(line)  # noqa: T201 - asked for


def train(
    estimator: "Estimator",
    net: Network,
    data: Rows,
    watch: Watch,
    callbacks: Sequence[Any],
    *,
    is_partial: bool,
) -> None:
    """Train for max_iter epochs or fewer, or for one; the rules are `Watch`'s.

    Warns
    -----
    ConvergenceWarning
        If no rule ended the training.
    """
    epochs = 1 if is_partial else estimator.max_iter
    size = _batch_size(estimator.batch_size, len(data))
    run = _fit_sparse if data.is_sparse else _fit_dense
    try:
        everyone = [watch, *callbacks]
        history = run(net, data, watch.valid, epochs, size, estimator.shuffle, everyone)
    finally:
        if watch.best is not None:
            net.parameters[...] = watch.best
    if history.stop_reason == "completed" and not is_partial:
        warnings.warn(
            f"Stochastic Optimizer: Maximum iterations ({epochs}) reached and the "
            "optimization hasn't converged yet.",
            ConvergenceWarning,
            stacklevel=5,
        )


def _batch_size(given: Any, rows: int) -> int:
    if given == "auto":
        return min(200, rows)
    if given > rows:
        warnings.warn(
            "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped",
            stacklevel=5,
        )
    return min(int(given), rows)


def _fit_dense(
    net: Network,
    data: Rows,
    valid: Rows | None,
    epochs: int,
    size: int,
    shuffle: bool,
    callbacks: Sequence[Any],
) -> History:
    """Train with whole epochs in the engine."""
    return net.fit(
        data.X,
        data.y,
        sample_weight=data.weights,
        epochs=epochs,
        batch_size=size,
        shuffle=shuffle,
        validation_data=None if valid is None else valid.dense(net.dtype).arrays,
        callbacks=callbacks,
        progress=False,
    )


def _fit_sparse(
    net: Network,
    data: Rows,
    valid: Rows | None,
    epochs: int,
    size: int,
    shuffle: bool,
    callbacks: Sequence[Any],
) -> History:
    """Train on some batches of dense rows at a time; they are made anew in every epoch."""
    net._history, net._stopped = None, False
    history: History | None = None
    for callback in callbacks:
        call(callback, "on_train_begin", net)
    try:
        for epoch in range(epochs):
            logs = _sparse_epoch(net, data, size, shuffle)
            if valid is not None:
                logs |= evaluate_rows(net, valid)
            history = net._history = history or History(dict.fromkeys(logs, 0))
            history.append(logs)
            answers = [call(c, "on_epoch_end", net, epoch, dict(logs)) for c in callbacks]
            if net._stopped or any(answers):
                history.stop_reason = "stopped"
                return history
        history = history or History({})
        history.stop_reason = "completed"
        return history
    finally:
        for callback in callbacks:
            call(callback, "on_train_end", net)


def _sparse_epoch(net: Network, data: Rows, size: int, shuffle: bool) -> dict[str, float]:
    """Train one epoch; return the means of what the blocks report, by their rows."""
    order = np.arange(len(data))
    if shuffle:
        # From the engine's generator, and back into it: the network alone has the state.
        random = np.random.default_rng(np.array(net._generator(), np.uint64))
        random.shuffle(order)
        first, second, third, fourth = random.integers(1, 2**63, size=4).tolist()
        net._set_generator((first, second, third, fourth))
    logs: dict[str, float] = {}
    for rows in _blocks(len(data), size, data.X.shape[1] * net.dtype.itemsize):
        part = data.take(order[rows]).dense(net.dtype)
        history = _fit_dense(net, part, None, 1, size, False, ())
        for name, column in history.items():
            share = 1.0 if name == "seconds" else len(part) / len(data)
            logs[name] = logs.get(name, 0.0) + share * column[0]
    return logs


def _blocks(rows: int, size: int, row_bytes: int) -> Iterator[slice]:
    """Yield slices of whole batches."""
    step = size * max(1, _BLOCK_BYTES // (size * row_bytes))
    for first in range(0, rows, step):
        yield slice(first, min(first + step, rows))


def predict_blocks(net: Network, X: Any) -> FloatArray:
    """Return a(L) of every row, (N, D(L)); sparse rows are dense in one block at a time."""
    if not sparse.issparse(X):
        return net.predict(X)
    out = np.empty((X.shape[0], net.sizes[-1]), net.dtype)
    for rows in _blocks(X.shape[0], 256, X.shape[1] * net.dtype.itemsize):
        out[rows] = net.predict(X[rows].astype(net.dtype).toarray())
    return out


def evaluate_rows(net: Network, valid: Rows) -> dict[str, float]:
    """Return the validation columns of the history."""
    means: dict[str, float] = {}
    total = 0.0
    for rows in _blocks(len(valid), 256, valid.X.shape[1] * net.dtype.itemsize):
        part = valid.take(rows).dense(net.dtype)
        weight = float(len(part) if part.weights is None else np.sum(part.weights))
        if weight == 0:
            continue
        total += weight
        found = net.evaluate(part.X, part.y, sample_weight=part.weights)
        for name, value in found.items():
            means[name] = means.get(name, 0.0) + weight * value
    return {f"val_{name}": value / total for name, value in means.items() if name != "r2"} or {
        "val_loss": math.nan
    }
