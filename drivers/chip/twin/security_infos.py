"""What a chip says it can do: SecurityInfos of EF.CardAccess, EF.CardSecurity and DG14 (ICAO 9303-11 §9.2)."""

from __future__ import annotations

from collections.abc import Iterable

from drivers.chip.twin import tlv
from drivers.chip.twin.authentication import ChipAuthentication
from drivers.chip.twin.curves import Curve
from drivers.chip.twin.pace import PaceOffer

_PUBLIC_KEY = "0.4.0.127.0.7.2.2.1"
_ACTIVE_AUTHENTICATION = "2.23.136.1.1.5"
_STANDARDISED = "0.4.0.127.0.7.1.2"
_PLAIN_ECDSA = {
    "sha1": "0.4.0.127.0.7.1.1.4.1.1",
    "sha224": "0.4.0.127.0.7.1.1.4.1.2",
    "sha256": "0.4.0.127.0.7.1.1.4.1.3",
    "sha384": "0.4.0.127.0.7.1.1.4.1.4",
    "sha512": "0.4.0.127.0.7.1.1.4.1.5",
}


def pace_infos(offers: Iterable[PaceOffer]) -> list[bytes]:
    """Return a PACEInfo for each offer."""
    return [
        tlv.sequence(tlv.object_id(offer.object_id), tlv.integer(2), tlv.integer(offer.parameter_id))
        for offer in offers
    ]


def chip_authentication_infos(chip_authentication: ChipAuthentication) -> list[bytes]:
    """Return the ChipAuthenticationInfo of a key."""
    return [
        tlv.sequence(tlv.object_id(chip_authentication.object_id), tlv.integer(1), *_key_id(chip_authentication.key_id))
    ]


def chip_public_key(public_key_info: bytes, key_id: int | None, *, is_curve: bool = True) -> bytes:
    """Return the ChipAuthenticationPublicKeyInfo of a SubjectPublicKeyInfo."""
    return tlv.sequence(tlv.object_id(f"{_PUBLIC_KEY}.{2 if is_curve else 1}"), public_key_info, *_key_id(key_id))


def numbered_public_key(curve: Curve, point: bytes) -> bytes:
    """Return a SubjectPublicKeyInfo that names the curve by its standardised parameter id."""
    algorithm = tlv.sequence(tlv.object_id(_STANDARDISED), tlv.integer(curve.parameter_id))
    return tlv.sequence(algorithm, tlv.bit_string(point))


def modular_public_key(p: int, g: int, q: int, public: int) -> bytes:
    """Return a SubjectPublicKeyInfo over a modular group (X9.42 domain parameters)."""
    parameters = tlv.sequence(tlv.integer(p), tlv.integer(g), tlv.integer(q))
    return tlv.sequence(
        tlv.sequence(tlv.object_id("1.2.840.10046.2.1"), parameters), tlv.bit_string(tlv.integer(public))
    )


def active_authentication_info(digest: str) -> bytes:
    """Return the ActiveAuthenticationInfo, which ECDSA keys need."""
    return tlv.sequence(tlv.object_id(_ACTIVE_AUTHENTICATION), tlv.integer(1), tlv.object_id(_PLAIN_ECDSA[digest]))


def encode(infos: Iterable[bytes]) -> bytes:
    """Return the SET OF them."""
    return tlv.set_of(infos)


def _key_id(key_id: int | None) -> list[bytes]:
    return [] if key_id is None else [tlv.integer(key_id)]
