"""Who signed a seal, and whether that is trusted (BSI TR-03135-1 tables 5.64 to 5.68, ICAO 9303-13 §2.3).

A seal in bytes names its signer's certificate by signer (country and two characters, the certificate's CN) and reference (the serial number
in hex); several certificates may fit. One that is held is trusted as imported, but where issuers of its country are held, one must have
signed it. A certificate that a seal brings along is trusted only through an issuer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from emrtd.public_keys import KeyUnusable, PublicKey
from gate_agent.domain.check import CheckOutcome
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.inspection.certificate_reading import Certificate
from gate_agent.inspection.certificate_revocation import RevocationStatus
from gate_agent.inspection.trust_store import TrustStore
from gate_agent.inspection.visible_seal_checks import SealCheck, SignerTrust

_CN_ATTRIBUTE = "2.5.4.3"
_REFERENCE_LIMIT_CHARACTERS = 40


@dataclass(frozen=True, slots=True)
class SignerFinding:
    """What is known of a signer's certificate: the checks 5.65 to 5.67 that were performed, the trust of 5.68, and why."""

    trust: SignerTrust
    checks: Mapping[SealCheck, CheckOutcome]
    reasons: tuple[Reason, ...] = field(default=())


def find_signers(store: TrustStore, signer: str, reference: str) -> tuple[Certificate, ...]:
    """Return the held certificates that a seal's signer and reference name."""
    if not 1 <= len(reference) <= _REFERENCE_LIMIT_CHARACTERS:
        return ()
    try:
        serial = int(reference, 16)
    except ValueError:
        return ()
    country, name = signer[:2].upper(), signer[2:].casefold()
    return tuple(
        entry.certificate
        for entry in store.held
        if entry.certificate.serial == serial
        and entry.certificate.country == country
        and (_CN_ATTRIBUTE, name) in entry.certificate.subject
    )


def key_of(certificate: Certificate) -> PublicKey | None:
    """Return a certificate's key, None when this gate cannot use it."""
    try:
        return certificate.key
    except KeyUnusable:
        return None


def unsigned() -> SignerFinding:
    """Return the finding for a seal that nobody signed."""
    checks = (SealCheck.SIGNER_CERTIFICATE, SealCheck.SIGNER_VALIDITY, SealCheck.AUTHORITY_VALIDITY)
    return SignerFinding(SignerTrust.NOT_SUPPORTED, dict.fromkeys(checks, CheckOutcome.NOT_SUPPORTED))


def unknown(title: str) -> SignerFinding:
    """Return the finding for a seal whose signer's certificate is not held."""
    return SignerFinding(
        SignerTrust.UNDETERMINED,
        {SealCheck.SIGNER_CERTIFICATE: CheckOutcome.UNDETERMINED},
        (Reason(ReasonCode.VISIBLE_SEAL_SIGNER_UNKNOWN, {"signer": title}),),
    )


def judge_signer(
    certificate: Certificate, store: TrustStore, now: datetime, *, is_listed: bool, is_time_trusted: bool = True
) -> SignerFinding:
    """Judge a signer's certificate at `now`; `is_listed`: it is held itself and did not come with the seal."""
    issuers = tuple(one for one in store.search_issuer(certificate).issuers if one.sha256 != certificate.sha256)
    trust, outcome, reasons = _standing(certificate, issuers, store, now, is_listed=is_listed)
    checks = {SealCheck.SIGNER_CERTIFICATE: outcome}
    checks[SealCheck.SIGNER_VALIDITY], late = _validity(certificate, now, is_time_trusted=is_time_trusted)
    reasons += late
    if issuers:
        outcomes = [_validity(issuer, now, is_time_trusted=is_time_trusted) for issuer in issuers]
        best = next((one for one in outcomes if one[0] is CheckOutcome.SUCCESSFUL), outcomes[0])
        checks[SealCheck.AUTHORITY_VALIDITY] = best[0]
        reasons += best[1]
    return SignerFinding(trust, checks, tuple(reasons))


def _standing(
    certificate: Certificate, issuers: tuple[Certificate, ...], store: TrustStore, now: datetime, *, is_listed: bool
) -> tuple[SignerTrust, CheckOutcome, list[Reason]]:
    """Return the trust, the value of 5.65 and why."""
    country = certificate.issuer_country or certificate.country
    if store.revocation_status(certificate, issuers, now) is RevocationStatus.REVOKED:
        reason = Reason(ReasonCode.CERTIFICATE_REVOKED, {"certificate": certificate.title})
        return SignerTrust.NOT_TRUSTED, CheckOutcome.FAILED, [reason]
    if issuers:
        return SignerTrust.TRUSTED, CheckOutcome.SUCCESSFUL, []
    if store.search_issuer(certificate).was_named:
        reason = Reason(ReasonCode.CSCA_REJECTS, {"country": country})
        return SignerTrust.NOT_TRUSTED, CheckOutcome.FAILED, [reason]
    others = [one for one in store.issuers_of_country(country) if one.sha256 != certificate.sha256]
    if is_listed and not others:
        return SignerTrust.TRUSTED, CheckOutcome.SUCCESSFUL, []
    reason = Reason(ReasonCode.CSCA_UNKNOWN, {"country": country})
    return SignerTrust.UNDETERMINED, CheckOutcome.UNDETERMINED, [reason]


def _validity(certificate: Certificate, now: datetime, *, is_time_trusted: bool) -> tuple[CheckOutcome, list[Reason]]:
    """Return the value of 5.66 or 5.67 and why."""
    if certificate.validity is None or not is_time_trusted:
        reason = Reason(ReasonCode.CERTIFICATE_VALIDITY_UNKNOWN, {"certificate": certificate.title})
        return CheckOutcome.UNDETERMINED, [reason]
    if certificate.validity.holds(now):
        return CheckOutcome.SUCCESSFUL, []
    return CheckOutcome.FAILED, [Reason(ReasonCode.VISIBLE_SEAL_OUTSIDE_VALIDITY)]
