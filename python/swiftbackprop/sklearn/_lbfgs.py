"""L-BFGS: SciPy's search over the engine's flat buffers, its loss and its gradient."""

from __future__ import annotations

import math
import warnings
import zlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import optimize, sparse
from sklearn.exceptions import ConvergenceWarning

from swiftbackprop._engine.loader import core
from swiftbackprop._inspect.in_double import in_double
from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._net.caller import outside
from swiftbackprop._train.callback import call, of_process
from swiftbackprop._train.communicator import share_of
from swiftbackprop._train.history import columns
from swiftbackprop._train.shared import Agreement, join
from swiftbackprop.network import Network
from swiftbackprop.sklearn._rows import Rows, evaluation_of
from swiftbackprop.sklearn._scoring import Scoring

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

    from swiftbackprop._train.processes import Processes

# What z, a and their gradients of one block of rows may take.
_BLOCK_BYTES = 256 * 2**20
# For the line search: a step too far is worse than anything.
_TOO_FAR = 1e300
_STOPPED = 99  # SciPy's status after StopIteration


class Objective:
    """C + ½·alpha·ΣW² / Σw over all rows, and its gradient, of the flat parameters.

    The rows are taken in blocks, so that memory does not grow with their number, and rows
    of a sparse X are dense in one block at a time. Of several processes, which all have the same
    rows, each goes through its share, and the sums are of all. The gradient of layers that are not
    `trained` is 0.
    """

    def __init__(
        self,
        net: Network,
        data: Rows,
        alpha: float,
        trained: Sequence[bool],
        processes: Processes | None = None,
    ) -> None:
        weights = data.weights
        self.total = float(len(data) if weights is None else np.sum(weights))
        self.processes = processes
        if processes is not None:
            data = data.take(share_of(len(data), processes))
        X, y = data.X, data.y
        self.net, self.y, self.weights, self.alpha = net, y, data.weights, alpha
        per_row = 4 * sum(net.sizes) * net.dtype.itemsize
        self.rows = max(1024, _BLOCK_BYTES // per_row)
        self.X = X if len(y) > self.rows else _dense(X, net.dtype)
        self.mask = np.zeros(net.n_parameters)
        for W, _ in net.unflatten(self.mask):
            W[...] = 1.0
        self.free = np.ones(net.n_parameters)
        for arrays, is_trained in zip(net.unflatten(self.free), trained, strict=True):
            for array in arrays:
                array[...] = is_trained

    def __call__(self, x: FloatArray) -> tuple[float, FloatArray]:
        """Return the value and the gradient at x, (P,)."""
        self.net.parameters[...] = x
        sums = np.zeros(len(x) + 3)  # ∂C/∂x, C, whether it overflowed, and a check of x
        slope = sums[: len(x)]
        try:
            for X, y, weights, share in self._blocks():
                self.net.forward(X)
                sums[-3] += share * self.net.backward(y, sample_weight=weights)
                slope += share * self.net.gradients
        except core.DivergenceError:
            sums[:-2], sums[-2] = 0.0, 1.0
        if self.processes is not None:
            self._sum(x, sums, self.processes)
        if sums[-2]:
            return _TOO_FAR, np.zeros(len(x))
        cost = float(sums[-3])
        if self.total > 0:
            decay = self.alpha / self.total * self.mask * x
            cost, slope = cost + 0.5 * float(decay @ x), slope + decay
        return cost, self.free * slope

    def _sum(self, x: FloatArray, sums: FloatArray, processes: Processes) -> None:
        """Sum over the processes, which must ask for the same x.

        With the same sums each makes the same steps, if SciPy is the same.
        """
        check = float(zlib.crc32(np.ascontiguousarray(x).data))
        sums[-1] = check
        if processes.sum(sums)[-1] != processes.size * check:
            raise RuntimeError(
                f"process {processes.rank} of {processes.size} searches elsewhere than the others: "
                "solver='lbfgs' needs the same SciPy on the same kind of processor for all"
            )

    def _blocks(self) -> Iterator[tuple[FloatArray, FloatArray, FloatArray | None, float]]:
        """Yield X, y, the weights, and the share of Σw, of blocks of rows."""
        for first in range(0, len(self.y), self.rows):
            rows = slice(first, first + self.rows)
            y = self.y[rows]
            weights = None if self.weights is None else self.weights[rows]
            weight = float(len(y) if weights is None else np.sum(weights))
            share = weight / self.total if self.total > 0 else 0.0
            yield _dense(self.X[rows], self.net.dtype), y, weights, share


def _dense(X: Any, dtype: Any) -> FloatArray:
    return np.asarray(X.toarray() if sparse.issparse(X) else X, dtype)


class Search:
    """SciPy's search from the network's parameters; the best ones are left in it.

    It runs in double precision whatever the network's dtype: the line search compares
    values that agree in their first digits. The estimator's fitted attributes are written, and the
    reported loss has `constant` beside C and the penalty. Several processes all search from the
    network of process 0, with the same steps.

    Notes
    -----
    Byrd, Lu, Nocedal and Zhu, "A limited memory algorithm for bound constrained
    optimization", 1995.
    """

    def __init__(
        self,
        estimator: BaseEstimator,
        net: Network,
        data: Rows,
        constant: float,
        valid: Rows | None,
        callbacks: Sequence[Any],
        processes: Processes | None = None,
    ) -> None:
        self.processes, self.agreement = processes, None
        if processes is not None:
            join(net, processes, estimator.max_iter, len(data), False, [])
            self.agreement = Agreement(net, processes)
            callbacks = of_process(callbacks, processes)
        self.estimator, self.net, self.constant = estimator, net, constant
        self.callbacks = callbacks
        self.scoring = None if valid is None else Scoring(estimator, valid)
        self.evaluate = None if valid is None else evaluation_of(net, valid, processes)
        self.valid = None if valid is None else valid.arrays
        self.work = net if net.dtype == np.float64 else in_double(net)
        trained = [layer.trainable for layer in net.layers]
        self.objective = Objective(self.work, data, net.l2, trained, processes)
        self.best = self.work.parameters.copy()
        self.begun = -1  # the iteration whose beginning the callbacks know of

    def run(self) -> None:
        """Search; warn if a limit ended it."""
        given = self.estimator
        self.net._stopped = False
        for callback in self.callbacks:
            call(callback, "on_train_begin", self.net)
        try:
            result = optimize.minimize(
                self._value,
                self.best.copy(),
                jac=True,
                method="L-BFGS-B",
                options={"maxfun": given.max_fun, "maxiter": given.max_iter, "gtol": given.tol},
                callback=self._after,
            )
            self.best = result.x
        finally:
            self.net.parameters[...] = self.best
            self.work.release()
            for callback in self.callbacks:
                call(callback, "on_train_end", self.net)
        given.n_iter_ = min(int(result.nit), given.max_iter)
        given.loss_ = given.best_loss_ = float(result.fun) + self.constant
        if result.fun >= _TOO_FAR:
            raise FloatingPointError("the loss is infinite at the start of the search")
        if result.status not in (0, _STOPPED):
            warnings.warn(
                f"lbfgs failed to converge after {result.nit} iteration(s) (status="
                f"{result.status}): {result.message}. Scaling the data, or a larger max_iter "
                "or max_fun, may help.",
                ConvergenceWarning,
                stacklevel=outside(),
            )

    def _value(self, x: FloatArray) -> tuple[float, FloatArray]:
        """Return the objective and its gradient; the first call of an iteration begins it."""
        if self.begun < self.estimator.n_iter_:
            self.begun = self.estimator.n_iter_
            for callback in self.callbacks:
                call(callback, "on_epoch_begin", self.net, self.begun)
        return self.objective(x)

    def _after(self, intermediate_result: Any) -> None:
        """Record an iteration; SciPy takes the argument by its name."""
        given = self.estimator
        self.best = intermediate_result.x.copy()
        self.net.parameters[...] = self.best
        loss = float(intermediate_result.fun)
        given.n_iter_ += 1
        given.loss_ = loss + self.constant
        given.loss_curve_.append(given.loss_)
        shows = given.verbose and (self.processes is None or self.processes.is_first)
        if shows:
            print(f"Iteration {given.n_iter_}, loss = {given.loss_:.8f}")  # noqa: T201
        logs = {"loss": loss}
        if self.valid is not None and self.evaluate is not None and self.scoring is not None:
            record = (loss, *[math.nan] * 3, *self.evaluate(*self.valid))
            places = columns(self.net, validates=True)
            logs |= {name: record[i] for name, i in places.items() if name.startswith("val_")}
            given._record_validation(self.net, logs, self.scoring, shows=shows)
        epoch = given.n_iter_ - 1
        answers = [call(c, "on_epoch_end", self.net, epoch, dict(logs)) for c in self.callbacks]
        stops = self.net._stopped or any(answers)
        if self.processes is not None and self.agreement is not None:
            self.agreement.wish()
            stops = self.processes.any(stops)
            stops = self.agreement.compare(0.0, given.n_iter_)[1] or stops
        if stops:
            raise StopIteration
