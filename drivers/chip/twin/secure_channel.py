"""Secure messaging as the chip does it: open a protected command, protect an answer (ICAO 9303-11 §9.8)."""

from __future__ import annotations

import hmac

from drivers.chip.twin.ciphers import Suite, pad, unpad
from drivers.chip.twin.commands import SECURED_OBJECTS_INCORRECT, SECURED_OBJECTS_MISSING, Command, Refused
from drivers.chip.twin.tlv import TornTlv, elements, tlv

_PADDED_CRYPTOGRAM = 0x87
_BARE_CRYPTOGRAM = 0x85
_EXPECTED_LENGTH = 0x97
_STATUS = 0x99
_CHECKSUM = 0x8E


class SecureChannel:
    """One session: its keys and its send sequence counter, which moves before every command and every answer."""

    def __init__(self, suite: Suite, encryption_key: bytes, authentication_key: bytes, counter: bytes = b"") -> None:
        """`counter` is the start of the send sequence counter, zero without one."""
        self.suite = suite
        self._encryption_key = encryption_key
        self._authentication_key = authentication_key
        self._counter = int.from_bytes(counter, "big")

    @classmethod
    def from_secret(cls, suite: Suite, secret: bytes, counter: bytes = b"") -> SecureChannel:
        """Derive both keys from the shared secret."""
        return cls(suite, suite.derive_key(secret, 1), suite.derive_key(secret, 2), counter)

    def open(self, command: Command) -> Command:
        """Return the command inside; raises `Refused` with 6987 or 6988, after which the session is over."""
        try:
            objects = dict(elements(command.content))
        except TornTlv:
            raise Refused(SECURED_OBJECTS_INCORRECT) from None
        if _CHECKSUM not in objects:
            raise Refused(SECURED_OBJECTS_MISSING)
        self._counter += 1
        protected = b"".join(tlv(tag, value) for tag, value in elements(command.content) if tag != _CHECKSUM)
        block = self.suite.block_bytes
        message = self._counter_bytes() + pad(command.header, block) + (pad(protected, block) if protected else b"")
        expected = self.suite.checksum(self._authentication_key, message)
        if not hmac.compare_digest(expected, objects[_CHECKSUM]):
            raise Refused(SECURED_OBJECTS_INCORRECT)
        try:
            content = self._decrypted(objects)
        except ValueError:
            raise Refused(SECURED_OBJECTS_INCORRECT) from None
        length = objects.get(_EXPECTED_LENGTH)
        limit = 1 << 8 * len(length) if length else 0
        return command.opened(content, (int.from_bytes(length, "big") or limit) if length else None)

    def protect(self, content: bytes, status: int, *, is_odd: bool = False) -> bytes:
        """Return the protected answer with its outer status word."""
        self._counter += 1
        body = b""
        if content:
            cryptogram = self.suite.encrypt(self._encryption_key, pad(content, self.suite.block_bytes), self._iv())
            body = tlv(_BARE_CRYPTOGRAM, cryptogram) if is_odd else tlv(_PADDED_CRYPTOGRAM, b"\x01", cryptogram)
        body += tlv(_STATUS, status.to_bytes(2, "big"))
        message = pad(self._counter_bytes() + body, self.suite.block_bytes)
        checksum = self.suite.checksum(self._authentication_key, message)
        return body + tlv(_CHECKSUM, checksum) + status.to_bytes(2, "big")

    def encrypt_with_last_iv(self, content: bytes) -> bytes:
        """Encrypt chip authentication data of PACE-CAM: its IV is the encrypted block of ones (ICAO 9303-11 §4.4.3.5)."""
        iv = self.suite.encrypt(self._encryption_key, b"\xff" * self.suite.block_bytes)
        return self.suite.encrypt(self._encryption_key, pad(content, self.suite.block_bytes), iv)

    def token(self, content: bytes) -> bytes:
        """Return the authentication token over `content`."""
        return self.suite.token(self._authentication_key, content)

    def _decrypted(self, objects: dict[int, bytes]) -> bytes:
        if _PADDED_CRYPTOGRAM in objects:
            cryptogram = objects[_PADDED_CRYPTOGRAM]
            if cryptogram[:1] != b"\x01":
                raise ValueError("padding indicator")
            cryptogram = cryptogram[1:]
        elif _BARE_CRYPTOGRAM in objects:
            cryptogram = objects[_BARE_CRYPTOGRAM]
        else:
            return b""
        return unpad(self.suite.decrypt(self._encryption_key, cryptogram, self._iv()))

    def _iv(self) -> bytes:
        if self.suite.is_triple_des:
            return bytes(8)
        return self.suite.encrypt(self._encryption_key, self._counter_bytes())

    def _counter_bytes(self) -> bytes:
        return (self._counter % (1 << 8 * self.suite.block_bytes)).to_bytes(self.suite.block_bytes, "big")
