"""The two steps of closing a task as pages: what was found, then what is due on it and the signature."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from gate_agent.closing_order import ClosingOrder
from gate_agent.domain.agency import Agency
from gate_agent.domain.inspection_finding import InspectionFinding
from gate_agent.web.desk.closing_form import (
    Wrong,
    line_values,
    offered_currencies,
    offered_kinds,
    places,
    read_amount,
    read_form,
)
from gate_agent.web.desk.view import Words, duty_shown
from gate_agent.web.desk_messages import CustomsTaskView, DutyQuestion, DutyView, StopView
from gate_agent.web.guard.acting import ActionRequest
from gate_agent.web.guard.lane_link import LaneLink
from gate_agent.web.lane_api_messages import GuardAction
from gate_agent.web.number_entry import EntryRefused, tidy, typed_money


class Refused(Exception):
    """Something is to be mended first; `form` shows it."""

    def __init__(self, form: dict[str, Any] | None = None) -> None:
        super().__init__("to be mended")
        self.form = form


class ClosingPages:
    """Makes both steps for one console; nothing is kept between them, the second one carries what the first one said."""

    def __init__(self, link: LaneLink) -> None:
        self._link = link

    def first_step(self, stop: StopView, agency: Agency, words: Words) -> dict[str, Any]:
        """Return the empty form, for the open tasks that can be closed here."""
        return self._form(stop, agency, words, line_values(stop), [], "")

    async def second_step(
        self, stop: StopView, task_id: uuid.UUID, agency: Agency, content: Mapping[str, str], words: Words
    ) -> dict[str, Any]:
        """Return the page of the second step. Raises `Refused` with the form of the first."""
        task = _open_task(stop, task_id)
        if task is None:
            raise Refused(self.first_step(stop, agency, words))
        form = read_form(content, stop, with_goods=_settles_duty(task, agency))
        if form.wrong:
            raise Refused(self._form(stop, agency, words, content, form.wrong, str(task_id)))
        return await self._review(stop, task, agency, form.order(), content, words, error="")

    async def again(
        self,
        stop: StopView,
        task_id: uuid.UUID,
        agency: Agency,
        content: Mapping[str, str],
        words: Words,
        *,
        error: str,
    ) -> dict[str, Any] | None:
        """Return the second step once more with what went wrong; None when there is nothing to go on with."""
        task = _open_task(stop, task_id)
        try:
            order = ClosingOrder.model_validate_json(content.get("order", ""))
        except ValidationError:
            return None
        if task is None:
            return None
        text = words.text(error) if error.startswith("error.") else error
        return await self._review(stop, task, agency, order, content, words, error=text)

    def order(self, stop: StopView, task_id: uuid.UUID, content: Mapping[str, str]) -> ActionRequest:
        """Return what is to be signed. Raises `Refused` for a duty that is no amount."""
        try:
            order = ClosingOrder.model_validate_json(content.get("order", ""))
            duty = None
            if content.get("currency"):
                duty = read_amount(content.get("duty", ""), content["currency"])
            reason = tidy(content.get("duty_reason", ""))[:300]
            return ActionRequest(
                action_id=uuid.UUID(content.get("action_id", "")),
                action=GuardAction.CLOSE_CUSTOMS_TASK,
                lane_id=stop.lane_id,
                subject_id=task_id,
                reason_code=order.finding.value,
                reason_text=tidy(content.get("remark", ""))[:500],
                closing=order.model_copy(update={"duty": duty, "duty_reason": reason}),
                second_officer_id=content.get("second_officer_id", "").strip(),
                second_password=content.get("second_password", ""),
            )
        except (ValidationError, EntryRefused, ValueError) as error:
            raise Refused from error

    def _form(
        self,
        stop: StopView,
        agency: Agency,
        words: Words,
        values: Mapping[str, str],
        wrong: list[Wrong],
        task_id: str,
    ) -> dict[str, Any]:
        currency = stop.goods[0].value.currency if stop.goods else "USD"
        lines = [
            {
                "place": str(place),
                **{
                    name: values.get(f"{name}-{place}", "")
                    for name in ("what", "amount", "mass", "kind", "quantity", "owner", "temporary")
                },
                "currency": values.get(f"currency-{place}", currency),
            }
            for place in places(stop)
        ]
        errors: dict[str, str] = {}
        for one in wrong:
            errors.setdefault(one.field, words.text(f"error.{one.key}"))
        return {
            "task_id": task_id,
            "finding": values.get("finding", ""),
            "act_number": values.get("act_number", ""),
            "days_abroad": values.get("days_abroad", ""),
            "lines": lines,
            "kinds": [(kind, words.guard.word(kind, "goods")) for kind in offered_kinds(stop)],
            "currencies": offered_currencies(stop),
            "errors": errors,
            "findings": [
                (one.value, words.text(f"finding.{one}"), words.text(f"finding_means.{one}"))
                for one in InspectionFinding
            ],
            "duty_tasks": [str(task.task_id) for task in stop.tasks if _settles_duty(task, agency)],
        }

    async def _review(
        self,
        stop: StopView,
        task: CustomsTaskView,
        agency: Agency,
        order: ClosingOrder,
        content: Mapping[str, str],
        words: Words,
        *,
        error: str,
    ) -> dict[str, Any]:
        duty: DutyView | None = None
        if _settles_duty(task, agency):
            goods = None if order.goods is None else list(order.goods)
            duty = await self._link.duty(stop.stop_id, DutyQuestion(goods=goods, days_abroad=order.days_abroad))
        settles = duty is not None and (duty.due is None or bool(order.goods or stop.goods))
        return {
            "task_id": str(task.task_id),
            "agency": words.text(f"agency.{task.agency}"),
            "is_own": task.agency == agency.value,
            "finding": words.text(f"finding.{order.finding}"),
            "act_number": order.act_number,
            "is_amended": order.goods is not None,
            "order": json.dumps(order.model_dump(mode="json"), ensure_ascii=False),
            "action_id": content.get("action_id") or str(uuid.uuid4()),
            "duty": duty_shown(duty, words) if duty else None,
            "settles": settles,
            "amount": content.get("duty") or (typed_money(duty.due.money) if duty and duty.due else ""),
            "currency": duty.value.currency if duty and settles else "",
            "duty_reason": content.get("duty_reason", ""),
            "remark": content.get("remark", ""),
            "second_officer_id": content.get("second_officer_id", ""),
            "error": error,
        }


def _settles_duty(task: CustomsTaskView, agency: Agency) -> bool:
    return task.agency == agency.value and agency is Agency.CUSTOMS


def _open_task(stop: StopView, task_id: uuid.UUID) -> CustomsTaskView | None:
    return next((task for task in stop.tasks if task.task_id == task_id and not task.closed_by), None)
