"""What the jobs of a lane report, and whose it is when its turn comes: the document, the read or the person may be another one's by then."""

from __future__ import annotations

from dataclasses import dataclass

from gate_agent.domain import document_events as de
from gate_agent.domain import events as ev
from gate_agent.domain import party_events as pe
from gate_agent.domain.check import CheckResult
from gate_agent.lane.borrowed import Borrowed
from gate_agent.lane.party import Party

_OF_THE_PERSON = (
    ev.MrzChecked
    | ev.ReferenceReady
    | ev.ReferenceDropped
    | ev.StepAborted
    | ev.DocumentChanged
    | de.DocumentSeenAgain
    | de.PageImaged
    | pe.PartyDeclared
)
"""What leads the inspection of one person on, and nobody else's."""


@dataclass(frozen=True, slots=True)
class Reported:
    """Something that a job found while it worked for one person. `read`: of which read of his document it tells, if it is of one."""

    borrowed: Borrowed
    event: ev.Event
    read: int | None = None

    def heard(self, party: Party | None, here: Borrowed | None) -> ev.Event | None:
        """Return what the machine is told of it while it is `here`'s turn; None: nothing any more.

        What is found of somebody of the party counts whoever's turn it is. What a job made durable is the whole party's.
        """
        person = None if party is None else party.person_of(self.borrowed)
        if person is None or (self.read is not None and self.read != self.borrowed.reads):
            return None
        if self.borrowed is here:
            return self.event
        results = _results(self.event)
        if results is not None:
            return pe.OtherChecked(person, results)
        return None if isinstance(self.event, _OF_THE_PERSON) else self.event


def _results(event: ev.Event) -> tuple[CheckResult, ...] | None:
    match event:
        case ev.CheckCompleted(result):
            return (result,)
        case ev.ChecksCompleted(results) | de.PageJudged(results) | de.ChipJudged(results):
            return tuple(results)
        case _:
            return None
