"""sb.lab.check_backward: student functions that make one mistake each, and right ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import ROOT, quiet_network, refused
from swiftbackprop.lab import BackwardReport, check_backward

N = 7
Array = np.ndarray


class Student:
    """A backward pass in NumPy, right unless a formula is replaced.

    Each replacement is (layer, function); the function takes what the method does.
    """

    def __init__(self, returned: str = "a z W b", **replaced: tuple[int, Callable[..., Any]]):
        self.returned, self.replaced = returned.split(), replaced

    def __call__(self, net: sb.Network, X: Array, y: Any) -> dict[str, list[Any]]:
        L, layers = len(net.layers), net.layers
        t = np.asarray(y, float).reshape(len(X), -1)
        result: dict[str, list[Any]] = {f"grad_{name}": [None] * L for name in self.returned}
        grad_a = self.of("output", L, layers[-1].a, t, net)
        for m in range(L, 0, -1):
            a, z, rule = layers[m - 1].a, layers[m - 1].z, layers[m - 1].activation
            grad_z = self.of("z", m, grad_a, z, a, rule)
            found = {"a": grad_a, "z": grad_z}
            found["W"] = self.of("W", m, grad_z, net.layer(m - 1).a, net)
            found["b"] = self.of("b", m, grad_z)
            for name in found.keys() & self.returned:
                result[f"grad_{name}"][m - 1] = found[name]
            grad_a = self.of("a", m - 1, grad_z, layers[m - 1].W)
        if "a0" in self.returned:
            del result["grad_a0"]
            result["grad_a"] = [grad_a, *result.get("grad_a", [None] * L)]
        return result

    def of(self, step: str, m: int, *arguments: Any) -> Any:
        layer, function = self.replaced.get(step, (None, None))
        if layer == m and function is not None:
            return function(*arguments)
        return getattr(self, f"right_{step}")(*arguments)

    @staticmethod
    def right_output(a: Array, t: Array, net: sb.Network) -> Array:
        return net.loss.derivative(a, t) / len(a)

    @staticmethod
    def right_z(grad_a: Array, z: Array, a: Array, rule: sb.Activation) -> Array:
        if rule.name == "softmax":
            return np.asarray(a * (grad_a - np.sum(a * grad_a, axis=1, keepdims=True)))
        return np.asarray(grad_a * rule.derivative(z))

    @staticmethod
    def right_W(grad_z: Array, a: Array, net: sb.Network) -> Array:
        return np.asarray(grad_z.T @ a)

    @staticmethod
    def right_b(grad_z: Array) -> Array:
        return np.asarray(grad_z.sum(axis=0))

    @staticmethod
    def right_a(grad_z: Array, W: Array) -> Array:
        return grad_z @ W


SIZES = [3, 5, 5, 2]


def network(sizes: list[int] | None = None, **options: Any) -> sb.Network:
    options = {"activation": "tanh", "output": "sigmoid", "loss": "squared_error"} | options
    net = quiet_network(sizes or SIZES, seed=4, **options)
    for layer in net.layers:
        layer.b = np.linspace(-0.5, 0.4, len(layer.b))
    return net  # type: ignore[no-any-return]


def data(sizes: list[int], rows: int = N) -> tuple[Array, Array]:
    rng = np.random.default_rng(11)
    return rng.normal(size=(rows, sizes[0])), rng.dirichlet(np.ones(sizes[-1]), rows)


def run(
    student: Any, net: sb.Network | None = None, rows: int = N, **options: Any
) -> BackwardReport:
    """Check a student who returns what it pleases; what must be there is tested apart."""
    net = net or network()
    options = {"quantities": ()} | options
    return check_backward(student, net, *data(list(net.sizes), rows), **options)


def verdicts(report: BackwardReport) -> dict[str, str]:
    return {f.name: f.verdict for f in report.findings if f.verdict != "right"}


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
        (lambda *given: {"grad_z": dict(enumerate(dictionary(*given)["grad_z"], 1))}, 3),
        (lambda *given: {"grad_b1": list(dictionary(*given)["grad_b"][0])}, 1),
    ]  # fmt: skip
    for form, count in forms:
        report = run(form)
        assert (report.ok, len(report.findings)) == (True, count)


def test_what_the_function_gets() -> None:
    def student(net: sb.Network, X: Array, y: Any) -> dict[str, list[Array]]:
        assert net.dtype == X.dtype == np.float64
        assert y == [0, 1, 0]
        assert net.layers[-1].a.shape == (3, 2)
        net.parameters[:] = 0.0  # its own
        X[:] = 0.0
        return {"grad_b": [np.full(5, 9.0), None, None]}

    net = network(output="softmax", loss="cross_entropy")
    before, X = net.parameters.copy(), np.ones((3, 3), np.float32)
    report = check_backward(student, net, X, [0, 1, 0])
    assert not report.ok
    np.testing.assert_array_equal(net.parameters, before)
    np.testing.assert_array_equal(X, 1.0)
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


# --- One mistake each -------------------------------------------------------------------------

SOFTMAX = {"output": "softmax", "loss": "cross_entropy"}

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
