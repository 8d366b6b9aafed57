"""A broker inside the process, with retained messages and wills, for tests and for a centre that runs beside its gate."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from central_sync.errors import TransportFault
from central_sync.transports import Incoming, Publication


class MemoryBroker:
    """Delivers to whoever is connected and keeps nothing but retained messages."""

    def __init__(self) -> None:
        self._links: list[MemoryTransport] = []
        self._retained: dict[str, bytes] = {}
        self.is_up = True

    def attach(self, link: MemoryTransport) -> None:
        """Connect a link and send it what is retained for its subscriptions."""
        if not self.is_up:
            raise TransportFault("the broker is down")
        self._links.append(link)
        for topic, payload in self._retained.items():
            if link.wants(topic):
                link.arrived(Incoming(topic, payload))

    def detach(self, link: MemoryTransport) -> None:
        """Forget a link."""
        if link in self._links:
            self._links.remove(link)

    def deliver(self, publication: Publication) -> None:
        """Deliver a publication; an empty retained payload clears the topic."""
        if publication.retain:
            if publication.payload:
                self._retained[publication.topic] = publication.payload
            else:
                self._retained.pop(publication.topic, None)
        for link in list(self._links):
            if link.wants(publication.topic):
                link.arrived(Incoming(publication.topic, publication.payload))

    def go_down(self) -> None:
        """Lose every link and everything retained, as a broker without persistence does."""
        self.is_up = False
        self._retained.clear()
        for link in list(self._links):
            link.lose()

    def come_up(self) -> None:
        """Accept links again."""
        self.is_up = True


class MemoryTransport:
    """One link to a `MemoryBroker`."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker
        self._arrivals: asyncio.Queue[Incoming | None] = asyncio.Queue()
        self._subscriptions: tuple[str, ...] = ()
        self._will: Publication | None = None
        self._is_open = False

    @property
    def protocol(self) -> str:
        """Always `memory`."""
        return "memory"

    def wants(self, topic: str) -> bool:
        """Say whether one of the subscriptions matches."""
        return any(topic_matches(pattern, topic) for pattern in self._subscriptions)

    def arrived(self, message: Incoming) -> None:
        """Queue a message for `receive`."""
        self._arrivals.put_nowait(message)

    def lose(self) -> None:
        """Break the link as a pulled cable does: the broker sends the will."""
        if self._is_open:
            self._is_open = False
            self._broker.detach(self)
            self._arrivals.put_nowait(None)
            if self._will is not None:
                self._broker.deliver(self._will)

    async def open(self, subscriptions: Sequence[str], will: Publication | None = None) -> None:
        """Attach to the broker."""
        self._subscriptions = tuple(subscriptions)
        self._will = will
        self._arrivals = asyncio.Queue()
        self._broker.attach(self)
        self._is_open = True

    async def publish(self, publication: Publication) -> None:
        """Deliver at once."""
        if not self._is_open:
            raise TransportFault("the link is down")
        self._broker.deliver(publication)
        await asyncio.sleep(0)

    async def receive(self) -> Incoming:
        """Return the next message."""
        message = await self._arrivals.get()
        if message is None:
            raise TransportFault("the link was lost")
        return message

    async def close(self) -> None:
        """Detach without a will."""
        self._is_open = False
        self._broker.detach(self)


def topic_matches(pattern: str, topic: str) -> bool:
    """Say whether an MQTT topic filter matches a topic (MQTT 3.1.1, 4.7)."""
    wanted, levels = pattern.split("/"), topic.split("/")
    for position, level in enumerate(wanted):
        if level == "#":
            return True
        if position >= len(levels) or level not in ("+", levels[position]):
            return False
    return len(wanted) == len(levels)
