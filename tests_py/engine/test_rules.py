"""Single rules: sb.activation and sb.loss, their accuracy, their ends, their names."""

from __future__ import annotations

import json
import math
from functools import cache
from typing import Any

import numpy as np
import pytest

import reference
import swiftbackprop as sb
from helpers import DTYPES, TESTS, run_python_ok, unusual
from reference import ACTIVATIONS, INITIALIZERS, LOSSES

ELEMENTWISE = [name for name in ACTIVATIONS if name != "softmax"]

# --- Accuracy at every instruction-set level ---------------------------------------------


@cache
def measured(level: str) -> dict[str, dict[str, dict[str, Any]]]:
    """What ulp.py finds at that level, in a process of its own."""
    code = (TESTS / "ulp.py").read_text(encoding="utf-8")
    result: dict[str, dict[str, dict[str, Any]]] = json.loads(
        run_python_ok(code, env={"SWIFTBACKPROP_ISA": level}, timeout=300)
    )
    return result


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_accuracy(level: str, name: str, dtype: str) -> None:
    """Everywhere at most 4 ulp for values, and 4 and 8 ulp of max(|exact|, 1) for σ' and σ''.

    σ' and σ'' are computed from a, whose rounding is relative to 1 where a comes near ±1:
    σ' = 1 − a² doubles it, σ'' = −2a(1 − a²) takes it fourfold, in units half as large.
    """
    if dtype not in measured(level):
        pytest.skip("this platform has no type wider than float64 to compare with")
    found = measured(level)[dtype][name]
    for what, row in found.items():
        limit = 8 if what == "second" else 4
        assert row["ulp"] <= limit, f"{name} {what}: {row['ulp']:.2f} ulp at z = {row['x']!r}"


# --- The ends of the range ---------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_ends(name: str, dtype: str) -> None:
    rule, truth = sb.activation(name), reference.activation(name)
    large = np.finfo(dtype).max
    for extreme in (math.inf, float(large), float(large) / 4, 1e30):
        z = np.array([-extreme, extreme], dtype)
        a, slope, curve = rule(z), rule.derivative(z), rule.second_derivative(z)
        for side in (0, 1):
            limit, limit_of_slope = truth.limits[side], truth.slopes[side]
            if math.isinf(limit) and math.isfinite(limit_of_slope):
                assert a[side] == pytest.approx(float(z[side]) * limit_of_slope, rel=1e-6)
            else:
                assert a[side] == limit, (extreme, side)
            assert slope[side] == pytest.approx(limit_of_slope), (extreme, side)
            wanted = math.inf if math.isinf(limit_of_slope) else 0.0
            assert curve[side] == wanted, (extreme, side)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_nan_stays_nan(name: str, dtype: str) -> None:
    rule = sb.activation(name)
    z = np.full(37, np.nan, dtype)
    assert np.all(np.isnan(rule(z)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_at_zero(name: str, dtype: str) -> None:
    rule, truth = sb.activation(name), reference.activation(name)
    zero = np.zeros(3, dtype)
    for ours, theirs in (
        (rule, truth.value),
        (rule.derivative, truth.derivative),
        (rule.second_derivative, truth.second_derivative),
    ):
        np.testing.assert_allclose(ours(zero), theirs(zero), rtol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
def test_parameters_of_activations(dtype: str) -> None:
    z = np.linspace(-3, 3, 101).astype(dtype)
    wide = z.astype("float64")
    rtol = 8 * np.finfo(dtype).eps
    changed = [(name, unusual(sb.activation(name).defaults)) for name in ELEMENTWISE]
    for name, keywords in (
        *((name, keywords) for name, keywords in changed if keywords),
        ("leaky_relu", {"slope": 0.3}),
        ("leaky_relu", {"slope": 0.0}),
        ("elu", {"alpha": 0.4}),
        ("elu", {"alpha": 2.0}),
    ):
        ours = sb.activation(name, **keywords)
        truth = reference.activation(name, **keywords)
        np.testing.assert_allclose(ours(z), truth.value(wide), rtol=rtol)
        for f, g in (
            (ours.derivative, truth.derivative),
            (ours.second_derivative, truth.second_derivative),
        ):  # a + alpha: relative to 1
            np.testing.assert_allclose(f(z), g(wide), rtol=rtol, atol=rtol)
        assert name in repr(ours)
        assert str(next(iter(keywords.values()))) in repr(ours)
    assert sb.activation("elu", alpha=0.4).derivative(np.zeros(1))[0] == 0.4


@pytest.mark.parametrize("dtype", DTYPES)
def test_softmax_rows(dtype: str, rng: np.random.Generator) -> None:
    z = (10 * rng.normal(size=(50, 7))).astype(dtype)
    a = sb.activation("softmax")(z)
    truth = reference.activation("softmax").value(z.astype("float64"))
    np.testing.assert_allclose(a, truth, rtol=1e-5 if dtype == "float32" else 1e-13, atol=1e-30)
    np.testing.assert_allclose(a.sum(axis=1), 1, rtol=1e-6)
    extreme = np.array([[1000, -1000, 0], [3e4, 3e4, -3e4], [-1e30, -1e30, -1e30]], dtype)
    a = sb.activation("softmax")(extreme)
    np.testing.assert_allclose(a, [[1, 0, 0], [0.5, 0.5, 0], [1 / 3] * 3], rtol=1e-6)


@pytest.mark.parametrize("shape", [(), (1,), (5,), (2, 3), (2, 3, 4), (0,), (3, 0)])
def test_shapes_and_types_of_rules(shape: tuple[int, ...]) -> None:
    for dtype in DTYPES:
        z = np.ones(shape, dtype)
        for f in (sb.activation("tanh"), sb.activation("tanh").derivative):
            out = np.asarray(f(z))
            assert out.shape == shape
            assert out.dtype == dtype
        cost = np.asarray(sb.loss("huber")(z, z))
        assert cost.shape == shape
    assert np.asarray(sb.activation("tanh")([0, 1])).dtype == "float64"
    strided = np.linspace(-1, 1, 24).reshape(4, 6)[::-2, ::3]
    np.testing.assert_allclose(sb.activation("tanh")(strided), np.tanh(strided), rtol=1e-14)


# --- Losses ------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", LOSSES)
def test_losses(name: str, dtype: str, rng: np.random.Generator) -> None:
    a = rng.uniform(0.001, 0.999, 1000).astype(dtype)
    t = rng.uniform(0, 1, 1000).astype(dtype)
    for options in ({}, unusual(sb.loss(name).defaults)):
        ours, truth = sb.loss(name, **options), reference.loss(name, **options)
        wide = a.astype("float64"), t.astype("float64")
        rtol = 1e-5 if dtype == "float32" else 1e-12
        for f, g in (
            (ours, truth.value),
            (ours.derivative, truth.derivative),
            (ours.second_derivative, truth.second_derivative),
        ):
            actual = f(a, t)
            assert actual.dtype == dtype
            np.testing.assert_allclose(actual, g(*wide), rtol=rtol, atol=rtol)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["binary_cross_entropy", "cross_entropy", "poisson"])
def test_log_losses_clip(name: str, dtype: str) -> None:
    """a is moved into [ε, 1 − ε]; outside, the derivatives are 0."""
    a = np.array([0.0, -3.0, 1e-30, 1.0, 7.0], dtype)
    t = np.array([1.0, 0.5, 1.0, 0.0, 0.25], dtype)
    ours, truth = sb.loss(name), reference.loss(name)
    rtol = 1e-4 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(ours(a, t), truth.value(a, t), rtol=rtol, atol=1e-30)
    np.testing.assert_allclose(ours.derivative(a, t), truth.derivative(a, t), rtol=rtol)
    curve = truth.second_derivative(a, t)
    np.testing.assert_allclose(ours.second_derivative(a, t), curve, rtol=rtol)


def test_losses_at_their_kinks() -> None:
    zero = np.zeros(2)
    assert np.all(sb.loss("absolute_error").derivative(zero, zero) == 0)
    assert np.all(sb.loss("huber")(zero, zero) == 0)
    edge = np.ones(2)
    assert np.all(sb.loss("huber").derivative(edge, zero) == 1)
    assert np.all(sb.loss("huber")(edge, zero) == 0.5)


# --- Names -------------------------------------------------------------------------------


def test_the_reference_has_every_rule() -> None:
    assert set(sb.activations()) == set(ACTIVATIONS)
    assert set(sb.losses()) == set(LOSSES)
    titles = {type(sb.optimizer(name)).__name__ for name in sb.optimizers()}
    assert titles == set(reference.optimizers.OPTIMIZERS)
    assert set(sb.initializers()) == set(INITIALIZERS)


def test_every_name_makes_a_network() -> None:
    for name in sb.optimizers():
        sb.Network([2, 2], optimizer=name)
    for name in sb.initializers():
        sb.Network([2, 2], initializer=name)
    for name in sb.activations():
        sb.Network([2, 2, 2], activation=name)
        sb.Network([2, 2], output=name)


def test_a_pair_that_clips_warns_once() -> None:
    with pytest.warns(
        UserWarning, match=r"cross_entropy.*identity|identity.*cross_entropy"
    ) as all_:
        sb.Network([2, 3], output="identity", loss="cross_entropy")
    assert len(all_) == 1
    assert all_[0].filename == __file__  # points at the caller's line
    for output, loss in (
        ("softmax", "cross_entropy"),
        ("sigmoid", "binary_cross_entropy"),
        ("exp", "poisson"),
        ("softplus", "poisson"),
        ("identity", "huber"),
        ("sigmoid", "cross_entropy"),
    ):
        sb.Network([2, 3], output=output, loss=loss)  # a warning would be an error


DEFAULTS = [
    ({}, "identity", "squared_error"),
    ({"loss": "cross_entropy"}, "softmax", "cross_entropy"),
    ({"loss": "binary_cross_entropy"}, "sigmoid", "binary_cross_entropy"),
    ({"loss": "poisson"}, "exp", "poisson"),
    ({"loss": "huber"}, "identity", "huber"),
    ({"loss": "absolute_error"}, "identity", "absolute_error"),
    ({"output": "softmax"}, "softmax", "cross_entropy"),
    ({"output": "sigmoid"}, "sigmoid", "binary_cross_entropy"),
    ({"output": "exp"}, "exp", "poisson"),
    ({"output": "identity"}, "identity", "squared_error"),
    ({"output": "tanh"}, "tanh", "squared_error"),
    ({"output": "softmax", "loss": "squared_error"}, "softmax", "squared_error"),
]


@pytest.mark.parametrize(("given", "output", "loss"), DEFAULTS)
def test_output_and_loss_pick_each_other(given: dict[str, str], output: str, loss: str) -> None:
    ours = sb.Network([3, 4, 3], seed=0, dtype="float64", **given)
    told = sb.Network(
        [3, 4, 3], seed=0, dtype="float64", activation="relu", output=output, loss=loss
    )
    X = np.random.default_rng(0).normal(size=(5, 3))
    t = np.full((5, 3), 1 / 3)
    np.testing.assert_array_equal(ours.forward(X), told.forward(X))
    assert ours.backward(t) == told.backward(t)
    np.testing.assert_array_equal(ours.gradients, told.gradients)
