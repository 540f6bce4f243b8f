"""The reference itself, against central differences and the lectures' sums."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import reference
from helpers import OPTIMIZERS, relative_difference, targets, unusual
from reference import ACTIVATIONS, LOSSES, Array, optimizers

ELEMENTWISE = [name for name in ACTIVATIONS if name != "softmax"]
POINTS = np.array([-6.3, -2.7, -1.1, -0.4, -0.02, 0.03, 0.5, 0.9, 1.7, 3.1, 6.2])


def variants(make: Callable[..., Any]) -> tuple[dict[str, float], dict[str, float]]:
    """The default parameters of a rule, and others."""
    parameters = inspect.signature(make).parameters
    return {}, unusual({name: each.default for name, each in parameters.items()})


def slope_of(f: Callable[[Array], Array], x: Array, h: float = 1e-5) -> Array:
    """(f(x + h) − f(x − h)) / 2h."""
    return (f(x + h) - f(x - h)) / (2 * h)


def random_network(
    sizes: list[int],
    activations: list[str],
    loss: str,
    rng: np.random.Generator,
    **keywords: Any,
) -> reference.Network:
    """A network whose outputs lie inside the domain of every loss."""
    pairs = [
        (rng.normal(size=(after, before)) * 0.5, rng.normal(size=after) * 0.3)
        for before, after in pairwise(sizes)
    ]
    return reference.Network(pairs, activations, loss, **keywords)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_activation_derivatives(name: str) -> None:
    for keywords in variants(ACTIVATIONS[name]):
        rule = reference.activation(name, **keywords)
        f, df, ddf = rule.value, rule.derivative, rule.second_derivative
        np.testing.assert_allclose(df(POINTS), slope_of(f, POINTS), 2e-8, 1e-9)
        np.testing.assert_allclose(ddf(POINTS), slope_of(df, POINTS), 2e-8, 1e-9)


def test_derivatives_at_the_kinks() -> None:
    zero = np.zeros(1)
    for name, wanted in (("relu", 0.0), ("leaky_relu", 0.01), ("elu", 1.0)):
        rule = reference.activation(name)
        assert rule.derivative(zero)[0] == wanted
        assert rule.second_derivative(zero)[0] == 0
    assert reference.activation("elu", alpha=0.3).derivative(zero)[0] == 0.3
    assert reference.loss("absolute_error").derivative(zero, zero)[0] == 0


def test_softmax_pulls_back_with_its_jacobian(rng: np.random.Generator) -> None:
    z, g = rng.normal(size=(1, 4)), rng.normal(size=(1, 4))
    rule = reference.activation("softmax")
    columns = [slope_of(lambda s, e=e: rule.value(z + s * e)[0], np.zeros(1)) for e in np.eye(4)]
    jacobian = np.column_stack(columns)
    np.testing.assert_allclose(rule.pull_back(z, g)[0], jacobian.T @ g[0], 1e-7, 1e-10)


@pytest.mark.parametrize("name", LOSSES)
def test_loss_derivatives(name: str, rng: np.random.Generator) -> None:
    a, t = rng.uniform(0.1, 0.9, 40), rng.uniform(0.1, 0.9, 40)
    for keywords in variants(LOSSES[name]):
        rule = reference.loss(name, **keywords)
        apart = np.full(len(a), True)
        for kink in rule.kinks:
            apart &= np.abs(np.abs(a - t) - kink) > 1e-3
        x, y = a[apart], t[apart]
        df = slope_of(lambda v, f=rule.value, y=y: f(v, y), x)
        ddf = slope_of(lambda v, f=rule.derivative, y=y: f(v, y), x)
        np.testing.assert_allclose(rule.derivative(x, y), df, 1e-8, 1e-9)
        np.testing.assert_allclose(rule.second_derivative(x, y), ddf, 1e-7, 1e-8)


@pytest.mark.parametrize("name", ["binary_cross_entropy", "cross_entropy", "poisson"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_log_losses_clip(name: str, dtype: type[np.floating[Any]]) -> None:
    rule = reference.loss(name)
    low, t = np.array([0.0, -3.0], dtype), np.array([1.0, 1.0], dtype)
    np.testing.assert_allclose(rule.value(low, t), -np.log(np.finfo(dtype).eps), 1e-6)
    assert np.all(rule.derivative(low, t) == 0)
    assert rule.value(low, t).dtype == dtype


@pytest.mark.parametrize("pair", reference.PARTNERS)
def test_partners_are_the_same_numbers(pair: tuple[str, str], rng: np.random.Generator) -> None:
    z = rng.normal(size=(5, 3))
    t = targets(pair[1], 5, 3, rng)
    sigma, loss = reference.activation(pair[0]), reference.loss(pair[1])
    a = sigma.value(z)
    fused, plain = reference.PARTNERS[pair](z, t), loss.value(a, t)
    np.testing.assert_allclose(fused, plain, 1e-13, 1e-14)
    np.testing.assert_allclose(sigma.pull_back(z, loss.derivative(a, t)), a - t, 1e-12, 1e-14)


def test_partners_stay_finite() -> None:
    z = np.array([[1000.0, -1000.0, 0.0]])
    t = np.array([[0.0, 1.0, 0.0]])
    cost = reference.PARTNERS
    np.testing.assert_array_equal(cost["softmax", "cross_entropy"](z, t).sum(), 2000.0)
    both = cost["sigmoid", "binary_cross_entropy"](z, t)
    np.testing.assert_allclose(both, [[1000.0, 1000.0, np.log(2)]])
    assert cost["exp", "poisson"](z[:, 1:], t[:, 1:])[0, 0] == 1000.0


@pytest.mark.parametrize("output", ["sigmoid", "softmax"])
@pytest.mark.parametrize("loss", LOSSES)
def test_network_gradients(output: str, loss: str, rng: np.random.Generator) -> None:
    net = random_network([3, 5, 4, 3], ["tanh", "silu", output], loss, rng)
    X, t = rng.normal(size=(7, 3)), targets(loss, 7, 3, rng)
    weight = rng.uniform(0.2, 2.0, 7)

    def cost_with(array: Array, index: tuple[int, ...], value: float) -> float:
        old, array[index] = array[index], value
        net.forward(X)
        each = net.cost_per_example(t)
        array[index] = old
        return float(np.sum(weight * each) / np.sum(weight))

    def numeric(array: Array, h: float = 1e-5) -> Array:
        g = np.empty_like(array)
        for index in np.ndindex(array.shape):
            x = array[index]
            above, below = cost_with(array, index, x + h), cost_with(array, index, x - h)
            g[index] = (above - below) / (2 * h)
        return g

    net.forward(X)
    cost = net.backward(t, weight)
    assert cost == pytest.approx(cost_with(X, (0, 0), X[0, 0]), rel=1e-13)
    layers = [(layer, layer.grad_W.copy(), layer.grad_b.copy()) for layer in net.layers]
    grad_X = net.grad_X.copy()
    for layer, grad_W, grad_b in layers:
        assert relative_difference(grad_W, numeric(layer.W)) < 1e-7
        assert relative_difference(grad_b, numeric(layer.b)) < 1e-7
    assert relative_difference(grad_X, numeric(X)) < 1e-7


def test_the_lectures_sums(rng: np.random.Generator) -> None:
    """One example, in the slides' non-vectorized form, symbol by symbol."""
    sizes, names = [3, 4, 2], ["tanh", "sigmoid"]
    net = random_network(sizes, names, "squared_error", rng)
    x, t = rng.normal(size=3), rng.normal(size=2)
    net.forward(x[np.newaxis])
    net.backward(t[np.newaxis])
    one, two = net.layers

    z1 = [sum(one.W[i, j] * x[j] for j in range(3)) + one.b[i] for i in range(4)]
    a1 = [np.tanh(z) for z in z1]
    z2 = [sum(two.W[i, j] * a1[j] for j in range(4)) + two.b[i] for i in range(2)]
    a2 = [1 / (1 + np.exp(-z)) for z in z2]
    dC_da2 = [a2[i] - t[i] for i in range(2)]
    dC_dz2 = [dC_da2[i] * a2[i] * (1 - a2[i]) for i in range(2)]
    dC_da1 = [sum(dC_dz2[i] * two.W[i, j] for i in range(2)) for j in range(4)]
    dC_dz1 = [dC_da1[j] * (1 - a1[j] ** 2) for j in range(4)]
    dC_dW1 = [[dC_dz1[i] * x[j] for j in range(3)] for i in range(4)]
    dC_dW2 = [[dC_dz2[i] * a1[j] for j in range(4)] for i in range(2)]

    for actual, wanted in (
        (one.z[0], z1), (one.a[0], a1), (two.z[0], z2), (two.a[0], a2),
        (two.grad_a[0], dC_da2), (two.grad_z[0], dC_dz2),
        (one.grad_a[0], dC_da1), (one.grad_z[0], dC_dz1),
        (one.grad_W, dC_dW1), (two.grad_W, dC_dW2),
        (one.grad_b, dC_dz1), (two.grad_b, dC_dz2),
    ):  # fmt: skip
        np.testing.assert_allclose(actual, wanted, rtol=1e-12, atol=1e-15)


def test_weights_and_accumulation(rng: np.random.Generator) -> None:
    net = random_network([2, 3, 1], ["tanh", "identity"], "squared_error", rng)
    X, t = rng.normal(size=(3, 2)), rng.normal(size=(3, 1))
    net.forward(X)
    net.backward(t, np.array([1.0, 2.0, 0.0]))
    weighted = net.gradients
    net.forward(X[[0, 1, 1]])  # a weight of 2 is the row twice, 0 is no row
    net.backward(t[[0, 1, 1]])
    np.testing.assert_allclose(weighted, net.gradients, 1e-12, 1e-15)
    once = net.gradients
    net.backward(t[[0, 1, 1]], accumulate=True)
    np.testing.assert_allclose(net.gradients, 2 * once, 1e-14)
    assert net.backward(t[[0, 1, 1]], np.zeros(3)) == 0.0
    assert np.all(net.gradients == 0)


def test_step_clips_then_adds_penalties_then_decays() -> None:
    W, b = np.array([[2.0, -1.0]]), np.array([3.0])
    rule = optimizers.SGD(lr=0.1, weight_decay=0.5)
    net = reference.Network(
        [(W, b)], ["identity"], "squared_error",
        optimizer=rule, l1=0.2, l2=0.4, clip_norm=1.0,
    )  # fmt: skip
    net.layers[0].grad_W, net.layers[0].grad_b = np.array([[3.0, 0.0]]), np.array([4.0])
    net.step()
    # ‖g‖ = 5, so g becomes g / 5; then + 0.4 W + 0.2 sign W; then lr; then lr λ W.
    wanted = W - 0.1 * (np.array([[0.6, 0]]) + 0.4 * W + [[0.2, -0.2]]) - 0.05 * W
    np.testing.assert_allclose(net.layers[0].W, wanted, 1e-15)
    np.testing.assert_allclose(net.layers[0].b, b - 0.1 * 0.8, 1e-15)
    assert net.penalty() == pytest.approx(
        0.2 * np.sum(net.layers[0].W ** 2) + 0.2 * np.sum(np.abs(net.layers[0].W))
    )


def test_flat_order() -> None:
    W, b = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), np.array([7.0, 8.0, 9.0])
    net = reference.Network([(W, b)], ["identity"], "squared_error")
    assert net.parameters.tolist() == [1, 3, 5, 2, 4, 6, 7, 8, 9]


def test_initializer_scales() -> None:
    assert reference.initializer_bound("glorot_uniform", 3, 5) == (6 / 8) ** 0.5
    assert reference.initializer_bound("he_uniform", 3, 5) == pytest.approx(2**0.5)
    assert reference.initializer_std("he_normal", 8, 5) == 0.5
    assert reference.initializer_std("lecun_normal", 4, 5) == 0.5
    assert reference.initializer_std("glorot_normal", 3, 5) == 0.5


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_kept(dtype: type[np.floating[Any]], rng: np.random.Generator) -> None:
    for name in ELEMENTWISE:
        rule = reference.activation(name, **variants(ACTIVATIONS[name])[1])
        for f in (rule.value, rule.derivative, rule.second_derivative):
            assert f(POINTS.astype(dtype)).dtype == dtype, name
    for name in LOSSES:
        cost = reference.loss(name, **variants(LOSSES[name])[1])
        a = rng.uniform(0.1, 0.9, 5).astype(dtype)
        for g in (cost.value, cost.derivative, cost.second_derivative):
            assert g(a, a[::-1]).dtype == dtype, name
    for name, keywords in OPTIMIZERS.items():
        net = reference.Network(
            [(np.ones((2, 2), dtype), np.ones(2, dtype))], ["softmax"], "cross_entropy",
            optimizer=optimizers.make(name, **keywords), l1=0.1, l2=0.1, clip_norm=0.1,
        )  # fmt: skip
        net.forward(np.ones((3, 2), dtype))
        net.backward(np.full((3, 2), 0.5, dtype), np.ones(3, dtype))
        net.step()
        assert net.parameters.dtype == dtype, name
        assert net.layers[0].grad_z.dtype == dtype
