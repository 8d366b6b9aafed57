"""The demo's broker: amqtt inside this process, or mosquitto by one setting. Both can be killed and started again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import tempfile
from pathlib import Path
from typing import Any, Protocol

from amqtt.broker import Broker


class DemoBroker(Protocol):
    """A broker that can be taken away."""

    async def start(self) -> None:
        """Listen."""
        ...

    async def stop(self) -> None:
        """Vanish without a good-bye to anybody's data."""
        ...


class EmbeddedBroker:
    """amqtt (MQTT 3.1.1, memory only) on loopback. What it forgets, the outboxes send again."""

    def __init__(self, port: int) -> None:
        self._configuration: dict[str, Any] = {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
        self._broker: Broker | None = None

    async def start(self) -> None:
        """Listen on the port, with an empty memory."""
        for name in ("amqtt", "transitions"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._broker = Broker(self._configuration)
        await self._broker.start()

    async def stop(self) -> None:
        """Close every connection and forget everything."""
        if self._broker is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._broker.shutdown()
            self._broker = None


class MosquittoBroker:
    """A mosquitto process without persistence."""

    def __init__(self, executable: str, port: int) -> None:
        self._executable = executable
        self._port = port
        self._process: asyncio.subprocess.Process | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="egate-mosquitto-")

    async def start(self) -> None:
        """Start the process and wait until it listens."""
        configuration = Path(self._folder.name) / "mosquitto.conf"
        configuration.write_text(
            f"listener {self._port} 127.0.0.1\nallow_anonymous true\npersistence false\n", encoding="ascii"
        )
        self._process = await asyncio.create_subprocess_exec(
            self._executable,
            "-c",
            str(configuration),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(10):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self._port)
                except OSError:
                    await asyncio.sleep(0.05)
                else:
                    writer.close()
                    return

    async def stop(self) -> None:
        """Kill the process."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


def broker_for(executable: str, port: int) -> DemoBroker:
    """Return the broker that the setting names; empty means the embedded one."""
    return MosquittoBroker(executable, port) if executable else EmbeddedBroker(port)
