"""Whether the chip is the one that was issued and no copy: AA, CA and PACE-CAM (TR-03135-1 tables 5.23 to 5.26).

A protocol shows that the chip holds a private key. It proves something about the document only when the public key stands in a data
group that a verified security object vouches for, or in an EF.CardSecurity whose own signature and chain hold.
"""

from __future__ import annotations

from dataclasses import dataclass

from drivers.contracts import ChipAccess, ChipEvidence, ProtocolOutcome
from emrtd.data_groups import MalformedDataGroup, active_authentication_key
from emrtd.public_keys import AlgorithmUnknown, KeyUnusable
from emrtd.security_infos import MalformedSecurityInfos, SecurityInfos, parse_security_infos
from gate_agent.domain.check import CheckOutcome, Compared
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.inspection.certificate_defects import DefectKind, KnownDefects
from gate_agent.inspection.chip_authenticity_active import verify_active_authentication
from gate_agent.inspection.chip_authenticity_content import ContentFinding
from gate_agent.inspection.chip_authenticity_tables import (
    Aggregate,
    ProtocolFinding,
    aggregate,
    authentication_protocol,
)
from gate_agent.inspection.security_object import SecurityObjectFinding

AA, CA, CAM = "AA", "CA", "CAM"
_COMPROMISED = {
    AA: DefectKind.ACTIVE_AUTHENTICATION_KEY_COMPROMISED,
    CA: DefectKind.CHIP_AUTHENTICATION_KEY_COMPROMISED,
    CAM: DefectKind.CHIP_AUTHENTICATION_KEY_COMPROMISED,
}


@dataclass(frozen=True, slots=True)
class GenuinenessFinding:
    """Table 5.23 with the reasons, and each protocol's own result for the guard."""

    outcome: CheckOutcome
    reasons: tuple[Reason, ...]
    compared: tuple[Compared, ...]


def judge_genuineness(
    evidence: ChipEvidence,
    sod: SecurityObjectFinding | None,
    content: ContentFinding | None,
    card_security: SecurityObjectFinding | None,
) -> GenuinenessFinding:
    """Return what the protocols prove. `sod` None: it was not read; `content` None: nothing could be compared."""
    defects = sod.defects if sod is not None else KnownDefects()
    proven = _Proven(evidence, sod, content, card_security)
    findings = {
        AA: _active_authentication(evidence, proven),
        CA: _with_key(evidence.chip_authentication, evidence, proven.security_infos, is_announced=proven.announces_ca),
        CAM: _with_key(
            evidence.chip_authentication_mapping,
            evidence,
            proven.card_security_infos,
            is_announced=_announces_mapping(evidence),
        ),
    }
    outcomes = {
        name: authentication_protocol(
            finding, key_compromised=defects.has(_COMPROMISED[name]), known_to_fail=defects.may_fail(name)
        )
        for name, finding in findings.items()
    }
    outcome = aggregate(Aggregate.CHIP_GENUINENESS, outcomes.values())
    reasons = [
        reason for name in outcomes for reason in _reasons(name, findings[name], outcomes[name], outcome, evidence)
    ]
    if outcome is CheckOutcome.NOT_SUPPORTED:
        reasons.append(Reason(ReasonCode.CHIP_AUTHENTICATION_ABSENT))
    compared = tuple(Compared(name, str(one), str(CheckOutcome.SUCCESSFUL)) for name, one in outcomes.items())
    return GenuinenessFinding(outcome, tuple(reasons), compared)


class _Proven:
    """The keys that somebody vouches for; None where nobody does, or the file is not there."""

    def __init__(
        self,
        evidence: ChipEvidence,
        sod: SecurityObjectFinding | None,
        content: ContentFinding | None,
        card_security: SecurityObjectFinding | None,
    ) -> None:
        is_proven = sod is not None and sod.is_proven and content is not None
        self.listed = frozenset(sod.digests.digests) if sod is not None and sod.digests is not None else None
        self.dg15 = evidence.files.get("DG15")
        self.is_dg15_proven = is_proven and content is not None and content.is_proven(15)
        self.security_infos: SecurityInfos | None = None
        dg14 = evidence.files.get("DG14")
        if dg14 is not None and is_proven and content is not None and content.is_proven(14):
            try:
                self.security_infos = parse_security_infos(dg14)
            except MalformedSecurityInfos:
                self.security_infos = None
        self.announces_ca = self._announces_ca(dg14)
        holds = card_security is not None and card_security.is_proven
        if holds and card_security is not None:  # without a document it belongs to, it belongs to none
            same_country = sod is not None and card_security.chain.country == sod.chain.country
            holds = same_country and card_security.chain.outcome is CheckOutcome.SUCCESSFUL
        self.card_security_infos = card_security.security_infos if holds and card_security is not None else None

    def lists(self, number: int) -> bool | None:
        """Whether EF.SOD lists a data group; None: the list was not read."""
        return None if self.listed is None else number in self.listed

    def _announces_ca(self, dg14: bytes | None) -> bool | None:
        """Whether chip authentication is announced; None: what would say so was not read, or nobody vouches for it."""
        if self.security_infos is not None:
            return bool(self.security_infos.chip_authentication_keys)
        return False if dg14 is None and self.lists(14) is False else None


def _active_authentication(evidence: ChipEvidence, proven: _Proven) -> ProtocolFinding:
    if evidence.active_authentication is ProtocolOutcome.ABORTED:
        return ProtocolFinding.ABORTED
    if not evidence.challenge or not evidence.response:
        # a chip that lists DG15 has the protocol, whatever it answers
        if proven.dg15 is None and proven.lists(15) is False and evidence.active_authentication in _NOTHING:
            return ProtocolFinding.LACKING
        is_refused = evidence.active_authentication is ProtocolOutcome.FAILED
        return ProtocolFinding.FAILED if is_refused else _not_known(evidence)
    if proven.dg15 is None:
        return ProtocolFinding.DATA_MISSING
    infos = proven.security_infos
    announced = infos.active_authentications if infos is not None else ()
    try:
        key = active_authentication_key(proven.dg15)
        holds = verify_active_authentication(
            key,
            evidence.challenge,
            evidence.response,
            announced[0].signature_algorithm if announced else "",
        )
    except (MalformedDataGroup, KeyUnusable, AlgorithmUnknown):
        return ProtocolFinding.DATA_MISSING
    if not holds:
        return ProtocolFinding.FAILED
    return ProtocolFinding.HOLDS if proven.is_dg15_proven else ProtocolFinding.DATA_MISSING


_NOTHING = (ProtocolOutcome.NOT_OFFERED, ProtocolOutcome.NOT_TRIED)


def _with_key(
    outcome: ProtocolOutcome, evidence: ChipEvidence, infos: SecurityInfos | None, *, is_announced: bool | None
) -> ProtocolFinding:
    """Judge a protocol that was run with one of the keys in `infos`, the proven announcement (None: nothing is proven).

    `is_announced` None: nobody knows whether the document has the protocol.
    """
    match outcome:
        case ProtocolOutcome.ABORTED:
            return ProtocolFinding.ABORTED
        case ProtocolOutcome.FAILED:
            return ProtocolFinding.FAILED
        case ProtocolOutcome.SUCCEEDED:
            keys = {key.key for key in infos.chip_authentication_keys} if infos is not None else set()
            used = evidence.chip_authentication_key
            return ProtocolFinding.HOLDS if used and used in keys else ProtocolFinding.DATA_MISSING
    return ProtocolFinding.LACKING if is_announced is False else _not_known(evidence)


def _not_known(evidence: ChipEvidence) -> ProtocolFinding:
    """Tell a read that broke off before the protocol's turn from one that ended without its data."""
    return ProtocolFinding.ABORTED if evidence.fault else ProtocolFinding.DATA_MISSING


def _announces_mapping(evidence: ChipEvidence) -> bool | None:
    """Whether PACE with mapping was offered, which shows in the clear before anything is read; None: the read broke off before."""
    return None if evidence.fault and evidence.access is ChipAccess.NONE else False


def _reasons(
    name: str, finding: ProtocolFinding, outcome: CheckOutcome, overall: CheckOutcome, evidence: ChipEvidence
) -> list[Reason]:
    """Say why a protocol proves nothing; where another one is proof enough, only a failure is worth a word."""
    if outcome is CheckOutcome.FAILED:
        return [Reason(ReasonCode.CHIP_AUTHENTICATION_FAILED, {"protocol": name})]
    if overall is CheckOutcome.SUCCESSFUL or finding in (ProtocolFinding.HOLDS, ProtocolFinding.LACKING):
        return []
    if finding is ProtocolFinding.ABORTED:
        return [Reason(ReasonCode.CHIP_ABORTED, {"fault": evidence.fault or name})]
    if finding is ProtocolFinding.FAILED:
        return [Reason(ReasonCode.CERTIFICATE_DEFECT, {"defect": DefectKind.AUTHENTICATION_PROTOCOL_FAILURE})]
    return [Reason(ReasonCode.CHIP_AUTHENTICATION_UNPROVEN, {"protocol": name})]
