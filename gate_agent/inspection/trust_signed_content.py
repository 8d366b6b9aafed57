"""Signed content (CMS SignedData, RFC 5652) as travel documents and their issuers use it: EF.SOD, EF.CardSecurity, master and deviation lists.

Algorithm and hash come from the SignerInfo and its parameters, never from the certificate; signed attributes are hashed re-tagged as SET.
Whether a signature is right says nothing about whom the signer's certificate belongs to: that is the chain's business.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from asn1crypto import cms, core

from emrtd.public_keys import (
    HASH_NAMES,
    AlgorithmUnknown,
    KeyUnusable,
    SignatureAlgorithm,
    algorithm_of,
    verify,
)
from gate_agent.inspection.certificate_encoding import ENCODING_FAULTS, EncodingRefused, scan
from gate_agent.inspection.certificate_reading import (
    Certificate,
    CertificateMalformed,
    Name,
    instant_of,
    name_of,
    read_certificate,
)

ID_DATA = "1.2.840.113549.1.7.1"
_SIGNED_DATA = "1.2.840.113549.1.7.2"
_CERTIFICATES_AT_MOST = 16
_SIGNERS_AT_MOST = 4
_SET_TAG = b"\x31"


class ContentMalformed(ValueError):
    """Bytes that are no signed content of the expected kind."""


class SignatureFinding(StrEnum):
    """What a look at a signature found."""

    RIGHT = "right"
    WRONG = "wrong"
    DIGEST_DIFFERS = "digest_differs"
    SIGNER_MISSING = "signer_missing"
    ALGORITHM_UNKNOWN = "algorithm_unknown"
    KEY_UNUSABLE = "key_unusable"


@dataclass(frozen=True, slots=True)
class Signer:
    """One SignerInfo: who is meant, what was signed, and how. `algorithm` None: unknown, `algorithm_text` names it."""

    issuer: Name | None
    serial: int | None
    key_identifier: bytes | None
    digest_name: str
    algorithm: SignatureAlgorithm | None
    algorithm_text: str
    signature: bytes
    attributes: bytes | None  # as they were signed: DER of a SET
    content_type: str | None
    message_digest: bytes | None
    signing_time: datetime | None

    def means(self, certificate: Certificate) -> bool:
        """Whether the identifier names this certificate."""
        if self.key_identifier is not None:
            return self.key_identifier == certificate.key_identifier
        return self.serial == certificate.serial and self.issuer == certificate.issuer


@dataclass(frozen=True, slots=True)
class SignedContent:
    """Signed content, not yet verified."""

    content_type: str
    content: bytes
    certificates: tuple[Certificate, ...]
    signer: Signer

    def signer_certificate(self, others: Iterable[Certificate] = ()) -> Certificate | None:
        """Return the certificate that the signer's identifier names, among the enclosed ones and then `others`."""
        for certificates in (self.certificates, others):
            for certificate in certificates:
                if self.signer.means(certificate):
                    return certificate
        return None


def read_signed_content(der: bytes, content_types: Iterable[str], limit_bytes: int) -> SignedContent:
    """Return the parts of signed content whose type is one of `content_types`. Raises `ContentMalformed`."""
    try:
        scan(der, limit_bytes, 1 << 16)
        return _parsed(der, frozenset(content_types))
    except ContentMalformed:
        raise
    except (*ENCODING_FAULTS, EncodingRefused) as error:
        raise ContentMalformed(f"not signed content: {error}"[:200]) from error


def _parsed(der: bytes, content_types: frozenset[str]) -> SignedContent:
    outer = cms.ContentInfo.load(der, strict=True)
    if outer["content_type"].dotted != _SIGNED_DATA:
        raise ContentMalformed(f"content of the type {outer['content_type'].dotted}")
    signed = outer["content"]
    enclosed = signed["encap_content_info"]
    content_type = enclosed["content_type"].dotted
    if content_type not in content_types:
        raise ContentMalformed(f"signed content of the type {content_type}")
    version = signed["version"].native
    if version != "v3" and not (version == "v1" and content_type == ID_DATA):
        raise ContentMalformed(f"signed content of the version {version}")
    content = enclosed["content"]
    if isinstance(content, core.Any):
        content = content.parse(core.OctetString)
    if not isinstance(content, core.OctetString | core.ParsableOctetString) or not bytes(content):
        raise ContentMalformed("no content was signed")
    certificates = _certificates(signed["certificates"])
    signers = signed["signer_infos"]
    if not 1 <= len(signers) <= _SIGNERS_AT_MOST:
        raise ContentMalformed(f"{len(signers)} signers")
    return SignedContent(content_type, bytes(content), certificates, _signer(signers[0]))


def verify_signature(signed: SignedContent, certificate: Certificate | None) -> SignatureFinding:
    """Return whether the signature is right under a certificate's key."""
    if certificate is None:
        return SignatureFinding.SIGNER_MISSING
    signer = signed.signer
    if signer.algorithm is None or signer.digest_name not in HASH_NAMES:
        return SignatureFinding.ALGORITHM_UNKNOWN
    message = signed.content
    if signer.attributes is not None:
        if signer.message_digest != hashlib.new(signer.digest_name, signed.content).digest():
            return SignatureFinding.DIGEST_DIFFERS
        if signer.content_type != signed.content_type:
            return SignatureFinding.WRONG
        message = signer.attributes
    elif signed.content_type != ID_DATA:
        return SignatureFinding.WRONG  # RFC 5652 §5.3: without attributes only plain data may be signed
    try:
        is_right = verify(certificate.spki, signer.signature, message, signer.algorithm)
    except KeyUnusable:
        return SignatureFinding.KEY_UNUSABLE
    except AlgorithmUnknown:
        return SignatureFinding.ALGORITHM_UNKNOWN
    return SignatureFinding.RIGHT if is_right else SignatureFinding.WRONG


def _certificates(enclosed: Any) -> tuple[Certificate, ...]:
    """Return the enclosed certificates that can be read; whichever is missing then, its signature is not found right."""
    if not isinstance(enclosed, cms.CertificateSet):
        return ()
    if len(enclosed) > _CERTIFICATES_AT_MOST:
        raise ContentMalformed(f"{len(enclosed)} certificates of signers")
    read = []
    for choice in enclosed:
        with contextlib.suppress(*ENCODING_FAULTS, CertificateMalformed):
            read.append(read_certificate(choice.chosen.dump() if choice.name == "certificate" else b""))
    return tuple(read)


def _signer(signer: cms.SignerInfo) -> Signer:
    if signer["version"].native not in ("v1", "v3"):
        raise ContentMalformed(f"a signer of the version {signer['version'].native}")
    identifier = signer["sid"]
    issuer = serial = key_identifier = None
    if identifier.name == "issuer_and_serial_number":
        issuer, serial = name_of(identifier.chosen["issuer"]), identifier.chosen["serial_number"].native
    else:
        key_identifier = identifier.chosen.native
    attributes = signer["signed_attrs"]
    encoded, values = None, {}
    if isinstance(attributes, cms.CMSAttributes):
        encoded = _SET_TAG + attributes.dump()[1:]
        for attribute in attributes:
            name, held = attribute["type"].native, attribute["values"]
            if name in values or len(held) != 1:
                raise ContentMalformed(f"the signed attribute {name} does not stand once")
            values[name] = held[0]
    algorithm, text = None, signer["signature_algorithm"]["algorithm"].native
    try:
        algorithm = algorithm_of(signer["signature_algorithm"], signer["digest_algorithm"])
    except AlgorithmUnknown as unknown:
        text = f"{text} ({unknown})"
    return Signer(
        issuer=issuer,
        serial=serial,
        key_identifier=key_identifier,
        digest_name=signer["digest_algorithm"]["algorithm"].native,
        algorithm=algorithm,
        algorithm_text=str(text)[:80],
        signature=signer["signature"].native,
        attributes=encoded,
        content_type=values["content_type"].dotted if "content_type" in values else None,
        message_digest=values["message_digest"].native if "message_digest" in values else None,
        signing_time=_signing_time(values.get("signing_time")),
    )


def _signing_time(time: Any) -> datetime | None:
    try:
        return None if time is None else instant_of(time)
    except ENCODING_FAULTS:
        return None
