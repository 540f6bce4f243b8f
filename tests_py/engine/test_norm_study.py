"""Normalised layers: derivatives to study, other ways to compute a pass, how they are shown."""

from __future__ import annotations

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import assert_matches, data, relative_difference
from normalised import NORMS, SIZES, both_modes, each_norm, made, running


@each_norm
def test_jacobians(name: str) -> None:
    for output in ("identity", "softmax"):
        net = made(NORMS[name], output=output, loss="squared_error")
        X, _ = data(SIZES, 4, "squared_error", "float64", seed=2)
        found = net.jacobian(X, of="a", wrt="a", layer=0)
        numeric = np.empty_like(found)
        for j in range(SIZES[0]):
            ahead, behind = X.copy(), X.copy()
            ahead[:, j] += 1e-6
            behind[:, j] -= 1e-6
            numeric[:, :, j] = (net.predict(ahead) - net.predict(behind)) / 2e-6
        assert relative_difference(found, numeric) < 1e-7
        # grad_z(m)[n] = J[n]ᵀ grad_a(L)[n], for every layer.
        net.forward(X)
        net.backward(np.zeros((4, 3)))
        top = net.layers[-1].grad_a
        for layer in net.layers:
            J = net.jacobian(X, of="a", wrt="z", layer=layer.m)
            wanted = np.einsum("nkj,nk->nj", J, top)
            assert relative_difference(layer.grad_z, wanted) < 1e-12


def test_jacobian_of_one_output() -> None:
    net = made(["batch", "layer"], [5, 7, 6, 1])
    X, y = data([5, 7, 6, 1], 9, "squared_error", "float64")
    J = net.jacobian(X, of="z", wrt="a", layer=0)[:, 0]
    net.forward(X)
    net.backward(y)
    assert relative_difference(net.layer(0).grad_a, J * net.layers[-1].grad_z) < 1e-12


@each_norm
def test_norms_of_single_gradients(name: str) -> None:
    net = made(NORMS[name], loss="squared_error")
    X, y = data(SIZES, 5, "squared_error", "float64", seed=6)
    found = net.gradient_norms(X, y, per_layer=True)
    wanted = np.empty_like(found)
    for n in range(5):
        net.forward(X[n : n + 1])
        net.backward(y[n : n + 1])
        for m, arrays in enumerate(net.unflatten(net.gradients)):
            wanted[n, m] = np.sqrt(sum(np.sum(array**2) for array in arrays))
    assert relative_difference(found, wanted) < 1e-12
    assert relative_difference(net.gradient_norms(X, y), np.linalg.norm(wanted, axis=1)) < 1e-12


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("output", ["identity", "softmax"])
@each_norm
def test_hessian_products_by_differences(name: str, output: str, threads: int) -> None:
    sb.set_num_threads(threads)
    for activation in ("tanh", "softmax"):
        loss = "squared_error" if output == "identity" else "cross_entropy"
        net = made(NORMS[name], activation=activation, output=output, loss=loss)
        X, y = data(SIZES, 200, loss, "float64", seed=6)
        rng = np.random.default_rng(0)
        v = rng.normal(size=net.n_parameters)
        found = net.hvp(X, y, v)
        before, gradients = net.parameters.copy(), []
        for step in (1e-5, -1e-5):
            net.parameters[:] = before + step * v
            net.forward(X)
            net.backward(y)
            gradients.append(net.gradients.copy())
        assert relative_difference(found, (gradients[0] - gradients[1]) / 2e-5) < 1e-6


@each_norm
def test_input_gradient(name: str) -> None:
    net = made(NORMS[name])
    X, y = data(SIZES, 5, "squared_error", "float64")
    net.forward(X)
    net.backward(y)
    assert relative_difference(net.input_gradient(X, y), net.layer(0).grad_a) < 1e-12


@both_modes
@each_norm
def test_loops_and_vectors(name: str, training: bool) -> None:
    X, y = data(SIZES, 7, "cross_entropy", "float64")
    for loss in ("squared_error", "cross_entropy"):
        net = made(NORMS[name], activation=["gelu", "softmax"], loss=loss)
        net.forward(X, training=training)
        C = net.backward(y)
        kept = running(net)
        for method in ("loops", "vectors"):
            twin = made(NORMS[name], activation=["gelu", "softmax"], loss=loss)
            if method == "vectors" and training and kept:
                with pytest.raises(ValueError, match="needs the statistics of the batch"):
                    twin.forward(X, training=True, method=method)
                continue
            a = twin.forward(X, training=training, method=method)
            assert_matches(a, net.layers[-1].a, 1e-12)
            for other in ("matrices", "loops", method):
                assert abs(twin.backward(y, method=other) - C) < 1e-12
                assert_matches(twin.gradients, net.gradients, 1e-11, method)
            first = twin.gradients.copy()
            twin.backward(y, method=method, accumulate=True)
            assert_matches(twin.gradients, 2 * first, 1e-12)
            for mine, wanted in zip(running(twin), kept, strict=True):
                assert_matches(mine[0], wanted[0], 1e-12)
                assert_matches(mine[1], wanted[1], 1e-12)


@each_norm
def test_gradcheck(name: str) -> None:
    net = made(NORMS[name], activation="relu", dtype="float32")
    X, y = data(SIZES, 6, "squared_error", "float32")
    report = net.gradcheck(X, y)
    assert report.ok, str(report)
    names = {check.name for check in report.checks}
    for layer in net.layers:
        assert (f"grad_gamma({layer.m})" in names) == (layer.norm is not None)


def test_own_formulas_are_without_normalisation() -> None:
    X, y = data(SIZES, 6, "squared_error", "float64")
    with pytest.raises(ValueError, match="make the network without norm"):
        sb.lab.check_backward(lambda net, X, y: [], made("layer"), X, y)


def test_health_looks_at_what_the_activation_takes_in() -> None:
    net = made("batch", activation="relu")
    X, y = data(SIZES, 20, "squared_error", "float64")
    net.layers[0].beta = np.full(7, -100.0)
    assert net.health(X, y).layers[0].dead == 1


@each_norm
def test_it_shows_itself(name: str) -> None:
    net = made(NORMS[name])
    X, y = data(SIZES, 6, "squared_error", "float64")
    text = str(net.summary())
    assert f"{net.n_parameters:,}" in text
    assert "norm=[" in repr(net)
    trace = net.trace(X, y)
    for layer in net.layers:
        if layer.norm is None:
            assert trace[f"a({layer.m})"].formula == f"a({layer.m}) = σ(z({layer.m}))"
            continue
        before, after = "zu" if not layer.norm.after else "uz", layer.norm.after
        u, a = trace[f"u({layer.m})"], trace[f"a({layer.m})"]
        assert np.array_equal(u.value, layer.u)
        scaled = f"γ({layer.m}) ⊙ norm({before[0]}({layer.m})) + β({layer.m})"
        assert scaled in (a if after else u).formula
        assert f"σ({before[1]}({layer.m}))" in (u if after else a).formula
        assert "⊙ σ′" not in trace[f"grad_z({layer.m})"].formula
        assert np.array_equal(trace[f"grad_gamma({layer.m})"].value, layer.grad_gamma)
        assert f"{layer.norm.name} norm" in text
    assert "norm" in str(trace)
    assert net._repr_html_()
    assert trace._repr_html_()
