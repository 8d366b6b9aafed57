"""The switch for a whole post: in fallback officers do the control, and no lane of any gate takes a new traveller by itself.

An order acts here at once, whatever the disk and the post do. Over the post it reaches the other gates as a fact that carries what the officer
signed; each judges that by its own officers, obeys, and answers. It outlives the agent, and nothing undoes it but a later order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

import structlog

from central_sync.post.facts import FallbackOrdered
from central_sync.post.unlocks import OfficerAuthorisation, OfficerSignature
from gate_agent.app.customs_desk import TellAlarm
from gate_agent.app.power_watch import HeldLane
from gate_agent.app.referral_orders import NOT_POSSIBLE_NOW
from gate_agent.clock import Clock
from gate_agent.domain import events as ev
from gate_agent.domain.fallback import is_later
from gate_agent.domain.identifiers import uuid7
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.errors import AuthorityRefused, StoreFault
from gate_agent.lane.authorisation import (
    AuthorisedAction,
    OfficerRecord,
    RefusalCode,
    VerifiedAuthorisation,
    judge,
    parse_authorisation,
)
from gate_agent.store.fallback_book import FallbackAnswer, FallbackBook, rank_of
from gate_agent.web.fallback_messages import FallbackGateView, FallbackView
from gate_agent.web.lane_api_messages import ActionAnswer

log = structlog.get_logger()

OUTDATED = "EG-LAN-015"
_ALARM = "fallback"
_LOOK_S = 2.0
_TOLD_AGAIN_S = 3_600.0


class Fallback:
    """The order in force at one gate. `gates` are all of its post, none where it has no post; `officers` may be a live view."""

    def __init__(
        self,
        source: str,
        book: FallbackBook,
        lanes: Mapping[int, HeldLane],
        officers: Mapping[str, OfficerRecord],
        gates: Sequence[str],
        clock: Clock,
        *,
        tell: TellAlarm,
        changed: Callable[[], None],
        post_answers: Callable[[], bool] = lambda: True,
    ) -> None:
        self._source = source
        self._book = book
        self._lanes = lanes
        self._officers = officers
        self._others = sorted(gate for gate in gates if gate != source)
        self._clock = clock
        self._tell = tell
        self._changed = changed
        self._post_answers = post_answers
        self._order: FallbackOrdered | None = None
        self._reason = ("", "")
        self._is_kept = True
        self._answers: dict[str, FallbackAnswer] = {}
        self._told_s = clock.monotonic_s()

    @property
    def stands(self) -> bool:
        """Whether officers do the control now."""
        return self._order is not None and self._order.stands

    async def restore(self) -> None:
        """Obey what was in force when the last agent ended, and judge what it had not. Before the lanes run."""
        kept = await self._book.kept()
        if kept.order is not None:
            self._obey(kept.order)
            self._is_kept = True  # this very one
        await self.look()

    async def order(self, verified: VerifiedAuthorisation) -> ActionAnswer:
        """Carry out what an officer ordered at this gate: the lanes first, then the disk, then the other gates."""
        authorised = verified.authorisation
        stands = authorised.action is AuthorisedAction.BEGIN_FALLBACK
        number = 0 if self._order is None else self._order.number
        if authorised.fallback_number != number + 1:
            log.warning("fallback_order_refused", code=OUTDATED, gate=self._source)
            return ActionAnswer.refused(OUTDATED, "another order about the fallback came first: look, and order again")
        if stands is self.stands:
            return ActionAnswer.refused(NOT_POSSIBLE_NOW, "the post is so already")
        now = self._clock.now()
        signatures = tuple(
            OfficerSignature(officer_id=officer_id, signature_hex=signature.lower())
            for officer_id, signature in verified.signatures
        )
        order = FallbackOrdered(
            fact_id=uuid7(int(now.timestamp() * 1000)),
            source=self._source,
            occurred_at=now,
            expires_at=now + timedelta(days=1),
            order_id=authorised.authorisation_id,
            number=authorised.fallback_number,
            stands=stands,
            authorisation=OfficerAuthorisation(payload=verified.payload, signatures=signatures),
        )
        self._obey(order)
        self._told_s = self._clock.monotonic_s()
        await self._keep()
        return ActionAnswer.done()

    async def look(self) -> None:
        """See what the other gates told: judge their orders, obey the latest, and note their answers. Raises `StoreFault`."""
        kept = await self._book.kept()
        answers = {answer.source: answer for answer in kept.answers}
        if answers != self._answers:
            self._answers = answers
            self._changed()
        # The highest first: a gate that comes back does not go through everything that was ordered and undone meanwhile.
        for order, refused_before in sorted(kept.waiting, key=lambda one: rank_of(one[0]), reverse=True):
            if not is_later(rank_of(order), rank_of(self._order) if self._order is not None else None):
                await self._book.drop(order)
                continue
            try:
                self._judge(order)
            except AuthorityRefused as refusal:
                if refusal.code != refused_before:
                    log.error("fallback_order_refused", gate=order.source, code=refusal.code)
                    is_for_good = refusal.code != RefusalCode.UNKNOWN_OFFICER.value  # who came in the meantime
                    await self._book.refuse(order, refusal.code, is_for_good=is_for_good)
                continue
            self._obey(order)
            await self._keep()

    async def run(self) -> None:
        """Try again what the disk refused, judge again whose officers are new, and tell who has not answered, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_S)
            try:
                if not self._is_kept:
                    await self._keep()
                await self.look()
                await self._remind()
            except StoreFault as fault:
                log.error("fallback_not_readable", code=fault.code)

    async def _remind(self) -> None:
        order, now_s = self._order, self._clock.monotonic_s()
        if order is None or order.source != self._source or now_s - self._told_s < _TOLD_AGAIN_S:
            return
        if any(self._answer_of(gate, order).state != "acknowledged" for gate in self._others):
            await self._book.tell_again(order)
        self._told_s = now_s

    def _judge(self, order: FallbackOrdered) -> None:
        """Judge another gate's order by the moment at which it took it. Raises `AuthorityRefused`."""
        said = order.authorisation
        signatures = [(one.officer_id, one.signature_hex) for one in said.signatures]
        verified = judge(said.payload, signatures, order.source, self._officers, order.occurred_at)
        action = AuthorisedAction.BEGIN_FALLBACK if order.stands else AuthorisedAction.END_FALLBACK
        authorised = verified.authorisation
        signed = (authorised.action, authorised.fallback_number, authorised.authorisation_id)
        if signed != (action, order.number, order.order_id):
            raise AuthorityRefused("the officer authorised something else", code=RefusalCode.MALFORMED.value)

    def _obey(self, order: FallbackOrdered) -> None:
        """Put an order in force: the lanes hear of it before anything else."""
        change = ev.Hold if order.stands else ev.Unhold
        for lane in self._lanes.values():
            lane.feed(change(ReasonCode.POST_FALLBACK))
        self._order, self._is_kept, self._reason = order, False, _reason(order)
        named = {"gate": order.source}
        self._tell(_ALARM, Reason(ReasonCode.POST_FALLBACK, named), order.stands)
        log.warning(
            "post_fallback", stands=order.stands, number=order.number, gate=order.source, officers=_officers(order)
        )
        self._changed()

    async def _keep(self) -> None:
        """Keep what is in force. A disk that refuses is logged and tried again; the lanes obey all the same."""
        order = self._order
        assert order is not None, "something is in force"
        try:
            await self._book.keep(order)
        except StoreFault as fault:
            log.error("fallback_not_kept", code=fault.code)
        else:
            self._is_kept = self._is_kept or order is self._order

    def view(self) -> FallbackView | None:
        """Return the order in force as a console shows it, None while there was none."""
        order = self._order
        if order is None:
            return None
        code, text = self._reason
        return FallbackView(
            number=order.number,
            stands=order.stands,
            since=order.occurred_at,
            gate=order.source,
            officers=_officers(order),
            reason_code=code,
            reason_text=text,
            gates=[self._answer_of(gate, order) for gate in self._others],
            post_answers=self._post_answers(),
        )

    def _answer_of(self, gate: str, order: FallbackOrdered) -> FallbackGateView:
        answer = self._answers.get(gate)
        if gate == order.source:
            return FallbackGateView(gate=gate, state="acknowledged", at=order.occurred_at)
        if answer is None or answer.order_id != order.order_id:
            return FallbackGateView(gate=gate, state="waiting")
        state = "refused" if answer.refusal else "acknowledged"
        return FallbackGateView(gate=gate, state=state, at=answer.at, refusal=answer.refusal)


def _officers(order: FallbackOrdered) -> list[str]:
    return [one.officer_id for one in order.authorisation.signatures]


def _reason(order: FallbackOrdered) -> tuple[str, str]:
    """Return why it was ordered; it was judged before, so only another release than this one cannot read it."""
    try:
        authorised = parse_authorisation(order.authorisation.payload)
    except AuthorityRefused as refusal:
        log.error("fallback_reason_unreadable", code=refusal.code)
        return "", ""
    return authorised.reason_code, authorised.reason_text
