"""One posted form: its fields, what is wrong with them, and the lists that pages add to and take from."""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from gate_agent.domain.money import Money
from gate_agent.web import number_entry
from gate_agent.web.number_entry import EntryRefused

MOST_FIELDS = 120


@dataclass(frozen=True, slots=True)
class Wrong:
    """One thing to mend: the field, the sentence's key, the label's key for sentences that name the field.

    `number` says which of several rows it is, `kind` which kind of goods; 0 and "" where there is only one.
    """

    field: str
    key: str
    label: str = ""
    number: int = 0
    kind: str = ""


class Form:
    """The fields of one posted form."""

    def __init__(self, fields: Mapping[str, list[str]]) -> None:
        self._fields = fields

    @classmethod
    def parse(cls, body: bytes) -> Form:
        """Read `application/x-www-form-urlencoded`. Raises `ValueError` for too many fields."""
        text = body.decode("ascii", "replace")
        return cls(urllib.parse.parse_qs(text, keep_blank_values=True, errors="replace", max_num_fields=MOST_FIELDS))

    def one(self, name: str) -> str:
        """Return the first value of a field as typed, "" when it is not there."""
        return self._fields.get(name, [""])[0]

    def every(self, name: str) -> list[str]:
        """Return all values of a field (checkboxes)."""
        return self._fields.get(name, [])

    def is_filled(self, *names: str) -> bool:
        """Return whether anything was typed into one of the fields."""
        return any(self.one(name).strip() for name in names)


Read = TypeVar("Read")


class Reading:
    """Reads fields and collects what is wrong with them, so that a page names all of it at once."""

    def __init__(self, form: Form) -> None:
        self._form = form
        self.wrongs: list[Wrong] = []

    def field(
        self, name: str, read: Callable[[str], Read], label: str = "", number: int = 0, kind: str = ""
    ) -> Read | None:
        """Return the value of a field, None when it is not as asked for."""
        try:
            return read(self._form.one(name))
        except EntryRefused as refused:
            self.wrongs.append(Wrong(name, refused.key, label, number, kind))
            return None

    def chosen(self, name: str, read: Callable[[str], Read]) -> Read | None:
        """Return what was chosen of a list, None when nothing of it was."""
        try:
            return read(self._form.one(name))
        except ValueError:
            self.wrongs.append(Wrong(name, f"choose_{name}"))
            return None

    def money(self, amount: str, currency: str, amount_label: str, number: int = 0) -> Money | None:
        """Return an amount with its currency from two fields, None when one of them is not as asked for."""
        try:
            return number_entry.money(self._form.one(amount), self._form.one(currency))
        except EntryRefused as refused:
            if refused.key == "currency_missing":
                self.wrongs.append(Wrong(currency, refused.key))
            else:
                self.wrongs.append(Wrong(amount, refused.key, amount_label, number))
            return None


def is_removal(lines: list[Read], form: Form) -> bool:
    """Remove the line that was asked to go, if one was; a line that is gone already stays gone."""
    wanted = form.one("remove")
    if not wanted:
        return False
    if wanted.isascii() and wanted.isdecimal() and len(wanted) <= 3 and int(wanted) < len(lines):
        del lines[int(wanted)]
    return True


def is_finished(lines: Sequence[object], form: Form, *names: str) -> bool:
    """Say whether the traveller goes on with what is in the list, leaving the fields empty."""
    return bool(lines) and form.one("action") == "continue" and not form.is_filled(*names)
