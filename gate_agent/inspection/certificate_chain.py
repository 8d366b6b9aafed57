"""From a document signer's certificate to an issuer that is trusted: who issued it, when it might sign, whether it was revoked.

A document is judged by the time at which it was signed: an issuer that has expired since still stands behind what it signed in its day
(ICAO 9303-12 §7.1). When that was is bounded by the certificate's own period, by a signing time, and by the document's expiry.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from emrtd.public_keys import KeyUnusable
from gate_agent.domain.check import CheckOutcome
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.inspection.certificate_defects import DefectKind, KnownDefects, Trust
from gate_agent.inspection.certificate_reading import Certificate, Period
from gate_agent.inspection.certificate_revocation import RevocationStatus
from gate_agent.inspection.chip_authenticity_tables import (
    SIGNER_OUTCOMES,
    Aggregate,
    SignerFinding,
    aggregate,
    revocation,
    validities,
    validity,
)
from gate_agent.inspection.trust_store import TrustStore

LONGEST_DOCUMENT_VALIDITY = timedelta(days=10 * 366 + 183)
"""A document is issued at most this long before it expires: ten years, and what some issuers carry over of the one before."""

WEAK_RSA_BITS, WEAK_CURVE_BITS = 2000, 200


@dataclass(frozen=True, slots=True)
class ChainFinding:
    """What was found of a signer. `outcome` is signature and validity (table 5.31 less revocation), `revocation_outcome` table 5.37."""

    signer: Certificate | None
    issuer: Certificate | None
    outcome: CheckOutcome
    reasons: tuple[Reason, ...] = ()
    revocation_outcome: CheckOutcome = CheckOutcome.UNDETERMINED
    revocation_reasons: tuple[Reason, ...] = ()
    country: str = ""
    sources: tuple[str, ...] = field(default=())


def judge_chain(
    signer: Certificate | None,
    store: TrustStore,
    now: datetime | None,
    *,
    signing_time: datetime | None = None,
    date_of_expiry: datetime | None = None,
) -> ChainFinding:
    """Return who stands behind `signer`. `now` None: the time is not trusted, and nothing that depends on it is successful."""
    if signer is None:
        reason = Reason(ReasonCode.SOD_SIGNER_MISSING)
        return ChainFinding(None, None, CheckOutcome.UNDETERMINED, (reason,), revocation_reasons=(reason,))
    defects = store.known_defects(signer)
    country = defects.country or signer.country
    finding, issuers, reasons = _who_issued(signer, store, country, defects)
    window = Period(None if date_of_expiry is None else date_of_expiry - LONGEST_DOCUMENT_VALIDITY, now)
    time_outcome, issuer, time_reasons = _when(signer, issuers, now, window, signing_time, defects)
    outcomes = [SIGNER_OUTCOMES[finding]]
    if finding is not SignerFinding.REJECTED:
        outcomes.append(time_outcome)
        reasons += time_reasons
    if country and issuers and all(one.country != country for one in issuers):
        outcomes.append(CheckOutcome.FAILED)
        expected = issuers[0].country
        reasons.append(Reason(ReasonCode.ISSUING_STATE_DIFFERS, {"found": country, "expected": expected}))
    doubt = _doubt_about_key(signer)
    if doubt is not None:
        outcomes.append(CheckOutcome.UNDETERMINED)
        reasons.append(doubt)
    if defects.trust is not Trust.TRUSTED:
        outcomes.append(CheckOutcome.FAILED if defects.trust is Trust.NOT_TRUSTED else CheckOutcome.UNDETERMINED)
        reasons.append(Reason(ReasonCode.CERTIFICATE_DEFECT, {"defect": DefectKind.SIGNER_REVOKED}))
    revocation_outcome, revocation_reasons = _whether_revoked(signer, issuers, store, now, defects)
    return ChainFinding(
        signer,
        issuer,
        aggregate(Aggregate.ISSUER_CERTIFICATES, outcomes),
        tuple(reasons),
        revocation_outcome,
        revocation_reasons,
        country,
        store.sources_of(issuer or signer),
    )


def _who_issued(
    signer: Certificate, store: TrustStore, country: str, defects: KnownDefects
) -> tuple[SignerFinding, tuple[Certificate, ...], list[Reason]]:
    search = store.search_issuer(signer)
    if search.issuers:
        return SignerFinding.VERIFIED, search.issuers, []
    if store.is_listed_signer(signer):
        return SignerFinding.LISTED, (), []
    if defects.has(DefectKind.SIGNER_MALFORMED) or defects.has(DefectKind.SIGNER_WRONGLY_ENCODED):
        reason = Reason(ReasonCode.CERTIFICATE_DEFECT, {"defect": DefectKind.SIGNER_MALFORMED})
        return SignerFinding.NOT_FOUND, (), [reason]
    if signer.algorithm is None:
        return SignerFinding.NOT_FOUND, (), [Reason(ReasonCode.ALGORITHM_UNKNOWN, {"algorithm": signer.title})]
    where = {"country": country or "??"}
    if search.was_named:
        return SignerFinding.REJECTED, (), [Reason(ReasonCode.CSCA_REJECTS, where)]
    if not store.issuers_of_country(signer.issuer_country):
        return SignerFinding.NOT_FOUND, (), [Reason(ReasonCode.ISSUER_NOT_COVERED, where)]
    return SignerFinding.NOT_FOUND, (), [Reason(ReasonCode.CSCA_UNKNOWN, where)]


def _when(
    signer: Certificate,
    issuers: tuple[Certificate, ...],
    now: datetime | None,
    window: Period,
    signing_time: datetime | None,
    defects: KnownDefects,
) -> tuple[CheckOutcome, Certificate | None, list[Reason]]:
    """Return table 5.34, the issuer that fits best, and why it is not successful."""
    known_incorrect = defects.has(DefectKind.VALIDITY_PERIOD_INCORRECT)
    signer_outcome = validity(_might_sign(signer, now, window, signing_time), known_incorrect=known_incorrect)
    issuer, issuer_outcome = None, CheckOutcome.SUCCESSFUL  # a signer that is listed itself needs no issuer
    for candidate in issuers:
        outcome = validity(_might_issue(candidate, signer), known_incorrect=known_incorrect)
        if issuer is None or outcome is CheckOutcome.SUCCESSFUL:
            issuer, issuer_outcome = candidate, outcome
        if outcome is CheckOutcome.SUCCESSFUL:
            break
    reasons = []
    for certificate, outcome in ((signer, signer_outcome), (issuer, issuer_outcome)):
        if certificate is None or outcome is CheckOutcome.SUCCESSFUL:
            continue
        if outcome is CheckOutcome.NOT_SUPPORTED:
            reasons.append(Reason(ReasonCode.CERTIFICATE_DEFECT, {"defect": DefectKind.VALIDITY_PERIOD_INCORRECT}))
            continue
        is_outside = outcome is CheckOutcome.FAILED
        code = ReasonCode.CERTIFICATE_OUTSIDE_VALIDITY if is_outside else ReasonCode.CERTIFICATE_VALIDITY_UNKNOWN
        reasons.append(Reason(code, {"certificate": certificate.title}))
    return validities(signer_outcome, issuer_outcome), issuer, reasons


def _might_sign(
    signer: Certificate, now: datetime | None, window: Period, signing_time: datetime | None
) -> bool | None:
    """Whether the signer was valid when it signed; None: that cannot be said."""
    period = signer.signing_period
    if signer.validity is None or period is None or now is None:
        return None
    if signer.validity.begin is not None and now < signer.validity.begin:
        return False
    if signing_time is not None and not signer.validity.holds(signing_time):
        return False
    signed_within = period.narrowed(window)
    if signed_within.begin is not None and signed_within.end is not None and signed_within.begin > signed_within.end:
        return False  # the document is younger than the key's period
    if signer.validity.holds(now):
        return True
    # Expired since: valid when it signed, if it says when that was. A signer without any such period might have signed yesterday.
    return True if signer.usage_period is not None or signing_time is not None else None


def _might_issue(issuer: Certificate, signer: Certificate) -> bool | None:
    """Whether the issuer's key was in its period when the signer's certificate began; it may have expired since."""
    period = issuer.signing_period
    if period is None or signer.validity is None or signer.validity.begin is None:
        return None
    return period.holds(signer.validity.begin)


def _whether_revoked(
    signer: Certificate,
    issuers: tuple[Certificate, ...],
    store: TrustStore,
    now: datetime | None,
    defects: KnownDefects,
) -> tuple[CheckOutcome, tuple[Reason, ...]]:
    status = RevocationStatus.UNKNOWN
    if now is not None:
        status = store.revocation_status(signer, issuers, now)
        if status is RevocationStatus.GOOD and not issuers and not store.is_listed_signer(signer):
            status = (
                RevocationStatus.UNKNOWN
            )  # a certificate that names an issuer and is not its own: no list of its issuer clears it
        for issuer in issuers:  # an issuer that was revoked takes its signers along
            if store.revocation_status(issuer, (issuer,), now) is RevocationStatus.REVOKED:
                return revocation(RevocationStatus.REVOKED), (_revoked(issuer),)
    outcome = revocation(status, defects.trust)
    if outcome is CheckOutcome.FAILED:
        return outcome, (_revoked(signer),)
    if outcome is CheckOutcome.SUCCESSFUL:
        return outcome, ()
    return outcome, (Reason(ReasonCode.REVOCATION_UNKNOWN, {"country": signer.country or "??"}),)


def _revoked(certificate: Certificate) -> Reason:
    return Reason(ReasonCode.CERTIFICATE_REVOKED, {"certificate": certificate.title})


def _doubt_about_key(signer: Certificate) -> Reason | None:
    """Say what keeps the certificate from being believed without a guard's look: a hash or key too weak, or a key that is none."""
    if signer.algorithm is not None and signer.algorithm.is_weak:
        return Reason(ReasonCode.ALGORITHM_WEAK, {"algorithm": signer.algorithm.hash_name})
    try:
        key = signer.key
    except KeyUnusable:
        return Reason(ReasonCode.CERTIFICATE_MALFORMED, {"certificate": signer.title})
    limit = WEAK_CURVE_BITS if key.curve is not None else WEAK_RSA_BITS
    return Reason(ReasonCode.ALGORITHM_WEAK, {"algorithm": key.kind}) if key.bits < limit else None
