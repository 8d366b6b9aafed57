"""What happens to an adult and the under-age travellers linked to him, and what is asked for them: events and effects of their machine."""

from __future__ import annotations

from dataclasses import dataclass

from gate_agent.domain.check import CheckResult


@dataclass(frozen=True, slots=True)
class PartyDeclared:
    """The adult's declaration names so many persons who cross together, himself among them; their documents follow his.

    Another read of the adult's document may say something else.
    """

    size: int


@dataclass(frozen=True, slots=True)
class TurnToPerson:
    """From here on documents, faces and results are those of this person of the party; the adult is 0."""

    person: int


@dataclass(frozen=True, slots=True)
class OtherChecked:
    """Checks of a person of the party terminated after another one's turn had come."""

    person: int
    results: tuple[CheckResult, ...]


PartyEvent = PartyDeclared | OtherChecked
PartyEffect = TurnToPerson
