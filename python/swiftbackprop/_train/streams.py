"""The data of `fit` that are read from a stream."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

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

__all__ = ["gather_stream", "gather_with_stream"]

_GOLDEN = 0x9E3779B97F4A7C15  # spreads consecutive numbers over 64 bits


def gather_stream(
    net: NetworkBase,
    stream: RowStream,
    options: Options,
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
    size = options.batch_rows()
    count = None if steps is None else as_int(steps, "steps_per_epoch", min_=1)
    check_stream(net, stream)
    rows = stream.rows
    if rows is not None and count is None:
        _check_last_batch(net, rows, size)
    if net._classes is None and stream.target_is_text:
        net._classes = as_classes(net, stream.labels())
    demand = demand_of(net)
    targets = stream.targets(demand)
    data = gather_pieces(
        net, None, None, size, class_weight, None, validation_data, 0.0, targets=targets
    )
    batches = count or (0 if rows is None else -(-rows // size))
    order = _orders(net) if options.shuffle else None
    reader = stream.epochs(demand, epochs, size, count, order)
    data = replace(data, source=reader, batches=batches, close=reader.close)
    return data, replace(options, batch_size=size)


def gather_with_stream(
    net: NetworkBase,
    X: Any,
    y: Any,
    sample_weight: Any,
    class_weight: Mapping[Any, float] | str | None,
    valid: RowStream,
    options: Options,
) -> tuple[ChunkedData, Options]:
    """Return the data of a session on arrays that is validated on a stream: one piece."""
    train = gather(net, X, y, sample_weight, None, 0.0)
    size = options.batch_rows()
    piece = (train.X, train.y) if train.weights is None else (train.X, train.y, train.weights)
    data = gather_pieces(
        net, [piece], None, size, class_weight, None, valid, 0.0, targets=[train.y]
    )
    batches = -(-len(train.X) // size)
    return replace(data, batches=batches), replace(options, batch_size=size)


def _check_last_batch(net: NetworkBase, rows: int, size: int) -> None:
    """Refuse, before training, a last batch of one row where batch norm needs two."""
    if rows % size == 1 and any(isinstance(norm, BatchNorm) for norm in net.norm):
        raise ValueError(
            f"batch norm needs at least two rows a batch, and batch_size={size} leaves one of "
            f"{rows} rows at the end of an epoch: take another batch_size"
        )


def _orders(net: NetworkBase) -> Callable[[int, int], FloatArray]:
    """Return what draws the order of n parts at a count of steps.

    It follows from the network's seed and its steps so far, so that training in several fits,
    from a checkpoint too, is as in one; and it is known before those steps are made.
    """
    seed, before = net.seed, net.step_count
    generator = smallest_net(initializer=initializer("zeros"))  # which draw nothing themselves

    def order(steps: int, n: int) -> FloatArray:
        places = np.arange(n, dtype=np.int32)
        generator._reset((seed + (before + steps + 1) * _GOLDEN) % 2**64)
        generator._draw_order(places)
        return places

    return order
