"""Electronic seals on declared goods: the words for what a seal told, and what is known of it when somebody asks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class SealState(StrEnum):
    """What is known of a seal. UNKNOWN is no accusation: `SealReport.doubt` says why."""

    INTACT = "intact"
    TAMPERED = "tampered"
    UNKNOWN = "unknown"


class SealDoubt(StrEnum):
    """Why it is not known whether a seal is whole."""

    NEVER_HEARD = "never_heard"
    SILENT = "silent"
    NEVER_CLOSED = "never_closed"
    """It reports, and nothing it said means that it is closed: a plain position tracker says no more."""
    FOUND_OPEN = "found_open"
    """It says that it is open, or was opened where nothing says that it had been sealed."""
    UNDATED = "undated"
    """Something happened to it, and nobody can say whether before or after it was sealed."""


@dataclass(frozen=True, slots=True)
class SealReport:
    """What is known of one seal. `event` names what made it tampered or doubtful, empty otherwise; `doubt` only with UNKNOWN."""

    seal_id: str
    state: SealState
    event: str
    received_at: datetime
    doubt: SealDoubt | None = None
    officer_id: str = ""
    """Who acted, for a record of an officer's act; empty for what the seal told."""
    officer_ids: tuple[str, ...] = ()
    """All who signed for it, in that order."""
    reason: str = ""
    """The code of the reason that they signed."""


class Told(StrEnum):
    """How a message came: as it happened, later from the tracker's memory, or nobody can say."""

    LIVE = "live"
    FROM_MEMORY = "memory"
    UNKNOWN = "unknown"


class Happening(StrEnum):
    """What a message or an officer did to the knowledge of one seal."""

    SEALED = "sealed"
    SHUT = "shut"
    """The shackle or door is closed; not yet that it is sealed."""
    OPENED = "opened"
    FOUND_OPEN = "found_open"
    """A state that says open, without an event that says who opened it and when."""
    ATTACKED = "attacked"
    UNLOCK_AUTHORISED = "unlock_authorised"
    CLOSED = "closed"
    """A customs inspector looked at it and closed the matter: what was heard before is settled."""


OPENED_WHILE_SEALED = "opened_while_sealed"

ATTACKS = frozenset({"rope_cut", OPENED_WHILE_SEALED, "shell_tampered", "unlock_alarm", "back_cover_open"})
"""Events that say the seal itself was attacked or opened against its will; equal to `drivers.seal_tracker.events.TAMPER_KINDS`."""

_BY_LEAVE = frozenset({"unlock_alarm"})
"""Attacks that are none while an authorised unlock stands."""


def happening_of(kind: str, closure: str = "") -> Happening | None:
    """Return what an event does to a seal; None for events that say nothing of it, such as a position or a battery level.

    `closure` is the state that came with it: `sealed`, `shut` or `open`.
    """
    if kind in ATTACKS:
        return Happening.ATTACKED
    if kind.startswith(("unsealed", "shackle_opened")):
        return Happening.OPENED
    if kind.startswith("sealed") or kind in {"auto_sealed", "auto_resealed"}:
        return Happening.SEALED
    if kind == "shackle_closed":
        return Happening.SHUT
    return _CLOSURES.get(closure)


_CLOSURES = {"sealed": Happening.SEALED, "shut": Happening.SHUT, "open": Happening.FOUND_OPEN}


def is_excused_by_unlock(happening: Happening, kind: str) -> bool:
    """Return whether an authorised unlock explains this."""
    return happening in {Happening.OPENED, Happening.FOUND_OPEN} or kind in _BY_LEAVE
