"""The data of `fit` that are read from a stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._net.base import NetworkBase
from swiftbackprop._net.checks import as_int
from swiftbackprop._net.labels import as_classes
from swiftbackprop._net.normalization import BatchNorm
from swiftbackprop._net.rule import smallest_net
from swiftbackprop._net.rules import initializer
from swiftbackprop._train.data import ChunkedData, gather, gather_pieces
from swiftbackprop._train.options import Options
from swiftbackprop._train.row_stream import RowStream
from swiftbackprop._train.stream_validation import check_stream, demand_of

if TYPE_CHECKING:
    from swiftbackprop._train.processes import Processes


_GOLDEN = 0x9E3779B97F4A7C15  # spreads consecutive numbers over 64 bits


def gather_stream(
    net: NetworkBase,
    stream: RowStream,
    options: Options,
    *,
    steps: int | None,
    class_weight: Mapping[Any, float] | str | None,
    sample_weight: npt.ArrayLike | None,
    validation_data: Any,
    validation_split: float,
) -> tuple[ChunkedData, Options]:
    """Return the data of a session whose rows are read from a stream, and the batch size."""
    if sample_weight is not None:
        raise ValueError("weights come with the stream: stream(..., sample_weight='column')")
    if validation_split:
        raise ValueError("validation_split needs arrays: give validation_data")
    epochs = as_int(options.epochs, "epochs", min_=0)
    size, processes = options.batch_rows(), options.processes
    count = None if steps is None else as_int(steps, "steps_per_epoch", min_=1)
    check_stream(net, stream)
    _find_classes(net, stream, processes)
    demand = demand_of(net)
    targets = stream.targets(demand)
    data = gather_pieces(
        net,
        stream,
        batch_size=size,
        class_weight=class_weight,
        validation_data=validation_data,
        targets=targets,
        processes=processes,
    )
    order = _Orders(net)
    reader = stream.epochs(demand, epochs, size, count, order if options.shuffle else None)
    if count is not None:
        batches = count
        if processes is not None:  # of every minibatch each has an equal share
            windows = processes.gather(reader.piece_rows)
            reader.share(processes.rank, processes.size, min(windows) * processes.size // size)
    else:
        rows = rows_of_batches(stream.rows, reader.piece_rows, processes)
        for total in rows:
            _check_last_batch(net, total, size)
        batches = sum(-(-total // size) for total in rows)
        if processes is not None:
            order.batches = batches
    data = replace(data, source=reader, batches=batches, close=reader.close)
    return data, replace(options, batch_size=size)


def _find_classes(net: NetworkBase, stream: RowStream, processes: Processes | None) -> None:
    """Learn the labels of text in the target, unless the network knows them."""

    def find() -> list[str]:
        return stream.labels() if stream.target_is_text else []

    if processes is not None:
        from swiftbackprop._train.shared import find_classes_of_all

        net._classes = find_classes_of_all(net, find, processes)
    elif net._classes is None and stream.target_is_text:
        net._classes = as_classes(net, find())


def rows_of_batches(
    rows: int | None, piece_rows: int, processes: Processes | None = None
) -> list[int]:
    """Return how many rows an epoch has that batches are made of together.

    Of one process these are all, for its pieces hold whole batches, but the last; of several
    those of the first pieces, of the second ones and so on. Empty if not every number is known.
    """
    given = [(rows, piece_rows)]
    if processes is not None:
        given = processes.gather((rows, piece_rows))
    left = [count for count, _ in given if count is not None]
    if len(left) < len(given):
        return []
    if processes is None:
        return left
    totals = []
    while any(left):
        taken = [min(count, piece) for count, (_, piece) in zip(left, given, strict=True)]
        left = [count - some for count, some in zip(left, taken, strict=True)]
        totals.append(sum(taken))
    return totals


def gather_with_stream(
    net: NetworkBase,
    X: Any,
    y: Any,
    options: Options,
    *,
    sample_weight: Any,
    class_weight: Mapping[Any, float] | str | None,
    validation_data: RowStream,
) -> tuple[ChunkedData, Options]:
    """Return the data of a session on arrays that is validated on a stream: one piece."""
    train = gather(net, X, y, sample_weight=sample_weight)
    size, processes = options.batch_rows(), options.processes
    piece = (train.X, train.y) if train.weights is None else (train.X, train.y, train.weights)
    data = gather_pieces(
        net,
        [piece],
        batch_size=size,
        class_weight=class_weight,
        validation_data=validation_data,
        targets=[train.y],
        processes=processes,
    )
    rows = rows_of_batches(len(train.X), max(1, len(train.X)), processes)
    batches = sum(-(-total // size) for total in rows)
    return replace(data, batches=batches), replace(options, batch_size=size)


def _check_last_batch(net: NetworkBase, rows: int, size: int) -> None:
    """Refuse, before training, a last batch of one row where batch norm needs two."""
    if rows % size == 1 and any(isinstance(norm, BatchNorm) for norm in net.norm):
        raise ValueError(
            f"batch norm needs at least two rows a batch, and batch_size={size} leaves one of "
            f"{rows} rows at the end of an epoch: take another batch_size"
        )


class _Orders:
    """What draws the order of n parts at a count of steps.

    It follows from the network's seed and its steps so far, so that training in several fits,
    from a checkpoint too, is as in one; and it is known before those steps are made.

    Attributes
    ----------
    batches : int
        Minibatches of an epoch where several processes have the rows, for a reader knows of its
        own alone; 0 of one process, and where that is not known.
    """

    def __init__(self, net: NetworkBase) -> None:
        self.seed, self.before = net.seed, net.step_count
        self.batches = self.epochs = 0
        # Which draws nothing itself.
        self.generator = smallest_net(initializer=initializer("zeros"))

    def __call__(self, steps: int, n: int) -> FloatArray:
        if self.batches:
            steps = self.epochs * self.batches
        self.epochs += 1
        places = np.arange(n, dtype=np.int32)
        self.generator._reset((self.seed + (self.before + steps + 1) * _GOLDEN) % 2**64)
        self.generator._draw_order(places)
        return places
