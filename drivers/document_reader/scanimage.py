"""The program scanimage as a link: started anew for each question, watched, limited in time, memory and output, and killed when it hangs.

SANE is under the GPL: it is never linked nor imported. scanimage is run as a program of its own, as a person would run it, and need not
be installed where there is no flatbed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from drivers.child_process import end_group
from drivers.document_reader import page_part as pp
from drivers.document_reader.asked_link import AskedLink
from drivers.document_reader.errors import ScanimageMissing, ScannerRefused
from drivers.document_reader.scanimage_words import LIST_FORMAT, FoundScanner, failure, last_words, scanners_in
from drivers.errors import LinkAbsent, LinkLost
from drivers.link import Link, Tap

OPTIONS, SCAN = "options", "scan"
OPTIONS_LIMIT_BYTES = 131_072
STDERR_LIMIT_BYTES = 8192
_READ_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Finished:
    """What a run left: its exit status (None: killed for its time or its output), and what it printed."""

    status: int | None
    stdout: bytes
    stderr: bytes
    why_killed: str = ""


@dataclass(frozen=True, slots=True)
class Scanimage:
    """The program and the scanner; opens the way to it by asking for its options."""

    program: str
    device: str
    scan_arguments: Sequence[str]
    options_timeout_s: float
    scan_timeout_s: float
    picture_limit_bytes: int
    memory_limit_bytes: int
    config_folder: str = ""

    async def open(self, tap: Tap | None = None) -> Link:
        """Return the link, the scanner's options waiting in it. Raises `ScanimageMissing`, `LinkAbsent` or what they mean."""
        link = ScanimageLink(self, tap)
        try:
            link.put(await link.answer_to(OPTIONS))
        except LinkLost as lost:
            raise LinkAbsent(str(lost)) from lost
        if not link.has_bytes:
            raise LinkAbsent(f"{self.device} does not answer within {self.options_timeout_s:g} s")
        return link

    def is_there(self) -> bool:
        """Return False: a scanner can only be asked by opening it."""
        return False

    async def run(self, arguments: Sequence[str], timeout_s: float, limit_bytes: int) -> Finished:
        """Run it once. Raises `ScanimageMissing`."""
        try:
            process = await asyncio.create_subprocess_exec(
                self.program,
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=_environment(self.config_folder),
                start_new_session=True,
            )
        except OSError as error:
            raise ScanimageMissing(f"{self.program} cannot be run: {error.strerror}") from error
        try:
            with contextlib.suppress(ProcessLookupError):  # it may have ended already
                resource.prlimit(process.pid, resource.RLIMIT_AS, (self.memory_limit_bytes, self.memory_limit_bytes))
                resource.prlimit(process.pid, resource.RLIMIT_CORE, (0, 0))
        except OSError as error:
            await end_group(process)
            raise ScannerRefused(f"{self.program} cannot be limited: {error.strerror}") from error
        try:
            return await _finished(process, timeout_s, limit_bytes)
        finally:
            await end_group(process)


async def _finished(process: asyncio.subprocess.Process, timeout_s: float, limit_bytes: int) -> Finished:
    assert process.stdout is not None
    assert process.stderr is not None
    out, err = bytearray(), bytearray()
    try:
        async with asyncio.timeout(timeout_s):
            errors = asyncio.create_task(_collect(process.stderr, err, STDERR_LIMIT_BYTES, is_cut=True))
            try:
                is_whole = await _collect(process.stdout, out, limit_bytes)
                if not is_whole:
                    return Finished(None, b"", bytes(err), f"more than {limit_bytes} bytes")
                await errors
                return Finished(await process.wait(), bytes(out), bytes(err))
            finally:
                errors.cancel()
                await asyncio.gather(errors, return_exceptions=True)  # one reader of a pipe at a time
    except TimeoutError:
        return Finished(None, b"", bytes(err), f"no answer within {timeout_s:g} s")


async def _collect(stream: asyncio.StreamReader, into: bytearray, limit_bytes: int, *, is_cut: bool = False) -> bool:
    """Read to the end; return False when there is more than the limit. `is_cut`: go on without keeping what is beyond."""
    while chunk := await stream.read(_READ_BYTES):
        if len(into) + len(chunk) > limit_bytes and not is_cut:
            return False
        into += chunk[: max(0, limit_bytes - len(into))]
    return True


class ScanimageLink(AskedLink):
    """A scanner that answered: `ask(OPTIONS)`, `ask(SCAN)`."""

    def __init__(self, scanner: Scanimage, tap: Tap | None = None) -> None:
        super().__init__(tap)
        self._scanner = scanner

    async def answer_to(self, what: str) -> bytes:
        """Return the options, or a picture. Raises what scanimage's last words mean when the scanner is lost or refused."""
        scanner = self._scanner
        arguments = ["-d", scanner.device]
        if what == OPTIONS:
            done = await scanner.run([*arguments, "-n", "-A"], scanner.options_timeout_s, OPTIONS_LIMIT_BYTES)
            if done.status is None:
                return b""
        else:
            arguments += scanner.scan_arguments
            done = await scanner.run(arguments, scanner.scan_timeout_s, scanner.picture_limit_bytes)
            if done.status is None:
                return _failed(f"scanimage was ended: {done.why_killed}")
        if done.status == 0:
            return what.encode() + b"\n" + done.stdout
        if what == SCAN and b"open of device" not in done.stderr and done.status > 0:
            return _failed(f"scanimage: {last_words(done.stderr)}")
        if done.status < 0:
            raise LinkLost(f"scanimage was ended by signal {-done.status}")
        raise failure(scanner.device, done.stderr)

    async def close(self) -> None:
        """Let go; nothing is held open between questions."""


def _failed(why: str) -> bytes:
    return pp.PagePart(pp.FAILED, why.encode()).encode()


def found_scanners(program: str = "scanimage", config_folder: str = "", timeout_s: float = 30.0) -> list[FoundScanner]:
    """Return the scanners that scanimage sees now; none where it is not installed, fails, or takes longer. Blocks; for a command by hand."""
    environment = _environment(config_folder)
    try:
        done = subprocess.run(
            [program, "-f", LIST_FORMAT], capture_output=True, timeout=timeout_s, check=False, env=environment
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return scanners_in(done.stdout[:OPTIONS_LIMIT_BYTES].decode("utf-8", "replace"))


def _environment(config_folder: str) -> dict[str, str]:
    environment = {"PATH": os.defpath, "LC_ALL": "C.UTF-8"}
    return environment | {"SANE_CONFIG_DIR": config_folder} if config_folder else environment
