"""A visa or residence permit that was read beside a travel document: whose it is, and until when it is good (TR-03135-1 tables 5.48, 5.49)."""

from __future__ import annotations

from gate_agent.domain.check import CheckOutcome
from gate_agent.domain.document_checks import check_mrz_digits
from gate_agent.domain.document_kinds import DocumentKind, document_kind
from gate_agent.domain.mrz import MrzReading
from gate_agent.domain.permit import Permit, PermitKind, PermitOrigin
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.travel_document import TravelDocument

_KINDS = {DocumentKind.VISA: PermitKind.VISA, DocumentKind.RESIDENCE_PERMIT: PermitKind.RESIDENCE_PERMIT}


def is_permit(reading: MrzReading) -> bool:
    """Tell a visa or a residence permit from a travel document."""
    return reading.document is not None and document_kind(reading.document) in _KINDS


def shown_permit(reading: MrzReading, holder: TravelDocument) -> Permit | Reason:
    """Return the permit in a zone that was read, or why it is none for the holder of the travel document.

    Compared are name, birth, sex and nationality. The number is not: a visa carries the passport's or its own, as its issuer likes.
    A zone says neither the first day nor the days of stay, nor how many entries.
    """
    document = reading.document
    if document is None or check_mrz_digits(reading).outcome is not CheckOutcome.SUCCESSFUL:
        return Reason(ReasonCode.VISA_UNREADABLE)
    kind = _KINDS.get(document_kind(document))
    if kind is None or document.date_of_expiry is None:
        return Reason(ReasonCode.VISA_UNREADABLE)
    differing = _difference(document, holder)
    if differing:
        return Reason(ReasonCode.VISA_OTHER_HOLDER, {"field": differing})
    return Permit(
        kind,
        PermitOrigin.READ_AT_GATE,
        document.document_number,
        document.issuing_state,
        None,
        document.date_of_expiry,
    )


def _difference(one: TravelDocument, other: TravelDocument) -> str:
    """Return the first field that differs, empty when none does. Unknown parts of a birth date agree with anything."""
    may_be_cut = one.name_may_be_truncated or other.name_may_be_truncated
    births = zip(one.date_of_birth_text, other.date_of_birth_text, strict=True)
    agreeing = {
        "primary_identifier": _is_same(one.primary_identifier, other.primary_identifier, may_be_cut=may_be_cut),
        "secondary_identifier": _is_same(one.secondary_identifier, other.secondary_identifier, may_be_cut=may_be_cut),
        "date_of_birth": all(left == right or "<" in (left, right) for left, right in births),
        "sex": one.sex == other.sex,
        "nationality": one.nationality == other.nationality,
    }
    return next((field for field, agrees in agreeing.items() if not agrees), "")


def _is_same(one: str, other: str, *, may_be_cut: bool) -> bool:
    if one == other:
        return True
    # MRV-A and MRV-B hold fewer characters of a name than a passport does.
    shorter, longer = sorted((one, other), key=len)
    return may_be_cut and bool(shorter) and longer.startswith(shorter)
