"""The verdict on a chip: each axis by itself, from what the reader saw and what the trust bundle holds (TR-03135-1 §5.6).

Nothing here is one boolean: access, content, signature, chain, revocation, issuing state, genuineness and the comparison with the printed
zone are results of their own, and the policy says what they are worth together. What was not read is aborted or undetermined.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time

from drivers.contracts import ChipAccess, ChipEvidence, ProtocolOutcome
from emrtd.data_groups import MalformedDataGroup, mrz_lines, portrait
from emrtd.files import CARD_SECURITY, EF_SOD
from gate_agent.domain.check import CheckName, CheckOutcome, CheckResult, Compared
from gate_agent.domain.mrz_comparison import compare_mrz_with_dg1
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.specimens import check_test_authority
from gate_agent.domain.states import same_state
from gate_agent.domain.travel_document import TravelDocument
from gate_agent.inspection.chip_authenticity_content import judge_content
from gate_agent.inspection.chip_authenticity_genuineness import judge_genuineness
from gate_agent.inspection.chip_authenticity_tables import (
    Aggregate,
    ObjectPresence,
    ProtocolFinding,
    access_protocol,
    aggregate,
    issuing_state,
    security_objects,
)
from gate_agent.inspection.security_object import SecurityObjectFinding, judge_card_security, judge_sod
from gate_agent.inspection.trust_bundle import TrustBundle
from gate_agent.inspection.trust_store import TrustStore

_NO_STORE = TrustStore(())
_SIGNED_FILES = {"SOD": EF_SOD.name, "CardSecurity": CARD_SECURITY.name}
_SIGNERS = {"SOD": "sod_signer", "CardSecurity": "card_security_signer"}
_NOT_RUN = (ProtocolOutcome.NOT_OFFERED, ProtocolOutcome.NOT_TRIED)


@dataclass(frozen=True, slots=True)
class ChipVerdict:
    """Every electronic check, the zone of DG1 and the portrait of DG2 (still encoded; whether they are proven is in the results)."""

    results: tuple[CheckResult, ...]
    mrz_lines: tuple[str, ...] = ()
    portrait: bytes | None = None


@dataclass(frozen=True, slots=True)
class ChipJudge:
    """Judges chips against one bundle. `bundle` None: there is none that can be used, and nothing that needs one is successful."""

    bundle: TrustBundle | None
    age_limit_days: float

    def security_object(self, content: bytes, now: datetime | None) -> tuple[CheckResult, ...]:
        """Judge EF.SOD by itself: signature, chain, revocation."""
        return self.signer_results({"SOD": judge_sod(content, self._store, now)}, now)

    def chip(self, evidence: ChipEvidence, document: TravelDocument | None, now: datetime | None) -> ChipVerdict:
        """Judge everything a read gave. `document` is the printed zone, None where it could not be read."""
        lines = _lines(evidence)
        findings = self._findings(evidence, document, now)
        sod, card_security = findings.get("SOD"), findings.get("CardSecurity")
        content = judge_content(sod.digests, evidence, sod.defects) if sod is not None and sod.digests else None
        if content is not None:
            content_result = CheckResult(CheckName.CHIP_CONTENT, content.outcome, content.reasons)
        else:
            content_result = _nothing_compared(evidence, sod)
        genuineness = judge_genuineness(evidence, sod, content, card_security)
        empty = [name for name, file in _SIGNED_FILES.items() if evidence.files.get(file) == b""]
        results = (
            _access(evidence),
            *self.signer_results(findings, now, empty, _aborted(evidence)),
            content_result,
            _issuing_state(lines, evidence, sod),
            CheckResult(CheckName.CHIP_GENUINENESS, genuineness.outcome, genuineness.reasons, genuineness.compared),
            _mrz_against_dg1(document, lines, evidence),
        )
        return ChipVerdict((*results, *_for_tests(findings)), lines, _portrait(evidence))

    def _findings(
        self, evidence: ChipEvidence, document: TravelDocument | None, now: datetime | None
    ) -> dict[str, SecurityObjectFinding]:
        """Judge the signed files that were read; EF.CardSecurity only where PACE leaned on it."""
        found = {}
        sod, card_security = (evidence.files.get(file) for file in _SIGNED_FILES.values())
        if sod:
            expiry = document.date_of_expiry if document is not None else None
            until = None if expiry is None else datetime.combine(expiry, time.max, UTC)
            found["SOD"] = judge_sod(sod, self._store, now, date_of_expiry=until)
        if card_security and evidence.chip_authentication_mapping not in _NOT_RUN:
            found["CardSecurity"] = judge_card_security(card_security, self._store, now)
        return found

    @property
    def _store(self) -> TrustStore:
        return self.bundle.store if self.bundle is not None else _NO_STORE

    def _bundle_reason(self, now: datetime | None) -> Reason | None:
        if self.bundle is None:
            return Reason(ReasonCode.TRUST_BUNDLE_MISSING)
        if now is not None and self.bundle.is_stale(now, self.age_limit_days):
            return Reason(ReasonCode.TRUST_BUNDLE_STALE)
        return None

    def signer_results(
        self,
        findings: Mapping[str, SecurityObjectFinding],
        now: datetime | None,
        empty: Iterable[str] = (),
        aborted: tuple[Reason, ...] = (),
    ) -> tuple[CheckResult, CheckResult, CheckResult]:
        """Return signature, chain and revocation over the security objects by name; `aborted` says why the read broke off, if it did."""
        presence = dict.fromkeys(empty, (ObjectPresence.EMPTY, CheckOutcome.UNDETERMINED))
        presence |= {name: (ObjectPresence.READ, finding.outcome) for name, finding in findings.items()}
        signature = security_objects(presence)
        reasons = _distinct(reason for finding in findings.values() for reason in finding.reasons)
        if "SOD" not in findings:
            reasons = (*(aborted or (Reason(ReasonCode.SOD_MISSING),)), *reasons)
            if aborted and signature is not CheckOutcome.FAILED:
                signature = CheckOutcome.ABORTED
        chains = {name: finding.chain for name, finding in findings.items()}
        without_sod = [] if "SOD" in chains else [CheckOutcome.ABORTED if aborted else CheckOutcome.UNDETERMINED]
        missing = () if "SOD" in chains else reasons
        compared = tuple(
            Compared(
                _SIGNERS[name], " ← ".join(one.title for one in (chain.signer, chain.issuer) if one is not None), ""
            )
            for name, chain in chains.items()
            if chain.signer is not None
        )
        table = Aggregate.ISSUER_CERTIFICATES
        chain_outcome = aggregate(table, (*without_sod, *(chain.outcome for chain in chains.values())))
        chain_reasons = _distinct((*missing, *(reason for chain in chains.values() for reason in chain.reasons)))
        revoked = aggregate(table, (*without_sod, *(chain.revocation_outcome for chain in chains.values())))
        revoked_reasons = _distinct(
            (*missing, *(reason for chain in chains.values() for reason in chain.revocation_reasons))
        )
        return (
            CheckResult(CheckName.SOD_SIGNATURE, signature, reasons),
            self._bounded(CheckResult(CheckName.CERTIFICATE_CHAIN, chain_outcome, chain_reasons, compared), now),
            self._bounded(CheckResult(CheckName.CERTIFICATE_REVOCATION, revoked, revoked_reasons), now),
        )

    def _bounded(self, result: CheckResult, now: datetime | None) -> CheckResult:
        """Let nothing be successful by a bundle that is missing or too old; what it does find against a document stands."""
        reason = self._bundle_reason(now)
        if reason is None:
            return result
        if result.outcome in (CheckOutcome.FAILED, CheckOutcome.ABORTED):
            return replace(result, reasons=(*result.reasons, reason))
        reasons = (reason,) if self.bundle is None else (reason, *result.reasons)
        return replace(result, outcome=CheckOutcome.UNDETERMINED, reasons=reasons)


def _for_tests(findings: Mapping[str, SecurityObjectFinding]) -> tuple[CheckResult, ...]:
    """Say so where a signer, or whoever issued its certificate, calls itself one for tests; nothing where none does."""
    for finding in findings.values():
        signer = finding.chain.signer
        if signer is not None:
            names = {
                whose: "; ".join(text for _, text in name)
                for whose, name in (("signer", signer.subject), ("issuer", signer.issuer))
            }
            found = check_test_authority(names, signer.country)
            if found is not None:
                return (found,)
    return ()


def _nothing_compared(evidence: ChipEvidence, sod: SecurityObjectFinding | None) -> CheckResult:
    """Say why no data group could be compared: EF.SOD did not come, or holds no hashes."""
    aborted = _aborted(evidence) if sod is None else ()
    outcome = CheckOutcome.ABORTED if aborted else CheckOutcome.UNDETERMINED
    reasons = aborted or ((Reason(ReasonCode.SOD_MISSING),) if sod is None else sod.reasons)
    return CheckResult(CheckName.CHIP_CONTENT, outcome, reasons)


def _aborted(evidence: ChipEvidence) -> tuple[Reason, ...]:
    return (Reason(ReasonCode.CHIP_ABORTED, {"fault": evidence.fault}),) if evidence.fault else ()


def _distinct(reasons: Iterable[Reason]) -> tuple[Reason, ...]:
    found: list[Reason] = []
    for reason in reasons:
        if reason not in found:
            found.append(reason)
    return tuple(found)


_ACCESS_FINDINGS = {
    ProtocolOutcome.SUCCEEDED: ProtocolFinding.HOLDS,
    ProtocolOutcome.FAILED: ProtocolFinding.FAILED,
    ProtocolOutcome.NOT_OFFERED: ProtocolFinding.LACKING,
    ProtocolOutcome.NOT_TRIED: ProtocolFinding.LACKING,
    ProtocolOutcome.ABORTED: ProtocolFinding.ABORTED,
}


def _access(evidence: ChipEvidence) -> CheckResult:
    """Tables 5.17 to 5.20. A chip that gave no file and that no protocol was tried with is no open chip: it was not read."""
    tried = {"PACE": evidence.pace, "BAC": evidence.basic_access}
    outcomes = [access_protocol(_ACCESS_FINDINGS[outcome]) for outcome in tried.values()]
    outcome = aggregate(Aggregate.BASIC_ACCESS_OR_PACE, outcomes)
    is_open = evidence.access is not ChipAccess.NONE
    if outcome is CheckOutcome.SUCCESSFUL and not is_open:
        outcome = CheckOutcome.ABORTED
    if outcome is CheckOutcome.NOT_SUPPORTED and not evidence.files:
        outcome = CheckOutcome.ABORTED
    compared = (
        (Compared("access", " ".join(filter(None, (str(evidence.access), evidence.pace_protocol))), ""),)
        if is_open
        else ()
    )
    reasons: tuple[Reason, ...] = ()
    if outcome is CheckOutcome.FAILED:
        refused = [name for name, one in tried.items() if one is ProtocolOutcome.FAILED]
        reasons = tuple(Reason(ReasonCode.CHIP_ACCESS_REFUSED, {"protocol": name}) for name in refused)
    elif outcome is CheckOutcome.ABORTED:
        reasons = _aborted(evidence) or (Reason(ReasonCode.CHIP_ABSENT),)
    return CheckResult(CheckName.CHIP_ACCESS, outcome, reasons, compared)


def _lines(evidence: ChipEvidence) -> tuple[str, ...]:
    try:
        return mrz_lines(evidence.files["DG1"])
    except (KeyError, MalformedDataGroup):
        return ()


def _portrait(evidence: ChipEvidence) -> bytes | None:
    try:
        return portrait(evidence.files["DG2"]).content
    except (KeyError, MalformedDataGroup):
        return None


def _without_dg1(check: CheckName, evidence: ChipEvidence) -> CheckResult:
    is_read = "DG1" in evidence.files
    if evidence.fault and not is_read:
        return CheckResult(check, CheckOutcome.ABORTED, _aborted(evidence))
    code = ReasonCode.DATA_GROUP_MALFORMED if is_read else ReasonCode.DATA_GROUP_NOT_READ
    return CheckResult(check, CheckOutcome.UNDETERMINED, (Reason(code, {"group": "DG1"}),))


def _issuing_state(lines: tuple[str, ...], evidence: ChipEvidence, sod: SecurityObjectFinding | None) -> CheckResult:
    """Table 5.43: the state in DG1 against that of the document signer's certificate."""
    check = CheckName.ISSUING_STATE
    if not lines:
        return _without_dg1(check, evidence)
    if sod is None or sod.chain.signer is None:
        aborted = _aborted(evidence) if sod is None else ()
        outcome = CheckOutcome.ABORTED if aborted else CheckOutcome.UNDETERMINED
        missing = ReasonCode.SOD_MISSING if sod is None else ReasonCode.SOD_SIGNER_MISSING
        return CheckResult(check, outcome, aborted or (Reason(missing),))
    code, country = lines[0][2:5], sod.chain.country
    is_same = same_state(code, country) if country else None
    compared = (Compared("issuing_state", code.rstrip("<"), country),)
    reasons: tuple[Reason, ...] = ()
    if is_same is None:
        reasons = (Reason(ReasonCode.STATE_CODE_UNKNOWN, {"code": code.rstrip("<") if country else "??"}),)
    elif not is_same:
        reasons = (Reason(ReasonCode.ISSUING_STATE_DIFFERS, {"found": code.rstrip("<"), "expected": country}),)
    return CheckResult(check, issuing_state(is_same), reasons, compared)


def _mrz_against_dg1(document: TravelDocument | None, lines: tuple[str, ...], evidence: ChipEvidence) -> CheckResult:
    """Table 5.46; without a printed zone or without DG1 there is nothing to compare."""
    check = CheckName.MRZ_AGAINST_DG1
    if not lines and not evidence.used_card_access_number:
        return _without_dg1(check, evidence)
    if document is None and not evidence.used_card_access_number:
        return CheckResult(check, CheckOutcome.UNDETERMINED, (Reason(ReasonCode.MRZ_UNREADABLE),))
    printed = document.lines if document is not None else ()
    return compare_mrz_with_dg1(printed, lines, evidence.used_card_access_number)
