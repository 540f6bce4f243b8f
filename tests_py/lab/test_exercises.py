"""sb.lab.exercise: the decks' questions, their options, and expressions of a student's own."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import ROOT, refused
from swiftbackprop.lab import exercise, overview
from swiftbackprop.lab._expression import evaluate
from swiftbackprop.lab._operations import NotInGrammar

# What the decks say, and for the steps of the second what follows from its formulas.
RIGHT = {1: "C", 2: "C", 3: "A", 4: "C", 5: "E", 6: "D", 7: "C"}
FIT, TURNED = "the shapes do not fit", "right values, transposed"
SUM, DIAGONAL = "wrong shape, sum of the answer", "wrong shape, answer on the diagonal"
VALUE = "right shape, wrong value"


@pytest.mark.parametrize("seed", [0, 5, 2**40])
@pytest.mark.parametrize("number", RIGHT)
def test_one_option_is_right(number: int, seed: int) -> None:
    verdicts = exercise(number, seed=seed).verdicts()
    assert [letter for letter, kind in verdicts.items() if kind == "right"] == [RIGHT[number]]


def test_verdicts_of_different_widths() -> None:
    assert {number: exercise(number).verdicts() for number in (1, 2, 3, 5, 7)} == {
        1: {"A": FIT, "B": FIT, "C": "right", "D": FIT},
        2: {"A": SUM, "B": SUM, "C": "right", "D": DIAGONAL, "E": DIAGONAL},
        3: {"A": "right", "B": TURNED, "C": FIT, "D": FIT},
        5: {"A": FIT, "B": FIT, "C": FIT, "D": TURNED, "E": "right"},
        7: {"A": TURNED, "B": FIT, "C": "right", "D": FIT},
    }


def test_wrong_options_look_right_in_square_and_scalar_networks() -> None:
    square = overview([3, 3, 3, 3]).verdicts
    assert square[1]["A"] == square[3]["C"] == VALUE
    assert square[3]["B"] == square[5]["D"] == TURNED
    scalar = overview([4, 5, 3, 1]).verdicts
    assert set(scalar[2].values()) == {"right"}
    assert scalar[3]["B"] == scalar[3]["D"] == TURNED
    tiny = overview([1, 1, 1, 1])
    assert {kind for row in tiny.verdicts.values() for kind in row.values()} == {"right"}


def test_the_overview_counts_and_does_not_tell() -> None:
    shown = repr(overview([4, 5, 3, 1]))
    assert "2. The gradient by z of the output layer" in shown
    (line,) = (line for line in shown.splitlines() if line.startswith("2."))
    assert line.split()[-4:] == ["5", "5", "5", "5"]
    assert "(A)" not in shown
    assert "(A)" not in overview()._repr_html_()


@pytest.mark.parametrize("number", RIGHT)
def test_the_numbers_are_those_of_a_pass(number: int) -> None:
    """The right answer, by its indices, is what the engine's own matrices give."""
    asked = exercise(number, seed=3)
    q = asked.quantities
    by_matrices = {
        1: lambda: q["W"] @ q["a"],
        2: lambda: q["g"] * q["s"],
        3: lambda: q["W"].T @ q["g"],
        4: lambda: q["g"] * q["s"],
        5: lambda: q["g"] @ q["a"].T,
        6: lambda: q["s"] * (q["W"].T @ q["g"]),
        7: lambda: q["c"] * q["x"] @ q["d"].T,
    }[number]()
    answer = asked.answer(RIGHT[number])
    assert answer.value is not None
    np.testing.assert_allclose(answer.value, by_matrices, rtol=1e-12)
    np.testing.assert_allclose(answer.wanted, by_matrices, rtol=1e-12)
    assert answer.shape == asked.shape == by_matrices.shape
    assert answer.right


def test_a_seed_gives_numbers_of_ones_own() -> None:
    one, same, other = (exercise(3, seed=seed).quantities["W"] for seed in (4, 4, 5))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("text", ["a", "(A)", " A ", "W.T @ g", "Wᵀ @ g", "W⊤ @ g", "(g.T @ W).T",
    "W^T @ g", "W^{T} @ g", "W^\\top @ g", "W^{\\top}@g", "Wᵀ@g",
    "np.dot(W.T, g)", "W.T.dot(g)", "np.matmul(np.transpose(W), g)",
    "np.sum(W * g, axis=0)[:, None]", "(W * g).sum(0, keepdims=True).T",
    "numpy.sum(W * g, axis=-2)[:, np.newaxis]", "-(-W.T) @ g * 1.0",
    "W' @ g", "W’@g", "(W)′ @ g", "W.t() @ g", "W.t @ g", "W.mT @ g", "W.T() @ g", "W**T @ g",
    "W^⊤ @ g", "W^{⊤} @ g", "W^{\\mathrm{T}} @ g", "W^ᵀ @ g",
    "W.T @ g;", "W.T @ g.", "r = W.T @ g", "∇a(2) C = W.T @ g", "return W.T @ g",
    "r = np.sum(W * g, axis=0)[:, None]", "Answer: W.T @ g",
    '"W.T @ g"', "'W.T @ g'", "`W.T @ g`", "```W.T @ g```", "$W^T @ g$", "“W.T @ g”", "'W' @ g'",
    "W.T ＠ g", "Ｗ．Ｔ ＠ ｇ", "W.\u0422 @ g", "– –W.T @ g", "1 × W.T @ g",
    "1 ∗ W.T @ g", "1 • W.T @ g", "1 ⋅ W.T @ g", "1 .* W.T @ g", "1 \\cdot W.T @ g",
    "torch.matmul(W.T, g)", "torch.mm(W.t(), g)", "jnp.dot(W.T, g)", "tf.matmul(W.T, g)",
    "torch.sum(W * g, dim=0, keepdim=True).T",
    "option A", "Option (a)", "A)", "a.", "[A]", "\u0410", "'A'", "the answer is A", "(A) Wᵀ g",
    "A) W.T @ g", "Wᵀ g", "$W^\\top g$", "W' g",
])  # fmt: skip
def test_right_in_many_spellings(text: str) -> None:
    assert exercise(3).answer(text).right


@pytest.mark.parametrize(
    ("number", "sizes", "text", "kind", "words"),
    [
        (3, None, "W @ g", FIT, ["W is 2 × 3", "as many columns on the left (3)", "(2)"]),
        (3, None, "g.T @ W", TURNED, ["3 × 1", "exchanged"]),
        (3, None, "np.sum(W * g, axis=0)", "right values, one-dimensional", ["[:, None]"]),
        (3, None, "W[:,0] @ g", "wrong shape, one entry of the answer", ["one number", "3 × 1."]),
        (3, None, "W[:,0] @ g[:,0]", "wrong shape, one entry of the answer", ["one number"]),
        (3, None, "W.ravel()", "wrong shape", ["(6,)", "6 numbers in place of 3"]),
        (5, None, "np.outer(g, a).ravel()", "right values, one-dimensional", ["is 3 × 5."]),
        (3, None, "W.T × g", FIT, ["* needs equal shapes, and the product of matrices is @"]),
        (3, None, "W * g", "wrong shape, not summed", ["sum over the rows", "axis=0"]),
        (3, None, "-W.T @ g", VALUE, ["sign"]),
        (3, None, "np.mean(W * g, axis=0, keepdims=True).T", VALUE, ["1/2", "mean"]),
        (3, None, "3 * W.T @ g", VALUE, ["3 times the right"]),
        (3, None, "W.T @ (g + 1)", VALUE, ["by chance"]),
        (3, [3, 3, 3, 3], "W @ g", VALUE, ["over the columns of W", "its rows"]),
        (3, [3, 3, 3, 3], "np.sum(W * g, axis=1, keepdims=True)", VALUE, ["axis=0"]),
        (1, [3, 3, 3, 3], "W.T @ a", VALUE, ["over the rows of W", "its columns"]),
        (1, None, "W * a.T", "wrong shape, not summed", ["sum over the columns", "axis=1"]),
        (2, None, "g @ s.T", DIAGONAL, ["2 × 2", "diagonal"]),
        (2, None, "g.T @ s", SUM, ["1 × 1", "adds up"]),
        (2, None, "np.sum(g * s)", SUM, ["one number"]),
        (2, None, "g", VALUE, ["σ′ is missing"]),
        (2, None, "g @ s", FIT, ["(1)", "(2)"]),
        (5, None, "a @ g.T", TURNED, ["rows of W are outputs"]),
        (5, None, "g ⊙ a", FIT, ["3 × 1", "5 × 1", "equal shapes"]),
        (5, None, "g * a", FIT, ["* needs equal shapes"]),
        (6, None, "W.T @ g", VALUE, ["a′ of this layer is missing"]),
        (6, [3, 3, 3, 3], "W.T @ (s ⊙ g)", VALUE, ["unit j"]),
        (7, None, "x @ d.T", VALUE, ["∂L/∂π(M) is missing"]),
        (7, None, "c * d @ x.T", TURNED, ["grad_W", "row for every input"]),
    ],
)
def test_why_it_is_wrong(
    number: int, sizes: list[int] | None, text: str, kind: str, words: list[str]
) -> None:
    answer = exercise(number, sizes=sizes or (4, 5, 3, 2), seed=1).answer(text)
    assert answer.kind == kind
    assert not answer.right
    for word in words:
        assert word in answer.sentence, answer.sentence


def test_the_value_stands_beside_the_right_one() -> None:
    answer = exercise(3, seed=1).answer("g.T @ W")
    shown = repr(answer)
    assert "yours, 1 × 3" in shown
    assert "right, 3 × 1" in shown
    first = f"{answer.wanted[0, 0]:.4f}".rstrip("0")
    assert shown.count(first) == 2
    assert "<table" in answer._repr_html_()
    assert answer.wanted.shape == (3, 1)


# --- The grammar ---------------------------------------------------------------------------

NAMES = {"W": np.arange(6.0).reshape(2, 3), "g": np.ones((2, 1)), "v": np.ones(3)}


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')", "W.__class__", "().__class__", "np.load('x')",
        "np.ones(3)",
        "W.tofile('x')", "open('x')", "lambda: W", "[W for _ in W]", "W if W else g", "W and g",
        "W == W", "f'{W}'", "(W := g)", "W, g", "{1: W}", "np", "np.sum", "W.dot",
        "exec('1')",
        "W // g", "W % g", "W << 1", "~W", "not W", "Q @ g", "W[g]", "W['a']", "W[True]", "W[...]",
        "W[10**6]", "np.sum(W, 0, 1)", "np.sum(W, out=g)", "np.sum(W, axis=g)", "np.dot(W)", "",
        "W @", "W g", "1j", "True", "None", "W.T.T.shape", "*W", "print(W)", "np.sum(*W)",
    ],
)  # fmt: skip
def test_what_the_grammar_lacks_is_refused(text: str) -> None:
    message = refused(lambda: evaluate(text, NAMES), ValueError)
    assert len(message.splitlines()) == 1
    answer = exercise(3).answer(text)
    assert answer.kind in ("not an expression", FIT)
    assert answer.value is None


@pytest.mark.parametrize(
    "text",
    [
        "9**9**9**9", "2.0**99999", "W**W**W**9e99", "9" * 299, "(" * 150 + "W" + ")" * 150,
        "-" * 290 + "W", "W[:,:,None,None]", "np.outer(np.outer(W,W),np.outer(W,W))",
        "np.outer(" * 20 + "W" + ",W)" * 20, "(W.ravel()[:,None] * np.outer(W,W).ravel()).T",
        "+".join(["W"] * 140), "np.diagflat(" * 10 + "W" + ")" * 10, "W" * 10_000, "W[999]",
        "np.diag(np.diag(W) - np.diag(np.outer(W, W)))", "1/0", "W/0", "0**-1", "W.T" + ".T" * 90,
        "\0", "W\\", "W#", "np.sum(W, 5)", "np.sum(W, -3)", "np.diag(W[0,0])", "1e999", "W @ 2",
        "np.outer(W, W)[:, :, None] * np.outer(W, W)", "W[::0]", "v @ v", "v.T", "W[0] @ v",
    ],
)  # fmt: skip
def test_nothing_hangs_and_nothing_is_raised_but_one_error(text: str) -> None:
    done = threading.Event()
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(evaluate(text, NAMES))
        except ValueError as error:
            found.append(str(error))
        done.set()

    threading.Thread(target=run, daemon=True).start()
    assert done.wait(30)
    (value,) = found
    assert isinstance(value, str) or value.size <= 10_000


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0,5 * g", "decimals have a point, as 0.5"),
        ("(0,5 * W).T @ g", "decimals have a point, as 0.5"),
        ("w.T @ g", "there are W, g; write W."),
        ("W.T @ G", "there are W, g; write g."),
        ("WT @ g", "there are W, g; write W.T."),
        ("Q @ g", "there are W, g."),
        ("np.einsum('ij,ik->jk', W, g)", "by @, .T and ⊙"),
        ("W(3).T @ g", "W alone is all of it"),
        ("dot(W.T, g)", "the functions are np.dot"),
    ],
)
def test_what_to_write_in_its_place(text: str, words: str) -> None:
    answer = exercise(3).answer(text)
    assert answer.kind == "not an expression"
    assert words in answer.sentence


def test_hadamard_insists_on_equal_shapes_and_star_does_not() -> None:
    assert evaluate("W * g", NAMES).shape == (2, 3)
    assert "equal shapes" in refused(lambda: evaluate("W ⊙ g", NAMES), ValueError)
    assert not isinstance(refused_error("W ⊙ g"), NotInGrammar)
    assert isinstance(refused_error("W ! g"), NotInGrammar)


def refused_error(text: str) -> Exception:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        evaluate(text, NAMES)
    return caught.value


# --- What is shown -------------------------------------------------------------------------


@pytest.mark.parametrize("number", RIGHT)
def test_the_question_does_not_tell_its_answer(number: int) -> None:
    asked = exercise(number)
    for shown in (repr(asked), asked._repr_html_()):
        assert asked.title in shown
        for option in asked.options.values():
            assert option in shown
        assert "right" not in shown
    hint = repr(asked).rpartition('.answer("')[2].partition('"')[0]
    assert not asked.answer(hint).right
    _, right = asked._question.options[RIGHT[number]]
    for text in ("", "W W", "g(g)", "0,5", "Q", "W.sum(1, 2)"):
        assert right not in asked.answer(text).sentence


def test_widgets_judge_by_button_and_by_field() -> None:
    pytest.importorskip("ipywidgets")
    from swiftbackprop.lab._exercise_widget import widget

    _, buttons, field, said = widget(exercise(3)).children
    assert len(buttons.children) == 4
    buttons.children[1].click()
    assert TURNED in said.value
    field.value = "W.T @ g"
    assert "right" in said.value
    assert TURNED not in said.value


def test_a_notebook_gets_a_widget_and_html_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ipywidgets")
    bundle = exercise(1)._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert bundle["text/html"] == exercise(1)._repr_html_()
    monkeypatch.setenv("SWIFTBACKPROP_WIDGETS", "0")
    assert set(exercise(1)._repr_mimebundle_()) == {"text/html", "text/plain"}


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: exercise(0), ["number must be an int in 1..7, got 0"]),
        (lambda: exercise(8), ["8"]),
        (lambda: exercise("1"), ["number must be an int in 1..7, got '1' (str)"]),
        (lambda: exercise(1, sizes=[3, 2.5, 2]), ["a width of sizes must be an int, got 2.5"]),
        (lambda: exercise(1, seed=-1), ["seed", "-1"]),
        (lambda: exercise(1, sizes=[3, 2]), ["sizes", "3 to 9"]),
        (lambda: exercise(1, sizes=[3, 2, 10**9]), ["sizes", "64"]),
    ],
)
def test_what_cannot_be_asked(call: Any, words: list[str]) -> None:
    message = refused(call, (ValueError, TypeError))
    assert all(word in message for word in words)


@pytest.mark.parametrize("text", ["E", "z", "", "(F)"])
def test_a_letter_that_is_no_option_is_told_the_options(text: str) -> None:
    answer = exercise(3).answer(text)
    assert answer.kind == "not an expression"
    assert answer.sentence.endswith("The options are (A), (B), (C), (D).")
    assert "options" not in exercise(3).answer("G @ W").sentence


def test_products_by_letters_of_slides_are_elementwise() -> None:
    for sign in "∘⊙*∗·⋅•×":
        assert exercise(2).answer(f"g {sign} s").right, sign
    assert exercise(2).answer("g \\odot s").right
    assert exercise(7).answer("\u0441 * \u0445 @ d'").right  # Cyrillic
    assert exercise(6).answer("s ⊙ (W^T @ g)").right


@pytest.mark.filterwarnings("error")
def test_values_beyond_all_bounds_do_not_warn() -> None:
    for text in ("W / 0", "0 * W / 0", "W ** 9999", "W.T @ g / 0"):
        assert not exercise(3).answer(text).right


def test_an_answer_is_text() -> None:
    assert "int" in refused(lambda: exercise(1).answer(3), TypeError)  # type: ignore[arg-type]


@pytest.mark.skipif(not (ROOT / "notebooks").exists(), reason="not a source tree")
def test_the_stored_notebook_holds_no_answers() -> None:
    """No cell and no output of notebook 02 has a right option, as it is written or in NumPy."""
    notebook = json.loads(Path(ROOT / "notebooks/02_lecture_one.ipynb").read_text("utf-8"))
    cells = ["".join(cell["source"]) for cell in notebook["cells"]]
    assert sum("sb.lab.exercise(" in cell for cell in cells) >= 5
    outputs = json.dumps([cell.get("outputs", []) for cell in notebook["cells"]])
    assert "vnd.jupyter.widget-view" not in outputs
    assert "right, " not in outputs
    for text in cells:
        for number, letter in RIGHT.items():
            assert f"({letter}) is the" not in text, number


def test_is_in_the_package() -> None:
    assert {"exercise", "overview", "Exercise", "Answer", "Overview"} <= set(sb.lab.__all__)
