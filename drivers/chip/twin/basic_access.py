"""Basic Access Control as the chip runs it (ICAO 9303-11 §4.3): prove knowledge of the printed data, get 3DES session keys."""

from __future__ import annotations

import hashlib
import hmac

from drivers.chip.twin.ciphers import MAC_BYTES, TRIPLE_DES
from drivers.chip.twin.commands import AUTHENTICATION_FAILED, CONDITIONS_NOT_SATISFIED, WRONG_LENGTH, Refused
from drivers.chip.twin.entropy import Entropy
from drivers.chip.twin.secure_channel import SecureChannel

CHALLENGE_BYTES = 8


class BasicAccess:
    """The document's access keys; a challenge is good for one try."""

    def __init__(self, mrz_information: str, entropy: Entropy) -> None:
        """`mrz_information`: number, birth and expiry, each with its check digit."""
        seed = hashlib.sha1(mrz_information.encode("ascii"), usedforsecurity=False).digest()[:16]
        self._encryption_key = TRIPLE_DES.derive_key(seed, 1)
        self._authentication_key = TRIPLE_DES.derive_key(seed, 2)
        self._entropy = entropy
        self._challenge = b""

    def challenge(self) -> bytes:
        """Return a fresh RND.IC."""
        self._challenge = self._entropy(CHALLENGE_BYTES)
        return self._challenge

    def authenticate(self, content: bytes) -> tuple[bytes, SecureChannel]:
        """Check the terminal's proof and answer it; raises `Refused` (6300 for wrong keys)."""
        challenge, self._challenge = self._challenge, b""
        if not challenge:
            raise Refused(CONDITIONS_NOT_SATISFIED)
        if len(content) != 40:
            raise Refused(WRONG_LENGTH)
        cryptogram, checksum = content[:-MAC_BYTES], content[-MAC_BYTES:]
        if not hmac.compare_digest(TRIPLE_DES.token(self._authentication_key, cryptogram), checksum):
            raise Refused(AUTHENTICATION_FAILED)
        plain = TRIPLE_DES.decrypt(self._encryption_key, cryptogram)
        terminal_challenge, terminal_key = plain[:8], plain[16:]
        if plain[8:16] != challenge:
            raise Refused(AUTHENTICATION_FAILED)
        own_key = self._entropy(16)
        answer = TRIPLE_DES.encrypt(self._encryption_key, challenge + terminal_challenge + own_key)
        seed = bytes(a ^ b for a, b in zip(terminal_key, own_key, strict=True))
        channel = SecureChannel.from_secret(TRIPLE_DES, seed, challenge[4:] + terminal_challenge[4:])
        return answer + TRIPLE_DES.token(self._authentication_key, answer), channel
