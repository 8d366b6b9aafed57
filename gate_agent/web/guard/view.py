"""What a guard's page shows, as JSON with ready sentences in the officer's language.

The order of things is a safeguard: a verdict shown first pulls human judgement of a face pair towards it. So for a referral with
two portraits nothing that tells the machine's opinion leaves this process until the officer answered same, different or unsure.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from gate_agent.domain.agency import Agency
from gate_agent.web.desk.rights import narrowed_task
from gate_agent.web.desk_messages import CustomsTaskView
from gate_agent.web.guard.action_reasons import ACTION_REASONS, OTHER
from gate_agent.web.guard.around import power, seals, xray
from gate_agent.web.guard.checks import (
    check_groups,
    document_worth,
    gaps,
    reasons,
    running_inspection,
    with_plugin_words,
)
from gate_agent.web.guard.devices import device
from gate_agent.web.guard.fallback import fallback
from gate_agent.web.guard.rates import rates_table
from gate_agent.web.guard.rights import MACHINE_ALARMS
from gate_agent.web.guard.stays import orphans
from gate_agent.web.i18n import Catalogue
from gate_agent.web.lane_api_messages import (
    AlarmView,
    AttackView,
    ComparisonView,
    GateSnapshot,
    GuardAction,
    LaneView,
    ReferralView,
    TransactionView,
)

Assessment = Literal["same", "different", "unsure"]

_ABNORMAL_STATES = {"referred", "faulted", "suspended", "not_passed"}
_PRIORITY_ORDER = {"high": 0, "medium": 1, "low": 2}
_VOLATILE = "now"


@dataclass(frozen=True, slots=True)
class Viewer:
    """Whose page it is: officer, agency, allowed actions, and the answers this officer gave about pairs of portraits.

    Who does not see people is sent lanes, devices and alarms of the machine, and nothing of whoever stands in a lane.
    """

    actions: frozenset[str]
    assessments: Mapping[uuid.UUID, Assessment]
    is_supervisor: bool = False
    agency: Agency | None = Agency.BORDER
    sees_people: bool = True


def needs_assessment(referral: ReferralView) -> bool:
    """Return whether there is a pair of portraits to look at before anything else."""
    return referral.has_probe and referral.has_reference


def console_view(snapshot: GateSnapshot, catalogue: Catalogue, viewer: Viewer) -> dict[str, Any]:
    """Return the whole page's content. Times are ISO 8601 UTC; the page counts ages from `now`, the gate's clock."""
    if not viewer.sees_people:
        snapshot = _without_people(snapshot)
    return {
        "sequence": snapshot.sequence,
        _VOLATILE: snapshot.now.isoformat(),
        "gate": f"{snapshot.site} · {snapshot.gate_id}",
        "versions": catalogue.text(
            "ui.versions",
            software=snapshot.software_version,
            rules=str(snapshot.rulebook_version),
            list=str(snapshot.watchlist_version),
        )
        + ("" if snapshot.trust_version is None else _trust(snapshot.trust_version, catalogue)),
        "link": {
            "online": snapshot.link.centre_online,
            "since": snapshot.link.since.isoformat(),
            "backlog": snapshot.link.backlog_records,
            "oldest_age_s": snapshot.link.oldest_age_s,
            "last_ack": None if snapshot.link.last_ack_at is None else snapshot.link.last_ack_at.isoformat(),
        },
        "lanes": [_lane(lane, catalogue, viewer) for lane in sorted(snapshot.lanes, key=lambda lane: lane.lane_id)],
        "referrals": [
            _referral(lane, referral, catalogue, viewer)
            for lane, referral in sorted(
                ((lane, lane.referral) for lane in snapshot.lanes if lane.referral is not None),
                key=lambda pair: (pair[1].waiting_since, pair[0].lane_id),
            )
        ],
        "alarms": [
            _alarm(alarm, catalogue, viewer)
            for alarm in sorted(
                snapshot.alarms,
                key=lambda alarm: (bool(alarm.acknowledged_by), _PRIORITY_ORDER[alarm.priority], alarm.raised_at),
            )
        ],
        "tasks": [
            _task(narrowed_task(task, viewer.agency), catalogue)
            for task in sorted(snapshot.customs_tasks, key=lambda task: task.created_at)
            if viewer.agency is not None and not task.closed_by and task.agency == viewer.agency
        ],
        "orphans": orphans(
            snapshot.stay_orphans, catalogue, can_correct=GuardAction.CORRECT_STAY.value in viewer.actions
        ),
        "recent": [_ended(transaction, catalogue) for transaction in snapshot.recent],
        "power": power(snapshot.power, catalogue),
        "fallback": fallback(snapshot.fallback, snapshot.now, catalogue, viewer.actions),
        "xray": xray(snapshot.xray, catalogue),
        "devices": [device(one, catalogue) for one in snapshot.devices],
        "rates": rates_table(snapshot.face_rates, catalogue) if viewer.is_supervisor else None,
    }


def _without_people(snapshot: GateSnapshot) -> GateSnapshot:
    """Return the gate as a machine; a list is named here or it is sent to everybody, and a test walks them all."""
    lanes = [
        lane.model_copy(
            update={"referral": None, "transaction_id": None, "checks": [], "awaited": [], "corridor": None, "chip": ""}
        )
        for lane in snapshot.lanes
    ]
    return snapshot.model_copy(
        update={
            "lanes": lanes,
            "alarms": [alarm for alarm in snapshot.alarms if alarm.reason.code in MACHINE_ALARMS],
            "customs_tasks": [],
            "stay_orphans": [],
            "recent": [],
            "xray": [],
            "fallback": snapshot.fallback and snapshot.fallback.model_copy(update={"reason_text": ""}),
        }
    )


def _trust(version: int, catalogue: Catalogue) -> str:
    text = catalogue.text("ui.trust", version=str(version)) if version else catalogue.text("ui.trust_none")
    return f" · {text}"


def action_choices(catalogue: Catalogue) -> dict[str, Any]:
    """Return for each action its words and the reasons to choose from, for the page's dialog."""
    return {
        action.value: {
            "text": catalogue.text(f"action.{action}"),
            "title": catalogue.texts[f"action_long.{action}"],
            "reasons": [
                {"code": code, "text": catalogue.text(f"action_reason.{code}"), "needs_text": code == OTHER}
                for code in ACTION_REASONS[action]
            ],
        }
        for action in GuardAction
    }


def _corridor(code: str | None, catalogue: Catalogue) -> dict[str, str] | None:
    if code is None:
        return None
    return {
        "code": code,
        "letter": catalogue.text(f"corridor_letter.{code}"),
        "text": catalogue.text(f"corridor.{code}"),
    }


def _state_key(lane: LaneView) -> str:
    if lane.lockdown:
        return "reason.lockdown"
    if lane.fallback:
        return "state.fallback"
    return "reason.lane_outside_hours" if lane.outside_hours else f"state.{lane.state}"


def _lane(lane: LaneView, catalogue: Catalogue, viewer: Viewer) -> dict[str, Any]:
    # In a lockdown or in fallback there is nothing to suspend or resume until it is over.
    operation = GuardAction.RESUME_LANE if lane.state == "suspended" else GuardAction.SUSPEND_LANE
    lockdown = GuardAction.END_LOCKDOWN if lane.lockdown else GuardAction.LOCKDOWN_LANE
    hidden = lane.referral is not None and not _revealed(lane.referral, viewer)
    return {
        "lane_id": lane.lane_id,
        "name": catalogue.text("ui.lane", lane=str(lane.lane_id)),
        "direction": lane.direction,
        "direction_text": catalogue.text(f"direction.{lane.direction}"),
        "state": lane.state,
        "state_text": catalogue.text(_state_key(lane)),
        "lockdown": lane.lockdown,
        "fallback": lane.fallback,
        "abnormal": lane.state in _ABNORMAL_STATES,
        "since": lane.state_since.isoformat(),
        "occupancy": lane.occupancy,
        "occupancy_text": catalogue.text("ui.occupancy", count=str(lane.occupancy)),
        "intercom": lane.intercom,
        "intercom_text": catalogue.text(f"intercom.{lane.intercom}") if lane.intercom else "",
        "devices": [device(one, catalogue) for one in lane.devices],
        "corridor": None if hidden else _corridor(lane.corridor, catalogue),
        "referral": None if lane.referral is None else str(lane.referral.transaction_id),
        "inspection": running_inspection(lane, catalogue),
        "action": None if lane.lockdown or lane.fallback else _if_allowed(operation, viewer),
        "lockdown_action": _if_allowed(lockdown, viewer),
    }


def _if_allowed(action: GuardAction, viewer: Viewer) -> str | None:
    return action.value if action.value in viewer.actions else None


def _revealed(referral: ReferralView, viewer: Viewer) -> bool:
    return not needs_assessment(referral) or referral.transaction_id in viewer.assessments


def _referral(lane: LaneView, referral: ReferralView, catalogue: Catalogue, viewer: Viewer) -> dict[str, Any]:
    identity = str(referral.transaction_id)
    revealed = _revealed(referral, viewer)
    return {
        "transaction_id": identity,
        "lane_id": lane.lane_id,
        "lane": catalogue.text("ui.lane", lane=str(lane.lane_id)),
        "direction_text": catalogue.text(f"direction.{lane.direction}"),
        "since": referral.waiting_since.isoformat(),
        "inside": referral.person_inside,
        "inside_text": catalogue.text("ui.inside" if referral.person_inside else "ui.not_inside"),
        "pictures": {
            "probe": f"/guard/images/{identity}/probe" if referral.has_probe else None,
            "reference": f"/guard/images/{identity}/reference" if referral.has_reference else None,
        },
        "assessment": viewer.assessments.get(referral.transaction_id),
        "revealed": revealed,
        "summary": reasons(referral.reasons[:1], with_plugin_words(catalogue, referral.checks))[0]
        if revealed and referral.reasons
        else catalogue.text("ui.question" if not revealed else "ui.referral"),
        "actions": [action.value for action in _offered(referral) if action.value in viewer.actions],
        "frames": _frames(referral, catalogue) if revealed else None,
        "detail": _detail(referral, catalogue) if revealed else None,
    }


def _offered(referral: ReferralView) -> tuple[GuardAction, ...]:
    decisions = (GuardAction.RELEASE, GuardAction.HAND_OVER)
    return (*decisions, GuardAction.CORRECT_READING) if referral.can_correct else decisions


def _detail(referral: ReferralView, catalogue: Catalogue) -> dict[str, Any]:
    document = referral.document
    words = with_plugin_words(catalogue, referral.checks)
    groups = check_groups(referral.checks, catalogue, worst_first=True)
    return {
        "score": _score(referral.comparison, catalogue),
        "attack": _attack(referral.attack, catalogue),
        "reasons": reasons(referral.reasons, words),
        "groups": groups,
        "gaps": gaps(groups, catalogue),
        "worth": document_worth(referral.checks, catalogue),
        "document": None
        if document is None
        else {
            "name": f"{document.primary_identifier}, {document.secondary_identifier}".strip(", "),
            "line": " · ".join(
                part
                for part in (document.format, document.issuing_state, document.document_number, document.nationality)
                if part
            ),
            "dates": " · ".join(
                part
                for part in (
                    f"{catalogue.text('ui.born')} {document.date_of_birth}",
                    f"{catalogue.text('ui.expires')} {document.date_of_expiry}",
                    document.sex.strip("<"),
                )
                if part
            ),
            "mrz": document.lines,
        },
        "corridor": _corridor(referral.corridor, catalogue),
        "corridor_reasons": reasons(referral.corridor_reasons, catalogue),
        "declaration": _declaration(referral.declaration_reference, catalogue),
        "seals": seals(referral.seals, catalogue),
    }


def _declaration(reference: str, catalogue: Catalogue) -> str:
    return catalogue.text("ui.declaration", reference=reference) if reference else ""


def _score(comparison: ComparisonView | None, catalogue: Catalogue) -> dict[str, Any] | None:
    """Return score against threshold with the record and models that both come from, and both as shares of the bar's length.

    A cosine runs to 1; a score normalised against a cohort has no end, so its bar reaches to twice the threshold.
    """
    if comparison is None:
        return None
    score, threshold = comparison.score, comparison.threshold
    longest = max(1.0, 2 * threshold if threshold > 1 else 0.0, score)
    return {
        "level": min(max(score / longest, 0.0), 1.0),
        "mark": min(max(threshold / longest, 0.0), 1.0),
        "value_text": f"{score:.3f}",
        "side_text": catalogue.text("ui.above" if score >= threshold else "ui.below", threshold=f"{threshold:.3f}")
        + f" · {comparison.calibration_id}",
        "record_text": catalogue.text(
            "ui.record", record=comparison.calibration_id, rate=f"{comparison.false_match_rate:.6f}".rstrip("0")
        ),
        "made_with_text": catalogue.text(
            "ui.made_with",
            model=comparison.model_id or catalogue.text("ui.none"),
            cohort=comparison.cohort_id or catalogue.text("ui.none"),
            frames=str(comparison.frames),
        ),
    }


def _attack(attack: AttackView | None, catalogue: Catalogue) -> dict[str, Any] | None:
    """Return attack detection's own line: whether its error rates are known stands before what it says."""
    if attack is None:
        return None
    standing = " · ".join(
        (catalogue.text("ui.rated" if attack.is_rated else "ui.unrated"), catalogue.text(f"ui.{attack.mode}"))
    )
    return {
        "title": f"{catalogue.text('ui.attack')}: {standing}",
        "text": catalogue.text("ui.attack_none")
        if attack.score is None
        else catalogue.text("ui.attack_score", score=f"{attack.score:.2f}", limit=f"{attack.alarm_score:.2f}"),
        "suspected": attack.is_suspected,
    }


def _frames(referral: ReferralView, catalogue: Catalogue) -> dict[str, Any] | None:
    """Return the frames of the acquisition that are there to look at."""
    if not referral.frames:
        return None
    suspected = referral.attack is not None and referral.attack.is_suspected
    return {
        "title": catalogue.text("ui.frames" if suspected else "ui.frames_best"),
        "pictures": [
            {
                "address": f"/guard/images/{referral.transaction_id}/frame-{number}",
                "text": catalogue.text("ui.frame", number=str(number)),
            }
            for number in range(1, referral.frames + 1)
        ],
    }


def _alarm(alarm: AlarmView, catalogue: Catalogue, viewer: Viewer) -> dict[str, Any]:
    lane = catalogue.text("ui.lane", lane=str(alarm.lane_id)) if alarm.lane_id else catalogue.text("ui.whole_gate")
    action = GuardAction.ACKNOWLEDGE_ALARM.value
    return {
        "alarm_id": str(alarm.alarm_id),
        "lane_id": alarm.lane_id,
        "lane": lane,
        "priority": alarm.priority,
        "priority_text": catalogue.text(f"priority.{alarm.priority}"),
        "text": catalogue.reason(alarm.reason.code, alarm.reason.parameters),
        "since": alarm.raised_at.isoformat(),
        "acknowledged": catalogue.text("ui.acknowledged", officer=alarm.acknowledged_by)
        if alarm.acknowledged_by
        else "",
        "action": action if action in viewer.actions and not alarm.acknowledged_by else None,
    }


def _task(task: CustomsTaskView, catalogue: Catalogue) -> dict[str, Any]:
    return {
        "task_id": str(task.task_id),
        "corridor": task.corridor,
        "transaction_id": str(task.transaction_id),
        "lane_id": task.lane_id,
        "lane": catalogue.text("ui.lane", lane=str(task.lane_id)),
        "since": task.created_at.isoformat(),
        "declaration": _declaration(task.declaration_reference, catalogue),
        "reasons": reasons(task.reasons, catalogue),
    }


def _ended(transaction: TransactionView, catalogue: Catalogue) -> dict[str, Any]:
    return {
        "transaction_id": str(transaction.transaction_id),
        "lane_id": transaction.lane_id,
        "at": transaction.closed_at.isoformat(),
        "outcome": transaction.outcome,
        "outcome_text": catalogue.text(f"ended.{transaction.outcome}"),
        "decided_by_text": catalogue.text(f"decided_by.{transaction.decided_by}"),
        "corridor": _corridor(transaction.corridor, catalogue),
        "reasons": reasons(
            [reason for reason in transaction.reasons if reason.code != "all_checks_successful"], catalogue
        )
        or reasons(transaction.reasons, catalogue),
        "seconds": round((transaction.closed_at - transaction.begun_at).total_seconds(), 1),
    }
