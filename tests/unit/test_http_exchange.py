"""Requests as h11 reads them: the same however they are cut, each answered before the next, refused with a status that fits."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.http_exchange import Exchange, Request, RequestRefused, Response

LIMIT_BYTES = 300


def requests(pieces: list[bytes]) -> tuple[list[Request], int]:
    """Return the requests that these pieces hold, and the status that refuses the rest."""
    exchange = Exchange(LIMIT_BYTES)
    found: list[Request] = []
    for piece in pieces:
        try:
            exchange.feed(piece)
            while (request := exchange.take()) is not None:
                found.append(request)
                exchange.answer(Response(200, b"{}"))
                if not exchange.goes_on():
                    return found, 0
        except RequestRefused as refused:
            return found, refused.status
    return found, 0


def post(body: bytes, *lines: str) -> bytes:
    head = ["POST /scans HTTP/1.1", "Host: gate", f"Content-Length: {len(body)}", *lines]
    return "\r\n".join([*head, "", ""]).encode() + body


BODIES = st.lists(
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=3).map(json.dumps), min_size=1, max_size=3
)


@given(bodies=BODIES, cuts=st.lists(st.integers(0, 400), max_size=6))
def test_every_cut_gives_the_same_requests(bodies: list[str], cuts: list[int]) -> None:
    stream = b"".join(post(body.encode()) for body in bodies)
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[begin:end] for begin, end in pairwise(places) if end > begin]
    assert [one.body.decode() for one in requests(pieces)[0]] == bodies
    assert requests(pieces) == requests([stream]) == requests([bytes((byte,)) for byte in stream])


@given(content=st.binary(max_size=200))
def test_any_bytes_are_requests_or_refused(content: bytes) -> None:
    found, status = requests([content])
    assert not status or 400 <= status < 600
    assert all(len(one.body) <= LIMIT_BYTES for one in found)


@pytest.mark.parametrize(
    ("stream", "status"),
    [
        (post(bytes(LIMIT_BYTES + 1)), 413),
        (post(bytes(LIMIT_BYTES)), 0),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n12d\r\n" + bytes(301) + b"\r\n0\r\n\r\n",
            413,
        ),
        (b"POST / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 9000 + b"\r\n\r\n", 431),
        (b"POST / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"\x16\x03\x01", 400),
    ],
    ids=["long", "longest", "long chunks", "long head", "no host", "two hosts", "tls"],
)
def test_what_is_too_much_or_no_request_is_refused(stream: bytes, status: int) -> None:
    assert requests([stream])[1] == status


def test_a_client_that_waits_before_it_sends_its_body_is_told_to_go_on() -> None:
    exchange = Exchange(LIMIT_BYTES)
    head = post(b"{}", "Expect: 100-continue")[:-2]
    exchange.feed(head)
    assert exchange.take() is None
    assert exchange.to_continue().startswith(b"HTTP/1.1 100 ")
    exchange.feed(b"{}")
    request = exchange.take()
    assert request is not None
    assert request.body == b"{}"
    assert exchange.to_continue() == b""


def test_a_client_that_closes_between_requests_is_no_fault_and_one_that_closes_within_is() -> None:
    idle, torn = Exchange(LIMIT_BYTES), Exchange(LIMIT_BYTES)
    idle.feed(b"")
    assert idle.take() is None
    assert idle.is_ended
    torn.feed(post(b"{}")[:-1])
    assert torn.take() is None
    torn.feed(b"")
    with pytest.raises(RequestRefused):
        torn.take()
