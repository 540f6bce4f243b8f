"""The browser of the tests: Chromium, or what `make browser BROWSER=...` names."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserType, Playwright

COMMANDS = {
    "chromium": ("chromium", "chromium-browser", "google-chrome"),
    "firefox": ("firefox", "firefox-esr"),
    "webkit": (),  # Playwright's own alone
}
NAME = os.environ.get("TEST_BROWSER") or "chromium"


def installed(name: str) -> str | None:
    """The browser of this machine, by $CHROMIUM or $FIREFOX or the first that is on PATH."""
    return os.environ.get(name.upper()) or next(
        filter(None, map(shutil.which, COMMANDS[name])), None
    )


def launched(
    playwright: Playwright, scheme: str = "light", motion: str = "no-preference"
) -> Browser:
    """The browser, running, with what its user prefers."""
    assert NAME in COMMANDS, f"BROWSER must be one of {', '.join(COMMANDS)}, got {NAME!r}"
    kind: BrowserType = getattr(playwright, NAME)
    if NAME == "chromium":
        found = installed(NAME)
        assert found, "no Chromium: install one (Debian: apt-get install chromium) or set CHROMIUM"
        return kind.launch(executable_path=found, args=["--no-sandbox"])
    if Path(kind.executable_path).exists():
        return kind.launch()
    found = installed(NAME) if NAME == "firefox" else None
    assert found, f"no {NAME}: playwright install {NAME}"
    # Any Firefox is driven by WebDriver BiDi. There a page's context cannot say what is preferred.
    preferences: dict[str, Any] = {
        "layout.css.prefers-color-scheme.content-override": 0 if scheme == "dark" else 1,
        "ui.prefersReducedMotion": int(motion == "reduce"),
    }
    return kind.launch(executable_path=found, channel="moz-firefox", firefox_user_prefs=preferences)
