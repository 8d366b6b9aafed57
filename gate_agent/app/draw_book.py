"""The draws of this gate's random selection: a seed for each local day, told as a hash the day before and in clear once the day is over."""

from __future__ import annotations

import asyncio
import secrets
import uuid
from collections import OrderedDict
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import structlog

from gate_agent.clock import Clock
from gate_agent.domain.selection import Draw
from gate_agent.errors import StoreFault
from gate_agent.policy.random_selection import SEED_BYTES, draw_value
from gate_agent.store.draws import KeptSeed
from gate_agent.store.selection_book import SelectionBook

log = structlog.get_logger()

_KEEP_S = 60.0
_REVEALED_AFTER = timedelta(minutes=30)
"""How long after midnight a day's seed stays secret: who was drawn just before it is decided by then."""
_REMEMBERED = 1_000


class DrawBook:
    """Hands out draws, each number once. `entropy` gives the bytes of new seeds."""

    def __init__(self, clock: Clock, time_zone: str, entropy: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._clock = clock
        self._zone = ZoneInfo(time_zone)
        self._entropy = entropy
        self._source = ""
        self._seeds: dict[date, KeptSeed] = {}
        self._next: dict[uuid.UUID, int] = {}
        self._drawn: OrderedDict[tuple[uuid.UUID, date], Draw] = OrderedDict()

    def draw(self, transaction_id: uuid.UUID, day: date) -> Draw | None:
        """Return the draw of a transaction, the same however often it is asked for; None when the day has no secret seed."""
        known = self._drawn.get((transaction_id, day))
        if known is not None:
            return known
        seed = self._seeds.get(day)
        if seed is None:
            log.error("draw_without_seed", day=day.isoformat())
            return None
        number = self._next[seed.commitment_id]
        self._next[seed.commitment_id] = number + 1
        drawn = Draw(seed.commitment_id, number, draw_value(seed.seed, self._source, day, number))
        self._drawn[transaction_id, day] = drawn
        while len(self._drawn) > _REMEMBERED:
            self._drawn.popitem(last=False)
        return drawn

    async def keep(self, store: SelectionBook) -> None:
        """Commit the seeds of today and tomorrow, tell those of days that are over. Raises `StoreFault`."""
        now = self._clock.now().astimezone(self._zone)
        self._source = store.source
        for day in (now.date(), now.date() + timedelta(days=1)):
            if day not in self._seeds:
                await store.commit_seed(day, self._entropy(SEED_BYTES), now.date())
        secret = {}
        for seed in await store.secret_seeds():
            if self._is_over(seed.day, now):
                self._seeds.pop(seed.day, None)
                await store.reveal_seed(seed, now.date())
                log.info("draw_seed_revealed", day=seed.day.isoformat())
                continue
            secret[seed.day] = seed
            self._next[seed.commitment_id] = max(self._next.get(seed.commitment_id, 1), seed.last_number + 1)
        self._seeds = secret

    async def run(self, store: SelectionBook) -> None:
        """Keep the seeds until cancelled; a disk that refuses is asked again."""
        while True:
            try:
                await self.keep(store)
            except StoreFault as fault:
                log.error("draw_seeds_not_kept", code=fault.code)
            await asyncio.sleep(_KEEP_S)

    def _is_over(self, day: date, now: datetime) -> bool:
        midnight = datetime.combine(day + timedelta(days=1), time(), self._zone)
        return now >= midnight + _REVEALED_AFTER
