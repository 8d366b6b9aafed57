"""Watchlists: look-ups in two million fictitious entries beside a plain linear scan with RapidFuzz over the same names, in one run.

`EGATE_BENCH_ENTRIES` sets another number of entries. The peer looks at every name on the list with its processor; its figure is what a scan of
the whole list takes, measured on the folded names, so that it finds the same spellings.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from datetime import date, timedelta

from gate_agent.cli.bench import BenchFault, BenchRow
from gate_agent.inspection.watchlist import Subject, Watchlist
from gate_agent.inspection.watchlist_bundle import Held, Part, Root
from gate_agent.inspection.watchlist_entries import ListTerms
from gate_agent.inspection.watchlist_index import Index, built
from gate_agent.inspection.watchlist_names import folded_names, folded_spelling
from gate_agent.inspection.watchlist_sealed import InMemory, Manifest, WatchlistKey, open_index, seal_index
from tests.unit.fictitious_names import Population

NAME = "watchlist"
ENTRIES = int(os.environ.get("EGATE_BENCH_ENTRIES", "2000000"))
ASKED = 400
SCANNED = 5
TODAY = date(2026, 6, 1)
FRESH, LIMIT = timedelta(hours=1), timedelta(hours=72)


def run() -> list[BenchRow]:
    """Build, seal, open, ask; then let the peer scan the same names."""
    people = Population(seed=20260601)
    begun = time.perf_counter()
    index, lines = built(["fictitious"], people.entries(ENTRIES))
    build_s = time.perf_counter() - begun
    key = WatchlistKey(bytes(range(32)))
    sealed: list[bytes] = []
    manifest = seal_index(index, lines, key, "0" * 32, sealed.append)
    names = _names(index)
    del index, lines
    content = b"".join(sealed)
    del sealed
    watchlist, open_s = _opened(manifest, content, key)
    travellers = [_traveller(people, number) for number in range(ASKED)]
    fuzzy = _milliseconds(watchlist, travellers)
    documents = [Subject(f"UT{number * 4987 % ENTRIES:07}", "UTO", "", "", 0, "", "") for number in range(ASKED)]
    exact = _milliseconds(watchlist, documents)
    leads = sum(1 for one in travellers if watchlist.all_matches(one, TODAY)) / ASKED
    narrow = sum(1 for one in travellers if watchlist.all_matches(one, TODAY, 0)) / ASKED
    namesakes = sum(1 for one in travellers if _is_namesake(watchlist, one)) / ASKED
    idle_ms, busy_ms = asyncio.run(_lag_ms(watchlist, travellers[:1])), asyncio.run(_lag_ms(watchlist, travellers))
    peer_ms = _scan(names, travellers[:SCANNED])
    rows = [
        BenchRow(f"document, {ENTRIES:,} entries, {at}", exact[at], None, None, "ms") for at in ("p50", "p95", "p99")
    ]
    rows += [
        BenchRow(f"name, {ENTRIES:,} entries, {at}", fuzzy[at], peer_ms, peer_ms / fuzzy[at], "ms (peer/ours)")
        for at in ("p50", "p95", "p99")
    ]
    rows += [
        BenchRow("index and sort at the issuer", build_s, None, None, "s"),
        BenchRow("open at the gate: hash, unseal, check", open_s, None, None, "s"),
        BenchRow("index in memory", watchlist.size_bytes / 1e6, None, None, "MB"),
        BenchRow(
            "of these, with a name that is the same letter by letter", 100 * namesakes, None, None, "% of travellers"
        ),
        BenchRow("the same, birth years equal (watchlist_years_apart 0)", 100 * narrow, None, None, "% of travellers"),
        BenchRow(
            "lag of a loop while names are looked up beside it, p99",
            busy_ms,
            idle_ms,
            busy_ms / idle_ms,
            "ms (ours/idle)",
        ),
        BenchRow("sealed file", len(content) / 1e6, None, None, "MB"),
        BenchRow("strangers with at least one lead", 100 * leads, None, None, "% of travellers"),
    ]
    return rows


def _opened(manifest: Manifest, content: bytes, key: WatchlistKey) -> tuple[Watchlist, float]:
    begun = time.perf_counter()
    index, entries = open_index(manifest, InMemory(content), key)
    open_s = time.perf_counter() - begun
    held = Held((ListTerms("fictitious"),), Root(0, len(index)), Part(index, entries))
    return Watchlist(held), open_s


def _traveller(people: Population, number: int) -> Subject:
    """Return somebody who is not on the list but by chance: drawn from the same names, as a machine readable zone has them."""
    family, given = people.name()
    born = people.born()
    primary, secondary = (text.upper().replace("ʻ", "") for text in (family, given))
    as_number = born.year * 10_000 + born.month * 100 + born.day
    return Subject(f"ZZ{number:07}", "UTO", primary, secondary, as_number, "M" if number % 10 < 7 else "F", "UTO")


def _milliseconds(watchlist: Watchlist, subjects: list[Subject]) -> dict[str, float]:
    """Return percentiles of processor time: the machine may be busy with other work."""
    taken = []
    for subject in subjects:
        begun = time.thread_time()
        watchlist.screen(subject, TODAY, age=FRESH, age_limit=LIMIT)
        taken.append((time.thread_time() - begun) * 1000)
    taken.sort()
    return {f"p{share}": taken[min(len(taken) - 1, len(taken) * share // 100)] for share in (50, 95, 99)}


def _names(index: Index) -> list[str]:
    """Return the folded names of all rows as texts, for the peer."""
    letters = index.columns["letters"].tobytes().decode("ascii").translate(str.maketrans("OUF", "AAP"))
    starts, lengths = index.columns["row_start"].tolist(), index.columns["row_length"].tolist()
    return [letters[start : start + length] for start, length in zip(starts, lengths, strict=True)]


def _scan(names: list[str], travellers: list[Subject]) -> float:
    scan = _peer()
    begun = time.thread_time()
    for one in travellers:
        scan(folded_names(one.primary_identifier, one.secondary_identifier)[0].weak, names)
    return (time.thread_time() - begun) * 1000 / len(travellers)


def _peer() -> Callable[[str, list[str]], object]:
    try:
        from rapidfuzz import process
        from rapidfuzz.distance import JaroWinkler
    except ImportError as error:
        raise BenchFault("rapidfuzz is not installed: requirements-test.lock has it") from error
    return lambda asked, names: process.extract(
        asked, names, scorer=JaroWinkler.similarity, score_cutoff=0.95, limit=None
    )


def _is_namesake(watchlist: Watchlist, one: Subject) -> bool:
    """Return whether a lead has the traveller's very name: no rule that looks at names alone could tell the two apart."""
    own = {way.strong for way in folded_names(one.primary_identifier, one.secondary_identifier)}
    found = (match.entry() for match in watchlist.all_matches(one, TODAY))
    return any(way.strong in own for entry in found for name in entry.names for way in folded_spelling(name))


async def _lag_ms(watchlist: Watchlist, travellers: list[Subject]) -> float:
    """Return how late a timer of one millisecond is at p99 while travellers are looked up one after the other in a thread."""
    late: list[float] = []

    async def tick() -> None:
        while True:
            begun = time.perf_counter()
            await asyncio.sleep(0.001)
            late.append((time.perf_counter() - begun - 0.001) * 1000)

    ticking = asyncio.create_task(tick())
    for one in travellers:
        await asyncio.to_thread(watchlist.screen, one, TODAY, age=FRESH, age_limit=LIMIT)
    await asyncio.sleep(1.0)
    ticking.cancel()
    late.sort()
    return late[len(late) * 99 // 100]
