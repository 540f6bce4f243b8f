"""What ``python -m swiftbackprop`` does: info, train, predict, export and bench."""

from __future__ import annotations

import argparse
import io
import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

import swiftbackprop as sb
from swiftbackprop._cli.parser import make_parser
from swiftbackprop._cli.predict import export, predict
from swiftbackprop._cli.train import train

_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit status: 0, 1 after an error, 2 for wrong arguments."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name beyond its encoding is still readable
            stream.reconfigure(errors="backslashreplace")
    parser = make_parser(_info, train, predict, export, _bench)
    options = parser.parse_args(arguments)
    try:
        options.run(options)
        if sys.stdout is not None:  # closed by who called
            sys.stdout.flush()
    except KeyboardInterrupt:
        return _complain("stopped by Ctrl-C", _INTERRUPTED)
    except BrokenPipeError:  # whoever reads has seen enough
        _abandon_stdout()
        return 1
    except OSError as error:
        _abandon_stdout()
        reason = error.strerror or str(error)
        return _complain(f"{error.filename}: {reason}" if error.filename else reason, 1)
    except MemoryError as error:
        return _complain(str(error) or "there is not enough memory", 1)
    except (ValueError, TypeError, ImportError, ArithmeticError) as error:
        return _complain(str(error) or type(error).__name__, 1)
    return 0


def _abandon_stdout() -> None:
    """Let go what cannot be written: Python would try again at its end, and exit with 120."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(sentence: str, status: int) -> int:
    line = " ".join(sentence.split())  # messages of other packages may be longer
    print(f"swiftbackprop: {line}", file=sys.stderr, flush=True)
    MPI = sys.modules.get("mpi4py.MPI")
    if MPI is not None and MPI.COMM_WORLD.Get_size() > 1:
        MPI.COMM_WORLD.Abort(status)  # or the other processes would wait for this one
    return status


def _info(options: argparse.Namespace) -> None:
    sb.show_config()


def _bench(options: argparse.Namespace) -> None:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((12_800, 784), dtype=np.float32)
    y = rng.integers(0, 10, len(X))
    net = sb.Network([784, 128, 10], loss="cross_entropy", optimizer=sb.SGD(0.01), seed=0)
    print("784-128-10, float32, the best of 3; times depend on what else the machine does")
    for batch_size in (32, 128):
        keywords: dict[str, Any] = {"epochs": 1, "batch_size": batch_size, "progress": False}
        fit = _best_time(partial(net.fit, X, y, **keywords))
        steps = len(X) / batch_size
        print(f"fit       {fit / steps * 1e6:8.1f} us a step of {batch_size} rows")
    rows = len(X) / _best_time(lambda: net.predict(X))
    print(f"predict   {rows / 1e6:8.2f} million rows a second")
    single = _best_time(lambda: [net.predict(X[:1]) for _ in range(1000)]) / 1000
    print(f"predict   {single * 1e6:8.1f} us for one row")
    print("Beside NumPy, PyTorch, JAX and scikit-learn: `make bench` in the project's sources.")


def _best_time(work: Callable[[], object]) -> float:
    """Return the shortest of three times, in seconds, after one call to warm up."""
    times = []
    for _ in range(4):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times[1:])
