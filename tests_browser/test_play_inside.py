"""The page to play with: a look inside, the lesson, and the times."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import expect

import swiftbackprop as sb
from play_page import Play, number


@pytest.mark.parametrize("deck", ["one", "two"])
def test_every_quantity_is_shown_as_the_package_has_it(play: Play, deck: str) -> None:
    page = play.page
    play.open("inside")
    page.select_option("#deck", deck)
    steps = int(play.text("#step-count").rpartition(" ")[2])
    for _ in range(steps - 1):
        assert page.locator("#step-formula math").count()
        assert page.locator("#equation .written").count() == 1
        page.click("#next")
    assert play.text("#next") == "Update"
    net = sb.Network(
        [2, 4, 1], activation="tanh", loss="binary_cross_entropy", optimizer="sgd", seed=1
    )
    X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    columns = [[play.read("a(0)", i, n) for i in range(2)] for n in range(4)]
    order = [int(np.flatnonzero(np.all(np.equal(X, column), axis=1))[0]) for column in columns]
    y = np.array([0, 1, 1, 0])[order]
    net.forward(X[order])
    cost = net.backward(y)
    for layer in net.layers:
        m = layer.m
        for label, value in (
            (f"W({m})", layer.W),
            (f"b({m})", layer.b[:, None]),
            (f"z({m})", layer.z.T),
            (f"a({m})", layer.a.T),
            (f"gradient by a({m})", layer.grad_a.T),
            (f"gradient by z({m})", layer.grad_z.T),
            (f"gradient by W({m})", layer.grad_W),
            (f"gradient by b({m})", layer.grad_b[:, None]),
        ):
            i, j = value.shape[0] - 1, value.shape[1] - 1
            np.testing.assert_allclose(play.read(label, i, j), value[i, j], rtol=2e-5, atol=1e-7)
    np.testing.assert_allclose(play.read("C"), cost, rtol=1e-5)


def test_steps_by_layer_and_by_batch(play: Play) -> None:
    page = play.page
    play.open("inside")
    titles = []
    for _ in range(6):
        titles.append(play.text("#step-title"))
        page.click("#next-layer")
    assert titles == [
        *("Forward, layer 1", "Forward, layer 1", "Forward, layer 2", "Forward, the cost"),
        *("Backward, layer 2", "Backward, layer 1"),
    ]
    page.click("#finish")
    assert "C was" in play.text("#inside-said")
    assert play.text("#step-count") == "Step 1 of 14"
    page.click("#next")
    page.click("#back")
    assert play.text("#step-count") == "Step 1 of 14"
    play.open("train")
    assert play.text("#epoch") == "1"


def test_a_moved_weight_beside_what_the_gradient_foretold(play: Play) -> None:
    page = play.page
    play.open("inside")
    weights = page.locator('#everything .matrix[aria-label^="W(2),"]')
    weights.focus()
    weights.press("ArrowRight")
    weights.press("Enter")
    slider = page.locator("#slider")
    expect(slider).to_be_focused()

    def told() -> list[float]:
        return [number(play.text(f"#move-{name}")) for name in ("real", "foretold")]

    assert told() == [0, 0]
    slider.press("ArrowRight")
    real, foretold = told()
    assert real != 0
    np.testing.assert_allclose(real, foretold, rtol=0.05)
    for _ in range(150):
        slider.press("ArrowRight")
    real, foretold = told()
    assert abs(real - foretold) > 0.1 * abs(foretold)
    assert "bent" in play.text("#move-words")
    before = play.read("W(2)")
    page.click("#keep")
    assert play.read("W(2)") > before + 0.5
    slider.press("ArrowRight")
    page.click("#put-back")
    assert "first a little" in play.text("#move-words")
    page.click("#close-slider")
    assert page.is_hidden("#move")


def test_questions_judge_every_option(play: Play) -> None:
    """With the letters and the names that `sb.lab.exercise` has."""
    page = play.page
    play.open("lesson")
    answer = page.locator("[data-after='0'] .answer")
    expect(answer).to_be_hidden()  # it would tell the first
    for place in range(7):
        asked = sb.lab.exercise(place + 1)
        question = page.locator(f'[data-question="{place}"]')
        names = question.locator(".given .block-name code").all_inner_texts()
        assert names == list(asked.quantities)
        example = question.locator("input[type=text]").get_attribute("placeholder")
        assert example
        assert not asked.answer(example).right
        options = question.locator("input[type=radio]")
        assert options.count() == len(asked.options)
        for index, kind in enumerate(asked.verdicts().values()):
            options.nth(index).check()
            verdict = question.locator(".verdict").inner_text()
            assert verdict.startswith("Right.") == (kind == "right"), (place, index, verdict)
            fits = "It cannot be computed" not in verdict
            assert fits == (kind != "the shapes do not fit"), (place, index, verdict)
    assert play.text("#score") == "7 of 7"
    expect(answer).to_be_visible()


def test_questions_tell_chance_from_right(play: Play) -> None:
    page = play.page
    play.open("lesson")
    page.select_option("#lesson-sizes", "single")
    place = page.locator('[data-question="1"]')
    for index in range(5):
        place.locator("input[type=radio]").nth(index).check()
        verdict = place.locator(".verdict").inner_text()
        assert verdict.startswith("Right." if index == 2 else "The right numbers, by")
    page.select_option("#lesson-sizes", "square")
    place = page.locator('[data-question="2"]')
    place.locator("input[type=radio]").nth(2).check()  # W g
    assert "The right shape with wrong numbers" in place.locator(".verdict").inner_text()


TOPS = ("'", "’", ".t()", ".mT", ".T()", "**T", "^⊤", "^{⊤}", ".transpose()", "^{\\mathrm{T}}")
AROUND = (
    *("W.T @ g;", "r = W.T @ g", "∇a(2) C = W.T @ g", "return W.T @ g", "Answer: W.T @ g"),
    *('"W.T @ g"', "'W.T @ g'", "`W.T @ g`", "$W^T @ g$", "“W.T @ g”", "A) W.T @ g"),
    *("W.T ＠ g", "Ｗ．Ｔ ＠ ｇ", "W.\u0422 @ g"),
)
EXPRESSIONS = [
    ("W.T @ g", "Right."),
    ("(g.T @ W).T", "Right."),
    ("-(-(W.T)) @ g", "Right."),
    ("g.T @ W", "transposed"),
    ("Wᵀ @ g", "Right."),
    ("W^T @ g", "Right."),
    ("W ⊙ g", "⊙ needs equal shapes"),
    ("W.T @ g * 2", "The right shape with wrong numbers"),
    ("W @ g", "It cannot be computed."),
    ("W @ h", "There is no “h” here; there are W, g."),
    ("w.T @ g", "write W."),
    ("WT @ g", "write W.T."),
    ("0,5 * W.T @ g", "Decimals have a point, as 0.5"),
    ("np.matmul(W.T, g)", "“.matmul” has no place here"),
    ("W.T × g", "the product of matrices is @"),
    ("W @", "ends too early"),
    ("W g", "“g” is in the wrong place"),
    ("alert(1)", "in the wrong place"),
    ("(W", "“)” is missing"),
    ("W[0]", "“[” has no place here"),
    *((f"W{top} @ g", "Right.") for top in TOPS),
    *((f"1 {sign} W.T @ g", "Right.") for sign in ("×", "∗", "•", "⋅", "·", ".*", "\\cdot")),
    *((text, "Right.") for text in AROUND),
    ("– W.T @ g", "The right shape with wrong numbers"),
    ("option A", "Right."),
    ("(a)", "Right."),
    ("\u0410", "Right."),
    ("Option B.", "transposed"),
    ("", "Write an expression"),
    ("(" * 200, "Too many parentheses"),
]


def test_own_expressions(play: Play) -> None:
    """The right ones are those of `sb.lab.exercise`, which has functions and indices beside."""
    play.open("lesson")
    question = play.page.locator('[data-question="2"]')
    question.locator("summary").click()
    for text, words in EXPRESSIONS:
        question.locator("input[type=text]").fill(text)
        question.locator("input[type=text]").press("Enter")
        expect(question.locator(".verdict")).to_contain_text(words)
        asked = sb.lab.exercise(3).answer(text)
        assert asked.right == (words == "Right.") or "np." in text, (text, asked.sentence)


def test_loops_and_matrices_are_timed(play: Play) -> None:
    page = play.page
    play.open("measure")
    page.select_option("#measure-width", "16")
    page.click("#measure-run")
    page.wait_for_selector("#measure-table:not([hidden])")
    assert page.locator("#measure-table tbody tr").count() == 3
    assert "times as long" in play.text("#measure-said")
