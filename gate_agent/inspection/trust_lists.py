"""Lists that states and their authorities sign: master lists of issuers' certificates, deviation lists (ICAO 9303-12 §9, §10).

A list is believed when its signature is right and its signer's certificate was issued under a root that was pinned out of band.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise

from asn1crypto import x509

from emrtd.security_infos import object_id_text
from emrtd.tlv import MalformedTlv, Tlv, children, encode_tlv, read_only_tlv
from gate_agent.inspection.certificate_defects import Defect, DefectKind
from gate_agent.inspection.certificate_encoding import ENCODING_FAULTS, EncodingRefused, scan
from gate_agent.inspection.certificate_reading import (
    Certificate,
    CertificateMalformed,
    name_of,
    read_certificate,
)
from gate_agent.inspection.trust_signed_content import (
    ContentMalformed,
    SignatureFinding,
    SignedContent,
    read_signed_content,
    verify_signature,
)

MASTER_LIST_TYPE = "2.23.136.1.1.2"
DEVIATION_LIST_TYPE = "2.23.136.1.1.7"
# A key that signs documents lies in a printing house; one such key must not make authorities (ICAO 9303-12 §7.1, extended key usage).
_SIGNER_USAGES = {MASTER_LIST_TYPE: "2.23.136.1.1.3", DEVIATION_LIST_TYPE: "2.23.136.1.1.8"}
LIST_LIMIT_BYTES = 16_777_216
_SEQUENCE, _SET, _INTEGER, _OBJECT_ID = 0x30, 0x31, 0x02, 0x06
_CERTIFICATES_AT_MOST = 10_000


class ListRefused(ValueError):
    """A list that cannot be believed: malformed, its signature wrong, or its signer under no pinned root."""


@dataclass(frozen=True, slots=True)
class MasterList:
    """A list whose signature is right. `root` None: its signer chains to no pinned root, only to a certificate of the list itself."""

    name: str
    sha256: str
    signed_at: datetime | None
    signer: Certificate
    root: Certificate | None
    certificates: tuple[Certificate, ...]
    skipped: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DeviationList:
    """A state's list of deviations. `unused` counts those that name no document signer or change no check here."""

    sha256: str
    signer: Certificate
    defects: tuple[Defect, ...]
    unused: int


def read_master_list(der: bytes, roots: Sequence[Certificate], *, must_be_pinned: bool = True) -> MasterList:
    """Return a verified master list. Raises `ListRefused`.

    With `must_be_pinned` False, for a folder that an operator vouches for, the signer may chain to a certificate of the list itself.
    A certificate that cannot be read is skipped and counted; the list stands.
    """
    signed, signer = _verified(der, MASTER_LIST_TYPE, "a master list")
    root = _root_of(signer, roots)
    if root is None and must_be_pinned:
        raise ListRefused(f"the signer of the master list, {signer.title}, is under no pinned root")
    try:
        parts = list(children(read_only_tlv(signed.content, _SEQUENCE)))
        scan(signed.content, LIST_LIMIT_BYTES, _CERTIFICATES_AT_MOST * 200)
        if [part.tag for part in parts] != [_INTEGER, _SET]:
            raise ListRefused("a master list that holds something else")
        ends = [0, *(part.end for part in children(parts[1].value))]
    except (MalformedTlv, EncodingRefused) as error:
        raise ListRefused(f"a malformed master list: {error}"[:200]) from error
    certificates, skipped = [], []
    for start, end in pairwise(ends):  # as they stand: a certificate is known by the digest of its very bytes
        content = parts[1].value[start:end]
        try:
            certificates.append(read_certificate(content))
        except CertificateMalformed as error:
            skipped.append(f"{hashlib.sha256(content).hexdigest()[:16]}: {error}")
    if root is None and not any(signer.is_signed_by(one) for one in (*certificates, *signed.certificates)):
        raise ListRefused(f"the signer of the master list, {signer.title}, was issued by nobody in it")
    signed_at = signed.signer.signing_time
    day = "undated" if signed_at is None else signed_at.date().isoformat()
    sha256 = hashlib.sha256(der).hexdigest()
    name = f"{signer.country or '??'} {day} {sha256[:8]}"
    return MasterList(name, sha256, signed_at, signer, root, tuple(certificates), tuple(skipped))


def read_deviation_list(der: bytes, issuers: Iterable[Certificate]) -> DeviationList:
    """Return a verified deviation list; `issuers` are the certificates it may be signed under. Raises `ListRefused`."""
    signed, signer = _verified(der, DEVIATION_LIST_TYPE, "a deviation list")
    country = signer.issuer_country
    if not any(signer.is_signed_by(issuer) for issuer in issuers if issuer.country == country):
        raise ListRefused(f"the signer of the deviation list, {signer.title}, is under no trusted issuer of {country}")
    try:
        scan(signed.content, LIST_LIMIT_BYTES, 1 << 21)
        deviations = next(part for part in children(read_only_tlv(signed.content, _SEQUENCE)) if part.tag == _SET)
        found = [_defects_of(list(children(deviation.value))) for deviation in children(deviations.value)]
    except (*ENCODING_FAULTS, MalformedTlv, EncodingRefused, StopIteration) as error:
        raise ListRefused(f"a malformed deviation list: {error}"[:200]) from error
    defects = tuple(replace(defect, said_by=country) for one in found for defect in one)
    return DeviationList(hashlib.sha256(der).hexdigest(), signer, defects, sum(not one for one in found))


_ARC = f"{DEVIATION_LIST_TYPE}."
_KINDS = {
    f"{_ARC}1.1": DefectKind.SIGNER_MALFORMED,
    f"{_ARC}1.2": DefectKind.SIGNER_WRONGLY_ENCODED,
    f"{_ARC}1.4": DefectKind.ACTIVE_AUTHENTICATION_KEY_COMPROMISED,
    f"{_ARC}2.1": DefectKind.DATA_GROUP_MALFORMED,
    f"{_ARC}2.3": DefectKind.SOD_MALFORMED,
    f"{_ARC}2.4": DefectKind.COM_SOD_DISCREPANCY,
}
# DocumentSignerIdentifier, with the module's implicit tags
_ISSUER_AND_SERIAL, _KEY_IDENTIFIER, _DIGEST = 0xA1, 0x82, 0x83


def _defects_of(parts: list[Tlv]) -> tuple[Defect, ...]:
    """Return the defects of one Deviation. What it says of some documents of a signer (by number, type or date) is not said of all."""
    criteria = list(children(parts[0].value))
    if len(criteria) != 1:
        return ()
    kinds = [
        _KINDS.get(object_id_text(part.value))
        for description in children(parts[1].value)
        for part in children(description.value)
        if part.tag == _OBJECT_ID
    ]
    return tuple(defect for kind in kinds if kind for defect in _of_signer(kind, criteria[0]))


def _of_signer(kind: DefectKind, criterion: Tlv) -> tuple[Defect, ...]:
    if criterion.tag == _ISSUER_AND_SERIAL:
        issuer, serial = children(criterion.value)
        name = name_of(x509.Name.load(encode_tlv(issuer.tag, issuer.value)))
        return (Defect(kind, signer_issuer=name, signer_serial=int.from_bytes(serial.value, "big", signed=True)),)
    if criterion.tag == _KEY_IDENTIFIER:
        return (Defect(kind, signer_key_identifier=criterion.value),)
    if criterion.tag == _DIGEST and len(criterion.value) == hashlib.sha256().digest_size:
        return (Defect(kind, signer_sha256=criterion.value.hex()),)
    return ()


def _verified(der: bytes, content_type: str, what: str) -> tuple[SignedContent, Certificate]:
    try:
        signed = read_signed_content(der, {content_type}, LIST_LIMIT_BYTES)
    except ContentMalformed as error:
        raise ListRefused(f"not {what}: {error}") from error
    signer = signed.signer_certificate()
    finding = verify_signature(signed, signer)
    if signer is None or finding is not SignatureFinding.RIGHT:
        raise ListRefused(f"the signature of {what} is {finding.replace('_', ' ')}")
    if not signer.is_authority and _SIGNER_USAGES[content_type] not in signer.extended_usages:
        raise ListRefused(f"the signer of {what}, {signer.title}, may sign other things")
    return signed, signer


def _root_of(signer: Certificate, roots: Iterable[Certificate]) -> Certificate | None:
    """Return the root that the signer is, or was issued under."""
    return next((root for root in roots if signer.sha256 == root.sha256 or signer.is_signed_by(root)), None)
