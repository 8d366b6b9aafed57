"""The browser that the tests of the console, the desks and the languages share, and what it complains of."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = "/usr/bin/chromium"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    if not Path(CHROMIUM).exists():
        pytest.skip(f"{CHROMIUM} is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        arguments = ["--disable-gpu"] + (["--no-sandbox"] if os.geteuid() == 0 else [])
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield running
        running.close()


@pytest.fixture
def browser(chromium: Any) -> Iterator[Any]:
    """The browser; what a test opened is closed with it: pages that stay follow the live stream and slow every later test."""
    yield chromium
    for context in chromium.contexts:
        context.close()


@pytest.fixture
def problems() -> Iterator[list[str]]:
    """Console errors and policy reports; any that a test did not expect fails it."""
    seen: list[str] = []
    yield seen
    assert seen == []
