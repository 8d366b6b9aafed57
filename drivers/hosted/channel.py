"""One connection between host and agent: packets out through a bounded queue, packets in as they come, signs of life both ways.

Nothing here waits for the other side. Who does not take what is sent is hung up on before the queue costs memory.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque
from collections.abc import Callable
from typing import Any

import structlog

from drivers.errors import DriverFault, UnexpectedFailure
from drivers.hosted.errors import HostAbsent, HostSilent, HostUnintelligible
from drivers.hosted.messages import Alive, FrameTold
from drivers.hosted.packets import PACKET_LIMIT_BYTES, Packet, PacketRefused, decode, encode
from drivers.hosted.values import ValueRefused

LOG = structlog.get_logger()
ALIVE_S = 0.5
SILENT_S = 3.0
"""So long without any sign of life is a dead peer. One that ended is noticed at once, by its closed socket."""
QUEUE_LIMIT_PACKETS = 8192
QUEUE_LIMIT_BYTES = 96 << 20
QUEUE_LIMIT_FILES = 64
_PACKETS_AT_ONCE = 32


class Channel:
    """Hears messages of type `hint`. `hear(message, frame)` may raise `PacketRefused`; `ended` is called once, with the fault that ended it.

    The faults are the agent's, whose devices they are; a host only writes them down.
    """

    def __init__(
        self,
        connection: socket.socket,
        hint: Any,
        hear: Callable[[Any, int], None],
        ended: Callable[[DriverFault], None],
        silent_s: float = SILENT_S,
    ) -> None:
        self._socket = connection
        self._hint = hint
        self._hear = hear
        self._ended = ended
        self._silent_s = silent_s
        self._loop = asyncio.get_running_loop()
        self.unsent: tuple[Packet, ...] = ()  # what was still queued when it was hung up: certainly never heard
        self._queue: deque[Packet] = deque()
        self._queued_bytes = self._queued_files = 0
        self._heard_s = self._loop.time()
        self._is_open = True
        self._is_waiting = False
        connection.setblocking(False)
        self._loop.add_reader(connection.fileno(), self._readable)
        self._heart = self._loop.call_later(ALIVE_S, self._beat)

    @property
    def is_open(self) -> bool:
        """False once it was hung up."""
        return self._is_open

    @property
    def is_congested(self) -> bool:
        """True while packets wait: the other side is slow."""
        return bool(self._queue)

    def send(self, message: object, frame: int = -1) -> Packet | None:
        """Send a message, or queue it; None when it was hung up. Raises `ValueRefused` for what does not travel."""
        if not self._is_open:
            return None
        self._queue.append(packet := encode(message, frame))
        self._queued_bytes += packet.size_bytes
        self._queued_files += packet.own
        if not self._is_waiting:
            self._flush()
        if (
            len(self._queue) > QUEUE_LIMIT_PACKETS
            or self._queued_bytes > QUEUE_LIMIT_BYTES
            or self._queued_files > QUEUE_LIMIT_FILES
        ):
            self.hang_up(HostSilent("it does not take what it is sent"))
        return packet

    def hang_up(self, fault: DriverFault) -> None:
        """Close the connection; what was not sent is lost."""
        if not self._is_open:
            return
        self._is_open = False
        self._heart.cancel()
        self._loop.remove_reader(self._socket.fileno())
        if self._is_waiting:
            self._loop.remove_writer(self._socket.fileno())
        self._socket.close()
        self.unsent = tuple(self._queue)
        self._queue.clear()
        for packet in self.unsent:
            _let_go(packet)
        self._ended(fault)

    def _flush(self) -> None:
        while self._queue:
            packet = self._queue[0]
            descriptors = [packet.descriptor] if packet.descriptor >= 0 else []
            try:
                socket.send_fds(self._socket, [packet.content], descriptors, socket.MSG_NOSIGNAL)
            except BlockingIOError:
                break
            except OSError as error:
                self.hang_up(HostAbsent(error.strerror or "it cannot be written to"))
                return
            self._queue.popleft()
            self._queued_bytes -= packet.size_bytes
            self._queued_files -= packet.own
            _let_go(packet)
        self._wait(is_wanted=bool(self._queue))

    def _wait(self, *, is_wanted: bool) -> None:
        if is_wanted and not self._is_waiting:
            self._loop.add_writer(self._socket.fileno(), self._flush)
        elif self._is_waiting and not is_wanted:
            self._loop.remove_writer(self._socket.fileno())
        self._is_waiting = is_wanted

    def _readable(self) -> None:
        for _ in range(_PACKETS_AT_ONCE):
            if not self._is_open:
                return
            try:
                content, descriptors, flags, _ = socket.recv_fds(
                    self._socket, PACKET_LIMIT_BYTES + 1, 2, socket.MSG_CMSG_CLOEXEC
                )
            except BlockingIOError:
                return
            except OSError as error:
                self.hang_up(HostAbsent(error.strerror or "the connection is lost"))
                return
            self._heard_s = self._loop.time()
            try:
                self._take(content, descriptors, is_cut=bool(flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC)))
            finally:
                for descriptor in descriptors:
                    os.close(descriptor)

    def _take(self, content: bytes, descriptors: list[int], *, is_cut: bool) -> None:
        if not content:
            self.hang_up(HostAbsent("it ended"))
            return
        try:
            self._hear_packet(content, descriptors, is_cut=is_cut)
        except (PacketRefused, ValueRefused) as error:
            self.hang_up(HostUnintelligible(str(error)))
        except Exception as error:  # noqa: BLE001 - as in the supervisor: what a sink raises is a recorded fault
            LOG.error("hearing_failed_unexpectedly", error=type(error).__name__)
            self.hang_up(UnexpectedFailure(f"{type(error).__name__}: {error}"))

    def _hear_packet(self, content: bytes, descriptors: list[int], *, is_cut: bool) -> None:
        if is_cut:
            raise PacketRefused("longer than a packet may be")
        message, frame = decode(content, descriptors, self._hint)
        if isinstance(message, FrameTold) != (frame >= 0):
            if frame >= 0:
                os.close(frame)
            raise PacketRefused("a frame with a message that has none, or none with one that has")
        if not isinstance(message, Alive):
            self._hear(message, frame)

    def _beat(self) -> None:
        # What came in while this loop was late was heard before this is called: the selector comes before the timers.
        if self._loop.time() - self._heard_s > self._silent_s:
            self.hang_up(HostSilent("it gives no sign of life"))
            return
        self.send(Alive())
        if self._is_open:
            self._heart = self._loop.call_later(ALIVE_S, self._beat)


def _let_go(packet: Packet) -> None:
    if packet.own:
        os.close(packet.descriptor)
