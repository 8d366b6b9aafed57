"""The exercises of the training mode: what comes to the gate, what the trainee is told, and what he should do about it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from gate_agent.demo.cast import Cast, overstayed, watchlisted
from gate_agent.demo.stage import ENTRY, EXIT, Observed
from gate_agent.demo.travellers import SEAL_ID, asks_for_help, reader_fails

RELEASED_BY_GATE, RELEASED, HANDED_OVER, TASK_CLOSED = "released_by_gate", "released", "handed_over", "task_closed"


@dataclass(frozen=True, slots=True)
class Exercise:
    """One scripted case. `told` is what the trainee hears before it, `expected` what is right, `why` what the trainer says afterwards.

    `come` brings the traveller to where he waits for a person, or through the gate; `lane_id` is where.
    """

    name: str
    told: str
    expected: str
    why: str
    come: Callable[[Cast], Awaitable[Observed]]
    lane_id: int = ENTRY


async def _clear(cast: Cast) -> Observed:
    return await cast.stage.cross(cast.person(5))


async def _watchlist(cast: Cast) -> Observed:
    return await cast.stage.cross(watchlisted(cast.today))


async def _overstay(cast: Cast) -> Observed:
    return await cast.stage.cross(overstayed(cast.today)[0], lane_id=EXIT)


async def _red_corridor(cast: Cast) -> Observed:
    person = cast.person(6)
    return await cast.stage.cross(person, token=await cast.declare(person, cash=(("USD", "15000.00"),)))


async def _broken_seal(cast: Cast) -> Observed:
    person = cast.person(12)
    token = await cast.declare(person, seal=SEAL_ID)
    await cast.stage.seal.plug()
    await cast.stage.seal.report(41.26, 69.28, ("rope_cut_alarm", "ack_required"))
    return await cast.stage.cross(person, token=token)


async def _device_fault(cast: Cast) -> Observed:
    return await reader_fails(cast, cast.person(11))


EXERCISES: Mapping[str, Exercise] = {
    one.name: one
    for one in (
        Exercise(
            "clear_traveller",
            "A traveller with nothing to declare comes to the entry lane. Watch.",
            RELEASED_BY_GATE,
            "Everything was proven; the gate needs nobody.",
            _clear,
        ),
        Exercise(
            "watchlist_hit",
            "Somebody comes to the entry lane. Look at why you are called.",
            HANDED_OVER,
            "The document stands on a list: the second line decides, never the gate.",
            _watchlist,
        ),
        Exercise(
            "overstay",
            "A visitor leaves by the exit lane.",
            HANDED_OVER,
            "The stay was longer than allowed: the second line draws up what follows.",
            _overstay,
            EXIT,
        ),
        Exercise(
            "red_corridor",
            "A traveller declares cash. Close the stop at the customs desk, signed in as customs-1.",
            TASK_CLOSED,
            "Red goes to the customs desk, not to the guard; the stop is closed there with a finding.",
            _red_corridor,
        ),
        Exercise(
            "broken_seal",
            "A consignment under a tracking seal arrives. Close the stop at the customs desk, signed in as customs-1.",
            TASK_CLOSED,
            "The rope was cut on the way: the goods are looked at before anything else.",
            _broken_seal,
        ),
        Exercise(
            "device_fault",
            "The document reader of the entry lane fails under a traveller's hands.",
            HANDED_OVER,
            "A fault says nothing against the traveller, and proves nothing for him: a person looks at the document.",
            _device_fault,
        ),
        Exercise(
            "fallback",
            "A traveller cannot go on by himself and asks for help.",
            HANDED_OVER,
            "Nothing was checked: he is taken to a staffed desk.",
            asks_for_help,
        ),
    )
}
"""By name, in the order in which they are made."""
