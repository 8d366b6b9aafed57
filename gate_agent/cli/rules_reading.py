"""What `egate rules` reads: JSON from a file or standard input, strictly and up to a size."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from gate_agent.errors import EgateError

Named = TypeVar("Named", bound=StrEnum)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
LARGEST_QUESTION_BYTES = 1_000_000
LARGEST_RULEBOOK_BYTES = 4_000_000
LARGEST_BUNDLE_BYTES = 8_000_000


class QuestionRefused(EgateError):
    """The question on standard input is not one, or a file is not what it should be."""

    code = "EG-RUL-001"


def load(content: bytes, max_bytes: int = LARGEST_RULEBOOK_BYTES) -> dict[str, Any]:
    """Return the object in a JSON text. Raises `QuestionRefused`."""
    from central_sync import strict_json
    from central_sync.errors import StrictJsonError

    try:
        return dict(strict_json.load_object(content, max_bytes=max_bytes))
    except StrictJsonError as error:
        raise QuestionRefused(f"not usable JSON: {error}") from error


def read(path: Path, max_bytes: int) -> bytes:
    """Return the content of a file. Raises `QuestionRefused`."""
    try:
        with path.open("rb") as stream:
            content = stream.read(max_bytes + 1)
    except OSError as error:
        raise QuestionRefused(f"{path}: {error.strerror}") from error
    if len(content) > max_bytes:
        raise QuestionRefused(f"{path}: longer than {max_bytes} bytes")
    return content


def refuse_unknown(where: str, members: Any, known: set[str]) -> None:
    """Refuse a member that nobody reads: a misspelled `goods` must not become an answer about no goods."""
    if not isinstance(members, dict):
        raise QuestionRefused(f"{where}: an object is expected")
    unknown = sorted(set(members) - known)
    if unknown:
        raise QuestionRefused(f"{where}: not known: {', '.join(unknown)[:200]}")


def lines_of(question: dict[str, Any], name: str, known: set[str]) -> list[dict[str, Any]]:
    """Return a list of objects whose members are all known; empty when it is not there."""
    lines = question.get(name, [])
    if not isinstance(lines, list):
        raise QuestionRefused(f"{name}: a list is expected")
    for line in lines:
        refuse_unknown(name, line, known)
    return lines


def day_of(question: dict[str, Any], name: str) -> date:
    """Return a member that is a date. Raises `QuestionRefused`."""
    written = question.get(name)
    try:
        day = date.fromisoformat(written) if isinstance(written, str) and _DAY.fullmatch(written) else None
    except ValueError:
        day = None
    if day is None or not 1900 <= day.year < 2200:
        raise QuestionRefused(f"{name}: a date YYYY-MM-DD from 1900 to 2199 is expected")
    return day


def named(kind: type[Named], members: Mapping[str, Any], name: str) -> Named:
    """Return a member that is a word of an enumeration. Raises `QuestionRefused`."""
    try:
        return kind(members.get(name, ""))
    except ValueError as error:
        raise QuestionRefused(f"{name}: one of {', '.join(kind)} is expected") from error


def whole_of(members: dict[str, Any], name: str, least: int = 0) -> int | None:
    """Return a whole number, None when it is not there."""
    value = members.get(name)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or not least <= value < 10**12):
        raise QuestionRefused(f"{name}: a whole number from {least} on is expected")
    return value
