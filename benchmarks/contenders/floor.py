"""The matrix products of a step alone, with the BLAS that swiftbackprop loads."""

import ctypes
import time
from typing import Any

import numpy as np

import swiftbackprop as sb
from benchmarks.cases import Case, Floats, data_of, start
from benchmarks.contenders import Contender, Run, Unsupported
from benchmarks.native import NoCompilerError, load


def _aligned(*shape: int, dtype: str) -> Floats:
    """Return an empty array that starts at a multiple of 64 bytes, as an engine's would."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.empty(size + 64, np.uint8)
    begin = -memory.ctypes.data % 64
    return memory[begin : begin + size].view(dtype).reshape(shape)


def _pointers(arrays: list[Floats | None]) -> Any:
    addresses = [None if array is None else array.ctypes.data for array in arrays]
    return (ctypes.c_void_p * len(addresses))(*addresses)


class Floor(Contender):
    """A loop in C over the products; with one thread or all, whichever is faster."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        file = sb.config()["blas"].get("file")
        if file is None:
            raise Unsupported("swiftbackprop has no BLAS")
        self.blas = ctypes.CDLL(file)
        try:
            self.native = load("floor")
        except NoCompilerError as error:
            raise Unsupported(str(error)) from None
        self.prefix = "scipy_" if hasattr(self.blas, "scipy_cblas_sgemm") else ""

    def step(self, case: Case) -> Run:
        X, _ = data_of(case)
        layers = len(case.sizes) - 1
        rng = np.random.default_rng(2)

        def rows(m: int) -> Floats:
            array = _aligned(case.batch, case.sizes[m], dtype=case.dtype)
            array[...] = rng.standard_normal(array.shape)
            return array

        w: list[Floats | None] = [None]
        for W, _ in start(case):
            w.append(_aligned(*W.T.shape, dtype=case.dtype))
            np.copyto(w[-1], W.T)  # type: ignore[arg-type]
        grad_w = [array if array is None else array.copy() for array in w]
        a, g = ([None, *map(rows, range(1, layers + 1))] for _ in range(2))
        tables = [_pointers(arrays) for arrays in (w, a, g, grad_w)]
        letter = "d" if case.dtype == "float64" else "s"
        gemm = getattr(self.blas, f"{self.prefix}cblas_{letter}gemm")
        function = getattr(self.native, f"floor_{case.dtype}")
        sizes = (ctypes.c_int * (layers + 1))(*case.sizes)
        held = (X, w, a, g, grad_w)
        done = 0

        def run(steps: int) -> None:
            nonlocal done
            function(
                *(gemm, ctypes.c_int(layers), sizes, ctypes.c_int(case.batch)),
                *(ctypes.c_void_p(held[0].ctypes.data), ctypes.c_long(case.batches)),
                *(*tables, ctypes.c_long(done % case.batches), ctypes.c_long(steps)),
            )
            done += steps

        self._choose_threads(run)
        return run

    def _choose_threads(self, run: Run) -> None:
        times = {}
        for threads in {1, self.threads}:
            sb.set_num_threads(threads)
            run(1)
            times[threads] = min(_seconds(run) for _ in range(3))
        sb.set_num_threads(min(times, key=lambda threads: times[threads]))


def _seconds(run: Run) -> float:
    """Return the time of a step: the mean over some 20 milliseconds."""
    steps, spent = 1, 0.0
    while spent < 0.02:
        begin = time.perf_counter()
        run(steps)
        spent = time.perf_counter() - begin
        steps *= 2
    return 2 * spent / steps
