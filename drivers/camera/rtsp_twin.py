"""Camera twin: RTSP 1.0 (RFC 2326) with RTP/JPEG (RFC 2435) interleaved on the one TCP connection, on the loopback address."""

from __future__ import annotations

import asyncio
import secrets
import time

from drivers.camera.http_authentication import Credentials, is_answered_by
from drivers.camera.network_twin import NetworkCameraTwin
from drivers.camera.rtp_jpeg import CLOCK_HZ, PAYLOAD_TYPE, PictureUnsuitable, RtpJpegPacker
from drivers.camera.rtsp_messages import Interleaved, RtspMalformed, RtspMessage, RtspParser

METHODS = ("OPTIONS", "DESCRIBE", "SETUP", "PLAY", "GET_PARAMETER", "TEARDOWN")
_READ_BYTES = 4_096
_REASONS = {200: "OK", 302: "Found", 400: "Bad Request", 401: "Unauthorized", 454: "Session Not Found"} | {
    455: "Method Not Valid in This State",
    461: "Unsupported Transport",
    501: "Not Implemented",
}


class RtspCameraTwin(NetworkCameraTwin):
    """A network camera that sends RTP/JPEG over RTSP to whoever plays it, over TCP only.

    `credentials` are asked for (Digest) while they are set; `redirect_to` sends everybody to another address.
    """

    credentials: Credentials | None = None
    redirect_to: str = ""
    _set_back_s: float = 0.0

    @property
    def url(self) -> str:
        """The address a camera driver is given as `source`, without credentials."""
        return f"rtsp://127.0.0.1:{self.port}/video"

    def set_back(self, seconds: float) -> None:
        """Let the stream's own time jump back."""
        self._set_back_s += seconds

    def plugged(self) -> None:
        """Begin a stream of its own after each plug."""
        self._packer = RtpJpegPacker(secrets.randbits(32))
        self._nonce = secrets.token_hex(16)

    def packed(self, picture: bytes) -> bytes:
        """Return the picture's RTP packets, interleaved on channel 0; nothing for a picture that cannot travel so."""
        try:
            packets = self._packer.packets(picture, int((time.monotonic() - self._set_back_s) * CLOCK_HZ))
        except PictureUnsuitable:
            return b""
        return b"".join(Interleaved(0, packet).encode() for packet in packets)

    def damaged(self, picture: bytes) -> bytes:
        """Return a JPEG file whose scan is cut short after its first bytes: a stream that lost most of its packets."""
        return picture[:800]

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection: requests in order, pictures in between once they play."""
        parser = RtspParser()
        session = ""
        try:
            while chunk := await reader.read(_READ_BYTES):
                for request in parser.feed(chunk):
                    if isinstance(request, Interleaved):
                        continue  # receiver reports
                    answer = self._answer(request, session)
                    session = answer.first("Session") or session
                    await self.say(writer, answer.encode())
                    method = request.start.partition(" ")[0]
                    if answer.status == 200 and method == "PLAY":
                        self.admit(writer)
                    if method == "TEARDOWN":
                        return
        except RtspMalformed:
            return  # nonsense costs its own connection only
        finally:
            self.dismiss(writer)

    def _answer(self, request: RtspMessage, session: str) -> RtspMessage:
        method, uri, _ = (*request.start.split(" "), "", "")[:3]
        always = (("CSeq", request.first("CSeq")),)

        def answer(status: int, *headers: tuple[str, str], body: bytes = b"") -> RtspMessage:
            return RtspMessage(f"RTSP/1.0 {status} {_REASONS[status]}", (*always, *headers), body)

        if method not in METHODS:
            return answer(501)
        if method == "OPTIONS":
            return answer(200, ("Public", ", ".join(METHODS)))
        if self.redirect_to:
            return answer(302, ("Location", self.redirect_to))
        authorization = request.first("Authorization")
        if self.credentials and not is_answered_by(authorization, self.credentials, method, self._nonce):
            return answer(401, ("WWW-Authenticate", f'Digest realm="camera twin", nonce="{self._nonce}"'))
        if method == "DESCRIBE":
            address = uri.rstrip("/") + "/"
            return answer(200, ("Content-Type", "application/sdp"), ("Content-Base", address), body=self._description())
        if method == "SETUP":
            wanted = request.first("Transport")
            if "RTP/AVP/TCP" not in wanted:
                return answer(461)
            transport = "RTP/AVP/TCP;unicast;interleaved=0-1"
            return answer(200, ("Transport", transport), ("Session", secrets.token_hex(8)))
        if not session or request.first("Session").partition(";")[0] != session:
            return answer(454)
        return answer(200, ("Session", session))

    def _description(self) -> bytes:
        lines = (
            "v=0",
            "o=- 0 0 IN IP4 127.0.0.1",
            "s=camera twin",
            "c=IN IP4 0.0.0.0",
            "t=0 0",
            f"m=video 0 RTP/AVP {PAYLOAD_TYPE}",
            f"a=framerate:{self.fps:g}",
            "a=control:track0",
        )
        return ("\r\n".join(lines) + "\r\n").encode()
