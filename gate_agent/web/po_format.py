"""The gettext `.po` format as our catalogues use it: one entry for each text, `msgctxt` is its key, `msgid` the English sentence.

Stricter than gettext's own readers, for a gate must not start on half a catalogue: a line that is not understood, a key that stands
twice or a form that is missing is refused with its line. A test reads every catalogue with Babel, too, and finds the same.

Source: GNU gettext manual, "The Format of PO Files".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

_FIELD = re.compile(r'(msgctxt|msgid_plural|msgid|msgstr(?:\[(\d)\])?) "(.*)"\Z')
_MORE = re.compile(r'"(.*)"\Z')
_STRING = re.compile(r'(?:[^"\\]|\\[nt"\\])*\Z')
_ESCAPED = re.compile(r"\\(.)")
_UNESCAPED = {"n": "\n", "t": "\t", '"': '"', "\\": "\\"}


class PoMalformed(ValueError):
    """A catalogue file cannot be read; the text names line and cause."""


@dataclass(frozen=True, slots=True)
class PoEntry:
    """One text. `translations` has one form, or as many as the language's plural rule where `english_plural` is set.

    An empty form is a missing translation. `comments` are the translator's, kept as they are.
    """

    key: str
    english: str
    translations: tuple[str, ...] = ("",)
    english_plural: str = ""
    is_fuzzy: bool = False
    comments: tuple[str, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Tell whether every form is there and nobody has to look at it again."""
        return not self.is_fuzzy and all(form.strip() for form in self.translations)


@dataclass(frozen=True, slots=True)
class PoFile:
    """A catalogue file: its header by field name, and its entries in the file's order."""

    header: Mapping[str, str]
    entries: tuple[PoEntry, ...]
    comments: tuple[str, ...] = ()

    def by_key(self) -> dict[str, PoEntry]:
        """Return the entries by key."""
        return {entry.key: entry for entry in self.entries}


def parse_po(text: str) -> PoFile:
    """Read a file's text. Raises `PoMalformed`."""
    blocks = list(_blocks(text))
    if not blocks or "msgctxt" in blocks[0].fields or blocks[0].fields.get("msgid") != "":
        raise PoMalformed("line 1: a catalogue begins with its header, an entry with an empty msgid")
    header: dict[str, str] = {}
    for line in blocks[0].fields.get("msgstr", "").splitlines():
        name, colon, value = line.partition(":")
        if not colon:
            raise PoMalformed(f"line {blocks[0].line}: the header's “{line}” is no field")
        header[name.strip()] = value.strip()
    entries: dict[str, PoEntry] = {}
    for block in blocks[1:]:
        entry = _entry(block)
        if entry.key in entries:
            raise PoMalformed(f"line {block.line}: {entry.key} stands twice")
        entries[entry.key] = entry
    return PoFile(MappingProxyType(header), tuple(entries.values()), blocks[0].comments)


def write_po(file: PoFile) -> str:
    """Return the text of a file: one line for each string, so that two people's changes merge."""
    header = [
        *file.comments,
        'msgid ""',
        'msgstr ""',
        *(_quoted(f"{name}: {value}\n") for name, value in file.header.items()),
    ]
    return "\n".join(["\n".join(header), *("\n" + "\n".join(_lines(entry)) for entry in file.entries)]) + "\n"


def _lines(entry: PoEntry) -> Iterator[str]:
    yield from entry.comments
    if entry.is_fuzzy:
        yield "#, fuzzy"
    yield f"msgctxt {_quoted(entry.key)}"
    yield f"msgid {_quoted(entry.english)}"
    if not entry.english_plural:
        yield f"msgstr {_quoted(entry.translations[0])}"
        return
    yield f"msgid_plural {_quoted(entry.english_plural)}"
    for number, form in enumerate(entry.translations):
        yield f"msgstr[{number}] {_quoted(form)}"


def _quoted(text: str) -> str:
    for letter, character in (("\\", "\\"), ('"', '"'), ("n", "\n"), ("t", "\t")):
        text = text.replace(character, f"\\{letter}")
    return f'"{text}"'


@dataclass(slots=True)
class _Block:
    line: int
    fields: dict[str, str]
    comments: tuple[str, ...]
    is_fuzzy: bool


def _blocks(text: str) -> Iterator[_Block]:
    """Yield what stands between empty lines."""
    lines: list[tuple[int, str]] = []
    for number, line in enumerate([*text.split("\n"), ""], start=1):
        if line.strip():
            lines.append((number, line))
        elif lines:
            yield _block(lines)
            lines = []


def _block(lines: Iterable[tuple[int, str]]) -> _Block:
    comments: list[str] = []
    fields: dict[str, str] = {}
    is_fuzzy, open_field, first = False, "", 0
    for number, line in lines:
        first = first or number
        if line.startswith("#~"):
            raise PoMalformed(f"line {number}: an obsolete entry; take it out")
        if line.startswith("#,"):
            is_fuzzy = is_fuzzy or "fuzzy" in line
        elif line.startswith("#"):
            comments.append(line)
        elif (field := _FIELD.match(line)) is not None:
            open_field = field.group(1)
            if open_field in fields:
                raise PoMalformed(f"line {number}: {open_field} stands twice in one entry; an empty line ends an entry")
            fields[open_field] = _unquoted(number, field.group(3))
        elif open_field and (more := _MORE.match(line)) is not None:
            fields[open_field] += _unquoted(number, more.group(1))
        else:
            raise PoMalformed(f"line {number}: not understood: {line[:60]}")
    return _Block(first, fields, tuple(comments), is_fuzzy)


def _unquoted(number: int, inside: str) -> str:
    if _STRING.match(inside) is None:
        raise PoMalformed(f"line {number}: a quote or backslash that is not escaped")
    return _ESCAPED.sub(lambda found: _UNESCAPED[found.group(1)], inside)


def _entry(block: _Block) -> PoEntry:
    fields = block.fields
    plural = fields.get("msgid_plural", "")
    names = sorted(name for name in fields if name.startswith("msgstr"))
    expected = [f"msgstr[{number}]" for number in range(len(names))] if plural else ["msgstr"]
    if not fields.get("msgctxt") or not fields.get("msgid") or not names or names != expected:
        raise PoMalformed(
            f"line {block.line}: an entry needs msgctxt, msgid and {'msgstr[0], …' if plural else 'msgstr'}"
        )
    return PoEntry(
        fields["msgctxt"],
        fields["msgid"],
        tuple(fields[name] for name in names),
        plural,
        block.is_fuzzy,
        block.comments,
    )
