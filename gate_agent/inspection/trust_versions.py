r"""The trust bundle on disk: versions side by side, one of them in force.

    current                          -> versions/0000007 (a symbolic link, replaced in one step)
    versions/0000007/manifest.json   version, issued_at, SHA-256 of the manifest before, and every file with kind and SHA-256
    versions/0000007/signatures.json signatures of officers under the manifest, and under the ceremony's statement
    versions/0000007/files/<SHA-256> master lists, roots, issuers, signers, revocation lists, deviation lists, defects

Every file is compared with its digest when the bundle is loaded; a version that is older than the one in force is refused.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from gate_agent.inspection.certificate_encoding import ENCODING_FAULTS
from gate_agent.inspection.certificate_reading import Certificate, CertificateMalformed, read_certificate
from gate_agent.inspection.trust_bundle import BundleContents, TrustBundle, assemble
from gate_agent.inspection.trust_ceremony import (
    ABSENT,
    CEREMONY_MISSING,
    CHANGED,
    OLDER,
    OfficerSignature,
    TrustRefused,
    check_ceremony,
    check_signed,
    signatures_of,
)
from gate_agent.inspection.trust_lists import LIST_LIMIT_BYTES
from gate_agent.inspection.trust_store import CertificateRole, HeldCertificate

FORMAT = "egate-trust-1"
BILATERAL = "bilateral"
_MANIFEST_LIMIT_BYTES = 4_194_304
_FILES_AT_MOST = 4096
_SHA256 = re.compile(r"[0-9a-f]{64}")
CURRENT, VERSIONS = "current", "versions"


class FileKind(StrEnum):
    """What a file of the bundle is."""

    MASTER_LIST = "master_list"
    ROOT = "root"
    ISSUER = "issuer"
    SIGNER = "signer"
    REVOCATION_LIST = "revocation_list"
    DEVIATION_LIST = "deviation_list"
    DEFECTS = "defects"


BY_CEREMONY = frozenset({FileKind.ROOT, FileKind.ISSUER, FileKind.SIGNER, FileKind.DEFECTS})
"""What no state's signature vouches for: two officers take it in."""


@dataclass(frozen=True, slots=True)
class BundleFile:
    """One file: what it is and its content."""

    kind: FileKind
    content: bytes

    @property
    def sha256(self) -> str:
        """The name under which it lies in the version."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True, slots=True)
class Version:
    """A version as read: its manifest's bytes, numbers and files, and who signed."""

    number: int
    issued_at: datetime
    previous: str
    files: tuple[BundleFile, ...]
    manifest: bytes
    signatures: tuple[OfficerSignature, ...]
    ceremony: tuple[OfficerSignature, ...]

    def by_ceremony(self) -> list[tuple[str, str]]:
        """Return kind and digest of the files that two officers must have taken in."""
        return ceremony_files(self.files)


def ceremony_files(files: Iterable[BundleFile]) -> list[tuple[str, str]]:
    """Return kind and digest of those of the files that two officers must take in."""
    return [(file.kind.value, file.sha256) for file in files if file.kind in BY_CEREMONY]


def manifest_of(number: int, issued_at: datetime, previous: str, files: Iterable[BundleFile]) -> bytes:
    """Return the bytes of a manifest, to be signed by an officer."""
    listed = sorted((file.kind.value, file.sha256) for file in files)
    table = {
        "format": FORMAT,
        "version": number,
        "issued_at": issued_at.astimezone(UTC).isoformat(),
        "previous": previous,
        "files": [{"kind": kind, "sha256": sha256} for kind, sha256 in listed],
    }
    return json.dumps(table, indent=1).encode() + b"\n"


def read_version(folder: Path, officers: Mapping[str, bytes] | None) -> Version:
    """Return a version whose signatures, ceremony and files are right. Raises `TrustRefused`.

    `officers` None skips the signatures of officers (an operator's look with the command line), never the digests of files.
    """
    try:
        manifest = _bounded(folder / "manifest.json", _MANIFEST_LIMIT_BYTES)
        signed = json.loads(_bounded(folder / "signatures.json", _MANIFEST_LIMIT_BYTES))
        signatures, ceremony = signatures_of(signed["manifest"]), signatures_of(signed["ceremony"])
        if officers is not None:
            check_signed(manifest, signatures, officers)
        table = json.loads(manifest)
        if table["format"] != FORMAT:
            raise TrustRefused(f"a trust bundle in another form than {FORMAT}")
        number, issued_at = table["version"], datetime.fromisoformat(table["issued_at"])
        listed = [(FileKind(one["kind"]), str(one["sha256"])) for one in table["files"]]
        previous = str(table["previous"])
    except FileNotFoundError as error:
        raise TrustRefused(f"the trust bundle lacks {Path(error.filename).name}", code=ABSENT) from error
    except OSError as error:
        raise TrustRefused(f"the trust bundle cannot be read: {error.strerror}", code=ABSENT) from error
    except ENCODING_FAULTS as error:
        raise TrustRefused(f"a malformed trust bundle: {error}"[:200]) from error
    if type(number) is not int or number < 1 or issued_at.tzinfo is None or len(listed) > _FILES_AT_MOST:
        raise TrustRefused("a trust bundle without version or date, or with too many files")
    files = tuple(_file(folder, kind, sha256) for kind, sha256 in listed)
    version = Version(number, issued_at, previous, files, manifest, signatures, ceremony)
    if officers is not None:
        check_ceremony(version.by_ceremony(), ceremony, officers)
    return version


def bundle_of(version: Version) -> TrustBundle:
    """Return what a version holds, verified against its own pinned roots; what is not believed is in `skipped`."""
    contents = BundleContents()
    roots: list[Certificate] = []
    for file in version.files:
        if file.kind not in (FileKind.ROOT, FileKind.ISSUER, FileKind.SIGNER):
            _sort_in(contents, file)
            continue
        certificate = _certificate(file)
        role = CertificateRole.SIGNER if file.kind is FileKind.SIGNER else CertificateRole.ISSUER
        source = "pinned root" if file.kind is FileKind.ROOT else BILATERAL
        contents.certificates.append(HeldCertificate(certificate, role, (source,)))
        if file.kind is FileKind.ROOT:
            roots.append(certificate)
    return assemble(contents, roots, version=version.number, issued_at=version.issued_at)


def _sort_in(contents: BundleContents, file: BundleFile) -> None:
    """Sort a list in. What it holds decides, and whoever writes the manifest names its kind: the two must not differ over the ceremony."""
    certificates, defects = len(contents.certificates), len(contents.defects)
    contents.take(file.content, f"{file.kind.value} {file.sha256[:16]}")
    is_other = len(contents.defects) > defects and file.kind is not FileKind.DEFECTS
    if is_other or len(contents.certificates) > certificates:
        raise TrustRefused(
            f"the {file.kind.value} {file.sha256[:16]} is something that two officers import", code=CEREMONY_MISSING
        )


def load_trust(trust: Path, officers: Mapping[str, bytes] | None, *, lowest_version: int = 0) -> TrustBundle:
    """Return the bundle in force. Raises `TrustRefused`: absent, unsigned, changed, or older than `lowest_version`."""
    if not (trust / CURRENT).is_dir():
        raise TrustRefused(f"{trust} holds no trust bundle", code=ABSENT)
    version = read_version((trust / CURRENT).resolve(), officers)
    if version.number < lowest_version:
        raise TrustRefused(f"version {version.number} where {lowest_version} was in force", code=OLDER)
    return bundle_of(version)


def current_version(trust: Path, officers: Mapping[str, bytes] | None) -> Version | None:
    """Return the version in force, None where there is none yet. Raises `TrustRefused` for one that is not right."""
    if not (trust / CURRENT).is_dir():
        return None
    return read_version((trust / CURRENT).resolve(), officers)


def publish(
    trust: Path,
    manifest: bytes,
    files: Sequence[BundleFile],
    signatures: Sequence[OfficerSignature],
    ceremony: Sequence[OfficerSignature],
    officers: Mapping[str, bytes],
) -> Version:
    """Write a version beside the one in force, check it as a gate will, and switch to it in one step.

    Raises `TrustRefused` and leaves the version in force alone when the new one would not be accepted, or is not newer.
    """
    trust.mkdir(mode=0o755, parents=True, exist_ok=True)
    (trust / VERSIONS).mkdir(exist_ok=True)
    draft = trust / VERSIONS / f".draft-{os.getpid()}"
    shutil.rmtree(draft, ignore_errors=True)
    try:
        (draft / "files").mkdir(parents=True)
        for file in files:
            _write(draft / "files" / file.sha256, file.content)
        table = {"manifest": [one.table() for one in signatures], "ceremony": [one.table() for one in ceremony]}
        _write(draft / "manifest.json", manifest)
        _write(draft / "signatures.json", json.dumps(table, indent=1).encode() + b"\n")
        return install(trust, draft, officers)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def install(trust: Path, source: Path, officers: Mapping[str, bytes]) -> Version:
    """Put a complete version (this machine's draft, or a folder brought from another) in force. Raises `TrustRefused`."""
    version = read_version(source, officers)
    bundle_of(version)  # what a gate would not load is not put in force
    held = current_version(trust, officers=None)
    if held is not None and version.number <= held.number:
        raise TrustRefused(f"version {version.number} is not newer than {held.number}, which is in force", code=OLDER)
    place = trust / VERSIONS / f"{version.number:07d}"
    shutil.rmtree(place, ignore_errors=True)  # a version that was written and never put in force
    if source.parent == trust / VERSIONS:
        source.rename(place)
    else:
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, place)
    link = trust / f".{CURRENT}-{os.getpid()}"
    link.unlink(missing_ok=True)
    link.symlink_to(Path(VERSIONS) / place.name)
    link.replace(trust / CURRENT)
    _sync_folder(trust)
    return version


def _file(folder: Path, kind: FileKind, sha256: str) -> BundleFile:
    if not _SHA256.fullmatch(sha256):
        raise TrustRefused("a file of the trust bundle is named wrongly")
    try:
        file = BundleFile(kind, _bounded(folder / "files" / sha256, LIST_LIMIT_BYTES))
    except OSError as error:
        raise TrustRefused(f"the trust bundle lacks the file {sha256[:16]}", code=ABSENT) from error
    if file.sha256 != sha256:
        raise TrustRefused(f"the file {sha256[:16]} of the trust bundle was changed", code=CHANGED)
    return file


def _certificate(file: BundleFile) -> Certificate:
    try:
        return read_certificate(file.content)
    except CertificateMalformed as error:
        raise TrustRefused(f"the {file.kind.value} {file.sha256[:16]} is {error}") from error


def _bounded(path: Path, limit_bytes: int) -> bytes:
    with path.open("rb") as stream:
        content = stream.read(limit_bytes + 1)
    if len(content) > limit_bytes:
        raise TrustRefused(f"{path.name} of the trust bundle has more than {limit_bytes} bytes")
    return content


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
