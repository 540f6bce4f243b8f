"""Inputs, targets and weights of an estimator, dense or sparse, block by block."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._train.communicator import share_of
from swiftbackprop._train.session import Record
from swiftbackprop._train.stream_validation import StreamValidation
from swiftbackprop.metrics import r2
from swiftbackprop.network import Network

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

    from swiftbackprop._train.processes import Processes


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

    def take(self, rows: Any) -> Rows:
        """Return some of the rows."""
        weights = None if self.weights is None else self.weights[rows]
        return Rows(self.X[rows], self.y[rows], weights)

    def dense(self, dtype: np.dtype[Any]) -> Rows:
        """Return the same rows with a dense X."""
        X = self.X.astype(dtype).toarray() if self.is_sparse else self.X
        return Rows(X, self.y, self.weights)

    @property
    def arrays(self) -> tuple[Any, ...]:
        """X, y and the weights."""
        return self.X, self.y, self.weights


def blocks(rows: int, size: int, row_bytes: int, *, alone: bool = False) -> Iterator[slice]:
    """Yield slices of whole batches; with `alone` of one each."""
    step = size * (1 if alone else max(1, _BLOCK_BYTES // (size * row_bytes)))
    for first in range(0, rows, step):
        yield slice(first, min(first + step, rows))


def predict_blocks(net: Network, X: Any) -> FloatArray:
    """Return a(L) of every row, (N, D(L)); sparse rows are dense in one block at a time."""
    if not sparse.issparse(X):
        return net.predict(X)
    out = np.empty((X.shape[0], net.sizes[-1]), net.dtype)
    for rows in blocks(X.shape[0], 256, X.shape[1] * net.dtype.itemsize):
        out[rows] = net.predict(X[rows].astype(net.dtype).toarray())
    return out


def evaluate_rows(net: Network, X: Any, y: FloatArray, weights: FloatArray | None) -> Record:
    """Return loss, accuracy, mse, mae and r2; sparse rows are dense in one block at a time."""
    if not sparse.issparse(X):
        return net._evaluate(X, y, weights)
    rows = Rows(X, y, weights)
    sums, total = np.zeros(4), 0.0
    for block in blocks(len(rows), 256, X.shape[1] * net.dtype.itemsize):
        part = rows.take(block).dense(net.dtype)
        weight = float(len(part) if part.weights is None else np.sum(part.weights))
        if weight > 0:
            sums += weight * np.array(net._evaluate(*part.arrays)[:4])
            total += weight
    means = sums / total if total else np.full(4, math.nan)
    return (*means.tolist(), r2(y, predict_blocks(net, X), weights))


@dataclass(frozen=True)
class _DenseBlocks:
    """Rows to validate on, dense in one block at a time: what `StreamValidation` goes through."""

    rows: Rows
    dtype: np.dtype[Any]

    def pieces(self, demand: object) -> Iterator[tuple[Any, ...]]:
        """Go through the rows."""
        for block in blocks(len(self.rows), 256, self.rows.X.shape[1] * self.dtype.itemsize):
            yield self.rows.take(block).dense(self.dtype).arrays


def evaluation_of(
    net: Network, valid: Rows | None, processes: Processes | None
) -> Callable[..., Record]:
    """Return what evaluates a network as `evaluate_rows`; by several processes a share each."""
    if processes is None or valid is None:
        return partial(evaluate_rows, net)
    own = valid.take(share_of(len(valid), processes))
    return StreamValidation(net, _DenseBlocks(own, net.dtype), None, processes)


def agree_on_rows(
    estimator: BaseEstimator, data: Rows, valid: Rows | None, processes: Processes
) -> None:
    """Refuse processes that do not all give the same rows to the same estimator.

    Of X some rows are compared, of y all.
    """
    names = ("solver", "max_iter", "batch_size", "early_stopping", "warm_start")
    kind = type(estimator).__name__
    processes.agree(
        [("the estimator", kind), *((f"{name} =", getattr(estimator, name)) for name in names)]
    )
    facts: list[tuple[str, Any]] = []
    for name, rows in (("X", data), ("X_val", valid)):
        if rows is None:
            facts += [(f"{name} of shape", None), (f"{name} of checksum", None)]
            continue
        some = rows.take(slice(None, None, max(1, len(rows) // 1000)))
        X = some.dense(np.dtype(np.float64)).X if rows.is_sparse else some.X
        check = zlib.crc32(np.ascontiguousarray(rows.y).data)
        check = zlib.crc32(np.ascontiguousarray(X).data, check)
        facts += [(f"{name} of shape", rows.X.shape), (f"{name} and y of checksum", check)]
    try:
        processes.agree(facts)
    except ValueError as error:
        raise ValueError(
            f"{error} rows. An estimator divides X and y itself, and `Network.fit` takes the rows "
            "of each process"
        ) from None
