"""Commands to a seal: sent once, answered or not, and never sent again by themselves."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from drivers.errors import DeviceRefused, NotReady
from drivers.seal_commands import UnlockOutcome
from drivers.seal_tracker.conversation import Conversation
from drivers.seal_tracker.events import CommandAnswer

SEALS_LIMIT = 8192
"""Seals whose connection is known; the one heard longest ago is forgotten first."""


class SealCommands:
    """Where each seal is connected, and the unlocks that wait for their answer."""

    def __init__(self, answer_s: float) -> None:
        self._answer_s = answer_s
        self._at: OrderedDict[str, Conversation] = OrderedDict()
        self._waiting: dict[str, tuple[Conversation, int, asyncio.Future[UnlockOutcome]]] = {}
        self._serial = 0

    def heard(self, seal_id: str, conversation: Conversation, answer: CommandAnswer | None) -> None:
        """Note where a seal speaks, and what it answered."""
        if not seal_id:
            return
        self._at[seal_id] = conversation
        self._at.move_to_end(seal_id)
        while len(self._at) > SEALS_LIMIT:
            self._at.popitem(last=False)
        waiting = self._waiting.get(seal_id)
        if answer is None or waiting is None or waiting[:2] != (conversation, answer.serial) or waiting[2].done():
            return
        if answer.outcome is not None:
            waiting[2].set_result(answer.outcome)

    def ended(self, conversation: Conversation) -> None:
        """Forget a connection; what was asked on it and not answered stays undetermined."""
        for seal_id in [seal_id for seal_id, at in self._at.items() if at is conversation]:
            del self._at[seal_id]
        for asked_on, _, future in self._waiting.values():
            if asked_on is conversation and not future.done():
                future.set_result(UnlockOutcome.UNDETERMINED)

    async def unlock(self, seal_id: str) -> UnlockOutcome:
        """Send the command once and wait for the seal's answer.

        Raises `NotReady` when the seal is not connected, `DeviceRefused` while another command to it waits, `Unsupported`.
        """
        conversation = self._at.get(seal_id)
        if conversation is None:
            raise NotReady(f"seal {seal_id} is not connected")
        if seal_id in self._waiting:
            raise DeviceRefused(f"an unlock of seal {seal_id} waits for its answer")
        self._serial = self._serial % 0xFFFF + 1
        wire = conversation.unlock_wire(seal_id, self._serial)
        future: asyncio.Future[UnlockOutcome] = asyncio.get_running_loop().create_future()
        self._waiting[seal_id] = (conversation, self._serial, future)
        try:
            conversation.send(wire)
            async with asyncio.timeout(self._answer_s):
                return await future
        except TimeoutError:
            return UnlockOutcome.UNDETERMINED
        finally:
            del self._waiting[seal_id]
