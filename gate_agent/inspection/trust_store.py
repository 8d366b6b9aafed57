"""Trusted certificates of issuing states, ready to be searched: the union of several lists, the source kept with each certificate.

The store is keyed by the SHA-256 of the certificate. Names and key identifiers only order the search: in published lists hundreds of
certificates share one with another key, and what fits is decided by the signature.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from emrtd.public_keys import KeyUnusable
from gate_agent.inspection.certificate_defects import Defect, KnownDefects, defects_of
from gate_agent.inspection.certificate_reading import Certificate, Name
from gate_agent.inspection.certificate_revocation import RevocationList, RevocationStatus

_REMEMBERED_AT_MOST = 4096


class CertificateRole(StrEnum):
    """What a certificate is trusted for: an issuer's (CSCA) to sign signers' certificates, a signer's (DS) to sign documents."""

    ISSUER = "csca"
    SIGNER = "ds"


@dataclass(frozen=True, slots=True)
class HeldCertificate:
    """A trusted certificate and where it came from (names of lists, or `bilateral`)."""

    certificate: Certificate
    role: CertificateRole
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something in a source that cannot be used; the rest of the source stands. `is_note`: nothing that was meant for this gate."""

    source: str
    reason: str
    is_note: bool = False


@dataclass(frozen=True, slots=True)
class IssuerSearch:
    """Who issued a certificate. `issuers`: all that verify it (renewals share a key), best first.

    `was_named`: a certificate with the key identifier that it names is held, so that nobody verifying it is a finding.
    """

    issuers: tuple[Certificate, ...]
    was_named: bool


class TrustStore:
    """Certificates, revocation lists and defects of one trust bundle. Searches are remembered by the digest of what was searched for."""

    def __init__(
        self,
        held: Iterable[HeldCertificate],
        revocation_lists: Iterable[RevocationList] = (),
        defects: Iterable[Defect] = (),
    ) -> None:
        """Index everything; certificates whose key cannot be used and lists that no held issuer signed are put aside (`skipped`)."""
        self.skipped: list[Skipped] = []
        self._held: dict[str, HeldCertificate] = {}
        for entry in held:
            self._add(entry)
        self._by_country: dict[str, list[Certificate]] = defaultdict(list)
        self._by_key_identifier: dict[bytes, list[Certificate]] = defaultdict(list)
        for certificate in self.issuers:
            self._by_country[certificate.country].append(certificate)
            if certificate.key_identifier:
                self._by_key_identifier[certificate.key_identifier].append(certificate)
        self._found: dict[str, IssuerSearch] = {}
        self.defects = tuple(defects)
        self._revocation: list[tuple[RevocationList, str]] = []
        for revocation_list in revocation_lists:
            self._add_revocation_list(revocation_list)

    def _add(self, entry: HeldCertificate) -> None:
        known = self._held.get(entry.certificate.sha256)
        if known is not None:
            sources = tuple(dict.fromkeys((*known.sources, *entry.sources)))
            role = CertificateRole.ISSUER if CertificateRole.ISSUER in (known.role, entry.role) else known.role
            self._held[entry.certificate.sha256] = HeldCertificate(known.certificate, role, sources)
            return
        try:
            entry.certificate.key  # noqa: B018 -- a key that cannot be used is found here, not in front of a traveller
        except KeyUnusable as error:
            self.skipped.append(Skipped(", ".join(entry.sources), f"{entry.certificate.title}: {error}"))
            return
        self._held[entry.certificate.sha256] = entry

    def _add_revocation_list(self, revocation_list: RevocationList) -> None:
        for issuer in self._ordered(revocation_list.issuer, revocation_list.country, b""):
            if revocation_list.is_signed_by(issuer):
                self._revocation.append((revocation_list, issuer.spki.hex()))
                return
        source = f"revocation list {revocation_list.country} {revocation_list.sha256[:16]}"
        self.skipped.append(Skipped(source, "no issuer that is held signed it"))

    @property
    def held(self) -> tuple[HeldCertificate, ...]:
        """Everything that is held, in the order in which it came."""
        return tuple(self._held.values())

    @property
    def issuers(self) -> tuple[Certificate, ...]:
        """The issuers' certificates (CSCA), link certificates among them."""
        return tuple(entry.certificate for entry in self._held.values() if entry.role is CertificateRole.ISSUER)

    @property
    def signers(self) -> tuple[Certificate, ...]:
        """The document signers' certificates that were imported one by one."""
        return tuple(entry.certificate for entry in self._held.values() if entry.role is CertificateRole.SIGNER)

    @property
    def countries(self) -> frozenset[str]:
        """Two-letter countries of which an issuer or a signer is held."""
        return frozenset(entry.certificate.country for entry in self._held.values()) - {""}

    @property
    def revocation_lists(self) -> tuple[RevocationList, ...]:
        """The lists whose signature was right."""
        return tuple(revocation_list for revocation_list, _ in self._revocation)

    def issuers_of_country(self, country: str) -> Sequence[Certificate]:
        """Return the issuers' certificates of a two-letter country."""
        return self._by_country.get(country.upper(), ())

    def is_listed_signer(self, certificate: Certificate) -> bool:
        """Whether this very certificate was imported as a document signer's."""
        entry = self._held.get(certificate.sha256)
        return entry is not None and entry.role is CertificateRole.SIGNER

    def sources_of(self, certificate: Certificate) -> tuple[str, ...]:
        """Return the names of the lists that a certificate came with."""
        entry = self._held.get(certificate.sha256)
        return () if entry is None else entry.sources

    def _ordered(self, issuer: Name, country: str, key_identifier: bytes) -> list[Certificate]:
        """Return the candidates: same name and key identifier, same name, same key identifier, then all of the country."""
        candidates = {one.sha256: one for one in (*self._by_key_identifier.get(key_identifier, ()), *self.issuers_of_country(country))}  # fmt: skip
        return sorted(
            candidates.values(),
            key=lambda one: (one.subject != issuer, not key_identifier or one.key_identifier != key_identifier),
        )

    def search_issuer(self, certificate: Certificate) -> IssuerSearch:
        """Return who issued `certificate`. A signature decides and nothing else; an issuer's own signature is not looked at."""
        known = self._found.get(certificate.sha256)
        if known is not None:
            return known
        identifier = certificate.authority_key_identifier
        candidates = self._ordered(certificate.issuer, certificate.issuer_country, identifier)
        search = IssuerSearch(
            tuple(one for one in candidates if certificate.is_signed_by(one)),
            bool(identifier) and identifier in self._by_key_identifier,
        )
        if len(self._found) >= _REMEMBERED_AT_MOST:
            self._found.pop(next(iter(self._found)))
        self._found[certificate.sha256] = search
        return search

    def known_defects(self, signer: Certificate) -> KnownDefects:
        """Return the defects that are known of a document signer."""
        return defects_of(signer, self.defects)

    def revocation_status(
        self, certificate: Certificate, issuers: Iterable[Certificate], now: datetime
    ) -> RevocationStatus:
        """Return what the lists of its issuer say: by the issuer's name, or signed with the very key that issued the certificate."""
        keys = {issuer.spki.hex() for issuer in issuers}
        status = RevocationStatus.UNKNOWN
        for revocation_list, key in self._revocation:
            if revocation_list.issuer != certificate.issuer and key not in keys:
                continue
            if certificate.serial in revocation_list.serials:
                return RevocationStatus.REVOKED
            if revocation_list.is_current(now):
                status = RevocationStatus.GOOD
        return status
