"""Between the store's words and the house's: delivery state, stay facts, and releases that nobody finished."""

from __future__ import annotations

import uuid
from datetime import date

from central_sync.bundles import Bundle
from central_sync.handover import LinkState
from gate_agent.clock import Clock
from gate_agent.domain.crossing import Crossing, PassageOutcome
from gate_agent.domain.identifiers import uuid7
from gate_agent.errors import SettingsFault
from gate_agent.store import StayFact, UndecidedRelease
from gate_agent.web.lane_api_messages import LinkView

_AGE_STEP_S = 5.0


def link_view(link: LinkState) -> LinkView:
    """Return delivery as the console shows it; ages in coarse steps, so that a page is not redrawn for a tick of the clock."""
    return LinkView(
        centre_online=link.centre_online,
        since=link.since,
        backlog_records=link.backlog_records,
        oldest_age_s=link.oldest_age_s // _AGE_STEP_S * _AGE_STEP_S,
        last_ack_at=link.last_ack_at,
    )


def settlement(release: UndecidedRelease, clock: Clock) -> Crossing:
    """Return the crossing that settles a release whose passage nobody recorded before the process ended."""
    now = clock.now()
    return Crossing(
        crossing_id=uuid7(int(now.timestamp() * 1000)),
        transaction_id=release.transaction_id,
        decision_id=release.decision_id,
        lane_id=release.lane_id,
        direction=release.direction,
        occurred_at=now,
        local_date=release.local_date,
        passage=PassageOutcome.UNDETERMINED,
        document=None,
        declaration=None,
        corridor=release.corridor,
    )


def stay_facts(bundle: Bundle) -> list[StayFact]:
    """Return the stay facts of a verified bundle. Raises `SettingsFault` for a body that is not one of stays."""
    entries = bundle.body.get("stays")
    if not isinstance(entries, list):
        raise SettingsFault("the stays bundle holds no list of stays", code="EG-SET-011")
    facts = []
    for entry in entries:
        if not isinstance(entry, dict):
            raise SettingsFault("a stay of the stays bundle is not an object", code="EG-SET-011")
        try:
            exited = entry.get("exited_on")
            facts.append(
                StayFact(
                    uuid.UUID(str(entry["stay_id"])),
                    str(entry["issuing_state"]),
                    str(entry["document_number"]),
                    date.fromisoformat(str(entry["entered_on"])),
                    date.fromisoformat(str(exited)) if exited else None,
                    str(entry["source"]),
                )
            )
        except (KeyError, ValueError) as error:
            raise SettingsFault(f"a stay of the stays bundle is malformed: {error}", code="EG-SET-011") from error
    return facts
