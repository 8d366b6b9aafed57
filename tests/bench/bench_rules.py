"""The rulebook's engines: decisions a second of processor time, on one core."""

from __future__ import annotations

import json
import random
import time
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from gate_agent.cli.bench import BenchRow
from gate_agent.domain.declaration import Declaration, DeclaredGoods, Direction, TravelMode
from gate_agent.domain.inspection_finding import InspectionFinding
from gate_agent.domain.money import Money
from gate_agent.domain.permit import Permit, PermitKind, PermitOrigin
from gate_agent.domain.selection import Chance, Draw, HolderHistory, InspectionOutcome, Past, WindowCounts
from gate_agent.domain.stay import Stay
from gate_agent.policy.corridor import corridor
from gate_agent.policy.duty import duty
from gate_agent.policy.eligibility import check_eligibility
from gate_agent.policy.entitlement import Entry, entitlement, terms_of
from gate_agent.policy.random_selection import SEED_BYTES, draw_value
from gate_agent.policy.rulebook_format import packaged_rulebook_bytes, parse_rulebook
from gate_agent.policy.stay_counting import days_from
from gate_agent.policy.stay_rules import Paper

NAME = "rules"
DECISIONS = 4_000
DAY = date(2026, 6, 1)
KINDS = (("", None), ("alcohol", 1500), ("", None), ("perfume", 2), ("", None))
ATLANTIS_KINDS = (("", None), ("pearls", 2), ("nectar", 700), ("nectar", 600), ("", None))


def run() -> list[BenchRow]:
    """Measure duty (both countries), the corridor by rules alone and with everything a gate adds, and the plan of a stay; baskets of five lines, no two alike."""
    uzbekistan = parse_rulebook(json.loads(packaged_rulebook_bytes()))
    atlantis = parse_rulebook(json.loads(packaged_rulebook_bytes("atlantis")))
    moment = datetime(2026, 6, 1, tzinfo=UTC)
    history = [Stay(DAY - timedelta(days=60 * n), DAY - timedelta(days=60 * n - 20), "bench") for n in range(1, 9)]

    def goods(number: int, kinds: tuple[tuple[str, int | None], ...], currency: str) -> tuple[DeclaredGoods, ...]:
        return tuple(
            DeclaredGoods("goods", Money(25_000 + 37 * number + place, currency), 900 + number, kind, quantity)
            for place, (kind, quantity) in enumerate(kinds)
        )

    visa = Permit(
        PermitKind.ELECTRONIC_VISA, PermitOrigin.SIGNED_LIST, "E1", "UZB", DAY - timedelta(days=9), None, None, 3
    )
    paper = Paper("passport", "UTO")

    def eligible(number: int, nationality: str, permits: tuple[Permit, ...]) -> object:
        on = DAY + timedelta(days=number % 60)
        entry = Entry(nationality, on, TravelMode.AIR, paper, history, permits)
        entitled = entitlement(uzbekistan, entry)
        found = check_eligibility(Direction.ENTRY, nationality, paper, on, uzbekistan, entitled, permits=permits)
        return found, terms_of(uzbekistan, entry, entitled)

    def judged(number: int) -> object:
        lines = goods(number, KINDS, "USD")
        declaration = Declaration(
            b"", "", moment, moment, Direction.ENTRY, TravelMode.AIR, lines, (Money(number, "USD"),)
        )
        return corridor(uzbekistan, Direction.ENTRY, TravelMode.AIR, DAY, declaration, days_abroad=9)

    rng = random.Random(1)
    pasts = [
        Past(
            WindowCounts(1_000, rng.randrange(300), rng.randrange(150)),
            HolderHistory(
                tuple(
                    InspectionOutcome(DAY - timedelta(days=rng.randrange(800)), rng.choice(list(InspectionFinding)))
                    for _ in range(6)
                ),
                tuple(DAY - timedelta(days=rng.randrange(30)) for _ in range(50)),
            ),
        )
        for _ in range(50)
    ]
    seed = bytes(range(SEED_BYTES))

    def selected(number: int) -> object:
        lines = goods(number, KINDS, "USD")
        declaration = Declaration(
            b"", "", moment, moment, Direction.ENTRY, TravelMode.AIR, lines, (Money(number, "USD"),)
        )
        draw = Draw(uuid.UUID(int=0), number, draw_value(seed, "UTO/demo/gate-1", DAY, number))
        chance = Chance(draw, pasts[number % len(pasts)])
        return corridor(uzbekistan, Direction.ENTRY, TravelMode.AIR, DAY, declaration, days_abroad=9, chance=chance)

    measured: dict[str, Callable[[int], object]] = {
        "duty, Uzbekistan": lambda number: duty(
            uzbekistan, Direction.ENTRY, TravelMode.AIR, DAY, goods(number, KINDS, "USD"), 9
        ),
        "duty, whole items with rates of their own": lambda number: duty(
            atlantis, Direction.ENTRY, TravelMode.AIR, DAY, goods(number, ATLANTIS_KINDS, "XTS"), 9
        ),
        "corridor": judged,
        "corridor with draw, governor, trust and frequency": selected,
        "eligibility, visa-free": lambda number: eligible(number, "UTO", ()),
        "eligibility, electronic visa with earlier stays": lambda number: eligible(number, "XXA", (visa,)),
        "plan of a stay, 90 in 180": lambda number: days_from(history, DAY + timedelta(days=number % 90), 90, 180),
    }
    return [BenchRow(name, _per_s(decide), None, None, "decisions/s") for name, decide in measured.items()]


def _per_s(decide: Callable[[int], object]) -> float:
    decide(0)
    begun_s = time.process_time()
    for number in range(DECISIONS):
        decide(number)
    return DECISIONS / (time.process_time() - begun_s)
