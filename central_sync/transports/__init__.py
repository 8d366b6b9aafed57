"""Links to a broker behind one small interface. No broker is trusted with durability: publishing means handing over, nothing more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Publication:
    """Bytes for a topic. QoS 1 asks the broker to take it at least once."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False


@dataclass(frozen=True, slots=True)
class Incoming:
    """Bytes that arrived on a topic."""

    topic: str
    payload: bytes


class Transport(Protocol):
    """One connection at a time. After a `TransportFault` the caller opens again; nothing survives in between."""

    @property
    def protocol(self) -> str:
        """What was agreed with the broker, such as `MQTT 5`; empty before `open`."""
        ...

    async def open(self, subscriptions: Sequence[str], will: Publication | None = None) -> None:
        """Connect and subscribe. Raises `TransportFault`."""
        ...

    async def publish(self, publication: Publication) -> None:
        """Hand over to the link without waiting for the broker. Raises `TransportFault` when the link is down."""
        ...

    async def receive(self) -> Incoming:
        """Return the next message. Raises `TransportFault` once the link is lost and everything before it was handed out."""
        ...

    async def close(self) -> None:
        """Disconnect in good order; the will is not sent. Never raises `TransportFault`."""
        ...
