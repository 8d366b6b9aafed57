"""The demo's processes, kept alive as systemd would keep them: started as `python -I -m gate_agent …`, restarted when they die."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from models import freed_memory

_RESTART_S = 0.2
_STOP_S = 8.0


def without_network() -> tuple[str, ...]:
    """Return the words that start a program where there is no network, as the agent's unit does; none where this machine refuses that."""
    unshare = shutil.which("unshare") or ""
    for words in ((unshare, "--net"), (unshare, "--map-root-user", "--net")):
        try:
            tried = subprocess.run([*words, "true"], stdin=subprocess.DEVNULL, capture_output=True, check=False)
        except OSError:
            continue
        if tried.returncode == 0:
            return words
    return ()


class KeptProcess:
    """One process of the house. `kill` is SIGKILL; the keeper starts it again."""

    def __init__(self, name: str, site_file: Path, log_folder: Path, before: Sequence[str] = ()) -> None:
        """`before`: words of a program that starts this one, such as those of `without_network`."""
        self.name = name
        self.starts = 0
        self._command = [*before, sys.executable, "-I", "-m", "gate_agent", name, "--config", str(site_file)]
        self._log = log_folder / f"{name}.log"
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._stopping = False

    async def start(self) -> None:
        """Start the process and keep it."""
        self._keeper = asyncio.create_task(self._keep(), name=f"keep-{self.name}")

    async def _keep(self) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("EGATE_")}
        if self.name in {"agent", "field"}:  # both hold travellers' pictures
            environment |= freed_memory.ENVIRONMENT
        while not self._stopping:
            with self._log.open("ab") as log:
                self._process = await asyncio.create_subprocess_exec(
                    *self._command,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=environment,
                    start_new_session=True,
                )
            self.starts += 1
            await self._process.wait()
            if not self._stopping:
                await asyncio.sleep(_RESTART_S)

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    def kill(self) -> None:
        """Kill the process without warning; the keeper starts it again."""
        if self.pid is not None:
            os.kill(self.pid, signal.SIGKILL)

    async def stop(self) -> None:
        """End the process for good: politely first."""
        self._stopping = True
        process = self._process
        if process is not None and process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(_STOP_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        if self._keeper is not None:
            await self._keeper

    def log_tail(self, lines: int = 20) -> str:
        """Return the last lines of the process's log, for a fault report."""
        try:
            return "\n".join(self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
        except FileNotFoundError:
            return ""
