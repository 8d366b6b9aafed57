"""The post as this gate's agent knows it: facts into the store, reports of seals to the gate, and a device in fault when the post is silent.

The agent has no network: `egate sync` brings and fetches all of it.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from datetime import timedelta
from pathlib import Path

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import TypeAdapter, ValidationError

from central_sync import signed, strict_json
from central_sync.errors import IdentityFault, PostFault, StrictJsonError
from central_sync.post.directory import FILE_NAME, read_directory
from central_sync.post.messages import (
    SEALS_PURPOSE,
    FactPage,
    FactsSent,
    FactsTaken,
    OwnFacts,
    PostPlace,
    PostReport,
    SealNotice,
    SealPage,
    UnlockCarried,
    UnlockClaimed,
    UnlocksWaiting,
)
from drivers import contracts as dc
from gate_agent.app.device_status import DeviceStatus
from gate_agent.app.unlock_orders import UnlockOrders
from gate_agent.clock import Clock
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.errors import SettingsFault, StoreFault
from gate_agent.lane.alarms import LaneAlarms
from gate_agent.post_keys import FACTS_KEY
from gate_agent.store.exchange import FactExchange
from gate_agent.store.facts import Post
from gate_agent.store.secret_file import read_secret

DEVICE, DEVICE_CLASS = "post", "post"
NO_POST = "EG-SET-013"
SILENT, GAP, FOREIGN_FACTS = (f"EG-PST-{number:03d}" for number in range(1, 4))
LONGEST_PAGE_BYTES = 1_000_000

_SILENT_S = 10.0
_LOOK_S = 1.0
_SETTLED_S = 10.0
_FORGET_S = 300.0
_REMEDIES = {
    SILENT: "Look at the post's machine and its network, and at egate-sync here; crossings go on, and facts wait on this gate's disk.",
    GAP: "This gate was away for longer than the post keeps facts; the centre's bundle of stays brings what is missing.",
    FOREIGN_FACTS: "Compare post_directory.json of this gate with that of the post: a fact came that no listed gate signed.",
    "CS-PST-005": "Compare the gate's id and gate.key with post_directory.json of the post; what was refused reaches no other gate.",
    "CS-PST-002": "Compare post_directory.json, gate.crt and both clocks at gate and post; a certificate that is not listed is refused.",
}
_SEAL_REPORT = TypeAdapter(dc.SealReported)

log = structlog.get_logger()


def read_post(keys: Path) -> Post:
    """Read what a gate with a post needs from the folder of keys. Raises `SettingsFault`."""
    try:
        return Post(read_secret(keys / FACTS_KEY, NO_POST), read_directory(keys / FILE_NAME).gate_keys())
    except (IdentityFault, StoreFault) as fault:
        raise SettingsFault(f"{fault.code}: {fault}", code=NO_POST) from fault


class PostSide:
    """`central_sync.post.agent_socket.PostGate` of one agent, behind its sync API. `report` takes device events as if a driver of this gate had sent them."""

    def __init__(
        self,
        exchange: FactExchange,
        post_key: Ed25519PublicKey,
        statuses: MutableMapping[str, DeviceStatus],
        alarms: Mapping[int, LaneAlarms],
        clock: Clock,
        *,
        report: dc.EventSink,
        changed: Callable[[], None],
        orders: UnlockOrders,
        told_of_fallback: Callable[[], Awaitable[None]],
    ) -> None:
        self._exchange = exchange
        self._post_key = post_key
        self._statuses = statuses
        self._alarms = alarms
        self._clock = clock
        self._report = report
        self._changed = changed
        self._orders = orders
        self._told_of_fallback = told_of_fallback
        self._seals: tuple[uuid.UUID | None, int] | None = None
        self._settling: deque[tuple[float, uuid.UUID, int]] = deque()
        self._heard_s = clock.monotonic_s()
        self._numbers: dict[str, int] = {}
        self._lasting = ""
        self._set(DEVICE, DEVICE_CLASS, dc.DeviceState.STARTING)

    async def run(self) -> None:
        """Watch for silence and forget what is past its time, until cancelled."""
        forget_s = self._clock.monotonic_s()
        while True:
            now_s = self._clock.monotonic_s()
            if now_s - self._heard_s > _SILENT_S:
                self._set(DEVICE, DEVICE_CLASS, dc.DeviceState.FAULT, SILENT)
                self._orders.post_says(is_possible=False)
            try:
                await self._settle(now_s)
                if now_s >= forget_s:
                    forget_s = now_s + _FORGET_S
                    await self._exchange.forget_expired()
            except StoreFault as fault:
                log.error("post_place_not_kept", code=fault.code)
            await asyncio.sleep(_LOOK_S)

    async def _settle(self, now_s: float) -> None:
        """Keep a place among the seals once what was read up to it has had time to become durable: rather heard twice than never."""
        settled = None
        while self._settling and now_s - self._settling[0][0] >= _SETTLED_S:
            settled = self._settling.popleft()
        if settled is not None:
            await self._exchange.keep_seal_place(settled[1], settled[2])

    async def own_facts(self, limit: int, wait_s: float) -> OwnFacts:
        """Return facts that the post has not got."""
        return await self._exchange.own_facts(limit, wait_s)

    async def facts_sent(self, sent: FactsSent) -> None:
        """Note what the post keeps."""
        await self._exchange.facts_sent(sent)

    async def place(self) -> PostPlace:
        """Return where this gate stands."""
        generation, after = await self._exchange.place()
        seals_generation, seals_after = await self._seal_place()
        return PostPlace(
            facts_generation=generation,
            facts_after=after,
            seals_generation=seals_generation,
            seals_after=seals_after,
        )

    async def _seal_place(self) -> tuple[uuid.UUID | None, int]:
        if self._seals is None:
            self._seals = await self._exchange.place("seals")
        return self._seals

    async def take_facts(self, page: FactPage) -> FactsTaken:
        """Put facts of the other gates into effect; a token that was used here and there raises an alarm on either side."""
        taken = await self._exchange.take_page(page)
        if taken is None:
            return FactsTaken(place=await self.place())
        for fact_id, gate in taken.conflicts:
            log.error("token_used_at_two_gates", fact_id=str(fact_id), other_gate=gate)
            alarms = self._alarms.get(min(self._alarms, default=0))
            if alarms is not None:
                await alarms.raise_(Reason(ReasonCode.TOKEN_USED_AT_TWO_GATES, {"gate": gate}))
        if page.gap or taken.refused:
            self._lasting = FOREIGN_FACTS if taken.refused else GAP
            log.error("facts_missing", code=self._lasting, refused=taken.refused)
        if taken.about_fallback:
            await self._told_of_fallback()
        if taken.new or taken.conflicts:
            self._changed()
        return FactsTaken(place=await self.place(), new=taken.new, refused=taken.refused)

    async def take_seals(self, wire: bytes) -> PostPlace:
        """Take reports of seals over, in their order, each once. Raises `PostFault` for what the post did not sign."""
        content = signed.content_of(SEALS_PURPOSE, wire, (self._post_key,))
        if content is None:
            raise PostFault("the post did not sign these reports of seals", code="CS-PST-002")
        try:
            page = SealPage.model_validate(strict_json.load_object(content, max_bytes=LONGEST_PAGE_BYTES))
        except (StrictJsonError, ValidationError) as error:
            raise PostFault("reports of seals that cannot be read", code="CS-PST-003") from error
        generation, after = await self._seal_place()
        is_next = page.after == (after if page.generation == generation else 0)
        if is_next:
            if page.gap:
                log.warning("seal_reports_thinned", after=page.after)
            for notice in page.notices:
                self._take_seal(notice)
            if (page.generation, page.through) != (generation, after):
                self._settling.append((self._clock.monotonic_s(), page.generation, page.through))
            self._seals = (page.generation, page.through)
        return await self.place()

    async def report_post(self, report: PostReport) -> None:
        """Note how the post and its devices are."""
        self._heard_s = self._clock.monotonic_s()
        self._orders.post_says(is_possible=report.online and any(device.may_unlock for device in report.devices))
        if not report.online:
            code = report.fault if report.fault in _REMEDIES else SILENT
            self._set(DEVICE, DEVICE_CLASS, dc.DeviceState.FAULT, code)
            return
        self._set(DEVICE, DEVICE_CLASS, dc.DeviceState.READY, report.fault or self._lasting)
        for device in report.devices:
            name = f"{DEVICE}/{device.name}"
            self._set(name, device.device_class, device.state, device.fault, device.remedy)

    async def unlocks_waiting(self, wait_s: float) -> UnlocksWaiting:
        """Say whether orders to unlock a seal wait."""
        return await self._orders.waiting(wait_s)

    async def claim_unlock(self) -> UnlockClaimed:
        """Give the oldest order away, for good."""
        return self._orders.claim()

    async def unlock_carried(self, carried: UnlockCarried) -> None:
        """Take what became of an order."""
        self._orders.carried(carried)

    def _take_seal(self, notice: SealNotice) -> None:
        try:
            reported = _SEAL_REPORT.validate_python(notice.report)
        except ValidationError:
            log.error("seal_report_unreadable", device=notice.device, seq=notice.seq)
            return
        device = f"{DEVICE}/{notice.device}"
        self._numbers[device] = self._numbers.get(device, 0) + 1
        received_at = self._clock.now() - timedelta(seconds=notice.age_s)
        received_s = self._clock.monotonic_s() - notice.age_s
        self._report(dc.DeviceEvent(device, reported, received_at, received_s, self._numbers[device]))

    def _set(self, name: str, device_class: str, state: str, fault: str = "", remedy: str = "") -> None:
        remedy = remedy or _REMEDIES.get(fault, "")
        status = self._statuses.get(name)
        if status is not None and (status.state, status.fault, status.remedy) == (str(state), fault, remedy):
            return
        now = self._clock.now()
        if status is None or status.device_class != device_class:
            status = self._statuses[name] = DeviceStatus(device_class, str(state), now)
        log.info("device_state", device=name, state=str(state), fault=fault)
        changed = dc.StateChanged(dc.DeviceState(state), fault, remedy)
        status.note(dc.DeviceEvent(name, changed, now, self._clock.monotonic_s(), status.change_count + 1))
        self._changed()
