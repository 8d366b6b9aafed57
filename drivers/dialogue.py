"""Question and answer on a link where the device also speaks unasked: one question at a time, an answer within its time or a typed fault."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from drivers.errors import DeviceSilent, DriverFault
from drivers.link import Link

Answer = TypeVar("Answer")


class Dialogue(Generic[Answer]):
    """Lets one asker after the other have its answer; the driver shows it everything that may be one."""

    def __init__(self, name: str, timeout_s: float) -> None:
        self._name = name
        self._timeout_s = timeout_s
        self._waiting: asyncio.Future[Answer] | None = None
        self._wants: Callable[[Answer], bool] = bool

    @property
    def is_waiting(self) -> bool:
        """True while an answer is owed."""
        return self._waiting is not None

    async def ask(self, link: Link, question: bytes, wants: Callable[[Answer], bool]) -> Answer:
        """Write a question and return the first answer it `wants`. Raises `DeviceSilent` when none came in time, or a link fault."""
        async with link.turn():
            self._wants = wants
            self._waiting = asyncio.get_running_loop().create_future()
            try:
                await link.write(question)
                async with asyncio.timeout(self._timeout_s):
                    return await self._waiting
            except TimeoutError as error:
                raise DeviceSilent(f"{self._name} did not answer within {self._timeout_s} s") from error
            finally:
                self._waiting = None

    def answered(self, answer: Answer) -> None:
        """Take what may be an answer; what nobody waits for is dropped."""
        if self._waiting is not None and not self._waiting.done() and self._wants(answer):
            self._waiting.set_result(answer)

    def failed(self, fault: DriverFault) -> None:
        """Let whoever waits know that no answer will come."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(fault)
