"""What a training step does on this machine, in words."""

from typing import TYPE_CHECKING, Any

import numpy as np

from swiftbackprop._arrays import explain_copy
from swiftbackprop._config import get_num_threads

if TYPE_CHECKING:
    from swiftbackprop._inside import NetworkInside

__all__ = ["flops", "plan"]


def plan(net: "NetworkInside", X: Any, batch_size: int, shuffle: bool) -> str:
    """Say how `fit` splits a batch among threads and what it does with X."""
    rows = batch_size
    if X is not None:
        shape, inputs = np.shape(X), net.sizes[0]
        if len(shape) != 2 or shape[1] != inputs:
            raise ValueError(
                f"X has shape {shape}, but layer 1 wants (N, D(0)) = (N, {inputs}): "
                "one row per example"
            )
        rows = min(batch_size, shape[0])
    rows = min(rows, 2**31 - 1)  # more rows than a network takes
    allowed = get_num_threads() or 1
    threads = net._plan(rows, allowed)
    work = 3 * net._work(rows)
    what = "1 row" if rows == 1 else f"{rows} rows"
    lines = [f"A step on {what} takes {flops(work)} in matrix products."]
    if allowed == 1:
        lines.append("One thread is allowed, so it runs on one.")
    elif threads == 1:
        lines.append(
            f"It runs on 1 of {allowed} threads: split, a share would take less time than "
            "handing it over."
        )
    else:
        lines.append(
            f"It runs on {threads} of {allowed} threads: each takes {-(-rows // threads)} rows "
            "forward and backward, then its share of every W for grad_W and the update."
        )
    if X is not None:
        lines.append(_input(net, X, shuffle))
    return "\n".join(lines)


def _input(net: "NetworkInside", X: Any, shuffle: bool) -> str:
    if not net._in_place(X):
        return explain_copy(X, net)
    if shuffle:
        return "Rows of X are gathered into the batch, since shuffling scatters them."
    return "Rows of X are read where they lie."


def flops(work: float) -> str:
    """Return a number of operations with its unit."""
    for unit, size in (("GFLOP", 1e9), ("MFLOP", 1e6), ("kFLOP", 1e3)):
        if work >= size:
            return f"{work / size:.3g} {unit}"
    return f"{work:.0f} FLOP"
