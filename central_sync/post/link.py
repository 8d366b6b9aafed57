"""A gate's link to its post, run by `egate sync`: carries facts and reports of seals, keeps nothing, may be killed at any moment.

Loops, each with its own back-off, so that none waits for another. What is under way when something dies is done again: both
ends know by themselves what they have. Only an order to unlock a seal is carried once, whatever becomes of it.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from central_sync.errors import OrderRefused, PostFault, PostNotReached, TransportFault
from central_sync.post.agent_socket import PostGate
from central_sync.post.client import PostClient
from central_sync.post.facts import sign_fact
from central_sync.post.messages import MAX_FACTS, MAX_SEALS, FactsSent, PostReport, UnlockCarried
from central_sync.post.own_officers import OwnOfficers
from central_sync.post.unlocks import sign_order
from central_sync.uplink import backoff_s

FACTS_REFUSED = "CS-PST-005"
_FIRST_RETRY_S = 0.1
_LONGEST_RETRY_S = 2.0
_MOST_DOUBLINGS = 6
_UNLOCKS_AT_ONCE = 2

_log = structlog.get_logger(__name__)


class PostLink:
    """Runs until cancelled, whatever the post and the agent do."""

    def __init__(
        self,
        gate: PostGate,
        post: PostClient,
        key: Ed25519PrivateKey,
        *,
        jitter: Callable[[], float],
        officers: OwnOfficers | None = None,
        report_s: float = 2.0,
        wait_s: float = 5.0,
    ) -> None:
        self._gate = gate
        self._post = post
        self._key = key
        self._report_s = report_s
        self._wait_s = wait_s
        self._jitter = jitter
        self._fault = ""
        self._officers = officers
        self._officers_at_post = -1

    async def run(self) -> None:
        """Carry until cancelled."""
        steps = [self._push_facts, self._pull_facts, self._pull_seals, self._report, self._bring_officers]
        steps += [self._carry_unlock] * _UNLOCKS_AT_ONCE
        loops = [asyncio.create_task(self._repeat(step, step.__name__.strip("_"))) for step in steps]
        try:
            await asyncio.gather(*loops)
        finally:
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)

    async def _repeat(self, step: Callable[[], Awaitable[None]], name: str) -> None:
        attempts = 0
        while True:
            try:
                await step()
                attempts = 0
            except (PostFault, TransportFault) as fault:
                attempts = min(attempts + 1, _MOST_DOUBLINGS)
                if attempts == 1:
                    _log.info("post_link_interrupted", work=name, code=fault.code, why=str(fault))
                await asyncio.sleep(min(_LONGEST_RETRY_S, backoff_s(attempts, _FIRST_RETRY_S, self._jitter())))

    async def _push_facts(self) -> None:
        page = await self._gate.own_facts(MAX_FACTS, self._wait_s)
        if not page.facts:
            return
        wires = [sign_fact(base64.b64decode(fact.body_base64), self._key) for fact in page.facts]
        kept = await self._post.publish(wires)
        if kept.refused:
            _log.error("facts_refused_by_post", refused=kept.refused)
            self._fault = FACTS_REFUSED
        await self._gate.facts_sent(FactsSent(generation=kept.generation, seqs=[fact.seq for fact in page.facts]))

    async def _pull_facts(self) -> None:
        place = await self._gate.place()
        page = await self._post.facts(place.facts_generation, place.facts_after, MAX_FACTS, self._wait_s)
        if page.generation != place.facts_generation or page.through != place.facts_after:
            taken = await self._gate.take_facts(page)
            if taken.refused:
                _log.error("facts_refused_by_agent", refused=taken.refused)

    async def _pull_seals(self) -> None:
        place = await self._gate.place()
        wire = await self._post.seals(place.seals_generation, place.seals_after, MAX_SEALS, self._wait_s)
        await self._gate.take_seals(wire)

    async def _carry_unlock(self) -> None:
        if not (await self._gate.unlocks_waiting(self._wait_s)).count:
            return
        claimed = await self._gate.claim_unlock()
        if claimed.order_id is None:
            return
        carried = UnlockCarried(order_id=claimed.order_id)
        try:
            answer = await self._post.unlock(sign_order(base64.b64decode(claimed.body_base64), self._key))
            carried = UnlockCarried(order_id=claimed.order_id, answer_base64=base64.b64encode(answer).decode())
        except (OrderRefused, PostNotReached) as refusal:
            _log.warning("unlock_not_carried", code=refusal.code)
            carried = UnlockCarried(order_id=claimed.order_id, not_sent=refusal.code)
        except PostFault as fault:  # it left and no answer came
            _log.warning("unlock_undetermined", code=fault.code)
        await self._gate.unlock_carried(carried)

    async def _bring_officers(self) -> None:
        """Bring the post the officers' bundle while it says that it has an older one."""
        wire = None
        if self._officers is not None and self._officers_at_post >= 0:
            wire = self._officers.newer_than(self._officers_at_post)
        if wire is not None:
            held = await self._post.bring_officers(wire)
            self._officers_at_post = held.version
            _log.info("officers_brought_to_post", version=held.version)
        await asyncio.sleep(self._report_s)

    async def _report(self) -> None:
        try:
            state = await self._post.state()
        except PostFault as fault:
            await self._gate.report_post(PostReport(online=False, fault=fault.code))
            raise
        self._officers_at_post = state.officers_version
        await self._gate.report_post(PostReport(online=True, fault=self._fault, devices=state.devices))
        await asyncio.sleep(self._report_s)
