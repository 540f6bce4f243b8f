"""trace.play(): one quantity after the other, what lights up, and a weight that is changed."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import data, quiet_network, refused
from svg_parts import svg_of
from swiftbackprop._inspect.player import reads
from test_trace import SHAPES, network


def traced(sizes: list[int], rows: int = 1, symbols: str = "deck1", **options: Any) -> Any:
    net = network(sizes, **options)
    X, t = data(sizes, rows, "squared_error", "float64")
    return net.trace(X, t, symbols=symbols)


@pytest.mark.parametrize("sizes", SHAPES.values(), ids=SHAPES)
def test_next_and_back_go_through_every_step(sizes: list[int]) -> None:
    trace = traced(sizes, 3)
    player = trace.play()
    assert player.back() is player
    assert player.position == 1
    names = [player.step.name]
    for _ in trace.steps[1:]:
        names.append(player.next().step.name)
    assert names == [step.name for step in trace.steps]
    assert player.next().position == len(trace.steps)
    assert player.back().step.name == names[-2]
    assert player.to("C").step.name == "C"
    assert player.to(2).step.name == "z(1)"


@pytest.mark.parametrize("symbols", ["deck1", "deck2"])
@pytest.mark.parametrize("sizes", SHAPES.values(), ids=SHAPES)
def test_what_is_read_was_there_before(sizes: list[int], symbols: str) -> None:
    """Every quantity that a step reads is given or was written, and stands in its formula."""
    trace = traced(sizes, 3, symbols)
    there = {"t"} | {f"{p}({m})" for p in "Wb" for m in range(1, len(sizes))}
    for step in trace.steps:
        read = reads(trace._parts, step.name)
        assert set(read) <= there, step
        there.add(step.name)
        right = step.formula.partition(" = ")[2]
        for name in read:
            letter, m = name.rstrip(")").split("(") if "(" in name else (name, "")
            written = trace._letters.quantity(letter, int(m)) if m else name
            is_cost = step.name == f"grad_a({len(sizes) - 1})" and name == "t"
            assert written in right or is_cost, (step.formula, name)


@pytest.mark.parametrize(
    ("options", "name", "wanted"),
    [
        ({"output": "softmax", "loss": "cross_entropy"}, "grad_z(2)", ("a(2)", "t")),
        ({"output": "softmax", "loss": "squared_error"}, "grad_z(2)", ("grad_a(2)", "a(2)")),
        ({"output": "sigmoid", "loss": "squared_error"}, "grad_z(2)", ("grad_a(2)", "z(2)")),
        ({"norm": "layer"}, "u(1)", ("z(1)",)),
        ({"norm": "layer"}, "a(1)", ("u(1)",)),
        ({"norm": sb.LayerNorm(after=True)}, "u(1)", ("a(1)",)),
        ({"norm": "layer"}, "grad_gamma(1)", ("grad_a(1)", "z(1)")),
        ({"norm": "layer"}, "grad_beta(1)", ("grad_a(1)",)),
    ],
)
def test_what_special_steps_read(
    options: dict[str, Any], name: str, wanted: tuple[str, ...]
) -> None:
    net = network([3, 4, 2], **options)
    X, t = data([3, 4, 2], 2, "squared_error", "float64")
    t = np.abs(t) / np.abs(t).sum(axis=1, keepdims=True)
    trace = net.trace(X, t)
    read = reads(trace._parts, name)
    if "norm" in options and name == "u(1)" and options["norm"] != "layer":
        assert read in (("a(1)",), ("z(1)",))
    assert read == wanted
    assert repr(trace.play().to(name)).startswith(f"step {trace[name].number} of")


def test_the_formula_has_the_letters_of_the_slides() -> None:
    one, two = (traced([2, 3, 1], symbols=deck).play() for deck in ("deck1", "deck2"))
    assert "∇z(1)C = ∇a(1)C ⊙ σ′(z(1))" in repr(one.to("grad_z(1)"))
    assert "reads ∇a(1)C, z(1); writes ∇z(1)C of shape (1, 3)" in repr(one)
    assert "∂L/∂π(1) = ∂L/∂x(1) ⊙ a′(π(1))" in repr(two.to("grad_z(1)"))
    assert "reads ∂L/∂x(1), π(1); writes ∂L/∂π(1)" in repr(two)
    assert "∇z" in one._repr_html_()
    assert "grad_" not in one._repr_html_()
    batch = traced([2, 3, 1], 4).play().to("grad_b(1)")
    assert "∇b(1)C = Σₙ ∇z(1)Cₙ" in repr(batch)


def test_columns_as_on_the_slides() -> None:
    trace = traced([2, 3, 1], 4)
    player = trace.play(columns=True)
    shapes = {step.name: np.shape(player._value(step)) for step in trace.steps if step.name != "C"}
    assert shapes["z(1)"] == shapes["grad_a(1)"] == (3, 4)
    assert shapes["a(0)"] == (2, 4)
    assert shapes["grad_W(1)"] == (3, 2)
    assert shapes["grad_b(1)"] == (3, 1)
    assert "of shape (3, 4)" in repr(player.to("z(1)"))


def of_class(html: str, name: str) -> int:
    return len(re.findall(rf'class="{name}"', html))


def test_what_is_read_and_written_lights_up() -> None:
    player = traced([2, 3, 1]).play().to("z(1)")
    html = player._repr_html_()
    (written,) = re.findall(r'<tr class="written".*?</tr>', html)
    assert "z<sup>(1)</sup> =" in written
    (read,) = re.findall(r'<tr class="read".*?</tr>', html)
    assert "a<sup>(0)</sup> = x" in read
    later = re.findall(r'<tr class="later".*?</tr>', html)
    assert len(later) == len(player.trace.steps) - 2
    assert all("…" in row for row in later)
    # In the graph: z(1) as a node and as numbers; W(1), b(1), and a(0) as both.
    assert len(re.findall(r'<rect class="written"', html)) == 2
    assert len(re.findall(r'<rect class="read"', html)) == 4
    assert 'opacity="0.15"' in html
    last = player.to(len(player.trace.steps))._repr_html_()
    assert 'opacity="0.15"' not in last


@pytest.mark.parametrize("symbols", ["deck1", "deck2"])
@pytest.mark.parametrize("sizes", [*SHAPES.values(), [3] * 12, [20, 18, 2]])
def test_every_step_can_be_drawn(sizes: list[int], symbols: str) -> None:
    player = traced(sizes, 2, symbols).play(example=1)
    for _ in player.trace.steps:
        html = player._repr_html_()
        assert html.count('<tr class="written"') == 1
        player.next()


def test_the_graph_without_a_player_is_as_ever() -> None:
    picture = traced([2, 3, 1]).graph()
    assert not re.search('class="(read|written)"|opacity="0.15"', str(picture))
    assert svg_of(picture) is not None


# --- A weight that is changed ----------------------------------------------------------------


def test_a_small_change_is_what_the_gradient_said() -> None:
    trace = traced([2, 3, 1], 5)
    player = trace.play()
    for layer in trace._parts.layers:
        for letter in "Wb":
            for index in np.ndindex(getattr(layer, letter).shape):
                name = f"{letter}({layer.m})"
                slope = float(np.asarray(trace[f"grad_{name}"].value)[index])
                at = float(getattr(layer, letter)[index])
                player.reset().set(name, *index, at + 1e-5)
                assert player.predicted == pytest.approx(slope * 1e-5, rel=1e-6)
                assert player.change == pytest.approx(slope * 1e-5, rel=1e-3, abs=1e-12)


def test_a_large_change_is_shown_beside_what_the_gradient_said() -> None:
    trace = traced([2, 3, 1])
    player = trace.play().set("W(1)", 2, 1, 3.0).set("b(2)", 0, -1.0)
    assert player.trace["z(1)"].value is not trace["z(1)"].value
    cost = player.trace.C
    assert player.change == pytest.approx(cost - trace.C)
    said = f"from {trace.C:.4g} to {cost:.4g}; the gradient said {player.predicted:.4g}"
    assert said in repr(player)
    assert said in player._repr_html_()
    player.reset()
    assert player.change == 0.0
    assert pytest.approx(player.trace.C, rel=1e-12) == trace.C
    assert "the gradient said" not in repr(player)


def test_the_network_and_the_trace_stay_as_they_are() -> None:
    net = network([2, 3, 1], dtype="float32")
    X, t = data([2, 3, 1], 4, "squared_error", "float32")
    weights = np.array([1.0, 2.0, 0.0, 3.0])
    trace = net.trace(X, t, sample_weight=weights)
    net.layers[0].W[:] = 7.0  # after the trace, which has the weights of before
    before = net.parameters.copy()
    player = trace.play()
    assert pytest.approx(trace.C, rel=1e-6) == player.trace.C
    player.set("W(2)", 0, 0, 5.0)
    assert np.array_equal(net.parameters, before)
    assert trace["grad_W(2)"].value.dtype == np.float32


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda p: p.set("W(3)", 0, 0, 1.0), KeyError, ["W(3)", "W(2)"]),
        (lambda p: p.set("z(1)", 0, 0, 1.0), KeyError, ["z(1)"]),
        (lambda p: p.set("W(1)", 0, 1.0), TypeError, ["i, j"]),
        (lambda p: p.set("W(1)", 3, 0, 1.0), IndexError, ["(3, 2)", "(3, 0)"]),
        (lambda p: p.set("W(1)", -1, 0, 1.0), IndexError, ["(-1, 0)"]),
        (lambda p: p.set("b(1)", 0, float("nan")), ValueError, ["finite"]),
        (lambda p: p.set("b(1)", 0, "x"), TypeError, ["a weight must be a number, got 'x' (str)"]),
        (lambda p: p.set("b(1)", 0.5, 1.0), TypeError, ["an index of b(1) must be an int"]),
        (lambda p: p.to(1.5), TypeError, ["step must be an int, got 1.5"]),
        (lambda p: p.to("grad_Q(1)"), KeyError, ["grad_Q(1)"]),
        (lambda p: p.to(0), IndexError, ["1 to 14"]),
    ],
)
def test_what_cannot_be_set_or_shown(call: Any, kind: type[Exception], words: list[str]) -> None:
    player = traced([2, 3, 1]).play()
    message = refused(lambda: call(player), kind)
    assert all(word in message for word in words), message
    assert not player.changed
    assert player.position == 1


def test_an_example_that_is_not_there() -> None:
    assert "5" in refused(lambda: traced([2, 3, 1], 4).play(example=5), IndexError)


def test_buttons_and_slider() -> None:
    pytest.importorskip("ipywidgets")
    from swiftbackprop._inspect.player_widget import widget

    player = traced([2, 3, 1]).play()
    steps, weights, shown = widget(player).children
    back, onwards, place = steps.children
    onwards.click()
    assert player.position == place.value == 2
    assert "step 2 of 14" in shown.value
    back.click()
    assert player.position == 1
    place.value = 5
    assert player.position == 5
    choice, slider, reset = weights.children
    assert slider.value == pytest.approx(player.trace._parts.layers[0].W[0, 0], abs=0.01)
    choice.value = ("b(2)", (0,))
    slider.value = 1.25
    assert player.changed == {("b(2)", (0,)): 1.25}
    assert "the gradient said" in shown.value
    reset.click()
    assert not player.changed
    assert "the gradient said" not in shown.value


def test_a_notebook_gets_html_beside_the_widget(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ipywidgets")
    player = traced([2, 3, 1]).play()
    assert "application/vnd.jupyter.widget-view+json" in player._repr_mimebundle_()
    monkeypatch.setenv("SWIFTBACKPROP_WIDGETS", "0")
    assert set(player._repr_mimebundle_()) == {"text/html", "text/plain"}


def test_custom_functions_can_be_played() -> None:
    swish = sb.CustomActivation(
        lambda z: z * np.tanh(z), lambda z: np.tanh(z) + z / np.cosh(z) ** 2, name="zt"
    )
    net = quiet_network([2, 3, 1], activation=swish, dtype="float64", seed=0)
    player = net.trace(np.ones((2, 2)), np.ones(2)).play().set("W(1)", 0, 0, 0.3)
    assert player.change != 0.0
