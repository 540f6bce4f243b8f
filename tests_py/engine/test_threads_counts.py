"""Who sets the number of threads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import assert_matches, blas_of_numpy, reference_of, run_python_ok
from running import data, in_threads, network


def test_set_num_threads_is_reported_and_respected() -> None:
    said = run_python_ok(
        """
        import numpy as np
        import swiftbackprop as sb

        rng = np.random.default_rng(0)
        X, y = rng.normal(size=(600, 200)).astype("f4"), rng.integers(0, 10, 600)
        hashes = {}
        for turn in range(2):
            for threads in (1, 2):
                sb.set_num_threads(threads)
                net = sb.Network([200, 300, 10], output="softmax", seed=0)
                net.fit(X, y, epochs=2, batch_size=200, progress=False)
                hashes.setdefault(threads, set()).add(net.parameters.tobytes())
        assert all(len(same) == 1 for same in hashes.values())
        one, two = (np.frombuffer(next(iter(hashes[k])), "f4") for k in (1, 2))
        print(float(np.abs(one - two).max()) < 1e-3)
        """
    )
    assert said == "True\n"


def test_set_num_threads_in_the_middle_of_a_batch() -> None:
    """The engine holds BLAS to one thread during a batch and gives it back what is allowed."""
    said = run_python_ok(
        """
        import ctypes
        import threading

        import numpy as np
        import swiftbackprop as sb
        from swiftbackprop._engine.loader import blas

        rng = np.random.default_rng(0)
        X, y = rng.normal(size=(4000, 200)).astype("f4"), rng.integers(0, 10, 4000)
        net = sb.Network([200, 300, 300, 10], output="softmax", seed=0)
        held = ctypes.CFUNCTYPE(ctypes.c_int)(blas.library.table[2])
        told = []

        def limit():
            while held() != 1:
                pass
            told.append(sb.get_num_threads())
            sb.set_num_threads(1)
            told.append(sb.get_num_threads())
            net.stop()

        sb.set_num_threads(2)
        other = threading.Thread(target=limit)
        other.start()
        net.fit(X, y, epochs=10**7, batch_size=4000, progress=False)
        other.join()
        print(told, sb.get_num_threads())
        """
    )
    assert said == "[2, 1] 1\n"


def test_threadpoolctl_limits_the_engine() -> None:
    pytest.importorskip("threadpoolctl")
    said = run_python_ok(
        """
        import numpy as np
        import swiftbackprop as sb
        from threadpoolctl import threadpool_info, threadpool_limits

        rng = np.random.default_rng(0)
        X, y = rng.normal(size=(600, 200)).astype("f4"), rng.integers(0, 10, 600)

        def train():
            net = sb.Network([200, 300, 10], output="softmax", seed=0)
            net.fit(X, y, epochs=2, batch_size=200, progress=False)
            return net.parameters.tobytes()

        # the library is seen by threadpoolctl, and counts are as they were afterwards
        before = [(i["filepath"], i["num_threads"]) for i in threadpool_info()]
        assert any("openblas" in path.lower() for path, _ in before), before
        free = train()
        with threadpool_limits(1):
            limited = train()
            assert all(i["num_threads"] == 1 for i in threadpool_info())
        assert [(i["filepath"], i["num_threads"]) for i in threadpool_info()] == before
        assert train() == free
        sb.set_num_threads(1)
        print(train() == limited)
        """
    )
    assert said == "True\n"


@pytest.mark.parametrize("bad", [0, -1, 1.5, "two", None])
def test_wrong_thread_counts(bad: Any) -> None:
    with pytest.raises((ValueError, TypeError), match=r"thread|int"):
        sb.set_num_threads(bad)


@pytest.fixture
def threads_of_numpy() -> Iterator[None]:
    """Two threads for NumPy's OpenBLAS, which has one in tests."""
    for library in blas_of_numpy():
        library.set_num_threads(2)
    yield
    for library in blas_of_numpy():
        library.set_num_threads(1)


@pytest.mark.usefixtures("threads_of_numpy")
def test_two_openblas_in_one_process() -> None:
    """NumPy's products and ours, at once, in several threads."""
    net = network(width=300)
    truth = reference_of(net, ["relu", "softmax"], "cross_entropy")
    X, _ = data(800)
    A = np.random.default_rng(1).normal(size=(300, 300))
    wanted, product = truth.forward(X), A @ A

    def work(i: int) -> None:
        for _ in range(20):
            if i % 2:
                np.testing.assert_allclose(A @ A, product, rtol=1e-10, atol=1e-10)
            else:
                assert_matches(net.predict(X), wanted, 1e-5)

    in_threads(work)
    assert_matches(net.predict(X), wanted, 1e-5)
