"""pcscd with its virtual reader, where nobody else can reach it: a network and a /run of its own.

Namespaces belong to threads. One thread leaves the machine's network and its view of /run; everything that it runs and starts (the
test's loop, pcscd, the driver's reading process) lives there with it, and the rest of the test process stays where it is. vpcd listens
on every address, which in here is the loopback of this network alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import fcntl
import functools
import os
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Concatenate, ParamSpec

READERS = {"Virtual PCD 00 00": 35_963, "Virtual PCD 00 01": 35_964}
"""The readers that vpcd shows, with the port that the chip on each connects to."""

START_LIMIT_S = 20.0
_SOCKET = Path("/run/pcscd/pcscd.comm")
_NEW_MOUNTS, _NEW_NETWORK = 0x00020000, 0x40000000
_RECURSIVE, _PRIVATE = 1 << 14, 1 << 18
_SET_FLAGS, _IS_UP = 0x8914, 0x1
Given = ParamSpec("Given")


class PcscService:
    """The thread with its namespaces, and pcscd in it."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "pcsc namespace")
        self._daemon: subprocess.Popen[bytes] | None = None
        self._thread.submit(_enter).result()

    def run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine to its end, in there."""
        self._thread.submit(asyncio.run, coroutine).result()

    def begin(self) -> None:
        """Start pcscd and wait until both readers listen."""
        self._thread.submit(self.start).result()

    def end(self) -> None:
        """Stop pcscd; the namespaces go with their last process and thread."""
        self._thread.submit(self.stop).result()
        self._thread.shutdown()

    def start(self) -> None:
        """Start pcscd; called in the thread only."""
        self._daemon = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", "/usr/sbin/pcscd", "--foreground"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline_s = time.monotonic() + START_LIMIT_S
        while not (_SOCKET.exists() and set(READERS.values()) <= _listening_ports()):
            assert self._daemon.poll() is None, f"pcscd ended with {self._daemon.returncode}"
            assert time.monotonic() < deadline_s, "pcscd did not start in time"
            time.sleep(0.02)

    def stop(self, *, crashing: bool = False) -> None:
        """Stop pcscd, as the service manager does or as a crash; called in the thread only."""
        daemon, self._daemon = self._daemon, None
        if daemon is None:
            return
        if not crashing:
            daemon.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                daemon.wait(5)
        daemon.kill()
        daemon.wait()
        _SOCKET.unlink(missing_ok=True)


def inside(
    scene: Callable[Concatenate[PcscService, Given], Coroutine[Any, Any, None]],
) -> Callable[Concatenate[PcscService, Given], None]:
    """Run a test's coroutine beside pcscd."""

    @functools.wraps(scene)
    def run(service: PcscService, *given: Given.args, **named: Given.kwargs) -> None:
        service.run(scene(service, *given, **named))

    return run


def _enter() -> None:
    """Leave the machine's network and mounts. Raises `OSError`."""
    libc = ctypes.CDLL(None, use_errno=True)
    _done(libc.unshare(_NEW_MOUNTS | _NEW_NETWORK))
    _done(libc.mount(b"none", b"/", None, _RECURSIVE | _PRIVATE, None))
    _done(libc.mount(b"tmpfs", b"/run", b"tmpfs", 0, None))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sh14x", b"lo", _IS_UP))


def _done(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _listening_ports() -> set[int]:
    """Ports of this thread's network that somebody listens on."""
    rows = Path("/proc/thread-self/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    return {int(row.split()[1].rpartition(":")[2], 16) for row in rows if row.split()[3] == "0A"}
