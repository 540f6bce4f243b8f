"""The page to play with, in a browser: all that it does, at two widths, in light and dark."""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, Request, expect

import swiftbackprop as sb
from serving import PLAY, ROOT, served

PICTURES = ROOT / "build" / "browser"
SIZES = {"desktop": (1280, 800), "phone": (360, 740)}
TABS = ("train", "inside", "lesson", "measure")
LOOKS = [(size, scheme) for size in SIZES for scheme in ("light", "dark")]
MOST_COMPRESSED = 400_000  # bytes of the engine

# Every text that is seen, with its contrast to what lies behind it and what it should have.
CONTRASTS = """() => {
    const parse = text => {
        const numbers = text.match(/[\\d.]+/g).map(Number);
        return [...numbers.slice(0, 3), numbers[3] ?? 1];
    };
    const over = (top, ground) =>
        top.slice(0, 3).map((v, k) => v * top[3] + ground[k] * (1 - top[3]));
    const light = color => {
        const [r, g, b] = color.map(v => v / 255).map(v =>
            v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = element => {
        const layers = [];
        for (let e = element; e; e = e.parentElement) {
            layers.push(parse(getComputedStyle(e).backgroundColor));
        }
        return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
    };
    const contrast = (a, b) => {
        const [x, y] = [light(a), light(b)].sort((p, q) => q - p);
        return (x + 0.05) / (y + 0.05);
    };
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        if (!walker.currentNode.textContent.trim() || !element.checkVisibility()) continue;
        if (element.closest("script, style, noscript, option, .only-read")) continue;
        const style = getComputedStyle(element);
        const size = parseFloat(style.fontSize);
        const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
        const behind = ground(element);
        found.push([walker.currentNode.textContent.trim().slice(0, 40),
            contrast(over(parse(style.color), behind), behind), large ? 3 : 4.5]);
    }
    for (const element of document.querySelectorAll("input, select, textarea, button")) {
        if (!element.checkVisibility()) continue;
        const style = getComputedStyle(element);
        const behind = ground(element.parentElement);
        const edges = [style.borderBottomColor, style.backgroundColor].map(parse).map(c =>
            contrast(over(c, behind), behind));
        if (element.role === "tab" || ["range", "radio"].includes(element.type)) continue;
        const least = element.disabled ? 1 : 3;
        found.push([element.id || element.textContent, Math.max(...edges), least]);
    }
    return found;
}"""


def number(text: str) -> float:
    """A number as the page writes it."""
    return float(text.strip().rstrip(":").replace("−", "-"))


class Play:
    """The page, open in a browser, and all that went wrong in it."""

    def __init__(self, page: Page, address: str) -> None:
        self.page, self.address = page, address
        self.complaints: list[str] = []
        page.on("console", lambda message: self.complain(message.type, message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self.request)
        page.goto(address)
        page.wait_for_selector("html[data-ready]", state="attached", timeout=10_000)

    def complain(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(text)

    def request(self, request: Request) -> None:
        inside = (self.address.removesuffix("index.html"), "data:", "blob:")
        if not request.url.startswith(inside):
            self.complaints.append(f"a request to {request.url}")

    def open(self, tab: str) -> None:
        self.page.click(f"#tab-{tab}")

    def text(self, selector: str) -> str:
        return self.page.inner_text(selector)

    def train(self, epochs: int) -> None:
        self.page.select_option("#speed", "fast")
        self.page.click("#run")
        self.page.wait_for_function(
            f"Number(document.querySelector('#epoch').textContent) >= {epochs}"
        )
        self.page.click("#run")
        expect(self.page.locator("#said")).to_contain_text("Stopped")

    def data(self, name: str) -> None:
        lead = self.page.locator("#epoch")
        self.page.select_option("#data", name)
        expect(lead).to_have_text("0")

    def read(self, label: str, row: int = 0, column: int = 0) -> float:
        """A number of the list of all quantities, as it is read out."""
        block = self.page.locator(f'#everything .matrix[aria-label^="{label},"]')
        block.press("Home")
        for key, count in (("ArrowDown", row), ("ArrowRight", column)):
            for _ in range(count):
                block.press(key)
        said = self.text("#cell")
        found = re.search(r" = (\S+?):? ?(?:from|$)", said)
        assert found, said
        return number(found[1])


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served() as address:
        yield address


@pytest.fixture
def open_page(browser: Browser, address: str) -> Iterator[Any]:
    pages: list[Play] = []

    def opened(size: str = "desktop", scheme: str = "light", **options: Any) -> Play:
        width, height = SIZES[size]
        place = options.pop("address", address)
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, **options
        )
        pages.append(Play(context.new_page(), place))
        return pages[-1]

    yield opened
    for play in pages:
        assert play.complaints == []
        play.page.context.close()


@pytest.fixture
def play(open_page: Any) -> Play:
    opened: Play = open_page()
    return opened


# --- The tour -----------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_tour(open_page: Any, size: str, scheme: str) -> None:
    """Every part, with a picture for a person to look at; nothing sticks out."""
    play: Play = open_page(size, scheme)
    page = play.page
    width = SIZES[size][0]

    def look(name: str) -> None:
        page.evaluate("scrollTo(0, 0)")
        page.screenshot(path=PICTURES / f"play-{name}-{size}-{scheme}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        low = [found for found in page.evaluate(CONTRASTS) if found[1] < found[2]]
        assert low == [], name

    play.train(40)
    look("xor")
    for name in ("circles", "spirals", "own", "digits"):
        play.data(name)
        play.train(4)
        look(name)
    box = page.locator("#pad").bounding_box()
    assert box
    page.locator("#pad").scroll_into_view_if_needed()
    box = page.locator("#pad").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 10, steps=6)
    page.mouse.up()
    expect(page.locator("#pad-said")).to_contain_text("It looks like")
    page.click("#copy")
    look("copy")
    page.click("#pad-look")
    expect(page.locator("#shown")).to_have_value("0")
    look("inside-drawn")
    play.open("train")
    play.data("xor")
    play.open("inside")
    look("inside")
    for _ in range(9):
        page.click("#next")
    page.click("#everything table.movable td >> nth=1")
    page.locator("#slider").press("ArrowRight")
    look("inside-move")
    play.open("lesson")
    for number in range(7):
        page.check(f'[data-question="{number}"] input >> nth=0')
        page.click(f'[data-question="{number}"] summary')
    look("lesson")
    play.open("measure")
    page.click("#measure-run")
    page.wait_for_selector("#measure-table:not([hidden])")
    look("measure")


# --- Training -----------------------------------------------------------------------------


def test_training_learns_xor(play: Play) -> None:
    play.train(300)
    assert play.text("#accuracy") == "100.0 %"
    assert number(play.text("#cost")) < 0.1
    play.page.click("#again")
    assert play.text("#epoch") == "0"


def test_lists_are_the_engine_s(play: Play) -> None:
    for selector, names in (
        ("#output", sb.activations()),
        ("#loss", sb.losses()),
        ("#optimizer", sb.optimizers()),
        ("#layers select", sb.activations()),
    ):
        shown = play.page.eval_on_selector_all(f"{selector} option", "all => all.map(o => o.value)")
        assert sorted(shown) == sorted(names), selector


def test_every_optimizer_makes_a_step(play: Play) -> None:
    for optimizer in map(str, sb.optimizers()):
        play.page.select_option("#optimizer", optimizer)
        expect(play.page.locator("#epoch")).to_have_text("0")
        play.page.click("#one")
        assert play.text("#epoch") == "1", optimizer
        assert play.page.is_hidden("#complaint"), optimizer


def test_settings_that_are_refused(play: Play) -> None:
    page = play.page
    for selector, value, words in (
        ("#seed", "-1", "The seed must be a whole number"),
        ("#batch", "0", "The batch size must be"),
        ("#layers input", "999", "Layer 1 must have from 1 to 256 units"),
        ("#rate input", "-1", "lr"),
    ):
        before = page.input_value(selector)
        page.fill(selector, value)
        page.press(selector, "Enter")
        page.locator(selector).blur()
        expect(page.locator("#complaint")).to_contain_text(words)
        page.fill(selector, before)
        page.locator(selector).blur()
        expect(page.locator("#complaint")).to_be_hidden()
    play.data("own")
    for text, words in (
        ("1 2\n3", "Line 2 of your numbers must be two numbers or more"),
        ("1 2 0\n3 1", "Line 2 of your numbers has 2 numbers"),
        ("1 x", "Line 1"),
        ("", "at least one line"),
        ("1 2.5", "A class must be a whole number"),
    ):
        page.fill("#own-text", text)
        page.locator("#own-text").blur()
        expect(page.locator("#complaint")).to_contain_text(words)


def test_a_divergence_is_said(play: Play) -> None:
    page = play.page
    page.select_option("#loss", "squared_error")
    page.select_option("#layers select", "relu")
    page.fill("#rate input", "1e30")
    page.locator("#rate input").blur()
    page.select_option("#speed", "fast")
    page.click("#run")
    expect(page.locator("#complaint")).to_contain_text("smaller learning rate")
    assert play.text("#run") == "Train"


def test_numbers_of_one_s_own(play: Play) -> None:
    page = play.page
    play.data("own")
    page.fill("#own-text", "\n".join(f"{k / 5} {np.sin(k / 5):.3f}" for k in range(20)))
    page.select_option("#own-kind", "number")
    expect(page.locator("#loss")).to_have_value("squared_error")
    play.train(100)
    assert page.is_visible("#plane")
    assert play.text("#accuracy") == "–"
    assert number(play.text("#cost")) < 0.3


def test_a_drawn_digit_joins_the_data(play: Play) -> None:
    page = play.page
    play.data("digits")
    page.locator("#pad").focus()
    for _ in range(8):
        page.keyboard.press("Shift+ArrowDown")
    page.select_option("#pad-label", "1")
    page.click("#pad-add")
    expect(page.locator("#said")).to_contain_text("one of 1199 examples")
    page.click("#copy")
    assert "drawn = np.array(" in play.text("#script-text")


SCRIPTS = {
    "xor": {},
    "circles": {"#noise": "0.4", "#optimizer": "rmsprop"},
    "spirals": {"#output": "softmax"},
    "own": {},
    "digits": {},
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_copied_script_makes_the_same_network(play: Play, name: str) -> None:
    page = play.page
    play.data(name)
    page.fill("#seed", "7")
    for selector, value in SCRIPTS[name].items():
        page.select_option(selector, value)
    page.locator("#seed").blur()
    play.open("inside")
    first = [play.read("W(1)", 1, column) for column in (0, 1)]
    play.open("train")
    for _ in range(50):
        if play.text("#epoch") != "0":
            break
        page.click("#one")
    page.click("#copy")
    script = play.text("#script-text")
    script = script.replace("history =", "print(*net.layers[0].W[1, :2])\nhistory =")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    weights, cost = done.stdout.splitlines()[:2]
    np.testing.assert_allclose(first, [float(w) for w in weights.split()], rtol=1e-5)
    shown = number(play.text("#cost"))
    np.testing.assert_allclose(shown, float(cost), rtol=1e-3)  # four digits are shown


# --- Look inside --------------------------------------------------------------------------


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
    page.click("#close-slider")
    assert page.is_hidden("#move")


# --- The lesson, and the times ------------------------------------------------------------

RIGHT = "CCACECB"


def test_questions_judge_every_option(play: Play) -> None:
    play.open("lesson")
    for place, right in enumerate(RIGHT):
        question = play.page.locator(f'[data-question="{place}"]')
        options = question.locator("input[type=radio]")
        for index in range(options.count()):
            options.nth(index).check()
            verdict = question.locator(".verdict").inner_text()
            assert verdict.startswith("Right.") == ("ABCDE"[index] == right), (place, verdict)
    assert play.text("#score") == "7 of 7"


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


EXPRESSIONS = [
    ("W.T @ g", "Right."),
    ("(g.T @ W).T", "Right."),
    ("-(-(W.T)) @ g", "Right."),
    ("g.T @ W", "transposed"),
    ("W.T @ g * 2", "The right shape with wrong numbers"),
    ("W @ g", "It cannot be computed."),
    ("W @ h", "There is no “h” here"),
    ("W @", "ends too early"),
    ("W g", "“g” is in the wrong place"),
    ("alert(1)", "in the wrong place"),
    ("(W", "“)” is missing"),
    ("W[0]", "“[” has no place here"),
    ("", "Write an expression"),
    ("(" * 200, "Too many parentheses"),
]


def test_own_expressions(play: Play) -> None:
    play.open("lesson")
    question = play.page.locator('[data-question="2"]')
    question.locator("summary").click()
    for text, words in EXPRESSIONS:
        question.locator("input[type=text]").fill(text)
        question.locator("input[type=text]").press("Enter")
        expect(question.locator(".verdict")).to_contain_text(words)


def test_loops_and_matrices_are_timed(play: Play) -> None:
    page = play.page
    play.open("measure")
    page.select_option("#measure-width", "16")
    page.click("#measure-run")
    page.wait_for_selector("#measure-table:not([hidden])")
    assert page.locator("#measure-table tbody tr").count() == 3
    assert "times as long" in play.text("#measure-said")


# --- Without a mouse, without motion, without a server --------------------------------------


def test_all_is_reached_by_the_keyboard(play: Play) -> None:
    """Tab comes to every control of every part, and keys alone do the tour."""
    page = play.page
    mark = """() => {
        const e = document.activeElement;
        if (e === document.body) return null;
        e.dataset.reached = "";
        return e.outerHTML.slice(0, 80);
    }"""
    missed = """() => [...document.querySelectorAll(
        "a[href], button, input, select, textarea, summary, [tabindex='0']")].filter(e =>
            e.checkVisibility() && !e.disabled && e.tabIndex >= 0 && !("reached" in e.dataset)
            && !(e.type === "radio" && document.querySelector(`[name=${e.name}][data-reached]`))
        ).map(e => e.outerHTML.slice(0, 80))"""
    page.keyboard.press("Tab")
    for name in TABS:
        assert page.evaluate("document.activeElement.id") == f"tab-{name}"
        for _ in range(150):
            if page.evaluate(mark) is None:
                break
            page.keyboard.press("Tab")
        assert page.evaluate(missed) == [], name
        page.keyboard.press("Tab")
        while page.evaluate("document.activeElement.id") != f"tab-{name}":
            page.keyboard.press("Tab")
        page.keyboard.press("ArrowRight")
    # Round once more, and something done in each part.
    assert page.evaluate("document.activeElement.id") == "tab-train"

    def go(selector: str) -> None:
        for _ in range(150):
            if page.evaluate("s => document.activeElement.matches(s)", selector):
                return
            page.keyboard.press("Tab")
        raise AssertionError(f"{selector} is not reached")

    go("#one")
    page.keyboard.press("Enter")
    assert play.text("#epoch") == "1"
    go("#tab-train")
    page.keyboard.press("ArrowRight")
    go("#next")
    page.keyboard.press("Space")
    assert play.text("#step-count") == "Step 2 of 14"
    go('#everything .matrix[aria-label^="W(1),"]')
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowRight")
    assert play.text("#move-real") != "0"
    go("#tab-inside")
    page.keyboard.press("ArrowRight")
    go('[data-question="0"] input')
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page.locator('[data-question="0"] .verdict')).to_contain_text("Right.")


def test_reduced_motion(open_page: Any) -> None:
    play: Play = open_page(reduced_motion="reduce")
    play.train(20)
    play.open("inside")
    play.page.click("#next")
    assert play.page.evaluate("document.getAnimations().length") == 0


def test_from_a_file(open_page: Any) -> None:
    """Without a server: browsers load no modules there."""
    play: Play = open_page(address=(PLAY / "index.html").as_uri())
    play.train(20)
    play.data("digits")
    play.train(1)
    assert play.text("#test-item").startswith("On new digits")


def test_the_engine_is_small() -> None:
    compressed = len(gzip.compress((PLAY / "engine.wasm").read_bytes(), 9))
    assert compressed < MOST_COMPRESSED
    page = (ROOT / "docs" / "play.md").read_text("utf-8")
    said = re.search(r"compressed\s+it\s+has\s+(\d+)\s+KB", page)
    assert said, "docs/play.md says how large the engine is"
    assert abs(int(said[1]) * 1000 / compressed - 1) < 0.3
