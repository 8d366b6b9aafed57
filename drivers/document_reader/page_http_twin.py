"""A virtual full-page reader's service: HTTP in the shape of Regula's document reader service, with a path for presence beside it."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress

from drivers.http_exchange import Exchange, RequestRefused, Response, receive
from drivers.twin import TcpTwin

LIGHTS = {"white": 6, "infrared": 24, "ultraviolet": 128, "portrait": 6}
FIELDS = {"white": 207, "infrared": 207, "ultraviolet": 207, "portrait": 201}
PRESENCE_PATH, LIFE_PATH, PROCESS_PATH = "/api/presence", "/api/ping", "/api/process"
LINES_PLACE = "/ContainerList/List/{result_type=36}/Text/fieldList/{fieldType=51}/valueList/{source=MRZ}/value"
_REQUEST_LIMIT_BYTES = 65_536


class PageHttpTwin(TcpTwin):
    """`canned` holds answers by path that are given instead of its own; `pace_s` sends one byte in so many seconds.

    `hold_s`: a question about presence is answered when something changed, at the latest after this time.
    """

    def __init__(self, *, port: int = 0, authorization: str = "", seed: int = 1) -> None:
        super().__init__(port=port, seed=seed)
        self.canned: dict[str, Response] = {}
        self.pace_s = self.hold_s = 0.0
        self.read_count = 0
        self.requests: list[tuple[str, str]] = []
        self._authorization = authorization
        self._pictures: Mapping[str, bytes] | None = None
        self._lines: tuple[str, ...] = ()
        self._was_exchanged = False
        self._changed = asyncio.Event()

    def present(self, pictures: Mapping[str, bytes], lines: Sequence[str] = ()) -> None:
        """Lay a document on the glass, in place of one that lies there: its pictures by role, its lines where the service reads them."""
        self._was_exchanged = self._pictures is not None
        self._pictures, self._lines = dict(pictures), tuple(lines)
        self._changed.set()

    def take_pictures(self, pictures: Mapping[str, bytes]) -> None:
        """Change what the next pictures show, as when a lamp lights again."""
        self._pictures = dict(pictures)

    def remove(self) -> None:
        """Take the document away."""
        self._pictures = None
        self._changed.set()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer requests."""
        exchange = Exchange(_REQUEST_LIMIT_BYTES)
        while True:
            try:
                request = await receive(exchange, reader, writer)
            except RequestRefused:
                return
            if request is None:
                return
            path = request.target.partition("?")[0]
            self.requests.append((request.method, path))
            if self._authorization and request.headers.get("authorization") != self._authorization:
                response = Response(401)
            else:
                if path == PRESENCE_PATH and self.hold_s:
                    await self._held()
                response = self.canned.get(path) or self._response(path)
            await self._send_slowly(writer, exchange.answer(response))
            if not exchange.goes_on():
                return

    async def _held(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self.hold_s):
                await self._changed.wait()
        self._changed.clear()

    async def _send_slowly(self, writer: asyncio.StreamWriter, sent: bytes) -> None:
        if not self.pace_s:
            self.send(writer, sent)
            return
        for byte in sent:
            self.send(writer, bytes((byte,)))
            await asyncio.sleep(self.pace_s)

    def _response(self, path: str) -> Response:
        if path == PRESENCE_PATH:
            is_present = self._pictures is not None and not self._was_exchanged
            self._was_exchanged = False
            return _json({"present": is_present})
        if path == LIFE_PATH:
            return _json({"app": "eGate twin"})
        if path == PROCESS_PATH:
            self.read_count += 1
            return _json(processed(self._pictures or {}, self._lines))
        return Response(404)


def processed(pictures: Mapping[str, bytes], lines: Sequence[str] = ()) -> dict[str, object]:
    """Return the service's answer to a read."""
    fields = [
        {
            "fieldType": FIELDS[role],
            "valueList": [{"lightIndex": LIGHTS[role], "pageIndex": 0, "value": base64.b64encode(content).decode()}],
        }
        for role, content in pictures.items()
    ]
    containers: list[dict[str, object]] = [{"Images": {"fieldList": fields}, "result_type": 37}]
    if lines:
        text = {"fieldType": 51, "fieldName": "MRZ Strings", "valueList": [{"source": "MRZ", "value": "^".join(lines)}]}
        containers.append({"Text": {"fieldList": [text]}, "result_type": 36})
    return {"ProcessingFinished": 1, "ContainerList": {"Count": len(containers), "List": containers}}


def _json(value: object) -> Response:
    return Response(200, json.dumps(value).encode())
