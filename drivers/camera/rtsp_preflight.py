"""Asks an RTSP camera what it has (RFC 2326 §10.2) before FFmpeg is let at it: FFmpeg says only that it failed, and follows redirects.

Nothing is set up, so the camera counts no session. What it answers later to FFmpeg is FFmpeg's to judge, within its own limits.
"""

from __future__ import annotations

import secrets
import socket
import time
import urllib.parse

from drivers.camera.http_authentication import Credentials, answer_to
from drivers.camera.rtsp_messages import Interleaved, RtspMalformed, RtspMessage, RtspParser

DEFAULT_PORT = 554
_READ_BYTES = 4_096
_CLIENT = ("User-Agent", "eGate")


class StreamNotOffered(Exception):
    """The peer will not play, or not as we want it. `reason` is `absent`, `refused` or `credentials`; the text holds no address."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def check_offer(url: str, timeout_s: float) -> None:
    """Return when the address offers video within the time. Raises `StreamNotOffered`."""
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port or DEFAULT_PORT
    except ValueError as error:
        raise StreamNotOffered("refused", "not an rtsp address") from error
    if parts.scheme != "rtsp" or not parts.hostname:
        raise StreamNotOffered("refused", "not an rtsp address")
    deadline_s = time.monotonic() + timeout_s
    try:
        with socket.create_connection((parts.hostname, port), timeout_s) as connection:
            _judge(_described(connection, parts, deadline_s))
    except TimeoutError as error:
        raise StreamNotOffered("refused", "no answer in time") from error
    except OSError as error:
        raise StreamNotOffered("absent", error.strerror or "cannot connect") from error
    except RtspMalformed as error:
        raise StreamNotOffered("refused", f"answer is no RTSP: {error}") from error


def judge_answer(answer: RtspMessage) -> tuple[str, str]:
    """Return why an answer to DESCRIBE offers no video: a reason and its text; both empty when it does."""
    status = answer.status
    if status in {401, 403}:
        return "credentials", "the camera does not let this user in"
    if 300 <= status < 400:
        return "refused", "the camera sends us to another address, and redirects are not followed"
    if status != 200:
        return "refused", f"the camera answered {answer.start[:40]!r}"
    if not any(line.startswith(b"m=video ") for line in answer.body.replace(b"\r", b"\n").split(b"\n")):
        return "refused", "the camera describes no video stream"
    return "", ""


def _judge(answer: RtspMessage) -> None:
    reason, text = judge_answer(answer)
    if reason:
        raise StreamNotOffered(reason, text)


def _described(connection: socket.socket, parts: urllib.parse.SplitResult, deadline_s: float) -> RtspMessage:
    """Return the answer to DESCRIBE, asked again with credentials when the camera wants them."""
    host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else str(parts.hostname)
    netloc = host if parts.port is None else f"{host}:{parts.port}"
    uri = urllib.parse.urlunsplit(("rtsp", netloc, parts.path or "/", parts.query, ""))
    parser = RtspParser()
    answer = _asked(connection, parser, uri, 1, "", deadline_s)
    if answer.status != 401 or parts.username is None:
        return answer
    user, password = urllib.parse.unquote(parts.username), urllib.parse.unquote(parts.password or "")
    challenges = answer.all("WWW-Authenticate")
    authorization = answer_to(challenges, Credentials(user, password), "DESCRIBE", uri, secrets.token_hex(8))
    if authorization is None:
        raise StreamNotOffered("credentials", "the camera asks for a kind of proof that is not spoken here")
    return _asked(connection, parser, uri, 2, authorization, deadline_s)


def _asked(
    connection: socket.socket, parser: RtspParser, uri: str, number: int, authorization: str, deadline_s: float
) -> RtspMessage:
    headers = [("CSeq", str(number)), _CLIENT, ("Accept", "application/sdp")]
    if authorization:
        headers.append(("Authorization", authorization))
    try:
        request = RtspMessage(f"DESCRIBE {uri} RTSP/1.0", tuple(headers)).encode()
    except ValueError as error:
        raise StreamNotOffered("refused", "not an rtsp address") from error
    connection.settimeout(max(deadline_s - time.monotonic(), 0.001))
    connection.sendall(request)
    while True:
        left_s = deadline_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        connection.settimeout(left_s)
        chunk = connection.recv(_READ_BYTES)
        if not chunk:
            raise StreamNotOffered("refused", "the camera closed the connection instead of an answer")
        for message in parser.feed(chunk):
            if not isinstance(message, Interleaved) and message.start.startswith("RTSP/"):
                return message
