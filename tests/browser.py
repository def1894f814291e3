"""Real Chromium, for the tests that are marked `browser`.

`browser` (conftest.py) is launched once for a module, and a test opens its own page with `visit`.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .requirements import missing

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

# A bound for a machine that is busy with other things, not a measure of a page.
PATIENCE_MS = 30_000
ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium() -> str:
    """The path of Debian's Chromium."""
    return shutil.which("chromium") or missing("Chromium")


@contextlib.contextmanager
def launched() -> Iterator[Browser]:
    """Not for longer than a module: meanwhile this thread has an event loop that asyncio minds."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=ARGS)
        yield browser
        browser.close()


@contextlib.contextmanager
def visit(browser: Browser, **options: Any) -> Iterator[Page]:
    """A page in a context of its own, in which no script may fail and no policy may be broken.

    `options` are the context's: `viewport`, `color_scheme` and the like.
    """
    context = browser.new_context(**options)
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda m: wrong.append(m.text) if "Security Policy" in m.text else None)
    yield page
    context.close()
    assert wrong == []
