"""Words for people: catalogues by audience and language, read from `locale/<audience>.<language>.toml`.

Codes travel through the whole house as codes; only here do they become sentences. The guard is told everything; the traveller gets
exactly one safe text for each reason, and all causes that must not be tipped off share one ("please see the officer").

Texts hold `{name}` places. What fills them is text from documents and devices: it is put in as it is, never read as a pattern, and
the page must escape it (Jinja autoescape, `textContent`).
"""

from __future__ import annotations

import string
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

LOCALE_FOLDER = Path(__file__).parent / "locale"

TRAVELLER_LANGUAGES = ("uz-Latn", "ru", "en")
GUARD_LANGUAGES = ("en", "ru", "uz-Latn")

LANGUAGE_NAMES: Mapping[str, str] = MappingProxyType({"uz-Latn": "O\u02bbzbekcha", "ru": "Русский", "en": "English"})
"""Each language's name in its own script, as the switch shows it."""

PSEUDO_LANGUAGE = "en-XA"
"""The pseudo-locale of the browser tests: accented and 40 % longer."""

_FORMATTER = string.Formatter()
_ACCENTS = str.maketrans("aeiouyAEIOUYcnsz", "áéíóúýÁÉÍÓÚÝçñšž")
_UNKNOWN = "\u2013"  # an en dash
_WORDS = {"reason": ("action_reason",), "step": ("step", "check")}
"""Sections in which the words of a parameter stand, where they are not called like the parameter."""


class CatalogueFault(Exception):
    """A catalogue file is missing, malformed or holds something that is not text."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All texts of one audience in one language. Keys are `section.name`."""

    audience: str
    language: str
    texts: Mapping[str, str]

    def text(self, key: str, **values: str) -> str:
        """Return the sentence of `key` with its places filled; a place without a value reads as a dash.

        A key that the catalogue lacks returns its last part: a code is better than a broken page (a test proves that none lacks).
        """
        pattern = self.texts.get(key)
        if pattern is None:
            return key.rpartition(".")[2]
        return "".join(
            literal + ("" if place is None else values.get(place, _UNKNOWN))
            for literal, place, _format, _conversion in _FORMATTER.parse(pattern)
        )

    def section(self, name: str) -> dict[str, str]:
        """Return the patterns of one section by their short names (for scripts of a page)."""
        prefix = f"{name}."
        return {key.removeprefix(prefix): text for key, text in self.texts.items() if key.startswith(prefix)}

    def reason(self, code: str, parameters: Mapping[str, str]) -> str:
        """Return a reason's sentence. Parameters that are codes themselves (`field`, `reason`, `step`) are put into words."""
        words = {name: self.word(value, *_WORDS.get(name, (name,))) for name, value in parameters.items()}
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


def load_catalogue(audience: str, language: str, folder: Path = LOCALE_FOLDER) -> Catalogue:
    """Read one catalogue. Raises `CatalogueFault` naming file and key."""
    path = folder / f"{audience}.{language}.toml"
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CatalogueFault(f"{path}: {error}") from error
    texts: dict[str, str] = {}
    for section, entries in document.items():
        for name, text in _entries(path, section, entries):
            texts[f"{section}.{name}"] = text
    return Catalogue(audience, language, MappingProxyType(texts))


def _entries(path: Path, section: str, entries: object) -> Iterator[tuple[str, str]]:
    if not isinstance(entries, dict):
        raise CatalogueFault(f"{path}: {section} is no table")
    for name, text in entries.items():
        if not isinstance(text, str) or not text.strip():
            raise CatalogueFault(f"{path}: {section}.{name} is no text")
        yield name, text


def load_catalogues(audience: str, languages: Iterable[str], folder: Path = LOCALE_FOLDER) -> Catalogues:
    """Read the catalogues of one audience. Raises `CatalogueFault`."""
    return MappingProxyType({language: load_catalogue(audience, language, folder) for language in languages})


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
    return Catalogue(
        source.audience,
        PSEUDO_LANGUAGE,
        MappingProxyType({key: _pseudo(text, growth_ratio) for key, text in source.texts.items()}),
    )


def _pseudo(pattern: str, growth_ratio: float) -> str:
    accented = "".join(
        literal.translate(_ACCENTS) + ("" if place is None else f"{{{place}}}")
        for literal, place, _format, _conversion in _FORMATTER.parse(pattern)
    )
    added = max(1, round(len(pattern) * growth_ratio) - 2)
    tail = " ".join("ẋ" * min(6, added - start) for start in range(0, added, 7))
    return f"[{accented} {tail}]"
