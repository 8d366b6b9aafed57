"""JSON that means one thing only (RFC 8259 within the limits of RFC 7493, I-JSON).

Python's own loader takes NaN, lets the last of two equal keys win and raises RecursionError on deep nesting. Everything that
arrives from outside a process is read here instead.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from central_sync.errors import StrictJsonError

JSON: TypeAlias = dict[str, "JSON"] | list["JSON"] | str | int | float | bool | None
"""What `loads` returns."""

JsonInput: TypeAlias = (
    Mapping[str, "JsonInput"] | Sequence["JsonInput"] | str | int | float | bool | None
)  # str is a Sequence as well; both spellings are meant
"""What `dumps` takes."""

SYNTAX, TOO_LARGE, TOO_DEEP, KEY_TWICE, NUMBER = (f"CS-JSN-{number:03d}" for number in range(1, 6))

_INTEGER_LIMIT = 2**63
_LONGEST_NUMBER = 40
# Possessive, and matching to the end of an unterminated string: linear time whatever the text.
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{}]")
_SURROGATE_ESCAPE = re.compile(r"\\u[dD]")


def loads(text: bytes | str, *, max_bytes: int = 1_000_000, max_depth: int = 32) -> JSON:
    """Return the value that `text` means.

    Raises `StrictJsonError` for text above `max_bytes` (counted in UTF-8), nesting above `max_depth`, a key that stands twice in
    one object, NaN and infinities (also as overflow), integers beyond 64 bits, lone surrogates and everything that is not JSON.
    """
    decoded = _decoded(text, max_bytes)
    _refuse_depth(decoded, max_depth)
    try:
        value: JSON = json.loads(
            decoded,
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_int=_integer,
            parse_float=_real,
        )
    except json.JSONDecodeError as error:
        raise StrictJsonError(f"not JSON: {error.msg} at character {error.pos}", code=SYNTAX) from error
    if _SURROGATE_ESCAPE.search(decoded):
        try:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError as error:
            raise StrictJsonError("half of a surrogate pair in a string", code=SYNTAX) from error
    return value


def load_object(text: bytes | str, *, max_bytes: int = 1_000_000, max_depth: int = 32) -> dict[str, JSON]:
    """Return what `loads` returns when that is an object; raise `StrictJsonError` otherwise."""
    value = loads(text, max_bytes=max_bytes, max_depth=max_depth)
    if not isinstance(value, dict):
        raise StrictJsonError("an object is expected", code=SYNTAX)
    return value


def dumps(value: JsonInput) -> bytes:
    """Return the canonical UTF-8 bytes of `value`: keys sorted, no spaces, no escapes but the necessary ones.

    Raises `StrictJsonError` for what `loads` would refuse: NaN, infinities, 64-bit overflow, keys that are not text.
    """
    _refuse_unwritable(value)
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")).encode(
            "utf-8"
        )
    except UnicodeEncodeError as error:
        raise StrictJsonError("half of a surrogate pair in a string", code=SYNTAX) from error
    except (TypeError, RecursionError) as error:
        raise StrictJsonError(f"cannot be written as JSON: {error}", code=SYNTAX) from error


def _decoded(text: bytes | str, max_bytes: int) -> str:
    if len(text) > max_bytes:
        raise StrictJsonError(f"longer than {max_bytes} bytes", code=TOO_LARGE)
    if isinstance(text, bytes):
        try:
            return text.decode("utf-8")
        except UnicodeDecodeError as error:
            raise StrictJsonError(f"not UTF-8 at byte {error.start}", code=SYNTAX) from error
    try:
        encoded_length = len(text.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise StrictJsonError("half of a surrogate pair in the text", code=SYNTAX) from error
    if encoded_length > max_bytes:
        raise StrictJsonError(f"longer than {max_bytes} bytes", code=TOO_LARGE)
    return text


def _refuse_depth(text: str, max_depth: int) -> None:
    if text.count("[") + text.count("{") <= max_depth:
        return  # the usual record: too few brackets to be too deep
    depth = 0
    for bracket in _BRACKET.finditer(_STRING.sub("", text)):
        depth += 1 if bracket.group() in "[{" else -1
        if depth > max_depth:
            raise StrictJsonError(f"nested deeper than {max_depth}", code=TOO_DEEP)


def _object(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise StrictJsonError("a key stands twice in one object", code=KEY_TWICE)
    return members


def _constant(name: str) -> JSON:
    raise StrictJsonError(f"{name} is no JSON number", code=NUMBER)


def _integer(digits: str) -> int:
    if len(digits) > _LONGEST_NUMBER:
        raise StrictJsonError("integer beyond 64 bits", code=NUMBER)
    number = int(digits)
    if not -_INTEGER_LIMIT <= number < _INTEGER_LIMIT:
        raise StrictJsonError("integer beyond 64 bits", code=NUMBER)
    return number


def _real(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number) or len(digits) > _LONGEST_NUMBER:
        raise StrictJsonError("number out of range", code=NUMBER)
    return number


def _refuse_unwritable(value: JsonInput) -> None:
    pending: list[object] = [value]
    while pending:
        part = pending.pop()
        if isinstance(part, Mapping):
            if not all(isinstance(key, str) for key in part):
                raise StrictJsonError("a key is not text", code=SYNTAX)
            pending.extend(part.values())
        elif isinstance(part, list | tuple):
            pending.extend(part)
        elif isinstance(part, float) and not math.isfinite(part):
            raise StrictJsonError("number out of range", code=NUMBER)
        elif isinstance(part, int) and not isinstance(part, bool) and not -_INTEGER_LIMIT <= part < _INTEGER_LIMIT:
            raise StrictJsonError("integer beyond 64 bits", code=NUMBER)
