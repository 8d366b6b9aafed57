"""The post's end of an unlock: order and officer's authorisation verified, written down, carried out by the seal server once, and answered."""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections.abc import Callable, Mapping

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from central_sync.errors import OrderRefused
from central_sync.post.unlocks import (
    AUTHORISATION_USED,
    BUSY,
    OTHER_ORDER,
    UnlockAnswer,
    UnlockEnd,
    UnlockOrder,
    open_order,
    refuse_untimely,
    sign_answer,
)
from gate_agent.app.seal_servers import Unlocker, unlock_once
from gate_agent.app.unlock_authority import authority_of
from gate_agent.clock import Clock
from gate_agent.errors import StoreFault
from gate_agent.lane.authorisation import OfficerRecord
from gate_agent.store.kept_unlocks import Begun, NewUnlock
from gate_agent.store.post_ledger import PostLedger

log = structlog.get_logger()

MOST_AT_ONCE = 32
_LONGEST_WHY = 200


class PostUnlocks:
    """`runtime.post_api.UnlockDesk`. `servers` may unlock by the site file; `gates` are the keys that may order, `officers` who may authorise it."""

    def __init__(
        self,
        ledger: PostLedger,
        gates: Mapping[str, Ed25519PublicKey],
        officers: Callable[[], Mapping[str, OfficerRecord]],
        key: Ed25519PrivateKey,
        clock: Clock,
    ) -> None:
        self.servers: tuple[Unlocker, ...] = ()
        self._ledger = ledger
        self._gates = gates
        self._officers = officers
        self._key = key
        self._clock = clock
        self._running: dict[tuple[uuid.UUID, bytes], asyncio.Task[UnlockAnswer]] = {}

    async def answer(self, gate: str, wire: bytes) -> bytes:
        """Carry out an order that came from `gate` and return the signed answer; the same order again gets the first answer.

        Raises `OrderRefused`, or `StoreFault` when the order cannot be written down: then nothing was sent.
        """
        order = open_order(wire, {gate: self._gates[gate]})
        one = (order.order_id, hashlib.sha256(wire).digest())
        task = self._running.get(one)
        if task is None:
            if len(self._running) >= MOST_AT_ONCE:
                raise OrderRefused("too many orders at once", code=BUSY)
            # A task of its own: a gate that hangs up changes nothing about what was begun.
            task = self._running[one] = asyncio.create_task(self._carry_out(order, one[1]))
            task.add_done_callback(lambda _ended: self._running.pop(one))
        return sign_answer(await asyncio.shield(task), self._key)

    async def _carry_out(self, order: UnlockOrder, digest: bytes) -> UnlockAnswer:
        kept = await self._ledger.unlock(order.order_id)
        if kept is not None:
            if kept.digest != digest:
                raise OrderRefused("another order has this id", code=OTHER_ORDER)
            log.warning("unlock_order_repeated", gate=order.source)
            if kept.answer:
                return UnlockAnswer.model_validate_json(kept.answer)
            return UnlockAnswer(order_id=order.order_id, end=UnlockEnd.UNDETERMINED)
        now = self._clock.now()
        refuse_untimely(order, now)
        verified = authority_of(order, self._officers(), now)
        nonce = verified.authorisation.nonce
        match await self._ledger.begin_unlock(NewUnlock(order.order_id, order.source, order.seal_id, digest, nonce)):
            case Begun.ORDER_KNOWN:
                raise OrderRefused("another order has this id", code=OTHER_ORDER)
            case Begun.AUTHORISATION_USED:
                log.error("unlock_not_authorised", gate=order.source, reason=AUTHORISATION_USED)
                raise OrderRefused("the officer's authorisation was used before", code=AUTHORISATION_USED)
        answer = await self._sent(order)
        try:
            await self._ledger.end_unlock(order.order_id, answer.model_dump_json())
        except StoreFault as fault:  # this answer is right all the same; the same order again would get "undetermined"
            log.error("unlock_answer_not_kept", code=fault.code)
        officers = [officer.officer_id for officer in verified.officers]
        log.info("unlock_order", gate=order.source, officers=officers, outcome=answer.end.value)
        return answer

    async def _sent(self, order: UnlockOrder) -> UnlockAnswer:
        try:
            now = self._clock.now()  # the disk may have taken its time
            refuse_untimely(order, now)
            authority_of(order, self._officers(), now)
        except OrderRefused as refusal:
            return UnlockAnswer(order_id=order.order_id, end=UnlockEnd.NOT_SENT, why=str(refusal))
        outcome, why = await unlock_once(self.servers, order.seal_id)
        end = UnlockEnd(outcome.value) if outcome is not None else UnlockEnd.NOT_SENT
        return UnlockAnswer(order_id=order.order_id, end=end, why=why[:_LONGEST_WHY])
