"""The texts that people read: what is missing, a new text, and catalogues brought in line with their templates.

    python tools/texts.py check [AUDIENCE…]                     every finding; exit 1 when there is one
    python tools/texts.py update [AUDIENCE…]                    order, English and new entries of the template into every catalogue, then derive
    python tools/texts.py add AUDIENCE KEY en TEXT [ru TEXT …]  one text into the template and the catalogues named
    python tools/texts.py derive                                the uz-Cyrl catalogues from those of uz-Latn

AUDIENCE is guard, desk, traveller or portal. docs/languages.md tells the rest.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from gate_agent.web.catalogue_findings import AUDIENCES, Audience, findings
from gate_agent.web.i18n import REVIEW_FIELD, SOURCE_LANGUAGE, read_file
from gate_agent.web.po_format import PoEntry, PoFile, write_po
from tools.uzbek_cyrillic import cyrillic

UZBEK_LATIN, UZBEK_CYRILLIC = "uz-Latn", "uz-Cyrl"


def check(audiences: Iterable[Audience]) -> int:
    """Print every finding."""
    found = [finding for audience in audiences for finding in findings(audience)]
    print("\n".join(found) or "nothing is missing")
    return 1 if found else 0


def update(audiences: Iterable[Audience]) -> int:
    """Rewrite the catalogues; a translation of an English sentence that has changed is marked fuzzy."""
    for audience in audiences:
        template = read_file(audience.path(SOURCE_LANGUAGE))
        _save(audience.path(SOURCE_LANGUAGE), template)
        for language in audience.languages:
            if language != SOURCE_LANGUAGE:
                path = audience.path(language)
                _save(path, brought_in_line(read_file(path), template))
    return 0


def brought_in_line(file: PoFile, template: PoFile) -> PoFile:
    """Return a catalogue with exactly the template's entries, in its order."""
    translated = file.by_key()
    forms = int(file.header["Plural-Forms"].partition("nplurals=")[2][:1])

    def entry(source: PoEntry) -> PoEntry:
        count = forms if source.english_plural else 1
        held = translated.get(source.key)
        if held is None or len(held.translations) != count:
            return replace(source, translations=("",) * count)
        has_changed = (held.english, held.english_plural) != (source.english, source.english_plural)
        return replace(held, english=source.english, english_plural=source.english_plural,
                       is_fuzzy=held.is_fuzzy or (has_changed and held.is_complete))  # fmt: skip

    return replace(file, entries=tuple(entry(source) for source in template.entries))


def add(audience: Audience, key: str, texts: Mapping[str, str]) -> None:
    """Put one text, by language, into the template and catalogues; behind the last text of its section."""
    for language in audience.languages:
        path = audience.path(language)
        file = read_file(path)
        if language in texts or language == SOURCE_LANGUAGE:
            translation = "" if language == SOURCE_LANGUAGE else texts[language]
            english = texts.get(SOURCE_LANGUAGE) or read_file(audience.path(SOURCE_LANGUAGE)).by_key()[key].english
            _save(path, _with(file, PoEntry(key, english, (translation,))))


def _with(file: PoFile, entry: PoEntry) -> PoFile:
    held = file.by_key().get(entry.key)
    if held is not None:
        entries = tuple(replace(entry, comments=held.comments) if one.key == entry.key else one for one in file.entries)
        return replace(file, entries=entries)
    section = entry.key.partition(".")[0] + "."
    place = max((n for n, one in enumerate(file.entries, 1) if one.key.startswith(section)), default=len(file.entries))
    return replace(file, entries=(*file.entries[:place], entry, *file.entries[place:]))


def derive() -> int:
    """Write the catalogues of Uzbek in Cyrillic letters."""
    for audience in AUDIENCES.values():
        _save(audience.path(UZBEK_CYRILLIC), derived(read_file(audience.path(UZBEK_LATIN))))
    return 0


def derived(latin: PoFile) -> PoFile:
    """Return a catalogue of uz-Latn in Cyrillic letters; it is as reviewed as a machine's work is."""
    header = {**latin.header, "Language": UZBEK_CYRILLIC, REVIEW_FIELD: "machine-made", "X-Derived-From": UZBEK_LATIN}
    entries = (replace(one, translations=tuple(map(cyrillic, one.translations))) for one in latin.entries)
    return PoFile(header, tuple(entries))


def _save(path: Path, file: PoFile) -> None:
    path.write_text(write_po(file), encoding="utf-8")


def main(arguments: list[str]) -> int:
    """Carry out one command."""
    match arguments:
        case ["check" | "update" as command, *names] if set(names) <= AUDIENCES.keys():
            audiences = [AUDIENCES[name] for name in names or AUDIENCES]
            return check(audiences) if command == "check" else update(audiences) or derive()
        case ["add", name, key, *pairs] if name in AUDIENCES and "." in key and pairs and len(pairs) % 2 == 0:
            add(AUDIENCES[name], key, dict(zip(pairs[::2], pairs[1::2], strict=True)))
            return derive()
        case ["derive"]:
            return derive()
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
