"""What a visible digital seal is worth (BSI TR-03135-1 §5.9; ICAO 9303-13 and its JSON form VDS-NC), each check with one of the five values.

Bytes of a barcode in, a `CheckResult` with the fields of the seal out. Nothing here has a clock or a device, and no input raises.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from emrtd.public_keys import AlgorithmUnknown, KeyUnusable, SignatureAlgorithm, SignatureScheme, verify_with
from gate_agent.domain.check import CheckName, CheckOutcome, CheckResult, Compared, join
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.states import same_state
from gate_agent.domain.travel_document import TravelDocument
from gate_agent.inspection.certificate_reading import Certificate, CertificateMalformed, read_certificate
from gate_agent.inspection.trust_store import TrustStore
from gate_agent.inspection.visible_seal_checks import SealCheck, SignerTrust, judge
from gate_agent.inspection.visible_seal_comparison import ComparedSides, against_passport, against_person, against_zone
from gate_agent.inspection.visible_seal_format import Seal, SealMalformed, is_seal, parse_seal
from gate_agent.inspection.visible_seal_json import JsonSeal, is_json_seal, parse_json_seal
from gate_agent.inspection.visible_seal_signers import (
    SignerFinding,
    find_signers,
    judge_signer,
    key_of,
    unknown,
    unsigned,
)
from gate_agent.inspection.visible_seal_types import (
    SEAL_TYPES,
    FieldText,
    digits_outcome,
    read_features,
)

_S, _F, _U, _N, _A = (
    CheckOutcome.SUCCESSFUL, CheckOutcome.FAILED, CheckOutcome.UNDETERMINED, CheckOutcome.NOT_SUPPORTED, CheckOutcome.ABORTED
)  # fmt: skip
_DATE_ALLOWANCE = timedelta(days=1)  # a date has no time zone
_JSON_ALGORITHM, _JSON_CURVE = "ES256", "secp256r1"
_HASHES = {160: "sha224", 192: "sha224", 224: "sha224", 256: "sha256", 320: "sha384", 384: "sha384"}


@dataclass(frozen=True, slots=True)
class Printed:
    """What is printed beside a seal, as far as it was read: the zone that the seal repeats, and the passport that it belongs to."""

    zone: TravelDocument | None = None
    passport: TravelDocument | None = None


@dataclass(frozen=True, slots=True)
class SealInspection:
    """A judged seal. `fields` by ICAO names, `checks` by name with every group, `document` from the zone inside the seal."""

    result: CheckResult
    fields: Mapping[str, FieldText]
    checks: Mapping[str, CheckOutcome]
    document: TravelDocument | None = None


def inspect_seal(
    content: bytes, store: TrustStore, now: datetime, *, printed: Printed | None = None, is_time_trusted: bool = True
) -> SealInspection:
    """Judge the bytes of one seal at `now` (aware) with the certificates of `store`. Never raises on any bytes."""
    started_s = time.perf_counter()
    try:
        if is_json_seal(content):
            found = _inspect_json(
                parse_json_seal(content), store, now, printed or Printed(), is_time_trusted=is_time_trusted
            )
        else:
            found = _inspect_bytes(
                parse_seal(content), store, now, printed or Printed(), is_time_trusted=is_time_trusted
            )
    except SealMalformed as malformed:
        reason = Reason(ReasonCode.VISIBLE_SEAL_MALFORMED, {"detail": str(malformed)})
        found = _concluded({SealCheck.PRESENCE: _S, SealCheck.STRUCTURE: _F}, SignerTrust.NOT_SUPPORTED, (reason,), {})
    duration_ms = (time.perf_counter() - started_s) * 1000
    return replace(found, result=replace(found.result, duration_ms=duration_ms))


def inspect_page(
    contents: Sequence[bytes],
    store: TrustStore,
    now: datetime,
    *,
    expected_types: frozenset[str] = frozenset(),
    is_expected: bool = False,
    printed: Printed | None = None,
    is_time_trusted: bool = True,
) -> SealInspection:
    """Judge the seals of one page (§5.9). `expected_types`: the document types, by name, that the page must have a seal of; empty: unknown.

    With `is_expected` there must be one, whatever its type.
    Of several seals the expected one is inspected, else the one whose content is the most critical; when neither is known, the check is
    aborted. That there were several is told in any case.
    """
    different = tuple(dict.fromkeys(contents))
    if not different:
        return _absent(is_expected=is_expected or bool(expected_types))
    several = (Reason(ReasonCode.VISIBLE_SEAL_SEVERAL),) if len(different) > 1 else ()
    chosen = _chosen(different, expected_types)
    if chosen is None:
        result = CheckResult(CheckName.VISIBLE_SEAL, _A, several)
        return SealInspection(result, {}, {SealCheck.PRESENCE.value: _A})
    found = inspect_seal(chosen, store, now, printed=printed, is_time_trusted=is_time_trusted)
    if expected_types and found.fields.get("document_type") not in expected_types and found.result.outcome is _S:
        reasons = (Reason(ReasonCode.VISIBLE_SEAL_TYPE_UNKNOWN, {"type": str(found.fields.get("document_type"))}),)
        found = replace(found, result=replace(found.result, outcome=_F, reasons=reasons))
        found = replace(found, checks={**found.checks, SealCheck.TECHNOLOGY.value: _F})
    return replace(found, result=replace(found.result, reasons=(*found.result.reasons, *several)))


def _absent(*, is_expected: bool) -> SealInspection:
    """Table 5.57: missing where one is expected, not supported where none is."""
    checks = {SealCheck.PRESENCE: _F if is_expected else _N}
    reasons = (Reason(ReasonCode.VISIBLE_SEAL_MISSING),) if is_expected else ()
    return _concluded(checks, SignerTrust.NOT_SUPPORTED, reasons, {})


def _chosen(contents: Sequence[bytes], expected_types: frozenset[str]) -> bytes | None:
    """Return the one seal to inspect, None when nothing tells which."""
    if len(contents) == 1:
        return contents[0]
    ranked = [(content, *_rank(content)) for content in contents]
    expected = [content for content, name, _ in ranked if name in expected_types]
    if len(expected) == 1:
        return expected[0]
    greatest = max(criticality for _, _, criticality in ranked)
    most_critical = [content for content, _, criticality in ranked if criticality == greatest]
    return most_critical[0] if greatest and len(most_critical) == 1 else None


def _rank(content: bytes) -> tuple[str, int]:
    """Return the type's name and how much hangs on it; 0 when it is not known or the seal is malformed."""
    try:
        if is_json_seal(content):
            seal = parse_json_seal(content)
            return seal.type_name, seal.criticality
        kind = SEAL_TYPES.get(parse_seal(content).type_code) if is_seal(content) else None
    except SealMalformed:
        return "", 0
    return (kind.name, kind.criticality) if kind is not None else ("", 0)


def _inspect_bytes(
    seal: Seal, store: TrustStore, now: datetime, printed: Printed, *, is_time_trusted: bool
) -> SealInspection:
    reading = read_features(seal, now.date())
    checks = {SealCheck.PRESENCE: _S, SealCheck.DECODING: _S, SealCheck.STRUCTURE: _S}
    checks[SealCheck.SEMANTICS], reasons = _semantics(seal, reading.is_known, reading.problem, now)
    checks[SealCheck.CHECK_DIGITS] = digits_outcome(reading.digits)
    reasons += [
        Reason(ReasonCode.MRZ_CHECK_DIGIT_WRONG, {"field": one.field, "found": one.found, "expected": one.expected})
        for one in reading.digits
        if one.outcome is not _S
    ]
    signature, finding, certificate = _signed_by(seal, store, now, is_time_trusted=is_time_trusted)
    checks |= {SealCheck.SIGNATURE: signature, SealCheck.DIGEST: _N, **finding.checks}
    if signature is _F:
        reasons.append(Reason(ReasonCode.VISIBLE_SEAL_SIGNATURE_WRONG))
    if not seal.signature:
        reasons.append(Reason(ReasonCode.VISIBLE_SEAL_MALFORMED, {"detail": "nobody signed it"}))
    reasons += finding.reasons
    if certificate is not None:
        state = printed.zone.issuing_state if printed.zone is not None else seal.issuing_state
        country_checks, country_reasons = _country(state, certificate)
        checks |= country_checks
        reasons += country_reasons
    found = _concluded(checks, finding.trust, tuple(reasons), reading.fields)
    found = replace(found, document=reading.document)
    return _compared(
        found,
        {
            "seal_against_mrz": against_zone(reading.document, printed.zone),
            "seal_against_passport": against_passport(str(reading.fields.get("passport_number", "")), printed.passport),
        },
    )


def _semantics(seal: Seal, is_known: bool, problem: str, now: datetime) -> tuple[CheckOutcome, list[Reason]]:
    """Table 5.62: what its type says that it must hold; an unknown type leaves that open."""
    if seal.signature_date is not None and seal.signature_date > (now + _DATE_ALLOWANCE).date():
        problem = problem or "its signature date lies in the future"
    if problem:
        return _F, [Reason(ReasonCode.VISIBLE_SEAL_MALFORMED, {"detail": problem})]
    if not is_known:
        return _U, [Reason(ReasonCode.VISIBLE_SEAL_TYPE_UNKNOWN, {"type": seal.type_code})]
    return _S, []


def _signed_by(
    seal: Seal, store: TrustStore, now: datetime, *, is_time_trusted: bool
) -> tuple[CheckOutcome, SignerFinding, Certificate | None]:
    """Return the value of 5.70, the finding on the signer, and the certificate that it is about (None: none is held)."""
    if not seal.signature:
        return _N, unsigned(), None
    candidates = find_signers(store, seal.signer, seal.certificate_reference)
    if not candidates:
        return _U, unknown(seal.signer_title), None
    outcomes = [(_verified(seal.signed_bytes, seal.signature, one), one) for one in candidates]
    outcome, certificate = next((pair for pair in outcomes if pair[0] is _S), outcomes[0])
    finding = judge_signer(certificate, store, now, is_listed=True, is_time_trusted=is_time_trusted)
    return outcome, _with_unusable_key(finding, certificate, outcome), certificate


def _verified(message: bytes, signature: bytes, certificate: Certificate) -> CheckOutcome:
    """Table 5.70 for raw r || s; the hash follows the size of the key (ICAO 9303-13 §2.4)."""
    key = key_of(certificate)
    if key is None or key.curve is None:
        return _U
    algorithm = SignatureAlgorithm(SignatureScheme.ECDSA_PLAIN, _HASHES.get(key.bits, "sha512"))
    try:
        return _S if verify_with(key, signature, message, algorithm) else _F
    except (KeyUnusable, AlgorithmUnknown):
        return _U


def _with_unusable_key(finding: SignerFinding, certificate: Certificate, signature: CheckOutcome) -> SignerFinding:
    if signature is not _U:
        return finding
    key = key_of(certificate)
    reason = Reason(ReasonCode.ALGORITHM_UNKNOWN, {"algorithm": key.kind if key is not None else "public key"})
    return replace(finding, reasons=(*finding.reasons, reason))


def _country(state: str, certificate: Certificate) -> tuple[dict[SealCheck, CheckOutcome], list[Reason]]:
    """Tables 5.73 to 5.75: the state of the printed zone (of the seal, where none was read) against the certificate's names."""
    checks: dict[SealCheck, CheckOutcome] = {}
    reasons: list[Reason] = []
    for check, country in (
        (SealCheck.STATE_AGAINST_ISSUER, certificate.issuer_country),
        (SealCheck.STATE_AGAINST_SUBJECT, certificate.country),
    ):
        checks[check] = _same_state(state, country)
        if checks[check] is _F:
            reasons.append(Reason(ReasonCode.ISSUING_STATE_DIFFERS, {"found": state, "expected": country}))
        elif checks[check] is _U:
            reasons.append(Reason(ReasonCode.STATE_CODE_UNKNOWN, {"code": state}))
    subject, issuer = certificate.country, certificate.issuer_country
    checks[SealCheck.SUBJECT_AGAINST_ISSUER] = _N if not subject or not issuer else _S if subject == issuer else _F
    if checks[SealCheck.SUBJECT_AGAINST_ISSUER] is _F:
        reasons.append(Reason(ReasonCode.ISSUING_STATE_DIFFERS, {"found": subject, "expected": issuer}))
    unique = [reason for number, reason in enumerate(reasons) if reason not in reasons[:number]]
    return checks, unique


def _same_state(state: str, country: str) -> CheckOutcome:
    if not state or not country:
        return _N
    is_same = same_state(state, country)
    return _U if is_same is None else _S if is_same else _F


def _inspect_json(
    seal: JsonSeal, store: TrustStore, now: datetime, printed: Printed, *, is_time_trusted: bool
) -> SealInspection:
    checks = {SealCheck.PRESENCE: _S, SealCheck.DECODING: _S, SealCheck.STRUCTURE: _S, SealCheck.DIGEST: _N}
    reasons: list[Reason] = []
    checks[SealCheck.SEMANTICS] = _S if seal.criticality else _U
    if not seal.criticality:
        reasons.append(Reason(ReasonCode.VISIBLE_SEAL_TYPE_UNKNOWN, {"type": seal.type_name}))
    try:
        certificate = read_certificate(seal.certificate)
    except CertificateMalformed:
        reason = Reason(ReasonCode.CERTIFICATE_MALFORMED, {"certificate": "signer"})
        checks[SealCheck.SIGNER_CERTIFICATE] = _F
        return _concluded(checks, SignerTrust.NOT_TRUSTED, (*reasons, reason), seal.fields)
    checks[SealCheck.SIGNATURE] = _json_signature(seal, certificate)
    if checks[SealCheck.SIGNATURE] is _F:
        reasons.append(Reason(ReasonCode.VISIBLE_SEAL_SIGNATURE_WRONG))
    elif checks[SealCheck.SIGNATURE] is _U:
        reasons.append(Reason(ReasonCode.ALGORITHM_UNKNOWN, {"algorithm": seal.algorithm}))
    finding = judge_signer(certificate, store, now, is_listed=False, is_time_trusted=is_time_trusted)
    checks |= finding.checks
    reasons += finding.reasons
    # A certificate of another state, or of one that is in no table, proves nothing of what the seal says: undetermined, no accusation.
    if same_state(seal.issuing_state, certificate.country) is True:
        checks[SealCheck.STATE_AGAINST_SUBJECT] = _S
    else:
        checks[SealCheck.STATE_AGAINST_SUBJECT] = _U
        parameters = {"found": seal.issuing_state, "expected": certificate.country}
        reasons.append(Reason(ReasonCode.ISSUING_STATE_DIFFERS, parameters))
    found = _concluded(checks, finding.trust, tuple(reasons), seal.fields)
    return _compared(found, {"seal_against_mrz": against_person(seal.fields, printed.zone)})


def _json_signature(seal: JsonSeal, certificate: Certificate) -> CheckOutcome:
    """Table 5.70 for VDS-NC: ES256, and a key that is one of its curve."""
    if seal.algorithm != _JSON_ALGORITHM:
        return _U
    key = key_of(certificate)
    if key is None:
        return _U
    if key.curve is None or key.curve.name != _JSON_CURVE:
        return _F
    return _verified(seal.signed_bytes, seal.signature, certificate)


def _compared(found: SealInspection, comparisons: Mapping[str, ComparedSides]) -> SealInspection:
    """Add tables 5.53 and 5.50, where something printed was read."""
    outcome, reasons, checks = found.result.outcome, list(found.result.reasons), dict(found.checks)
    for name, (value, why) in comparisons.items():
        checks[name] = value
        reasons += why
        if value is not _N:
            outcome = join(outcome, value)
    return replace(found, result=replace(found.result, outcome=outcome, reasons=tuple(reasons)), checks=checks)


def _concluded(
    checks: Mapping[SealCheck, CheckOutcome],
    trust: SignerTrust,
    reasons: tuple[Reason, ...],
    fields: Mapping[str, FieldText],
) -> SealInspection:
    verdict = judge(checks, trust)
    compared = (Compared("signer_trust", trust.value, SignerTrust.TRUSTED.value),)
    told = {check.value: outcome for check, outcome in checks.items()}
    told |= {group.value: outcome for group, outcome in verdict.groups.items()}
    return SealInspection(CheckResult(CheckName.VISIBLE_SEAL, verdict.outcome, reasons, compared), fields, told)
