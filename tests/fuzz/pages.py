"""What a full-page reader's service answers, the parts of its pages, and requests to the X-ray inbox."""

from __future__ import annotations

import json

from drivers.codec import BadFrame
from drivers.document_reader.page_answer import AnswerRefused, page_in, presence_in
from drivers.document_reader.page_http import PageHttpOptions
from drivers.document_reader.page_http_twin import LINES_PLACE, processed
from drivers.document_reader.page_part import part_of
from drivers.document_reader.picture_file import media_type_of, why_refused
from tests.fuzz.target import Target, layers

PICTURE = b"\xff\xd8\xff\xe0" + bytes(20) + b"\xff\xda" + bytes(20) + b"\xff\xd9"


def page_answer() -> Target:
    """Answers about a page and about presence, parts as a link hands them over, and picture files."""
    shape = PageHttpOptions(url="http://127.0.0.1:1", lines=LINES_PLACE, picture_limit_bytes=1024).shape()

    def page(content: bytes) -> bool:
        try:
            found = page_in(content, shape)
        except AnswerRefused:
            return False
        json.loads(content)
        assert found.pictures.keys() <= shape.pictures.keys()
        assert all(len(picture) <= shape.picture_limit_bytes for picture in found.pictures.values())
        return bool(found.pictures)

    def presence(content: bytes) -> bool:
        try:
            is_presented = presence_in(content, shape)
        except AnswerRefused:
            return False
        assert not is_presented or json.loads(content)["present"] in {True, "true", "1"}
        return True

    def part(content: bytes) -> bool:
        found = part_of(content)
        if isinstance(found, BadFrame):
            return False
        assert found.encode() == content
        return True

    def picture(content: bytes) -> bool:
        if why_refused(content, 1024):
            return False
        assert media_type_of(content)
        assert len(content) <= 1024
        return True

    answers = [json.dumps(processed(dict.fromkeys(("white", "infrared"), PICTURE), ("A", "B"))).encode(), b"{}"]
    return layers(
        (page, answers),
        (presence, [b'{"present": true}', b'{"present": 0}']),
        (part, [b"white\n" + PICTURE, b"alive\n", b"failed\nno"]),
        (picture, [PICTURE, b"\x89PNG\r\n\x1a\nIDAT\x00\x00\x00\x00IEND\xaeB`\x82"]),
        limit_bytes=2048,
    )
