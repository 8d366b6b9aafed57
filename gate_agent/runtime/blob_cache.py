"""The post's cache of large downloads, by SHA-256: fetched once for all gates, served only when whole and verified, bounded on the disk.

`<sha256>` is a file that was verified, `<sha256>.part` what has come so far; a kill at any moment leaves one of the two. What was not asked for
the longest goes first. The disk is shared with the facts: a reserve of it is never touched.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
import ssl
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import httpx
import structlog

from central_sync.errors import BlobRefused
from gate_agent.clock import Clock

NOT_THERE, OTHER_CONTENT, TOO_LARGE, NO_ROOM, SOURCE_AWAY = (f"CS-BLB-{number:03d}" for number in range(1, 6))
STATUS = {NOT_THERE: 404, OTHER_CONTENT: 422, TOO_LARGE: 413, NO_ROOM: 507, SOURCE_AWAY: 503}
"""What the post answers for each code."""
SHA256 = re.compile(r"[0-9a-f]{64}")

_PIECE_BYTES = 1 << 18
_REFUSED_FOR_S = 60.0

log = structlog.get_logger(__name__)


class BlobCache:
    """Files in one folder. `upstream` is an https address to which `/<sha256>` is added; empty: nothing is fetched."""

    def __init__(
        self,
        folder: Path,
        upstream: str,
        clock: Clock,
        *,
        limit_bytes: int,
        reserve_bytes: int,
        trust: ssl.SSLContext | None = None,
        free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
    ) -> None:
        self._folder = folder
        self._upstream = upstream.rstrip("/")
        self._clock = clock
        self._limit_bytes = limit_bytes
        self._reserve_bytes = reserve_bytes
        self._free_bytes = free_bytes
        self._sizes: OrderedDict[str, int] = OrderedDict()  # by file name, the longest unused first
        self._verified: set[str] = set()
        self._fetches: dict[str, asyncio.Task[Path]] = {}
        self._refused: dict[str, tuple[float, BlobRefused]] = {}
        self._client = httpx.AsyncClient(
            verify=trust if trust is not None else True, follow_redirects=False, trust_env=False, timeout=30.0
        )

    def open(self) -> None:
        """Take stock of the folder. Raises `OSError`."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = []
        for path in self._folder.iterdir():
            if SHA256.fullmatch(path.name.removesuffix(".part")):
                status = path.stat()
                found.append((status.st_mtime_ns, path.name, status.st_size))
        self._sizes = OrderedDict((name, size) for _, name, size in sorted(found))

    async def close(self) -> None:
        """End what is under way; what has come stays for the next time."""
        tasks = list(self._fetches.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.aclose()

    async def get(self, sha256: str, wait_s: float) -> Path | None:
        """Return a whole, verified file; None when it has not come within `wait_s` and is still coming. Raises `BlobRefused`."""
        if not SHA256.fullmatch(sha256):
            raise BlobRefused("a file is named by its SHA-256 in small hex digits", code=NOT_THERE)
        path = self._folder / sha256
        if sha256 in self._sizes and await self._is_whole(sha256):
            self._sizes.move_to_end(sha256)
            os.utime(path)
            return path
        refused_s, refusal = self._refused.get(sha256, (0.0, None))
        if refusal is not None and self._clock.monotonic_s() < refused_s:
            raise refusal
        task = self._fetches.get(sha256)
        if task is None:
            task = self._fetches[sha256] = asyncio.create_task(self._fetch(sha256))
            task.add_done_callback(lambda ended: self._ended(sha256, ended))
        done, _ = await asyncio.wait((task,), timeout=wait_s)
        return task.result() if done else None

    def _ended(self, sha256: str, task: asyncio.Task[Path]) -> None:
        self._fetches.pop(sha256, None)
        if task.cancelled():
            return
        fault = task.exception()
        if isinstance(fault, BlobRefused):
            log.warning("blob_refused", sha256=sha256, code=fault.code, why=str(fault))
            pause_s = _REFUSED_FOR_S if fault.code in {OTHER_CONTENT, TOO_LARGE} else 1.0
            self._refused[sha256] = (self._clock.monotonic_s() + pause_s, fault)
        else:
            self._refused.pop(sha256, None)

    async def _is_whole(self, sha256: str) -> bool:
        """Say whether a file of an earlier life is still what its name says; one that is not is thrown away."""
        if sha256 in self._verified:
            return True
        path = self._folder / sha256
        try:
            with path.open("rb") as stream:
                digest = await asyncio.to_thread(hashlib.file_digest, stream, "sha256")
        except OSError:
            digest = hashlib.sha256()
        if digest.hexdigest() != sha256:
            log.error("blob_was_altered", sha256=sha256)
            self._drop(sha256)
            return False
        self._verified.add(sha256)
        return True

    async def _fetch(self, sha256: str) -> Path:
        if not self._upstream:
            raise BlobRefused("this post fetches no files: it has no source for them", code=NOT_THERE)
        part = self._folder / f"{sha256}.part"
        try:
            await self._download(sha256, part)
            with part.open("rb") as stream:
                digest = await asyncio.to_thread(hashlib.file_digest, stream, "sha256")
                await asyncio.to_thread(os.fsync, stream.fileno())
        except OSError as error:
            self._drop(part.name)
            raise BlobRefused(f"the post's disk refused: {error.strerror}", code=NO_ROOM) from error
        except httpx.HTTPError as error:
            raise BlobRefused(f"the source does not answer: {type(error).__name__}", code=SOURCE_AWAY) from error
        if digest.hexdigest() != sha256:
            self._drop(part.name)
            raise BlobRefused("the source gave another content", code=OTHER_CONTENT)
        part.replace(self._folder / sha256)
        self._sizes[sha256] = self._sizes.pop(part.name, 0)
        self._verified.add(sha256)
        log.info("blob_fetched", sha256=sha256, size_bytes=self._sizes[sha256])
        return self._folder / sha256

    async def _download(self, sha256: str, part: Path) -> None:
        """Add to the part whatever of the file is missing."""
        have = part.stat().st_size if part.exists() else 0
        headers = (
            {"range": f"bytes={have}-", "accept-encoding": "identity"} if have else {"accept-encoding": "identity"}
        )
        async with self._client.stream("GET", f"{self._upstream}/{sha256}", headers=headers) as response:
            if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE and have:
                return  # all of it has come before; the hash says whether it is right
            if response.status_code == httpx.codes.PARTIAL_CONTENT and have:
                if not response.headers.get("content-range", "").startswith(f"bytes {have}-"):
                    raise BlobRefused("the source answered with another range", code=OTHER_CONTENT)
            elif response.status_code == httpx.codes.OK:
                have = 0
            else:
                is_gone = response.status_code in {httpx.codes.NOT_FOUND, httpx.codes.GONE}
                raise BlobRefused(
                    f"the source answered {response.status_code}", code=NOT_THERE if is_gone else SOURCE_AWAY
                )
            announced = response.headers.get("content-length", "")
            self._make_room(part.name, have, int(announced) if announced.isdecimal() else 0)
            with part.open("r+b" if have else "wb") as stream:
                stream.seek(have)
                async for piece in response.aiter_bytes(_PIECE_BYTES):
                    self._write(stream, part.name, have, piece)
                    have += len(piece)

    def _write(self, stream: BinaryIO, name: str, have: int, piece: bytes) -> None:
        self._make_room(name, have, len(piece))
        stream.write(piece)
        stream.flush()
        self._sizes[name] = have + len(piece)

    def _make_room(self, name: str, have: int, wanted: int) -> None:
        """Drop what was not asked for the longest until `wanted` bytes more fit. Raises `BlobRefused`."""
        if have + wanted > self._limit_bytes:
            raise self._given_up(name, "the file is larger than the whole cache may be", TOO_LARGE)
        while True:
            used = sum(size for other, size in self._sizes.items() if other != name) + have
            is_within = used + wanted <= self._limit_bytes
            if is_within and self._free_bytes(self._folder) - wanted >= self._reserve_bytes:
                return
            oldest = next(
                (other for other in self._sizes if other != name and other.removesuffix(".part") not in self._fetches),
                None,
            )
            if oldest is None:
                raise self._given_up(name, "the post's disk has no room for the file", NO_ROOM)
            self._drop(oldest)

    def _given_up(self, name: str, why: str, code: str) -> BlobRefused:
        self._drop(name)
        return BlobRefused(why, code=code)

    def _drop(self, name: str) -> None:
        self._sizes.pop(name, None)
        self._verified.discard(name)
        (self._folder / name).unlink(missing_ok=True)
