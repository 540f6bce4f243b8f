"""sb.lab.check_backward: right ones, what they may not reach, and the report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import ROOT, refused
from students import SIZES, Array, Student, data, network, run, verdicts
from swiftbackprop.lab import check_backward

# --- Right ones -------------------------------------------------------------------------------


@pytest.mark.parametrize("returned", ["a z W b", "W", "b", "z", "a", "W b", "a0 W", "a0 a z W b"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"output": "softmax", "loss": "cross_entropy"},
        {"activation": "softmax", "output": "softmax", "loss": "squared_error"},
        {"activation": ["relu", "silu"], "output": "identity", "loss": "huber"},
        {"dtype": "float64", "output": "exp", "loss": "poisson"},
    ],
)
def test_a_right_one_passes(returned: str, options: dict[str, Any]) -> None:
    report = run(Student(returned), network(**options))
    report.raise_if_failed()
    assert report.ok
    layers = 3 * len([name for name in returned.split() if name != "a0"])
    assert len(report.findings) == layers + ("a0" in returned)
    assert "all right" in repr(report)


def test_every_form_of_the_result() -> None:
    def dictionary(net: Any, X: Array, y: Array) -> dict[str, list[Array]]:
        return Student()(net, X, y)

    def keys(style: str) -> Any:
        return lambda *given: {
            style.format(name, m): array
            for name, arrays in dictionary(*given).items()
            for m, array in enumerate(arrays, start=1)
        }

    def pairs(*given: Any) -> Any:
        found = dictionary(*given)
        return list(zip(found["grad_W"], found["grad_b"], strict=True))

    def some(*given: Any) -> Any:
        return {"grad_W": [None, dictionary(*given)["grad_W"][1], None], "grad_a0": None}

    forms: list[tuple[Any, int]] = [
        (keys("{}{}"), 12), (keys("{}({})"), 12), (keys("{}_{}"), 12), (pairs, 6), (some, 1),
        (lambda *given: given[0].flatten(pairs(*given)), 6),
        (lambda *given: np.concatenate([g.ravel() for pair in pairs(*given) for g in pair]), 6),
        (lambda *given: {"grad_z": dict(enumerate(dictionary(*given)["grad_z"], 1))}, 3),
        (lambda *given: {"grad_b1": list(dictionary(*given)["grad_b"][0])}, 1),
    ]  # fmt: skip
    for form, count in forms:
        report = run(form)
        assert (report.ok, len(report.findings)) == (True, count)


def test_pairs_are_told_from_two_lists_where_nothing_is_summed() -> None:
    """Two layers, and a row of its own for each example: no shape is the right one."""

    def unsummed(net: Any, X: Array, y: Array) -> list[Any]:
        one, two = net.layers
        z2 = (two.a - y) / len(X) * two.activation.derivative(two.z)
        z1 = z2 @ two.W * one.activation.derivative(one.z)
        return [(z[:, :, None] * a[:, None], z) for z, a in ((z1, X), (z2, one.a))]

    report = run(unsummed, network([3, 5, 2]))
    assert "not summed" in report["grad_b(1)"].sentence
    assert "not summed" in report["grad_b(2)"].sentence


def test_what_the_function_gets() -> None:
    def student(net: sb.Network, X: Array, y: Any) -> dict[str, list[Array]]:
        assert net.dtype == X.dtype == np.float64
        assert y == [0, 1, 0]
        assert net.layers[-1].a.shape == (3, 2)
        net.parameters[:] = 0.0  # its own
        X[:] = 0.0
        y[:] = [1, 1, 1]
        return {"grad_b": [np.full(5, 9.0), None, None]}

    net = network(output="softmax", loss="cross_entropy")
    before, X, y = net.parameters.copy(), np.ones((3, 3), np.float32), [0, 1, 0]
    report = check_backward(student, net, X, y)
    assert not report.ok
    np.testing.assert_array_equal(net.parameters, before)
    np.testing.assert_array_equal(X, 1.0)
    assert y == [0, 1, 0]
    with pytest.raises(RuntimeError, match="forward"):
        net.layers[0].a  # noqa: B018


@pytest.mark.skipif(not (ROOT / "docs").exists(), reason="docs/ is not part of an installation")
def test_the_backward_pass_in_the_docs_is_right() -> None:
    text = (ROOT / "docs" / "meaning.md").read_text("utf-8")
    names: dict[str, Any] = {}
    start = text.index("def backward(net, X, y):")
    exec(text[start : text.index("```", start)], names)
    report = run(names["backward"], network(output="identity"))
    assert report.ok
    assert len(report.findings) == 6


# --- What must be there, and what must not be asked for -----------------------------------


def test_what_is_missing_is_said() -> None:
    report = run(Student("W"), quantities=("grad_W", "grad_b"))
    assert verdicts(report) == dict.fromkeys(["grad_b(1)", "grad_b(2)", "grad_b(3)"], "missing")
    assert not report.ok
    lines = refused(report.raise_if_failed, AssertionError).split("\n")
    assert lines == [f"grad_b of layer {m} is missing: it was not returned" for m in (3, 2, 1)]
    assert "WRONG" in repr(report)
    X, y = data(SIZES)
    assert not check_backward(Student("W"), network(), X, y).ok  # as by default
    assert check_backward(Student("W b"), network(), X, y).ok
    assert run(Student("z"), quantities="grad_z").ok
    assert verdicts(run(Student("z"), quantities=["grad_a"])) == dict.fromkeys(
        ["grad_a(1)", "grad_a(2)", "grad_a(3)"], "missing"
    )
    refused(lambda: run(Student(), quantities=["gradW"]), ValueError, "unknown quantity 'gradW'")
    some = run(lambda *given: {"grad_W1": Student()(*given)["grad_W"][0]}, quantities=["grad_W"])
    assert verdicts(some) == {"grad_W(2)": "missing", "grad_W(3)": "missing"}


CHEATS: dict[str, Callable[[sb.Network, Array, Array], Any]] = {
    "backward": lambda net, X, y: net.backward(y),
    "gradients": lambda net, X, y: net.gradients,
    "grad_W": lambda net, X, y: net.layers[0].grad_W,
    "grad_z": lambda net, X, y: net.layer(1).grad_z,
    "step": lambda net, X, y: net.step(),
    "fit": lambda net, X, y: net.fit(X, y, epochs=1, progress=False),
    "jacobian": lambda net, X, y: net.jacobian(X, layer=1),
    "input_gradient": lambda net, X, y: net.input_gradient(X, y),
    "trace": lambda net, X, y: net.trace(X, y),
    "gradcheck": lambda net, X, y: net.gradcheck(X, y),
    "of a copy": lambda net, X, y: net.copy().backward(y),
}


@pytest.mark.parametrize("outer", [True, False])
@pytest.mark.parametrize("cheat", CHEATS)
def test_gradients_are_out_of_reach(cheat: str, outer: bool) -> None:
    """Of the network that the function gets, and of the one that it sees outside."""
    net = network()
    X, y = data(SIZES)
    net.forward(X)
    net.backward(y)
    before = net.gradients.copy()

    def student(given: sb.Network, X: Array, y: Array) -> Any:
        return CHEATS[cheat](net if outer else given, X, y)

    message = refused(lambda: check_backward(student, net, X, y), RuntimeError)
    assert "the gradients are yours to compute" in message
    assert type(net) is sb.Network  # and all works again
    np.testing.assert_array_equal(net.gradients, before)
    net.forward(X)
    net.backward(y)


def test_a_network_with_functions_of_ones_own_is_checked_too() -> None:
    sine = sb.CustomActivation(np.sin, np.cos)
    net = network(activation=sine)
    assert run(Student("W b"), net).ok
    refused(lambda: run(CHEATS["backward"], net), RuntimeError, "asked the network for backward")


# --- The report, and wrong calls --------------------------------------------------------------


def test_a_report_shows_itself() -> None:
    report = run(Student("W b", W=(2, lambda g, a, net: a.T @ g)))
    lines = repr(report).split("\n")
    assert lines[0] == (
        "Your backward pass of Network([3, 5, 5, 2]), beside the network's own: WRONG"
    )
    assert lines[1].split("  ")[0] == "gradient"
    assert [line.split()[0] for line in lines[2:]] == [
        "grad_W(3)", "grad_b(3)", "grad_W(2)", "grad_b(2)", "grad_W(1)", "grad_b(1)",
    ]  # fmt: skip
    assert lines[4].endswith("wrong    it is transposed")
    page = report._repr_html_()
    assert "it is transposed" in page
    assert "&#x27;" in page
    refused(lambda: report["grad_z(1)"], KeyError, r"there are grad_W\(3\)")


@pytest.mark.parametrize(
    ("returned", "kind", "sentence"),
    [
        ({}, ValueError, "student_fn returned no gradient: expected one or more of grad_W, "
         "grad_b, grad_z, grad_a"),
        (None, TypeError, "student_fn must return a dict such as {'grad_W': [...], 'grad_b': "
         "[...]} or a list of pairs (grad_W, grad_b), got NoneType"),
        ({"gradW": []}, ValueError, "student_fn returned an unknown quantity 'gradW'; did you mean "
         "'grad_W'? allowed: grad_W, grad_b, grad_z, grad_a"),
        ({"grad_W4": 0}, ValueError, "student_fn returned 'grad_W4', but grad_W belongs to the "
         "layers 1 to 3"),
        ({"grad_z0": 0}, ValueError, "student_fn returned 'grad_z0', but grad_z belongs to the "
         "layers 1 to 3"),
        ({"grad_W": [0, 1]}, ValueError, "grad_W: expected 3 arrays, one for each layer from "
         "layer 1 (None for one that was not computed), got 2"),
        ({"grad_b": np.zeros(5)}, TypeError, "grad_b must be a list with one array for each "
         "layer 1 to 3, got ndarray; a single array has its layer in the key, as grad_b1"),
        ([(1, 2)], ValueError, "a list from student_fn must have a pair (grad_W, grad_b) for each "
         "of the 3 layers, or be two lists, (grad_Ws, grad_bs), of 3 arrays each"),
        ({"grad_b1": "abc"}, TypeError, None),
        ({"dW1": 0}, ValueError, "student_fn returned an unknown quantity 'dW' (it is called "
         "'grad_W' here); allowed: grad_W, grad_b, grad_z, grad_a"),
        ({"grad_b1": [1j]}, TypeError, "grad_b(1) is not an array of real numbers: its numbers are "
         "complex (complex128)"),
        (np.zeros(5), ValueError, "student_fn returned one array of shape (5,): expected (62,), "
         "all gradients in the order of net.parameters"),
    ],
    ids=lambda value: None if isinstance(value, type) else "",
)  # fmt: skip
def test_results_that_cannot_be_read(returned: Any, kind: type[Exception], sentence: Any) -> None:
    message = refused(lambda: run(lambda net, X, y: returned), kind)
    if sentence:
        assert message == sentence
    else:
        assert message.startswith("grad_b(1) is not an array of real numbers: ")


def test_arguments_in_another_order() -> None:
    net = sb.Network([2, 1], seed=0)
    refused(
        lambda: check_backward(net, Student(), np.ones((3, 2)), np.ones(3)),  # type: ignore[arg-type]
        TypeError, "net must be a Network, got",
    )  # fmt: skip
