import itertools

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.camera.http_authentication import Credentials, answer_to, is_answered_by, parameters_of
from drivers.camera.rtp_jpeg import PictureUnsuitable, RtpJpegPacker, parts_of
from drivers.camera.rtsp_messages import Interleaved, RtspMalformed, RtspMessage, RtspParser
from drivers.camera.rtsp_preflight import judge_answer

TOKENS = st.text("ABCdef-", min_size=1, max_size=8)
VALUES = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20)
MESSAGES = st.one_of(
    st.builds(
        RtspMessage,
        st.sampled_from(["RTSP/1.0 200 OK", "DESCRIBE rtsp://127.0.0.1/a RTSP/1.0"]),
        st.lists(st.tuples(TOKENS, VALUES), max_size=4).map(tuple),
        st.binary(max_size=60),
    ),
    st.builds(Interleaved, st.integers(0, 255), st.binary(max_size=60)),
)


def as_heard(message: RtspMessage | Interleaved) -> RtspMessage | Interleaved:
    if isinstance(message, Interleaved) or not message.body:
        return message
    return RtspMessage(message.start, (*message.headers, ("Content-Length", str(len(message.body)))), message.body)


@given(st.lists(MESSAGES, max_size=4), st.lists(st.integers(0, 600)))
def test_messages_are_the_same_however_the_stream_is_cut(
    messages: list[RtspMessage | Interleaved], cuts: list[int]
) -> None:
    stream = b"".join(message.encode() for message in messages)
    expected = [as_heard(message) for message in messages]
    assert RtspParser().feed(stream) == expected
    byte_by_byte, torn = RtspParser(), RtspParser()
    assert [one for byte in stream for one in byte_by_byte.feed(bytes((byte,)))] == expected
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    assert [one for start, end in itertools.pairwise(edges) for one in torn.feed(stream[start:end])] == expected


@pytest.mark.parametrize(
    "stream",
    [
        b"x" * 9_000,
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nno header\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: 65537\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: " + b"9" * 5_000 + b"\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: \xb2\r\n\r\n",
    ],
    ids=["endless", "http", "no-header", "negative", "too-long", "many-digits", "superscript"],
)
def test_what_is_no_rtsp_is_refused_with_bounded_memory(stream: bytes) -> None:
    with pytest.raises(RtspMalformed):
        RtspParser().feed(stream)


def test_a_line_break_in_an_address_is_no_second_header() -> None:
    with pytest.raises(ValueError, match="line break"):
        RtspMessage("DESCRIBE rtsp://a/\r\nX: y RTSP/1.0").encode()


def test_an_answer_says_why_there_is_no_video() -> None:
    described = RtspMessage("RTSP/1.0 200 OK", (), b"v=0\r\nm=video 0 RTP/AVP 96\r\n")
    assert judge_answer(described) == ("", "")
    assert judge_answer(RtspMessage("RTSP/1.0 200 OK", (), b"a=m=video \r\nm=audio 0\r\n"))[0] == "refused"
    assert judge_answer(RtspMessage("RTSP/1.0 403 No"))[0] == "credentials"
    assert "redirect" in judge_answer(RtspMessage("RTSP/1.0 301 Moved"))[1]
    assert judge_answer(RtspMessage("RTSP/1.0 abc"))[0] == "refused"


def test_digest_gives_the_answer_of_rfc_2617() -> None:
    challenge = (
        'Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093",'
        ' opaque="5ccc069c403ebaf9f0171e9517f40e41"'
    )
    mufasa = Credentials("Mufasa", "Circle Of Life")
    header = answer_to(("Basic realm=x", challenge), mufasa, "GET", "/dir/index.html", "0a4f113b")
    assert header is not None
    told = parameters_of(header)
    assert told["response"] == "6629fae49393a05397450978507c4ef1"
    assert told["opaque"] == "5ccc069c403ebaf9f0171e9517f40e41"
    nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093"
    assert is_answered_by(header, mufasa, "GET", nonce)
    assert not is_answered_by(header, mufasa, "PUT", nonce)
    assert not is_answered_by(header, mufasa, "GET", "another")
    assert not is_answered_by(header, Credentials("Mufasa", "x"), "GET", nonce)


def test_basic_is_spoken_where_digest_is_not_and_nothing_else_is() -> None:
    somebody = Credentials("Aladdin", "open sesame")
    assert answer_to(('Basic realm="x"',), somebody, "GET", "/", "") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    assert answer_to(('Digest realm="x", nonce="n", algorithm=SHA-256',), somebody, "GET", "/", "") is None
    assert answer_to(("Negotiate",), somebody, "GET", "/", "") is None
    assert answer_to(('Digest realm="a\nX: y", nonce="n"',), somebody, "GET", "/", "") is None  # the fuzzer's


def jpeg(width_px: int = 64, height_px: int = 48, *parameters: int) -> bytes:
    picture = np.random.default_rng(1).integers(0, 255, (height_px, width_px, 3), np.uint8)
    encoded, content = cv2.imencode(".jpg", picture, list(parameters))
    assert encoded
    return content.tobytes()


def test_fragments_put_together_are_the_scan_and_the_marker_ends_it() -> None:
    content = jpeg(320, 240)
    packer = RtpJpegPacker(7, first_sequence_number=0xFFFF)
    packets = packer.packets(content, 90_000)
    assert len(packets) > 2
    scan = b""
    for number, packet in enumerate(packets):
        assert int.from_bytes(packet[2:4], "big") == (0xFFFF + number) & 0xFFFF
        assert bool(packet[1] & 0x80) is (number == len(packets) - 1)
        assert int.from_bytes(packet[13:16], "big") == len(scan)
        scan += packet[20 + (132 if number == 0 else 0) :]
    assert scan == parts_of(content).scan
    assert content.endswith(scan + b"\xff\xd9")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GIF89a",
        jpeg()[:100],
        jpeg(64, 48, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
        jpeg(64, 48, cv2.IMWRITE_JPEG_RST_INTERVAL, 2),
        jpeg(2056, 16),
    ],
    ids=["empty", "gif", "cut", "progressive", "restarts", "too-wide"],
)
def test_a_picture_that_cannot_travel_is_said_to_be_one(content: bytes) -> None:
    with pytest.raises(PictureUnsuitable):
        parts_of(content)


@given(st.integers(0, 700), st.integers(0, 255))
def test_a_damaged_picture_is_taken_apart_or_refused(at: int, value: int) -> None:
    content = bytearray(jpeg())
    content[at % len(content)] = value
    try:
        parts = parts_of(bytes(content))
    except PictureUnsuitable:
        return
    assert len(parts.tables) == 128
