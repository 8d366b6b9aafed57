"""The gate's end of an unlock at the post: an order waits until `egate sync` claims it, and whoever ordered waits for the answer, not for long.

Before it is claimed an order can be taken back, so that it certainly was not sent. From then on only the post's signed answer, or a
connection that never stood, tells more than that nobody knows.
"""

from __future__ import annotations

import asyncio
import base64
import uuid
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from central_sync.errors import PostFault
from central_sync.post.messages import UnlockCarried, UnlockClaimed, UnlocksWaiting
from central_sync.post.unlocks import (
    ORDER_VALID,
    OfficerAuthorisation,
    OfficerSignature,
    UnlockAnswer,
    UnlockEnd,
    UnlockOrder,
    open_answer,
    order_body,
)
from drivers.errors import NotReady
from drivers.seal_commands import UnlockOutcome
from gate_agent.app.seal_servers import Unlocker
from gate_agent.clock import Clock
from gate_agent.domain.identifiers import uuid7
from gate_agent.lane.authorisation import VerifiedAuthorisation

log = structlog.get_logger()

CLAIMED_WITHIN_S = 1.5
ANSWERED_WITHIN_S = 9.2
"""Both from the beginning; less than the console waits for an action, more than a seal is given."""


@dataclass(slots=True)
class _Waiting:
    order: UnlockOrder
    claimed: asyncio.Event = field(default_factory=asyncio.Event)
    answer: asyncio.Future[UnlockAnswer] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


@dataclass(frozen=True, slots=True)
class _AtPost:
    """The seal servers of the post, for one authorisation."""

    orders: UnlockOrders
    authorisation: OfficerAuthorisation
    name: str = "post"

    async def unlock(self, seal_id: str) -> UnlockOutcome:
        """Order it, once."""
        return await self.orders.order(seal_id, self.authorisation)


class UnlockOrders:
    """`seal_unlocks.PostServers` for the agent, and the three calls about orders of `PostGate` for `egate sync`."""

    def __init__(self, source: str, post_key: Ed25519PublicKey, clock: Clock, changed: Callable[[], None]) -> None:
        self._source = source
        self._post_key = post_key
        self._clock = clock
        self._changed = changed
        self._is_possible = False
        self._waiting: OrderedDict[uuid.UUID, _Waiting] = OrderedDict()
        self._claimed: dict[uuid.UUID, _Waiting] = {}
        self._news = asyncio.Event()

    @property
    def is_possible(self) -> bool:
        """Whether a seal server of the post may unlock, as the post last said; False while it is silent."""
        return self._is_possible

    def post_says(self, *, is_possible: bool) -> None:
        """Note whether the post may unlock."""
        if is_possible != self._is_possible:
            self._is_possible = is_possible
            self._changed()

    def on_authority(self, verified: VerifiedAuthorisation) -> Unlocker:
        """Return the post's servers for what an officer signed: it goes with the order, and the post verifies it again."""
        signatures = tuple(
            OfficerSignature(officer_id=officer_id, signature_hex=signature.lower())
            for officer_id, signature in verified.signatures
        )
        return _AtPost(self, OfficerAuthorisation(payload=verified.payload, signatures=signatures))

    async def order(self, seal_id: str, authorisation: OfficerAuthorisation) -> UnlockOutcome:
        """Order the post to unlock a seal, once. Raises `NotReady` when it certainly was not sent to the seal."""
        now = self._clock.now()
        order = UnlockOrder(
            order_id=uuid7(int(now.timestamp() * 1000)),
            source=self._source,
            seal_id=seal_id,
            expires_at=now + ORDER_VALID,
            authorisation=authorisation,
        )
        one = self._waiting[order.order_id] = _Waiting(order)
        news, self._news = self._news, asyncio.Event()
        news.set()
        try:
            answer = await self._answer(one)
        finally:
            self._waiting.pop(order.order_id, None)
            self._claimed.pop(order.order_id, None)
        if answer.end is UnlockEnd.NOT_SENT:
            raise NotReady(f"the post did not send it: {answer.why}")
        return UnlockOutcome(answer.end.value)

    async def _answer(self, one: _Waiting) -> UnlockAnswer:
        order_id = one.order.order_id
        begun_s = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout_at(begun_s + CLAIMED_WITHIN_S):
                await one.claimed.wait()
        except TimeoutError:
            if self._waiting.pop(order_id, None) is not None:  # nobody can claim it any more
                return UnlockAnswer(order_id=order_id, end=UnlockEnd.NOT_SENT, why="egate-sync did not fetch it")
        try:
            async with asyncio.timeout_at(begun_s + ANSWERED_WITHIN_S):
                return await one.answer
        except TimeoutError:
            return UnlockAnswer(order_id=order_id, end=UnlockEnd.UNDETERMINED)

    async def waiting(self, wait_s: float) -> UnlocksWaiting:
        """Say how many orders can be claimed; wait for the first one."""
        if not self._waiting and wait_s > 0:
            try:
                async with asyncio.timeout(wait_s):
                    await self._news.wait()
            except TimeoutError:
                pass  # none came
        return UnlocksWaiting(count=len(self._waiting))

    def claim(self) -> UnlockClaimed:
        """Give the oldest order away, for good."""
        if not self._waiting:
            return UnlockClaimed()
        order_id, one = self._waiting.popitem(last=False)
        self._claimed[order_id] = one
        one.claimed.set()
        body = base64.b64encode(order_body(one.order)).decode()
        return UnlockClaimed(order_id=order_id, body_base64=body)

    def carried(self, carried: UnlockCarried) -> None:
        """Take what became of an order. Raises `PostFault` for an answer that the post did not sign for this order: nobody knows, then."""
        one = self._claimed.get(carried.order_id)
        if one is None or one.answer.done():
            log.warning("unlock_answer_late")
            return
        answer = UnlockAnswer(order_id=carried.order_id, end=UnlockEnd.UNDETERMINED)
        try:
            if carried.answer_base64:
                answer = self._opened(carried)
            elif carried.not_sent:
                answer = answer.model_copy(update={"end": UnlockEnd.NOT_SENT, "why": carried.not_sent})
        finally:
            one.answer.set_result(answer)

    def _opened(self, carried: UnlockCarried) -> UnlockAnswer:
        try:
            wire = base64.b64decode(carried.answer_base64, validate=True)
        except ValueError as error:
            raise PostFault("the post's answer cannot be read", code="CS-PST-003") from error
        answer = open_answer(wire, self._post_key)
        if answer.order_id != carried.order_id:
            raise PostFault("the post's answer is about another order", code="CS-PST-003")
        return answer
