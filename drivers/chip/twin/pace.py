"""Password Authenticated Connection Establishment as the chip runs it (ICAO 9303-11 §4.4)."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from drivers.chip.twin.ciphers import SUITES, Suite
from drivers.chip.twin.commands import (
    AUTHENTICATION_FAILED,
    CONDITIONS_NOT_SATISFIED,
    REFERENCE_NOT_FOUND,
    WRONG_CONTENT,
    Refused,
)
from drivers.chip.twin.entropy import Entropy, scalar
from drivers.chip.twin.key_agreement import BadPublicKey, KeyAgreement, agreement, pseudo_random_element
from drivers.chip.twin.secure_channel import SecureChannel
from drivers.chip.twin.tlv import TornTlv, elements, object_id_value, tlv

PROTOCOL = "0.4.0.127.0.7.2.2.4"
MRZ = 1
CARD_ACCESS_NUMBER = 2
PARAMETERS_MISSING = 0x6A87


class PaceMapping(IntEnum):
    """Third but last arc of the protocol: group and mapping."""

    DH_GENERIC = 1
    ECDH_GENERIC = 2
    DH_INTEGRATED = 3
    ECDH_INTEGRATED = 4
    ECDH_CHIP_AUTHENTICATION = 6


@dataclass(frozen=True, slots=True)
class PaceOffer:
    """One PACEInfo: mapping, suite (1 3DES, 2 to 4 AES-128/192/256) and parameter id."""

    mapping: PaceMapping
    suite: int
    parameter_id: int

    @property
    def object_id(self) -> str:
        """The protocol's object identifier."""
        return f"{PROTOCOL}.{self.mapping.value}.{self.suite}"


class PaceRun:
    """One run, from the command that sets it up to the session keys. Each step must be the next one."""

    def __init__(
        self, offer: PaceOffer, password: bytes, entropy: Entropy, static_key: int, *, is_failing: bool
    ) -> None:
        """`password` is the hashed MRZ information or the card access number; `static_key` the chip's, for CAM."""
        self._offer = offer
        self._suite: Suite = SUITES[offer.suite]
        self._entropy = entropy
        self._static_key = static_key
        self._is_failing = is_failing
        self._password_key = self._suite.derive_key(password, 3)
        self._nonce = b""
        self._mapped: KeyAgreement | None = None
        self._map_private = 0
        self._public_keys = (b"", b"")
        self._channel: SecureChannel | None = None

    def step(self, content: bytes) -> tuple[bytes, SecureChannel | None]:
        """Answer one GENERAL AUTHENTICATE; the last step gives the channel, too. Raises `Refused`."""
        try:
            ((tag, value),) = elements(content)
            objects = elements(value)
        except (TornTlv, ValueError):
            raise Refused(WRONG_CONTENT) from None
        if tag != 0x7C or len(objects) > 1:
            raise Refused(WRONG_CONTENT)
        try:
            match objects:
                case []:
                    return tlv(0x7C, tlv(0x80, self._encrypted_nonce())), None
                case [(0x81, peer)]:
                    return tlv(0x7C, tlv(0x82, self._map(peer))), None
                case [(0x83, peer)]:
                    return tlv(0x7C, tlv(0x84, self._agree(peer))), None
                case [(0x85, token)]:
                    return tlv(0x7C, *self._authenticate(token)), self._channel
        except BadPublicKey:
            raise Refused(AUTHENTICATION_FAILED) from None
        raise Refused(WRONG_CONTENT)

    def _encrypted_nonce(self) -> bytes:
        if self._nonce:
            raise Refused(CONDITIONS_NOT_SATISFIED)
        self._nonce = self._entropy(self._suite.nonce_bytes)
        return self._suite.encrypt(self._password_key, self._nonce)

    def _map(self, peer: bytes) -> bytes:
        if not self._nonce or self._mapped is not None:
            raise Refused(CONDITIONS_NOT_SATISFIED)
        group = agreement(self._offer.parameter_id)
        if self._offer.mapping in {PaceMapping.DH_INTEGRATED, PaceMapping.ECDH_INTEGRATED}:
            if len(peer) != self._suite.key_bytes:
                raise Refused(WRONG_CONTENT)
            self._mapped = group.mapped_to(pseudo_random_element(self._suite, self._nonce, peer, group.field))
            return b""
        self._map_private = scalar(self._entropy, group.order)
        self._mapped = group.mapped_generically(self._nonce, self._map_private, peer)
        return group.public_key(self._map_private)

    def _agree(self, peer: bytes) -> bytes:
        if self._mapped is None or self._channel is not None:
            raise Refused(CONDITIONS_NOT_SATISFIED)
        private = scalar(self._entropy, self._mapped.order)
        secret = self._mapped.shared_secret(private, peer)
        own = self._mapped.public_key(private)
        if own == peer:
            raise Refused(AUTHENTICATION_FAILED)
        self._public_keys = own, peer
        self._channel = SecureChannel.from_secret(self._suite, secret)
        return own

    def _authenticate(self, token: bytes) -> Sequence[bytes]:
        if self._channel is None or self._mapped is None:
            raise Refused(CONDITIONS_NOT_SATISFIED)
        own, peer = self._public_keys
        expected = self._channel.token(self._key_object(own))
        if self._is_failing or not hmac.compare_digest(expected, token):
            raise Refused(AUTHENTICATION_FAILED)
        answer = [tlv(0x86, self._channel.token(self._key_object(peer)))]
        if self._offer.mapping is PaceMapping.ECDH_CHIP_AUTHENTICATION:
            order = self._mapped.order
            proof = pow(self._static_key, -1, order) * self._map_private % order
            width = (order.bit_length() + 7) // 8
            answer.append(tlv(0x8A, self._channel.encrypt_with_last_iv(proof.to_bytes(width, "big"))))
        return answer

    def _key_object(self, public_key: bytes) -> bytes:
        tag = agreement(self._offer.parameter_id).public_key_tag
        return tlv(0x7F49, tlv(0x06, object_id_value(self._offer.object_id)), tlv(tag, public_key))


def set_up(
    content: bytes,
    offers: Sequence[PaceOffer],
    passwords: Mapping[int, bytes],
    *,
    needs_parameter_id: bool,
) -> tuple[PaceOffer, bytes]:
    """Return the offer and the password that MSE:Set AT asks for; raises `Refused`."""
    try:
        objects = dict(elements(content))
    except TornTlv:
        raise Refused(WRONG_CONTENT) from None
    protocol, password, parameter = objects.get(0x80, b""), objects.get(0x83, b""), objects.get(0x84)
    if needs_parameter_id and parameter is None:
        raise Refused(PARAMETERS_MISSING)
    fitting = [offer for offer in offers if object_id_value(offer.object_id) == protocol]
    if parameter is not None:
        fitting = [offer for offer in fitting if offer.parameter_id == int.from_bytes(parameter, "big")]
    if not fitting:
        raise Refused(WRONG_CONTENT)
    secret = passwords.get(int.from_bytes(password, "big"))
    if secret is None:
        raise Refused(REFERENCE_NOT_FOUND)
    return fitting[0], secret
