"""An issuing state for tests and the demonstration: Utopia's country signer, its document signers, lists and links.

Everything comes out of a seed and a day, so that the same authority can be made again. It issues nothing that anybody should trust.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from drivers.chip.twin.certificates import Name, Period, Subject, certificate, revocation_list
from drivers.chip.twin.signatures import Scheme
from drivers.chip.twin.signed_content import MASTER_LIST, Signer, signed_content
from drivers.chip.twin.tlv import integer, sequence, set_of

_YEAR = timedelta(days=365)
_MASTER_LIST_SIGNER = "2.23.136.1.1.3"


@dataclass(frozen=True, slots=True)
class DocumentSigner:
    """One document signer with its serial number."""

    signer: Signer
    serial: int


class TestAuthority:
    """A country signer that came into force three years before `today`, signs for five and is valid for sixteen."""

    __test__ = False  # no test case, whatever its name starts with

    def __init__(self, today: date, *, seed: str = "Utopia", country: str = "UT", scheme: Scheme | None = None) -> None:
        """`country`: the two-letter code in its certificates; other seeds make other keys."""
        self.today = datetime.combine(today, time(), UTC)
        self.scheme = scheme or Scheme()
        self.name = Name(country, f"Country Signer {seed}")
        self.key = self.scheme.key(f"country signer {country} {seed}")
        self._seed = seed
        begin = self.today - 3 * _YEAR
        self.certificate = certificate(self._own_subject(begin, 1), self.name, self.key, self.scheme)

    def _own_subject(self, begin: datetime, serial: int) -> Subject:
        return Subject(
            self.name,
            serial,
            self.key.subject_public_key_info(),
            Period(begin, begin + 16 * _YEAR),
            signs=Period(begin, begin + 5 * _YEAR),
            is_authority=True,
        )

    def document_signer(
        self,
        title: str = "1",
        *,
        scheme: Scheme | None = None,
        country: str = "",
        validity: Period | None = None,
        signs: Period | None = None,
    ) -> DocumentSigner:
        """Return a signer of this authority. Without other wishes it began a year ago, signs for two years and is valid for eleven."""
        scheme = scheme or self.scheme
        key = scheme.key(f"document signer {self.name.country} {self._seed} {title}")
        begin = self.today - _YEAR
        validity = validity or Period(begin, begin + 11 * _YEAR)
        serial = 1000 + int.from_bytes(title.encode(), "big") % 1_000_000_007
        subject = Subject(
            Name(country or self.name.country, f"Document Signer {title}"),
            serial,
            key.subject_public_key_info(),
            validity,
            signs=signs or Period(validity.begin, min(validity.begin + 2 * _YEAR, validity.end)),
            document_types=("P",),
        )
        return DocumentSigner(Signer(certificate(subject, self.name, self.key, self.scheme), key, scheme), serial)

    def revocation_list(
        self, revoked: Sequence[DocumentSigner] = (), *, age_days: int = 1, good_for_days: int = 90
    ) -> bytes:
        """Return this authority's revocation list as it was `age_days` ago."""
        begin = self.today - timedelta(days=age_days)
        period = Period(begin, begin + timedelta(days=good_for_days))
        return revocation_list(self.name, self.key, self.scheme, period, [one.serial for one in revoked])

    def link_certificate(self, newer: TestAuthority) -> bytes:
        """Return the newer country signer's key, certified with this one's."""
        subject = Subject(
            newer.name,
            2,
            newer.key.subject_public_key_info(),
            Period(newer.today - 3 * _YEAR, newer.today + 13 * _YEAR),
            is_authority=True,
        )
        return certificate(subject, self.name, self.key, self.scheme)

    def master_list(self, certificates: Sequence[bytes]) -> bytes:
        """Return a list of country signers, signed by a master list signer of this authority; both certificates are inside."""
        key = self.scheme.key(f"master list signer {self._seed}")
        begin = self.today - _YEAR
        subject = Subject(
            Name(self.name.country, "Master List Signer"),
            7,
            key.subject_public_key_info(),
            Period(begin, begin + 2 * _YEAR),
            extended_usage=_MASTER_LIST_SIGNER,
        )
        signer = Signer(certificate(subject, self.name, self.key, self.scheme), key, self.scheme)
        return signed_content(
            MASTER_LIST,
            sequence(integer(0), set_of(certificates)),
            signer,
            signing_time=self.today - timedelta(days=1),
            more_certificates=[self.certificate],
        )
