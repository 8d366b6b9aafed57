"""The files that a gate's bundles name, brought through the post's cache before the bundle takes its place."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from central_sync.bundle_shelf import WITH_FILES, BundleShelf
from central_sync.errors import BlobRefused, PostFault
from central_sync.post.blob_client import fetch_blob
from central_sync.post.client import PostClient

_LOOK_S = 2.0
_PAUSE_S = 30.0
"""After a refusal: what the post refuses now it refuses for a while."""

_log = structlog.get_logger(__name__)


class FilesBeside:
    """Runs until cancelled, whatever the post does. What came of a file before a break is kept."""

    def __init__(
        self, shelf: BundleShelf, post: PostClient, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._shelf = shelf
        self._post = post
        self._sleep = sleep
        self._told = ""

    async def run(self) -> None:
        """Look after the shelf until cancelled."""
        while True:
            pause_s = _LOOK_S
            try:
                for kind in WITH_FILES:
                    await self._complete(kind)
                self._told = ""
            except (BlobRefused, PostFault) as fault:
                self._tell(fault.code, str(fault))
                pause_s = _PAUSE_S
            except OSError as error:
                self._tell("CS-BLB-004", error.strerror or type(error).__name__)
                pause_s = _PAUSE_S
            await self._sleep(pause_s)

    async def _complete(self, kind: str) -> None:
        beside = await asyncio.to_thread(self._shelf.missing, kind)
        if beside is not None:
            await fetch_blob(self._post, beside.sha256, beside.size_bytes, self._shelf.folder / beside.name)
            _log.info("file_beside_bundle_fetched", kind=kind, size_bytes=beside.size_bytes)
        version = await asyncio.to_thread(self._shelf.settle, kind)
        if version is not None:
            _log.info("bundle_in_its_place", kind=kind, version=version)
            await asyncio.to_thread(self._shelf.clear_away)

    def _tell(self, code: str, why: str) -> None:
        """Log a fault once, not at every attempt."""
        if code != self._told:
            self._told = code
            _log.error("file_beside_bundle_not_fetched", code=code, why=why)
