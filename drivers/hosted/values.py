"""Typed values as JSON and bytes, and back, strictly: what the type hints of a frozen dataclass do not allow is refused.

Bytes are taken out and stand, one after the other, behind the JSON, where their length is left. A payload that the contract gains later
travels without a line here. Nothing is ever unpickled, evaluated or looked up by a name that the other side chooses freely.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import types
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints

TEXT_LIMIT_CHARACTERS = 65_536
_WHOLE_NUMBER_LIMIT = 1 << 63
_KIND = "is"


class ValueRefused(ValueError):
    """A value that its type does not allow."""


def pack(value: object, parts: list[bytes]) -> Any:
    """Return what of a value is JSON; its bytes are added to `parts`. Raises `ValueRefused` for a type that does not travel."""
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        parts.append(bytes(value))
        return len(parts[-1])
    if isinstance(value, datetime):
        return value.isoformat()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        told = {field.name: pack(getattr(value, field.name), parts) for field in dataclasses.fields(value)}
        return {_KIND: type(value).__name__, **told}
    if isinstance(value, Mapping):
        return [[pack(key, parts), pack(one, parts)] for key, one in value.items()]
    if isinstance(value, Sequence):
        return [pack(one, parts) for one in value]
    raise ValueRefused(f"a {type(value).__name__} does not travel")


class Unpacker:
    """Makes values of JSON and the bytes behind it."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def whole(self, hint: Any, told: Any) -> Any:
        """Return the value of a message, whose bytes have to be used up. Raises `ValueRefused`."""
        value = self.value(hint, told)
        if self._at != len(self._content):
            raise ValueRefused("bytes that belong to nothing")
        return value

    def value(self, hint: Any, told: Any) -> Any:
        """Return the value of this type. Raises `ValueRefused`."""
        origin = get_origin(hint)
        if origin in (Union, types.UnionType):
            return self._one_of(get_args(hint), told)
        if origin is not None:
            return self._collection(origin, get_args(hint), told)
        if hint is bytes:
            return self._bytes(told)
        if (reader := _SCALARS.get(hint)) is not None:
            return reader(told)
        if isinstance(hint, type) and issubclass(hint, Enum):
            return _member(hint, told)
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            return self._dataclass((hint,), told)
        raise ValueRefused(f"{hint!r} does not travel")

    def _one_of(self, hints: tuple[Any, ...], told: Any) -> Any:
        if told is None and type(None) in hints:
            return None
        classes = tuple(hint for hint in hints if dataclasses.is_dataclass(hint))
        if isinstance(told, dict):
            return self._dataclass(classes, told)
        others = [hint for hint in hints if hint is not type(None) and hint not in classes]
        if len(others) != 1:
            raise ValueRefused("none of the kinds that may stand here")
        return self.value(others[0], told)

    def _dataclass(self, classes: tuple[Any, ...], told: Any) -> Any:
        if not isinstance(told, dict):
            raise ValueRefused("no object")
        kind = next((one for one in classes if one.__name__ == told.get(_KIND)), None)
        if kind is None:
            raise ValueRefused("none of the kinds that may stand here")
        hints = field_types(kind)
        if told.keys() != {_KIND, *hints}:
            raise ValueRefused(f"{kind.__name__}: other fields than it has")
        try:
            return kind(**{name: self.value(hint, told[name]) for name, hint in hints.items()})
        except (TypeError, OverflowError) as error:
            raise ValueRefused(f"{kind.__name__}: {error}") from error

    def _collection(self, origin: Any, hints: tuple[Any, ...], told: Any) -> Any:
        if not isinstance(told, list):
            raise ValueRefused("no list")
        if isinstance(origin, type) and issubclass(origin, Mapping):
            pairs = [self._tuple(hints, pair) for pair in told]
            if len(dict(pairs)) != len(pairs):
                raise ValueRefused("a key stands twice")
            return dict(pairs)
        if origin is frozenset:
            return frozenset(self.value(hints[0], one) for one in told)
        return self._tuple(hints, told)

    def _tuple(self, hints: tuple[Any, ...], told: Any) -> tuple[Any, ...]:
        if not isinstance(told, list):
            raise ValueRefused("no list")
        if len(hints) == 2 and hints[1] is Ellipsis:
            return tuple(self.value(hints[0], one) for one in told)
        if len(hints) != len(told):
            raise ValueRefused("a list of the wrong length")
        return tuple(self.value(hint, one) for hint, one in zip(hints, told, strict=True))

    def _bytes(self, told: Any) -> bytes:
        length = _whole_number(told)
        if not 0 <= length <= len(self._content) - self._at:
            raise ValueRefused("more bytes than there are")
        self._at += length
        return self._content[self._at - length : self._at]


@functools.cache
def field_types(kind: type) -> dict[str, Any]:
    """Return the types of a dataclass's fields, in their order."""
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def _whole_number(told: Any) -> int:
    if type(told) is not int or not -_WHOLE_NUMBER_LIMIT <= told < _WHOLE_NUMBER_LIMIT:
        raise ValueRefused("no whole number")
    return told


def _number(told: Any) -> float:
    if type(told) is int:
        return float(_whole_number(told))
    if type(told) is not float or not math.isfinite(told):
        raise ValueRefused("no number")
    return told


def _text(told: Any) -> str:
    if not isinstance(told, str) or len(told) > TEXT_LIMIT_CHARACTERS:
        raise ValueRefused("no text, or too long a one")
    return told


def _truth(told: Any) -> bool:
    if not isinstance(told, bool):
        raise ValueRefused("neither true nor false")
    return told


def _time(told: Any) -> datetime:
    try:
        stamp = datetime.fromisoformat(_text(told))
    except ValueError as error:
        raise ValueRefused("no time") from error
    if stamp.tzinfo is None:
        raise ValueRefused("a time without its zone")
    return stamp


def _member(kind: type[Enum], told: Any) -> Enum:
    try:
        return kind(told)
    except ValueError as error:
        raise ValueRefused(f"no {kind.__name__}") from error


_SCALARS: Mapping[Any, Callable[[Any], Any]] = types.MappingProxyType(
    {int: _whole_number, float: _number, str: _text, bool: _truth, datetime: _time}
)
