"""Every sentence that a declaration page asks for is in the catalogue, and in each language's own words."""

from __future__ import annotations

import re

import pytest

from gate_agent.web.i18n import load_catalogue
from gate_agent.web.pages import TEMPLATE_FOLDER
from gate_agent.web.portal.application import LANGUAGES, LOCALE_FOLDER

ENGLISH = load_catalogue("portal", "en", LOCALE_FOLDER)
ALIKE = {"kaa-Latn": {"notices.telegram", "unit.ml", "unit.g"}, "zh-Hans": {"notices.telegram"}}
"""A name, and letters of units, that a language writes as English does."""


@pytest.mark.parametrize("language", [language for language in LANGUAGES.values() if language != "en"])
def test_every_sentence_is_translated(language: str) -> None:
    catalogue = load_catalogue("portal", language, LOCALE_FOLDER)
    assert {key for key, text in catalogue.texts.items() if text == ENGLISH.texts[key]} == ALIKE.get(language, set())


def test_every_sentence_that_a_page_asks_for_exists() -> None:
    asked = set()
    for template in (TEMPLATE_FOLDER / "portal").glob("*.html"):
        asked |= set(re.findall(r"""\bt\(["']([a-z_0-9]+\.[a-z_0-9]+)["']""", template.read_text(encoding="utf-8")))
    assert len(asked) > 60
    assert asked <= ENGLISH.texts.keys()
