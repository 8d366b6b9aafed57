"""One X.509 certificate of a travel document's issuer, taken apart leniently: what is unusual is kept, what is unusable is named (ICAO 9303-12).

Published certificates have negative serials, lower-case countries, keys with explicit parameters, missing or wrong key identifiers. None
of that matters here: a certificate is known by the SHA-256 of its bytes, and what it signed is decided by the signature alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from asn1crypto import algos, core, pem, x509

from emrtd.public_keys import (
    AlgorithmUnknown,
    KeyUnusable,
    PublicKey,
    SignatureAlgorithm,
    algorithm_of,
    public_key_of,
    verify,
)
from emrtd.tlv import children, read_tlv
from gate_agent.inspection.certificate_encoding import ENCODING_FAULTS, EncodingRefused, scan

if TYPE_CHECKING:
    from functools import _lru_cache_wrapper

CERTIFICATE_LIMIT_BYTES = 32_768
_COUNTRY = "2.5.4.6"
_REMEMBERED_AT_MOST, _REMEMBERED_BYTES_AT_MOST = 2048, 512
_Read = TypeVar("_Read")

Name = tuple[tuple[str, str], ...]
"""A distinguished name for comparison: (attribute, value) in their order, values case-folded, white space collapsed (RFC 5280 §7.1)."""


class CertificateMalformed(ValueError):
    """Bytes that are no certificate."""


@dataclass(frozen=True, slots=True)
class Period:
    """A span of time, both ends included; None: open."""

    begin: datetime | None
    end: datetime | None

    def holds(self, instant: datetime) -> bool:
        """Whether the instant lies inside."""
        return (self.begin is None or self.begin <= instant) and (self.end is None or instant <= self.end)

    def narrowed(self, other: Period) -> Period:
        """Return the span common to both; it may be empty (begin after end)."""
        begins = [begin for begin in (self.begin, other.begin) if begin is not None]
        ends = [end for end in (self.end, other.end) if end is not None]
        return Period(max(begins, default=None), min(ends, default=None))


@dataclass(frozen=True)
class Certificate:
    """A certificate. `country` is the subject's in upper case (empty: none); identifiers are empty when absent.

    `validity` None: its dates cannot be read. `usage_period` None: the certificate has no private-key usage period.
    """

    der: bytes
    tbs: bytes
    subject: Name
    issuer: Name
    country: str
    issuer_country: str
    serial: int
    key_identifier: bytes
    authority_key_identifier: bytes
    spki: bytes
    signature: bytes
    algorithm: SignatureAlgorithm | None
    validity: Period | None
    usage_period: Period | None
    is_authority: bool
    may_sign_certificates: bool
    extended_usages: frozenset[str]

    @cached_property
    def sha256(self) -> str:
        """The hex digest that the certificate is known by."""
        return hashlib.sha256(self.der).hexdigest()

    @property
    def title(self) -> str:
        """What people and logs call it: country and the beginning of its digest."""
        return f"{self.country or '??'} {self.sha256[:16]}"

    @property
    def key(self) -> PublicKey:
        """Its public key. Raises `KeyUnusable`."""
        return public_key_of(self.spki)

    @property
    def is_self_issued(self) -> bool:
        """Whether issuer and subject have one name; a link certificate may, too."""
        return self.subject == self.issuer

    @property
    def signing_period(self) -> Period | None:
        """When its key was meant to sign: the private-key usage period inside the validity, the validity where there is none."""
        if self.validity is None or self.usage_period is None:
            return self.validity
        return self.validity.narrowed(self.usage_period)

    def is_signed_by(self, issuer: Certificate) -> bool:
        """Whether this certificate's signature is right under another's key; one that cannot be checked is not."""
        return issuer.has_signed(self.tbs, self.signature, self.algorithm)

    def has_signed(self, content: bytes, signature: bytes, algorithm: SignatureAlgorithm | None) -> bool:
        """Whether a signature over `content` is right under this certificate's key; one that cannot be checked is not."""
        if algorithm is None:
            return False
        try:
            return verify(self.spki, signature, content, algorithm)
        except (KeyUnusable, AlgorithmUnknown):
            return False


def read_certificate(der: bytes) -> Certificate:
    """Return the certificate in DER. Raises `CertificateMalformed`; an unknown algorithm or key is no reason to."""
    try:
        scan(der, CERTIFICATE_LIMIT_BYTES)
        parsed = x509.Certificate.load(der, strict=True)
        tbs = parsed["tbs_certificate"]
        extensions = _extensions(tbs["extensions"])
        subject, issuer = _once(_name, tbs["subject"].dump()), _once(_name, tbs["issuer"].dump())
        usages = extensions.get("key_usage")
        constraints = extensions.get("basic_constraints")
        return Certificate(
            der=der,
            tbs=tbs.dump(),
            subject=subject,
            issuer=issuer,
            country=_country(subject) or _country(issuer),
            issuer_country=_country(issuer),
            serial=tbs["serial_number"].native,
            key_identifier=extensions.get("key_identifier", b""),
            authority_key_identifier=(extensions.get("authority_key_identifier") or {}).get("key_identifier") or b"",
            spki=tbs["subject_public_key_info"].dump(),
            signature=parsed["signature_value"].native,
            algorithm=_once(_algorithm, parsed["signature_algorithm"].dump()),
            validity=_validity(tbs["validity"]),
            usage_period=_usage_period(extensions.get("private_key_usage_period")),
            is_authority=bool(constraints and constraints.get("ca")),
            may_sign_certificates=usages is None or "key_cert_sign" in usages,
            extended_usages=frozenset(extensions.get("extended_key_usage", ())),
        )
    except (*ENCODING_FAULTS, EncodingRefused) as error:
        raise CertificateMalformed(f"not a certificate: {error}"[:200]) from error


def certificates_in_file(content: bytes) -> list[bytes]:
    """Return the DER of every certificate in a file: DER, or PEM with one or several. Raises `CertificateMalformed`."""
    if b"-----BEGIN" not in content[:4096]:
        return [content]
    try:
        return [
            der for kind, _, der in pem.unarmor(content, multiple=True) if kind in ("CERTIFICATE", "X509 CERTIFICATE")
        ]
    except ENCODING_FAULTS as error:
        raise CertificateMalformed(f"not PEM: {error}"[:200]) from error


def name_of(name: x509.Name) -> Name:
    """Return a distinguished name as it is compared."""
    return tuple(
        (attribute["type"].dotted, " ".join(str(attribute["value"].native).casefold().split()))
        for relative in name.chosen
        for attribute in relative
    )


def instant_of(time: x509.Time) -> datetime:
    """Return an ASN.1 time as an aware instant; times without zone are met and meant as UTC."""
    native: datetime = time.native
    return native if native.tzinfo is not None else native.replace(tzinfo=UTC)


def _country(name: Name) -> str:
    return next((value.upper() for kind, value in name if kind == _COUNTRY), "")


def _once(reader: _lru_cache_wrapper[_Read], der: bytes) -> _Read:
    """Return what a part says, from memory where the same bytes were read before; long ones, which no list shares, are not kept."""
    return reader(der) if len(der) <= _REMEMBERED_BYTES_AT_MOST else reader.__wrapped__(der)


@lru_cache(_REMEMBERED_AT_MOST)
def _name(der: bytes) -> Name:
    """Return a distinguished name from its bytes; the certificates of a list share most of theirs."""
    return name_of(x509.Name.load(der))


@lru_cache(_REMEMBERED_AT_MOST)
def _algorithm(der: bytes) -> SignatureAlgorithm | None:
    try:
        return algorithm_of(algos.SignedDigestAlgorithm.load(der))
    except AlgorithmUnknown:
        return None


def _validity(validity: x509.Validity) -> Period | None:
    try:
        return Period(instant_of(validity["not_before"]), instant_of(validity["not_after"]))
    except ENCODING_FAULTS:
        return None


def _usage_period(period: Mapping[str, datetime | None] | None) -> Period | None:
    if not period:
        return None
    ends = [
        end if end is None or end.tzinfo is not None else end.replace(tzinfo=UTC)
        for end in (period.get("not_before"), period.get("not_after"))
    ]
    return None if ends == [None, None] else Period(*ends)


def _extensions(extensions: Any) -> dict[str, Any]:
    """Return what can be read of the extensions; one that is malformed is as good as absent."""
    found: dict[str, Any] = {}
    if not isinstance(extensions, x509.Extensions):
        return found
    for object_id, content in _contents(extensions):
        try:
            name, kind = _READ_EXTENSIONS[object_id]
            found[name] = _once(_USAGES[name], content) if name in _USAGES else kind.load(content).native
        except ENCODING_FAULTS:
            continue
    return found


def _contents(extensions: x509.Extensions) -> list[tuple[bytes, bytes]]:
    """Return object identifier and content of the extensions that are looked at; the many others are not taken apart."""
    found = []
    try:
        for extension in children(extensions.contents):
            identifier = read_tlv(extension.value)
            is_plain = (extension.tag, identifier.tag) == (_SEQUENCE, _OBJECT_ID)
            if is_plain and identifier.value not in _READ_EXTENSIONS:
                continue
            *critical, content = children(extension.value[identifier.end :])
            is_plain = is_plain and [(one.tag, len(one.value)) for one in critical] in _CRITICAL
            if not is_plain or content.tag != _OCTETS:
                return list(_contents_by_library(extensions))
            found.append((identifier.value, content.value))
    except ValueError:  # another encoding than the standard's: the library knows more of them
        return list(_contents_by_library(extensions))
    return found


def _contents_by_library(extensions: x509.Extensions) -> Iterator[tuple[bytes, bytes]]:
    for extension in extensions:
        try:
            object_id, content = extension["extn_id"].contents, bytes(extension["extn_value"])
        except ENCODING_FAULTS:
            continue
        if object_id in _READ_EXTENSIONS:
            yield object_id, content


_SEQUENCE, _OBJECT_ID, _OCTETS = 0x30, 0x06, 0x04
_CRITICAL: tuple[list[tuple[int, int]], ...] = ([], [(0x01, 1)])  # a flag that may be left out
_READ_EXTENSIONS: Mapping[bytes, tuple[str, Any]] = {
    bytes.fromhex("551d0e"): ("key_identifier", core.OctetString),
    bytes.fromhex("551d23"): ("authority_key_identifier", x509.AuthorityKeyIdentifier),
    bytes.fromhex("551d10"): ("private_key_usage_period", x509.PrivateKeyUsagePeriod),
    bytes.fromhex("551d0f"): ("key_usage", x509.KeyUsage),
    bytes.fromhex("551d13"): ("basic_constraints", x509.BasicConstraints),
    bytes.fromhex("551d25"): ("extended_key_usage", x509.ExtKeyUsageSyntax),
}


@lru_cache(_REMEMBERED_AT_MOST)
def _key_usage(content: bytes) -> frozenset[str]:
    return frozenset(x509.KeyUsage.load(content).native)


@lru_cache(_REMEMBERED_AT_MOST)
def _basic_constraints(content: bytes) -> Mapping[str, Any]:
    return MappingProxyType(dict(x509.BasicConstraints.load(content).native))


_USAGES = {"key_usage": _key_usage, "basic_constraints": _basic_constraints}
"""Extensions that most certificates of a list share, byte for byte."""
