"""A page of the centre in the browser: no wider than the window, nothing for axe to find, no complaint of the console."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.browser.page_checks import AXE_SOURCE, SHOTS

CHROMIUM = Path("/usr/bin/chromium")
needs_chromium = pytest.mark.skipif(not CHROMIUM.exists(), reason="chromium is not installed")


@asynccontextmanager
async def open_page() -> AsyncIterator[tuple[Any, list[str]]]:
    """Yield a page, and what its console complains of."""
    from playwright.async_api import async_playwright

    arguments = ["--disable-gpu"] + (["--no-sandbox"] if os.geteuid() == 0 else [])
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=arguments)
        page = await browser.new_page(viewport={"width": 1366, "height": 768})
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        yield page, complaints
        await browser.close()


async def look_at(page: Any, name: str) -> None:
    """Look at the page as it is at four widths and in both schemes."""
    for width, scheme in ((1366, "light"), (1366, "dark"), (390, "light"), (320, "light")):
        await page.set_viewport_size({"width": width, "height": 768})
        await page.emulate_media(color_scheme=scheme)
        room = await page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert room[0] <= room[1], width
        await page.evaluate(AXE_SOURCE)
        found = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        assert [(one["id"], one["nodes"][0]["html"]) for one in found["violations"]] == [], (width, scheme)
        if SHOTS:
            await page.screenshot(path=f"{SHOTS}/{name}-{scheme}-{width}.png", full_page=True)
    await page.set_viewport_size({"width": 1366, "height": 768})
