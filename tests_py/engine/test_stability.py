"""Logits of ±1000, saturation and clipping: finite where the mathematics is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import DTYPES, assert_matches, quiet_network
from reference import ACTIVATIONS, LOSSES, PARTNERS, activation

LOGITS = np.array([[1000.0, -1000, 0], [-1000, -1000, -1000], [1000, 1000, -1000], [30, -30, 1]])


def logits_network(output: str, loss: str, dtype: str, width: int = 3) -> Any:
    """z = X: the identity matrix, no bias."""
    net = quiet_network([width, width], output=output, loss=loss, dtype=dtype, seed=0)
    net.layers[0].W = np.eye(width)
    net.layers[0].b = 0 * net.layers[0].b
    return net


def check_finite(net: Any) -> None:
    layer = net.layers[0]
    for name in ("grad_z", "grad_a", "grad_W", "grad_b"):
        assert np.all(np.isfinite(getattr(layer, name))), name


@pytest.mark.parametrize("dtype", DTYPES)
def test_softmax_with_cross_entropy(dtype: str) -> None:
    net = logits_network("softmax", "cross_entropy", dtype)
    y = np.array([1, 0, 2, 0])
    a = net.forward(LOGITS.astype(dtype))
    assert np.all(np.isfinite(a))
    cost = net.backward(y)
    each = [2000, np.log(3), 2000 + np.log(2), np.log1p(np.exp(-60.0) + np.exp(-29.0))]
    assert cost == pytest.approx(np.mean(each), rel=1e-6)
    check_finite(net)
    wanted = (a - np.eye(3)[y]) / 4
    assert_matches(net.layers[0].grad_z, wanted, 1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
def test_sigmoid_with_binary_cross_entropy(dtype: str) -> None:
    net = logits_network("sigmoid", "binary_cross_entropy", dtype)
    t = np.array([[0, 1, 0.5], [0, 1, 0], [1, 0, 0], [1, 0, 1]])
    a = net.forward(LOGITS.astype(dtype))
    cost = net.backward(t.astype(dtype))
    z = LOGITS
    each = np.maximum(z, 0) - t * z + np.log1p(np.exp(-np.abs(z)))
    assert cost == pytest.approx(each.sum() / 4, rel=1e-6)
    check_finite(net)
    assert_matches(net.layers[0].grad_z, (a - t) / 4, 1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
def test_exp_with_poisson(dtype: str) -> None:
    net = logits_network("exp", "poisson", dtype)
    z = np.array([[-1000.0, 0, 2], [-1000, -1000, 4]])
    t = np.array([[3.0, 1, 0], [0, 2, 5]])
    net.forward(z.astype(dtype))
    cost = net.backward(t.astype(dtype))
    assert cost == pytest.approx((np.exp(z) - t * z).sum() / 2, rel=1e-6)
    check_finite(net)
    assert_matches(net.layers[0].grad_z, (np.exp(z) - t) / 2, 1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("pair", "wanted"),
    [
        (("softmax", "cross_entropy"), np.exp(-80.0)),
        (("sigmoid", "binary_cross_entropy"), 2 * np.exp(-40.0)),
        (("exp", "poisson"), np.exp(-40.0)),
    ],
)
def test_small_costs_are_not_rounded_away(pair: tuple[str, str], wanted: float, dtype: str) -> None:
    """A confident, right answer: the loss comes from z, without ln(1) = 0 and its clipping."""
    net = logits_network(*pair, dtype, width=2)
    z, t = [40.0, -40.0], [1.0, 0.0]
    if pair == ("exp", "poisson"):  # a − t ln a is small where a is and t is 0
        z, t = [-40.0, -800.0], [0.0, 0.0]
    net.forward(np.array([z], dtype))
    cost = net.backward(np.array([t], dtype))
    assert cost == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("output", [name for name in ACTIVATIONS if not activation(name).is_steep])
def test_every_pair_is_finite_at_large_logits(output: str, loss: str, dtype: str) -> None:
    net = logits_network(output, loss, dtype)
    t = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1], [1, 0, 0]], dtype)
    assert np.all(np.isfinite(net.forward(LOGITS.astype(dtype))))
    assert np.isfinite(net.backward(t))
    check_finite(net)
    net.step()
    assert np.all(np.isfinite(net.parameters))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", ["binary_cross_entropy", "cross_entropy", "poisson"])
def test_clipped_outputs_have_no_gradient(loss: str, dtype: str) -> None:
    net = logits_network("identity", loss, dtype)
    net.forward(np.array([[-0.5, -2.0, 0.25]], dtype))
    cost = net.backward(np.array([[0.5, 0.25, 0.25]], dtype))
    grad_z = net.layers[0].grad_z[0]
    assert np.isfinite(cost)
    assert grad_z[0] == grad_z[1] == 0
    assert np.all(net.layers[0].grad_W[:2] == 0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
def test_fit_and_evaluate_are_stable_too(output: str, dtype: str) -> None:
    loss = {"softmax": "cross_entropy", "sigmoid": "binary_cross_entropy"}[output]
    net = logits_network(output, loss, dtype)
    X = LOGITS.astype(dtype)
    y = np.array([1, 0, 2, 0])
    before = net.evaluate(X, y)["loss"]
    net.forward(X)
    assert before == pytest.approx(net.backward(y), rel=1e-6)
    history = net.fit(X, y, epochs=2, batch_size=4, progress=False)
    assert history["loss"][0] == pytest.approx(before, rel=1e-6)
    assert np.all(np.isfinite(net.parameters))


@pytest.mark.parametrize("dtype", DTYPES)
def test_partners_give_the_plain_numbers_away_from_saturation(dtype: str) -> None:
    """grad_z = Jᵀ grad_a, with the loss' own derivative in grad_a."""
    rng = np.random.default_rng(0)
    X, t = rng.normal(size=(6, 3)).astype(dtype), rng.dirichlet([2.0] * 3, 6).astype(dtype)
    for output, loss in PARTNERS:
        net = logits_network(output, loss, dtype)
        a = net.forward(X).astype("float64")
        net.backward(t)
        grad_a, grad_z = net.layers[0].grad_a, net.layers[0].grad_z
        if output == "softmax":
            inner = (a * grad_a).sum(axis=1, keepdims=True)
            wanted = a * (grad_a - inner)
            own = -t / a / 6
        elif output == "sigmoid":
            wanted, own = grad_a * a * (1 - a), (a - t) / (a * (1 - a)) / 6
        else:
            wanted, own = grad_a * a, (1 - t / a) / 6
        tolerance = 1e-12 if dtype == "float64" else 1e-5
        assert_matches(grad_z, wanted, tolerance, output)
        assert_matches(grad_a, own, tolerance, output)


@pytest.mark.parametrize("dtype", DTYPES)
def test_numbers_below_the_normal_ones_are_taken_for_0(dtype: str) -> None:
    """The momentum of a dead unit decays to 0, and not through hundreds of slow steps."""
    X, t = np.zeros((3, 2), dtype), np.zeros((3, 1), dtype)
    net = quiet_network(
        [2, 1], loss="squared_error", optimizer=sb.Momentum(0.0, 0.5), dtype=dtype, seed=0
    )
    net.layers[0].b = [0.0]
    net.forward(X)
    assert net.backward(t) == 0
    net.step()
    (momentum,) = net.optimizer.state
    tiny = np.finfo(dtype).tiny
    momentum[:] = 3 * tiny
    net.step()
    np.testing.assert_array_equal(momentum, 1.5 * tiny)
    net.step()
    np.testing.assert_array_equal(momentum, 0)


def test_clipping_of_gradients_whose_squares_overflow() -> None:
    net = sb.Network([1, 1], dtype="float64", output="identity", optimizer=sb.SGD(0.5), seed=0,
                     clip_norm=1.0)  # fmt: skip
    before = net.parameters.copy()
    net.forward([[1e10]])
    net.backward([[1e150]])
    assert np.abs(net.gradients).max() > 1e159
    net.step()
    np.testing.assert_allclose(net.parameters - before, [0.5, 0.5e-10], rtol=1e-5)
