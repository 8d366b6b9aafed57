"""What cameras send before a decoder sees it: answers of RTSP, streams of MJPEG."""

from __future__ import annotations

from drivers.camera.http_authentication import Credentials, answer_to
from drivers.camera.mjpeg import PICTURE_LIMIT_BYTES, MultipartParser, StreamRefused, boundary_of, parse_head
from drivers.camera.rtsp_messages import BODY_LIMIT_BYTES, Interleaved, RtspMalformed, RtspMessage, RtspParser
from drivers.camera.rtsp_preflight import judge_answer
from tests.fuzz.target import Target, cut, layers

_DESCRIPTION = b"v=0\r\nm=video 0 RTP/AVP 26\r\n"


def rtsp_answer() -> Target:
    """A stream of answers and data: the same however it is cut, and every answer is judged and its challenge answered."""
    seeds = (
        b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: %d\r\n\r\n%s" % (len(_DESCRIPTION), _DESCRIPTION),
        b'RTSP/1.0 401 No\r\nWWW-Authenticate: Digest realm="r", nonce="n", qop="auth"\r\n\r\n$\x00\x00\x02ab',
        b"RTSP/1.0 302 Found\r\nLocation: rtsp://a/\r\n\r\n",
    )

    def check(content: bytes) -> bool:
        whole, parts = RtspParser(), RtspParser()
        try:
            found = whole.feed(content)
        except RtspMalformed:
            return False
        assert found == [one for piece in cut(content) for one in parts.feed(piece)]
        for one in found:
            if isinstance(one, Interleaved):
                continue
            assert isinstance(one, RtspMessage)
            assert len(one.body) <= BODY_LIMIT_BYTES
            reason, text = judge_answer(one)
            assert bool(reason) is bool(text)
            authorization = answer_to(one.all("WWW-Authenticate"), Credentials("u", "p"), "DESCRIBE", "rtsp://a/", "c")
            assert authorization is None or "\n" not in authorization
        return bool(found)

    return Target(seeds, check, 2048)


def mjpeg_stream() -> Target:
    """A multipart stream: the same parts however it is cut; and the head of the answer before it: a boundary or a refusal."""
    seeds = (
        b"--cut\r\nContent-Type: image/jpeg\r\nContent-Length: 4\r\n\r\n\xff\xd8\xff\xd9\r\n--cut\r\n\r\nabc\r\n--cut",
        b"--cut\r\nContent-Length: 99999999\r\n\r\n",
    )

    def head(content: bytes) -> bool:
        answer = parse_head(content)
        try:
            boundary = boundary_of(answer)
        except StreamRefused:
            return False
        assert answer.status == 200
        assert b"\n" not in boundary
        return True

    def stream(content: bytes) -> bool:
        whole, parts = MultipartParser(b"cut"), MultipartParser(b"cut")
        try:
            bodies = whole.feed(content)
        except StreamRefused:
            return False
        assert bodies == [body for piece in cut(content) for body in parts.feed(piece)]
        assert all(len(body) <= PICTURE_LIMIT_BYTES for body in bodies)
        return bool(bodies)

    heads = (
        b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=cut",
        b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic",
    )
    return layers((stream, seeds), (head, heads), limit_bytes=2048)
