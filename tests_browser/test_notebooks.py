"""The shipped notebooks, as pages in a real browser: what they drew can be seen."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbconvert import HTMLExporter
from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build/browser"
WIDTH = 1440  # of the window, a laptop's
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
# What a reader sees of an element; an output that a style hides has no box.
SEEN = """elements => elements.map(e => {
    const box = e.getBoundingClientRect();
    return [Math.round(box.width), Math.round(box.height), e.naturalWidth ?? -1, e.tagName];
})"""


def export(path: Path) -> Path:
    """The notebook as a page that needs no network."""
    (place,) = importlib.util.find_spec("sphinx-mathjax-offline").submodule_search_locations
    mathjax = Path(place, "static/mathjax/tex-svg.js").as_uri()
    html, _ = HTMLExporter(mathjax_url=mathjax).from_filename(str(path))
    html = re.sub(r'<script src="https://[^"]*require[^"]*"></script>', "", html)
    settings = "window.MathJax = {tex: {inlineMath: [['$', '$']]}}"
    BUILD.mkdir(parents=True, exist_ok=True)
    page = BUILD / f"{path.stem}.html"
    page.write_text(html.replace("<head>", f"<head><script>{settings}</script>", 1), "utf-8")
    return page


class Shown:
    """A page in the browser, and the complaints that came while it loaded."""

    def __init__(self, page: Page, path: Path) -> None:
        self.page = page
        self.errors: list[str] = []
        self.refused: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("requestfailed", lambda request: self.refused.append(request.url))
        page.route(re.compile("^https?:"), lambda route: route.abort())
        page.goto(path.as_uri())
        page.evaluate("MathJax.startup.promise")

    def seen(self, what: str) -> list[list[Any]]:
        """Width, height and natural width of each such element in an output."""
        found: list[list[Any]] = self.page.eval_on_selector_all(
            f".jp-RenderedHTMLCommon.jp-OutputArea-output {what}, "
            f".jp-OutputArea-output.jp-RenderedImage {what}, "
            f".jp-OutputArea-output.jp-RenderedSVG {what}",
            SEEN,
        )
        return found


def outputs(path: Path) -> list[dict[str, Any]]:
    """The data of all outputs that a page shows."""
    cells = nbformat.read(path, as_version=4).cells
    return [
        output.data
        for cell in cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type in ("execute_result", "display_data")
    ]


def expected(path: Path, tag: str) -> int:
    """How many elements of that kind the outputs hold."""
    shown = [data.get("text/html", data.get("image/svg+xml", "")) for data in outputs(path)]
    return sum(len(re.findall(rf"<{tag}\b", html)) for html in shown)


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.stem)
def shown(request: pytest.FixtureRequest, browser: Browser) -> Iterator[tuple[Path, Shown]]:
    path: Path = request.param
    page = browser.new_page(viewport={"width": WIDTH, "height": 900})
    yield path, Shown(page, export(path))
    page.close()


def test_no_script_complains(shown: tuple[Path, Shown]) -> None:
    _, page = shown
    assert page.errors == []
    assert page.refused == []


def test_diagrams_and_tables_are_there(shown: tuple[Path, Shown]) -> None:
    path, page = shown
    for tag in ("svg", "table"):
        seen = page.seen(tag)
        assert len(seen) == expected(path, tag), tag
        assert all(width > 20 and height > 10 for width, height, *_ in seen), (tag, seen)


def test_plots_are_there(shown: tuple[Path, Shown]) -> None:
    path, page = shown
    seen = page.seen("img")
    assert len(seen) == sum("image/png" in data for data in outputs(path)) + expected(path, "img")
    assert all(width > 50 and natural > 50 for width, _, natural, _ in seen), seen


def test_formulas_are_set(shown: tuple[Path, Shown]) -> None:
    path, page = shown
    cells = nbformat.read(path, as_version=4).cells
    texts = [cell.source for cell in cells if cell.cell_type == "markdown"]
    formulas = page.page.locator(".jp-MarkdownOutput mjx-container").count()
    assert bool(formulas) == any("$" in text for text in texts)
    assert page.page.locator("mjx-merror, [data-mjx-error]").count() == 0
    left = page.page.eval_on_selector_all(
        ".jp-MarkdownOutput p, .jp-MarkdownOutput td, .jp-MarkdownOutput li",
        "all => all.map(e => e.innerText).filter(text => text.includes('$'))",
    )
    assert left == []


def test_nothing_sticks_out(shown: tuple[Path, Shown]) -> None:
    """No output needs scrolling; and a picture of it all for a person to look at."""
    path, page = shown
    page.page.screenshot(path=BUILD / f"{path.stem}.png", full_page=True)
    assert page.page.evaluate("document.documentElement.scrollWidth") <= WIDTH
    cut = page.page.eval_on_selector_all(
        ".jp-OutputArea-output :is(svg, table, img)",
        """all => all.filter(e => e.getBoundingClientRect().right >
            e.closest('.jp-OutputArea-output').getBoundingClientRect().right + 1).length""",
    )
    assert cut == 0


def test_every_kind_is_somewhere() -> None:
    """Or the tests above would have nothing to look for."""
    assert len(NOTEBOOKS) >= 2
    assert any(expected(path, "svg") for path in NOTEBOOKS)
    assert any(expected(path, "table") for path in NOTEBOOKS)
    assert any("image/png" in data for path in NOTEBOOKS for data in outputs(path))
