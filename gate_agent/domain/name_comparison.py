"""A written name against the zone's: exact, the same after transliteration, agreeing as far as one of them was cut, or different.

ICAO Doc 9303-3 §4.6 and 9303-4 §4.2.3: a zone that is full may have lost components at its end and letters at the end of each component.
"""

from __future__ import annotations

import re
from enum import StrEnum

from gate_agent.domain.transliteration import FILLER, WrittenName, read_name
from gate_agent.domain.travel_document import TravelDocument

_PARTS = re.compile(r"<<|\s{2,}|,")


class NameAgreement(StrEnum):
    """What a comparison says. Not comparable: a letter stands in no table, so nothing is said for or against anybody."""

    EXACT = "exact"
    TRANSLITERATED = "transliterated"
    TRUNCATED = "truncated"
    NOT_COMPARABLE = "not_comparable"
    DIFFERENT = "different"


_FROM_BEST = tuple(NameAgreement)


def compare_identifier(
    written: str, zone: str, *, zone_may_be_cut: bool = False, written_may_be_cut: bool = False
) -> NameAgreement:
    """Compare one identifier, primary or secondary. `zone`: as printed, components parted by fillers or blanks."""
    printed = FILLER.join(zone.upper().replace(FILLER, " ").split())
    name = read_name(written)
    if name is None:
        return NameAgreement.NOT_COMPARABLE
    if FILLER.join(written.upper().replace(FILLER, " ").split()) == printed:
        return NameAgreement.EXACT
    if name.is_spelt(printed):
        return NameAgreement.TRANSLITERATED
    if (zone_may_be_cut and _is_cut_to(name, printed)) or (written_may_be_cut and name.begins(printed)):
        return NameAgreement.TRUNCATED
    return NameAgreement.DIFFERENT


def compare_name(
    primary: str, secondary: str, document: TravelDocument, *, written_may_be_cut: bool = False
) -> NameAgreement:
    """Compare a name in two identifiers with a document's; the one that agrees less counts.

    `written_may_be_cut`: what is written may end early. Then only its last part may.
    """
    zone_may_be_cut = document.name_may_be_truncated
    return max(
        compare_identifier(
            primary,
            document.primary_identifier,
            zone_may_be_cut=zone_may_be_cut,
            written_may_be_cut=written_may_be_cut and not secondary,
        ),
        NameAgreement.TRUNCATED
        if written_may_be_cut and not secondary and document.secondary_identifier
        else compare_identifier(
            secondary,
            document.secondary_identifier,
            zone_may_be_cut=zone_may_be_cut,
            written_may_be_cut=written_may_be_cut,
        ),
        key=_FROM_BEST.index,
    )


def compare_full_name(written: str, document: TravelDocument, *, written_may_be_cut: bool = False) -> NameAgreement:
    """Compare a name in one text, such as that of DG11 or of a page's visual zone, with a document's.

    Two fillers, two blanks or a comma part the identifiers. Without any of them nobody says which comes first, and either order agrees.
    """
    parts = _PARTS.split(written.strip(), maxsplit=1)
    if len(parts) == 2:
        return compare_name(parts[0], parts[1], document, written_may_be_cut=written_may_be_cut)
    first, second = document.primary_identifier, document.secondary_identifier
    return min(
        (
            compare_identifier(
                written,
                zone.strip(),
                zone_may_be_cut=document.name_may_be_truncated,
                written_may_be_cut=written_may_be_cut,
            )
            for zone in (f"{first} {second}", f"{second} {first}")
        ),
        key=_FROM_BEST.index,
    )


def _is_cut_to(name: WrittenName, printed: str) -> bool:
    """Return whether each component of the zone begins the name's component of the same place; the last ones may be gone."""
    kept = printed.split(FILLER) if printed else []
    components = name.components()
    return len(kept) <= len(components) and all(
        component.is_cut_to(text) for component, text in zip(components, kept, strict=False)
    )
