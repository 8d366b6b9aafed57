"""What the child processes of drivers share: how one is started, reaped and ended, and how it confines itself.

A child owns a handle that may block for ever; its driver watches it from the agent's loop and replaces it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import resource
import signal
import socket
import sys
from collections.abc import Mapping

TERMINATION_S = 1.0
DESCRIPTORS_LIMIT = 64
_PIECE_BYTES = 65_536
_PR_SET_PDEATHSIG = 1


class ParentGone(Exception):
    """The agent closed its end, or died: nothing is left to do."""


async def start_child(module: str, theirs: socket.socket, environment: Mapping[str, str]) -> asyncio.subprocess.Process:
    """Start `python -I -m module FD` with the child's end of a socket pair, which is closed here. Raises `OSError`."""
    with theirs:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-m",
            module,
            str(theirs.fileno()),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            pass_fds=(theirs.fileno(),),
            env=environment,
        )


async def reap(process: asyncio.subprocess.Process) -> None:
    """Wait for a child whose parent hung up, kill it when it stays; returns when nothing of it is left."""
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TERMINATION_S):
                await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
    await process.wait()


async def end_group(process: asyncio.subprocess.Process) -> None:
    """Kill a child that leads a group of its own, with whatever it started; returns when it is reaped.

    What is left in its pipes is read away: a full pipe that nobody reads stays open, and asyncio tells of the end only when all are closed.
    """
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for pipe in filter(None, (process.stdout, process.stderr)):
        while await pipe.read(_PIECE_BYTES):
            pass
    await process.wait()


async def set_within(event: asyncio.Event, seconds: float) -> None:
    """Return when the event is set or the time is over, whichever is first."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


def confine(memory_limit_bytes: int) -> None:
    """In the child: bound memory and descriptors, leave no core, die with the parent. Raises `ParentGone`."""
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise ParentGone
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # keys and pictures lie in memory
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS_LIMIT, DESCRIPTORS_LIMIT))
    resource.setrlimit(resource.RLIMIT_AS, (memory_limit_bytes, memory_limit_bytes))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the agent decides when a device stops
