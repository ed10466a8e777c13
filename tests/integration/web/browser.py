"""Debian's Chromium, driven by Playwright, and everything that it complains of."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import Browser, Page, Request, async_playwright

from tests.integration.servers.process import DEADLINE_SECONDS
from tests.integration.servers.tools import require

_PATIENCE_MILLISECONDS = DEADLINE_SECONDS * 1000


@dataclass
class Visit:
    """A page in a browser. *complaints* are console errors, script errors and broken rules of the CSP."""

    page: Page
    complaints: list[str] = field(default_factory=list)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Run the browser."""
    executable = require("chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=executable, args=["--no-sandbox"], timeout=_PATIENCE_MILLISECONDS
        )
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def visiting(browser: Browser, url: str, **context: Any) -> AsyncIterator[Visit]:
    """Open a page in a fresh context, and see that nothing was complained of in the end."""
    opened = await browser.new_context(**({"viewport": {"width": 1180, "height": 900}} | context))
    opened.set_default_timeout(_PATIENCE_MILLISECONDS)
    page = await opened.new_page()
    visit = Visit(page)
    page.on("console", lambda helo: visit.complaints.append(helo.text) if helo.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    page.on("requestfailed", lambda request: visit.complaints.extend(_failure(request)))
    await page.goto(url)
    try:
        yield visit
    finally:
        await opened.close()
    assert visit.complaints == [], visit.complaints


def _failure(request: Request) -> list[str]:
    """What is wrong with a request that failed: nothing, if it was given up because the page was left."""
    return [] if request.failure == "net::ERR_ABORTED" else [f"{request.url}: {request.failure}"]
