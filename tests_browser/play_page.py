"""The page to play with, as tests see it."""

from __future__ import annotations

import re

from playwright.sync_api import Page, Request, expect

SIZES = {"desktop": (1280, 800), "phone": (360, 740)}


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

    def write(self, selector: str, text: str) -> None:
        """Type it in place of what is there, as a person does, and go on."""
        self.page.click(selector)
        self.page.keyboard.press("Control+A")
        self.page.keyboard.press("Delete")
        self.page.keyboard.type(text)
        self.page.locator(selector).blur()

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
        self.page.select_option("#data", name)
        # Which takes the place of the other figure with the network that these data are for.
        expect(self.page.locator("#digits-figure")).to_be_visible(visible=name == "digits")
        expect(self.page.locator("#epoch")).to_have_text("0")

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
