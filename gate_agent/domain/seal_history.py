"""What one seal went through: a pure machine over what was heard of it, and the question whether it is whole.

`heard` and the officers' acts add facts; `judge` reads them for the journey of one declaration. Nothing harmless wipes a fact, sealing
again neither: only a customs inspector's closing does. Memory is bounded.

**When something happened.** Order is by the time of receipt. A tracker also tells what it kept in memory, and its clock may be wrong by
years, so a device time is believed only like this. The *difference* is our time of receipt less the device's time. A difference is
believed when the message came live by the tracker's own mark, when it agrees with the believed one or with one heard at least `APART`
earlier, and, while none is believed, when it is within `STEADY` of nought. A message whose difference is believed came live: it happened when it was received. Any other
is placed only by a later message, when the clock still shows the believed difference: told as it happened after all, if its own difference
was that one; *before the sealing*, if there was only one, the clock has been steady since and puts it earlier, which is not held against
anybody; anywhere else, only if the clock was known to be steady from before the first sealing on. Until then, and where none of this holds,
it is undated, which is a doubt and no accusation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from gate_agent.domain.seal import (
    OPENED_WHILE_SEALED,
    Happening,
    SealDoubt,
    SealReport,
    SealState,
    Told,
    happening_of,
    is_excused_by_unlock,
)

STEADY = timedelta(minutes=2)
"""Differences of a clock within this are the same difference; moments within it are not told apart."""

APART = timedelta(minutes=10)
ONE_FRAME = timedelta(seconds=5)
HANDED_OVER = timedelta(seconds=30)
"""The same words received within this are the same report: a post tells the time of receipt by its age."""

MARKS_LIMIT = 64


@dataclass(frozen=True, slots=True)
class SealMessage:
    """One normalised event of a seal as received. `index` is the tracker's own number of the message, empty where it has none."""

    kind: str
    received_at: datetime
    device_time: datetime | None = None
    told: Told = Told.UNKNOWN
    closure: str = ""
    index: str = ""
    actor: str = ""
    latitude_deg: float | None = None
    longitude_deg: float | None = None


@dataclass(frozen=True, slots=True)
class SealMark:
    """One fact that matters for the seal. `happened_at` by our clock; None: it cannot be placed (yet). `until` ends an unlock."""

    happening: Happening
    kind: str
    received_at: datetime
    happened_at: datetime | None
    device_time: datetime | None = None
    told: Told = Told.LIVE
    index: str = ""
    actor: str = ""
    latitude_deg: float | None = None
    longitude_deg: float | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class SealJourney:
    """From a declaration that names the seal to its arrival: what is opened in between was opened while sealed."""

    reference: str
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class DeviceClock:
    """The believed difference of a tracker's clock, since when it is believed, and a difference that waits for a second one."""

    difference: timedelta | None = None
    since: datetime | None = None
    candidate: tuple[datetime, timedelta] | None = None

    def shows(self, difference: timedelta) -> bool:
        """Return whether this difference is the believed one."""
        return self.difference is not None and abs(difference - self.difference) <= STEADY

    def heard(self, received_at: datetime, difference: timedelta, told: Told) -> tuple[DeviceClock, bool]:
        """Return the clock after a message that was not told from memory, and whether its difference is believed."""
        if self.shows(difference):
            return self, True
        waited = self.candidate
        is_second = waited is not None and received_at - waited[0] >= APART and abs(difference - waited[1]) <= STEADY
        if told is Told.LIVE or is_second or (self.difference is None and abs(difference) <= STEADY):
            return DeviceClock(difference, received_at), True
        if waited is None or abs(difference - waited[1]) > STEADY:
            return replace(self, candidate=(received_at, difference)), False
        return self, False


@dataclass(frozen=True, slots=True)
class SealHistory:
    """Everything kept of one seal. `tampered`: what it was found tampered by, until an inspector closes it.

    `forgotten_until`: facts received until then were dropped, because too many came.
    """

    seal_id: str
    marks: tuple[SealMark, ...] = ()
    last_heard_at: datetime | None = None
    clock: DeviceClock = DeviceClock()
    tampered: tuple[str, datetime] | None = None
    forgotten_until: datetime | None = None
    journey: SealJourney | None = None

    @property
    def sealed(self) -> SealMark | None:
        """The sealing that was heard last: when, where and by whom."""
        return next((mark for mark in reversed(self.marks) if mark.happening is Happening.SEALED), None)


def heard(history: SealHistory, message: SealMessage) -> SealHistory:
    """Return the history after one message."""
    clock, is_live = history.clock, message.told is Told.LIVE
    is_dated = message.device_time is not None and message.told is not Told.FROM_MEMORY
    if message.device_time is not None and is_dated:
        difference = message.received_at - message.device_time
        clock, is_live = clock.heard(message.received_at, difference, message.told)
    last = message.received_at if history.last_heard_at is None else max(message.received_at, history.last_heard_at)
    history = replace(history, clock=clock, last_heard_at=last)
    if is_live and is_dated:
        history = _settled(history)
    happening = happening_of(message.kind)
    if happening is None:
        happening = happening_of(message.kind, message.closure)
        message = replace(message, kind=_STATES.get(happening, message.kind))
    if happening is None or _is_known(history, message, happening, is_live=is_live):
        return _remembered(history)
    mark = SealMark(
        happening=happening,
        kind=message.kind,
        received_at=message.received_at,
        happened_at=message.received_at if is_live else None,
        device_time=message.device_time,
        told=message.told,
        index=message.index,
        actor=message.actor,
        latitude_deg=message.latitude_deg,
        longitude_deg=message.longitude_deg,
    )
    return _remembered(_marked(history, mark))


def tied(history: SealHistory, journey: SealJourney) -> SealHistory:
    """Return the history of a seal that a declaration names."""
    if history.journey is not None and history.journey.reference == journey.reference:
        return history
    return _remembered(replace(history, journey=journey))


def arrived(history: SealHistory, reference: str, at: datetime) -> SealHistory:
    """Return the history after the goods of a declaration arrived: opening the seal is no breach any more."""
    if history.journey is None or history.journey.reference != reference or history.journey.until <= at:
        return history
    return replace(history, journey=replace(history.journey, until=at))


def unlock_authorised(history: SealHistory, at: datetime, until: datetime, officer_id: str) -> SealHistory:
    """Return the history after an officer authorised an unlock: an opening until `until` is by leave."""
    mark = SealMark(Happening.UNLOCK_AUTHORISED, "unlock_seal", at, at, actor=officer_id, until=until)
    return _marked(history, mark)


def unlock_ended(history: SealHistory, at: datetime, authorised_at: datetime) -> SealHistory:
    """Return the history after an unlock that did not happen: it gives no leave from now on. The leave of another one stands."""
    marks = tuple(
        replace(mark, until=min(mark.until, at))
        if mark.until is not None and mark.received_at == authorised_at
        else mark
        for mark in history.marks
    )
    return replace(history, marks=marks)


def closed(history: SealHistory, at: datetime, officer_id: str) -> SealHistory:
    """Return the history after a customs inspector closed the matter: what was heard so far is settled."""
    return _marked(replace(history, tampered=None), SealMark(Happening.CLOSED, "closed", at, at, actor=officer_id))


def judge(history: SealHistory, journey: SealJourney | None, now: datetime, silent_after: timedelta) -> SealReport:
    """Return what is known of the seal for one journey; None: only attacks count, for nobody said when it had to be closed."""
    heard_at = history.last_heard_at
    if history.tampered is not None:
        return SealReport(history.seal_id, SealState.TAMPERED, history.tampered[0], history.tampered[1])
    tamper, doubt, phase = _read(history, journey)
    if tamper is not None:
        return SealReport(history.seal_id, SealState.TAMPERED, tamper[0], tamper[1])

    def unknown(why: SealDoubt, event: str = "") -> SealReport:
        return SealReport(history.seal_id, SealState.UNKNOWN, event, heard_at or now, why)

    if heard_at is None:
        return unknown(SealDoubt.NEVER_HEARD)
    if doubt is not None:
        return unknown(*doubt)
    if now - heard_at > silent_after:
        return unknown(SealDoubt.SILENT)
    if phase is Happening.OPENED:
        return unknown(SealDoubt.FOUND_OPEN)
    if phase is None:
        return unknown(SealDoubt.NEVER_CLOSED)
    return SealReport(history.seal_id, SealState.INTACT, "", heard_at)


_Tamper = tuple[str, datetime]
_Doubt = tuple[SealDoubt, str]


def _read(history: SealHistory, journey: SealJourney | None) -> tuple[_Tamper | None, _Doubt | None, Happening | None]:
    """Return what it was tampered by first, what is doubtful first, and how it stands now: SEALED, SHUT, OPENED or not known."""
    settled_at = max((mark.received_at for mark in history.marks if mark.happening is Happening.CLOSED), default=None)
    tamper: _Tamper | None = None
    doubt: _Doubt | None = None
    before_sealing: _Doubt | None = None  # a doubt only as long as no sealing follows
    phase: Happening | None = None
    forgotten = history.forgotten_until
    if forgotten is not None and journey is not None and forgotten > journey.since:
        doubt = (SealDoubt.UNDATED, "history_cut")
    for mark in sorted(history.marks, key=_order):  # stable: in the order of receipt where moments are the same
        before, phase = phase, _phase_after(phase, mark)
        if mark.happening is Happening.SEALED and mark.happened_at is not None:
            before_sealing = None
        if settled_at is not None and mark.received_at <= settled_at:
            continue
        if not _counts(history, journey, mark, before):
            continue
        if mark.happened_at is None:
            doubt = doubt or (SealDoubt.UNDATED, mark.kind)
        elif mark.happening is Happening.ATTACKED:
            tamper = tamper or (mark.kind, mark.received_at)
        elif before is Happening.SEALED and mark.happening is Happening.OPENED:
            tamper = tamper or (OPENED_WHILE_SEALED, mark.received_at)
        elif before is Happening.SEALED or (before is None and mark.happening is Happening.OPENED):
            doubt = doubt or (SealDoubt.FOUND_OPEN, mark.kind)
        elif before is not Happening.OPENED:
            before_sealing = (SealDoubt.FOUND_OPEN, mark.kind)
    return tamper, doubt or before_sealing, phase


def _phase_after(phase: Happening | None, mark: SealMark) -> Happening | None:
    """Return how the seal stands after a fact. One that cannot be placed may not close what stands open."""
    match mark.happening:
        case Happening.SEALED if mark.happened_at is not None or phase is not Happening.OPENED:
            return Happening.SEALED
        case Happening.SHUT if phase is None or (phase is Happening.OPENED and mark.happened_at is not None):
            return Happening.SHUT
        case Happening.OPENED | Happening.FOUND_OPEN if mark.happened_at is not None:
            return Happening.OPENED
    return phase


def _counts(history: SealHistory, journey: SealJourney | None, mark: SealMark, before: Happening | None) -> bool:
    """Return whether a fact can speak against the seal: an attack always, an opening while its journey is underway, none by leave.

    What was told late from before a sealing counts only if the seal had been sealed before and the journey was underway: sealing
    again between the deed and its telling wipes nothing.
    """
    if mark.happening not in _BREACHES or _is_by_leave(history, mark):
        return False
    is_underway = journey is not None and journey.since < _moment(mark) <= journey.until
    if _is_before_a_sealing(history, mark):
        return is_underway and before is Happening.SEALED
    return is_underway or mark.happening is Happening.ATTACKED


_BREACHES = frozenset({Happening.OPENED, Happening.FOUND_OPEN, Happening.ATTACKED})


def _order(mark: SealMark) -> datetime:
    """Return where a fact stands among others: a state that says open comes after the event of the same frame that explains it."""
    return _moment(mark) + ONE_FRAME if mark.happening is Happening.FOUND_OPEN else _moment(mark)


def _moment(mark: SealMark) -> datetime:
    return mark.happened_at or mark.received_at


def _is_before_a_sealing(history: SealHistory, mark: SealMark) -> bool:
    """Return whether it was told late and happened before a sealing that was heard first."""
    at = mark.happened_at
    return at is not None and any(
        other.happened_at is not None and at < other.happened_at and other.received_at < mark.received_at
        for other in history.marks
        if other.happening is Happening.SEALED
    )


def _is_by_leave(history: SealHistory, mark: SealMark) -> bool:
    """Return whether an authorised unlock explains it."""
    at = mark.happened_at
    if at is None or not is_excused_by_unlock(mark.happening, mark.kind):
        return False
    return any(
        other.received_at - STEADY <= at <= (other.until or other.received_at) + STEADY
        for other in history.marks
        if other.happening is Happening.UNLOCK_AUTHORISED
    )


def _is_known(history: SealHistory, message: SealMessage, happening: Happening, *, is_live: bool) -> bool:
    """Return whether this fact is there already: told again from memory, or a state that did not change.

    A clock that stands still gives different events the same time: what came live is news unless it was received then already (a post
    hands its reports over again), and anything else is the same event only if the believed clock puts it where that event was, or nobody
    knows where either of them was.
    """
    for mark in history.marks:
        if (mark.kind, mark.device_time, mark.index) != (message.kind, message.device_time, message.index):
            continue
        if abs(mark.received_at - message.received_at) <= HANDED_OVER or (
            not is_live and _is_told_again(history, mark, message)
        ):
            return True
    if message.kind not in _STATES.values():
        return False
    standing = [one for one in history.marks if one.happening in _STANDING and _moment(one) <= message.received_at]
    last = max(standing, key=_moment, default=None)
    return last is not None and (last.happening is happening or message.told is Told.FROM_MEMORY)


def _is_told_again(history: SealHistory, mark: SealMark, message: SealMessage) -> bool:
    told = message.device_time
    if told is None:
        return False
    if mark.happened_at is None:
        return True
    difference = history.clock.difference
    return difference is not None and abs(told + difference - mark.happened_at) <= STEADY


_STATES: dict[Happening | None, str] = {
    Happening.SEALED: "reported_closed",
    Happening.SHUT: "reported_closed",
    Happening.FOUND_OPEN: "reported_open",
}
"""What a fact is called that comes from a state, not from an event."""

_STANDING = frozenset({Happening.SEALED, Happening.SHUT, Happening.OPENED, Happening.FOUND_OPEN})


def _settled(history: SealHistory) -> SealHistory:
    """Return the history with facts placed that the clock, heard live again, lets us place."""
    if all(mark.happened_at is not None for mark in history.marks):
        return history
    return replace(history, marks=tuple(_placed(history, number) for number in range(len(history.marks))))


def _placed(history: SealHistory, number: int) -> SealMark:
    mark, clock = history.marks[number], history.clock
    if mark.happened_at is not None or mark.device_time is None or clock.difference is None or clock.since is None:
        return mark
    if mark.told is not Told.FROM_MEMORY and clock.shows(mark.received_at - mark.device_time):
        return replace(mark, happened_at=mark.received_at)
    sealings = [one for one in history.marks[:number] if one.happening is Happening.SEALED]
    if not sealings or any(one.happened_at != one.received_at for one in sealings):
        return mark
    moment, last = mark.device_time + clock.difference, sealings[-1].received_at
    if moment > mark.received_at + STEADY or any(abs(moment - one.received_at) <= STEADY for one in sealings):
        return mark
    # Before the last sealing, and there was no other: a clock that is steady since then is enough. Any other place among sealings may
    # accuse somebody, so the clock has to be steady from before the first of them on.
    is_steady = clock.since < sealings[0].received_at
    is_before_the_only_one = moment < last and len(sealings) == 1 and clock.since <= last
    return replace(mark, happened_at=moment) if is_steady or is_before_the_only_one else mark


def _marked(history: SealHistory, mark: SealMark) -> SealHistory:
    marks, forgotten = (*history.marks, mark), history.forgotten_until
    if len(marks) > MARKS_LIMIT:
        forgotten, marks = marks[0].received_at, marks[1:]
    return replace(history, marks=marks, forgotten_until=forgotten)


def _remembered(history: SealHistory) -> SealHistory:
    """Return the history with a tamper noted, so that it outlives the facts it was read from."""
    if history.tampered is None:
        tamper, _, _ = _read(history, history.journey)
        if tamper is not None:
            return replace(history, tampered=tamper)
    return history
