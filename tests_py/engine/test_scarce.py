"""Machines that have too little: no threads to be had, no memory for what OpenBLAS takes."""

from __future__ import annotations

import os
import sys

import pytest

from helpers import plain_malloc, run_python_ok

if sys.platform != "linux":
    pytest.skip("the limits are Linux' own", allow_module_level=True)

LIMITS = """
import ctypes, os, resource, sys, threading
import numpy as np

def limit_threads():
    # Of all processes of a user. Root has no limit: it becomes another one, who may read its files.
    resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
    if os.geteuid() == 0:
        user = 64_000 + os.getpid() % 1000
        os.setresuid(user, user, 0)
        ctypes.CDLL(None).setfsuid(0)
    try:
        threading.Thread(target=int).start()
    except RuntimeError:
        return
    raise SystemExit("a thread was had")

def limit_memory(more):
    with open("/proc/self/statm") as file:
        limit = int(file.read().split()[0]) * resource.getpagesize() + more
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

def trained():
    import swiftbackprop as sb
    X = np.random.default_rng(0).normal(size=(2000, 300)).astype(np.float32)
    net = sb.Network([300, 200, 10], output="softmax", seed=0)
    net.fit(X, np.arange(2000) % 10, epochs=1, batch_size=500, progress=False)
    return net.parameters.tobytes()
"""


# OpenBLAS joins at the end the threads that it did not get; sanitizers, unlike glibc, abort there.
@pytest.mark.skipif("LD_PRELOAD" in os.environ, reason="a sanitizer refuses what OpenBLAS joins")
def test_an_import_where_no_threads_are_to_be_had() -> None:
    """OpenBLAS wants some when it is loaded, and raises SIGINT."""
    said = run_python_ok(LIMITS + "limit_threads()\ntrained()\nprint('trained')", timeout=300)
    assert said == "trained\n"


def test_a_child_process_that_has_no_threads() -> None:
    """OpenBLAS wants them again there; the numbers are those of the parent, bit for bit."""
    run_python_ok(
        LIMITS
        + """
import swiftbackprop as sb
sb.set_num_threads(4)
wanted = trained()
process = os.fork()
if process == 0:
    code = 3
    try:
        limit_threads()
        code = 0 if trained() == wanted else 4
    finally:
        os._exit(code)
assert os.waitpid(process, 0)[1] == 0
""",
        timeout=300,
    )


def test_a_ctrl_c_that_was_typed_is_not_taken_back() -> None:
    run_python_ok(
        """
import os, signal, subprocess
caught = []
signal.signal(signal.SIGINT, lambda *_: caught.append(1))
# Before NumPy has threads, one of which would take it.
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
import swiftbackprop as sb
from swiftbackprop._engine import blas

def through_both():
    sb.set_num_threads(2)
    with blas._without_its_interrupt():
        sb.set_num_threads(3)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})

signal.raise_signal(signal.SIGINT)  # as OpenBLAS does
through_both()
assert caught == []
subprocess.run(["kill", "-INT", str(os.getpid())], check=True)
through_both()
assert caught == [1]
"""
    )


@plain_malloc
@pytest.mark.parametrize("megabytes", [3, 12, 16, 32, 48, 80])
def test_no_memory_for_what_openblas_takes(megabytes: int) -> None:
    """It ends the process where it gets no buffer for a product; one after the other share one."""
    run_python_ok(
        LIMITS
        + f"""
import swiftbackprop as sb
sb.set_num_threads(4)
X = np.random.default_rng(0).normal(size=(4000, 100)).astype(np.float32)
y = np.arange(4000) % 10
nets = [sb.Network(sizes, output="softmax", seed=0)
        for sizes in ([100, 400, 200, 10], [100, 30, 10])]
nets[1].predict(X[:10])
limit_memory({megabytes} << 20)
for net in nets:
    for rows in (4000, 200):
        for call in (lambda: net.forward(X[:rows]), lambda: net.backward(y[:rows]), net.step,
                     lambda: net.fit(X[:rows], y[:rows], epochs=1, batch_size=2000, progress=False),
                     lambda: net.jacobian(X[:rows], layer=1), lambda: net.predict(X)):
            try:
                call()
            except MemoryError:
                pass
            except RuntimeError as error:  # a pass that found no memory is not there
                assert "call forward" in str(error) or "call backward" in str(error), error
nets[1].predict(X[:10])
""",
        timeout=300,
    )
