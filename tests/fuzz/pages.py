"""What a full-page reader's service answers, the parts of its pages, and requests to the X-ray inbox."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress

from drivers.codec import BadFrame
from drivers.document_reader.page_answer import AnswerRefused, page_in, presence_in
from drivers.document_reader.page_http import PageHttpOptions
from drivers.document_reader.page_http_twin import LINES_PLACE, processed
from drivers.document_reader.page_part import part_of
from drivers.document_reader.picture_file import media_type_of, why_refused
from drivers.http_exchange import Exchange, Request, RequestRefused, Response
from drivers.xray_inbox.errors import XrayResultRefused
from drivers.xray_inbox.result import RESULT_LIMIT_BYTES, parse_result
from tests.fuzz.target import Target, cut, layers

PICTURE = b"\xff\xd8\xff\xe0" + bytes(20) + b"\xff\xda" + bytes(20) + b"\xff\xd9"


def page_answer() -> Target:
    """Answers about a page and about presence, parts as a link hands them over, and picture files."""
    shape = PageHttpOptions(source="http://127.0.0.1:1", lines=LINES_PLACE, picture_limit_bytes=1024).shape()

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


def xray_request() -> Target:
    """Whatever a client of the X-ray inbox sends: what comes out is the same however the bytes were cut."""
    result = b'{"scan_id": "UTO-1", "decision": "clear"}'
    head = b"POST /scans HTTP/1.1\r\nHost: gate\r\nContent-Type: application/json\r\n"
    whole = head + b"Content-Length: %d\r\n\r\n" % len(result) + result
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(result) + result + b"\r\n0\r\n\r\n"

    def requests(pieces: Iterable[bytes]) -> tuple[list[Request], int]:
        exchange, found = Exchange(RESULT_LIMIT_BYTES), []
        try:
            for piece in pieces:
                exchange.feed(piece)
                while (request := exchange.take()) is not None:
                    found.append(request)
                    assert exchange.answer(Response(200, b"{}"))
                    if not exchange.goes_on():
                        return found, 0
        except RequestRefused as refused:
            return found, refused.status
        return found, 0

    def check(content: bytes) -> bool:
        found, status = requests([content])
        parts, parts_status = requests(cut(content))
        assert not status or 400 <= status < 600
        assert (found, bool(status)) == (parts, bool(parts_status)), "another request when it comes in pieces"
        taken = False
        for request in found:
            assert len(request.body) <= RESULT_LIMIT_BYTES
            with suppress(XrayResultRefused):
                parse_result(request.body)
                taken = True
        return taken

    return Target((whole, chunked, whole + whole, b"GET /scans HTTP/1.1\r\nHost: gate\r\n\r\n"), check, 360)
