"""The post's cache of large files against a real https source: one fetch for all, whole and right or not at all, bounded, resumed."""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from central_sync.errors import BlobRefused
from gate_agent.clock import SystemClock
from gate_agent.runtime.blob_cache import BlobCache
from tests.scenario.blob_source import BlobSource, certificate, content_of, serving_source

SIZE = 700_000
FREE = 10**12


class Place:
    """A folder, a source, and the caches opened on them."""

    def __init__(self, folder: Path, source: BlobSource, upstream: str, pem: Path) -> None:
        self.folder, self.source, self.upstream, self.pem = folder, source, upstream, pem
        self.caches: list[BlobCache] = []

    def cache(self, limit_bytes: int = 5_000_000, upstream: str | None = None, trust=True, free=FREE) -> BlobCache:
        cache = BlobCache(
            self.folder,
            self.upstream if upstream is None else upstream,
            SystemClock(),
            limit_bytes=limit_bytes,
            reserve_bytes=1_000,
            trust=ssl.create_default_context(cafile=self.pem) if trust else ssl.create_default_context(),
            free_bytes=lambda _folder: free,
        )
        cache.open()
        self.caches.append(cache)
        return cache

    def names(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    source, pem = BlobSource(), certificate(tmp_path)
    async with serving_source(source, pem) as upstream:
        made = Place(tmp_path / "blobs", source, upstream, pem)
        yield made
        for cache in made.caches:
            await cache.close()


async def refused(cache: BlobCache, sha256: str) -> str:
    with pytest.raises(BlobRefused) as refusal:
        await cache.get(sha256, 30)
    return refusal.value.code


async def test_many_askers_one_fetch(place):
    sha256 = place.source.add(content_of(1, SIZE))
    cache = place.cache()
    paths = await asyncio.gather(*(cache.get(sha256, 30) for _ in range(20)))
    assert {path.read_bytes() for path in paths} == {content_of(1, SIZE)}
    await cache.get(sha256, 30)
    assert place.source.requests == [""]
    assert place.names() == [sha256]


async def test_nothing_is_served_before_it_is_whole(place):
    place.source.pause_s = 0.02
    sha256 = place.source.add(content_of(1, SIZE))
    cache = place.cache()
    assert await cache.get(sha256, 0.05) is None
    assert sha256 not in place.names()
    assert await cache.get(sha256, 30) is not None
    assert place.source.requests == [""]


async def test_another_content_is_never_served_and_not_asked_for_again_at_once(place):
    place.source.lie = True
    sha256 = place.source.add(content_of(1, SIZE))
    cache = place.cache()
    assert await refused(cache, sha256) == "CS-BLB-002"
    assert await refused(cache, sha256) == "CS-BLB-002"
    assert len(place.source.requests) == 1
    assert place.names() == []


@pytest.mark.parametrize("has_ranges", [True, False], ids=["ranges", "no-ranges"])
async def test_a_broken_connection_is_resumed_by_the_next_process(place, has_ranges):
    place.source.cut_after, place.source.has_ranges = 400_000, has_ranges
    sha256 = place.source.add(content_of(1, SIZE))
    first = place.cache()
    assert await refused(first, sha256) == "CS-BLB-005"
    await first.close()
    assert place.names() == [f"{sha256}.part"]
    part_bytes = (place.folder / f"{sha256}.part").stat().st_size
    assert 0 < part_bytes < SIZE
    place.source.cut_after = None
    assert (await place.cache().get(sha256, 30)).read_bytes() == content_of(1, SIZE)
    assert place.source.requests[-1] == f"bytes={part_bytes}-"


async def test_a_part_that_is_whole_already_or_spoilt_ends_well_or_begins_anew(place):
    content = content_of(1, SIZE)
    sha256 = place.source.add(content)
    place.folder.mkdir()
    (place.folder / f"{sha256}.part").write_bytes(content)
    assert (await place.cache().get(sha256, 30)).read_bytes() == content
    (place.folder / sha256).unlink()
    (place.folder / f"{sha256}.part").write_bytes(b"spoilt" * 1000)
    again = place.cache()
    assert await refused(again, sha256) == "CS-BLB-002"
    assert place.names() == []
    assert (await place.cache().get(sha256, 30)).read_bytes() == content


async def test_a_file_that_was_altered_on_the_disk_is_fetched_anew(place):
    sha256 = place.source.add(content_of(1, SIZE))
    await place.cache().get(sha256, 30)
    (place.folder / sha256).write_bytes(b"altered")
    assert (await place.cache().get(sha256, 30)).read_bytes() == content_of(1, SIZE)


async def test_what_was_not_asked_for_the_longest_goes_first(place):
    cache = place.cache(limit_bytes=2_500_000)
    first, second, third, fourth = (place.source.add(content_of(number, SIZE)) for number in range(4))
    for sha256 in (first, second, third):
        await cache.get(sha256, 30)
    await cache.get(first, 30)
    await cache.get(fourth, 30)
    assert place.names() == sorted([first, third, fourth])
    for number, sha256 in enumerate((third, first, fourth)):  # the order outlives the process
        os.utime(place.folder / sha256, (1_000 + number, 1_000 + number))
    again = place.cache(limit_bytes=2_500_000)
    await again.get(second, 30)
    assert place.names() == sorted([first, second, fourth])


async def test_a_file_larger_than_the_cache_is_refused_and_the_others_stay(place):
    cache = place.cache(limit_bytes=1_000_000)
    small, large = place.source.add(content_of(1, SIZE)), place.source.add(content_of(2, 1_100_000))
    await cache.get(small, 30)
    assert await refused(cache, large) == "CS-BLB-003"
    assert place.names() == [small]


async def test_the_reserve_of_the_disk_is_never_touched(place):
    sha256 = place.source.add(content_of(1, SIZE))
    assert await refused(place.cache(free=SIZE), sha256) == "CS-BLB-004"
    assert place.names() == []
    assert await place.cache(free=SIZE + 1_000).get(sha256, 30) is not None


async def test_a_full_disk_is_refused_and_the_cache_goes_on(place, monkeypatch):
    sha256 = place.source.add(content_of(1, SIZE))
    cache = place.cache()

    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(cache, "_write", full)
        assert await refused(cache, sha256) == "CS-BLB-004"
    assert place.names() == []
    await asyncio.sleep(1.1)
    assert await cache.get(sha256, 30) is not None


async def test_what_is_not_there_and_who_is_not_believed(place):
    unknown = "0" * 64
    assert await refused(place.cache(), unknown) == "CS-BLB-001"
    assert await refused(place.cache(upstream=""), unknown) == "CS-BLB-001"
    for name in ("", "x", "A" * 64, "../" + "0" * 61, "0" * 65):
        assert await refused(place.cache(), name) == "CS-BLB-001"
    asked = len(place.source.requests)
    assert await refused(place.cache(trust=False), unknown) == "CS-BLB-005"
    assert len(place.source.requests) == asked  # not a byte was asked of a source that is not believed
