"""MQTT over paho: its network loop runs in its own thread, everything it says is handed to the asyncio loop.

The protocol needs only MQTT 3.1.1. A connection tries MQTT 5 and falls back when the broker refuses it; which one was agreed is
logged and readable as `protocol`. Sessions are clean: what matters is in the outbox.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal

import paho.mqtt.client as mqtt
import structlog
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

from central_sync.errors import TransportFault
from central_sync.transports import Incoming, Publication

MqttVersion = Literal["auto", "3.1.1", "5"]

_log = structlog.get_logger(__name__)
_NAMES = {MQTTProtocolVersion.MQTTv5: "MQTT 5", MQTTProtocolVersion.MQTTv311: "MQTT 3.1.1"}
_ARRIVALS_LIMIT = 4_096
_UNANSWERED_LIMIT = 100
# Some brokers meet an MQTT 5 CONNECT with silence. Giving up early costs nothing: 3.1.1 is all the protocol needs.
_FALLBACK_PATIENCE_S = 1.0
_LINK_LOST = "the link to the broker was lost"


class MqttTransport:
    """One MQTT connection. `tls` is a ready context (TLS 1.3, pinned CA, client certificate) or None on a loopback.

    `answer_patience_s`: a broker that owes a hundred answers and gives none for so long has the connection made anew; paho would send
    nothing more on it.
    """

    def __init__(
        self,
        host: str,
        port: int,
        client_id: str,
        *,
        version: MqttVersion = "auto",
        tls: ssl.SSLContext | None = None,
        keepalive_s: int = 20,
        connect_timeout_s: float = 5.0,
        answer_patience_s: float = 30.0,
    ) -> None:
        self._host, self._port, self._client_id = host, port, client_id
        self._version: MqttVersion = version
        self._tls = tls
        self._keepalive_s = keepalive_s
        self._connect_timeout_s = connect_timeout_s
        self._answer_patience_s = answer_patience_s
        self._agreed: MQTTProtocolVersion | None = None
        self._connection: _Connection | None = None

    @property
    def protocol(self) -> str:
        """`MQTT 5` or `MQTT 3.1.1` once connected; empty before."""
        return _NAMES[self._agreed] if self._connection is not None and self._agreed is not None else ""

    async def open(self, subscriptions: Sequence[str], will: Publication | None = None) -> None:
        """Connect, falling back to 3.1.1, and subscribe with QoS 1. Raises `TransportFault`."""
        await self.close()
        for candidate, is_last in self._candidates():
            connection = _Connection(
                self._new_client(candidate, will), asyncio.get_running_loop(), self._answer_patience_s
            )
            try:
                answer_s = self._connect_timeout_s if is_last else min(self._connect_timeout_s, _FALLBACK_PATIENCE_S)
                await connection.connect(self._host, self._port, self._keepalive_s, self._connect_timeout_s, answer_s)
                await connection.subscribe(subscriptions, self._connect_timeout_s)
            except TransportFault as fault:
                await connection.stop()
                if is_last or fault.code == "CS-TRA-002":
                    raise
                continue
            except BaseException:
                await connection.stop()
                raise
            self._connection, self._agreed = connection, candidate
            _log.info("broker_connected", protocol=_NAMES[candidate], host=self._host, port=self._port)
            return

    async def publish(self, publication: Publication) -> None:
        """Hand over to paho's thread."""
        if self._connection is None:
            raise TransportFault(_LINK_LOST)
        self._connection.publish(publication)

    async def receive(self) -> Incoming:
        """Return the next message."""
        if self._connection is None:
            raise TransportFault(_LINK_LOST)
        message = await self._connection.arrivals.get()
        if message is None:
            raise TransportFault(_LINK_LOST)
        return message

    async def close(self) -> None:
        """Disconnect in good order."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.stop()

    def _candidates(self) -> list[tuple[MQTTProtocolVersion, bool]]:
        if self._version == "5":
            return [(MQTTProtocolVersion.MQTTv5, True)]
        if self._version == "3.1.1":
            return [(MQTTProtocolVersion.MQTTv311, True)]
        order = [MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311]
        if self._agreed is MQTTProtocolVersion.MQTTv311:  # what worked last is tried first
            order.reverse()
        return [(order[0], False), (order[1], True)]

    def _new_client(self, version: MQTTProtocolVersion, will: Publication | None) -> mqtt.Client:
        clean_session = None if version is MQTTProtocolVersion.MQTTv5 else True  # paho takes it for 3.1.1 only
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            clean_session=clean_session,
            protocol=version,
        )
        client.max_inflight_messages_set(_UNANSWERED_LIMIT)
        client.max_queued_messages_set(0)
        if self._tls is not None:
            client.tls_set_context(self._tls)
        if will is not None:
            client.will_set(will.topic, will.payload, qos=will.qos, retain=will.retain)
        return client


class _Connection:
    """A paho client that lives for one connection; its callbacks run in paho's thread and only hand over to the loop."""

    def __init__(self, client: mqtt.Client, loop: asyncio.AbstractEventLoop, answer_patience_s: float) -> None:
        self._client = client
        self._loop = loop
        self._answer_patience_s = answer_patience_s
        self._unanswered: set[int] = set()
        self._answered_s = time.monotonic()
        self._answer: asyncio.Future[str] = loop.create_future()
        self._granted: asyncio.Future[str] = loop.create_future()
        self._is_up = False
        self._is_lost = False
        self.arrivals: asyncio.Queue[Incoming | None] = asyncio.Queue()
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish

    async def connect(self, host: str, port: int, keepalive_s: int, timeout_s: float, answer_s: float) -> None:
        """Connect and start the network thread. CS-TRA-002: nobody listens; CS-TRA-003: refused."""
        self._client.connect_timeout = timeout_s
        try:
            await asyncio.to_thread(self._client.connect, host, port, keepalive_s)
        except (OSError, ValueError) as error:
            raise TransportFault(f"{host}:{port} cannot be reached: {error}", code="CS-TRA-002") from error
        self._client.loop_start()
        await self._agreement(self._answer, answer_s)

    async def subscribe(self, topics: Sequence[str], timeout_s: float) -> None:
        """Subscribe with QoS 1 and wait for the broker's word."""
        if not topics:
            self._is_up = True
            return
        code, _ = self._client.subscribe([(topic, 1) for topic in topics])
        if code is not MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise TransportFault(_LINK_LOST)
        await self._agreement(self._granted, timeout_s)
        self._is_up = True

    def publish(self, publication: Publication) -> None:
        """Queue in paho."""
        if self._is_lost:
            raise TransportFault(_LINK_LOST)
        if self._owes_answers():
            self._lost("the broker answers nothing")
            raise TransportFault(_LINK_LOST)
        message = self._client.publish(publication.topic, publication.payload, publication.qos, publication.retain)
        if message.rc is not MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise TransportFault(_LINK_LOST)
        if publication.qos:
            self._unanswered.add(message.mid)

    async def stop(self) -> None:
        """Disconnect, stop the thread and close its sockets."""
        self._is_lost = True
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)

    @staticmethod
    async def _agreement(answer: asyncio.Future[str], timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):  # wait_for of 3.11 can swallow a cancellation
                refusal = await answer
        except TimeoutError as error:
            raise TransportFault("the broker did not answer in time", code="CS-TRA-003") from error
        if refusal:
            raise TransportFault(f"the broker refused: {refusal}", code="CS-TRA-003")

    def _tell(self, callback: Callable[..., None], *values: object) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(callback, *values)

    def _on_connect(self, _client: mqtt.Client, _userdata: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self._tell(_settle, self._answer, str(reason) if reason.is_failure else "")

    def _on_subscribe(self, _client: mqtt.Client, _userdata: Any, _mid: int, reasons: Any, _properties: Any) -> None:
        refusals = [str(reason) for reason in reasons if reason.is_failure]
        self._tell(_settle, self._granted, ", ".join(refusals))

    def _on_publish(self, _client: mqtt.Client, _userdata: Any, mid: int, reason: Any, _properties: Any) -> None:
        self._tell(self._answered, mid)
        if reason.is_failure:  # MQTT 5 only; the missing acknowledgement makes the outbox send again
            _log.warning("broker_refused_publication", reason=str(reason))

    def _on_message(self, _client: mqtt.Client, _userdata: Any, message: mqtt.MQTTMessage) -> None:
        self._tell(self._arrived, Incoming(message.topic, bytes(message.payload)))

    def _on_disconnect(self, client: mqtt.Client, _userdata: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        client.disconnect()  # keeps paho's thread from connecting again by itself
        self._tell(self._lost, str(reason))

    def _owes_answers(self) -> bool:
        return (
            len(self._unanswered) >= _UNANSWERED_LIMIT and time.monotonic() - self._answered_s > self._answer_patience_s
        )

    def _answered(self, mid: int) -> None:
        self._unanswered.discard(mid)
        self._answered_s = time.monotonic()

    def _arrived(self, message: Incoming) -> None:
        if self.arrivals.qsize() >= _ARRIVALS_LIMIT:
            _log.warning("arrivals_full_message_dropped", topic=message.topic)
            return
        self.arrivals.put_nowait(message)

    def _lost(self, reason: str) -> None:
        _settle(self._answer, reason)
        _settle(self._granted, reason)
        if not self._is_lost:
            self._is_lost = True
            if self._is_up:
                _log.info("broker_link_lost", reason=reason)
        self.arrivals.put_nowait(None)


def _settle(answer: asyncio.Future[str], value: str) -> None:
    if not answer.done():
        answer.set_result(value)
