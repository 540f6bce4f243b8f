"""The page to play with, in a browser: all of it at two widths, in light and dark; by keyboard."""

from __future__ import annotations

import gzip
import re
import sys
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from play_page import SIZES, Play
from serving import PLAY, ROOT

PICTURES = ROOT / "build" / "browser"

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


WIDTH_OF_LARGE_LETTERS = """() => {
    const { style } = document.documentElement;
    style.fontSize = "200%";
    const { scrollWidth } = document.documentElement;
    style.fontSize = "";
    return scrollWidth;
}"""

# Formulas of which an end is not seen.
CUT_OFF = """() => [...document.querySelectorAll(".option, .formulas, legend, .block-name")]
    .filter(e => e.checkVisibility() && e.scrollWidth > e.clientWidth + 1)
    .map(e => e.textContent)"""

# Lists that are narrower than what is chosen in them.
NARROW_LISTS = """() => [...document.querySelectorAll("select")]
    .filter(e => e.checkVisibility()).filter(e => {
        const wide = e.cloneNode();
        wide.append(e.selectedOptions[0].cloneNode(true));
        wide.style = "position: absolute; width: max-content; max-width: none; flex: none";
        e.after(wide);
        const { width } = wide.getBoundingClientRect();
        wide.remove();
        return e.getBoundingClientRect().width + 0.5 < width;
    }).map(e => e.id)"""


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
        page.wait_for_function(f"({CUT_OFF})().length === 0")  # a frame after the width changed
        assert page.evaluate(NARROW_LISTS) == [], name
        # Nor with letters twice as large.
        assert page.evaluate(WIDTH_OF_LARGE_LETTERS) <= width, name

    look("first")
    expect(page.get_by_label("The cost of each epoch: none yet")).to_be_visible()
    play.train(40)
    curve = page.get_by_label(re.compile(r"each epoch: 0\.\d* in the first, .* in the last"))
    expect(curve).to_be_visible()
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
    said = page.locator("#pad-said")
    expect(said).to_contain_text("It looks like a ")
    # Which is the target of a look inside, until somebody says otherwise.
    expect(page.locator("#pad-label")).to_have_value(said.inner_text().split()[4])
    page.click("#copy")
    look("copy")
    page.click("#pad-look")
    expect(page.locator("#shown")).to_have_value("0")
    look("inside-drawn")
    play.open("train")
    play.data("xor")
    play.open("inside")
    look("inside")
    for _ in range(4):
        page.click("#next")
    assert play.text("#step-title") == "Forward, the cost"
    cut = "all => all.filter(e => e.scrollWidth > e.clientWidth + 1).length"
    assert page.eval_on_selector_all("#equation .block", cut) == 0
    look("inside-cost")
    for _ in range(5):
        page.click("#next")
    page.click("#everything table.movable td >> nth=1")
    page.locator("#slider").press("ArrowRight")
    look("inside-move")
    play.open("lesson")
    for number in range(7):
        page.check(f'[data-question="{number}"] input >> nth=0')
        page.click(f'[data-question="{number}"] summary')
    look("lesson")
    # Formulas become smaller with the window, and large again.
    page.set_viewport_size({"width": 320, "height": 700})
    expect(page.locator("[style*='--fit']")).not_to_have_count(0)
    page.wait_for_function(f"({CUT_OFF})().length === 0")
    page.set_viewport_size({"width": 1280, "height": 800})
    expect(page.locator("[style*='--fit']")).to_have_count(0)
    page.set_viewport_size({"width": width, "height": SIZES[size][1]})
    one_line = page.locator("#lesson-seed").bounding_box()
    bar = page.locator("#lesson .bar").bounding_box()
    assert one_line
    assert bar
    assert bar["height"] < 1.6 * one_line["height"]  # it stays in sight, over the text
    play.open("measure")
    page.click("#measure-run")
    page.wait_for_selector("#measure-table:not([hidden])")
    look("measure")


def test_all_is_reached_by_the_keyboard(play: Play) -> None:
    """Tab comes to every control of every part, and keys alone do the tour."""
    page = play.page
    mark = """() => { document.activeElement.dataset.reached = ""; }"""
    missed = """() => [...document.querySelectorAll(
        "a[href], button, input, select, textarea, summary, [tabindex='0']")].filter(e =>
            e.checkVisibility() && !e.disabled && e.tabIndex >= 0 && !("reached" in e.dataset)
            && !(e.type === "radio" && document.querySelector(`[name=${e.name}][data-reached]`))
        ).map(e => e.outerHTML.slice(0, 80))"""
    page.keyboard.press("Tab")
    for name in TABS:
        assert page.evaluate("document.activeElement.id") == f"tab-{name}"
        for _ in range(150):
            page.evaluate(mark)
            if not page.evaluate(missed):
                break  # behind the last control some browsers come to their own bars
            page.keyboard.press("Tab")
        assert page.evaluate(missed) == [], name
        page.focus(f"#tab-{name}")
        page.keyboard.press("ArrowRight")
    # Round once more, and something done in each part.
    assert page.evaluate("document.activeElement.id") == "tab-train"

    def go(selector: str, key: str = "Tab") -> None:
        for _ in range(150):
            if page.evaluate("s => document.activeElement.matches(s)", selector):
                return
            page.keyboard.press(key)
        raise AssertionError(f"{selector} is not reached")

    go("#one")
    page.keyboard.press("Enter")
    assert play.text("#epoch") == "1"
    go("#tab-train", "Shift+Tab")
    page.keyboard.press("ArrowRight")
    go("#next")
    page.keyboard.press("Space")
    assert play.text("#step-count") == "Step 2 of 14"
    go('#everything .matrix[aria-label^="W(1),"]')
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowRight")
    assert play.text("#move-real") != "0"
    go("#tab-inside", "Shift+Tab")
    page.keyboard.press("ArrowRight")
    go('[data-question="0"] input')
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page.locator('[data-question="0"] .verdict')).to_contain_text("Right.")


# The page trains an epoch as soon as it can; when, in milliseconds since the navigation began.
EPOCH_AT_ONCE = """new MutationObserver((_, observer) => {
    if (document.documentElement.dataset.ready === undefined) return;
    observer.disconnect();
    const ready = performance.now();
    document.querySelector("#one").click();
    window.times = [ready, performance.now(), document.querySelector("#epoch").textContent];
}).observe(document, { attributes: true, subtree: true });"""


def test_how_soon_an_epoch_is_trained(
    browser: Browser, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    page = browser.new_page()
    page.add_init_script(EPOCH_AT_ONCE)
    play = Play(page, address)
    ready, trained, epoch = page.evaluate("window.times")
    assert epoch == "1"
    assert 0 < ready <= trained
    assert play.complaints == []
    page.close()
    with capsys.disabled():
        sys.stdout.write(f"\nThe page is ready after {ready:.0f} ms, ")
        sys.stdout.write(f"and has trained an epoch after {trained:.0f} ms.\n")


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
