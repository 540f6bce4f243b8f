"""net.jacobian and net.input_gradient: against differences, PyTorch, JAX and the deck."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import reference
from helpers import (
    DTYPES,
    TOLERANCE,
    assert_matches,
    quiet_network,
    refused,
    relative_difference,
    run_python_ok,
    targets,
)
from reference import ACTIVATIONS

STEP = 5e-4
MARGIN = 0.02
OUTPUTS = (1, 3)


def away_from_kinks(net: Any, X: np.ndarray, rng: np.random.Generator) -> None:
    """Draw parameters such that no z lies where its activation has no derivative."""
    for _ in range(5000):
        net.parameters[:] = rng.normal(size=net.n_parameters) * 0.7
        net.forward(X)
        apart = [
            np.min(np.abs(layer.z[..., np.newaxis] - np.array(kinks)))
            for layer in net.layers
            if (kinks := reference.activation(layer.activation.name).kinks)
        ]
        if not apart or min(apart) > MARGIN:
            return
    raise AssertionError("no point away from the kinks was found")


def drawn(names: list[str], sizes: list[int], rows: int, seed: int = 0) -> tuple[Any, np.ndarray]:
    """A float64 network with these activations, and X, away from kinks."""
    rng = np.random.default_rng(seed)
    net = quiet_network(
        sizes, activation=names[:-1], output=names[-1], loss="squared_error", dtype="float64",
        seed=1,
    )  # fmt: skip
    X = rng.normal(size=(rows, sizes[0]))
    away_from_kinks(net, X, rng)
    return net, X


def places(net: Any) -> Iterator[tuple[str, str, int]]:
    """Every (of, wrt, layer) that there is."""
    last = len(net.layers)
    for of in ("z", "a"):
        for m in range(1, last + 1):
            yield of, "z", m
        for m in range(last + (of == "a")):
            yield of, "a", m


def output(net: Any, X: np.ndarray, of: str) -> np.ndarray:
    net.forward(X)
    return np.array(getattr(net.layers[-1], of))


def derivative(net: Any, X: np.ndarray, of: str, array: np.ndarray, along: np.ndarray) -> Any:
    """The output's central difference of fourth order when `array` moves along `along`."""
    start, values = array.copy(), []
    for factor in (1, -1, 2, -2):
        array[...] = start + factor * STEP * along
        values.append(output(net, X, of))
    array[...] = start
    return (8 * (values[0] - values[1]) - (values[2] - values[3])) / (12 * STEP)


def differences(net: Any, X: np.ndarray, of: str, wrt: str, m: int) -> np.ndarray:
    """∂of(L)/∂wrt(m) by moving what the network computes with.

    z(m) moves with b(m); a(m) moves the next z by W(m+1)'s column, or is X, or the output.
    """
    width, columns = net.sizes[m], []
    for j in range(width):
        unit = np.eye(width)[j]
        if wrt == "z":
            columns.append(derivative(net, X, of, net.layers[m - 1].b, unit))
        elif m == 0:
            columns.append(derivative(net, X, of, X, np.tile(unit, (len(X), 1))))
        elif m < len(net.layers):
            columns.append(derivative(net, X, of, net.layers[m].b, net.layers[m].W[:, j].copy()))
        else:
            columns.append(np.tile(unit, (len(X), 1)))
    return np.stack(columns, axis=-1)


def check(net: Any, X: np.ndarray) -> None:
    """Every Jacobian against differences."""
    for of, wrt, m in places(net):
        J = net.jacobian(X, of=of, wrt=wrt, layer=m)
        assert J.shape == (len(X), net.sizes[-1], net.sizes[m])
        assert J.dtype == net.dtype
        error = relative_difference(J, differences(net, X, of, wrt, m))
        assert error <= 1e-7, f"∂{of}(L)/∂{wrt}({m}): {error:.1e}"


@pytest.mark.parametrize("outputs", OUTPUTS)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_hidden_activation(name: str, outputs: int) -> None:
    last = "sigmoid" if outputs == 1 else "softmax"
    check(*drawn([name, "tanh", last], [3, 5, 4, outputs], rows=3))


@pytest.mark.parametrize("outputs", OUTPUTS)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_output_activation(name: str, outputs: int) -> None:
    if name == "softmax" and outputs == 1:
        return  # refused: test_errors.py
    check(*drawn(["silu", name], [3, 4, outputs], rows=1))


def test_hidden_softmax_and_one_layer() -> None:
    check(*drawn(["softmax", "softmax", "softmax"], [4, 3, 5, 2], rows=2))
    check(*drawn(["softmax"], [3, 4], rows=2))
    check(*drawn(["identity"], [1, 1], rows=1))


# --- What the decks say ------------------------------------------------------------------


def test_of_the_layer_itself_it_is_the_identity() -> None:
    net, X = drawn(["tanh", "softmax"], [3, 4, 5], rows=7)
    for of in ("z", "a"):
        np.testing.assert_array_equal(
            net.jacobian(X, of, of, layer=2), np.broadcast_to(np.eye(5), (7, 5, 5))
        )


def test_softmax_has_a_matrix_and_tanh_a_diagonal() -> None:
    net, X = drawn(["tanh", "softmax"], [3, 4, 5], rows=6)
    a = net.predict(X)
    wanted = np.einsum("ni,ij->nij", a, np.eye(5)) - np.einsum("ni,nj->nij", a, a)
    assert_matches(net.jacobian(X, of="a", wrt="z", layer=2), wanted, 1e-13)
    net, X = drawn(["tanh", "tanh"], [3, 4, 5], rows=6)
    wanted = np.einsum("ni,ij->nij", 1 - net.predict(X) ** 2, np.eye(5))
    assert_matches(net.jacobian(X, of="a", wrt="z", layer=2), wanted, 1e-13)


@pytest.mark.parametrize("outputs", OUTPUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_it_carries_grad_z_back(dtype: str, outputs: int) -> None:
    """grad_z(m)[n] = J[n]ᵀ grad_z(L)[n]; J itself has no 1/N."""
    net = quiet_network(
        [6, 8, 7, outputs], activation=["gelu", "softmax"], output="identity",
        loss="squared_error", dtype=dtype, seed=2,
    )  # fmt: skip
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 6)).astype(dtype)
    net.forward(X)
    net.backward(targets("squared_error", 20, outputs, rng))
    last = net.layers[-1].grad_z
    for m in (1, 2, 3):
        carried = np.einsum("nkj,nk->nj", net.jacobian(X, layer=m), last)
        assert_matches(carried, net.layer(m).grad_z, TOLERANCE[dtype])
    for m in (0, 1, 2):
        carried = np.einsum("nkj,nk->nj", net.jacobian(X, wrt="a", layer=m), last)
        assert_matches(carried, net.layer(m).grad_a, TOLERANCE[dtype])


# --- Blocks, threads, arrays of every kind -------------------------------------------------


@pytest.mark.parametrize("outputs", [1, 7, 1200])
def test_many_rows(outputs: int) -> None:
    """More rows and more outputs than a block has: each row's Jacobian is its own."""
    rows = 3000 if outputs < 1000 else 3
    net = quiet_network(
        [4, 30, 20, outputs], activation=["tanh", "softmax"], output="sigmoid",
        loss="squared_error", dtype="float64", seed=0,
    )  # fmt: skip
    X = np.random.default_rng(0).normal(size=(rows, 4))
    for of, wrt, m in places(net):
        if m == 3 and outputs > 1000 and rows * outputs**2 > 5e6:
            continue
        J = net.jacobian(X, of=of, wrt=wrt, layer=m)
        for n in (0, rows // 2, rows - 1):
            own = net.jacobian(X[n : n + 1], of=of, wrt=wrt, layer=m)
            assert_matches(J[n : n + 1], own, 1e-12, f"{of} {wrt} {m} row {n}")


def test_the_number_of_threads_does_not_matter() -> None:
    code = """
        import numpy as np
        import swiftbackprop as sb

        net = sb.Network([50, 200, 30, 120, 9], activation=["tanh", "softmax", "gelu"],
                         output="softmax", dtype="float64", seed=0)
        rng = np.random.default_rng(0)
        X, y = rng.normal(size=(700, 50)), rng.integers(0, 9, 700)
        v = rng.normal(size=net.n_parameters)
        calls = [
            lambda: net.jacobian(X, of="a", wrt="a", layer=0),
            lambda: net.jacobian(X, layer=2),
            lambda: net.input_gradient(X, y),
            lambda: net.gradient_norms(X, y, per_layer=True),
            lambda: net.hvp(X, y, v),
        ]
        found = []
        for threads in (1, 2, 3):
            sb.set_num_threads(threads)
            found.append([call() for call in calls])
        for other in found[1:]:
            for one, two in zip(found[0], other):
                assert np.linalg.norm(one - two) <= 1e-12 * np.linalg.norm(one)
        sb.set_num_threads(2)
        for one, two in zip(found[1], [call() for call in calls]):
            np.testing.assert_array_equal(one, two)
        print("alike")
    """
    assert run_python_ok(code).strip() == "alike"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "layout", ["Fortran", "strided", "reversed", "broadcast", "float16", "int8", "list"]
)
def test_any_array(layout: str, dtype: str) -> None:
    net = quiet_network([4, 5, 3], output="softmax", dtype=dtype, seed=0)
    X = np.random.default_rng(0).integers(-3, 4, (12, 4)).astype(dtype)
    y = np.arange(12) % 3
    v = np.arange(net.n_parameters) % 5 - 2
    if layout == "broadcast":
        X = np.tile(X[:1], (12, 1))
    other: Any = {
        "Fortran": np.asfortranarray(X),
        "strided": np.repeat(X, 2, axis=0)[::2],
        "reversed": X[::-1].copy()[::-1],
        "broadcast": np.broadcast_to(X[0], X.shape),
        "float16": X.astype("float16"),
        "int8": X.astype("int8"),
        "list": X.tolist(),
    }[layout]
    tolerance = TOLERANCE[dtype]
    J, wanted = net.jacobian(other, wrt="a", layer=0), net.jacobian(X, wrt="a", layer=0)
    assert_matches(J, wanted, tolerance)
    assert_matches(net.input_gradient(other, y), net.input_gradient(X, y), tolerance)
    assert_matches(net.gradient_norms(other, y), net.gradient_norms(X, y), tolerance)
    assert_matches(net.hvp(other, y, v), net.hvp(X, y, v.astype(dtype)), tolerance)


def test_no_rows() -> None:
    net = quiet_network([4, 5, 3], output="softmax", seed=0)
    assert net.jacobian(np.zeros((0, 4)), layer=1).shape == (0, 3, 5)
    for call in (net.input_gradient, net.gradient_norms):
        refused(lambda call=call: call(np.zeros((0, 4)), []), ValueError, "at least one row")


def test_input_gradient_of_many_rows() -> None:
    """Blocks share one Σw; each row's own gradient needs none."""
    net = quiet_network([4, 30, 3], activation="gelu", output="softmax", dtype="float64", seed=0)
    rng = np.random.default_rng(0)
    X, y, w = rng.normal(size=(3000, 4)), rng.integers(0, 3, 3000), rng.uniform(0, 2, 3000)
    net.forward(X)
    net.backward(y, sample_weight=w)
    assert_matches(net.input_gradient(X, y, sample_weight=w), net.layer(0).grad_a, 1e-12)
    net.backward(y)
    assert_matches(net.input_gradient(X, y), net.layer(0).grad_a, 1e-12)
    each = net.input_gradient(X, y, per_example=True)
    assert_matches(each / 3000, net.layer(0).grad_a, 1e-12)
    assert not net.input_gradient(X, y, sample_weight=np.zeros(3000)).any()
    W, J = net.layers[1].grad_z * 3000, net.jacobian(X, wrt="a", layer=0)
    assert_matches(each, np.einsum("nkj,nk->nj", J, W), 1e-12)
