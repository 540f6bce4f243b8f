"""Networks evaluated on streams, piece by piece, and predictions for them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from swiftbackprop._engine.loader import core
from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._net.labels import as_rows, encode
from swiftbackprop._train.evaluation import asked_metrics, named
from swiftbackprop._train.row_stream import Demand, Piece, RowStream
from swiftbackprop._train.session import Record
from swiftbackprop.metrics import MetricLike

if TYPE_CHECKING:
    from swiftbackprop._net.base import NetworkBase
    from swiftbackprop._train.class_weight import ClassWeights
    from swiftbackprop._train.processes import Processes


def demand_of(net: NetworkBase) -> Demand:
    """Return how a network wants rows."""
    scale = net._option(core.OPTION_INPUT_SCALE)
    measures = not net.loss.flags & core.RULE_CLASSES
    return Demand(net.dtype, scale != 1, net._classes, measures, checks=True)


def check_stream(net: NetworkBase, stream: RowStream, *, needs_target: bool = True) -> None:
    """Refuse a stream that does not fit a network."""
    if needs_target and not stream.has_target:
        raise ValueError("this stream has no target: give stream(..., target=...)")
    if stream.inputs != net.sizes[0]:
        raise ValueError(
            f"X: layer 1 expected shape (N, D(0)) = (N, {net.sizes[0]}), got a stream of "
            f"{stream.inputs} columns"
        )


def predict_stream(net: NetworkBase, stream: RowStream) -> FloatArray:
    """Return a(L) of all rows, (N, D(L))."""
    check_stream(net, stream, needs_target=False)
    parts = [net.predict(X) for X, _, _ in stream.pieces(demand_of(net))]
    return np.concatenate(parts)


class _Kept(NamedTuple):
    """What metrics are computed from."""

    y: FloatArray
    a: FloatArray
    weights: FloatArray | None


@dataclass
class _Spread:
    """Σw, the mean and Σw(t − mean)² of every output; parts are merged exactly.

    Notes
    -----
    Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample
    variances", 1979.
    """

    weight: float = 0.0
    mean: FloatArray = field(default_factory=lambda: np.zeros(()))
    total: FloatArray = field(default_factory=lambda: np.zeros(()))

    def merge(self, other: _Spread) -> None:
        if other.weight <= 0:
            return
        both = self.weight + other.weight
        apart = other.mean - self.mean
        among = np.square(apart) * (self.weight * other.weight / both)
        self.total = self.total + other.total + among
        self.mean = self.mean + apart * (other.weight / both)
        self.weight = both


@dataclass
class _Sums:
    """Sums over rows, of which means are made: what the parts of a stream have to add."""

    squares: FloatArray  # Σw(a − t)² of every output
    weight: float = 0.0
    values: FloatArray = field(default_factory=lambda: np.zeros(4))
    spread: _Spread = field(default_factory=_Spread)

    def add(self, values: FloatArray, w: FloatArray) -> None:
        weight = float(w.sum())
        self.weight += weight
        self.values = self.values + values * weight

    def measure(self, a: FloatArray, t: FloatArray, w: FloatArray) -> None:
        weight = float(w.sum())
        mean = w @ t / weight
        self.spread.merge(_Spread(weight, mean, w @ np.square(t - mean)))
        self.squares = self.squares + w @ np.square(a.astype(np.float64) - t)

    def merge(self, other: _Sums) -> None:
        self.weight += other.weight
        self.values = self.values + other.values
        self.squares = self.squares + other.squares
        self.spread.merge(other.spread)


class Pieces(Protocol):
    """What gives rows to validate on: a `RowStream`, or what stands for one."""

    def pieces(self, demand: Demand, /) -> Iterator[tuple[Any, ...]]:
        """Go through all rows in their order."""


class StreamValidation:
    """Evaluates a network on a stream; in place of the engine's own validation.

    With processes that have streams of their own it is evaluated on the rows of all.

    Attributes
    ----------
    keeps : bool
        Whether y and a(L) of all rows are kept, in `kept`, for metrics.
    """

    def __init__(
        self,
        net: NetworkBase,
        stream: Pieces,
        classes: ClassWeights | None = None,
        processes: Processes | None = None,
    ) -> None:
        self.net, self.stream, self.classes = net, stream, classes
        self.processes = processes
        self.keeps = False
        self.kept: _Kept | None = None

    def __call__(self, *_: Any) -> Record:
        """Return loss, accuracy, mse, mae and r2 over all rows."""
        net = self.net
        measures = not net.loss.flags & core.RULE_CLASSES
        sums = _Sums(np.zeros(net.sizes[-1]))
        parts: list[tuple[Any, Any, Any]] = []
        for X, given, weights in self.stream.pieces(demand_of(net)):
            y = encode(net, given, "y")
            if self.classes is not None:
                weights = self.classes.weigh(y, weights)
            a = np.empty((len(X), net.sizes[-1]), net.dtype) if measures or self.keeps else None
            found = net._evaluate(X, y, weights, a)
            if self.keeps:
                parts.append((y, a, weights))
            w = np.ones(len(X)) if weights is None else weights.astype(np.float64).ravel()
            if w.sum() > 0:
                sums.add(np.array(found[:4]), w)
                if measures and a is not None:
                    sums.measure(a, as_rows(net, y), w)
        if self.processes is not None:
            sums, *others = self.processes.gather(sums)
            for other in others:
                sums.merge(other)
        if sums.weight <= 0:
            raise ValueError(
                "the weights of the stream are 0 in every row: a mean over no rows has no value"
            )
        if self.keeps and not parts:
            none = np.zeros((0, net.sizes[-1]), net.dtype)
            parts = [(none, none, None)]
        self.kept = _joined(parts) if parts else None
        loss, accuracy, mse, mae = (sums.values / sums.weight).tolist()
        r2 = _r2(sums.squares, sums.spread) if measures else math.nan
        return loss, accuracy, mse, mae, r2


@dataclass
class HeldRows:
    """Arrays to validate on, in place of a stream: one piece."""

    piece: Piece

    def pieces(self, demand: Demand) -> Iterator[Piece]:
        """Go through the rows."""
        if len(self.piece[0]):
            yield self.piece


def _joined(parts: list[tuple[Any, Any, Any]]) -> _Kept:
    y, a, weights = zip(*parts, strict=True)
    all_weights = None if weights[0] is None else np.concatenate(weights)
    return _Kept(np.concatenate(y), np.concatenate(a), all_weights)


def _r2(squares: FloatArray, spread: _Spread) -> float:
    """Return the mean over outputs; as the engine, 1 or 0 of an output that is constant."""
    total = np.broadcast_to(spread.total, squares.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.where(total > 0, 1 - squares / total, squares == 0)
    return float(np.mean(values))


def evaluate_stream(
    net: NetworkBase, stream: RowStream, metrics: Iterable[MetricLike]
) -> dict[str, float]:
    """Return the cost and the metrics over all rows; `Network.evaluate` documents it."""
    check_stream(net, stream)
    asked = asked_metrics(net, metrics)
    evaluation = StreamValidation(net, stream)
    evaluation.keeps = bool(asked)
    result = named(net, evaluation())
    if evaluation.kept is not None:
        result |= {name: metric(*evaluation.kept) for name, metric in asked.items()}
    return result
