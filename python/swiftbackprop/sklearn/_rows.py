"""Inputs, targets and weights of an estimator, dense or sparse, block by block."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._train.session import Record
from swiftbackprop.metrics import r2
from swiftbackprop.network import Network

__all__ = ["Rows", "blocks", "evaluate_rows", "predict_blocks"]

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


def blocks(rows: int, size: int, row_bytes: int) -> Iterator[slice]:
    """Yield slices of whole batches."""
    step = size * max(1, _BLOCK_BYTES // (size * row_bytes))
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
