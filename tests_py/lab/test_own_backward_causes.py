"""sb.lab.check_backward: which mistake the others follow from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import refused
from students import SOFTMAX, Array, N, Student, data, network, run, verdicts
from swiftbackprop.lab import check_backward

# --- What follows from what -------------------------------------------------------------------


def test_what_is_computed_from_a_wrong_quantity_follows() -> None:
    report = run(Student(z=(2, lambda g, z, a, rule: g)))
    assert verdicts(report) == {
        "grad_z(2)": "wrong", "grad_W(2)": "follows", "grad_b(2)": "follows",
        "grad_a(1)": "follows", "grad_z(1)": "follows", "grad_W(1)": "follows",
        "grad_b(1)": "follows",
    }  # fmt: skip
    assert {f.source for f in report.findings if f.verdict == "follows"} == {"grad_z(2)"}
    lines = refused(report.raise_if_failed, AssertionError).split("\n")
    assert lines[1] == (
        "grad_W of layer 2 is wrong: it follows from grad_z(2) by the right formula"
    )


def test_two_mistakes_in_a_row() -> None:
    """grad_W(2) is transposed beside following from grad_z(2); grad_z(1) is wrong again."""
    report = run(
        Student(
            output=(3, lambda a, t, net: a - t),
            W=(2, lambda g, a, net: a.T @ g),
            z=(1, lambda g, z, a, rule: g),
        )
    )
    assert report["grad_a(3)"].kinds == ("missing 1/N",)
    assert report["grad_z(2)"].source == report["grad_b(2)"].source == "grad_a(3)"
    assert report["grad_W(2)"].kinds == ("transposed",)
    assert report["grad_z(1)"].kinds == ("missing σ′",)
    assert report["grad_W(1)"].source == "grad_z(1)"


def test_1_over_N_put_at_the_end() -> None:
    """grad_z without 1/N, but grad_W and grad_b with it, are right where they have it."""

    def student(*given: Any) -> Any:
        found = Student("z W b", output=(3, lambda a, t, net: a - t))(*given)
        for name in ("grad_W", "grad_b"):
            found[name] = [array / N for array in found[name]]
        return found

    report = run(student)
    assert verdicts(report) == {
        "grad_z(3)": "wrong",
        "grad_z(2)": "follows",
        "grad_z(1)": "follows",
    }
    assert report["grad_z(3)"].kinds == ("missing 1/N",)


def as_columns(found: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """What a student has who follows the slides: (D, N), and (D, 1) for b."""
    turned = {name: [array.T for array in found[name]] for name in ("grad_z", "grad_a")}
    return found | turned | {"grad_b": [b[:, None] for b in found["grad_b"]]}


@pytest.mark.parametrize("columns", [True, False])
def test_columns_are_read(columns: bool) -> None:
    report = run(lambda *given: as_columns(Student()(*given)), columns=columns)
    report.raise_if_failed()
    assert len(report.findings) == 12
    assert "Read as columns" in repr(report)
    student = Student(z=(2, lambda g, z, a, rule: g))
    report = run(lambda *given: as_columns(student(*given)), columns=columns)
    assert report["grad_z(2)"].kinds == ("missing σ′",)
    assert report["grad_b(1)"].source == "grad_z(2)"
    only_b = run(lambda *given: {"grad_b": as_columns(Student()(*given))["grad_b"]})
    assert only_b.ok


def test_columns_of_square_arrays_have_to_be_told() -> None:
    """N = D(2) = D(1): the shapes say nothing of grad_z, and of grad_b they do."""

    def student(*given: Any) -> Any:
        found = as_columns(Student()(*given))
        return {"grad_z2": found["grad_z"][1]}

    assert run(student, rows=5)["grad_z(2)"].kinds == ("transposed",)
    assert run(student, rows=5, columns=True)["grad_z(2)"].kinds == ()
    assert run(student, rows=5, columns=True).ok


def test_one_transposed_beside_others_is_a_mistake() -> None:
    def student(*given: Any) -> Any:
        found = Student("z W b")(*given)
        return found | {"grad_z": [found["grad_z"][0].T, *found["grad_z"][1:]]}

    report = run(student)
    assert verdicts(report) == {"grad_z(1)": "wrong"}
    assert report["grad_z(1)"].kinds == ("transposed",)


# --- Lists ------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [[3, 2], [3, 4, 2], [3, 3, 3], [3, 5, 5, 2]])
def test_two_lists_are_read(sizes: list[int]) -> None:
    def student(*given: Any) -> Any:
        found = Student()(*given)
        return found["grad_W"], found["grad_b"]

    def pairs(*given: Any) -> Any:
        found = Student()(*given)
        return tuple(zip(found["grad_W"], found["grad_b"], strict=True))

    for form in (student, pairs):
        report = run(form, network(sizes))
        report.raise_if_failed()
        assert len(report.findings) == 2 * (len(sizes) - 1)


@pytest.mark.parametrize("sizes", [[3, 4, 2], [3, 3, 3], [3, 5, 5, 2]])
def test_lists_from_the_last_layer_to_the_first(sizes: list[int]) -> None:
    def turned(*given: Any) -> Any:
        return {name: arrays[::-1] for name, arrays in Student("W b")(*given).items()}

    report = run(turned, network(sizes))
    assert {f.verdict for f in report.findings} == {"wrong"}
    assert {f.kinds for f in report.findings} == {("reversed list",)}
    assert report["grad_W(1)"].sentence == (
        "the list of grad_W runs from the last layer to the first: return it from layer 1 on, "
        "as grad_W[::-1]"
    )
    two = run(lambda *given: tuple(turned(*given).values()), network(sizes))
    assert {f.kinds for f in two.findings} == {("reversed list",)}
    student = Student("W b", z=(1, lambda g, z, a, rule: g))
    both = run(
        lambda *given: {name: a[::-1] for name, a in student(*given).items()}, network([3, 4, 2])
    )
    assert both["grad_z(1)"].kinds == ("missing σ′",)
    assert both["grad_W(2)"].kinds == ("reversed list",)


# --- Mistakes with a number in them that only the student knows ----------------------------


def updating(net: sb.Network, X: Array, y: Array, lr: float = 0.3) -> dict[str, list[Array]]:
    """A loop that updates W before the layer below has its gradient."""
    found: dict[str, list[Array]] = {"grad_W": [], "grad_b": []}
    last = net.layers[-1]
    grad_z = (last.a - y) / len(X) * last.activation.derivative(last.z)
    for layer in reversed(net.layers):
        found["grad_W"].insert(0, grad_z.T @ net.layer(layer.m - 1).a)
        found["grad_b"].insert(0, grad_z.sum(axis=0))
        layer.W -= lr * found["grad_W"][0]
        if layer.m > 1:
            below = net.layer(layer.m - 1)
            grad_z = grad_z @ layer.W * below.activation.derivative(below.z)
    return found


@pytest.mark.parametrize("lr", [1e-3, 0.3, 10.0])
@pytest.mark.parametrize("returned", ["W b", "W", "b"])
def test_an_update_before_all_gradients_are_there(returned: str, lr: float) -> None:
    def student(*given: Any) -> Any:
        found = updating(*given, lr=lr)
        return {name: found[name] for name in (f"grad_{letter}" for letter in returned.split())}

    report = run(student)
    for m in (2, 1):
        found = report[f"grad_z({m})"]
        assert found.kinds == ("updated too early",)
        assert f"(W({m + 1}) - {lr:.4g} grad_W({m + 1}))" in found.sentence
        assert "compute all gradients first, then update" in found.sentence
    others = {f.verdict for f in report.findings if f.quantity != "grad_z"}
    assert others == {"right", "follows"}


def test_an_update_before_grad_a() -> None:
    student = Student(a=(1, lambda g, W: g @ (W - 0.1 * g.T @ np.ones((N, 5)))))
    assert run(student)["grad_a(1)"].kinds == ()  # another matrix than grad_W

    def early(net: sb.Network, X: Array, y: Array) -> Any:
        found = Student()(net, X, y)
        a = found["grad_z"][1] @ (net.layers[1].W - 0.1 * found["grad_W"][1])
        return {"grad_a1": a, "grad_z1": a * net.layers[0].activation.derivative(net.layers[0].z)}

    report = run(early)
    assert report["grad_a(1)"].kinds == ("updated too early",)
    assert report["grad_z(1)"].source == "grad_a(1)"
    report = run(lambda *given: {"grad_z1": early(*given)["grad_z1"]})
    assert report["grad_z(1)"].kinds == ("updated too early",)


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (lambda W, g: W - 0.25 * g, "updated parameters", "W - 0.25 grad_W, the updated W"),
        (lambda W, g: g + 0.01 * W, "penalty", "it has 0.01 W(2) too much: a penalty"),
    ],
)
def test_updates_and_penalties(change: Any, kind: str, words: str) -> None:
    report = run(lambda net, *given: {
        "grad_W2": change(net.layers[1].W, Student()(net, *given)["grad_W"][1])
    })  # fmt: skip
    assert report["grad_W(2)"].kinds == (kind,)
    assert words in report["grad_W(2)"].sentence


def test_class_numbers_for_one_hot_rows() -> None:
    def student(net: sb.Network, X: Array, y: Array) -> Any:
        last = net.layers[-1]
        grad_z = (last.a - y[:, None]) / len(X)
        return {"grad_W2": grad_z.T @ net.layers[0].a, "grad_b2": grad_z.sum(axis=0)}

    net = network([3, 5, 4], **SOFTMAX)
    X = data([3, 5, 4])[0]
    report = check_backward(student, net, X, np.arange(N) % 4, quantities=())
    found = report["grad_z(2)"]
    assert found.kinds == ("class numbers",)
    assert "one-hot rows: write np.eye(4)[y] for t" in found.sentence
    square = check_backward(
        lambda net, X, y: {"grad_z2": (net.layers[-1].a - y) / len(X)}, net, X[:4], np.arange(4),
        quantities=(),
    )  # fmt: skip
    assert square["grad_z(2)"].kinds == ("class numbers",)


@pytest.mark.parametrize("returned", ["W b", "b", "W", "b a0"])
def test_a_mistake_in_what_was_not_returned(returned: str) -> None:
    """It shows in grad_W and grad_b: one mistake, and the others follow."""
    cases: list[tuple[dict[str, Any], str, str]] = [
        ({"output": (3, lambda a, t, net: a - t)}, "grad_z(3)", "missing 1/N"),
        ({"z": (2, lambda g, z, a, rule: g)}, "grad_z(2)", "missing σ′"),
        ({"z": (3, lambda g, z, a, rule: g)}, "grad_z(3)", "missing σ′"),
        ({"a": (1, lambda g, W: g @ W.T)}, "grad_z(1)", "W not transposed"),
    ]
    for replaced, name, kind in cases:
        if name == "grad_z(1)" and returned in ("b", "W"):
            continue  # one quantity alone: tested below
        report = run(Student(returned, **replaced))
        finding = report[name]
        assert finding.kinds == (kind,)
        assert not finding.returned
        assert f"(not returned, but grad_{returned[0]}({finding.m}) and " in finding.sentence
        others = {f.verdict for f in report.findings if not f.ok and f is not finding}
        assert others == {"follows"}
        assert not report.ok


def test_a_single_quantity_that_lacks_σ() -> None:
    report = run(Student("W", z=(1, lambda g, z, a, rule: g)))
    assert verdicts(report) == {"grad_W(1)": "wrong"}
    assert report["grad_W(1)"].kinds == ("missing σ′",)
    assert report["grad_W(1)"].sentence == (
        "σ′ of layer 1 is missing: it is grad_a(1).T @ a(0), expected grad_z(1).T @ a(0)"
    )
    assert run(Student("b", z=(1, lambda g, z, a, rule: g)))["grad_b(1)"].kinds == ("missing σ′",)


def test_a_hidden_grad_a_shows_in_grad_z() -> None:
    report = run(Student("z", a=(1, lambda g, W: g @ W.T)))
    assert verdicts(report) == {"grad_z(1)": "wrong"}
    assert report["grad_z(1)"].kinds == ("W not transposed",)
    assert report["grad_z(1)"].sentence.startswith("in grad_a(1), W(2) is used the wrong way round")


def test_what_cannot_be_told_apart_is_said() -> None:
    """Two rows: a missing 1/N is a factor of 2. One row: it cannot be seen."""
    report = run(Student(output=(3, lambda a, t, net: a - t)), rows=2)
    assert report["grad_a(3)"].sentence == (
        "1/N is missing: it is N = 2 times too large, or it is twice too large: the ½ of a "
        "loss ½(a - t)²?"
    )
    report = run(Student(output=(3, lambda a, t, net: a - t)), rows=1)
    assert report.ok
    assert "X has one row: a missing 1/N" in repr(report)
