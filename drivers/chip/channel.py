"""One conversation with a chip: commands over a transport, protected once access was gained, every oddity of answers bounded."""

from __future__ import annotations

from dataclasses import replace

from drivers.chip.apdu import SHORT_LIMIT, WRONG_EXPECTED_LENGTH, CommandApdu, ResponseApdu
from drivers.chip.errors import ChipUnintelligible
from drivers.chip.secure_messaging import SecureMessaging
from drivers.chip.transport import Transport

ANSWER_LIMIT_BYTES = 70_000  # the longest extended answer and what protects it
_MORE_ROUNDS_LIMIT = 300
_GET_RESPONSE = 0xC0


class ChipChannel:
    """Sends commands and counts what went over the air. `secure_messaging` is None until access was gained."""

    def __init__(self, transport: Transport) -> None:
        self.secure_messaging: SecureMessaging | None = None
        self.apdus = 0
        self.sent_bytes = 0
        self.received_bytes = 0
        self._transport = transport

    @property
    def atr(self) -> bytes:
        """The chip's answer to reset."""
        return self._transport.atr

    def send(self, command: CommandApdu) -> ResponseApdu:
        """Return the chip's answer. Raises `ChipGone`, `ChipSilent`, `ChipUnintelligible` or `SecureMessagingLost`."""
        session = self.secure_messaging
        if session is None:
            return self._exchange(command)
        return session.open(self._exchange(session.protect(command)))

    def close(self) -> None:
        """Let go of the chip."""
        self._transport.close()

    def _exchange(self, command: CommandApdu) -> ResponseApdu:
        response = self._transmit(command)
        if (
            response.status >> 8 == WRONG_EXPECTED_LENGTH and self.secure_messaging is None
        ):  # wrong Le: the right one stands in SW2
            response = self._transmit(replace(command, expected=response.status & 0xFF or SHORT_LIMIT))
        content = response.content
        rounds = 0
        while response.status >> 8 == 0x61:  # more of the answer is waiting
            rounds += 1
            if rounds > _MORE_ROUNDS_LIMIT or len(content) > ANSWER_LIMIT_BYTES:
                raise ChipUnintelligible("an answer without end (61xx)")
            more = CommandApdu(command.cla & ~0x0C, _GET_RESPONSE, 0, 0, b"", response.status & 0xFF or SHORT_LIMIT)
            response = self._transmit(more)
            if not response.content and response.status >> 8 == 0x61:
                raise ChipUnintelligible("an answer that promises more and brings none (61xx)")
            content += response.content
        return ResponseApdu(content, response.status)

    def _transmit(self, command: CommandApdu) -> ResponseApdu:
        encoded = command.encode()
        self.apdus += 1
        self.sent_bytes += len(encoded)
        answer = self._transport.transmit(encoded)
        self.received_bytes += len(answer)
        if not 2 <= len(answer) <= ANSWER_LIMIT_BYTES:
            raise ChipUnintelligible(f"an answer of {len(answer)} bytes")
        return ResponseApdu(answer[:-2], int.from_bytes(answer[-2:], "big"))
