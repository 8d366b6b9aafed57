"""X.509 certificates and revocation lists of a passport authority (ICAO 9303-12 §7), written from their structure up."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from drivers.chip.twin import tlv
from drivers.chip.twin.signatures import Scheme, SigningKey

_CRITICAL = tlv.boolean(value=True)


@dataclass(frozen=True, slots=True)
class Name:
    """A distinguished name; `country` is the two-letter code."""

    country: str
    title: str
    organisation: str = "Republic of Utopia"

    def encode(self) -> bytes:
        """Return the RDN sequence."""
        parts = (
            ("2.5.4.6", tlv.printable_string(self.country)),
            ("2.5.4.10", tlv.utf8_string(self.organisation)),
            ("2.5.4.3", tlv.utf8_string(self.title)),
        )
        return tlv.sequence(*(tlv.set_of([tlv.sequence(tlv.object_id(kind), value)]) for kind, value in parts))


@dataclass(frozen=True, slots=True)
class Period:
    """From and until, UTC."""

    begin: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a certificate is about. `signs`: the private key's usage period; `is_authority`: it may sign certificates."""

    name: Name
    serial: int
    public_key_info: bytes
    validity: Period
    signs: Period | None = None
    is_authority: bool = False
    document_types: Sequence[str] = ()
    extended_usage: str = ""


def key_identifier(public_key_info: bytes) -> bytes:
    """Return the SHA-1 of the public key's bits (RFC 5280 §4.2.1.2)."""
    ((_, body),) = tlv.elements(public_key_info)
    bits = tlv.elements(body)[1][1][1:]
    return hashlib.sha1(bits, usedforsecurity=False).digest()


def certificate(subject: Subject, issuer: Name, issuer_key: SigningKey, scheme: Scheme) -> bytes:
    """Return the signed certificate."""
    body = tlv.sequence(
        tlv.explicit(0, tlv.integer(2)),
        tlv.integer(subject.serial),
        scheme.algorithm(),
        issuer.encode(),
        tlv.sequence(tlv.time(subject.validity.begin), tlv.time(subject.validity.end)),
        subject.name.encode(),
        subject.public_key_info,
        tlv.explicit(3, tlv.sequence(*_extensions(subject, issuer_key))),
    )
    return _signed(body, issuer_key, scheme)


def revocation_list(
    issuer: Name, issuer_key: SigningKey, scheme: Scheme, period: Period, serials: Sequence[int], number: int = 1
) -> bytes:
    """Return a list of revoked serial numbers, each revoked when the list begins."""
    entries = [tlv.sequence(tlv.integer(serial), tlv.time(period.begin)) for serial in serials]
    extensions = tlv.sequence(
        _extension("2.5.29.35", tlv.sequence(tlv.implicit(0, key_identifier(issuer_key.subject_public_key_info())))),
        _extension("2.5.29.20", tlv.integer(number)),
    )
    body = tlv.sequence(
        tlv.integer(1),
        scheme.algorithm(),
        issuer.encode(),
        tlv.time(period.begin),
        tlv.time(period.end),
        *([tlv.sequence(*entries)] if entries else []),
        tlv.explicit(0, extensions),
    )
    return _signed(body, issuer_key, scheme)


def _signed(body: bytes, key: SigningKey, scheme: Scheme) -> bytes:
    return tlv.sequence(body, scheme.algorithm(), tlv.bit_string(scheme.sign(key, body)))


def _extensions(subject: Subject, issuer_key: SigningKey) -> list[bytes]:
    authority_id = key_identifier(issuer_key.subject_public_key_info())
    extensions = [
        _extension("2.5.29.35", tlv.sequence(tlv.implicit(0, authority_id))),
        _extension("2.5.29.14", tlv.octet_string(key_identifier(subject.public_key_info))),
    ]
    if subject.is_authority:
        constraints = tlv.sequence(tlv.boolean(value=True), tlv.integer(0))
        extensions.append(_extension("2.5.29.19", constraints, _CRITICAL))
        extensions.append(_extension("2.5.29.15", tlv.bit_string(b"\x06", 1), _CRITICAL))
    else:
        extensions.append(_extension("2.5.29.15", tlv.bit_string(b"\x80", 7), _CRITICAL))
    if subject.signs is not None:
        begin, end = (moment.strftime("%Y%m%d%H%M%SZ").encode() for moment in (subject.signs.begin, subject.signs.end))
        extensions.append(_extension("2.5.29.16", tlv.sequence(tlv.implicit(0, begin), tlv.implicit(1, end))))
    if subject.document_types:
        types = tlv.set_of([tlv.printable_string(kind) for kind in subject.document_types])
        extensions.append(_extension("2.23.136.1.1.6.2", tlv.sequence(tlv.integer(0), types)))
    if subject.extended_usage:
        extensions.append(_extension("2.5.29.37", tlv.sequence(tlv.object_id(subject.extended_usage)), _CRITICAL))
    return extensions


def _extension(kind: str, value: bytes, critical: bytes = b"") -> bytes:
    return tlv.sequence(tlv.object_id(kind), critical, tlv.octet_string(value))
