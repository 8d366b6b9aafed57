"""The languages of screens and pages: names, directions, addresses, which one a traveller sees first. All of it is data, `languages.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal, cast, get_args

Language = Literal["uz-Latn", "uz-Cyrl", "kaa-Latn", "ru", "en", "tg", "ky", "kk", "fa-AF", "zh-Hans"]
"""Tags (BCP 47) as messages carry them; the data file has the same, in the same order."""

FIRST_LANGUAGE: Language = "uz-Latn"
"""Shown to an empty lane and where nothing is known."""
_UNKNOWN_STATE: Language = "en"


@dataclass(frozen=True, slots=True)
class LanguageFacts:
    """One language; the data file says what each field means."""

    tag: Language
    slug: str
    name: str
    letters: str
    direction: Literal["ltr", "rtl"]
    states: tuple[str, ...]
    asked_as: tuple[str, ...]
    said_as: tuple[Language, ...]


def _read() -> Mapping[Language, LanguageFacts]:
    path = Path(__file__).parent / "locale" / "languages.toml"
    tables = tomllib.loads(path.read_text(encoding="utf-8"))["language"]
    facts = [
        LanguageFacts(
            tag=table["tag"],
            slug=table["slug"],
            name=table["name"],
            letters=table["letters"],
            direction=table["direction"],
            states=tuple(table["states"]),
            asked_as=tuple(table["asked_as"]),
            said_as=tuple(table["said_as"]),
        )
        for table in tables
    ]
    assert [one.tag for one in facts] == list(get_args(Language))
    return MappingProxyType({one.tag: one for one in facts})


FACTS = _read()
SLUGS: Mapping[str, Language] = MappingProxyType({one.slug: one.tag for one in FACTS.values()})
"""First part of a portal address, and the language it means."""
_OF_STATES = {state: one.tag for one in FACTS.values() for state in one.states}


def language_of_state(issuing_state: str) -> Language:
    """Return what the holder of a document of `issuing_state` (ICAO Doc 9303 code) sees until he chooses."""
    return _OF_STATES.get(issuing_state, _UNKNOWN_STATE)


def direction_of(language: str) -> str:
    """Return `ltr` or `rtl`; languages that are none of ours, such as the pseudo-locale, run left to right."""
    facts = FACTS.get(cast("Language", language))
    return facts.direction if facts is not None else "ltr"


def said_as(language: str) -> tuple[Language, ...]:
    """Return the languages in which words may be said where `language` has neither voice nor recording, best first."""
    facts = FACTS.get(cast("Language", language))
    return facts.said_as if facts is not None else ()


def asked_language(accept_language: str) -> Language | None:
    """Return the first of our languages that a browser asks for (`Accept-Language`, in the order given), None for none of them."""
    for wanted in accept_language[:200].lower().split(","):
        tag = wanted.partition(";")[0].strip()
        while tag:  # from the whole tag to its beginning: fa-IR, then fa
            for facts in FACTS.values():
                if tag == facts.tag.lower() or tag in facts.asked_as:
                    return facts.tag
            tag = tag.rpartition("-")[0]
    return None
