"""Matrix products of every size: tiles and their edges, and where BLAS takes over."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import swiftbackprop as sb
from helpers import DTYPES, TOLERANCE

ROWS = (7, 8, 9, 16, 33, 64)
WIDTHS = (11, 12, 23, 24, 31, 32, 33, 48, 63, 64, 65, 130, 256, 257, 300)
INPUTS = (1, 7, 8, 9, 33, 100)


def close(got: npt.ArrayLike, want: npt.ArrayLike, dtype: str, terms: int) -> None:
    scale = float(np.max(np.abs(want))) + 1e-30
    error = float(np.max(np.abs(np.asarray(got, float) - want))) / scale
    assert error <= TOLERANCE[dtype] * max(1, terms / 100)


def layouts(X: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
    wide = np.repeat(X, 2, axis=0)
    return [X, np.asfortranarray(X), wide[::2]]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("width", WIDTHS)
def test_passes_of_every_shape(width: int, dtype: str) -> None:
    rng = np.random.default_rng(width)
    for inputs in INPUTS:
        net = sb.Network([inputs, width, width, 3], activation="tanh", dtype=dtype, seed=1)
        one, two, _ = net.layers
        W = two.W.astype(float)
        for rows in ROWS:
            X = rng.normal(size=(rows, inputs)).astype(dtype)
            y = rng.normal(size=(rows, 3)).astype(dtype)
            z = X @ one.W.T.astype(float) + one.b
            for laid in layouts(X):
                net.forward(laid)
                net.backward(y)
                close(one.z, z, dtype, inputs)
                close(one.grad_W, one.grad_z.T.astype(float) @ X, dtype, rows)
            # What lies in the network's own memory is laid out the same for every X.
            close(two.z, one.a @ W.T + two.b, dtype, width)
            close(two.grad_W, two.grad_z.T.astype(float) @ one.a, dtype, rows)
            close(one.grad_a, two.grad_z.astype(float) @ W, dtype, width)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", [400, 1700])
def test_products_of_several_blocks(rows: int, dtype: str) -> None:
    """More rows, columns and terms than are packed at a time, W both ways round."""
    rng = np.random.default_rng(0)
    net = sb.Network([900, 531, 300, 3], activation="tanh", dtype=dtype, seed=1)
    one, two, _ = net.layers
    X = rng.normal(size=(rows, 900)).astype(dtype)
    net.forward(X)
    net.backward(rng.normal(size=(rows, 3)).astype(dtype))
    close(one.z, X @ one.W.T.astype(float) + one.b, dtype, 900)
    close(two.z, one.a @ two.W.T.astype(float) + two.b, dtype, 531)
    close(one.grad_W, one.grad_z.T.astype(float) @ X, dtype, rows)
    close(two.grad_W, two.grad_z.T.astype(float) @ one.a, dtype, rows)
    close(one.grad_a, two.grad_z.astype(float) @ two.W, dtype, 300)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("optimizer", ["SGD", "Momentum", "Adam"])
@pytest.mark.parametrize(
    "sizes",
    [
        [9, 33, 40, 2],
        [33, 64, 2],
        [100, 257, 32, 2],
        [41, 512, 2],
        [300, 600, 2],
        # Panels of some rows, and of some rows and columns.
        [800, 640, 2],
        [900, 1500, 2],
    ],
)
def test_steps_inside_fit_are_the_steps_outside(
    sizes: list[int], optimizer: str, dtype: str
) -> None:
    """fit adds to W within a product, or updates it panel by panel; step does neither."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, sizes[0])).astype(dtype)
    y = rng.normal(size=(150, 2)).astype(dtype)
    # Longer steps would leave the widest network's numbers too large to compare.
    rate = 0.001 if sizes[1] > 1000 else 0.01
    rule = getattr(sb, optimizer)(rate)
    inside = sb.Network(sizes, dtype=dtype, seed=2, optimizer=rule)
    outside = inside.copy()
    inside.fit(X, y, epochs=2, batch_size=70, shuffle=False, progress=False)
    for _ in range(2):
        for start in (0, 70, 140):
            outside.forward(X[start : start + 70])
            outside.backward(y[start : start + 70])
            outside.step()
    # Adam divides rounding errors by their own size where a gradient is near 0.
    slack = 300 if optimizer == "Adam" else 10
    np.testing.assert_allclose(
        inside.parameters, outside.parameters, atol=slack * TOLERANCE[dtype], rtol=0
    )
    np.testing.assert_allclose(
        inside.gradients, outside.gradients, atol=slack * TOLERANCE[dtype], rtol=0
    )


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
def test_gradients_are_whole_after_a_fit_that_ended_early(optimizer: str) -> None:
    """Steps inside fit keep no grad_W; the last one's is made when fit ends."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(96, 40)).astype("f")
    y = rng.normal(size=(96, 3)).astype("f")
    weights = np.ones(96)
    weights[64:] = 0
    net = sb.Network([40, 64, 3], seed=0, optimizer=getattr(sb, optimizer)(0.01))
    net.fit(*(X, y), epochs=1, batch_size=32, shuffle=False, sample_weight=weights, progress=False)
    twin = sb.Network([40, 64, 3], seed=0, optimizer=getattr(sb, optimizer)(0.01))
    for rows in (slice(0, 32), slice(32, 64)):
        twin.forward(X[rows])
        twin.backward(y[rows])
        twin.step()
    for layer, other in zip(net.layers, twin.layers, strict=True):
        np.testing.assert_allclose(layer.grad_W, other.grad_W, atol=1e-5)
        np.testing.assert_allclose(layer.grad_b, other.grad_b, atol=1e-5)


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
def test_a_batch_that_diverges_leaves_no_mixed_gradients(optimizer: str) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(96, 40)).astype("f")
    y = rng.normal(size=(96, 3)).astype("f")
    y[32:64] *= 1e30
    net = sb.Network([40, 64, 3], seed=0, optimizer=getattr(sb, optimizer)(0.01))
    with pytest.raises(sb.DivergenceError):
        net.fit(X, y, epochs=1, batch_size=32, shuffle=False, progress=False)
    with pytest.raises(RuntimeError, match="call backward again"):
        net.step()


def test_numbers_below_the_normal_ones_count_as_zero() -> None:
    """Arithmetic with them is a hundred times slower: a dead unit's momentum ends as 0."""
    net = sb.Network([1, 1], output="identity", initializer=[([[1e-20]], [0.0])])
    assert net.predict(np.array([[1e-15]], np.float32))[0, 0] != 0
    assert net.predict(np.array([[1e-20]], np.float32))[0, 0] == 0
    # Only within the engine: NumPy goes on as before.
    assert np.float32(1e-20) * np.float32(1e-20) != 0
