"""Putting the next version of the trust bundle together: what is added, what newer lists replace, what would be gone.

Nothing is dropped without a word: a new list that lacks certificates of the old one is refused until somebody accepts that they go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gate_agent.inspection.certificate_reading import Certificate, Name
from gate_agent.inspection.certificate_revocation import RevocationListMalformed, read_revocation_list
from gate_agent.inspection.trust_bundle import BundleContents, TrustBundle
from gate_agent.inspection.trust_ceremony import (
    CEREMONY_PURPOSE,
    MANIFEST_PURPOSE,
    OLDER,
    OfficerSignature,
    TrustRefused,
    ceremony_statement,
    sign_as,
    signers_of,
)
from gate_agent.inspection.trust_lists import LIST_LIMIT_BYTES, MASTER_LIST_TYPE
from gate_agent.inspection.trust_signed_content import ContentMalformed, read_signed_content
from gate_agent.inspection.trust_store import CertificateRole
from gate_agent.inspection.trust_versions import (
    BundleFile,
    FileKind,
    Version,
    bundle_of,
    ceremony_files,
    manifest_of,
    publish,
)


@dataclass(frozen=True, slots=True)
class TrustDifference:
    """What changes from one bundle to the next, by certificate."""

    added: tuple[Certificate, ...]
    gone: tuple[Certificate, ...]


@dataclass(frozen=True, slots=True)
class Draft:
    """The next version, unsigned: its manifest, files, and what it changes. `ceremony` None: nothing two officers must sign again."""

    manifest: bytes
    files: tuple[BundleFile, ...]
    bundle: TrustBundle
    difference: TrustDifference
    ceremony: bytes | None
    kept_ceremony: tuple[OfficerSignature, ...]


def difference(old: TrustBundle | None, new: TrustBundle) -> TrustDifference:
    """Return which certificates come and go between two bundles."""
    before = {one.certificate.sha256: one.certificate for one in old.store.held} if old is not None else {}
    after = {one.certificate.sha256: one.certificate for one in new.store.held}
    return TrustDifference(
        tuple(one for sha256, one in after.items() if sha256 not in before),
        tuple(one for sha256, one in before.items() if sha256 not in after),
    )


def draft(
    held: Version | None,
    added: Iterable[tuple[str, bytes]],
    now: datetime,
    officers: Mapping[str, bytes],
    *,
    as_roots: bool = False,
    removed: Iterable[str] = (),
    accept_gone: bool = False,
) -> Draft:
    """Return the version after `held`: `added` are (name, content) of files, `removed` SHA-256 of files to leave out.

    Raises `TrustRefused` for a file that would not be believed, a list older than the one held, or certificates that would be gone.
    """
    files = [file for file in held.files if file.sha256 not in set(removed)] if held is not None else []
    new = [file for name, content in added for file in _sorted_in(name, content, as_roots=as_roots)]
    files = _replaced(files, new)
    number = held.number + 1 if held is not None else 1
    previous = "" if held is None else BundleFile(FileKind.DEFECTS, held.manifest).sha256
    manifest = manifest_of(number, now, previous, files)
    version = Version(number, now, previous, tuple(files), manifest, (), ())
    old_bundle, bundle = (bundle_of(held) if held is not None else None), bundle_of(version)
    _refuse_unbelieved(new, bundle)
    change = difference(old_bundle, bundle)
    if change.gone and not accept_gone:
        titles = ", ".join(one.title for one in change.gone[:5])
        raise TrustRefused(f"{len(change.gone)} certificates would be gone ({titles} …); say so with --accept-gone")
    statement = ceremony_statement(ceremony_files(files))
    kept = held.ceremony if held is not None else ()
    is_kept = not ceremony_files(files) or len(signers_of(CEREMONY_PURPOSE, statement, kept, officers)) > 1
    return Draft(manifest, tuple(files), bundle, change, None if is_kept else statement, kept if is_kept else ())


def sign_and_publish(
    trust: Path, prepared: Draft, signers: Sequence[tuple[str, Ed25519PrivateKey]], officers: Mapping[str, bytes]
) -> Version:
    """Sign a draft with the keys of the officers who are there, and put it in force. Raises `TrustRefused` when they do not suffice."""
    ceremony = prepared.kept_ceremony
    if prepared.ceremony is not None:
        ceremony = tuple(sign_as(name, key, CEREMONY_PURPOSE, prepared.ceremony) for name, key in signers)
    signatures = tuple(sign_as(name, key, MANIFEST_PURPOSE, prepared.manifest) for name, key in signers)
    return publish(trust, prepared.manifest, prepared.files, signatures, ceremony, officers)


def _sorted_in(name: str, content: bytes, *, as_roots: bool) -> list[BundleFile]:
    contents = BundleContents()
    contents.take(content, name)
    if contents.skipped:
        raise TrustRefused(f"{name}: {contents.skipped[0].reason}")
    files = [BundleFile(FileKind.MASTER_LIST, one) for one in contents.master_lists]
    files += [BundleFile(FileKind.DEVIATION_LIST, one) for one in contents.deviation_lists]
    files += [BundleFile(FileKind.REVOCATION_LIST, content) for _ in contents.revocation_lists]
    files += [BundleFile(FileKind.DEFECTS, content) for _ in range(content.lstrip()[:1] == b"{")]
    for entry in contents.certificates:
        kind = FileKind.ISSUER if entry.role is CertificateRole.ISSUER else FileKind.SIGNER
        files.append(BundleFile(FileKind.ROOT if as_roots else kind, entry.certificate.der))
    return files


def _replaced(held: Sequence[BundleFile], new: Sequence[BundleFile]) -> list[BundleFile]:
    """Return the files of both, without lists that a newer one of the same publisher replaces."""
    files = {file.sha256: file for file in held}
    if any(file.kind is FileKind.DEFECTS for file in new):
        files = {sha256: file for sha256, file in files.items() if file.kind is not FileKind.DEFECTS}
    for file in new:
        origin = _origin(file)
        for other in [one for one in files.values() if one.kind is file.kind and one.sha256 != file.sha256]:
            other_origin = _origin(other)
            if origin is None or other_origin is None or origin[0] != other_origin[0]:
                continue
            if origin[1] < other_origin[1]:
                raise TrustRefused(f"the {file.kind.value} {file.sha256[:16]} is older than the one held", code=OLDER)
            del files[other.sha256]
        files[file.sha256] = file
    return list(files.values())


def _origin(file: BundleFile) -> tuple[Name, float] | None:
    """Return who publishes a list and when this one was, None for files that replace nothing."""
    try:
        if file.kind is FileKind.MASTER_LIST:
            signed = read_signed_content(file.content, {MASTER_LIST_TYPE}, LIST_LIMIT_BYTES)
            signer, signed_at = signed.signer_certificate(), signed.signer.signing_time
            return None if signer is None or signed_at is None else (signer.issuer, signed_at.timestamp())
        if file.kind is FileKind.REVOCATION_LIST:
            revocation_list = read_revocation_list(file.content)
            return revocation_list.issuer, revocation_list.this_update.timestamp()
    except (ContentMalformed, RevocationListMalformed):
        return None
    return None


def _refuse_unbelieved(new: Sequence[BundleFile], bundle: TrustBundle) -> None:
    """Refuse a new file that the bundle puts aside; a single bad certificate inside a list is no reason to."""
    digests = {file.sha256[:16] for file in new}
    for skipped in bundle.skipped:
        if not skipped.is_note and any(digest in skipped.source or digest in skipped.reason for digest in digests):
            raise TrustRefused(f"{skipped.source}: {skipped.reason}")
