"""Make the README's pictures from a fictitious gate: the real pages, in Chromium, over invented data.

Usage: python tools/pictures.py FOLDER      (`make pictures`)
"""

from __future__ import annotations

import asyncio
import secrets
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from playwright.async_api import Browser, Page, async_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from gate_agent.cli.console import console_app
from gate_agent.cli.portal import declaration_pages
from gate_agent.clock import SystemClock
from gate_agent.provisioning import provision
from gate_agent.settings import ConsoleSettings, PathSettings, Settings
from gate_agent.web.auth import OfficerProfile
from gate_agent.web.centre.application import add_monitor
from gate_agent.web.lane_api import create_app as lane_api_app
from gate_agent.web.lane_api_messages import GuardAction, Instruction
from gate_agent.web.officer_keys import create_officer_key, unlock_officer_key
from gate_agent.web.pages import page_app, serving
from tools.fictitious import FictitiousCentre, FictitiousGate

CHROMIUM = "/usr/bin/chromium"
OFFICER = "guard-1"
DESK = {"width": 1366, "height": 768}
SCREEN = {"width": 1080, "height": 1350}
PHONE = {"width": 390, "height": 780}


async def settle(page: Page) -> None:
    """Wait until pictures are loaded and the first events have been drawn."""
    await page.wait_for_timeout(1500)


async def console_and_screen(browser: Browser, folder: Path, scratch: Path) -> None:
    """Take the guard console with a referral, and the traveller's screen of a lane."""
    password = secrets.token_urlsafe(12)
    officers = scratch / "keys" / "officers"
    officers.mkdir(parents=True)
    (officers / f"{OFFICER}.json").write_bytes(create_officer_key(OFFICER, password)[0])
    settings = Settings(paths=PathSettings(run=scratch, keys=scratch / "keys"), console=ConsoleSettings(port=0))
    guard = OfficerProfile(OFFICER, "guard", "Guard 1", frozenset(GuardAction))
    console = console_app(settings, profile={OFFICER: guard}.get, unlock=unlock_officer_key)
    gate = FictitiousGate(Instruction.LOOK_AT_CAMERA)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(serving(lane_api_app(gate), uds=scratch / "lane.sock"))
        address = await stack.enter_async_context(serving(console))
        stack.callback(gate.changes.close)
        page = await browser.new_page(viewport=DESK)
        await page.goto(f"{address}/guard/login")
        await page.fill("input[name=officer_id]", OFFICER)
        await page.fill("input[name=password]", password)
        await page.click("form[action='/guard/login'] button[type=submit]")
        await page.wait_for_url("**/guard", wait_until="commit")
        await settle(page)
        await page.locator("#queue button").first.click()
        await page.locator("[data-answer=different]").click()
        await settle(page)
        await page.screenshot(path=folder / "console.png")
        await page.close()
        screen = await browser.new_page(viewport=SCREEN)
        await screen.goto(f"{address}/lane/1/screen")
        await settle(screen)
        await screen.screenshot(path=folder / "traveller.png")
        await screen.close()


async def declaration(browser: Browser, folder: Path, scratch: Path) -> None:
    """Take the first page of the declaration on a phone."""
    made = provision(scratch, country="UTO", site="north-bridge", gate_id="gate-1", officers={}, clock=SystemClock())
    app = declaration_pages(Settings(paths=PathSettings(keys=made.keys, bundles=made.bundles)))
    async with serving(app) as address:
        page = await browser.new_page(viewport=PHONE, device_scale_factor=2)
        await page.goto(f"{address}/en/limit")
        await page.screenshot(path=folder / "portal.png")
        await page.close()


async def monitor(browser: Browser, folder: Path) -> None:
    """Take the centre's monitor page."""
    app = page_app("eGate centre")
    add_monitor(app, FictitiousCentre(), SystemClock().now)
    async with serving(app) as address:
        page = await browser.new_page(viewport=DESK)
        await page.goto(address)
        await settle(page)
        await page.screenshot(path=folder / "centre.png")
        await page.close()


async def take(folder: Path) -> None:
    """Take every picture."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="egate-pictures-") as scratch:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            await console_and_screen(browser, folder, Path(scratch))
            await declaration(browser, folder, Path(scratch) / "site")
            await monitor(browser, folder)
            await browser.close()
    for path in sorted(folder.glob("*.png")):
        print(f"{path}  {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    asyncio.run(take(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/pictures")))
