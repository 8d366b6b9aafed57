"""What kind of document a machine readable zone names: its two-letter code in the words that rules use (ICAO Doc 9303-4 to -7)."""

from __future__ import annotations

from enum import StrEnum

from gate_agent.domain.travel_document import MrzFormat, TravelDocument


class DocumentKind(StrEnum):
    """Kinds that rules tell apart; a code that names none of them is another one, of which no rule speaks unless it says `any`."""

    PASSPORT = "passport"
    DIPLOMATIC_PASSPORT = "diplomatic_passport"
    SERVICE_PASSPORT = "service_passport"
    EMERGENCY_DOCUMENT = "emergency_document"
    REFUGEE_DOCUMENT = "refugee_document"
    STATELESS_DOCUMENT = "stateless_document"
    ALIEN_DOCUMENT = "alien_document"
    LAISSEZ_PASSER = "laissez_passer"
    IDENTITY_CARD = "identity_card"
    CREW_CERTIFICATE = "crew_certificate"
    RESIDENCE_PERMIT = "residence_permit"
    VISA = "visa"
    OTHER = "other_document"


_PASSPORTS = {
    "": DocumentKind.PASSPORT,
    "P": DocumentKind.PASSPORT,
    "D": DocumentKind.DIPLOMATIC_PASSPORT,
    "O": DocumentKind.SERVICE_PASSPORT,
    "S": DocumentKind.STATELESS_DOCUMENT,
    "E": DocumentKind.EMERGENCY_DOCUMENT,
    "U": DocumentKind.EMERGENCY_DOCUMENT,
    "R": DocumentKind.REFUGEE_DOCUMENT,
    "T": DocumentKind.ALIEN_DOCUMENT,
    "L": DocumentKind.LAISSEZ_PASSER,
}
"""Second letters of passports (Doc 9303-4, eighth edition, §4.2.2.2). Another letter is the issuer's own choice: no rule is guessed."""

_CARDS = {"R": DocumentKind.RESIDENCE_PERMIT, "C": DocumentKind.CREW_CERTIFICATE}
"""Second letters of cards in TD1 and TD2 (Doc 9303-5 §4.2.2): AC is a crew member's, AR and IR are residence permits."""


def document_kind(document: TravelDocument) -> DocumentKind:
    """Return the kind that a document's code names."""
    return kind_named(document.format, document.document_code)


def kind_named(zone: MrzFormat, document_code: str) -> DocumentKind:
    """Return the kind that a document code names in a zone of this format."""
    first, second = document_code[:1], document_code[1:2]
    if zone in {MrzFormat.MRV_A, MrzFormat.MRV_B} or first == "V":
        return DocumentKind.VISA
    if first == "P":
        return _PASSPORTS.get(second, DocumentKind.OTHER)
    if first in {"A", "C", "I"}:
        return _CARDS.get(second, DocumentKind.IDENTITY_CARD)
    return DocumentKind.OTHER
