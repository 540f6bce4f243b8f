"""The laboratory's measurements: the same gradients three ways, and how time grows with size."""

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
from swiftbackprop.lab import _devices
from swiftbackprop.lab._scaling import Growth, Scaling, fit_exponent
from swiftbackprop.lab._timing import peak, samples, threads, work

TAGS = re.compile(r"<[^>]*>")


@pytest.fixture(autouse=True)
def _same_threads() -> Iterator[None]:
    """Nothing here may leave another number of threads behind."""
    before = sb.get_num_threads()
    yield
    after = sb.get_num_threads()
    sb.set_num_threads(before)
    assert after == before


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


def test_wrong_arguments_of_compare() -> None:
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
def test_the_peak_is_a_plausible_number(dtype: str) -> None:
    assert 1e8 < peak(dtype, 1) < 1e14


# --- Fitting -----------------------------------------------------------------------------

SIZES = (6, 12, 24, 48, 96, 192, 384, 768)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_a_pure_power_is_found(order: int) -> None:
    fit = fit_exponent(SIZES, [3e-9 * size**order for size in SIZES], 0.0)
    assert fit.exponent == pytest.approx(order, abs=1e-12)
    assert fit.constant == pytest.approx(3e-9, rel=1e-9)
    assert fit.used == slice(0, 8)
    assert fit.clear


def test_the_region_of_call_overhead_is_left_out() -> None:
    overhead, constant = 5e-6, 1e-8
    seconds = [overhead + constant * size**2 for size in SIZES]
    everything = np.polyfit(np.log(SIZES), np.log(seconds), 1)[0]
    assert everything < 1.9  # what the whole curve would say
    fit = fit_exponent(SIZES, seconds, overhead)
    assert fit.exponent == pytest.approx(2, abs=0.02)
    assert SIZES[fit.used] == (192, 384, 768)  # 5 µs + 10 ns·H² is 100 µs at H = 97.5
    assert fit.clear
    fit = fit_exponent(SIZES, seconds, 4 * overhead)  # 400 µs: at H = 199
    assert SIZES[fit.used] == (192, 384, 768)
    assert not fit.clear


def test_a_slow_size_in_the_middle_does_not_hide_the_overhead() -> None:
    """Only a run of sizes up to the largest is fitted."""
    seconds = [1e-2, 1.0, 1e-2, 4e-2, 16e-2, 64e-2, 256e-2, 1024e-2]
    assert fit_exponent(SIZES, seconds, 1e-3).used == slice(3, 8)


def test_at_least_three_sizes_are_fitted_if_there_are() -> None:
    seconds = [1e-3 * size for size in SIZES]
    fit = fit_exponent(SIZES, seconds, 1.0)
    assert SIZES[fit.used] == (192, 384, 768)
    assert not fit.clear
    two = fit_exponent((2, 4), (1.0, 4.0), 0.01)
    assert two.exponent == pytest.approx(2)
    assert two.clear


def test_noise_moves_the_exponent_little(rng: np.random.Generator) -> None:
    seconds = [1e-8 * size**2 * rng.uniform(0.9, 1.1) for size in SIZES]
    assert fit_exponent(SIZES, seconds, 0.0).exponent == pytest.approx(2, abs=0.1)


# --- scaling -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small() -> Scaling:
    """A real run on sizes that take no time."""
    return sb.lab.scaling(
        M=(1, 2, 3), H=(4, 6, 9, 12), fixed_M=2, fixed_H=5, rows=3, dtype="float64", repeats=1
    )


def constructed() -> Scaling:
    """Timings of which everything is known: the loops cost 50 times as much."""

    def growth(method: Any, over: Any, constant: float) -> Growth:
        fixed, overhead = (4, 1e-6) if over == "H" else (96, 1e-6)
        sizes = SIZES if over == "H" else (4, 8, 16, 32, 64)
        work = [4 * H**2 if over == "H" else H * 96**2 for H in sizes]
        seconds = tuple(overhead + constant * 64 * w for w in work)
        fit = fit_exponent(sizes, seconds, overhead)
        return Growth(method, over, fixed, sizes, seconds, overhead, fit)

    constants = {"loops": 1e-9, "matrices": 2e-11}
    growths = [growth(name, over, c) for over in ("H", "M") for name, c in constants.items()]
    return Scaling(tuple(growths), 64, "float32")


def test_the_parts_of_a_scaling(small: Scaling) -> None:
    found = [(growth.method, growth.over, growth.fixed) for growth in small.growths]
    assert found[:2] == [("loops", "H", 2), ("matrices", "H", 2)]
    assert found[2:] == [("loops", "M", 5), ("matrices", "M", 5)]
    for growth in small.growths:
        assert growth.sizes == ((4, 6, 9, 12) if growth.over == "H" else (1, 2, 3))
        assert len(growth.seconds) == len(growth.sizes)
        assert all(seconds > 0 for seconds in growth.seconds)
        assert growth.overhead > 0
        again = fit_exponent(growth.sizes, growth.seconds, growth.overhead)
        assert growth.fit == again
        assert small.exponent(growth.method, growth.over) == again.exponent
        assert small.growth(growth.method, growth.over) is growth
    assert (small.rows, small.dtype) == (3, "float64")
    refused(lambda: small.growth("vectors", "H"), ValueError, "loops over H")


def test_exponents_are_the_same_and_the_constant_is_not() -> None:
    result = constructed()
    for method in ("loops", "matrices"):
        assert result.exponent(method, "H") == pytest.approx(2, abs=0.02)  # type: ignore[arg-type]
        assert result.exponent(method, "M") == pytest.approx(1, abs=0.02)  # type: ignore[arg-type]
    assert result.constant("loops") == pytest.approx(1e-9, rel=1e-3)
    assert result.constant("matrices") == pytest.approx(2e-11, rel=1e-2)
    loops, matrices = result.growth("loops", "H"), result.growth("matrices", "H")
    assert loops.fit.used.start < matrices.fit.used.start  # calls rule for longer


def test_every_method_can_be_measured() -> None:
    methods = ("vectors", "matrices", "loops")
    result = sb.lab.scaling(
        M=(1, 2), H=(2, 3), fixed_M=1, fixed_H=2, rows=2, methods=methods, repeats=1
    )
    assert [growth.method for growth in result.growths] == [*methods, *methods]


def test_how_a_scaling_shows_itself() -> None:
    result = constructed()
    text, html = repr(result), result._repr_html_()
    for part in ("loops", "matrices", "H (M = 4)", "M (H = 96)", "H = 768", "ns", "2.00", "1.00"):
        assert part in text
        assert part in TAGS.sub("|", html)
    assert "(*)" not in text
    unclear = fit_exponent(SIZES, [1.0] * 8, 1.0)
    first = dataclasses.replace(result.growths[0], fit=unclear)
    result = dataclasses.replace(result, growths=(first, *result.growths[1:]))
    assert "(*) Too few sizes" in repr(result)


def test_wrong_arguments_of_scaling() -> None:
    scaling: Any = sb.lab.scaling
    refused(lambda: scaling(M=(4,)), ValueError, "M must be two or more sizes in ascending order")
    refused(lambda: scaling(H=(8, 4)), ValueError, "H must be two or more sizes in ascending order")
    refused(lambda: scaling(H=(4, 4)), ValueError, "ascending")
    refused(lambda: scaling(H=(0, 4)), ValueError, "every H must be an int >= 1")
    refused(lambda: scaling(M=(1.5, 4)), TypeError, "every M must be an int")
    refused(lambda: scaling(fixed_M=0), ValueError, "fixed_M must be an int >= 1")
    refused(lambda: scaling(rows=0), ValueError, "rows must be an int >= 1")
    refused(lambda: scaling(methods=["loop"]), ValueError, "loops, matrices, vectors")
    refused(lambda: scaling(methods=[]), ValueError, "loops, matrices, vectors")
    refused(lambda: scaling(dtype="int32"), (TypeError, ValueError), "float32")


# --- The plot ----------------------------------------------------------------------------


@pytest.fixture
def pyplot() -> Iterator[Any]:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    yield plt
    plt.close("all")


def slopes(ax: Any, style: str) -> list[float]:
    """Slopes on logarithmic axes of the lines of a style with points."""
    lines = [line for line in ax.lines if line.get_linestyle() == style and len(line.get_xdata())]
    return [
        float(np.polyfit(np.log(line.get_xdata()), np.log(line.get_ydata()), 1)[0])
        for line in lines
    ]


def test_the_plot_has_logarithmic_axes_and_guides(pyplot: Any) -> None:
    result = constructed()
    axes = result.plot()
    assert len(axes) == 2
    for ax, order, label in zip(axes, (2, 1), ("units H", "layers M"), strict=True):
        assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
        assert label in ax.get_xlabel()
        assert slopes(ax, "--") == pytest.approx([order, order])
        said = [text.get_text() for text in ax.get_legend().get_texts()]
        assert any("O(M H²)" in text for text in said)
        assert sum("exponent" in text for text in said) == 2
    assert "seconds" in axes[0].get_ylabel()
    filled = [line for line in axes[0].lines if line.get_label().startswith("matrices")]
    assert tuple(filled[0].get_xdata()) == SIZES[result.growth("matrices", "H").fit.used]
    axes[0].figure.canvas.draw()


def test_the_plot_goes_where_it_is_told(pyplot: Any, small: Scaling) -> None:
    _, mine = pyplot.subplots(2, 1)
    assert list(small.plot(mine)) == list(mine)
    assert all(ax.lines for ax in mine)
    refused(lambda: small.plot(mine[0]), ValueError, "two axes")
