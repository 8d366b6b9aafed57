"""Links to what answers only when it is asked: one question at a time, each answer one chunk that is taken before the next question."""

from __future__ import annotations

import asyncio
from abc import abstractmethod

from drivers.errors import LinkStalled
from drivers.link import Link, Tap


class AskedLink(Link):
    """Base of such links; a derived class says how a question is put. `ask` is for one task, `read` for the supervisor's."""

    def __init__(self, tap: Tap | None = None) -> None:
        super().__init__(tap)
        self._answers: asyncio.Queue[bytes] = asyncio.Queue()
        self._is_taken = True

    @abstractmethod
    async def answer_to(self, what: str) -> bytes:
        """Put a question; return the chunk that answers it, empty for none in time. Raises a `DriverFault` that ends the link."""

    @property
    def has_bytes(self) -> bool:
        """Tell whether an answer waits to be read."""
        return not self._answers.empty()

    async def ask(self, what: str) -> None:
        """Put a question; return when its answer was taken, or none came in time. Raises what `answer_to` raises."""
        self.tapped("tx", what.encode())
        self.put(await self.answer_to(what))
        await self._answers.join()

    def put(self, chunk: bytes) -> None:
        """Let an answer be read."""
        if chunk:
            self.tapped("rx", chunk)
            self._answers.put_nowait(chunk)

    async def read(self) -> bytes:
        """Return the next answer."""
        if not self._is_taken:
            self._is_taken = True
            self._answers.task_done()
        chunk = await self._answers.get()
        self._is_taken = False
        return chunk

    async def write(self, chunk: bytes) -> None:
        """Refuse: this link is asked."""
        raise LinkStalled(f"a link that is asked takes no {len(chunk)} bytes")
