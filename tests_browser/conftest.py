"""What the tests in a browser share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from play_page import SIZES, Play
from serving import served


def chromium() -> str:
    """The browser: $CHROMIUM, or the first that is on PATH."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    assert found, "no Chromium: install one (on Debian: apt-get install chromium) or set CHROMIUM"
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield running
        running.close()


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
