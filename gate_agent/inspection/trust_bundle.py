"""What the gate trusts issuers of documents by: certificates, revocation lists and defects, with a version and an age.

A bundle comes from a versioned folder that officers signed (`trust_versions`), or, for the command line, from any folder whose files an
operator vouches for by naming it (`load_folder`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from gate_agent.inspection.certificate_defects import Defect, DefectsMalformed, read_defects
from gate_agent.inspection.certificate_reading import (
    Certificate,
    CertificateMalformed,
    certificates_in_file,
    read_certificate,
)
from gate_agent.inspection.certificate_revocation import (
    RevocationList,
    RevocationListMalformed,
    read_revocation_list,
)
from gate_agent.inspection.trust_lists import (
    LIST_LIMIT_BYTES,
    ListRefused,
    MasterList,
    read_deviation_list,
    read_master_list,
)
from gate_agent.inspection.trust_store import CertificateRole, HeldCertificate, Skipped, TrustStore

_FILES_AT_MOST = 4096
_CMS_OBJECT_ID = bytes.fromhex("06092a864886f70d010702")


@dataclass(frozen=True, slots=True)
class TrustBundle:
    """A loaded bundle. `issued_at` None: it has no age, because an operator put the folder together for this one look."""

    store: TrustStore
    version: int = 0
    issued_at: datetime | None = None
    master_lists: tuple[MasterList, ...] = ()
    skipped: tuple[Skipped, ...] = field(default=())

    def is_stale(self, now: datetime, limit_days: float) -> bool:
        """Whether it is older than the limit, or from the future: either way nobody stands by it now."""
        if self.issued_at is None:
            return False
        return not timedelta(0) <= now - self.issued_at + _CLOCK_ALLOWANCE or now - self.issued_at > timedelta(
            days=limit_days
        )


_CLOCK_ALLOWANCE = timedelta(minutes=5)


@dataclass(slots=True)
class BundleContents:
    """The raw contents of a bundle while it is put together."""

    master_lists: list[bytes] = field(default_factory=list)
    certificates: list[HeldCertificate] = field(default_factory=list)
    revocation_lists: list[RevocationList] = field(default_factory=list)
    deviation_lists: list[bytes] = field(default_factory=list)
    defects: list[Defect] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)

    def take(self, content: bytes, source: str) -> None:
        """Sort one file in by what it holds; one that is nothing of use here is noted as skipped."""
        if content.lstrip()[:1] == b"{":
            try:
                self.defects.extend(read_defects(content))
            except DefectsMalformed as error:
                self.skipped.append(Skipped(source, str(error)))
            return
        if _CMS_OBJECT_ID in content[:32]:
            is_deviation_list = bytes.fromhex("0606678108010107") in content[:256]
            (self.deviation_lists if is_deviation_list else self.master_lists).append(content)
            return
        try:
            for certificate in map(read_certificate, certificates_in_file(content)):
                self.certificates.append(HeldCertificate(certificate, role_of(certificate), (source,)))
            return
        except CertificateMalformed as error:
            reason = str(error)
        try:
            self.revocation_lists.append(read_revocation_list(content))
        except RevocationListMalformed:
            self.skipped.append(Skipped(source, reason))


def role_of(certificate: Certificate) -> CertificateRole:
    """Return what a loose certificate can be trusted for: one that may sign certificates is an issuer's."""
    is_issuer = certificate.is_authority or (certificate.is_self_issued and certificate.may_sign_certificates)
    return CertificateRole.ISSUER if is_issuer else CertificateRole.SIGNER


def assemble(
    contents: BundleContents,
    roots: Sequence[Certificate],
    *,
    version: int = 0,
    issued_at: datetime | None = None,
    must_be_pinned: bool = True,
) -> TrustBundle:
    """Return the union of everything that could be verified. What could not is in `skipped`; nothing is dropped without a word."""
    skipped = list(contents.skipped)
    held = list(contents.certificates)
    lists = []
    for content in contents.master_lists:
        try:
            master_list = read_master_list(content, roots, must_be_pinned=must_be_pinned)
        except ListRefused as error:
            skipped.append(Skipped(_digest_name("master list", content), str(error)))
            continue
        lists.append(master_list)
        skipped.extend(Skipped(master_list.name, reason) for reason in master_list.skipped)
        held.extend(
            HeldCertificate(one, CertificateRole.ISSUER, (master_list.name,)) for one in master_list.certificates
        )
    issuers = [entry.certificate for entry in held if entry.role is CertificateRole.ISSUER]
    defects = list(contents.defects)
    for content in contents.deviation_lists:
        try:
            deviations = read_deviation_list(content, issuers)
        except ListRefused as error:
            skipped.append(Skipped(_digest_name("deviation list", content), str(error)))
            continue
        defects.extend(deviations.defects)
        if deviations.unused:
            reason = f"{deviations.unused} deviations that change no check here"
            skipped.append(Skipped(_digest_name("deviation list", content), reason, is_note=True))
    store = TrustStore(held, contents.revocation_lists, defects)
    return TrustBundle(store, version, issued_at, tuple(lists), (*skipped, *store.skipped))


def load_folder(folders: Path | Iterable[Path]) -> TrustBundle:
    """Return what a folder, searched whole, holds of master lists, certificates, revocation lists and defects.

    The operator vouches for it: loose certificates are trusted as they are, a master list may chain to one of its own. Raises `OSError`.
    """
    contents = BundleContents()
    for folder in [folders] if isinstance(folders, Path) else folders:
        for path in files_of(folder):
            if path.stat().st_size > LIST_LIMIT_BYTES:
                contents.skipped.append(Skipped(path.name, f"more than {LIST_LIMIT_BYTES} bytes"))
                continue
            contents.take(path.read_bytes(), path.name)
    return assemble(contents, [one.certificate for one in contents.certificates], must_be_pinned=False)


def files_of(folder: Path) -> list[Path]:
    """Return the files below a folder (or the one file it is), in order. Raises `OSError` when it is not there or holds too many."""
    if folder.is_file():
        return [folder]
    if not folder.is_dir():
        raise NotADirectoryError(20, "is no folder", str(folder))
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    if len(files) > _FILES_AT_MOST:
        raise OSError(7, f"holds more than {_FILES_AT_MOST} files", str(folder))
    return files


def _digest_name(what: str, content: bytes) -> str:
    return f"{what} {hashlib.sha256(content).hexdigest()[:16]}"
