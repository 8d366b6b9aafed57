"""Proofs that a chip is no copy: chip authentication with new keys, active authentication (ICAO 9303-11 §6)."""

from __future__ import annotations

from dataclasses import dataclass

from drivers.chip.twin.ciphers import SUITES
from drivers.chip.twin.commands import AUTHENTICATION_FAILED, REFERENCE_NOT_FOUND, WRONG_CONTENT, Command, Refused
from drivers.chip.twin.curve_keys import CurveKey
from drivers.chip.twin.entropy import Entropy
from drivers.chip.twin.key_agreement import BadPublicKey, KeyAgreement
from drivers.chip.twin.rsa import RsaKey
from drivers.chip.twin.secure_channel import SecureChannel
from drivers.chip.twin.tlv import TornTlv, elements, object_id_value, tlv

PROTOCOL = "0.4.0.127.0.7.2.2.3"


@dataclass(frozen=True, slots=True)
class ChipAuthentication:
    """A static key of the chip. A clone holds another one than its DG14 says. `suite` as in `ciphers.SUITES`."""

    group: KeyAgreement
    private: int
    suite: int
    key_id: int | None = None

    @property
    def object_id(self) -> str:
        """The protocol's object identifier; .1 plain Diffie-Hellman, .2 on a curve."""
        return f"{PROTOCOL}.{1 if self.group.public_key_tag == 0x84 else 2}.{self.suite}"

    def is_meant(self, command: Command) -> bool:
        """Whether MSE:Set names this key and protocol; raises `Refused`."""
        objects = _objects(command.content)
        wanted = objects.get(0x84)
        if (wanted is None) != (self.key_id is None):
            return False
        if wanted is not None and int.from_bytes(wanted, "big") != self.key_id:
            return False
        if command.p2 == 0xA6:
            return self.suite == 1
        return objects.get(0x80) == object_id_value(self.object_id)

    def agree_from_key_set(self, content: bytes) -> SecureChannel:
        """Take the terminal's key from MSE:Set KAT; raises `Refused`."""
        objects = _objects(content)
        if 0x91 not in objects:
            raise Refused(WRONG_CONTENT)
        return self._channel(objects[0x91])

    def agree(self, content: bytes) -> tuple[bytes, SecureChannel]:
        """Answer GENERAL AUTHENTICATE; raises `Refused`."""
        template = _objects(content).get(0x7C)
        peer = _objects(template).get(0x80) if template else None
        if peer is None:
            raise Refused(WRONG_CONTENT)
        return tlv(0x7C), self._channel(peer)

    def _channel(self, peer: bytes) -> SecureChannel:
        try:
            secret = self.group.shared_secret(self.private, peer)
        except BadPublicKey:
            raise Refused(AUTHENTICATION_FAILED) from None
        return SecureChannel.from_secret(SUITES[self.suite], secret)


@dataclass(frozen=True, slots=True)
class ActiveAuthentication:
    """A signing key of the chip. `is_der`: some chips answer a SEQUENCE where the plain r and s belong."""

    key: RsaKey | CurveKey
    digest: str = "sha256"
    is_der: bool = False

    def answer(self, challenge: bytes, entropy: Entropy) -> bytes:
        """Sign the terminal's challenge."""
        if isinstance(self.key, RsaKey):
            return self.key.sign_recoverably(challenge, self.digest, entropy)
        return (self.key.sign_der if self.is_der else self.key.sign_plain)(challenge, self.digest)


def _objects(content: bytes) -> dict[int, bytes]:
    try:
        return dict(elements(content))
    except TornTlv:
        raise Refused(REFERENCE_NOT_FOUND) from None
