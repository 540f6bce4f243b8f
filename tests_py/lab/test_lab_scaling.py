"""The laboratory's measurements: how time grows with size."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import refused
from swiftbackprop.lab._growth import Growth, Scaling
from swiftbackprop.lab._scaling import fit_exponent
from test_lab_compare import TAGS, _same_threads  # noqa: F401 - a fixture of every test

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
