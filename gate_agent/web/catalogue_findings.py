"""What is wrong with the catalogues: missing, fuzzy, obsolete and outdated texts, wrong places, wrong letters.

A catalogue with findings still loads (English stands in for what is missing); the build does not pass with any.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from gate_agent.web.i18n import (
    GUARD_LANGUAGES,
    LOCALE_FOLDER,
    REVIEW_FIELD,
    SOURCE_LANGUAGE,
    TRAVELLER_LANGUAGES,
    places,
    read_file,
    template_path,
)
from gate_agent.web.po_format import PoEntry, PoFile

_REVIEW = re.compile(r"machine-made|reviewed \d{4}-\d\d-\d\d by \S.*\Z")
_WRONG_APOSTROPHE = re.compile("['\u2018\u2019`\u00b4\u02b9]")
_TURNED_COMMA = re.compile("(?<![oOgG])\u02bb")
_LETTER_APOSTROPHE = re.compile("[oOgG]\u02bc")
_OF_LATIN_UZBEK = ("uz-Latn", "kaa-Latn")


@dataclass(frozen=True, slots=True)
class Audience:
    """Whom catalogues speak to: where they stand and in which languages."""

    name: str
    folder: Path
    languages: tuple[str, ...]

    def path(self, language: str) -> Path:
        """Return the file of one language; of English the template."""
        if language == SOURCE_LANGUAGE:
            return template_path(self.name, self.folder)
        return self.folder / f"{self.name}.{language}.po"


AUDIENCES: Mapping[str, Audience] = MappingProxyType(
    {
        audience.name: audience
        for audience in (
            Audience("guard", LOCALE_FOLDER, GUARD_LANGUAGES),
            Audience("desk", LOCALE_FOLDER, GUARD_LANGUAGES),
            Audience("traveller", LOCALE_FOLDER, TRAVELLER_LANGUAGES),
            Audience("portal", LOCALE_FOLDER.parent / "portal" / "locale", TRAVELLER_LANGUAGES),
        )
    }
)


def findings(audience: Audience) -> Iterator[str]:
    """Yield every finding of one audience as `file: key: what is wrong`. Raises `CatalogueFault` for a file that cannot be read."""
    template = read_file(audience.path(SOURCE_LANGUAGE))
    for language in audience.languages:
        path = audience.path(language)
        file = template if language == SOURCE_LANGUAGE else read_file(path)
        for finding in _of_file(language, file, template):
            yield f"{path.name}: {finding}"


def _of_file(language: str, file: PoFile, template: PoFile) -> Iterator[str]:
    if file.header.get("Language") != language:
        yield f"header: Language is not {language}"
    if _REVIEW.match(file.header.get(REVIEW_FIELD, "")) is None:
        yield f"header: {REVIEW_FIELD} is neither “machine-made” nor “reviewed YYYY-MM-DD by …”"
    translated, sources = file.by_key(), template.by_key()
    for key in translated.keys() - sources.keys():
        yield f"{key}: obsolete, the template does not have it"
    for key, source in sources.items():
        entry = translated.get(key)
        if entry is None:
            yield f"{key}: missing"
        elif (entry.english, entry.english_plural) != (source.english, source.english_plural):
            yield f"{key}: the English text has changed since"
        elif language == SOURCE_LANGUAGE:
            yield from (f"{key}: {finding}" for finding in _of_pattern(language, source.english, None))
        else:
            yield from (f"{key}: {finding}" for finding in _of_entry(language, entry))


def _of_entry(language: str, entry: PoEntry) -> Iterator[str]:
    if entry.is_fuzzy:
        yield "fuzzy"
    for form in entry.translations:
        if not form.strip():
            yield "missing"
        else:
            yield from _of_pattern(language, form, entry.english_plural or entry.english)


def _of_pattern(language: str, text: str, english: str | None) -> Iterator[str]:
    try:
        if english is not None and places(text) != places(english):
            yield f"its places are {sorted(places(text))}, not {sorted(places(english))}"
    except ValueError:
        yield "its places cannot be read"
    if language in _OF_LATIN_UZBEK:
        yield from (finding for wrong, finding in _LETTERS if wrong.search(text))


_LETTERS = (
    (_WRONG_APOSTROPHE, "an apostrophe that is no letter: U+02BB after o and g, U+02BC elsewhere"),
    (_TURNED_COMMA, "U+02BB stands elsewhere than after o or g"),
    (_LETTER_APOSTROPHE, "U+02BC stands after o or g"),
)
