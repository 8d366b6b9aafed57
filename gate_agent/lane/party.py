"""Who is served together: what was borrowed from each person of one transaction, and who is still expected.

Each person has records of his own: his decision and his crossing carry his own transaction id, and name the adult's.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace

from gate_agent.domain.crossing import Admission, Corridor, DecidedBy, PolicyAnswer
from gate_agent.domain.mrz import MrzReading
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.transaction_state import TransactionState
from gate_agent.lane.borrowed import Borrowed

_RANK = {Corridor.GREEN: 0, Corridor.YELLOW: 1, Corridor.RED: 2}


class Party:
    """The persons of one transaction, the one who began it first. `links`: places on his declaration of those who cross with him."""

    def __init__(self, first: Borrowed) -> None:
        self.links: tuple[int, ...] = ()
        self._members: dict[int, Borrowed] = {0: first}

    def __iter__(self) -> Iterator[Borrowed]:
        return iter([self._members[person] for person in sorted(self._members)])

    def of(self, state: TransactionState) -> tuple[Borrowed, ...]:
        """Return what is borrowed of those of whom the machine has results, in the order in which it has them."""
        return tuple(self._members[person] for person in sorted({*state.others, state.person}))

    def turn(self, person: int, fresh_id: uuid.UUID, now_mono_s: float) -> Borrowed:
        """Return what is borrowed of a person; whoever is new shares the declaration, which nobody is asked for twice."""
        if person not in self._members:
            first = self._members[0]
            self._members[person] = Borrowed(
                fresh_id, first.begun_at, now_mono_s, token=first.token, linked_to=first.transaction_id, past=first.past
            )
        return self._members[person]

    def admits(self, place: int | None) -> bool:
        """Return whether somebody at this place of the declaration is still expected."""
        return place in self.links and all(one.token_place != place for one in self)

    def person_of(self, borrowed: Borrowed) -> int | None:
        """Return which person of the party this was borrowed from; None: nobody of it."""
        return next((person for person, one in self._members.items() if one is borrowed), None)

    def knows(self, reading: MrzReading, here: Borrowed) -> bool:
        """Return whether a read is of a document that another one of the party laid down: it may still lie there."""
        return any(one is not here and one.presented.is_of(reading) for one in self)


def together(answers: Sequence[PolicyAnswer], found: Sequence[bool]) -> PolicyAnswer:
    """Return the answer for a party: everybody is released or nobody, and the corridor is the strictest of theirs.

    `found` says of whom something was found: his reasons go before those of who only waits for a face to be compared.
    """
    ranked = sorted(
        zip(answers, found, strict=True), key=lambda one: (one[0].admission is Admission.RELEASE, not one[1])
    )
    refer = ranked[0][0]
    customs = max(answers, key=lambda one: _RANK[one.corridor])
    return replace(refer, corridor=customs.corridor, corridor_reasons=customs.corridor_reasons, rules=customs.rules)


def own_answer(own: PolicyAnswer | None, decided: PolicyAnswer, by: DecidedBy) -> PolicyAnswer:
    """Return what is recorded of one person: the party's admission, with the own reasons where they lead there, and the own corridor."""
    if own is None:
        return decided
    if by is DecidedBy.GUARD or own.admission is decided.admission:
        reasons = decided.admission_reasons if by is DecidedBy.GUARD else own.admission_reasons
        return replace(own, admission=decided.admission, admission_reasons=reasons)
    return replace(own, admission=decided.admission, admission_reasons=(Reason(ReasonCode.PARTY_REFERRED),))
