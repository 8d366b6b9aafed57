"""What the tests of the console, the desks and the languages ask of a page: its size, what axe finds, and its picture."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

SHOTS = os.environ.get("EGATE_SHOTS")  # a folder: screenshots of the main states are left there
DESK, PHONE = {"width": 1366, "height": 768}, {"width": 390, "height": 844}
AXE_SOURCE = Path(find_spec("axe_playwright_python").submodule_search_locations[0], "axe.min.js").read_text()
AXE_RULES = "{runOnly: ['wcag2a','wcag2aa','wcag21a','wcag21aa','wcag22aa','best-practice']}"


def new_page(browser: Any, problems: list[str], size: dict[str, int] = DESK, **options: Any) -> Any:
    page = browser.new_context(viewport=size, **options).new_page()
    page.set_default_timeout(8000)
    page.on("console", lambda said: problems.append(said.text) if said.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    return page


def axe(page: Any) -> list[str]:
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SOURCE)
    found = page.evaluate(f"axe.run(document, {AXE_RULES})")["violations"]
    return [f"{one['id']}: {node['html'][:160]}" for one in found for node in one["nodes"]]


def overflows(page: Any) -> list[int]:
    return page.evaluate(
        "[document.documentElement.scrollWidth - innerWidth, document.documentElement.scrollHeight - innerHeight]"
    )


def shot(page: Any, name: str) -> None:
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/{name}.png")
