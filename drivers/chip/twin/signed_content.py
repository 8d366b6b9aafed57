"""CMS SignedData as security objects, EF.CardSecurity and master lists use it (RFC 5652; ICAO 9303-10 §4.6.2, 9303-12 §9)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from drivers.chip.twin import tlv
from drivers.chip.twin.signatures import Scheme, SigningKey

SECURITY_OBJECT = "2.23.136.1.1.1"
MASTER_LIST = "2.23.136.1.1.2"
CARD_SECURITY = "0.4.0.127.0.7.3.2.1"
_SIGNED_DATA = "1.2.840.113549.1.7.2"
_CONTENT_TYPE = "1.2.840.113549.1.9.3"
_MESSAGE_DIGEST = "1.2.840.113549.1.9.4"
_SIGNING_TIME = "1.2.840.113549.1.9.5"


@dataclass(frozen=True, slots=True)
class Signer:
    """A certificate with its key and how it signs."""

    certificate: bytes
    key: SigningKey
    scheme: Scheme


def signed_content(
    content_type: str,
    content: bytes,
    signer: Signer,
    *,
    signing_time: datetime | None = None,
    more_certificates: Sequence[bytes] = (),
) -> bytes:
    """Return the ContentInfo. The signature is over the signed attributes, encoded as a SET."""
    scheme = signer.scheme
    attributes = [
        _attribute(_CONTENT_TYPE, tlv.object_id(content_type)),
        _attribute(_MESSAGE_DIGEST, tlv.octet_string(hashlib.new(scheme.digest, content).digest())),
    ]
    if signing_time is not None:
        attributes.append(_attribute(_SIGNING_TIME, tlv.time(signing_time)))
    signed = tlv.set_of(attributes)
    issuer, serial = _issuer_and_serial(signer.certificate)
    signer_info = tlv.sequence(
        tlv.integer(1),
        tlv.sequence(issuer, serial),
        scheme.digest_algorithm(),
        b"\xa0" + signed[1:],
        scheme.algorithm(),
        tlv.octet_string(scheme.sign(signer.key, signed)),
    )
    body = tlv.sequence(
        tlv.integer(3),
        tlv.set_of([scheme.digest_algorithm()]),
        tlv.sequence(tlv.object_id(content_type), tlv.explicit(0, tlv.octet_string(content))),
        tlv.explicit(0, *sorted([signer.certificate, *more_certificates])),
        tlv.set_of([signer_info]),
    )
    return tlv.sequence(tlv.object_id(_SIGNED_DATA), tlv.explicit(0, body))


def _attribute(kind: str, value: bytes) -> bytes:
    return tlv.sequence(tlv.object_id(kind), tlv.set_of([value]))


def _issuer_and_serial(certificate: bytes) -> tuple[bytes, bytes]:
    ((_, whole),) = tlv.elements(certificate)
    body = tlv.elements(whole)[0][1]
    _version, serial, _algorithm, issuer, *_ = tlv.elements(body)
    return tlv.tlv(*issuer), tlv.tlv(*serial)
