"""The checks of a digital seal and how they combine (BSI TR-03135-1 §5.9, tables 5.55 to 5.75).

`TABLE` says which of the five values each check can take; a value that its table excludes is refused, so that a mistake in the code cannot
become a result. Groups and the whole are joined in the order F > A > U > S > N. What a seal says counts only under a trusted signer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from gate_agent.domain.check import CheckOutcome, join_all

_S, _F, _U, _N, _A = (
    CheckOutcome.SUCCESSFUL, CheckOutcome.FAILED, CheckOutcome.UNDETERMINED, CheckOutcome.NOT_SUPPORTED, CheckOutcome.ABORTED
)  # fmt: skip


class SealCheck(StrEnum):
    """One check of a seal; the number of its table in TR-03135-1 stands beside it."""

    PRESENCE = "presence"  # 5.57
    TECHNOLOGY = "technology"  # 5.58
    DECODING = "decoding"  # 5.59
    STRUCTURE = "structure"  # 5.61
    SEMANTICS = "semantics"  # 5.62
    CHECK_DIGITS = "check_digits"  # 5.63
    SIGNER_CERTIFICATE = "signer_certificate"  # 5.65
    SIGNER_VALIDITY = "signer_validity"  # 5.66
    AUTHORITY_VALIDITY = "authority_validity"  # 5.67
    SIGNATURE = "signature"  # 5.70
    DIGEST = "digest"  # 5.71
    STATE_AGAINST_ISSUER = "state_against_issuer"  # 5.73
    STATE_AGAINST_SUBJECT = "state_against_subject"  # 5.74
    SUBJECT_AGAINST_ISSUER = "subject_against_issuer"  # 5.75


class SealGroup(StrEnum):
    """The aggregates that table 5.55 joins."""

    READABILITY = "readability"  # 5.56
    INTEGRITY = "integrity"  # 5.60
    SIGNER_CERTIFICATES = "signer_certificates"  # 5.64
    AUTHENTICITY = "authenticity"  # 5.69
    COUNTRY = "country"  # 5.72


class SignerTrust(StrEnum):
    """Whether the signer's certificate is trusted (table 5.68)."""

    TRUSTED = "trusted"
    NOT_TRUSTED = "not_trusted"
    UNDETERMINED = "undetermined"
    NOT_SUPPORTED = "not_supported"
    ABORTED = "aborted"


TABLE: Mapping[SealCheck, frozenset[CheckOutcome]] = {
    SealCheck.PRESENCE: frozenset({_S, _F, _N, _A}),
    SealCheck.TECHNOLOGY: frozenset({_S, _F, _U, _A}),
    SealCheck.DECODING: frozenset({_S, _F, _N, _A}),
    SealCheck.STRUCTURE: frozenset({_S, _F, _U, _A}),
    SealCheck.SEMANTICS: frozenset({_S, _F, _U, _A}),
    SealCheck.CHECK_DIGITS: frozenset({_S, _F, _N, _A}),
    SealCheck.SIGNER_CERTIFICATE: frozenset({_S, _F, _U, _N, _A}),
    SealCheck.SIGNER_VALIDITY: frozenset({_S, _F, _U, _N, _A}),
    SealCheck.AUTHORITY_VALIDITY: frozenset({_S, _F, _U, _N, _A}),
    SealCheck.SIGNATURE: frozenset({_S, _F, _U, _N, _A}),
    SealCheck.DIGEST: frozenset({_S, _F, _U, _N, _A}),
    SealCheck.STATE_AGAINST_ISSUER: frozenset({_S, _F, _U, _N, _A}),
    SealCheck.STATE_AGAINST_SUBJECT: frozenset({_S, _F, _U, _N, _A}),
    SealCheck.SUBJECT_AGAINST_ISSUER: frozenset({_S, _F, _U, _N, _A}),
}
"""The values that each check can take (inspection of TR-03135-1; aborted always means a fault of the execution)."""

GROUPS: Mapping[SealGroup, tuple[SealCheck, ...]] = {
    SealGroup.READABILITY: (SealCheck.PRESENCE, SealCheck.TECHNOLOGY, SealCheck.DECODING),
    SealGroup.INTEGRITY: (SealCheck.STRUCTURE, SealCheck.SEMANTICS, SealCheck.CHECK_DIGITS),
    SealGroup.SIGNER_CERTIFICATES: (
        SealCheck.SIGNER_CERTIFICATE,
        SealCheck.SIGNER_VALIDITY,
        SealCheck.AUTHORITY_VALIDITY,
    ),
    SealGroup.AUTHENTICITY: (SealCheck.SIGNATURE, SealCheck.DIGEST),
    SealGroup.COUNTRY: (
        SealCheck.STATE_AGAINST_ISSUER,
        SealCheck.STATE_AGAINST_SUBJECT,
        SealCheck.SUBJECT_AGAINST_ISSUER,
    ),
}


@dataclass(frozen=True, slots=True)
class SealVerdict:
    """The whole (table 5.55, held down by the trust in the signer) and the groups it was joined from."""

    outcome: CheckOutcome
    groups: Mapping[SealGroup, CheckOutcome]


def judge(checks: Mapping[SealCheck, CheckOutcome], trust: SignerTrust) -> SealVerdict:
    """Join the checks that were performed. Raises `ValueError` for a value that the check's table excludes.

    A check that is not there was not performed and counts as nothing. Without a trusted signer nothing is successful: a signature by
    anybody proves nothing, and a seal without one even less.
    """
    for check, outcome in checks.items():
        if outcome not in TABLE[check]:
            raise ValueError(f"{check.value} cannot be {outcome.value}")
    groups = {group: join_all(checks[check] for check in parts if check in checks) for group, parts in GROUPS.items()}
    return SealVerdict(_held_down(join_all(groups.values()), trust), groups)


def _held_down(outcome: CheckOutcome, trust: SignerTrust) -> CheckOutcome:
    if trust is SignerTrust.TRUSTED or outcome in (_F, _A):
        return outcome
    if trust is SignerTrust.NOT_TRUSTED:
        return _F
    if trust is SignerTrust.ABORTED:
        return _A
    return _U if outcome is _S else outcome
