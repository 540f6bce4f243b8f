"""sb.lab.check_backward: student functions that make one mistake each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import refused
from students import SOFTMAX, Array, Student, network, run

# What is replaced; the network; the quantity that is wrong; the mistake; words of its sentence.
MISTAKES: dict[str, tuple[dict[str, Any], dict[str, Any], str, tuple[str, ...], str]] = {
    "grad_W transposed": (
        {"W": (1, lambda g, a, net: a.T @ g)}, {}, "grad_W(1)", ("transposed",), "it is transposed",
    ),
    "grad_W transposed, square": (
        {"W": (2, lambda g, a, net: a.T @ g)}, {}, "grad_W(2)", ("transposed",), "it is transposed",
    ),
    "1/N missing": (
        {"output": (3, lambda a, t, net: a - t)}, {}, "grad_a(3)", ("missing 1/N",),
        "1/N is missing: it is N = 7 times too large",
    ),
    "1/N missing in grad_W": (
        {"W": (2, lambda g, a, net: len(g) * g.T @ a)}, {}, "grad_W(2)", ("missing 1/N",),
        "1/N is missing: it is N = 7 times too large",
    ),
    "1/N twice": (
        {"output": (3, lambda a, t, net: (a - t) / len(a) ** 2)}, {}, "grad_a(3)", ("1/N twice",),
        "1/N is there twice (N = 7): once every row of grad_z and grad_a carries its 1/N",
    ),
    "grad_W a mean": (
        {"W": (2, lambda g, a, net: np.mean(g[:, :, None] * a[:, None, :], axis=0))}, {},
        "grad_W(2)", ("mean instead of sum",), "it is a mean over the N = 7 rows",
    ),
    "grad_b a mean": (
        {"b": (2, lambda g: g.mean(axis=0))}, {}, "grad_b(2)", ("mean instead of sum",),
        "it is a mean over the N = 7 rows",
    ),
    "loss a mean over outputs": (
        {"output": (3, lambda a, t, net: (a - t) / a.size)}, {"sizes": [3, 5, 5, 4]}, "grad_a(3)",
        ("mean instead of sum",), "an example's loss is the sum over its outputs, not the mean",
    ),
    "grad_a a mean over units": (
        {"a": (1, lambda g, W: g @ W / 5)}, {}, "grad_a(1)", ("mean instead of sum",),
        "it is D(2) = 5 times too small",
    ),
    "grad_b over the outputs": (
        {"b": (2, lambda g: g.sum(axis=1))}, {}, "grad_b(2)", ("summed over the wrong axis",),
        "it is summed over the outputs (axis=1): expected the sum over the rows, "
        "grad_z(2).sum(axis=0)",
    ),
    "grad_b over everything": (
        {"b": (2, lambda g: g.sum())}, {}, "grad_b(2)", ("summed over the wrong axis",),
        "it is summed over rows and outputs",
    ),
    "grad_b not summed": (
        {"b": (2, lambda g: g)}, {}, "grad_b(2)", ("not summed",), "it is grad_z(2), not summed",
    ),
    "grad_b a column": (
        {"b": (2, lambda g: g.sum(axis=0)[:, None])}, {}, "grad_b(2)", ("shape",),
        "it has shape (5, 1), expected (5,): the numbers are right",
    ),
    "grad_W over the units": (
        {"W": (2, lambda g, a, net: (g[:, :, None] * a[:, None, :]).sum(axis=1))}, {},
        "grad_W(2)", ("summed over the wrong axis",), "it is summed over the units of layer 2",
    ),
    "grad_W over the units before": (
        {"W": (1, lambda g, a, net: (g[:, :, None] * a[:, None, :]).sum(axis=2))}, {},
        "grad_W(1)", ("summed over the wrong axis",), "it is summed over the units of layer 0",
    ),
    "grad_W as rows by rows": (
        {"W": (2, lambda g, a, net: g @ a.T)}, {}, "grad_W(2)", ("summed over the wrong axis",),
        "it is grad_z(2) @ a(1).T, a sum over the units",
    ),
    "grad_W not summed": (
        {"W": (1, lambda g, a, net: g[:, :, None] * a[:, None, :])}, {}, "grad_W(1)",
        ("not summed",), "it is not summed over the rows",
    ),
    "grad_W of the last row": (
        {"W": (1, lambda g, a, net: np.outer(g[-1], a[-1]))}, {}, "grad_W(1)", ("one row",),
        "it is of the last row alone: add up over the rows (+=)",
    ),
    "grad_b of the first row": (
        {"b": (1, lambda g: g[0])}, {}, "grad_b(1)", ("one row",), "it is of the first row alone",
    ),
    "σ' missing": (
        {"z": (2, lambda g, z, a, rule: g)}, {}, "grad_z(2)", ("missing σ′",),
        "σ′ is missing: it is grad_a(2), expected grad_a(2) * σ′(z(2))",
    ),
    "σ' missing at the output": (
        {"z": (3, lambda g, z, a, rule: g)}, {}, "grad_z(3)", ("missing σ′",),
        "σ′ is missing: it is grad_a(3)",
    ),
    "σ' at a": (
        {"z": (2, lambda g, z, a, rule: g * rule.derivative(a))}, {}, "grad_z(2)", ("σ′ at a",),
        "σ′ is taken at a(2): expected σ′(z(2))",
    ),
    "σ' of a at z": (
        {"z": (2, lambda g, z, a, rule: g * (1 - z**2))}, {}, "grad_z(2)", ("σ′ of a at z",),
        "σ′ is 1 - z²: with z(2) in the place of a(2), expected 1 - a²",
    ),
    "σ' of a at z, at the output": (
        {"z": (3, lambda g, z, a, rule: g * z * (1 - z))}, {}, "grad_z(3)", ("σ′ of a at z",),
        "σ′ is z(1 - z): with z(3) in the place of a(3), expected a(1 - a)",
    ),
    "σ' without its square": (
        {"z": (2, lambda g, z, a, rule: g * (1 - a))}, {}, "grad_z(2)", ("σ′ without square",),
        "σ′ is 1 - a, expected 1 - a²",
    ),
    "relu' at grad_a": (
        {"z": (2, lambda g, z, a, rule: g * (g > 0))}, {"activation": "relu"}, "grad_z(2)",
        ("σ′ at grad_a",), "σ′ is taken at grad_a(2): expected σ′(z(2))",
    ),
    "softmax' beside a - t": (
        {"z": (3, lambda g, *of: Student.right_z(Student.right_z(g, *of), *of))},
        SOFTMAX, "grad_z(3)", ("σ′ twice",),
        "σ′ is there twice: for cross_entropy on softmax a - t holds it already",
    ),
    "a(1 - a) beside a - t": (
        {"z": (3, lambda g, z, a, rule: Student.right_z(g, z, a, rule) * a * (1 - a))},
        SOFTMAX, "grad_z(3)", ("σ′ twice",),
        "a - t is multiplied with a(1 - a), and holds the derivative of softmax already",
    ),
    "σ for σ'": (
        {"z": (2, lambda g, z, a, rule: g * a)}, {}, "grad_z(2)", ("σ instead of σ′",),
        "it is grad_a(2) * a(2)",
    ),
    "another σ'": (
        {"z": (2, lambda g, z, a, rule: g * (z > 0))}, {}, "grad_z(2)", ("another σ′",),
        "σ′ is that of relu, and layer 2 has tanh",
    ),
    "σ' twice": (
        {"z": (2, lambda g, z, a, rule: g * rule.derivative(z) ** 2)}, {}, "grad_z(2)",
        ("σ′ twice",), "σ′ is there twice",
    ),
    "σ' beside a - t": (
        {"z": (3, lambda g, z, a, rule: g * (a * (1 - a)) ** 2)},
        {"loss": "binary_cross_entropy"}, "grad_z(3)", ("σ′ twice",),
        "σ′ is there twice: for binary_cross_entropy on sigmoid a - t holds it already",
    ),
    "σ' too early": (
        {"a": (1, lambda g, W: (g @ W) * 1.0)} | {"z": (1, lambda g, z, a, rule: g)}, {},
        "grad_z(1)", ("missing σ′",), "σ′ is missing",
    ),
    "wrong sign": (
        {"output": (3, lambda a, t, net: (t - a) / len(a))}, {}, "grad_a(3)", ("wrong sign",),
        "the sign is wrong",
    ),
    "sign and 1/N": (
        {"output": (3, lambda a, t, net: t - a)}, {}, "grad_a(3)", ("wrong sign", "missing 1/N"),
        "the sign is wrong; and 1/N is missing",
    ),
    "transposed and 1/N": (
        {"W": (2, lambda g, a, net: len(g) * a.T @ g)}, {}, "grad_W(2)",
        ("transposed", "missing 1/N"), "it is transposed; and 1/N is missing",
    ),
    "no ½": (
        {"output": (3, lambda a, t, net: 2 * (a - t) / len(a))}, {}, "grad_a(3)", ("factor 2",),
        "it is twice too large: the ½ of a loss ½(a - t)²?",
    ),
    "W not transposed": (
        {"a": (1, lambda g, W: g @ W.T)}, {}, "grad_a(1)", ("W not transposed",),
        "W(2) is used the wrong way round: for rows it is grad_z(2) @ W(2), for columns "
        "W(2).T @ grad_z(2)",
    ),
    "softmax as elementwise": (
        {"z": (3, lambda g, z, a, rule: g * a * (1 - a))}, SOFTMAX, "grad_z(3)",
        ("softmax as elementwise",), "softmax is not elementwise: a(1 - a) is only the diagonal",
    ),
    "softmax as elementwise, hidden": (
        {"z": (2, lambda g, z, a, rule: g * a * (1 - a))}, {"activation": ["tanh", "softmax"]},
        "grad_z(2)", ("softmax as elementwise",), "softmax is not elementwise",
    ),
    "a - t for grad_a": (
        {"output": (3, lambda a, t, net: (a - t) / len(a))}, SOFTMAX, "grad_a(3)",
        ("another loss",), "it is (a(3) - t)/N, which is not the derivative of cross_entropy",
    ),
    "a of the same layer": (
        {"W": (2, lambda g, a, net: g.T @ net.layer(2).a)}, {}, "grad_W(2)",
        ("off by one layer",), "a(2) stands in the place of a(1): off by one layer",
    ),
    "z for a": (
        {"W": (2, lambda g, a, net: g.T @ net.layer(1).z)}, {}, "grad_W(2)", ("z instead of a",),
        "z(1) stands in the place of a(1)",
    ),
    "0": (
        {"b": (2, lambda g: np.zeros(5))}, {}, "grad_b(2)", ("zero",), "it is 0 everywhere",
    ),
    "nan": (
        {"b": (2, lambda g: np.full(5, np.nan))}, {}, "grad_b(2)", ("not finite",),
        "it contains NaN or infinity",
    ),
    "float32": (
        {"W": (2, lambda g, a, net: (g.T @ a).astype("f4"))}, {}, "grad_W(2)", (), "right",
    ),
    "float16": (
        {"W": (2, lambda g, a, net: g.astype("f4").T @ (a * (1 + 2e-6)))}, {}, "grad_W(2)",
        ("float32",), "it is right to some 7 digits only: compute in float64",
    ),
    "a factor": (
        {"W": (2, lambda g, a, net: 1.7 * g.T @ a)}, {}, "grad_W(2)", ("factor",),
        "it is 1.7 times the right one",
    ),
    "transposed, and another factor": (
        {"W": (1, lambda g, a, net: 1.7 * a.T @ g)}, {}, "grad_W(1)", ("shape",),
        "it has shape (3, 5), expected (5, 3): its .T has that shape",
    ),
    "another shape": (
        {"W": (1, lambda g, a, net: (g.T @ a)[:4])}, {}, "grad_W(1)", ("shape",),
        "it has shape (4, 3), expected (5, 3)",
    ),
    "anything": (
        {"b": (3, lambda g: np.array([3.0, -7.0]))}, {}, "grad_b(3)", (),
        "no usual mistake: relative error ",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes_are_told_apart(case: str) -> None:
    replaced, options, name, kinds, sentence = MISTAKES[case]
    report = run(Student(**replaced), network(**options))
    if sentence == "right":
        assert report.ok
        return
    wrong = [f for f in report.findings if f.verdict == "wrong"]
    assert [f.name for f in wrong] == [name]  # and no other by itself
    assert wrong[0].kinds == kinds
    message = refused(report.raise_if_failed, AssertionError)
    quantity, m = name[:-3], name[-2]
    lines = [line for line in message.split("\n") if f"{quantity} of layer {m} is" in line]
    assert lines[0].startswith(f"{quantity} of layer {m} is wrong: ")
    assert sentence in lines[0]
    assert lines[0].removeprefix(f"{quantity} of layer {m} is wrong: ") in repr(report)


def test_lists_shifted_by_a_layer() -> None:
    def shifted(*given: Any) -> Any:
        found = Student("z")(*given)["grad_z"]
        return {"grad_z1": found[1], "grad_z2": found[0]}

    report = run(shifted)
    assert report["grad_z(1)"].kinds == report["grad_z(2)"].kinds == ("off by one layer",)
    assert report["grad_z(2)"].sentence == "it is grad_z(1): off by one layer"


def test_a_target_without_its_axis() -> None:
    """a of shape (N, 1) minus t of shape (N,) is (N, N)."""
    net = network([3, 4, 1])

    def student(net: sb.Network, X: Array, y: Array) -> dict[str, Array]:
        return {"grad_a2": (net.layers[-1].a - y.ravel()) / len(X)}

    finding = run(student, net)["grad_a(2)"]
    assert finding.kinds == ("broadcast",)
    assert finding.sentence == (
        "a(2) has shape (N, 1) and t has (N,), so NumPy made a(2) - t an (N, N) matrix: write "
        "t[:, None]"
    )
