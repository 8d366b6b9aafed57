"""A seal against what is printed (BSI TR-03135-1 tables 5.50 and 5.53). A seal may hold a part: what it does not hold is not compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gate_agent.domain.check import CheckOutcome
from gate_agent.domain.name_comparison import NameAgreement, compare_full_name, compare_name
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.travel_document import TravelDocument

ComparedSides = tuple[CheckOutcome, tuple[Reason, ...]]

_EXACT: dict[str, Callable[[TravelDocument], str]] = {
    "document_number": lambda document: document.document_number,
    "issuing_state": lambda document: document.issuing_state,
    "nationality": lambda document: document.nationality,
    "date_of_birth": lambda document: document.date_of_birth_text,
    "sex": lambda document: document.sex,
    "date_of_expiry": lambda document: document.date_of_expiry.isoformat() if document.date_of_expiry else "",
}


def against_zone(sealed: TravelDocument | None, printed: TravelDocument | None) -> ComparedSides:
    """Compare the zone inside a seal with the printed one, field by field; not supported when a side is missing."""
    if sealed is None or printed is None:
        return CheckOutcome.NOT_SUPPORTED, ()
    differing = [
        name for name, text in _EXACT.items() if text(sealed) and not _dates_agree(text(sealed), text(printed))
    ]
    differing += [
        name
        for name in ("primary_identifier", "secondary_identifier")
        if not _names_agree(getattr(sealed, name), getattr(printed, name), sealed, printed)
    ]
    return _answer(differing)


def against_person(fields: Mapping[str, object], printed: TravelDocument | None) -> ComparedSides:
    """Compare the person and document that a seal in JSON names with the printed zone; not supported when nothing can be compared.

    The name may be written in letters that no zone has, and may be cut: it agrees with any spelling that an issuer may have chosen.
    """
    if printed is None:
        return CheckOutcome.NOT_SUPPORTED, ()
    expected = {
        "document_number": printed.document_number,
        "date_of_birth": printed.date_of_birth.isoformat() if printed.date_of_birth else "",
        "sex": printed.sex,
    }
    agreement = {
        name: str(fields[name]).upper() == text for name, text in expected.items() if text and fields.get(name)
    }
    name = _name_agreement(fields, printed)
    if name is not NameAgreement.NOT_COMPARABLE:
        agreement["name"] = name is not NameAgreement.DIFFERENT
    if not agreement:
        return CheckOutcome.NOT_SUPPORTED, ()
    return _answer([field for field, agrees in agreement.items() if not agrees])


def _name_agreement(fields: Mapping[str, object], printed: TravelDocument) -> NameAgreement:
    primary, secondary = (str(fields.get(name, "")) for name in ("primary_identifier", "secondary_identifier"))
    if not primary:
        return NameAgreement.NOT_COMPARABLE
    if not secondary:
        return compare_full_name(primary, printed, written_may_be_cut=True)
    return compare_name(primary, secondary, printed, written_may_be_cut=True)


def against_passport(sealed_number: str, passport: TravelDocument | None) -> ComparedSides:
    """Compare the passport number that a visa's or permit's seal holds with the passport; not supported when a side is missing."""
    if not sealed_number or passport is None:
        return CheckOutcome.NOT_SUPPORTED, ()
    is_same = sealed_number.replace("<", "") == passport.document_number.replace("<", "")
    return _answer([] if is_same else ["passport_number"])


def _answer(differing: list[str]) -> ComparedSides:
    if not differing:
        return CheckOutcome.SUCCESSFUL, ()
    return CheckOutcome.FAILED, tuple(Reason(ReasonCode.VISIBLE_SEAL_DIFFERS, {"field": name}) for name in differing)


def _dates_agree(sealed: str, printed: str) -> bool:
    """Compare two texts of a zone; positions that hold a filler on either side (an unknown day of birth) are exempt."""
    return len(sealed) == len(printed) and all(
        one == other or "<" in (one, other) for one, other in zip(sealed, printed, strict=True)
    )


def _names_agree(sealed: str, printed: str, one: TravelDocument, other: TravelDocument) -> bool:
    """Compare two names of zones; one that was cut by its zone agrees with the other's beginning."""
    if sealed == printed:
        return True
    return (one.name_may_be_truncated and printed.startswith(sealed)) or (
        other.name_may_be_truncated and sealed.startswith(printed)
    )
