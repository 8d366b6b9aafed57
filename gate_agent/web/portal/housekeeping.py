"""What the portal does every half minute beside its pages: keeps its book tidy, follows the centre, sends notices.

Each errand is guarded on its own: what fails is logged, once more in each round, and counted; the others go on, and so does the next round.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import structlog

from gate_agent.errors import EgateError
from gate_agent.web.portal.book import Book, BookFault
from gate_agent.web.portal.centre_changes import CentreChanges
from gate_agent.web.portal.notifiers import Notifier, tell
from gate_agent.web.portal.shell import Portal

ROUND_S = 30.0
"""How often expired content goes, overdue stubs are told of, and notices are sent."""

_log = structlog.get_logger()


class Housekeeping:
    """The errands of one portal with a book. `failed` counts by errand how many rounds in a row it has failed."""

    def __init__(
        self, portal: Portal, book: Book, notifiers: Sequence[Notifier] = (), changes: CentreChanges | None = None
    ) -> None:
        self._portal = portal
        self._book = book
        self._notifiers = notifiers
        self._changes = changes
        self.failed: Counter[str] = Counter()

    async def run(self) -> None:
        """Do every errand every half minute until cancelled."""
        while True:
            await self.once()
            await asyncio.sleep(ROUND_S)

    async def once(self) -> None:
        """Do every errand once."""
        await self.keep()
        if self._changes is not None:
            await self._errand("follow_centre", partial(self._follow, self._changes))
        for notifier in self._notifiers:
            await self._errand(f"tell_{notifier.channel}", partial(self._tell, notifier))

    async def keep(self) -> None:
        """Keep counted seconds, and the book tidy."""
        await self._errand("keep_times", self._keep_times)
        await self._errand("tidy", self._tidy)

    async def _errand(self, name: str, do: Callable[[], Awaitable[None]]) -> None:
        try:
            await do()
        except Exception as fault:  # noqa: BLE001 - nobody awaits the rounds: whatever escaped would end all errands until the next start, unseen
            self.failed[name] += 1
            code = fault.code if isinstance(fault, EgateError) else ""
            _log.error("errand_failed", errand=name, cause=type(fault).__name__, code=code, rounds=self.failed[name])
            return
        rounds = self.failed.pop(name, 0)
        if rounds:
            _log.info("errand_works_again", errand=name, rounds=rounds)

    async def _follow(self, changes: CentreChanges) -> None:
        records = await asyncio.to_thread(changes.next)
        told = self._book.follow(self._portal.clock.now(), records)
        if told:
            _log.info("centre_followed", changes=told)

    async def _keep_times(self) -> None:
        counts = self._portal.times.taken()
        try:
            self._book.keep_times(counts)
        except BookFault:
            self._portal.times.put_back(counts)
            raise

    async def _tidy(self) -> None:
        overdue = self._book.tidy(self._portal.clock.now(), self._portal.today())
        if overdue:
            _log.info("stubs_overdue", stubs=overdue)

    async def _tell(self, notifier: Notifier) -> None:
        sent = await tell(self._book, notifier, self._portal.catalogues, self._portal.clock.now())
        if sent:
            _log.info("notices_sent", channel=notifier.channel, notices=sent)
