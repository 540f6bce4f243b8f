"""The page to play with: training in a browser."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from playwright.sync_api import expect

import swiftbackprop as sb
from play_page import Play, number


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
        ("#seed", "", "The seed must be a whole number"),
        ("#batch", "0", "The batch size must be"),
        ("#batch", "", "The batch size must be"),
        ("#layers input", "999", "The units of layer 1 must be a whole number from 1 to 256"),
        ("#layers input", "", "The units of layer 1 must be a whole number"),
        ("#rate input", "-1", "lr"),
        ("#rate input", "", "lr must be a number, such as 0.1."),
        ("#rate input", "0,1,2", "lr must be a number"),
        ("#rate input", "0x1", "lr must be a number"),
        ("#batch", "1,5", "The batch size must be a whole number"),
        ("#layers input", "4.5", "The units of layer 1 must be a whole number"),
    ):
        before = page.input_value(selector)
        play.write(selector, value)
        expect(page.locator("#complaint")).to_contain_text(words)
        play.write(selector, before)
        expect(page.locator("#complaint")).to_be_hidden()
    play.data("own")
    for text, words in (
        ("1 2\n3", "Line 2 of your numbers must be two numbers or more"),
        ("1 2 0\n3 1", "Line 2 of your numbers has 2 numbers"),
        ("1 x", "Line 1"),
        ("0 0 1\n0,5 1", "Line 2 of your numbers: is “0,5” one number or two?"),
        ("0,5;1", "Line 1 of your numbers: is “0,5” one number or two?"),
        ("0,5, 1", "Line 1 of your numbers: is “0,5” one number or two?"),
        ("", "at least one line"),
        ("1 2.5", "A class must be a whole number"),
    ):
        play.write("#own-text", text)
        expect(page.locator("#complaint")).to_contain_text(words)


@pytest.mark.parametrize(("typed", "rate"), [("0,25", "0.25"), (",5", ".5"), (" 2e-3", "2e-3")])
def test_a_decimal_comma_is_one(play: Play, typed: str, rate: str) -> None:
    """Fields of numbers would drop what is no number to them, and train with 025."""
    play.write("#rate input", typed)
    expect(play.page.locator("#rate input")).to_have_value(rate)
    assert play.page.is_hidden("#complaint")
    play.page.click("#copy")
    assert f"lr={float(rate)}" in play.text("#script-text")


def test_a_divergence_is_said(play: Play) -> None:
    page = play.page
    page.select_option("#loss", "squared_error")
    page.select_option("#layers select", "relu")
    play.write("#rate input", "1e30")
    page.select_option("#speed", "fast")
    page.click("#run")
    expect(page.locator("#complaint")).to_contain_text("smaller learning rate")
    assert play.text("#run") == "Train"


# Frames while the page trains: how many in how many milliseconds, and the longest.
FRAMES = """milliseconds => new Promise(resolve => {
    let [begin, before, count, longest] = [0, 0, -1, 0];
    const frame = now => {
        count++;
        if (count) longest = Math.max(longest, now - before); else begin = now;
        before = now;
        if (now - begin < milliseconds) requestAnimationFrame(frame);
        else resolve([count, now - begin, longest]);
    };
    requestAnimationFrame(frame);
})"""


@pytest.mark.parametrize("speed", ["normal", "fast"])
def test_how_many_frames_a_second(
    play: Play, speed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """For a person to read, on a machine that does nothing else."""
    page = play.page
    play.data("spirals")
    page.select_option("#output", "softmax")
    play.write("#count", "500")
    page.click("#copy")
    assert "[2, 16, 16, 2]" in play.text("#script-text")
    assert "500" in play.text("#script-text")
    page.select_option("#speed", speed)
    page.click("#run")
    count, took, longest = page.evaluate(FRAMES, 2000)
    page.click("#run")
    assert play.text("#said").startswith("Stopped.")
    assert play.text("#epoch") != "0"
    with capsys.disabled():
        sys.stdout.write(f"\n[2, 16, 16, 2], 500 points, {speed}: {1000 * count / took:.0f} frames")
        sys.stdout.write(f" a second, the longest {longest:.0f} ms, {play.text('#said')}\n")


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
