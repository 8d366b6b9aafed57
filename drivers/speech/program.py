"""A program run for one utterance: fed through its standard input, bounded in time and output, gone when its time is over or nobody waits.

The words go in through a pipe and never stand in the list of processes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from drivers.child_process import end_group

_PIECE_BYTES = 65_536


class ProgramAbsent(Exception):
    """The program cannot be started."""


class ProgramFailed(Exception):
    """The program ended with an error, wrote too much or took too long."""


async def run_program(command: Sequence[str], fed: bytes, timeout_s: float, limit_bytes: int = _PIECE_BYTES) -> bytes:
    """Return what it wrote to standard output. Raises `ProgramAbsent` or `ProgramFailed`; leaves no process behind, cancelled or not."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # a group of its own, so that what it starts ends with it
        )
    except OSError as error:
        raise ProgramAbsent(f"{command[0]} cannot be started: {error.strerror or error}") from error
    try:
        async with asyncio.timeout(timeout_s):
            feeding = asyncio.create_task(_feed(process, fed))
            try:
                told = await _read(process, limit_bytes)
            finally:
                feeding.cancel()
                await asyncio.gather(feeding, return_exceptions=True)
            status = await process.wait()
    except TimeoutError as error:
        raise ProgramFailed(f"{command[0]} took longer than {timeout_s:g} s") from error
    finally:
        await end_group(process)
    if status != 0:
        raise ProgramFailed(f"{command[0]} ended with status {status}")
    return told


async def _feed(process: asyncio.subprocess.Process, fed: bytes) -> None:
    stdin = process.stdin
    assert stdin is not None, "the program was started with a pipe"
    try:
        stdin.write(fed)
        await stdin.drain()
        stdin.close()
        await stdin.wait_closed()
    except (BrokenPipeError, ConnectionResetError):
        return  # it ended before it read everything; its status says why


async def _read(process: asyncio.subprocess.Process, limit_bytes: int) -> bytes:
    assert process.stdout is not None, "the program was started with a pipe"
    told = b""
    while piece := await process.stdout.read(_PIECE_BYTES):
        told += piece
        if len(told) > limit_bytes:
            raise ProgramFailed(f"the program wrote more than {limit_bytes} bytes")
    return told
