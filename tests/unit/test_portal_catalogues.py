"""The three languages of the declaration pages say the same things."""

from __future__ import annotations

import re

import pytest

from gate_agent.web.i18n import load_catalogues, places
from gate_agent.web.pages import TEMPLATE_FOLDER
from gate_agent.web.portal.application import LANGUAGES, LOCALE_FOLDER

CATALOGUES = load_catalogues("portal", LANGUAGES.values(), LOCALE_FOLDER)
ENGLISH = CATALOGUES["en"]


@pytest.mark.parametrize("language", LANGUAGES.values())
def test_same_sentences_and_places(language: str) -> None:
    catalogue = CATALOGUES[language]
    assert catalogue.texts.keys() == ENGLISH.texts.keys()
    for key, text in catalogue.texts.items():
        assert places(text) == places(ENGLISH.texts[key]), key


@pytest.mark.parametrize("language", ["ru", "uz-Latn"])
def test_every_sentence_is_translated(language: str) -> None:
    same = {key for key, text in CATALOGUES[language].texts.items() if text == ENGLISH.texts[key]}
    assert same == set()


def test_uzbek_letters_are_the_right_ones() -> None:
    for key, text in CATALOGUES["uz-Latn"].texts.items():
        assert not re.search(r"['‘’`]", text), key
        assert all(text[mark.start() - 1] in "oOgG" for mark in re.finditer("\u02bb", text)), key


def test_every_sentence_that_a_page_asks_for_exists() -> None:
    asked = set()
    for template in (TEMPLATE_FOLDER / "portal").glob("*.html"):
        asked |= set(re.findall(r"""\bt\(["']([a-z_0-9]+\.[a-z_0-9]+)["']""", template.read_text(encoding="utf-8")))
    assert len(asked) > 60
    assert asked <= ENGLISH.texts.keys()
