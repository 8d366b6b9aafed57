"""Fetching a large file from the post, at a gate: into a file, resumed after every interruption, verified before it bears its name."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import structlog

from central_sync.errors import BlobRefused, PostFault
from central_sync.post.client import PostClient

_PIECE_BYTES = 1 << 18
_PAUSE_S = 1.0
_CODES = {404: "CS-BLB-001", 422: "CS-BLB-002", 413: "CS-BLB-003", 507: "CS-BLB-004"}

_log = structlog.get_logger(__name__)


async def fetch_blob(
    post: PostClient,
    sha256: str,
    size_bytes: int,
    target: Path,
    *,
    attempts: int = 60,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Bring the file of this hash and size to `target`. What came of it so far lies beside it and is kept between calls.

    Raises `BlobRefused` when the post will not have it or its content is another, `PostFault` when the post was away too often.
    """
    part = target.with_name(f"{target.name}.part")
    for attempt in range(1, attempts + 1):
        try:
            if await _go_on(post, sha256, size_bytes, part):
                break
            fault: PostFault | None = None
        except PostFault as lost:
            fault = lost
        if attempt == attempts:
            raise fault or BlobRefused("the post itself is still waiting for the file", code="CS-BLB-005")
        await sleep(_PAUSE_S)
    try:
        with part.open("rb") as stream:
            digest = await asyncio.to_thread(hashlib.file_digest, stream, "sha256")
            await asyncio.to_thread(os.fsync, stream.fileno())
        if digest.hexdigest() != sha256:
            part.unlink()
            raise BlobRefused("the post gave another content", code="CS-BLB-002")
        part.replace(target)
    except OSError as error:
        raise BlobRefused(f"{target}: {error.strerror}", code="CS-BLB-004") from error


async def _go_on(post: PostClient, sha256: str, size_bytes: int, part: Path) -> bool:
    """Add to the part; True when it is whole, False when the post itself is still waiting. Raises `PostFault` and `BlobRefused`."""
    have = part.stat().st_size if part.exists() else 0
    if have == size_bytes:
        return True
    if have > size_bytes:
        part.unlink()
        have = 0
    async with post.blob(sha256, have) as response:
        if response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            return False
        if response.status_code == httpx.codes.OK:
            have = 0
        elif response.status_code != httpx.codes.PARTIAL_CONTENT:
            code = _CODES.get(response.status_code, "CS-BLB-001")
            raise BlobRefused(f"the post answered {response.status_code}", code=code)
        try:
            with part.open("r+b" if have else "wb") as stream:
                stream.seek(have)
                async for piece in response.aiter_bytes(_PIECE_BYTES):
                    have += len(piece)
                    if have > size_bytes:
                        break
                    stream.write(piece)
        except OSError as error:
            raise BlobRefused(f"{part}: {error.strerror}", code="CS-BLB-004") from error
    if have > size_bytes:
        part.unlink(missing_ok=True)
        raise BlobRefused("the file is larger than its manifest says", code="CS-BLB-003")
    return have == size_bytes
