"""How a step is shared among threads, and that it changes no more than bits."""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import swiftbackprop as sb

WIDE = [784, 256, 10]


@pytest.fixture
def wide_data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.random((300, 784), dtype=np.float32), rng.integers(0, 10, 300)


def classifier(sizes: list[int], dtype: str = "float32") -> sb.Network:
    return sb.Network(sizes, output="softmax", loss="cross_entropy", dtype=dtype, seed=0)


def test_small_steps_stay_on_one_thread() -> None:
    with threadpool_limits(2):
        assert classifier([4, 10, 3])._plan(16, 2) == 1
        said = classifier([4, 10, 3]).plan(batch_size=16)
    assert "1 of 2 threads" in said


def test_large_steps_are_shared(wide_data: tuple[np.ndarray, np.ndarray]) -> None:
    net = classifier(WIDE)
    with threadpool_limits(2):
        assert net._plan(128, 2) == 2
        said = net.plan(wide_data[0], batch_size=128)
    assert "2 of 2 threads: each takes 64 rows" in said
    assert "gathered" in said
    assert "where they lie" in net.plan(wide_data[0], shuffle=False)
    assert "dtype" in net.plan(wide_data[0].astype(float))


def test_the_limit_is_obeyed() -> None:
    net = classifier(WIDE)
    with threadpool_limits(1):
        assert "One thread is allowed" in net.plan(batch_size=128)
        assert sb.get_num_threads() == 1


def test_wider_nets_never_get_fewer_threads() -> None:
    parts = [classifier([64, width, 10])._plan(64, 8) for width in range(16, 513, 16)]
    assert parts == sorted(parts)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_one_thread_and_several_agree(
    wide_data: tuple[np.ndarray, np.ndarray], optimizer: str
) -> None:
    X, y = wide_data[0].astype(np.float64), wide_data[1]
    results = []
    for threads in (1, 2, 3):
        net = sb.Network(
            WIDE, output="softmax", loss="cross_entropy", dtype="float64", seed=0,
            optimizer=optimizer, l2=1e-3,
        )  # fmt: skip
        with threadpool_limits(threads):
            net.fit(X, y, epochs=2, batch_size=128, progress=False)
        results.append(net.parameters.copy())
    for other in results[1:]:
        np.testing.assert_allclose(other, results[0], rtol=0, atol=1e-12)


def test_the_same_threads_give_the_same_bits(wide_data: tuple[np.ndarray, np.ndarray]) -> None:
    results = []
    for _ in range(3):
        net = classifier(WIDE)
        with threadpool_limits(2):
            net.fit(*wide_data, epochs=2, batch_size=64, progress=False)
        results.append(net.parameters.copy())
    assert all(np.array_equal(results[0], other) for other in results[1:])


def test_blas_gets_its_threads_back(wide_data: tuple[np.ndarray, np.ndarray]) -> None:
    with threadpool_limits(2):
        classifier(WIDE).fit(*wide_data, epochs=1, progress=False)
        assert sb.get_num_threads() == 2
