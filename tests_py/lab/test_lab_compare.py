"""The laboratory's measurements: the same gradients three ways."""

from __future__ import annotations

import dataclasses
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import DTYPES, data, quiet_network, refused, run_python_ok
from swiftbackprop.lab import _devices, _timing
from swiftbackprop.lab._timing import PEAK_SIZE, peak, samples, threads, work

TAGS = re.compile(r"<[^>]*>")


@pytest.fixture(autouse=True)
def _same_threads() -> Iterator[None]:
    """Nothing here may leave another number of threads behind."""
    before = sb.get_num_threads()
    yield
    after = sb.get_num_threads()
    sb.set_num_threads(before)
    assert after == before


@pytest.fixture(autouse=True)
def _small_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's peak, which takes a second, matters to one test alone."""
    monkeypatch.setattr(_timing, "PEAK_SIZE", 64)


def network(dtype: str = "float64") -> Any:
    return quiet_network([5, 8, 6, 3], loss="cross_entropy", dtype=dtype, seed=0)


def batch(dtype: str = "float64", rows: int = 12) -> tuple[Any, Any]:
    return data([5, 8, 6, 3], rows, "cross_entropy", dtype)


# --- compare -----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_rows_of_a_comparison(dtype: str) -> None:
    before = sb.get_num_threads()
    sb.set_num_threads(2)
    try:
        result = sb.lab.compare(network(dtype), *batch(dtype), repeats=2)
    finally:
        sb.set_num_threads(before)
    ways = [(way.method, way.threads) for way in result.rows]
    assert ways == [("loops", 1), ("vectors", 1), ("matrices", 1), ("matrices", 2)]
    assert (result.sizes, result.dtype, result.examples) == ((5, 8, 6, 3), dtype, 12)
    assert list(result.peaks) == [1, 2]
    assert result.rows[0].ratio == 1
    assert result.rows[0].difference == 0
    for way in result.rows:
        assert way.seconds > 0
        assert way.gflops == pytest.approx(result.work / way.seconds / 1e9)
        assert way.share == pytest.approx(way.gflops * 1e9 / max(result.peaks.values()))
        assert way.ratio == pytest.approx(result.rows[0].seconds / way.seconds)
        assert way.difference <= (1e-5 if dtype == "float32" else 1e-13)
    assert result.agree


def test_without_several_threads_there_is_no_row_for_them() -> None:
    with threads(1):
        result = sb.lab.compare(network(), *batch(), repeats=1)
    assert [way.method for way in result.rows] == ["loops", "vectors", "matrices"]
    assert list(result.peaks) == [1]


def test_work_counts_every_multiplication_and_addition() -> None:
    sizes, rows, count = [5, 8, 6, 3], 12, 0
    for _ in range(rows):
        for m in (1, 2, 3):
            for _ in range(sizes[m]):
                for _ in range(sizes[m - 1]):
                    count += 2  # W_ij a_j, and added to z_i
                    count += 2  # grad_z_i a_j, and added to grad_W_ij
                    count += 2 if m > 1 else 0  # grad_z_i W_ij, and added to grad_a_j
    assert work(sizes, rows) == count
    assert sb.lab.compare(network(), *batch(), repeats=1).work == count


def test_the_network_is_left_as_it_was() -> None:
    net = network()
    X, t = batch()
    other, labels = batch(rows=7)
    a = net.forward(X)
    net.backward(t)
    layer = net.layers[0]
    held = [a, net.parameters.copy(), net.gradients.copy(), layer.z, layer.grad_z, layer.b]
    kept = [array.copy() for array in held]
    sb.lab.compare(net, other, labels, sample_weight=np.arange(7), repeats=1)
    now = [net.layers[-1].a, net.parameters, net.gradients, layer.z, layer.grad_z, layer.b]
    for array, later, before in zip(held, now, kept, strict=True):
        np.testing.assert_array_equal(array, before)
        np.testing.assert_array_equal(later, before)
    assert net.step_count == 0
    assert net.layer(0).a is not None
    assert not net.closed
    net.backward(t)  # the forward of before still stands


def test_a_comparison_takes_what_backward_takes() -> None:
    net = network("float32")
    X, t = batch("float64")
    labels = np.argmax(t, axis=1)
    for y in (labels, labels.astype("uint8"), t, t.tolist(), np.asfortranarray(t)):
        assert sb.lab.compare(net, X[::-1], y, repeats=1).agree
    assert sb.lab.compare(net, X.tolist(), t, sample_weight=[0.0] * 12, repeats=1).agree


def test_wrong_arguments_of_compare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(_timing, "PEAK_SIZE")  # they are seen before anything is measured
    net, (X, t) = network(), batch()
    refused(lambda: sb.lab.compare(net, X.T, t), ValueError, r"D\(0\)")
    refused(lambda: sb.lab.compare(net, X, t[:3]), ValueError, "N = 12")
    refused(lambda: sb.lab.compare(net, X, t, sample_weight=[1.0]), ValueError, "sample_weight")
    refused(
        lambda: sb.lab.compare(net, X, t, repeats=0),
        ValueError,
        "repeats must be an int >= 1, got 0",
    )
    refused(lambda: sb.lab.compare("net", X, t), TypeError, "Network")  # type: ignore[arg-type]
    sine = sb.CustomActivation(np.sin, np.cos, name="sine")
    own = sb.Network([5, 8, 6, 3], activation=sine, seed=0)
    words = "compare is for the engine's own functions.*sine .layer 1.*by matrices alone"
    refused(lambda: sb.lab.compare(own, X, t), NotImplementedError, words)
    net.close()
    refused(lambda: sb.lab.compare(net, X, t), RuntimeError, "closed")


ON_A_CPU = """
    import importlib, sys
    sys.path.insert(0, {tests!r})
    import numpy as np
    import swiftbackprop as sb
    from helpers import data, quiet_network
    from swiftbackprop.lab import _compare, _devices

    library = sys.argv[1]
    module = importlib.import_module(library)
    handle = module.devices("cpu")[0] if library == "jax" else module.device("cpu")
    # The CPU is taken for the GPU that the library would see.
    _compare.gpus = lambda: ([_devices.Device(library, "a CPU", handle)], "")
    weights = np.random.default_rng(0).uniform(size=12)
    for options in (
        {{"loss": "cross_entropy"}},
        {{"loss": "squared_error", "output": "sigmoid", "activation": "relu"}},
        {{"loss": "squared_error", "output": "identity", "activation": "sigmoid"}},
        {{"loss": "binary_cross_entropy", "output": "sigmoid", "activation": "tanh"}},
    ):
        for dtype, limit in (("float32", 1e-5), ("float64", 1e-12)):
            net = quiet_network([5, 8, 6, 3], dtype=dtype, seed=0, **options)
            X, t = data([5, 8, 6, 3], 12, options["loss"], dtype)
            for more in ({{}}, {{"sample_weight": weights}}):
                result = sb.lab.compare(net, X, t, repeats=1, **more)
                way = result.rows[-1]
                assert way.title.endswith(", a CPU"), way
                assert way.title in repr(result)
                assert way.seconds > 0
                assert way.difference < limit, (options, dtype, more, way)
                assert result.agree
    net = quiet_network([5, 8, 6, 3], activation="gelu", loss="cross_entropy", seed=0)
    result = sb.lab.compare(net, *data([5, 8, 6, 3], 12, "cross_entropy", "float32"), repeats=1)
    assert not any(way.device for way in result.rows)
    assert "only layers of identity, relu" in repr(result)
    print(way.title)
"""


@pytest.mark.parametrize(("library", "name"), [("jax", "JAX"), ("torch", "PyTorch")])
def test_the_same_pass_by_another_library(library: str, name: str) -> None:
    """In a process of its own: where JAX is at work nothing may fork."""
    if not importlib.util.find_spec(library):
        pytest.skip(f"needs {library}")
    tests = str(Path(__file__).resolve().parent.parent)
    said = run_python_ok(ON_A_CPU.format(tests=tests), library)
    assert said.strip() == f"matrices: {name}, a CPU"


def test_without_a_gpu_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_devices, "_DRIVERS", ())
    result = sb.lab.compare(network(), *batch(), repeats=1)
    assert not any(way.device for way in result.rows)
    assert repr(result).count("No GPU here") == 1
    assert "No GPU here" in result._repr_html_()


def test_a_gpu_that_no_library_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_devices, "_DRIVERS", ("/dev/null",))
    monkeypatch.setattr(_devices, "find_spec", lambda name: None)
    assert "none of PyTorch, JAX and CuPy" in _devices.gpus()[1]


def test_how_a_comparison_shows_itself() -> None:
    result = sb.lab.compare(network(), *batch(), repeats=1)
    text, html = repr(result), result._repr_html_()
    for part in (
        "5-8-6-3",
        "float64",
        "N = 12",
        "GFLOP/s",
        "loops: one number at a time",
        "vectors: one example at a time",
        "matrices: the whole batch",
        "All gradients agree",
    ):
        assert part in text
        assert part in TAGS.sub("|", html)
    assert html.count("<tr>") == 1 + len(result.rows)
    assert html.startswith("<div>")
    assert len({len(line) for line in text.splitlines()[2 : 3 + len(result.rows)]}) == 1


def test_gradients_that_differ_are_pointed_out() -> None:
    result = sb.lab.compare(network(), *batch(), repeats=1)
    wrong = dataclasses.replace(result.rows[-1], difference=1e-6)
    result = dataclasses.replace(result, rows=(*result.rows[:-1], wrong))
    assert not result.agree
    assert "DIFFER" in repr(result)
    assert "DIFFER" in result._repr_html_()


# --- Measuring ---------------------------------------------------------------------------


def test_samples_are_as_many_as_asked_and_long_calls_fewer() -> None:
    calls: list[int] = []
    assert len(samples(lambda: calls.append(1), 4, min_seconds=0)) == 4
    assert len(calls) == 5  # the first warms up
    calls.clear()
    assert len(samples(lambda: calls.append(1), 4, max_seconds=0)) == 1
    assert len(calls) == 1
    calls.clear()
    found = samples(lambda: calls.append(1), 2, min_seconds=1e-3)
    assert len(calls) > 3  # several turns for a sample
    assert all(seconds > 0 for seconds in found)


def test_the_number_of_threads_comes_back_after_an_error() -> None:
    before = sb.get_num_threads()
    found = []

    def fail() -> None:
        with threads(1):
            found.append(sb.get_num_threads())
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert found == [1]
    assert sb.get_num_threads() == before


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_peak_is_a_plausible_number(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_timing, "PEAK_SIZE", PEAK_SIZE)
    assert 1e8 < peak(dtype, 1) < 1e14
