"""What seals of each document type hold (ICAO 9303-13 §3 to §5, BSI TR-03137): features by tag, their encoding, and what they mean.

A feature that a type does not know is tolerated; one that it demands must be there. Field names are ICAO 9303's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from gate_agent.domain.check import CheckOutcome
from gate_agent.domain.mrz import read_mrz
from gate_agent.domain.mrz_digits import CheckDigit
from gate_agent.domain.travel_document import TravelDocument
from gate_agent.inspection.plain_text import plain
from gate_agent.inspection.visible_seal_format import Seal, SealMalformed, decode_c40


class SealEncoding(StrEnum):
    """How the value of a feature is written."""

    ZONE_TD2 = "mrz_td2"  # 2 x 36 characters in C40, perhaps cut at the end
    ZONE_MRV_A = "mrz_mrv_a"  # 2 x 44 characters in C40, cut after the date of expiry
    C40 = "c40"
    UTF8 = "utf8"
    NUMBER = "number"
    DURATION = "duration"  # days, months, years: one byte each
    BYTES = "bytes"  # only its length is told: a picture, say


@dataclass(frozen=True, slots=True)
class SealFeatureType:
    """One feature of a type: the field it fills, its encoding, least and greatest length in bytes, and whether it must be there."""

    name: str
    encoding: SealEncoding
    least_bytes: int
    greatest_bytes: int
    is_demanded: bool = True


@dataclass(frozen=True, slots=True)
class SealType:
    """A document type. `criticality` ranks several seals on one page: the greatest is inspected. `any_of`: at least one tag of these."""

    name: str
    criticality: int
    features: Mapping[int, SealFeatureType]
    any_of: frozenset[int] = frozenset()


_ZONE = SealFeatureType("mrz", SealEncoding.ZONE_TD2, 44, 48)
_ADDRESS_STICKER = {
    1: SealFeatureType("document_number", SealEncoding.C40, 6, 6),
    2: SealFeatureType("municipality_code", SealEncoding.C40, 6, 6),
    3: SealFeatureType("address", SealEncoding.C40, 4, 18),
}

SEAL_TYPES: Mapping[str, SealType] = {
    "5d01": SealType(
        "visa",
        100,
        {
            1: SealFeatureType("mrz", SealEncoding.ZONE_MRV_A, 48, 48, is_demanded=False),
            2: SealFeatureType("mrz", SealEncoding.ZONE_TD2, 44, 44, is_demanded=False),
            3: SealFeatureType("number_of_entries", SealEncoding.NUMBER, 1, 1),
            4: SealFeatureType("duration_of_stay", SealEncoding.DURATION, 3, 3),
            5: SealFeatureType("passport_number", SealEncoding.C40, 6, 6),
            6: SealFeatureType("visa_type", SealEncoding.BYTES, 1, 4, is_demanded=False),
            7: SealFeatureType("additional_features", SealEncoding.BYTES, 0, 254, is_demanded=False),
        },
        frozenset({1, 2}),
    ),
    "5f03": SealType(
        "visa_with_face_image",
        100,
        {2: _ZONE, 3: SealFeatureType("face_image", SealEncoding.BYTES, 1, 2048, is_demanded=False)},
    ),
    "5e03": SealType("emergency_travel_document", 90, {2: _ZONE}),
    "fb06": SealType("residence_permit", 80, {2: _ZONE, 3: SealFeatureType("passport_number", SealEncoding.C40, 6, 6)}),
    "fa06": SealType("supplementary_sheet", 70, {4: _ZONE, 5: SealFeatureType("sheet_number", SealEncoding.C40, 6, 6)}),
    "fd02": SealType(
        "arrival_attestation",
        60,
        {2: _ZONE, 3: SealFeatureType("central_register_number", SealEncoding.C40, 8, 8)},
    ),
    "f908": SealType("address_sticker_identity_card", 30, _ADDRESS_STICKER),
    "f90c": SealType("address_sticker_residence_permit", 30, _ADDRESS_STICKER),
    "f80a": SealType(
        "address_sticker_passport",
        30,
        {
            1: _ADDRESS_STICKER[1],
            2: _ADDRESS_STICKER[2],
            3: SealFeatureType("postal_code", SealEncoding.C40, 4, 4),
        },
    ),
    "fc04": SealType(
        "social_insurance_card",
        10,
        {
            1: SealFeatureType("social_insurance_number", SealEncoding.C40, 8, 8),
            2: SealFeatureType("primary_identifier", SealEncoding.UTF8, 1, 90),
            3: SealFeatureType("secondary_identifier", SealEncoding.UTF8, 1, 90),
            4: SealFeatureType("name_at_birth", SealEncoding.UTF8, 1, 90, is_demanded=False),
        },
    ),
}
"""Document types by feature definition and type; `5f03` is a private one of the published Utopian samples."""

FieldText = str | int | list[str]


@dataclass(frozen=True, slots=True)
class SealReading:
    """What a seal says: fields for people, the document of its zone, each check digit in it, and what contradicts its type (empty: nothing).

    `is_known`: the type is one of the table. `problem` names the first contradiction, without content.
    """

    fields: Mapping[str, FieldText]
    document: TravelDocument | None
    digits: tuple[CheckDigit, ...]
    is_known: bool
    problem: str


def read_features(seal: Seal, today: date) -> SealReading:
    """Decode the features of a seal by its type. Raises `SealMalformed` for a feature that is not encoded as its type says."""
    fields: dict[str, FieldText] = {
        "seal_version": seal.version,
        "document_type": seal.type_code,
        "seal_issuing_state": seal.issuing_state,
        "signer": seal.signer,
        "certificate_reference": seal.certificate_reference,
    }
    if seal.date_of_issue is not None:
        fields["date_of_issue"] = seal.date_of_issue.isoformat()
    if seal.signature_date is not None:
        fields["signature_date"] = seal.signature_date.isoformat()
    kind = SEAL_TYPES.get(seal.type_code)
    if kind is None:
        fields["unknown_features"] = [f"{feature.tag:02X}" for feature in seal.features]
        return SealReading(fields, None, (), is_known=False, problem="")
    fields["document_type"] = kind.name
    problem, zone = "", ""
    unknown: list[str] = []
    seen: set[int] = set()
    for feature in seal.features:
        feature_type = kind.features.get(feature.tag)
        if feature_type is None:
            unknown.append(f"{feature.tag:02X}")
            continue
        if feature.tag in seen:
            problem = problem or f"feature {feature.tag:02X} stands twice"
            continue
        seen.add(feature.tag)
        if not feature_type.least_bytes <= len(feature.value) <= feature_type.greatest_bytes:
            problem = problem or f"feature {feature.tag:02X} has {len(feature.value)} bytes"
            continue
        if feature_type.encoding in (SealEncoding.ZONE_TD2, SealEncoding.ZONE_MRV_A):
            zone = decode_c40(feature.value, f"feature {feature.tag:02X}").replace(" ", "<")
            width = 36 if feature_type.encoding is SealEncoding.ZONE_TD2 else 44
            fields["mrz"] = [zone[:width], zone[width:]]
        else:
            fields |= _decoded(feature_type, feature.value, f"feature {feature.tag:02X}")
    if unknown:
        fields["unknown_features"] = unknown
    demanded = {tag for tag, feature_type in kind.features.items() if feature_type.is_demanded}
    absent = sorted(demanded - seen) or (sorted(kind.any_of) if kind.any_of and not kind.any_of & seen else [])
    if absent and not problem:
        problem = f"feature {absent[0]:02X} is missing"
    lines = fields.get("mrz")
    if not isinstance(lines, list):
        return SealReading(fields, None, (), is_known=True, problem=problem)
    document, digits = read_zone(lines[0], lines[1], today)
    if document is None:
        problem = problem or "the machine readable zone has another form"
    else:
        fields |= zone_fields(document)
    return SealReading(fields, document, digits, is_known=True, problem=problem)


def read_zone(first: str, second: str, today: date) -> tuple[TravelDocument | None, tuple[CheckDigit, ...]]:
    """Return the document and the check digits of a zone whose second line may be cut: digits that were cut off are left out."""
    width = len(first)
    if not 28 <= len(second) <= width:
        return None, ()
    reading = read_mrz((first, second.ljust(width, "<")), today)
    is_cut = len(second) < width
    kept = tuple(digit for digit in reading.digits if not (is_cut and digit.field in ("composite", "optional_data")))
    return reading.document, kept


def zone_fields(document: TravelDocument) -> dict[str, FieldText]:
    """Return the fields of a zone by their ICAO names, dates as ISO 8601; what is empty or unknown is left out."""
    texts: dict[str, FieldText] = {
        "document_code": document.document_code,
        "issuing_state": document.issuing_state,
        "document_number": document.document_number,
        "nationality": document.nationality,
        "primary_identifier": document.primary_identifier,
        "secondary_identifier": document.secondary_identifier,
        "sex": document.sex,
        "date_of_birth": document.date_of_birth.isoformat() if document.date_of_birth else "",
        "date_of_expiry": document.date_of_expiry.isoformat() if document.date_of_expiry else "",
        "optional_data": document.optional_data,
    }
    return {name: text for name, text in texts.items() if text}


def digits_outcome(digits: tuple[CheckDigit, ...]) -> CheckOutcome:
    """Return the value of Table 5.63: all right, any wrong, or none there."""
    if not digits:
        return CheckOutcome.NOT_SUPPORTED
    is_right = all(digit.outcome is CheckOutcome.SUCCESSFUL for digit in digits)
    return CheckOutcome.SUCCESSFUL if is_right else CheckOutcome.FAILED


def _decoded(feature_type: SealFeatureType, value: bytes, where: str) -> dict[str, FieldText]:
    name = feature_type.name
    match feature_type.encoding:
        case SealEncoding.C40:
            return {name: decode_c40(value, where).strip()}
        case SealEncoding.UTF8:
            try:
                return {name: plain(value.decode("utf-8"))}
            except UnicodeDecodeError:
                raise SealMalformed(f"text that is not UTF-8 in the {where}") from None
        case SealEncoding.NUMBER:
            return {name: int.from_bytes(value, "big")}
        case SealEncoding.DURATION:
            days, months, years = value
            return {f"{name}_days": days, f"{name}_months": months, f"{name}_years": years}
        case _:
            return {f"{name}_bytes": len(value)}
