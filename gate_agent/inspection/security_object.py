"""EF.SOD and EF.CardSecurity: who signed them, and the hashes of data groups that they vouch for (ICAO 9303-10 §4.6.2, 9303-11 §5.1)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from asn1crypto import algos

from emrtd.public_keys import HASH_NAMES, WEAK_HASH_NAMES
from emrtd.security_infos import MalformedSecurityInfos, SecurityInfos, parse_security_infos
from emrtd.tlv import MalformedTlv, Tlv, children, encode_tlv, read_only_tlv, read_tlv
from gate_agent.domain.check import CheckOutcome
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.inspection.certificate_chain import ChainFinding, judge_chain
from gate_agent.inspection.certificate_defects import DefectKind, KnownDefects
from gate_agent.inspection.certificate_encoding import ENCODING_FAULTS
from gate_agent.inspection.chip_authenticity_tables import Aggregate, aggregate, security_object_signature
from gate_agent.inspection.trust_signed_content import (
    ID_DATA,
    ContentMalformed,
    SignatureFinding,
    SignedContent,
    read_signed_content,
    verify_signature,
)
from gate_agent.inspection.trust_store import TrustStore

OBJECT_LIMIT_BYTES = 65_536
SECURITY_OBJECT_TYPES = frozenset({"2.23.136.1.1.1", ID_DATA, "1.3.27.1.1.1"})
"""The types of content that EF.SOD is met with: the standard's, plain data, and that of the first edition."""
CARD_SECURITY_TYPES = frozenset({"0.4.0.127.0.7.3.2.1"})

_SOD_TAG, _SEQUENCE, _INTEGER, _OCTETS = 0x77, 0x30, 0x02, 0x04
_VERSIONS = (0, 1)
_DATA_GROUPS = range(1, 17)


class SecurityObjectMalformed(ValueError):
    """Signed content that is no list of data-group hashes."""


@dataclass(frozen=True, slots=True)
class DataGroupDigests:
    """LDSSecurityObject: `digests` by data-group number. `hash_name` may be one that this gate does not compute."""

    version: int
    hash_name: str
    digests: Mapping[int, bytes]

    @property
    def can_be_compared(self) -> bool:
        """Whether this gate computes the hash."""
        return self.hash_name in HASH_NAMES

    def is_identical(self, number: int, content: bytes) -> bool:
        """Whether the raw bytes of a data group have the digest that is vouched for."""
        return hashlib.new(self.hash_name, content).digest() == self.digests.get(number)


@dataclass(frozen=True, slots=True)
class SecurityObjectFinding:
    """One signed object after the look at it: its `outcome` (table 5.28) with reasons, and the chain of its signer.

    `is_proven`: the signature is right, however weak its hash; without it nothing that the object says counts for anything.
    """

    outcome: CheckOutcome
    reasons: tuple[Reason, ...]
    chain: ChainFinding
    defects: KnownDefects
    is_proven: bool = False
    digests: DataGroupDigests | None = None
    security_infos: SecurityInfos | None = None


def judge_sod(
    content: bytes, store: TrustStore, now: datetime | None, *, date_of_expiry: datetime | None = None
) -> SecurityObjectFinding:
    """Judge EF.SOD as read from the chip. Whatever the bytes are, the answer is a value, in bounded time and memory."""
    try:
        der = _whole_element(content, _SOD_TAG)
        signed = read_signed_content(der, SECURITY_OBJECT_TYPES, OBJECT_LIMIT_BYTES)
        digests = read_digests(signed.content)
    except (ContentMalformed, MalformedTlv, SecurityObjectMalformed) as error:
        return _malformed(str(error))
    return _judged(signed, store, now, date_of_expiry, DefectKind.SOD_MALFORMED, digests=digests)


def judge_card_security(content: bytes, store: TrustStore, now: datetime | None) -> SecurityObjectFinding:
    """Judge EF.CardSecurity, which vouches for the key of PACE with chip authentication mapping (ICAO 9303-11 §4.4.3.5)."""
    try:
        der = encode_tlv(_SEQUENCE, read_only_tlv(content, _SEQUENCE))
        signed = read_signed_content(der, CARD_SECURITY_TYPES, OBJECT_LIMIT_BYTES)
        infos = parse_security_infos(signed.content)
    except (ContentMalformed, MalformedTlv, MalformedSecurityInfos) as error:
        return _malformed(f"EF.CardSecurity: {error}")
    return _judged(signed, store, now, None, DefectKind.CARD_SECURITY_MALFORMED, infos=infos)


def _judged(
    signed: SignedContent,
    store: TrustStore,
    now: datetime | None,
    date_of_expiry: datetime | None,
    malformed_defect: DefectKind,
    *,
    digests: DataGroupDigests | None = None,
    infos: SecurityInfos | None = None,
) -> SecurityObjectFinding:
    signer = signed.signer_certificate(store.signers)
    defects = KnownDefects()
    if signer is None and len(signed.certificates) == 1:
        # a signer named wrongly is let pass only where the defect is known of the very certificate that is enclosed
        defects = store.known_defects(signed.certificates[0])
        signer = signed.certificates[0] if defects.has(DefectKind.WRONG_SIGNER_IDENTIFIER) else None
    elif signer is not None:
        defects = store.known_defects(signer)
    finding = verify_signature(signed, signer)
    known_malformed = defects.has(malformed_defect)
    is_hash_right, is_signature_right = _facts(finding)
    outcomes = [
        security_object_signature(is_hash_right, known_malformed=known_malformed),
        security_object_signature(is_signature_right, known_malformed=known_malformed),
    ]
    reasons = _signature_reasons(finding, signed)
    algorithm = signed.signer.algorithm
    # two hashes lead from the signature to the content: that of the attributes, and the digest of the content in them
    hash_names = {algorithm.hash_name, signed.signer.digest_name} if algorithm is not None else set()
    if finding is SignatureFinding.RIGHT and hash_names & WEAK_HASH_NAMES:
        outcomes.append(CheckOutcome.UNDETERMINED)
        reasons += [Reason(ReasonCode.ALGORITHM_WEAK, {"algorithm": name}) for name in hash_names & WEAK_HASH_NAMES]
    if known_malformed and finding is not SignatureFinding.RIGHT:
        reasons.append(Reason(ReasonCode.CERTIFICATE_DEFECT, {"defect": malformed_defect}))
    chain = judge_chain(signer, store, now, signing_time=signed.signer.signing_time, date_of_expiry=date_of_expiry)
    return SecurityObjectFinding(
        aggregate(Aggregate.SECURITY_OBJECT, outcomes),
        tuple(reasons),
        chain,
        defects,
        finding is SignatureFinding.RIGHT,
        digests,
        infos,
    )


def _facts(finding: SignatureFinding) -> tuple[bool | None, bool | None]:
    """Return what is known of the hash and of the signature; None: it cannot be said."""
    match finding:
        case SignatureFinding.RIGHT:
            return True, True
        case SignatureFinding.WRONG:
            return True, False
        case SignatureFinding.DIGEST_DIFFERS:
            return False, None
    return None, None


def _signature_reasons(finding: SignatureFinding, signed: SignedContent) -> list[Reason]:
    match finding:
        case SignatureFinding.RIGHT:
            return []
        case SignatureFinding.WRONG | SignatureFinding.DIGEST_DIFFERS:
            return [Reason(ReasonCode.SOD_SIGNATURE_WRONG)]
        case SignatureFinding.SIGNER_MISSING:
            return [Reason(ReasonCode.SOD_SIGNER_MISSING)]
        case SignatureFinding.ALGORITHM_UNKNOWN:
            return [Reason(ReasonCode.ALGORITHM_UNKNOWN, {"algorithm": signed.signer.algorithm_text})]
    return []  # a key that is none: the chain's reasons say so


def _malformed(detail: str) -> SecurityObjectFinding:
    """Nobody can be looked for behind an object that cannot be read: the object failed, its signer is undetermined."""
    reasons = (Reason(ReasonCode.SOD_MALFORMED, {"detail": detail[:120]}),)
    chain = ChainFinding(None, None, CheckOutcome.UNDETERMINED, reasons, revocation_reasons=reasons)
    return SecurityObjectFinding(CheckOutcome.FAILED, reasons, chain, KnownDefects())


def _whole_element(content: bytes, tag: int) -> bytes:
    """Return the value of the first element; only zeros may follow it, as some chips fill the file up."""
    element = read_tlv(content)
    if element.tag != tag or content[element.end :].strip(b"\x00"):
        raise MalformedTlv(f"the file does not hold one element {tag:X}")
    return element.value


def read_digests(encoded: bytes) -> DataGroupDigests:
    """Return the hashes of an LDSSecurityObject (version 0 or 1). Raises `SecurityObjectMalformed`."""
    try:
        return _digests(encoded)
    except SecurityObjectMalformed:
        raise
    except (*ENCODING_FAULTS, MalformedTlv) as error:
        raise SecurityObjectMalformed(f"not a security object: {error}"[:120]) from error


def _digests(encoded: bytes) -> DataGroupDigests:
    version, algorithm, groups, *rest = children(read_only_tlv(encoded, _SEQUENCE))
    name = algos.DigestAlgorithm.load(encode_tlv(algorithm.tag, algorithm.value), strict=True)["algorithm"].native
    number = _small_integer(version)
    if number not in _VERSIONS or groups.tag != _SEQUENCE or len(rest) > 1:
        raise SecurityObjectMalformed(f"a security object of version {number}")
    digests: dict[int, bytes] = {}
    for entry in children(groups.value):
        group, digest = children(entry.value)
        index = _small_integer(group)
        if entry.tag != _SEQUENCE or digest.tag != _OCTETS or index not in _DATA_GROUPS or index in digests:
            raise SecurityObjectMalformed(f"a hash of data group {index} out of place")
        digests[index] = digest.value
    if not digests:
        raise SecurityObjectMalformed("a security object without data groups")
    return DataGroupDigests(number, name, digests)


def _small_integer(element: Tlv) -> int:
    if element.tag != _INTEGER or len(element.value) != 1:
        raise SecurityObjectMalformed("a number is expected")
    return element.value[0]
