"""The truth tables of the electronic checks (BSI TR-03135-1, tables 5.17 to 5.43), and nothing else.

S successful, F failed, U undetermined, N not supported, A aborted. Where the guideline leaves the order of A and F open, a terminated
finding wins. No table leads from an A to S, except that one proof that a chip is no copy is enough (5.23).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from gate_agent.domain.check import CheckOutcome
from gate_agent.domain.result_tables import CHIP_CONTENT, A, F, N, ResultTable, S, U, all_of, any_of
from gate_agent.inspection.certificate_defects import Trust
from gate_agent.inspection.certificate_revocation import RevocationStatus


class Aggregate(StrEnum):
    """The aggregates by the numbers of their tables."""

    ACCESS_PROTOCOLS = "5.17"
    BASIC_ACCESS_OR_PACE = "5.18"
    CHIP_CONTENT = "5.22"
    CHIP_GENUINENESS = "5.23"
    SECURITY_OBJECT = "5.28"
    ISSUER_CERTIFICATES = "5.31"
    CHIP_INTEGRITY = "5.39"
    DATA_GROUPS = "5.41"


_NEVER_UNSUPPORTED = ResultTable((any_of(F, then=F), any_of(A, then=A), all_of(S, then=S)), U)
_TABLES: Mapping[Aggregate, ResultTable] = {
    # never U: rights that could not be asked for did not come about
    Aggregate.ACCESS_PROTOCOLS: ResultTable(
        (any_of(F, then=F), any_of(A, U, then=A), any_of(N, then=N), all_of(S, then=S)), A
    ),
    # a failed attempt stands unless the other protocol opened the chip; never U
    Aggregate.BASIC_ACCESS_OR_PACE: ResultTable(
        (any_of(S, then=S), any_of(F, then=F), any_of(A, U, then=A), all_of(N, then=N)), A
    ),
    Aggregate.CHIP_CONTENT: CHIP_CONTENT,
    Aggregate.CHIP_GENUINENESS: ResultTable(
        (any_of(S, then=S), any_of(F, then=F), any_of(A, then=A), any_of(U, then=U), all_of(N, then=N)), U
    ),
    Aggregate.SECURITY_OBJECT: _NEVER_UNSUPPORTED,
    Aggregate.ISSUER_CERTIFICATES: _NEVER_UNSUPPORTED,
    Aggregate.CHIP_INTEGRITY: _NEVER_UNSUPPORTED,
    Aggregate.DATA_GROUPS: _NEVER_UNSUPPORTED,
}


def aggregate(table: Aggregate, inputs: Iterable[CheckOutcome]) -> CheckOutcome:
    """Return the result of a table over the outcomes of its parts, whatever their order; without parts nothing is successful."""
    return _TABLES[table].of(inputs)


class ObjectPresence(StrEnum):
    """What of EF.SOD, EF.CardSecurity or EF.ChipSecurity was there."""

    READ = "read"
    EMPTY = "empty"
    ABSENT = "absent"


def security_objects(objects: Mapping[str, tuple[ObjectPresence, CheckOutcome]]) -> CheckOutcome:
    """Return the result over the security objects by name (table 5.27): `SOD` must be there for S; an empty one is F; never N."""
    present = {name: outcome for name, (presence, outcome) in objects.items() if presence is ObjectPresence.READ}
    if F in present.values() or any(presence is ObjectPresence.EMPTY for presence, _ in objects.values()):
        return F
    if A in present.values():
        return A
    return S if "SOD" in present and all(outcome is S for outcome in present.values()) else U


class DataGroupState(StrEnum):
    """What became of one data group that the security object lists (table 5.42)."""

    IDENTICAL = "identical"
    NOT_IDENTICAL = "not_identical"
    PRESENT = "present"  # listed and not read
    NOT_PRESENT = "not_present"  # listed, and the chip says that there is no such file
    NON_CONFORMANCE = "non_conformance"  # unknown hash algorithm, or read and not listed
    ABORTED = "aborted"


DATA_GROUP_OUTCOMES: Mapping[DataGroupState, CheckOutcome] = {
    DataGroupState.IDENTICAL: S,
    DataGroupState.NOT_IDENTICAL: F,
    DataGroupState.PRESENT: U,
    DataGroupState.NOT_PRESENT: F,
    DataGroupState.NON_CONFORMANCE: U,
    DataGroupState.ABORTED: A,
}


class ProtocolFinding(StrEnum):
    """What is known of one protocol with the chip after everything was looked at (tables 5.19, 5.20, 5.24 to 5.26)."""

    HOLDS = "holds"
    FAILED = "failed"
    DATA_MISSING = "data_missing"
    LACKING = "lacking"  # the document does not have it, or it was not needed
    ABORTED = "aborted"


_PROTOCOL_OUTCOMES = {
    ProtocolFinding.HOLDS: S,
    ProtocolFinding.FAILED: F,
    ProtocolFinding.DATA_MISSING: U,
    ProtocolFinding.LACKING: N,
    ProtocolFinding.ABORTED: A,
}


def access_protocol(finding: ProtocolFinding) -> CheckOutcome:
    """Return the result of BAC or PACE (tables 5.19, 5.20); never U: a protocol for which data is missing did not run."""
    return A if finding is ProtocolFinding.DATA_MISSING else _PROTOCOL_OUTCOMES[finding]


def authentication_protocol(
    finding: ProtocolFinding, *, key_compromised: bool = False, known_to_fail: bool = False
) -> CheckOutcome:
    """Return the result of AA, CA or PACE-CAM (tables 5.24 to 5.26) with the known defects of §5.8.2."""
    if key_compromised and finding is not ProtocolFinding.LACKING:
        return F
    outcome = _PROTOCOL_OUTCOMES[finding]
    return U if outcome is F and known_to_fail else outcome


def security_object_signature(is_right: bool | None, *, known_malformed: bool = False) -> CheckOutcome:
    """Return the result for hash or signature of a security object (tables 5.29, 5.30). None: signer missing or algorithm unknown."""
    if is_right is None:
        return U
    return S if is_right else (U if known_malformed else F)


class SignerFinding(StrEnum):
    """Who stands behind a document signer's certificate (table 5.33)."""

    VERIFIED = "verified"
    LISTED = "listed"
    REJECTED = "rejected"  # by an issuer found through its key identifier
    NOT_FOUND = "not_found"  # also: found by name only, and it does not verify
    ABORTED = "aborted"


SIGNER_OUTCOMES: Mapping[SignerFinding, CheckOutcome] = {
    SignerFinding.VERIFIED: S,
    SignerFinding.LISTED: S,
    SignerFinding.REJECTED: F,
    SignerFinding.NOT_FOUND: U,
    SignerFinding.ABORTED: A,
}


def validity(is_valid: bool | None, *, known_incorrect: bool = False) -> CheckOutcome:
    """Return the result for one certificate's validity (tables 5.35, 5.36). None: its dates or the time are missing."""
    if known_incorrect:
        return N
    return U if is_valid is None else (S if is_valid else F)


def validities(signer: CheckOutcome, issuer: CheckOutcome) -> CheckOutcome:
    """Return the result for both validities (table 5.34); one that is not supported because of a known defect makes it U, never F."""
    return aggregate(Aggregate.ISSUER_CERTIFICATES, (signer, issuer)) if N not in (signer, issuer) else U


def revocation(status: RevocationStatus, trust: Trust = Trust.TRUSTED) -> CheckOutcome:
    """Return the result for the revocation of a document signer (table 5.37 with the defect of table 5.54)."""
    if status is RevocationStatus.REVOKED or trust is Trust.NOT_TRUSTED:
        return F
    if trust is Trust.ABORTED:
        return A
    return S if status is RevocationStatus.GOOD and trust is Trust.TRUSTED else U


def presence_lists(is_consistent: bool | None, *, known_discrepancy: bool = False) -> CheckOutcome:
    """Return the result for EF.SOD against EF.COM (table 5.40). None: EF.COM is absent, or was not read because it proves nothing."""
    if is_consistent is None:
        return N
    return S if is_consistent else (U if known_discrepancy else F)


def chip_integrity(lists: CheckOutcome, data_groups: CheckOutcome) -> CheckOutcome:
    """Return the result for the chip's integrity (table 5.39): EF.COM, where it was looked at, and all data groups."""
    return aggregate(Aggregate.CHIP_INTEGRITY, (data_groups,) if lists is N else (lists, data_groups))


def issuing_state(is_same: bool | None) -> CheckOutcome:
    """Return the result for the state of DG1 against that of the signer (table 5.43). None: a code is missing or unknown."""
    return U if is_same is None else (S if is_same else F)
