"""What the tests in a browser share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from browsers import NAME, launched
from play_page import SIZES, Play
from serving import served


@pytest.fixture(scope="session")
def browsers() -> Iterator[Any]:
    """A running browser for what its user prefers; pages of Chromium can say it themselves."""
    running: dict[tuple[str, str], Browser] = {}
    with sync_playwright() as playwright:

        def preferring(scheme: str = "light", motion: str = "no-preference") -> Browser:
            key = (scheme, motion) if NAME == "firefox" else ("", "")
            if key not in running:
                running[key] = launched(playwright, scheme, motion)
            return running[key]

        yield preferring
        for browser in running.values():
            browser.close()


@pytest.fixture(scope="session")
def browser(browsers: Any) -> Browser:
    plain: Browser = browsers()
    return plain


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served() as address:
        yield address


@pytest.fixture
def open_page(browsers: Any, address: str) -> Iterator[Any]:
    pages: list[Play] = []

    def opened(size: str = "desktop", scheme: str = "light", **options: Any) -> Play:
        width, height = SIZES[size]
        place = options.pop("address", address)
        context = browsers(scheme, options.get("reduced_motion", "no-preference")).new_context(
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
