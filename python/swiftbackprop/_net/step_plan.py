"""What a training step does on this machine, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from swiftbackprop._engine.config import get_num_threads
from swiftbackprop._engine.loader import core
from swiftbackprop._net.copies import explain_copy
from swiftbackprop._net.custom import own_functions

if TYPE_CHECKING:
    from swiftbackprop._net.base import NetworkBase


# How the engine's own tiles find their factors.
_TILES = {
    core.BY_TILES: "they multiply in place",
    core.BY_COPIED_TILES: "W, which lies the other way round there, is copied first",
    core.BY_PACKED_TILES: "both factors are brought into their order first, a block at a time",
}
# Why a product is left to BLAS, by what the engine answers.
_REASONS = {
    core.BY_BLAS_BASELINE: "this build of the engine has no instruction that multiplies and adds",
    core.BY_BLAS_TRANSPOSED: "W lies the other way round there",
    core.BY_BLAS_FEW_ROWS: "a tile has more rows",
    core.BY_BLAS_NARROW: "a tile is much wider than the layer",
    core.BY_BLAS_WIDE: "the layer's rows, more than 2 KB each, lie too far apart for tiles",
    core.BY_BLAS_LARGE: "more than 4 MB do not stay in the cache",
}
# Who multiplies factors that are rounded, by what the engine answers.
_UNITS = {
    core.BY_TILE_UNIT: "The CPU's tile unit (AMX) makes",
    core.BY_DOT_PRODUCTS: "The CPU's dot products (AVX512-BF16) make",
    core.BY_EMULATION: "This CPU has no products of bfloat16, so those of float32 make",
}
_ROUNDED = {
    "bfloat16": "factors are rounded to bfloat16",
    "bf16x2": "factors are sums of two bfloat16, in three products",
    "bf16x3": "factors are sums of three bfloat16, in six products",
}


def plan(net: NetworkBase, X: Any, batch_size: int, shuffle: bool) -> str:
    """Say how `fit` splits a batch among threads, what multiplies, and what happens to X."""
    rows = batch_size
    if X is not None:
        shape, inputs = np.shape(X), net.sizes[0]
        if len(shape) != 2 or shape[1] != inputs:
            raise ValueError(
                f"X: layer 1 expected shape (N, D(0)) = (N, {inputs}), got {shape}: one row per "
                "example"
            )
        if not shape[0]:
            raise ValueError("X has no rows: expected at least one")
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
    lines += _products(net, rows, allowed)
    if X is not None:
        lines.append(_input(net, X, shuffle))
    own = own_functions(net._spec)
    if own:
        lines.append(f"In between it stops for Python, at {own}.")
    return "\n".join(lines)


def _products(net: NetworkBase, rows: int, threads: int) -> list[str]:
    """Return a line for each maker of products: the engine's tiles, and BLAS for each reason."""
    made: dict[int, dict[str, list[int]]] = {}
    layers = len(net.layers)
    for m in range(1, layers + 1):
        for name, quantity in (("z", core.Z), ("grad_a", core.GRAD_A), ("grad_W", core.GRAD_W)):
            if name != "grad_a" or m < layers:
                maker = net._maker(quantity, m, rows, threads)
                made.setdefault(maker, {}).setdefault(name, []).append(m)
    lines = []
    for maker, products in sorted(made.items(), key=lambda item: (item[0] not in _TILES, item[0])):
        names = [f"{name}({run})" for name, found in products.items() for run in _runs(found)]
        what = ", ".join(names[:-1]) + " and " * (len(names) > 1) + names[-1]
        if maker in _UNITS:
            rounded = _ROUNDED[net.precision if net.precision in _ROUNDED else "bf16x3"]
            lines.append(f"{_UNITS[maker]} {what}: {rounded}, sums are float32.")
        elif maker in _TILES:
            lines.append(f"Tiles of the engine's own make {what}: {_TILES[maker]}.")
        else:
            lines.append(f"BLAS makes {what}: {_REASONS[maker]}.")
    if net.precision == "auto" and not made.keys() & _UNITS.keys():
        lines.append(
            "precision='auto' rounds none of their factors: "
            + (
                "they are too small to gain by it."
                if core.bf16_unit() == core.BY_TILE_UNIT
                else "this CPU has no tile unit that would be faster."
            )
        )
    return lines


def _runs(numbers: list[int]) -> list[str]:
    """Return ascending numbers as runs: [1, 2, 3, 5] is "1..3" and "5"."""
    runs: list[list[int]] = []
    for m in numbers:
        if runs and runs[-1][-1] == m - 1:
            runs[-1].append(m)
        else:
            runs.append([m])
    return [str(run[0]) if len(run) == 1 else f"{run[0]}..{run[-1]}" for run in runs]


def _input(net: NetworkBase, X: Any, shuffle: bool) -> str:
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
