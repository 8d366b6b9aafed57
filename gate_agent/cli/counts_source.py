"""Where `egate counts` finds sums and records: a gate's own store, read beside its agent, or the centre's database."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from gate_agent.cli.rules_reading import QuestionRefused

if TYPE_CHECKING:
    import sqlalchemy as sa

    from central_sync.passage_counts.cells import Figures, Place

Line = dict[str, object]
_MOST_NAMES = 12


def cells(source: str, since: date, until: date, gate: str | None) -> list[tuple[str, Place, Figures]]:
    """Return the kept sums of each gate and hour. Raises `QuestionRefused` for what cannot be read."""
    from central_sync.centre import passage_counts as of_centre
    from gate_agent.store import passage_counts as of_gate

    if "://" not in source:
        with _store(source) as connection:
            return [(_gate_of(connection), *one) for one in of_gate.cells(connection, since, until)]
    with _centre(source) as engine, engine.connect() as database:
        return list(of_centre.of_days(database, of_centre.HOUR, gate, since, until))


def compared(source: str) -> tuple[list[Line], Line]:
    """Return each sum that is not what the records say, and one line on what was compared. Raises `QuestionRefused`."""
    from central_sync.centre import passage_counts as of_centre
    from gate_agent.store import passage_counts as of_gate

    if "://" not in source:
        with _store(source) as connection:
            told = of_gate.recount(connection)
        at_gate = [
            (_named(hour=place.hour, corridor=place.corridor), told.live.get(place), told.rebuilt.get(place))
            for place in sorted({*told.live, *told.rebuilt})
        ]
        summary: Line = {"sums": len(at_gate), "records": told.records, "after_hour": told.after_hour or None}
        return _differences(at_gate), summary
    with _centre(source) as engine, _one_moment(engine) as database:
        kept, again = of_centre.kept_sums(database), of_centre.recount(database)
    at_centre = [
        (
            _named(span=key.span, gate=key.gate or "all", moment=key.moment, corridor=key.corridor),
            kept.get(key),
            again.get(key),
        )
        for key in sorted({*kept, *again})
    ]
    return _differences(at_centre), {"sums": len(at_centre)}


def mend(source: str) -> bool:
    """Count the centre's records again. Raises `QuestionRefused`."""
    from central_sync.centre import passage_counts as of_centre

    if "://" not in source:
        raise QuestionRefused("only the centre's sums can be mended: a gate does not hold all of its records")
    with _centre(source) as engine:
        of_centre.mend(engine)
    return True


def _differences(sums: Iterable[tuple[Line, Figures | None, Figures | None]]) -> list[Line]:
    """Return a line for each sum that is not what the journal says, with what differs in it."""
    found: list[Line] = []
    for place, kept, told in sums:
        here: Mapping[str, int] = kept or {}
        there: Mapping[str, int] = told or {}
        differing = [one for one in sorted({*here, *there}) if here.get(one, 0) != there.get(one, 0)]
        if differing:
            shown = {one: {"kept": here.get(one, 0), "journal": there.get(one, 0)} for one in differing[:_MOST_NAMES]}
            found.append({**place, "differs": shown, "more": max(0, len(differing) - _MOST_NAMES)})
    return found


def _named(**place: object) -> Line:
    return place


@contextlib.contextmanager
def _store(source: str) -> Iterator[sqlite3.Connection]:
    folder = Path(source)
    path = folder if folder.suffix == ".db" else folder / "store.db"
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        connection.row_factory = sqlite3.Row
        try:
            connection.execute("BEGIN")  # sums and records of one moment, whatever the agent writes meanwhile
            yield connection
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise QuestionRefused(f"{path}: {error}") from error


@contextlib.contextmanager
def _centre(url: str) -> Iterator[sa.Engine]:
    import sqlalchemy as sa

    try:
        engine = sa.create_engine(url)
        try:
            yield engine
        finally:
            engine.dispose()
    except (sa.exc.SQLAlchemyError, ImportError) as error:
        raise QuestionRefused(f"the centre's database cannot be read: {type(error).__name__}") from error


@contextlib.contextmanager
def _one_moment(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Read sums and records of one moment, whatever the centre stores meanwhile."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":  # Python's driver begins a transaction only before it writes
            connection.exec_driver_sql("BEGIN")
        else:
            connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection


def _gate_of(connection: sqlite3.Connection) -> str:
    """Return the gate's own name, from its newest record."""
    from central_sync.messages import read_record

    row = connection.execute("SELECT body FROM outbox ORDER BY seq DESC LIMIT 1").fetchone()
    return read_record(bytes(row["body"])).source if row else ""
