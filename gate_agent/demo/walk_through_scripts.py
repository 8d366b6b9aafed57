"""Who walks how in the walk-through demonstration. All names are fictitious (Utopia); the portraits are public officials'.

A walker's legs are lists of points: seconds since the leg began, where the face's centre is, how wide the face is. Somebody stands
in the release zone when his face is as wide as `ZONE_FACE_PX`, which the lane's own zone sees in the picture.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

FAR_PX, MIDDLE_PX, NEAR_PX = 120.0, 150.0, 216.0
ZONE_FACE_PX = 205.0

Point = tuple[float, float, float]
"""Seconds since the leg began, x of the face's centre, width of the face in pixels."""


@dataclass(frozen=True, slots=True)
class Leg:
    """One part of a walk: it begins when everybody named in `after` is gone; `leaves`: the walker is gone at its end."""

    points: tuple[Point, ...]
    after: tuple[str, ...] = ()
    leaves: bool = False


@dataclass(frozen=True, slots=True)
class Walker:
    """One person of a scenario, and what must become of him."""

    name: str
    live: Literal["obama", "obama2", "obama3", "biden"] | None  # whose picture walks; None: he does not come
    reference: Literal["obama", "biden"] | None  # the chip's portrait he was enrolled with; None: he was not
    legs: tuple[Leg, ...]
    outcome: Literal["released", "referred", "not_decided", "expected"]
    reason: str = ""
    lingers: bool = False  # does not walk out although the door is released


@dataclass(frozen=True, slots=True)
class Scenario:
    """A few walkers who are in the hall together."""

    number: int
    title: str
    walkers: tuple[Walker, ...]
    longest_s: float = field(default=30.0)


def _approach(x_from: float, x_to: float = 640.0, *, begin_s: float = 0.0, after: tuple[str, ...] = ()) -> Leg:
    points = ((begin_s, x_from, FAR_PX), (begin_s + 2.4, x_to, NEAR_PX))
    return Leg(points, after)


def _wait_at(x_from: float, x_at: float) -> Leg:
    return Leg(((0.0, x_from, FAR_PX), (1.6, x_at, MIDDLE_PX)))


def _last_steps(x_from: float, *, after: tuple[str, ...] = ()) -> Leg:
    return Leg(((0.0, x_from, MIDDLE_PX), (1.6, 640.0, NEAR_PX)), after)


def _changing_places(x_from: float, x_to: float) -> Leg:
    """Two of these, mirrored: they come closer side by side, cross before the camera, and stand where the other one stood."""
    return Leg(((0.0, x_from, FAR_PX), (1.8, x_from, MIDDLE_PX), (4.8, x_to, MIDDLE_PX), (6.2, x_to, MIDDLE_PX)))


SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        1,
        "one traveller on the move",
        (Walker("TRAVELLER ONE", "obama2", "obama", (_approach(420.0),), "released"),),
    ),
    Scenario(
        2,
        "two travellers, one after the other",
        (
            Walker("TRAVELLER ONE", "obama2", "obama", (_approach(420.0),), "released"),
            Walker(
                "TRAVELLER TWO",
                "biden",
                "biden",
                (_wait_at(980.0, 1040.0), _last_steps(1040.0, after=("TRAVELLER ONE",))),
                "released",
            ),
        ),
    ),
    Scenario(
        3,
        "two travellers swap places",
        (
            Walker(
                "TRAVELLER ONE",
                "obama2",
                "obama",
                (_changing_places(300.0, 1000.0), _last_steps(1000.0, after=("TRAVELLER TWO",))),
                "released",
            ),
            Walker(
                "TRAVELLER TWO",
                "biden",
                "biden",
                (_changing_places(1000.0, 300.0), _last_steps(300.0)),
                "released",
            ),
        ),
    ),
    Scenario(
        4,
        "two side by side before the exit",
        (
            Walker("TRAVELLER ONE", "obama3", "obama", (_approach(300.0, 430.0),), "referred", "second_person"),
            Walker("TRAVELLER TWO", "biden", "biden", (_approach(980.0, 850.0),), "referred", "second_person"),
        ),
    ),
    Scenario(
        5,
        "a stranger who was not enrolled",
        (
            Walker("STRANGER", "biden", None, (_approach(420.0),), "referred", "face_undetermined"),
            Walker("TRAVELLER ONE", None, "obama", (), "expected"),
        ),
    ),
    Scenario(
        6,
        "a traveller turns back",
        (
            Walker(
                "TRAVELLER ONE",
                "obama2",
                "obama",
                (
                    Leg(
                        ((0.0, 420.0, FAR_PX), (2.0, 600.0, 175.0), (3.0, 600.0, 175.0), (5.0, 420.0, FAR_PX)),
                        leaves=True,
                    ),
                ),
                "not_decided",
            ),
        ),
    ),
    Scenario(
        7,
        "two people match one traveller",
        (
            Walker(
                "TRAVELLER ONE",
                "obama2",
                "obama",
                (
                    Leg(((0.0, 420.0, FAR_PX), (1.6, 480.0, MIDDLE_PX), (3.2, 480.0, MIDDLE_PX))),
                    _last_steps(480.0),
                ),
                "referred",
                "face_undetermined",
            ),
            Walker("STRANGER", "obama3", None, (_wait_at(980.0, 960.0),), "not_decided"),
        ),
    ),
    Scenario(
        8,
        "a second person after the one who was released",
        (
            Walker("TRAVELLER ONE", "obama2", "obama", (_approach(420.0),), "released"),
            Walker(
                "STRANGER",
                "obama3",
                None,
                (_approach(860.0, after=("TRAVELLER ONE",)),),
                "referred",
                "face_undetermined",
            ),
        ),
    ),
    Scenario(
        9,
        "somebody steps beside the released traveller",
        (
            Walker(
                "TRAVELLER ONE",
                "obama2",
                "obama",
                (_approach(420.0, 500.0),),
                "referred",
                "second_person",
                lingers=True,
            ),
            Walker(
                "STRANGER",
                "biden",
                None,
                (_wait_at(1000.0, 1040.0), Leg(((0.0, 1040.0, MIDDLE_PX), (2.2, 850.0, NEAR_PX)))),
                "referred",
                "second_person",
            ),
        ),
    ),
)
