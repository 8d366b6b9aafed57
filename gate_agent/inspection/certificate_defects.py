r"""Known defects of issued documents and what follows from them (TR-03135-1 §5.8.2 and table 5.54, ICAO 9303-12 §10).

A site keeps them in one file of the trust bundle, signed with the rest of it. Its form (ours; a list of another authority is entered by hand):

    {"format": "egate-defects-1", "defects": [
      {"signer_sha256": "<hex of the document signer's certificate>", "defect": "signer_revoked", "details": 3},
      {"signer_sha256": "…", "defect": "authentication_protocol_failure", "protocols": ["AA", "CA", "CAM"]},
      {"signer_sha256": "…", "defect": "issuing_country", "country": "UT"}]}

Deviation lists of issuing states (CMS, 2.23.136.1.1.7) that name a document signer become the same values.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from gate_agent.inspection.certificate_reading import Certificate, Name

FORMAT = "egate-defects-1"
FILE_LIMIT_BYTES = 1_048_576


class DefectsMalformed(ValueError):
    """A file that is no list of defects."""


class DefectKind(StrEnum):
    """The defects that change a result (TR-03135-1 §5.8.2)."""

    SIGNER_REVOKED = "signer_revoked"
    SIGNER_MALFORMED = "signer_malformed"
    SIGNER_WRONGLY_ENCODED = "signer_wrongly_encoded"
    CHIP_AUTHENTICATION_KEY_COMPROMISED = "chip_authentication_key_compromised"
    ACTIVE_AUTHENTICATION_KEY_COMPROMISED = "active_authentication_key_compromised"
    AUTHENTICATION_PROTOCOL_FAILURE = "authentication_protocol_failure"
    VALIDITY_PERIOD_INCORRECT = "validity_period_incorrect"
    SOD_MALFORMED = "sod_malformed"
    CARD_SECURITY_MALFORMED = "card_security_malformed"
    COM_SOD_DISCREPANCY = "com_sod_discrepancy"
    WRONG_SIGNER_IDENTIFIER = "wrong_signer_identifier"
    ISSUING_COUNTRY = "issuing_country"
    DATA_GROUP_MALFORMED = "data_group_malformed"


class Trust(StrEnum):
    """Whether a document signer's certificate may be built on (tables 5.38 and 5.54)."""

    TRUSTED = "trusted"
    NOT_TRUSTED = "not_trusted"
    UNDETERMINED = "undetermined"
    ABORTED = "aborted"


def trust_of_revoked(details: int) -> Trust:
    """Return the trust in a signer with the defect `signer_revoked` (table 5.54; the undefined 6-31 are undetermined)."""
    return Trust.NOT_TRUSTED if details in (0, 2, 3, 4) else Trust.UNDETERMINED


@dataclass(frozen=True, slots=True)
class Defect:
    """One defect of the documents that one signer signed. The signer is named by one of: digest, issuer and serial, key identifier.

    `said_by` is the two-letter country whose list says so, which may speak of its own signers only; empty: this site's officers.
    """

    kind: DefectKind
    signer_sha256: str = ""
    signer_issuer: Name | None = None
    signer_serial: int | None = None
    signer_key_identifier: bytes = b""
    details: int = 0
    protocols: frozenset[str] = frozenset()
    country: str = ""
    said_by: str = ""

    def is_of(self, signer: Certificate) -> bool:
        """Whether it is this signer's."""
        if self.said_by not in ("", signer.issuer_country):
            return False
        if self.signer_sha256:
            return self.signer_sha256 == signer.sha256
        if self.signer_issuer is not None:
            return (self.signer_issuer, self.signer_serial) == (signer.issuer, signer.serial)
        return bool(self.signer_key_identifier) and self.signer_key_identifier == signer.key_identifier


@dataclass(frozen=True, slots=True)
class KnownDefects:
    """The defects of one signer, for the checks to ask."""

    defects: tuple[Defect, ...] = field(default=())

    def has(self, kind: DefectKind) -> bool:
        """Whether there is one of this kind."""
        return any(defect.kind is kind for defect in self.defects)

    @property
    def trust(self) -> Trust:
        """The worst trust that follows from them."""
        trusts = {
            trust_of_revoked(defect.details) for defect in self.defects if defect.kind is DefectKind.SIGNER_REVOKED
        }
        if Trust.NOT_TRUSTED in trusts:
            return Trust.NOT_TRUSTED
        return Trust.UNDETERMINED if trusts else Trust.TRUSTED

    def may_fail(self, protocol: str) -> bool:
        """Whether this protocol (`AA`, `CA`, `CAM`) is known to fail with genuine documents."""
        kind = DefectKind.AUTHENTICATION_PROTOCOL_FAILURE
        return any(defect.kind is kind and protocol in defect.protocols for defect in self.defects)

    @property
    def country(self) -> str:
        """The country that the certificate should have named, empty when it is right."""
        kind = DefectKind.ISSUING_COUNTRY
        return next((defect.country for defect in self.defects if defect.kind is kind), "")


def defects_of(signer: Certificate, defects: Iterable[Defect]) -> KnownDefects:
    """Return what is known of one signer."""
    return KnownDefects(tuple(defect for defect in defects if defect.is_of(signer)))


def read_defects(content: bytes) -> tuple[Defect, ...]:
    """Return the defects of a file. Raises `DefectsMalformed` for anything that is not exactly the form above."""
    if len(content) > FILE_LIMIT_BYTES:
        raise DefectsMalformed(f"a list of defects of {len(content)} bytes")
    try:
        return _defects(json.loads(content))
    except DefectsMalformed:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise DefectsMalformed(f"not a list of defects: {error}"[:200]) from error


def _defects(table: Any) -> tuple[Defect, ...]:
    if not isinstance(table, dict) or set(table) != {"format", "defects"} or table["format"] != FORMAT:
        raise DefectsMalformed(f"not a list of defects in the form {FORMAT}")
    return tuple(_defect(entry) for entry in table["defects"])


_MEMBERS = {"signer_sha256", "defect", "details", "protocols", "country"}


def _defect(entry: Mapping[str, Any]) -> Defect:
    sha256, details = entry["signer_sha256"], entry.get("details", 0)
    if set(entry) - _MEMBERS:
        raise DefectsMalformed(f"unknown members {sorted(set(entry) - _MEMBERS)}")
    if len(bytes.fromhex(sha256)) != 32:
        raise DefectsMalformed("signer_sha256 must be 64 hex digits")
    if type(details) is not int or details < 0:
        raise DefectsMalformed("details must be a number from 0 on")
    protocols = frozenset(entry.get("protocols", ()))
    if not protocols <= {"AA", "CA", "CAM"}:
        raise DefectsMalformed("protocols are AA, CA and CAM")
    country = str(entry.get("country", "")).upper()
    return Defect(DefectKind(entry["defect"]), sha256.lower(), details=details, protocols=protocols, country=country)
