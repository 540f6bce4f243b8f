"""Measuring passes: how long they take, what they compute, what the machine could do."""

from __future__ import annotations

import ctypes
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from swiftbackprop._engine.config import get_num_threads, set_num_threads
from swiftbackprop._engine.loader import blas

# Rows and columns of the product that shows the machine's peak: large enough for BLAS to come
# close to what the arithmetic units can do, small enough to take a few hundredths of a second.
PEAK_SIZE = 1024


def allowed_threads() -> int:
    """Return how many threads the engine may use, 1 if the library does not say."""
    try:
        return max(1, get_num_threads())
    except RuntimeError:
        return 1


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Allow `count` threads inside, and as many as before afterwards."""
    before = allowed_threads()
    if count != before:
        set_num_threads(count)
    try:
        yield
    finally:
        if allowed_threads() != before:
            set_num_threads(before)


def samples(
    call: Callable[[], object], repeats: int, *, min_seconds: float = 1e-3, max_seconds: float = 1.0
) -> list[float]:
    """Return up to `repeats` times of a call, in seconds.

    The first call warms up. Short calls are made several times for one sample, which then
    lasts `min_seconds`; long ones are measured less often, about `max_seconds` in all.
    """

    def run(turns: int) -> float:
        start = time.perf_counter()
        for _ in range(turns):
            call()
        return (time.perf_counter() - start) / turns

    first = max(run(1), 1e-9)
    if first >= max_seconds:
        return [first]
    turns = max(1, math.ceil(min_seconds / first))
    return [run(turns) for _ in range(max(1, min(repeats, int(max_seconds / (turns * first)))))]


def work(sizes: Sequence[int], rows: int) -> float:
    """Return the operations in the products of forward and backward.

    Two for every multiplication with its addition: for z(m) and grad_W(m) of each layer
    m = 1..L, and for grad_a(m) of each but the input.
    """
    weights = [inputs * outputs for inputs, outputs in pairwise(sizes)]
    return 2.0 * rows * (3 * sum(weights) - weights[0])


def peak(dtype: npt.DTypeLike, count: int) -> float:
    """Return operations per second of a large matrix product by the engine's BLAS.

    It is the best that software reaches on this machine, some per cent below what its
    multiply-add units could do at most.
    """
    library = blas.library
    if library is None:
        raise RuntimeError(blas.problem)
    single = np.dtype(dtype) == np.float32
    n, real = PEAK_SIZE, ctypes.c_float if single else ctypes.c_double
    whole, place = ctypes.c_int, ctypes.c_void_p
    gemm = ctypes.CFUNCTYPE(
        None, *[whole] * 6, real, place, whole, place, whole, real, place, whole
    )(library.table[0 if single else 1])
    A, B, C = (np.full((n, n), value, dtype) for value in (0.5, 0.25, 0.0))

    def multiply() -> None:
        # Row-major, neither factor transposed: the CBLAS codes 101 and 111.
        gemm(101, 111, 111, n, n, n, 1, A.ctypes.data, n, B.ctypes.data, n, 0, C.ctypes.data, n)

    with threads(count):
        return 2.0 * n**3 / min(samples(multiply, 4))
