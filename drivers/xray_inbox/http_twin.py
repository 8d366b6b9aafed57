"""A virtual X-ray machine that posts its results over HTTP, again and again until each has an answer."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass

import httpx

from drivers.surroundings import XrayDecision
from drivers.twin import SlowSwitches
from drivers.xray_inbox.twin import numbered, result_of

POST_TIMEOUT_S = 5.0
PAUSE_S = 0.2


@dataclass(frozen=True, slots=True)
class Answered:
    """What the inbox answered to one post."""

    status: int
    body: str


class XrayHttpTwin(SlowSwitches):
    """Unplugged, it sends nothing; what it did not send by then is lost."""

    def __init__(self, *, port: int = 0, token: str = "", path: str = "/scans", seed: int = 1) -> None:
        super().__init__(seed)
        self.port = port
        self.answers: list[Answered] = []
        self._path = path
        self._headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        self._count = 0
        self._client: httpx.AsyncClient | None = None
        self._sending: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Where it posts to."""
        return f"http://127.0.0.1:{self.port}{self._path}"

    @property
    def is_plugged(self) -> bool:
        """True while it is connected."""
        return self._client is not None

    async def plug(self) -> None:
        """Connect it."""
        if self._client is None:
            self._client = httpx.AsyncClient(trust_env=False, timeout=POST_TIMEOUT_S)

    async def unplug(self) -> None:
        """Disconnect it."""
        client, self._client = self._client, None
        for task in list(self._sending):
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)
        if client is not None:
            await client.aclose()

    def screen(self, decision: XrayDecision = XrayDecision.CLEAR, scan_id: str = "") -> str:
        """Send the result of one scan; return its id, a new one when none is given."""
        self._count += 1
        scan_id = scan_id or numbered(self._count)
        self.send(result_of(scan_id, decision))
        return scan_id

    def send(self, content: bytes) -> None:
        """Post this until it has an answer."""
        if not self._is_muted and self._client is not None:
            task = asyncio.create_task(self._posted(self._client, self.altered(content)), name="X-ray twin posting")
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _posted(self, client: httpx.AsyncClient, content: bytes) -> None:
        await asyncio.sleep(self._delay_s)
        while True:
            with suppress(httpx.HTTPError):
                answer = await client.post(self.url, content=content, headers=self._headers)
                self.answers.append(Answered(answer.status_code, answer.text))
                if answer.status_code not in {408, 503}:
                    return
            await asyncio.sleep(PAUSE_S)
