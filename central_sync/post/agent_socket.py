"""The agent's sync API as far as it is about the post: the gate's end of the exchange, on the other side of a Unix socket."""

from __future__ import annotations

from typing import Protocol

from central_sync.post.messages import (
    FactPage,
    FactsSent,
    FactsTaken,
    OwnFacts,
    PostPlace,
    PostReport,
    UnlockCarried,
    UnlockClaimed,
    UnlocksWaiting,
)
from central_sync.sync_socket import SyncSocket, read_answer


class PostGate(Protocol):
    """Where facts of this gate come from and facts of the others go to: the agent, or its socket (`TransportFault` when it is away)."""

    async def own_facts(self, limit: int, wait_s: float) -> OwnFacts:
        """Return facts that the post has not got; wait up to `wait_s` for the first one."""
        ...

    async def facts_sent(self, sent: FactsSent) -> None:
        """Say what the post keeps now."""
        ...

    async def place(self) -> PostPlace:
        """Return where this gate stands."""
        ...

    async def take_facts(self, page: FactPage) -> FactsTaken:
        """Hand over facts of the other gates."""
        ...

    async def take_seals(self, wire: bytes) -> PostPlace:
        """Hand over reports of seals as received."""
        ...

    async def report_post(self, report: PostReport) -> None:
        """Tell how the post is."""
        ...

    async def unlocks_waiting(self, wait_s: float) -> UnlocksWaiting:
        """Say whether orders to unlock a seal wait; wait up to `wait_s` for the first one."""
        ...

    async def claim_unlock(self) -> UnlockClaimed:
        """Take the oldest order: it is given away once."""
        ...

    async def unlock_carried(self, carried: UnlockCarried) -> None:
        """Tell what became of an order that was claimed."""
        ...


class PostSocket(SyncSocket):
    """`PostGate` over `sync.sock`."""

    async def own_facts(self, limit: int, wait_s: float) -> OwnFacts:
        """Return facts that the post has not got."""
        parameters: dict[str, str | int | float] = {"limit": limit, "wait_s": wait_s}
        response = await self._call("GET", "/v1/post/own-facts", params=parameters, timeout_s=self._timeout_s + wait_s)
        return read_answer(OwnFacts, response)

    async def facts_sent(self, sent: FactsSent) -> None:
        """Say what the post keeps now."""
        await self._call("POST", "/v1/post/sent", content=sent.model_dump_json().encode())

    async def place(self) -> PostPlace:
        """Return where this gate stands."""
        return read_answer(PostPlace, await self._call("GET", "/v1/post/place"))

    async def take_facts(self, page: FactPage) -> FactsTaken:
        """Hand over facts of the other gates."""
        response = await self._call("POST", "/v1/post/facts", content=page.model_dump_json().encode())
        return read_answer(FactsTaken, response)

    async def take_seals(self, wire: bytes) -> PostPlace:
        """Hand over reports of seals as received."""
        return read_answer(PostPlace, await self._call("POST", "/v1/post/seals", content=wire))

    async def report_post(self, report: PostReport) -> None:
        """Tell how the post is."""
        await self._call("POST", "/v1/post/report", content=report.model_dump_json().encode())

    async def unlocks_waiting(self, wait_s: float) -> UnlocksWaiting:
        """Say whether orders to unlock a seal wait."""
        parameters: dict[str, str | int | float] = {"wait_s": wait_s}
        response = await self._call("GET", "/v1/post/unlocks", params=parameters, timeout_s=self._timeout_s + wait_s)
        return read_answer(UnlocksWaiting, response)

    async def claim_unlock(self) -> UnlockClaimed:
        """Take the oldest order."""
        return read_answer(UnlockClaimed, await self._call("POST", "/v1/post/unlocks/claim"))

    async def unlock_carried(self, carried: UnlockCarried) -> None:
        """Tell what became of an order that was claimed."""
        await self._call("POST", "/v1/post/unlocks/carried", content=carried.model_dump_json().encode())
