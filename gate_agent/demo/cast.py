"""Who travels in the demo: what a scenario is, what must come of it, and the documents that travellers carry."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from gate_agent.demo.portal_client import CashLine, GoodsLine
from gate_agent.demo.specimens import Specimen, specimen
from gate_agent.demo.stage import ENTRY, Observed, Stage
from gate_agent.domain.reasons import ReasonCode
from gate_agent.web.portal.issue import CompanionFields

OVERSTAYED_DAYS = 45


@dataclass(frozen=True, slots=True)
class Expected:
    """What must come of a traveller; `reason` must be among the reasons, `corridor` is checked where it is given.

    Anybody may be drawn at random: red for that reason is never a surprise.
    """

    outcome: str
    decided_by: str = "machine"
    corridor: str = ""
    reason: str = ""

    def differs(self, observed: Observed) -> str:
        """Return what is not as expected, in words; empty when all is."""
        found = []
        for name in ("outcome", "decided_by", "corridor"):
            wanted = getattr(self, name)
            if name == "corridor" and ReasonCode.RANDOM_SELECTION in observed.reasons:
                continue
            if wanted and getattr(observed, name) != wanted:
                found.append(f"{name} {getattr(observed, name)!r} instead of {wanted!r}")
        if self.reason and self.reason not in observed.reasons:
            found.append(f"no reason {self.reason!r} in {observed.reasons}")
        return "; ".join(found)


@dataclass(frozen=True, slots=True)
class Traveller:
    """One scenario."""

    number: int
    title: str
    expected: Expected
    walk: Callable[[Cast], Awaitable[Observed]]


class Cast:
    """The travellers' documents and what they carry from one scenario to the next."""

    def __init__(self, stage: Stage, today: date) -> None:
        self.stage = stage
        self.today = today
        self.used_token = ""

    def person(self, number: int, **changes: object) -> Specimen:
        """Return the document of a traveller."""
        return specimen(number, self.today, **changes)

    async def declare(
        self,
        person: Specimen,
        *,
        goods: Sequence[GoodsLine] = (),
        cash: Sequence[CashLine] = (),
        child: CompanionFields | None = None,
        seal: str = "",
    ) -> str:
        """Fill in a declaration at the portal and return the code's text."""
        return await self.stage.portal.declare(
            person.issuing_state,
            person.document_number,
            goods=goods,
            cash=cash,
            child=child,
            seal=seal,
        )


def watchlisted(today: date) -> Specimen:
    """Return the document that stands on the demo's watchlist."""
    return specimen(8, today)


def overstayed(today: date) -> tuple[Specimen, date]:
    """Return the visitor of scenario 9 and the day of entry."""
    return specimen(9, today), today - timedelta(days=OVERSTAYED_DAYS)


async def refer(cast: Cast, person: Specimen, reason_code: str, **walk: object) -> Observed:
    """Walk until a guard is called, who leads the traveller to the second line with this reason."""
    observed = await cast.stage.cross(person, **walk)  # type: ignore[arg-type] # names of cross()
    if observed.outcome == "referred":
        lane_id = walk.get("lane_id", ENTRY)
        assert isinstance(lane_id, int)
        await cast.stage.hand_over(lane_id, reason_code)
    return observed
