"""What a maker's service answers, read by the places that the site wrote down: whether a document lies there, its pictures, its lines."""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from drivers import strict_json
from drivers.document_reader.json_place import Step, as_text, value_at
from drivers.document_reader.picture_file import IMAGE_LIMIT_BYTES

LINES_LIMIT_CHARACTERS = 1024


class AnswerRefused(Exception):
    """The answer is not of the configured shape; the text says where, and holds nothing of it."""


@dataclass(frozen=True, slots=True)
class AnswerShape:
    """Places in the answers, each a compiled pointer."""

    pictures: Mapping[str, tuple[Step, ...]]
    lines: tuple[Step, ...] | None = None
    presence: tuple[Step, ...] = ()
    presence_values: frozenset[str] = frozenset({"true", "1"})
    answer_limit_bytes: int = 12 << 20
    picture_limit_bytes: int = IMAGE_LIMIT_BYTES


@dataclass(frozen=True, slots=True)
class PageAnswer:
    """Pictures by role, and the printed lines as the service read them."""

    pictures: dict[str, bytes] = field(default_factory=dict)
    lines: bytes | None = None


def presence_in(content: bytes, shape: AnswerShape) -> bool:
    """Return whether a document lies on the reader. Raises `AnswerRefused`."""
    value = value_at(_loaded(content, shape), shape.presence)
    if value is None or isinstance(value, dict | list):
        raise AnswerRefused("presence stands nowhere in the answer")
    return as_text(value) in shape.presence_values


def page_in(content: bytes, shape: AnswerShape) -> PageAnswer:
    """Return what the service took of the document; a picture that it did not take is left out. Raises `AnswerRefused`."""
    answer = _loaded(content, shape)
    pictures = {}
    for role, steps in shape.pictures.items():
        value = value_at(answer, steps)
        if value is not None and value != "":
            pictures[role] = _picture(role, value, shape.picture_limit_bytes)
    return PageAnswer(pictures, _lines(answer, shape.lines))


def _loaded(content: bytes, shape: AnswerShape) -> Any:
    try:
        return strict_json.load(content, shape.answer_limit_bytes)
    except strict_json.NoJson as error:
        raise AnswerRefused(str(error)) from error


def _picture(role: str, value: Any, limit_bytes: int) -> bytes:
    if not isinstance(value, str):
        raise AnswerRefused(f"{role} is no text in base64")
    encoded = value.partition(";base64,")[2] if value.startswith("data:") else value
    if len(encoded) > (limit_bytes + 2) // 3 * 4:
        raise AnswerRefused(f"{role} is larger than {limit_bytes} bytes")
    try:
        return binascii.a2b_base64(encoded.encode("ascii"), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise AnswerRefused(f"{role} is no base64") from error


def _lines(answer: Any, steps: tuple[Step, ...] | None) -> bytes | None:
    value = None if steps is None else value_at(answer, steps)
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        value = "\n".join(value)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > LINES_LIMIT_CHARACTERS:
        raise AnswerRefused("lines are no text of a machine readable zone")
    return value.encode("utf-8", "replace")
