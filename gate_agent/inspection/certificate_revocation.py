"""Certificate revocation lists of issuing states (ICAO 9303-12 §7.1.4, RFC 5280 §5).

A list that does not name the certificate proves something only while it is current; one that names it does so for good.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from asn1crypto import crl

from emrtd.public_keys import AlgorithmUnknown, SignatureAlgorithm, algorithm_of
from gate_agent.inspection.certificate_encoding import ENCODING_FAULTS, EncodingRefused, scan
from gate_agent.inspection.certificate_reading import Certificate, Name, instant_of, name_of

LIST_LIMIT_BYTES = 16_777_216
_ELEMENTS_AT_MOST = 2_000_000


class RevocationListMalformed(ValueError):
    """Bytes that are no revocation list, or one that changes another (delta)."""


class RevocationStatus(StrEnum):
    """What the lists say of a certificate. UNKNOWN: there is no current list of its issuer."""

    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class RevocationList:
    """One list. `serials`: the revoked certificates of `issuer`. Whether its signature is right was not looked at yet."""

    sha256: str
    issuer: Name
    country: str
    serials: frozenset[int]
    this_update: datetime
    next_update: datetime | None
    tbs: bytes
    signature: bytes
    algorithm: SignatureAlgorithm | None

    def is_signed_by(self, issuer: Certificate) -> bool:
        """Whether its signature is right under the key of `issuer`."""
        return issuer.has_signed(self.tbs, self.signature, self.algorithm)

    def is_current(self, now: datetime) -> bool:
        """Whether the issuer stands by it at `now`; a list that does not say until when is not."""
        return self.this_update <= now and self.next_update is not None and now <= self.next_update


def read_revocation_list(der: bytes) -> RevocationList:
    """Return the list in DER. Raises `RevocationListMalformed`."""
    try:
        scan(der, LIST_LIMIT_BYTES, _ELEMENTS_AT_MOST)
        parsed = crl.CertificateList.load(der, strict=True)
        tbs = parsed["tbs_cert_list"]
        names = {extension["extn_id"].native for extension in tbs["crl_extensions"] or ()}
        issuer = name_of(tbs["issuer"])
        next_update = tbs["next_update"]
        entries = tbs["revoked_certificates"]
        found = RevocationList(
            sha256=hashlib.sha256(der).hexdigest(),
            issuer=issuer,
            country=next((value.upper() for kind, value in issuer if kind == "2.5.4.6"), ""),
            serials=frozenset(entry["user_certificate"].native for entry in entries or ()),
            this_update=instant_of(tbs["this_update"]),
            next_update=None if next_update.native is None else instant_of(next_update),
            tbs=tbs.dump(),
            signature=parsed["signature"].native,
            algorithm=_algorithm(parsed),
        )
    except (*ENCODING_FAULTS, EncodingRefused) as error:
        raise RevocationListMalformed(f"not a revocation list: {error}"[:200]) from error
    if "delta_crl_indicator" in names:
        raise RevocationListMalformed("a delta revocation list: import the complete one")
    return found


def _algorithm(parsed: crl.CertificateList) -> SignatureAlgorithm | None:
    try:
        return algorithm_of(parsed["signature_algorithm"])
    except AlgorithmUnknown:
        return None
