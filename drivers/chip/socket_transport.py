"""A chip at the other end of a socket, as the virtual reader of PC/SC speaks to one: this side listens, the chip connects.

Both directions: two bytes of length (big-endian), then so many bytes. One byte is an order: 0 off, 1 on, 2 reset, 4 asks for the ATR.
Anything longer is a command, answered with content and status word.
"""

from __future__ import annotations

import contextlib
import select
import socket

from drivers.chip.errors import ChipFault, ChipGone, ChipSilent, NoChip, ReaderRefused

POWER_OFF, POWER_ON, RESET, ATR = b"\x00", b"\x01", b"\x02", b"\x04"
_ATR_LIMIT_BYTES = 33


class ChipSocket:
    """The listening side. One chip at a time; a new one is taken with `accept`."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        """Listen. Raises `ReaderRefused` when the port cannot be opened."""
        try:
            self._listener = socket.create_server((host, port), backlog=1)
        except OSError as error:
            raise ReaderRefused(f"port {port} cannot be opened: {error.strerror or error}") from error
        self.port: int = self._listener.getsockname()[1]

    def accept(self, wait_s: float, answer_s: float) -> SocketTransport:
        """Return the connection of the next chip. Raises `NoChip` when none comes, `ChipSilent` when it says nothing."""
        self._listener.settimeout(wait_s)
        try:
            connection, _ = self._listener.accept()
        except TimeoutError:
            raise NoChip(f"no chip within {wait_s:g} s") from None
        try:
            return SocketTransport(connection, answer_s)
        except ChipFault:
            connection.close()
            raise

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when a chip connects."""
        return self._listener.fileno()

    def close(self) -> None:
        """Stop listening."""
        self._listener.close()


class SocketTransport:
    """One chip that is connected."""

    def __init__(self, connection: socket.socket, answer_s: float) -> None:
        self._connection = connection
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection.settimeout(answer_s)
        self._answer_s = answer_s
        self.reset()

    @property
    def atr(self) -> bytes:
        """The chip's answer to reset."""
        return self._atr

    def reset(self) -> None:
        """Reset the chip, which forgets every session."""
        self._send(POWER_ON)
        self._send(RESET)
        self._send(ATR)
        self._atr = self._receive()
        if len(self._atr) > _ATR_LIMIT_BYTES:
            raise ChipGone(f"an ATR of {len(self._atr)} bytes")

    def transmit(self, command: bytes) -> bytes:
        """Send one command and return its answer. Raises `ChipGone` or `ChipSilent`."""
        self._send(command)
        return self._receive()

    def close(self) -> None:
        """Switch the chip off; the connection stays until it leaves."""
        with contextlib.suppress(ChipGone, ChipSilent):
            self._send(POWER_OFF)

    def fileno(self) -> int:
        """Return the descriptor of the connection."""
        return self._connection.fileno()

    def is_there(self) -> bool:
        """Tell whether the chip is still connected. One that speaks without being asked is not: it is out of step."""
        return not select.select([self._connection], [], [], 0)[0]

    def leave(self) -> None:
        """End the connection."""
        self._connection.close()

    def _send(self, content: bytes) -> None:
        try:
            self._connection.sendall(len(content).to_bytes(2, "big") + content)
        except TimeoutError:
            raise ChipSilent("the chip takes no bytes") from None
        except OSError as error:
            raise ChipGone("the chip is gone") from error

    def _receive(self) -> bytes:
        return self._exactly(int.from_bytes(self._exactly(2), "big"))

    def _exactly(self, length: int) -> bytes:
        content = b""
        while len(content) < length:
            try:
                chunk = self._connection.recv(length - len(content))
                # Sticks for one receive only; without it a delayed acknowledgement costs 40 ms a command.
                self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            except TimeoutError:
                raise ChipSilent(f"no answer within {self._answer_s:g} s") from None
            except OSError as error:
                raise ChipGone("the chip is gone") from error
            if not chunk:
                raise ChipGone("the chip is gone")
            content += chunk
        return content
