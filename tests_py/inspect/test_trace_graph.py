"""The computation graph of a trace, and its formulas as LaTeX."""

from __future__ import annotations

import dataclasses
import xml.etree.ElementTree as ET
from functools import cache
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import data
from svg_parts import SVG, numbers, of_class, svg_of, texts
from swiftbackprop._draw.number_text import tiny
from test_trace import network

# --- The computation graph -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("symbols", "names"),
    [
        ("deck1", ["x", "z(1)", "a(1)", "z(2)", "a(2)", "z(3)", "a(3)", "C"]),
        ("deck2", ["x", "π(1)", "x(1)", "π(2)", "x(2)", "π(3)", "x(3)", "L"]),
    ],
)
def test_graph_has_every_node_and_edge(symbols: str, names: list[str]) -> None:
    net = network([3, 4, 4, 1])
    X, t = data([3, 4, 4, 1], 1, "squared_error", "float64")
    root = svg_of(net.trace(X, t, symbols=symbols).graph())
    nodes = of_class(root, "node")
    chain = [node for node in nodes if node.find(f"{SVG}circle") is not None]
    place = {texts(node)[0]: float(node.find(f"{SVG}circle").get("cx")) for node in chain}
    assert sorted(place, key=lambda name: place[name]) == names
    cards = [texts(node)[0] for node in nodes if node.find(f"{SVG}rect") is not None]
    entering = {f"{letter}({m})" for letter in "Wb" for m in (1, 2, 3)} | {"t"}
    assert {card.split("\u2002")[0] for card in cards} == entering
    assert {"W(1)\u20024 × 3", "W(3)\u20021 × 4", "t\u20021 × 1"} <= set(cards)
    # forward: 7 along the chain, 3 W, 3 b and t; back: not to x, not to t
    assert len(of_class(root, "forward")) == 7 + 7
    assert len(of_class(root, "backward")) == 6 + 6
    dashed = [rect for rect in root.iter(f"{SVG}rect") if rect.get("stroke-dasharray")]
    assert len(dashed) == (3 if symbols == "deck2" else 0)  # b is not in that deck


@pytest.mark.parametrize("rows", [1, 3])
def test_numbers_in_the_graph_are_the_networks(rows: int) -> None:
    sizes = [3, 4, 2]
    net = network(sizes)
    X, t = data(sizes, rows, "squared_error", "float64")
    trace = net.trace(X, t)
    for example in {0, rows - 1}:
        root = svg_of(trace.graph(example))
        values, slopes = numbers(root, "value"), numbers(root, "gradient")

        def row(array: Any, example: int = example) -> list[str]:
            return [tiny(value) for value in array[example]]

        for layer in net.layers:
            assert row(layer.z) in values
            assert row(layer.a) in values
            assert row(layer.grad_z) in slopes
            assert row(layer.grad_a) in slopes
            assert [tiny(w) for w in layer.W.ravel()] in values
            assert [tiny(w) for w in layer.b] in values
            assert [tiny(w) for w in layer.grad_W.ravel()] in slopes
            assert [tiny(w) for w in layer.grad_b] in slopes
        assert row(X) in values
        assert row(t) in values
        assert f"C = {tiny(trace.C)}" in texts(root)
    assert str(trace.graph(-1)) == str(trace.graph(rows - 1))


def test_graph_shows_classes_as_a_row() -> None:
    net = network([2, 3], loss="cross_entropy")
    for labels in (np.array([1, 2]), np.array([[0.0, 1, 0], [0, 0, 1]])):
        trace = net.trace(np.ones((2, 2)), labels)
        assert ["0", "1", "0"] in numbers(svg_of(trace.graph(0)), "value")
        assert ["0", "0", "1"] in numbers(svg_of(trace.graph(1)), "value")


def test_graph_of_wide_and_deep_networks_is_short() -> None:
    wide = network([784, 128, 10], dtype="float32")
    trace = wide.trace(np.ones((5, 784)), np.ones((5, 10)))
    root = svg_of(trace.graph())
    assert not numbers(root, "value")
    assert "W(1)\u2002128 × 784" in texts(root)
    deep = network([3] + [4] * 300 + [2])
    trace = deep.trace(np.ones((2, 3)), np.ones((2, 2)))
    root = svg_of(trace.graph())
    assert "layers 3 to 299" in texts(root)
    assert {"z(1)", "a(2)", "z(300)", "a(301)"} <= set(texts(root))
    for text in (trace._repr_html_(), str(trace), str(trace.graph())):
        assert len(text.encode()) < 200_000
    broad = network([10] * 20)
    trace = broad.trace(np.ones((2, 10)), np.ones((2, 10)))
    assert len(trace._repr_html_().encode()) < 200_000


def with_names(net: Any, name: str) -> Any:
    """The same network, whose rules are called `name`."""

    def renamed(rule: Any) -> Any:
        other = type(rule)(rule.name)
        info = rule._info._replace(name=name, canonical_output="nobody")
        object.__setattr__(other, "_info", info)
        return other

    net._made = dataclasses.replace(
        net._made,
        activations=tuple(renamed(rule) for rule in net._made.activations),
        loss=renamed(net._made.loss),
    )
    return net


@pytest.mark.parametrize("name", ['"><script>alert(1)</script>', "<&(1)ᵀ>", "a" * 5000])
def test_names_are_escaped(name: str) -> None:
    net = with_names(network([2, 3, 2], activation="softmax"), name)
    trace = net.trace(np.ones((2, 2)), np.ones((2, 2)))
    for text in (str(trace.graph()), trace._repr_html_(), str(net.diagram()), net._repr_html_()):
        assert "<script" not in text
        ET.fromstring(text)
        assert len(text) < 200_000


# --- As LaTeX ---------------------------------------------------------------------------------


def test_formulas_as_latex() -> None:
    net = sb.Network([2, 3, 2], activation="tanh", loss="cross_entropy", seed=0)
    trace = net.trace(np.ones((4, 2)), [0, 1, 0, 1])
    assert trace["z(2)"].latex == "z^{(2)} = W^{(2)} a^{(1)} + b^{(2)}"
    assert trace["a(1)"].latex == r"a^{(1)} = \sigma (z^{(1)})"
    assert trace["grad_a(1)"].latex == (
        r"\mathrm{grad}_{a}^{(1)} = W^{(2)\,\mathsf T} \mathrm{grad}_{z}^{(2)}"
    )
    assert trace["C"].latex == r"C = \frac{1}{N} \sum_n  C(a^{(2)}_n, t_n)"
    text = trace.to_latex()
    assert text.startswith("\\begin{align*}\n")
    assert text.endswith("\n\\end{align*}")
    assert text.count(" &= ") == len(trace.steps)


@cache
def parse(latex: str) -> None:
    """Let matplotlib read it, which knows the commands that are used, but for two."""
    mathtext = pytest.importorskip("matplotlib.mathtext")
    plain = latex.replace(r"\mathsf T", "T").replace(r"\,", "")
    mathtext.MathTextParser("path").parse(f"${plain}$")


@pytest.mark.parametrize("symbols", ["deck1", "deck2"])
@pytest.mark.parametrize("norm", [None, "layer"])
@pytest.mark.parametrize("weights", [None, np.ones(3)])
def test_latex_is_ascii_and_closed(symbols: str, norm: Any, weights: Any) -> None:
    for loss in ("squared_error", "cross_entropy"):
        net = sb.Network([2, 3, 2], activation=["softmax"], loss=loss, norm=norm, seed=0)
        y = np.eye(2)[[0, 1, 0]]
        trace = net.trace(np.ones((3, 2)), y, sample_weight=weights, symbols=symbols)
        text = trace.to_latex()
        assert text.isascii(), text
        assert text.count("{") == text.count("}")
        assert "grad_z" not in text
        for step in trace.steps:
            parse(step.latex)
