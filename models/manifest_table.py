"""One TOML table read field by field: what is missing, of the wrong kind or out of range is refused with its name and the reason.

`close` refuses what nobody read, so that a misspelt or invented key never passes unnoticed.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Collection
from typing import Any

from models.errors import CatalogueFault

_SHA256 = re.compile(r"[0-9a-f]{64}")


class ManifestTable:
    """A table of one file, with its path inside it."""

    def __init__(self, table: dict[str, Any], file: str, place: str = "") -> None:
        self._left = dict(table)
        self._file = file
        self._place = place

    @classmethod
    def of(cls, text: str, file: str) -> ManifestTable:
        """Return the top table of a TOML text. Raises `CatalogueFault` when it is no TOML."""
        try:
            return cls(tomllib.loads(text), file)
        except tomllib.TOMLDecodeError as error:
            raise CatalogueFault(f"{file}: {error}", code="MD-CAT-005") from error

    def refusal(self, field: str, reason: str) -> CatalogueFault:
        """Return the fault for a field of this table."""
        place = f"{self._place}.{field}" if self._place else field
        return CatalogueFault(f"{self._file}: {place} {reason}", code="MD-CAT-005")

    def _taken(self, field: str, default: Any) -> Any:
        if field in self._left:
            return self._left.pop(field)
        if default is None:
            raise self.refusal(field, "is missing")
        return default

    def has(self, field: str) -> bool:
        """Say whether the field is there and was not read yet."""
        return field in self._left

    def text(self, field: str, default: str | None = None, choices: Collection[str] | None = None) -> str:
        """Return a text, stripped; not empty unless the default is, and one of `choices` when there are any."""
        value = self._taken(field, default)
        if not isinstance(value, str):
            raise self.refusal(field, "must be a text")
        value = value.strip()
        if not value and default != "":
            raise self.refusal(field, "is empty")
        if choices is not None and value not in choices:
            raise self.refusal(field, f"is {value!r}; there are {', '.join(sorted(choices))}")
        return value

    def sha256(self, field: str, default: str | None = None) -> str:
        """Return a SHA-256 in 64 lower-case hexadecimal digits, or the default."""
        value = self.text(field, default)
        if value and not _SHA256.fullmatch(value):
            raise self.refusal(field, "is no SHA-256 of 64 lower-case hexadecimal digits")
        return value

    def whole(self, field: str, lowest: int, highest: int, default: int | None = None) -> int:
        """Return a whole number of a range."""
        value = self._taken(field, default)
        if type(value) is not int or not lowest <= value <= highest:
            raise self.refusal(field, f"must be a whole number from {lowest} to {highest}")
        return value

    def number(self, field: str, lowest: float, highest: float, default: float | None = None) -> float:
        """Return a finite number of a range."""
        return self._number(field, self._taken(field, default), lowest, highest)

    def _number(self, field: str, value: Any, lowest: float, highest: float) -> float:
        if type(value) not in {int, float} or not math.isfinite(value) or not lowest <= value <= highest:
            raise self.refusal(field, f"must be a number from {lowest:g} to {highest:g}")
        return float(value)

    def numbers(self, field: str, count: int, lowest: float, highest: float) -> tuple[float, ...]:
        """Return `count` finite numbers of a range; one number alone stands for all of them."""
        value = self._taken(field, None)
        if type(value) in {int, float}:
            value = [value] * count
        if not isinstance(value, list) or len(value) != count:
            raise self.refusal(field, f"must be {count} numbers")
        return tuple(self._number(field, item, lowest, highest) for item in value)

    def boolean(self, field: str, *, default: bool) -> bool:
        """Return true or false."""
        value = self._taken(field, default)
        if not isinstance(value, bool):
            raise self.refusal(field, "must be true or false")
        return value

    def texts(self, field: str) -> tuple[str, ...]:
        """Return a list of at least one text."""
        value = self._taken(field, None)
        if (
            not isinstance(value, list)
            or not value
            or not all(isinstance(item, str) and item.strip() for item in value)
        ):
            raise self.refusal(field, "must be a list of texts")
        return tuple(value)

    def table(self, field: str) -> ManifestTable:
        """Return a table inside this one."""
        value = self._taken(field, None)
        if not isinstance(value, dict):
            raise self.refusal(field, "must be a table")
        return ManifestTable(value, self._file, f"{self._place}.{field}" if self._place else field)

    def tables(self, field: str) -> list[ManifestTable]:
        """Return a list of at least one table."""
        value = self._taken(field, None)
        if not isinstance(value, list) or not value or not all(isinstance(item, dict) for item in value):
            raise self.refusal(field, "must be a list of tables")
        return [ManifestTable(item, self._file, f"{self._place}{field}[{index}]") for index, item in enumerate(value)]

    def names(self) -> tuple[str, ...]:
        """Return the fields not read yet, in the order of the file."""
        return tuple(self._left)

    def close(self) -> None:
        """Refuse what was not read."""
        for field in self._left:
            raise self.refusal(field, "is no key that is known here")
