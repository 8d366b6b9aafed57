"""Words for people: one gettext catalogue for each audience and language, `locale/<audience>.<language>.po`.

Codes travel through the whole house as codes; only here do they become sentences. The guard is told everything; the traveller gets
exactly one safe text for each reason, and all causes that must not be tipped off share one ("please see the officer").

A text's key is `section.name`. English stands in the template, `locale/<audience>.pot`, and is what a reader of another language sees
while a translation is missing; a test proves that none is. docs/languages.md says how a text is added.

Texts hold `{name}` places. What fills them is text from documents and devices: it is put in as it is, never read as a pattern, and
the page must escape it (Jinja autoescape, `textContent`). Where a number decides between forms, it is the text's first place.
"""

from __future__ import annotations

import gettext
import re
import string
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from gate_agent.web.formats import amount_text
from gate_agent.web.languages import FACTS, direction_of
from gate_agent.web.po_format import PoEntry, PoFile, PoMalformed, parse_po

LOCALE_FOLDER = Path(__file__).parent / "locale"

TRAVELLER_LANGUAGES: tuple[str, ...] = tuple(FACTS)
GUARD_LANGUAGES = ("en", "ru", "uz-Latn", "uz-Cyrl")
SOURCE_LANGUAGE = "en"

LANGUAGE_NAMES: Mapping[str, str] = MappingProxyType({facts.tag: facts.name for facts in FACTS.values()})
"""Each language's name in its own script, as the switch shows it."""

LANGUAGE_LETTERS: Mapping[str, str] = MappingProxyType({facts.tag: facts.letters for facts in FACTS.values()})

PSEUDO_LANGUAGE = "en-XA"
"""The pseudo-locale of the browser tests: accented and 40 % longer."""

REVIEW_FIELD = "X-Review"
"""Header field that says whether a speaker of the language has read a catalogue: `reviewed …` or `machine-made`."""

_FORMATTER = string.Formatter()
_ACCENTS = str.maketrans("aeiouyAEIOUYcnsz", "áéíóúýÁÉÍÓÚÝçñšž")
_UNKNOWN = "\u2013"  # an en dash
_ISOLATE = ("\u2068", "\u2069")
"""Around what fills a place in a text that runs from right to left: an amount or a document number keeps its own order (Unicode UAX 9)."""
_PLURAL_FORMS = re.compile(r"nplurals=(\d); plural=([n0-9 ()%<>=!&|?:]+);\Z")
_WORDS = {"reason": ("action_reason",), "step": ("step", "check")}
"""Sections in which the words of a parameter stand, where they are not called like the parameter."""


class CatalogueFault(Exception):
    """A catalogue file is missing, malformed or holds something that is not text."""


def _english_form(number: int) -> int:
    return int(number != 1)


@dataclass(frozen=True, slots=True)
class Forms:
    """The plural forms of a text, and the place whose number decides between them: the first one of the English."""

    place: str
    patterns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All texts of one audience in one language. Keys are `section.name`.

    `forms` holds the plural forms of the texts that have any, `form_of` returns which of them a number takes. `texts` has for these
    the last form, the one for numbers that are not known.
    """

    audience: str
    language: str
    texts: Mapping[str, str]
    forms: Mapping[str, Forms] = field(default_factory=dict)
    form_of: Callable[[int], int] = _english_form
    is_reviewed: bool = False

    def text(self, key: str, **values: str) -> str:
        """Return the sentence of `key` with its places filled; a place without a value reads as a dash.

        A key that the catalogue lacks returns its last part: a code is better than a broken page (a test proves that none lacks).
        """
        pattern = self.texts.get(key)
        if pattern is None:
            return key.rpartition(".")[2]
        if key in self.forms:
            forms = self.forms[key]
            number = values.get(forms.place, "")
            pattern = forms.patterns[self.form_of(int(number))] if number.isdecimal() else pattern
        before, after = _ISOLATE if direction_of(self.language) == "rtl" else ("", "")
        return "".join(
            literal + ("" if place is None else f"{before}{values.get(place, _UNKNOWN)}{after}")
            for literal, place, _format, _conversion in _FORMATTER.parse(pattern)
        )

    def section(self, name: str) -> dict[str, str]:
        """Return the patterns of one section by their short names (for scripts of a page)."""
        prefix = f"{name}."
        return {key.removeprefix(prefix): text for key, text in self.texts.items() if key.startswith(prefix)}

    def reason(self, code: str, parameters: Mapping[str, str]) -> str:
        """Return a reason's sentence. Parameters that are codes themselves (`field`, `reason`, `step`) are put into words, amounts into figures."""
        words = {
            name: amount_text(self.word(value, *_WORDS.get(name, (name,))), self.language)
            for name, value in parameters.items()
        }
        sentence = self.text(f"reason.{code}", **words)
        return sentence[:1].upper() + sentence[1:]

    def word(self, code: str, *sections: str) -> str:
        """Return a code in words by the first of `sections` that has any, else as it is."""
        return next((self.texts[key] for section in sections if (key := f"{section}.{code}") in self.texts), code)


Catalogues = Mapping[str, Catalogue]
"""Catalogues of one audience by language."""


def places(pattern: str) -> set[str]:
    """Return the names of the places in `pattern`. Raises `ValueError` for a broken pattern."""
    return {place for _literal, place, _format, _conversion in _FORMATTER.parse(pattern) if place is not None}


def _first_place(pattern: str) -> str:
    return next((place for _literal, place, _format, _conversion in _FORMATTER.parse(pattern) if place), "")


def template_path(audience: str, folder: Path = LOCALE_FOLDER) -> Path:
    """Return where an audience's English texts stand."""
    return folder / f"{audience}.pot"


def read_file(path: Path) -> PoFile:
    """Read a template or catalogue. Raises `CatalogueFault` naming the file."""
    try:
        return parse_po(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, PoMalformed) as error:
        raise CatalogueFault(f"{path}: {error}") from error


def load_catalogue(audience: str, language: str, folder: Path = LOCALE_FOLDER) -> Catalogue:
    """Read one catalogue. Raises `CatalogueFault` naming file and cause."""
    return load_catalogues(audience, [language], folder)[language]


def load_catalogues(audience: str, languages: Iterable[str], folder: Path = LOCALE_FOLDER) -> Catalogues:
    """Read the catalogues of one audience. Raises `CatalogueFault`."""
    template = read_file(template_path(audience, folder))
    return MappingProxyType({language: _catalogue(audience, language, template, folder) for language in languages})


def _catalogue(audience: str, language: str, template: PoFile, folder: Path) -> Catalogue:
    if language == SOURCE_LANGUAGE:
        return _english(audience, template)
    path = folder / f"{audience}.{language}.po"
    file = read_file(path)
    translated = file.by_key()
    texts: dict[str, str] = {}
    forms: dict[str, Forms] = {}
    rule = file.header.get("Plural-Forms", "")
    for source in template.entries:
        entry = translated.get(source.key)
        if entry is None or not entry.is_complete:
            texts[source.key] = source.english_plural or source.english
            continue
        texts[source.key] = entry.translations[-1]
        if entry.english_plural:
            forms[source.key] = Forms(_first_place(source.english_plural), entry.translations)
    form_of = _plural_rule(path, rule, {len(each.patterns) for each in forms.values()})
    return Catalogue(audience, language, MappingProxyType(texts), MappingProxyType(forms), form_of, is_reviewed(file))


def _english(audience: str, template: PoFile) -> Catalogue:
    def forms_of(entry: PoEntry) -> tuple[str, ...]:
        return (entry.english, entry.english_plural) if entry.english_plural else (entry.english,)

    texts = {entry.key: forms_of(entry)[-1] for entry in template.entries}
    forms = {
        entry.key: Forms(_first_place(entry.english_plural), forms_of(entry))
        for entry in template.entries
        if entry.english_plural
    }
    return Catalogue(
        audience,
        SOURCE_LANGUAGE,
        MappingProxyType(texts),
        MappingProxyType(forms),
        _english_form,
        is_reviewed(template),
    )


def is_reviewed(file: PoFile) -> bool:
    """Tell whether a speaker of the language has read the whole catalogue, by its header."""
    return file.header.get(REVIEW_FIELD, "").partition(" ")[0] == "reviewed"


def _plural_rule(path: Path, rule: str, counts: set[int]) -> Callable[[int], int]:
    """Return the header's plural rule. Raises `CatalogueFault` for one that is malformed or has another number of forms."""
    found = _PLURAL_FORMS.match(rule)
    if found is None:
        raise CatalogueFault(f"{path}: the header has no usable Plural-Forms")
    if counts - {int(found.group(1))}:
        raise CatalogueFault(f"{path}: a text has another number of plural forms than the header says")
    try:
        return gettext.c2py(found.group(2))
    except ValueError as error:
        raise CatalogueFault(f"{path}: {error}") from error


def load_safe_texts(folder: Path = LOCALE_FOLDER) -> Mapping[str, str]:
    """Return for each reason code the name of the one text (`safe.<name>`) that a traveller may be told."""
    path = folder / "safe_texts.toml"
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CatalogueFault(f"{path}: {error}") from error
    return MappingProxyType({code: name for name, codes in document["safe"].items() for code in codes})


def traveller_text(catalogue: Catalogue, safe_texts: Mapping[str, str], code: str) -> str:
    """Return the safe text for a reason; a code without one is a hidden cause like the others."""
    return catalogue.text(f"safe.{safe_texts.get(code, 'see_officer')}")


def pseudo_catalogue(source: Catalogue, growth_ratio: float = 0.4) -> Catalogue:
    """Return `source` accented, bracketed and longer by `growth_ratio`: layouts that hold it hold every language."""

    def grown(pattern: str) -> str:
        return _pseudo(pattern, growth_ratio)

    forms = {key: Forms(each.place, tuple(map(grown, each.patterns))) for key, each in source.forms.items()}
    texts = {key: grown(text) for key, text in source.texts.items()}
    return Catalogue(source.audience, PSEUDO_LANGUAGE, MappingProxyType(texts), MappingProxyType(forms))


def _pseudo(pattern: str, growth_ratio: float) -> str:
    accented = "".join(
        literal.translate(_ACCENTS) + ("" if place is None else f"{{{place}}}")
        for literal, place, _format, _conversion in _FORMATTER.parse(pattern)
    )
    added = max(1, round(len(pattern) * growth_ratio) - 2)
    tail = " ".join("ẋ" * min(6, added - start) for start in range(0, added, 7))
    return f"[{accented} {tail}]"
