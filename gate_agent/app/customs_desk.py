"""The desks of the agencies: open stops shown, their duty worked out, their tasks closed by officers of the agency, and alarms about them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from central_sync.screening_part import ScreeningPart
from gate_agent.app import desk_views
from gate_agent.app.knowledge import GateKnowledge
from gate_agent.app.seal_watch import SealWatch
from gate_agent.clock import Clock
from gate_agent.closing_order import ClosingOrder, GoodsLine
from gate_agent.domain.agency import AGENCY_OF_ROLE, Agency
from gate_agent.domain.crossing import Officer
from gate_agent.domain.declaration import DeclaredGoods, TravelMode
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.task_closing import TaskClosing
from gate_agent.lane.authorisation import VerifiedAuthorisation
from gate_agent.policy.closing_rules import closing_faults
from gate_agent.policy.duty import DutyAnswer, duty
from gate_agent.policy.rulebook import Rulebook
from gate_agent.settings import Settings
from gate_agent.store.desk import DeskBook
from gate_agent.store.stops import CustomsTask, Stop
from gate_agent.store.stops_elsewhere import SeenHere
from gate_agent.web.desk_messages import (
    CustomsTaskView,
    DutyQuestion,
    DutyView,
    InspectionsView,
    StopView,
)
from gate_agent.web.lane_api_messages import ActionAnswer

NO_SUCH_TASK, OTHER_AGENCY, CLOSING_INCOMPLETE = "EG-LAN-003", "EG-LAN-008", "EG-LAN-009"
LONGEST_COUNT_DAYS = 366

log = structlog.get_logger()

Look = Callable[[Sequence[CustomsTaskView]], list[CustomsTaskView]]
"""Adds what X-ray and tag readers told about tasks."""

TellAlarm = Callable[[str, Reason, bool], None]
"""Raises or clears an alarm of the whole gate: its subject, why, and whether it stands."""


@dataclass(frozen=True, slots=True)
class DeskKnowledge:
    """What the desks decide from: the rulebook in force, how travellers arrive here, when a stop is overdue, the seals' history."""

    rulebook: Callable[[], Rulebook]
    mode_for: Callable[[TravelMode | None], TravelMode]
    overdue_after: timedelta
    seals: SealWatch


def desk_knowledge(settings: Settings, knowledge: GateKnowledge) -> DeskKnowledge:
    """Return what the desks of a gate decide from."""
    return DeskKnowledge(
        lambda: knowledge.current().rulebook,
        settings.gate.mode_for,
        timedelta(minutes=settings.policy.desk_task_alarm_min),
        knowledge.seal_watch,
    )


class CustomsDesk:
    """Open stops, read from the store now and then and shown from memory; `web.desk_api.DeskSource` of one agent."""

    def __init__(self, book: DeskBook, knowledge: DeskKnowledge, clock: Clock, look: Look, tell: TellAlarm) -> None:
        self._book = book
        self._known = knowledge
        self._clock = clock
        self._look = look
        self._tell = tell
        self._tasks: list[CustomsTaskView] = []
        self._alarmed: dict[str, Reason] = {}

    def tasks(self) -> list[CustomsTaskView]:
        """Return the tasks of open stops, oldest first."""
        return self._tasks

    async def refresh(self) -> bool:
        """Read the stops again and see what is to be alarmed; True when something changed. Raises `StoreFault`."""
        stops, now = await self._book.stops(), self._clock.now()
        found = [
            desk_views.task(task, stop, is_overdue=self._is_overdue(stop, now)) for stop in stops for task in stop.tasks
        ]
        changed = found != self._tasks
        self._tasks = found
        self._alarm(stops, await self._book.seen_here(), now)
        return changed

    async def stop(self, stop_id: uuid.UUID) -> StopView | None:
        """Return everything about an open stop."""
        stop = await self._find(stop_id)
        if stop is None:
            return None
        rulebook = self._known.rulebook()
        is_overdue = self._is_overdue(stop, self._clock.now())
        own = [desk_views.task(task, stop, is_overdue=is_overdue) for task in stop.tasks]
        tasks = self._look([*own, *self._tasks])[: len(own)]  # a scan of another's declaration is near nobody else
        answer = self._duty(rulebook, stop, None, None)
        return desk_views.stop(stop, self._mode(stop), answer, rulebook, tasks, unlockable_seals(stop))

    async def may_unlock(self, seal_id: str) -> bool:
        """Tell whether a seal belongs to an open customs task of this gate. Raises `StoreFault`."""
        return any(seal_id in unlockable_seals(stop) for stop in await self._book.stops())

    async def duty(self, stop_id: uuid.UUID, question: DutyQuestion) -> DutyView | None:
        """Return what would be due on other lines than the declared ones; nothing is kept."""
        stop = await self._find(stop_id)
        if stop is None:
            return None
        rulebook = self._known.rulebook()
        goods = None if question.goods is None else _goods(question.goods)
        return desk_views.duty(self._duty(rulebook, stop, goods, question.days_abroad), rulebook)

    async def inspections(self, days: int) -> InspectionsView:
        """Return what was counted in the last `days` days by the gate's clock."""
        days = max(1, min(days, LONGEST_COUNT_DAYS))
        since = self._clock.now().date() - timedelta(days=days - 1)
        return desk_views.inspections(days, since, await self._book.inspections(since))

    async def close(self, verified: VerifiedAuthorisation) -> ActionAnswer:
        """Close a task as officers of its agency signed it: what the rules say is worked out here again, never taken from the page."""
        order = verified.authorisation
        found = await self._find_task(order.subject_id or uuid.UUID(int=0))
        if found is None or order.closing is None:
            return ActionAnswer.refused(NO_SUCH_TASK, "there is no such open task")
        stop, task = found
        own = [one for one in verified.officers if AGENCY_OF_ROLE.get(one.role.value) is task.agency]
        if not own:
            return ActionAnswer.refused(OTHER_AGENCY, f"this task is closed by an officer of {task.agency}")
        officers = tuple(
            Officer(one.officer_id, one.role.value, order.authorisation_id)
            for one in (*own, *(one for one in verified.officers if one not in own))
        )
        closing = self._closing(task, stop, order.closing, officers, order.reason_text)
        rulebook = self._known.rulebook()
        faults = closing_faults(
            task.agency,
            closing.finding,
            is_amended=closing.goods is not None,
            act_number=closing.act_number,
            duty=closing.duty,
            computed=closing.computed,
            duty_reason=closing.duty_reason,
            valuation_currency=rulebook.valuation_currency,
        )
        if faults:
            return ActionAnswer.refused(CLOSING_INCOMPLETE, ", ".join(faults))
        if not await self._book.close(closing, self._screening(task, stop)):
            return ActionAnswer.refused(NO_SUCH_TASK, "there is no such open task")
        named = [one.parameters["seal"] for one in task.reasons if "seal" in one.parameters]
        self._known.seals.settled(task.declaration_reference, named, officers[0].officer_id)
        log.info("desk_task_closed", agency=task.agency.value, finding=closing.finding.value)
        await self.refresh()
        return ActionAnswer.done()

    def _closing(
        self, task: CustomsTask, stop: Stop, order: ClosingOrder, officers: tuple[Officer, ...], remark: str
    ) -> TaskClosing:
        rulebook = self._known.rulebook()
        goods = None if order.goods is None else _goods(order.goods)
        computed = None
        if task.agency is Agency.CUSTOMS:
            answer = self._duty(rulebook, stop, goods, order.days_abroad)
            computed = None if answer.is_for_an_officer else answer.due
        return TaskClosing(
            task_id=task.task_id,
            finding=order.finding,
            officers=officers,
            goods=goods,
            days_abroad=order.days_abroad,
            computed=computed,
            duty=None if order.duty is None else order.duty.money,
            duty_reason=order.duty_reason,
            act_number=order.act_number.strip(),
            remark=remark,
            rulebook_version=rulebook.version,
        )

    def _screening(self, task: CustomsTask, stop: Stop) -> list[ScreeningPart]:
        """Return the results of screening that are this declaration's own; what is only near in time is nobody's."""
        seen = self._look([desk_views.task(task, stop, is_overdue=False)])
        own = [scan for one in seen for scan in one.xray if scan.link == "scan"]
        return [ScreeningPart.model_validate(scan.model_dump(exclude={"link"})) for scan in own]

    def _duty(
        self, rulebook: Rulebook, stop: Stop, goods: Sequence[DeclaredGoods] | None, days_abroad: int | None
    ) -> DutyAnswer:
        lines = stop.declared.goods if goods is None else goods
        mode, travellers = self._mode(stop), stop.declared.travellers
        return duty(rulebook, stop.direction, mode, stop.local_date, lines, days_abroad, travellers=travellers)

    def _mode(self, stop: Stop) -> TravelMode:
        return self._known.mode_for(stop.declared.mode)

    def _is_overdue(self, stop: Stop, now: datetime) -> bool:
        return now - stop.opened_at >= self._known.overdue_after

    async def _find(self, stop_id: uuid.UUID) -> Stop | None:
        return next((stop for stop in await self._book.stops() if stop.stop_id == stop_id), None)

    async def _find_task(self, task_id: uuid.UUID) -> tuple[Stop, CustomsTask] | None:
        for stop in await self._book.stops():
            for task in stop.tasks:
                if task.task_id == task_id and not task.closed_by:
                    return stop, task
        return None

    def _alarm(self, stops: Sequence[Stop], seen_here: Sequence[SeenHere], now: datetime) -> None:
        """Raise what is new and clear what is over: one alarm a stop and cause, however many tasks it has."""
        wanted: dict[str, Reason] = {}
        for stop in stops:
            named = {"reference": stop.reference or str(stop.stop_id)[-8:]}
            if self._is_overdue(stop, now):
                minutes = f"{self._known.overdue_after.total_seconds() / 60:g}"
                told = named | {"minutes": minutes}
                wanted[f"overdue {stop.stop_id}"] = Reason(ReasonCode.DESK_TASK_OVERDUE, told)
            if stop.seen_by:
                told = named | {"gate": stop.seen_by.rpartition("/")[2]}
                wanted[f"seen {stop.stop_id}"] = Reason(ReasonCode.DESK_STOP_SEEN_AT_EXIT, told)
        for seen in seen_here:
            told = {"gate": seen.source.rpartition("/")[2], "lane": str(seen.lane_id)}
            wanted[f"here {seen.stop_id}"] = Reason(ReasonCode.DESK_STOP_OPEN_ELSEWHERE, told)
        for subject in self._alarmed.keys() - wanted.keys():
            self._tell(subject, self._alarmed.pop(subject), False)
        for subject, reason in wanted.items():
            if subject not in self._alarmed:
                self._alarmed[subject] = reason
                self._tell(subject, reason, True)


def unlockable_seals(stop: Stop) -> list[str]:
    """Return the seals that customs may have unlocked: while its task is open, those that the task names and those that were declared."""
    open_tasks = [task for task in stop.tasks if task.agency is Agency.CUSTOMS and not task.closed_by]
    named = [reason.parameters["seal"] for task in open_tasks for reason in task.reasons if "seal" in reason.parameters]
    return list(dict.fromkeys([*named, *stop.declared.seal_ids])) if open_tasks else []


def _goods(lines: Sequence[GoodsLine]) -> tuple[DeclaredGoods, ...]:
    return tuple(
        DeclaredGoods(
            line.description,
            line.value.money,
            line.mass_g,
            line.kind,
            line.quantity,
            line.owner,
            line.is_temporary,
        )
        for line in lines
    )
