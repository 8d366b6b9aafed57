"""`egate devices …` as a process of its own, for tests that need two at once."""

import asyncio
import signal
import sys
from pathlib import Path


async def start_devices(*words: str) -> asyncio.subprocess.Process:
    """Start the command; its three streams are pipes."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gate_agent", "devices", *words),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a suite in the background ignores it
    )
