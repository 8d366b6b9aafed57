"""The gate's store under kills, power cuts, refusing and full disks, beside the SQLite storage of thingsboard-gateway under the same: `make faults`.

Accepted is what the writer was answered; lost is what of it is not there afterwards. A cut leaves many disks behind, and each is counted.
"""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from tests.faults import disk_trace, store_census
from tests.faults.conftest import Told
from tests.faults.cut_disk import CutDisk
from tests.faults.store_census import Census
from tests.faults.store_writer import open_store, pass_through
from tests.whole_sweeps import SWEEPS_ARE_WHOLE

pytestmark = pytest.mark.strace

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
IMAGES = 10_000 if SWEEPS_ARE_WHOLE else 500
TRAVELLERS = 12 if SWEEPS_ARE_WHOLE else 3
KILLS_OF_A_NAME = 2_000 if SWEEPS_ARE_WHOLE else 8
KILLS_OF_A_STORE = 8
AT_ONCE = 3


@dataclass(frozen=True, slots=True)
class Subject:
    """A store: who writes into it, how many records a run has of it, and who counts."""

    name: str
    module: str
    number: int
    census: Callable[[Path], Census]


OURS = Subject("eGate", "tests.faults.store_writer", TRAVELLERS, store_census.of_gate)
PEER = Subject("thingsboard-gateway", "tests.faults.peer_writer", 2 * TRAVELLERS, store_census.of_peer)
both = pytest.mark.parametrize(
    "subject", [pytest.param(OURS, id="ours"), pytest.param(PEER, id="peer", marks=pytest.mark.store_peer)]
)


@dataclass(slots=True)
class Toll:
    """What a fault came to over all its runs."""

    runs: int = 0
    accepted: int = 0
    lost: int = 0
    doubled: int = 0
    broken: int = 0

    def count(self, accepted: list[str], census: Census) -> None:
        self.runs += 1
        self.accepted += len(accepted)
        self.lost += census.lost(accepted)
        self.doubled += census.doubled
        self.broken += bool(census.broken)

    @property
    def is_whole(self) -> bool:
        return self.accepted > 0 and (self.lost, self.doubled, self.broken) == (0, 0, 0)


def goes_on(folder: Path) -> list[str]:
    """Open what a fault left as the agent would, let one more traveller through, and return what is wrong with it then."""

    async def once() -> None:
        store = await open_store(folder)
        await pass_through(store, 999)
        await store.close()

    asyncio.run(once())
    told = store_census.of_gate(folder)
    return [told.broken] if told.broken or not told.keys else []


@both
def test_killed_at_its_writes_and_flushes(subject: Subject, told: Told, tmp_path: Path) -> None:
    """SIGKILL on entering the n-th call, for each n of each name; eight processes after one another die on one store."""
    disk_trace.run(tmp_path / "trace", [], subject.module, tmp_path / "whole", subject.number)
    names = [call.name for call in disk_trace.read(tmp_path / "trace", tmp_path / "whole")]
    sweeps = {
        "pwrite64": names.count("pwrite64"),
        "fdatasync,fsync": names.count("flush"),
        "write": names.count("said"),
    }
    kills = [f"{name}:signal=KILL:when={place}" for name, most in sweeps.items() for place in spread(most)]

    def one_store(first: int) -> tuple[list[tuple[list[str], Census]], list[str]]:
        folder, accepted, tolls, faults = tmp_path / str(first), list[str](), [], list[str]()
        for inject in kills[first::stores]:
            said, is_killed = disk_trace.run(None, [inject], subject.module, folder, subject.number)
            accepted += said
            if is_killed:  # a store that is there already makes fewer calls than the first of them did
                tolls.append((list(accepted), subject.census(folder)))
                faults += goes_on(folder) if subject is OURS else []
        return tolls, faults

    stores = len(kills) // KILLS_OF_A_STORE + 1
    toll, faults = Toll(), list[str]()
    with ThreadPoolExecutor(AT_ONCE) as threads:
        for tolls, found in threads.map(one_store, range(stores)):
            faults += found
            for accepted, census in tolls:
                toll.count(accepted, census)
    told("killed at a write or flush", subject.name, **asdict(toll))
    assert toll.runs > len(kills) / 2
    assert faults == []
    assert toll.is_whole or subject is PEER


def spread(most: int) -> list[int]:
    """Return places from the first to the last, all of them in a whole sweep."""
    step = max(1, -(-most // KILLS_OF_A_NAME))
    return list(range(1, most + 1, step))


@both
def test_power_cut(subject: Subject, told: Told, tmp_path: Path) -> None:
    """Nothing that was accepted is lost, whichever unflushed sectors the disk kept; what is left opens, and the gate goes on."""
    toll, faults = Toll(), []
    calls = traced(tmp_path, subject, [], "")
    for image, accepted in images(calls, tmp_path / "store", IMAGES, seed=1):
        toll.count(accepted, subject.census(image))
        if subject is OURS and toll.runs % 25 == 0:
            faults += goes_on(image)
    told("power cut", subject.name, **asdict(toll))
    assert toll.runs == IMAGES
    assert faults == []
    assert toll.is_whole or subject is PEER


@pytest.mark.parametrize("synchronous", ["NORMAL", "OFF"])
def test_power_cut_of_a_store_that_flushes_less_is_seen_to_lose(synchronous: str, told: Told, tmp_path: Path) -> None:
    """The test of the test: the same store without its flushes loses what it called accepted."""
    toll = Toll()
    calls = traced(tmp_path, OURS, [], synchronous)
    for image, accepted in images(calls, tmp_path / "store", IMAGES // 5, seed=2):
        toll.count(accepted, OURS.census(image))
    told("power cut", f"eGate with synchronous={synchronous}", **asdict(toll))
    assert toll.lost > 0
    assert toll.doubled == 0


@pytest.mark.parametrize("kind", ["once", "from then on"])
def test_a_flush_that_fails_is_no_acceptance(kind: str, told: Told, tmp_path: Path) -> None:
    """EIO of the n-th flush: refused, nothing in memory believed, and what is accepted afterwards survives a cut, too."""
    most = sum(call.name == "flush" for call in traced(tmp_path, OURS, [], ""))
    toll, refused = Toll(), 0
    places = [place for place in range(1, most + 1) if SWEEPS_ARE_WHOLE or place % 4 == 0]
    for place in places:
        inject = [f"fdatasync,fsync:error=EIO:when={place}{'+' if kind != 'once' else ''}"]
        calls = traced(tmp_path, OURS, inject, "", f"store-{place}")
        folder = tmp_path / f"store-{place}"
        refused += sum(call.name == "said" and call.data.startswith(b"refused") for call in calls)
        toll.count(accepted_of(calls), OURS.census(folder))
        for image, accepted in images(calls, folder, 200 if SWEEPS_ARE_WHOLE else 40, seed=place):
            toll.count(accepted, OURS.census(image))
    told(f"flush fails, {kind}", OURS.name, **asdict(toll))
    assert refused > 0
    assert toll.accepted > 0
    assert (toll.lost, toll.doubled) == (0, 0)
    # A disk that never flushes again may leave a new file that nobody can read: nothing was accepted in it, or it would be lost.
    assert toll.broken == 0 or kind != "once"


@both
@pytest.mark.namespaces
def test_the_disk_is_full(subject: Subject, told: Told, tmp_path: Path) -> None:
    """A file system of its own that is too small for the run: what no longer fits is refused, what was accepted is there."""
    run = ("200",) if subject is OURS else ("300", "6000")
    disk, copy = tmp_path / "disk", tmp_path / "copy"
    disk.mkdir()
    script = f'mount -t tmpfs -o size=1m tmpfs {disk} && "$@"; cp -r {disk} {copy}'
    writer = [sys.executable, "-m", subject.module, str(disk / "store"), *run]
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", *writer],
        stdout=subprocess.PIPE,
        text=True,
        timeout=300,
        check=True,
    )
    accepted = disk_trace.accepted(done.stdout)
    toll = Toll()
    toll.count(accepted, subject.census(copy / "store"))
    told("disk full", subject.name, **asdict(toll))
    if subject is OURS:
        assert done.stdout.count("refused") > 0
        assert toll.is_whole


def traced(
    tmp_path: Path, subject: Subject, inject: list[str], synchronous: str, name: str = "store"
) -> list[disk_trace.Call]:
    trace, folder = tmp_path / f"{name}.trace", tmp_path / name
    disk_trace.run(trace, inject, subject.module, folder, subject.number, *([synchronous] if synchronous else []))
    calls = list(disk_trace.read(trace, folder))
    trace.unlink()
    return calls


def accepted_of(calls: list[disk_trace.Call]) -> list[str]:
    return disk_trace.accepted("".join(call.data.decode() for call in calls if call.name == "said"))


def images(calls: list[disk_trace.Call], folder: Path, number: int, *, seed: int) -> Iterator[tuple[Path, list[str]]]:
    """Yield disks as cuts leave them, spread over all places of a run, and what was accepted until then."""
    dice = random.Random(seed)
    disk = CutDisk(folder)
    places = sorted(dice.randrange(len(calls)) for _ in range(number))
    for place, call in enumerate(calls):
        disk.follow(call)
        while places and places[0] == place:
            places.pop(0)
            with tempfile.TemporaryDirectory(prefix="egate-cut-", dir=MEMORY) as image:
                disk.cut(Path(image), dice)
                yield Path(image), list(disk.accepted)
