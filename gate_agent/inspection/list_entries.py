"""Members of signed lists (bans, permits), read strictly; each refusal names the place, in the error of the list it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from gate_agent.domain.declaration import Direction
from gate_agent.errors import EgateError

Refused = type[EgateError]


def entries_of(
    where: str, listed: object, refused: Refused
) -> tuple[str, frozenset[Direction], Sequence[Mapping[str, object]]]:
    """Return name, directions and entries of one list."""
    if not isinstance(listed, Mapping) or not isinstance(listed.get("entries"), list):
        raise refused(f"{where}: a name, directions and entries are expected")
    directions = listed.get("directions")
    known = {direction.value for direction in Direction}
    if not isinstance(directions, list) or not directions or not set(map(str, directions)) <= known:
        raise refused(f"{where}.directions: entry, exit or both are expected")
    for number, entry in enumerate(listed["entries"]):
        if not isinstance(entry, Mapping):
            raise refused(f"{where}.entries[{number}]: an object is expected")
    return text(f"{where}.name", listed.get("name"), refused), frozenset(map(Direction, directions)), listed["entries"]


def text(where: str, value: object, refused: Refused) -> str:
    """Return a text that is there."""
    if not isinstance(value, str) or not value:
        raise refused(f"{where}: a text is expected")
    return value


def day(where: str, value: object, refused: Refused) -> date | None:
    """Return a date YYYY-MM-DD, None where none is given."""
    if value is None:
        return None
    try:
        if isinstance(value, str) and len(value) == 10:
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise refused(f"{where}: a date YYYY-MM-DD is expected")


def whole(where: str, value: object, refused: Refused) -> int | None:
    """Return a whole number from 1 on, None where none is given."""
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value < 100_000:
        raise refused(f"{where}: a whole number from 1 on is expected")
    return value
