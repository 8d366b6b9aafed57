"""Secure messaging: commands encrypted and authenticated, answers verified before anything in them is looked at (ICAO 9303-11 §9.8)."""

from __future__ import annotations

import hmac

from drivers.chip.apdu import EXTENDED_LIMIT, SHORT_LIMIT, CommandApdu, ResponseApdu
from drivers.chip.ciphers import (
    AUTHENTICATION,
    ENCRYPTION,
    MAC_BYTES,
    CipherSuite,
    WrongPadding,
    authenticate,
    decrypt,
    derive_key,
    encrypt,
    pad,
    unpad,
)
from drivers.chip.errors import SecureMessagingLost
from emrtd.tlv import MalformedTlv, children, encode_tlv

_PROTECTED = 0x0C
_CRYPTOGRAM, _CRYPTOGRAM_ODD, _EXPECTED, _STATUS, _MAC = 0x87, 0x85, 0x97, 0x99, 0x8E
_MAC_OBJECT_BYTES = 2 + MAC_BYTES


class SecureMessaging:
    """One session: its keys and its send sequence counter. Every command and every answer advances the counter by one."""

    def __init__(self, suite: CipherSuite, encryption_key: bytes, mac_key: bytes, counter: int = 0) -> None:
        self.suite = suite
        self._encryption_key = encryption_key
        self._mac_key = mac_key
        self._counter = counter

    @classmethod
    def from_secret(cls, suite: CipherSuite, secret: bytes, counter: int = 0) -> SecureMessaging:
        """Start the session whose keys follow from a shared secret."""
        return cls(suite, derive_key(suite, secret, ENCRYPTION), derive_key(suite, secret, AUTHENTICATION), counter)

    def protect(self, command: CommandApdu) -> CommandApdu:
        """Return the command as it may be sent. It must carry content or expect an answer, as every command of this protocol does."""
        counter = self._advance()
        block = self.suite.block_bytes
        header = bytes((command.cla | _PROTECTED, command.ins, command.p1, command.p2))
        objects = b""
        if command.content:
            cryptogram = encrypt(self.suite, self._encryption_key, pad(command.content, block), self._vector(counter))
            objects += (
                encode_tlv(_CRYPTOGRAM_ODD, cryptogram)
                if command.ins & 1
                else encode_tlv(_CRYPTOGRAM, b"\x01" + cryptogram)
            )
        if command.expected:
            length_bytes = 2 if command.expected > SHORT_LIMIT else 1
            limit = EXTENDED_LIMIT if length_bytes == 2 else SHORT_LIMIT
            objects += encode_tlv(_EXPECTED, (command.expected % limit).to_bytes(length_bytes, "big"))
        mac = authenticate(self.suite, self._mac_key, pad(counter + pad(header, block) + objects, block))
        content = objects + encode_tlv(_MAC, mac)
        is_extended = command.is_extended or len(content) > 255
        return CommandApdu(
            header[0],
            command.ins,
            command.p1,
            command.p2,
            content,
            EXTENDED_LIMIT if is_extended else SHORT_LIMIT,
        )

    def open(self, response: ResponseApdu) -> ResponseApdu:
        """Return what a protected answer holds. Raises `SecureMessagingLost` when it is not protected or does not verify."""
        counter = self._advance()
        content = response.content
        if not content:
            raise SecureMessagingLost(f"unprotected status {response.status_text}", status=response.status)
        signed, mac_object = content[:-_MAC_OBJECT_BYTES], content[-_MAC_OBJECT_BYTES:]
        if mac_object[:2] != bytes((_MAC, MAC_BYTES)) or not signed:
            raise SecureMessagingLost(f"an answer without its MAC (status {response.status_text})", is_forged=True)
        mac = authenticate(self.suite, self._mac_key, pad(counter + signed, self.suite.block_bytes))
        if not hmac.compare_digest(mac, mac_object[2:]):
            raise SecureMessagingLost("the MAC of an answer does not hold", is_forged=True)
        return self._opened(signed, counter)

    def _opened(self, signed: bytes, counter: bytes) -> ResponseApdu:
        """Decrypt what was verified."""
        found: dict[int, bytes] = {}
        try:
            for element in children(signed):
                if element.tag in found or element.tag not in {_CRYPTOGRAM, _CRYPTOGRAM_ODD, _STATUS}:
                    raise SecureMessagingLost(f"data object {element.tag:X} in a protected answer")
                found[element.tag] = element.value
            status = found[_STATUS]
            content = self._plain(found, counter)
        except (MalformedTlv, WrongPadding, KeyError, ValueError) as error:
            raise SecureMessagingLost(f"a protected answer that is none: {type(error).__name__}") from None
        if len(status) != 2:
            raise SecureMessagingLost("a protected status that is none")
        return ResponseApdu(content, int.from_bytes(status, "big"))

    def _plain(self, found: dict[int, bytes], counter: bytes) -> bytes:
        if (cryptogram := found.get(_CRYPTOGRAM)) is not None:
            if cryptogram[:1] != b"\x01":
                raise WrongPadding("padding indicator")
            cryptogram = cryptogram[1:]
        elif (cryptogram := found.get(_CRYPTOGRAM_ODD)) is None:
            return b""
        return unpad(decrypt(self.suite, self._encryption_key, cryptogram, self._vector(counter)))

    def _advance(self) -> bytes:
        self._counter = (self._counter + 1) % (1 << 8 * self.suite.block_bytes)
        return self._counter.to_bytes(self.suite.block_bytes, "big")

    def _vector(self, counter: bytes) -> bytes | None:
        """AES encrypts the counter into its vector, 3DES starts at zero."""
        return encrypt(self.suite, self._encryption_key, counter) if self.suite.is_aes else None
