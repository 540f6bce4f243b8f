"""Products of factors rounded to bfloat16: what is rounded, and how far off they are."""

from __future__ import annotations

import platform
import re
from itertools import pairwise

import numpy as np
import pytest
from benchmarks.accuracy import KINDS, UNIT, by_network, errors, factors, table_of_products
from threadpoolctl import threadpool_limits

import swiftbackprop as sb
from helpers import ROOT, refused
from rounding import ROUNDING, Array, data, make

PIECES = dict(zip(ROUNDING, (3, 2, 1), strict=True))


# --- What is rounded -----------------------------------------------------------------------


def bfloat16(x: Array) -> Array:
    """The bfloat16 nearest to float32 numbers, ties to even."""
    bits: Array = x.astype(np.float32).view(np.uint32).astype(np.uint64)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
    return rounded.astype(np.uint32).view(np.float32)


def pieces(x: Array, count: int) -> list[Array]:
    found, rest = [], x.astype(np.float32)
    for _ in range(count):
        found.append(bfloat16(rest))
        rest = rest - found[-1]
    return found


def product(a: Array, b: Array, precision: str) -> Array:
    """A·B in float64 of factors that are rounded so."""
    if precision == "bf16x3" and a.shape[1] <= 64:
        return a.astype(np.float64) @ b.astype(np.float64)
    count = PIECES[precision]
    left, right = pieces(a, count), pieces(b, count)
    total = np.zeros((a.shape[0], b.shape[1]))
    for i, p in enumerate(left):
        for j, q in enumerate(right):
            if i + j < count:
                total += p.astype(np.float64) @ q.astype(np.float64)
    return total


def near(ours: Array, wanted: Array) -> None:
    assert np.abs(ours - wanted).max() <= 3e-6 * np.abs(wanted).max()


@pytest.mark.parametrize("precision", ROUNDING)
@pytest.mark.parametrize(("sizes", "rows"), [([70, 40, 90, 5], 33), ([100, 1], 80), ([3, 2], 1)])
def test_factors_of_every_product_are_rounded(precision: str, sizes: list[int], rows: int) -> None:
    """z, grad_a and grad_W are products of rounded factors; what lies between is float32."""
    net = make(sizes, precision)
    X, t = data(sizes, rows)
    net.forward(X)
    net.backward(t)
    below = X
    for layer in net.layers:
        near(layer.z, product(below, layer.W.T, precision) + layer.b)
        near(layer.grad_W, product(layer.grad_z.T, below, precision))
        np.testing.assert_allclose(layer.grad_b, layer.grad_z.sum(0), rtol=1e-4, atol=1e-6)
        below = layer.a
    for layer, upper in pairwise(net.layers):
        near(layer.grad_a, product(upper.grad_z, upper.W, precision))
    near(net.layer(0).grad_a, product(net.layer(1).grad_z, net.layer(1).W, precision))


def test_bfloat16_is_another_number_than_float32() -> None:
    """The same network without rounding is as far off as 8 significant bits are."""
    sizes = [70, 40, 5]
    X, _ = data(sizes, 20)
    exact = make(sizes, None, dtype="float64").predict(X.astype(float))
    off = {p: np.abs(make(sizes, p).predict(X) - exact).max() for p in (None, *ROUNDING)}
    assert off[None] < 1e-5
    assert off["bf16x3"] < 1e-5
    assert 1e-6 < off["bf16x2"] < 1e-3
    assert 1e-3 < off["bfloat16"] < 0.2


@pytest.mark.parametrize("precision", ROUNDING)
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("sizes", "batch", "optimizer"),
    [
        ([80, 96, 40, 3], 70, sb.SGD(0.1)),
        ([80, 96, 40, 3], 70, sb.Adam(0.01)),
        ([700, 300, 3], 130, sb.Adam(0.01)),  # more columns than are packed at a time
        ([900, 120, 3], 40, sb.SGD(0.1)),  # threads share X by its columns
        ([3000, 40, 3], 80, sb.Adam(0.01)),  # a narrow layer's panel of many rows
    ],
)
def test_fit_makes_the_steps_of_the_explicit_calls(
    precision: str, threads: int, sizes: list[int], batch: int, optimizer: sb.Optimizer
) -> None:
    """Updates in place, by panels, by shares: the same products, in another order of sums."""
    X, t = data(sizes, batch)
    nets = [make(sizes, precision, optimizer=optimizer, l2=1e-3) for _ in range(2)]
    with threadpool_limits(threads):
        nets[0].fit(X, t, epochs=2, batch_size=batch, shuffle=False, progress=False)
        for _ in range(2):
            nets[1].forward(X)
            nets[1].backward(t)
            nets[1].step()
    moved = np.abs(nets[1].parameters - make(sizes, None).parameters).max()
    off = np.abs(nets[0].parameters - nets[1].parameters)
    # Of Adam a gradient near 0 decides by its sign, which the order of a sum may.
    assert np.mean(off > 1e-3 * moved) < 1e-3
    again = make(sizes, precision, optimizer=optimizer, l2=1e-3)
    with threadpool_limits(threads):
        again.fit(X, t, epochs=2, batch_size=batch, shuffle=False, progress=False)
    assert np.array_equal(again.parameters, nets[0].parameters)


def test_sums_that_overflow_are_found() -> None:
    """No weight takes a number that is not finite, whatever infinity less infinity is in pieces."""
    X, t = np.full((70, 80), 100, np.float32), np.zeros((70, 2), np.float32)
    for precision in ROUNDING:
        for weights in (3e38, -3e38):
            net = make([80, 6, 2], precision)
            net.layer(1).W[:] = weights
            before = net.parameters.copy()
            refused(lambda net=net: net.fit(X, t, progress=False), FloatingPointError)
            np.testing.assert_array_equal(net.parameters, before)


def test_the_largest_and_the_smallest_numbers() -> None:
    for precision in ROUNDING:
        net = make([100, 1], precision)
        net.layer(1).W[:] = 1 / 128
        X = np.full((2, 100), np.finfo(np.float32).max)
        assert np.isfinite(net.predict(X)).all()
        # Below the normal numbers is 0, as on the CPU's tile unit; the sum of 100 would not be.
        net.layer(1).W[:] = 1e20
        assert not net.predict(np.full((1, 100), 1e-39, np.float32)).any()


# --- How accurate --------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 3, 16, 64, 65, 100, 256, 1000, 4096])
@pytest.mark.parametrize("kind", KINDS)
def test_three_pieces_are_as_accurate_as_float32(kind: str, k: int) -> None:
    a, b = factors(kind, 300, k, 200)
    made = by_network(a, b, "bf16x3")
    if k <= 64:
        assert np.array_equal(made, by_network(a, b, "float32"))
        return
    ours, sgemm = errors(made, a, b), errors(a @ b, a, b)
    assert ours[0] <= sgemm[0]
    assert ours[1] <= sgemm[1]


@pytest.mark.parametrize("kind", KINDS)
def test_fewer_pieces_are_as_accurate_as_their_bits(kind: str) -> None:
    """Roundings to 8 or 16 bits, two of which every product of numbers has."""
    a, b = factors(kind, 60, 512, 50)
    assert errors(by_network(a, b, "bfloat16"), a, b)[1] <= 2.01 * 2**-8 / UNIT
    assert errors(by_network(a, b, "bf16x2"), a, b)[1] <= 3.1 * 2**-16 / UNIT


def test_the_documented_table_of_errors() -> None:
    """docs/precision.md has these numbers, but for the order of sums that another unit has.

    Those of float32 are BLAS' own sums, whose order is another one on each architecture.
    """
    text = (ROOT / "docs" / "precision.md").read_text(encoding="utf-8")
    for kind, *cells in table_of_products():
        said = re.search(rf"^\| {kind} \|(.*)\|$", text, re.MULTILINE)
        assert said is not None
        columns = slice(0 if platform.machine() == "x86_64" else 1, None)
        for ours, theirs in zip(cells[columns], said[1].split("|")[columns], strict=True):
            for one, other in zip(ours.split("/"), theirs.split("/"), strict=True):
                assert float(one) == pytest.approx(float(other), rel=0.5)
