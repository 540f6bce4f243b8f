"""A trace: formulas in the decks' letters, the network's own arrays, how it shows itself."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import assert_matches, data, quiet_network, reference_of, refused
from reference import PARTNERS
from svg_parts import SVG

SNAPSHOTS = ("z", "a", "grad_z", "grad_a")
SHAPES = {"scalar": [3, 4, 1], "vector": [3, 4, 2], "deep": [2, 3, 5, 4, 2], "single": [3, 2]}


def network(sizes: list[int], **options: Any) -> Any:
    options = {"activation": "tanh", "dtype": "float64", "seed": 3, **options}
    return quiet_network(sizes, **options)


def formulas(trace: Any) -> list[str]:
    return [step.formula for step in trace.steps]


# --- The record ------------------------------------------------------------------------------


def test_formulas_of_the_first_deck() -> None:
    trace = network([2, 3, 1]).trace(np.ones((1, 2)), np.ones(1))
    assert formulas(trace) == [
        "a(0) = x",
        "z(1) = W(1) a(0) + b(1)",
        "a(1) = σ(z(1))",
        "z(2) = W(2) a(1) + b(2)",
        "a(2) = σ(z(2))",
        "C = C(a(2), t)",
        "grad_a(2) = ∂C/∂a(2)",
        "grad_z(2) = grad_a(2) ⊙ σ′(z(2))",
        "grad_W(2) = grad_z(2) a(1)ᵀ",
        "grad_b(2) = grad_z(2)",
        "grad_a(1) = W(2)ᵀ grad_z(2)",
        "grad_z(1) = grad_a(1) ⊙ σ′(z(1))",
        "grad_W(1) = grad_z(1) a(0)ᵀ",
        "grad_b(1) = grad_z(1)",
    ]
    assert [step.number for step in trace.steps] == list(range(1, 15))
    assert [step.way for step in trace.steps] == ["forward"] * 6 + ["backward"] * 8
    assert [step.rule for step in trace.steps if step.rule] == [
        *("tanh", "identity", "squared_error"),
        *("squared_error", "identity", "tanh"),
    ]


def test_formulas_of_the_second_deck() -> None:
    trace = network([2, 3, 1]).trace(np.ones((1, 2)), np.ones(1), symbols="deck2")
    assert formulas(trace) == [
        "x(0) = X",
        "π(1) = W(1) x(0) + b(1)",
        "x(1) = a(π(1))",
        "π(2) = W(2) x(1) + b(2)",
        "x(2) = a(π(2))",
        "L = L(x(2), t)",
        "∂L/∂x(2) = L′(x(2), t)",
        "∂L/∂π(2) = ∂L/∂x(2) ⊙ a′(π(2))",
        "∂L/∂w(2) = ∂L/∂π(2) x(1)ᵀ",
        "∂L/∂b(2) = ∂L/∂π(2)",
        "∂L/∂x(1) = W(2)ᵀ ∂L/∂π(2)",
        "∂L/∂π(1) = ∂L/∂x(1) ⊙ a′(π(1))",
        "∂L/∂w(1) = ∂L/∂π(1) x(0)ᵀ",
        "∂L/∂b(1) = ∂L/∂π(1)",
    ]
    assert trace["grad_z(1)"].formula.startswith("∂L/∂π(1)")
    assert any("no b" in note and "transpose" in note for note in trace.notes)


@pytest.mark.parametrize("rows", [1, 6])
@pytest.mark.parametrize("sizes", SHAPES.values(), ids=SHAPES)
def test_values_are_the_networks_own(sizes: list[int], rows: int) -> None:
    net = network(sizes)
    X, t = data(sizes, rows, "squared_error", "float64")
    trace = net.trace(X, t)
    assert np.shares_memory(trace["a(0)"].value, X)
    truth = reference_of(net, ["tanh"] * (len(sizes) - 2) + ["identity"], "squared_error")
    truth.forward(X)
    cost = truth.backward(t)
    assert pytest.approx(cost, rel=1e-12) == trace.C
    assert trace["C"].value == trace.C
    assert trace["C"].shape == ()
    for layer, wanted in zip(net.layers, truth.layers, strict=True):
        for name in (*SNAPSHOTS, "grad_W", "grad_b"):
            step = trace[f"{name}({layer.m})"]
            assert_matches(step.value, getattr(wanted, name), 1e-12, step.name)
            assert step.shape == getattr(layer, name).shape
            assert np.shares_memory(step.value, getattr(layer, name)) == (name in SNAPSHOTS)
            assert not step.value.flags.writeable
    assert len(trace.steps) == 2 + 6 * len(net.layers)


def test_it_is_forward_and_backward_on_the_network() -> None:
    net, twin = network([3, 4, 2], seed=1), network([3, 4, 2], seed=1)
    X, t = data([3, 4, 2], 5, "squared_error", "float64")
    w = np.arange(5.0)
    trace = net.trace(X, t, sample_weight=w)
    twin.forward(X)
    cost = twin.backward(t, sample_weight=w)
    assert cost == trace.C
    np.testing.assert_array_equal(net.gradients, twin.gradients)
    np.testing.assert_array_equal(net.parameters, twin.parameters)
    net.step()  # the pass is there to go on from
    assert net.step_count == 1


def test_the_record_never_changes() -> None:
    net = network([3, 4, 2])
    X, t = data([3, 4, 2], 5, "squared_error", "float64")
    trace = net.trace(X, t)
    said, drawn = str(trace), str(trace.graph())
    kept = [np.array(step.value) for step in trace.steps]
    t[:] = 0
    for _ in range(3):
        net.trace(X * 2, t)
        net.step()
    net.gradients[:] = 7
    for step, value in zip(trace.steps, kept, strict=True):
        np.testing.assert_array_equal(step.value, value)
    assert str(trace) == said
    assert str(trace.graph()) == drawn


# --- The rules that are no Hadamard product --------------------------------------------------


def test_softmax_has_a_jacobian() -> None:
    net = network([3, 4, 2], activation="softmax")
    X, t = data([3, 4, 2], 4, "squared_error", "float64")
    trace = net.trace(X, t)
    assert trace["grad_z(1)"].formula == "grad_z(1) = J(1)ᵀ grad_a(1)"
    assert trace["grad_z(2)"].formula == "grad_z(2) = grad_a(2) ⊙ σ′(z(2))"
    assert any("J(1) = diag(a(1)) − a(1) a(1)ᵀ" in note for note in trace.notes)
    for a, grad_a, grad_z in zip(
        *(trace[name].value for name in ("a(1)", "grad_a(1)", "grad_z(1)")), strict=True
    ):
        J = np.diag(a) - np.outer(a, a)
        assert_matches(grad_z, J.T @ grad_a, 1e-12)


@pytest.mark.parametrize(("output", "loss"), PARTNERS)
def test_partners_show_the_difference(output: str, loss: str) -> None:
    outputs = 3
    product = "J(2)ᵀ grad_a(2)" if output == "softmax" else "grad_a(2) ⊙ σ′(z(2))"
    sizes = [3, 4, outputs]
    net = network(sizes, loss=loss)
    X, t = data(sizes, 4, loss, "float64")
    w = np.array([1.0, 0.0, 2.0, 5.0])
    one, mean = net.trace(X[:1], t[:1]), net.trace(X, t)
    weighted = net.trace(X, t, sample_weight=w)
    for trace, formula, share in (
        (one, "a(2) − t", 1),
        (mean, "(a(2) − t)/N", 0.25),
        (weighted, "(a(2) − t) wₙ/Σw", (w / w.sum())[:, np.newaxis]),
    ):
        step, rows = trace["grad_z(2)"], len(trace["a(0)"].value)
        assert step.formula == f"grad_z(2) = {product} = {formula}"
        assert_matches(step.value, (trace["a(2)"].value - t[:rows]) * share, 1e-12)
        assert any(note.startswith(f"{net.loss.partner} and {loss}") for note in trace.notes)
    assert any("1/N" in note for note in mean.notes)
    assert any("wₙ/Σw" in note for note in weighted.notes)
    assert weighted["C"].formula == "C = Σₙ wₙ C(a(2)ₙ, tₙ) / Σₙ wₙ"


@pytest.mark.parametrize("output", sb.activations())
@pytest.mark.parametrize("loss", sb.losses())
def test_only_partners_show_the_difference(loss: str, output: str) -> None:
    """The formula says a − t where, and only where, the engine computes it so."""
    net = network([3, 2], output=output, loss=loss)
    net.layers[0].b = [40.0, -40.0]  # where σ′ and the clipped loss are 0
    X, t = data([3, 2], 1, loss, "float64")
    trace = net.trace(0.001 * X, t)
    says_so = trace["grad_z(1)"].formula.endswith("a(1) − t")
    assert says_so == ((output, loss) in PARTNERS)
    if says_so:
        assert_matches(trace["grad_z(1)"].value, trace["a(1)"].value - t, 1e-12)


def test_a_batch_sums_and_divides() -> None:
    net = network([3, 4, 2])
    X, t = data([3, 4, 2], 4, "squared_error", "float64")
    trace = net.trace(X, t)
    assert trace["C"].formula == "C = 1/N Σₙ C(a(2)ₙ, tₙ)"
    assert trace["grad_b(1)"].formula == "grad_b(1) = Σₙ grad_z(1)ₙ"
    assert_matches(trace["grad_b(1)"].value, trace["grad_z(1)"].value.sum(axis=0), 1e-12)
    # The second deck's L′ is of one row's own cost.
    of_a_row = net.loss.derivative(trace["a(2)"].value, t)
    assert_matches(trace["grad_a(2)"].value, of_a_row / 4, 1e-12)
    second = net.trace(X, t, symbols="deck2")
    assert second["grad_a(2)"].formula == "∂L/∂x(2) = L′(x(2), t)/N"
    second = net.trace(X, t, symbols="deck2", sample_weight=np.arange(4.0))
    assert second["grad_a(2)"].formula == "∂L/∂x(2) = L′(x(2), t) wₙ/Σw"
    assert trace.notes[0].count("(1)") >= 4  # rows and columns, said once
    assert sum("columns" in note for note in trace.notes) == 1


# --- How it shows itself ---------------------------------------------------------------------


def test_print_has_a_row_for_every_step() -> None:
    trace = network([2, 3, 1]).trace(np.ones((4, 2)), np.ones(4))
    lines = str(trace).splitlines()
    for step in trace.steps:
        (line,) = [row for row in lines if re.match(rf" +{step.number}  ", row)]
        assert step.formula in line
        assert str(step.shape) in line
        assert f"{np.ravel(step.value)[0]:.4g}" in line
    assert max(map(len, lines)) < 180
    assert "2-3-1" in repr(trace)
    assert "\n" not in repr(trace)
    assert "grad_z(1)" in repr(trace["grad_z(1)"])


@pytest.mark.parametrize("symbols", ["deck1", "deck2"])
def test_html_is_a_graph_above_a_table(symbols: str) -> None:
    trace = network([2, 3, 1]).trace(np.ones((4, 2)), np.ones(4), symbols=symbols)
    root = ET.fromstring(trace._repr_html_())
    (table,) = root.iter("table")
    (svg,) = root.iter(f"{SVG}svg")
    order = list(root.iter())
    assert order.index(svg) < order.index(table)
    rows = [["".join(cell.itertext()) for cell in row.iter("td")] for row in table.iter("tr")]
    shown = [row for row in rows if row]
    assert [row[1] for row in shown] == formulas(trace)
    assert [row[3] for row in shown] == [str(step.shape) for step in trace.steps]
    raised = {"".join(sup.itertext()) for sup in table.iter("sup")}
    assert {"(0)", "(1)", "(2)", "(2)ᵀ"} <= raised


def test_mistakes_are_refused() -> None:
    net = network([2, 3, 1])
    X, y = np.ones((2, 2)), np.ones(2)
    refused(lambda: net.trace(X, y, symbols="deck3"), ValueError, "deck3", "deck1, deck2")
    refused(lambda: net.layers[0].z, RuntimeError, "forward")  # nothing was computed
    refused(lambda: net.trace(X.T[:1], y), ValueError, "shape|rows")
    refused(lambda: net.trace(np.ones((2, 5)), y), ValueError, r"D\(0\)")
    trace = net.trace(X, y)
    refused(lambda: trace["grad_q(1)"], KeyError, r"grad_q\(1\)", r"z\(1\)")
    refused(lambda: trace.graph(2), IndexError, "0 to 1")
    refused(lambda: trace.graph("0"), TypeError, "int")
