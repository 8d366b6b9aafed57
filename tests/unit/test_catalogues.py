"""The catalogues are whole: nothing missing, fuzzy, obsolete or outdated; places, letters and plural forms are right."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from gate_agent.web import i18n
from gate_agent.web.catalogue_findings import AUDIENCES, Audience, findings
from gate_agent.web.languages import direction_of
from gate_agent.web.po_format import PoEntry, PoFile, parse_po, write_po

FILES = [(audience, language) for audience in AUDIENCES.values() for language in audience.languages]


def named(case: tuple[Audience, str]) -> str:
    return f"{case[0].name}-{case[1]}"


@pytest.mark.parametrize("audience", AUDIENCES.values(), ids=lambda one: one.name)
def test_nothing_is_missing_or_wrong(audience: Audience) -> None:
    assert list(findings(audience)) == []


@pytest.mark.parametrize("case", FILES, ids=named)
def test_files_are_written_as_the_tool_writes_them(case: tuple[Audience, str]) -> None:
    """So that two people's changes merge line by line."""
    text = case[0].path(case[1]).read_text(encoding="utf-8")
    assert write_po(parse_po(text)) == text


@pytest.mark.parametrize("case", FILES, ids=named)
def test_babel_reads_the_same(case: tuple[Audience, str]) -> None:
    audience, language = case
    path = audience.path(language)
    ours = i18n.read_file(path).entries
    with path.open("rb") as file:
        theirs = {message.context: message for message in read_po(file, abort_invalid=True) if message.id}
    assert theirs.keys() == {entry.key for entry in ours}
    for entry in ours:
        message = theirs[entry.key]
        english = (entry.english, entry.english_plural) if entry.english_plural else entry.english
        assert message.id == english
        if language != "en":
            assert message.string == (entry.translations if entry.english_plural else entry.translations[0])


@pytest.mark.parametrize("case", [case for case in FILES if case[1] != "en"], ids=named)
def test_translations_are_translated(case: tuple[Audience, str]) -> None:
    def has_words(english: str) -> bool:
        return len(re.sub(r"\{\w*\}|[\W\d_]", "", english)) > 10

    entries = i18n.read_file(case[0].path(case[1])).entries
    assert [entry.key for entry in entries if has_words(entry.english) and entry.english in entry.translations] == []


MIXED = re.compile(r"[*+][0-9#]|[A-Za-z0-9] [A-Za-z0-9]|[0-9]-?[A-Za-z]")
"""What would change its order between words that run from right to left."""


@pytest.mark.parametrize("case", [case for case in FILES if direction_of(case[1]) == "rtl"], ids=named)
def test_numbers_to_be_typed_are_isolated_between_words_from_right_to_left(case: tuple[Audience, str]) -> None:
    for entry in i18n.read_file(case[0].path(case[1])).entries:
        for form in entry.translations:
            outside = re.sub("\u2066[^\u2069]*\u2069", "", re.sub(r"\{\w*\}", "", form))
            assert form.count("\u2066") == form.count("\u2069")
            assert not MIXED.search(outside), entry.key


HEADER = {"Language": "uz-Latn", "Plural-Forms": "nplurals=2; plural=(n != 1);", "X-Review": "machine-made"}
SOURCE = PoFile({**HEADER, "Language": "en"}, (PoEntry("a.b", "Go on, {name}"), PoEntry("a.c", "Good")))
WHOLE = PoFile(HEADER, (PoEntry("a.b", "Go on, {name}", ("Oʻting, {name}",)), PoEntry("a.c", "Good", ("Yaxshi",))))


def found(folder: Path, file: PoFile) -> list[str]:
    (folder / "some.pot").write_text(write_po(SOURCE), encoding="utf-8")
    (folder / "some.uz-Latn.po").write_text(write_po(file), encoding="utf-8")
    return [finding.partition(": ")[2] for finding in findings(Audience("some", folder, ("en", "uz-Latn")))]


def with_first(**changed: object) -> PoFile:
    return replace(WHOLE, entries=(replace(WHOLE.entries[0], **changed), WHOLE.entries[1]))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (WHOLE, []),
        (replace(WHOLE, entries=WHOLE.entries[:1]), ["a.c: missing"]),
        (with_first(translations=("",)), ["a.b: missing"]),
        (with_first(is_fuzzy=True), ["a.b: fuzzy"]),
        (with_first(english="Go on"), ["a.b: the English text has changed since"]),
        (replace(WHOLE, entries=(*WHOLE.entries, PoEntry("a.d", "Old", ("Eski",)))), ["a.d: obsolete, the template does not have it"]),
        (with_first(translations=("Oʻting",)), ["a.b: its places are [], not ['name']"]),
        (with_first(translations=("Oʻting, {nomi}",)), ["a.b: its places are ['nomi'], not ['name']"]),
        (with_first(translations=("Oʻting, {name",)), ["a.b: its places cannot be read"]),
        (with_first(translations=("O'ting, {name}",)), ["a.b: an apostrophe that is no letter: U+02BB after o and g, U+02BC elsewhere"]),
        (with_first(translations=("O‘ting, {name}",)), ["a.b: an apostrophe that is no letter: U+02BB after o and g, U+02BC elsewhere"]),
        (with_first(translations=("Oʻting, Maʻmur {name}",)), ["a.b: U+02BB stands elsewhere than after o or g"]),
        (with_first(translations=("Oʼting, {name}",)), ["a.b: U+02BC stands after o or g"]),
        (replace(WHOLE, header={**HEADER, "X-Review": "reviewed"}), ["header: X-Review is neither “machine-made” nor “reviewed YYYY-MM-DD by …”"]),
        (replace(WHOLE, header={**HEADER, "Language": "uz"}), ["header: Language is not uz-Latn"]),
    ],
)  # fmt: skip
def test_each_fault_is_found(tmp_path: Path, file: PoFile, expected: list[str]) -> None:
    assert found(tmp_path, file) == expected


def test_english_stands_in_for_what_is_missing(tmp_path: Path) -> None:
    found(tmp_path, replace(WHOLE, entries=WHOLE.entries[:1]))
    loaded = i18n.load_catalogue("some", "uz-Latn", tmp_path)
    assert (loaded.text("a.b", name="A"), loaded.text("a.c")) == ("Oʻting, A", "Good")


@pytest.mark.parametrize(
    ("language", "days", "expected"),
    [
        ("en", "1", "Stayed 1 day longer than allowed"),
        ("en", "12", "Stayed 12 days longer than allowed"),
        ("en", "many", "Stayed many days longer than allowed"),
        ("ru", "1", "Превышение срока пребывания на 1 день"),
        ("ru", "2", "Превышение срока пребывания на 2 дня"),
        ("ru", "11", "Превышение срока пребывания на 11 дней"),
        ("ru", "21", "Превышение срока пребывания на 21 день"),
        ("uz-Latn", "1", "Ruxsat etilganidan 1 kun koʻp turgan"),
        ("uz-Cyrl", "5", "Рухсат этилганидан 5 кун кўп турган"),
    ],
)
def test_a_number_decides_between_plural_forms(language: str, days: str, expected: str) -> None:
    words = i18n.load_catalogue("guard", language)
    assert words.reason("stay_overstayed", {"days": days}) == expected


def test_the_place_that_decides_is_the_same_in_every_language() -> None:
    """Uzbek says the window first; the days decide all the same."""
    for language in i18n.GUARD_LANGUAGES:
        forms = i18n.load_catalogue("guard", language).forms["reason.stay_days_used"]
        assert forms.place == "days"
