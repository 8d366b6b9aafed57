r"""Signatures of officers under a version of the trust bundle: who stands behind it, and the two who imported what no state signed.

Certificates that came bilaterally, pinned roots and defects are taken in by two different officers, each with a key of their own; both
sign the same statement, which names every such file by its digest. A whole version is signed by at least one. The proof stays in the
bundle and is checked whenever it is loaded, against the officers who are in office then.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gate_agent.errors import EgateError

MALFORMED, UNSIGNED, CEREMONY_MISSING, OLDER, ABSENT, CHANGED = (f"EG-TRU-{number:03d}" for number in range(1, 7))
SIGNERS_OF_CEREMONY = 2

MANIFEST_PURPOSE = b"egate-trust-1\n"
CEREMONY_PURPOSE = b"egate-trust-ceremony-1\n"


class TrustRefused(EgateError):
    """A trust bundle, or something to be imported into one, that is not believed."""

    code = MALFORMED


@dataclass(frozen=True, slots=True)
class OfficerSignature:
    """One officer's signature."""

    officer_id: str
    signature: bytes

    def table(self) -> dict[str, str]:
        """Return it for JSON."""
        return {"officer_id": self.officer_id, "signature_hex": self.signature.hex()}


def sign_as(officer_id: str, key: Ed25519PrivateKey, purpose: bytes, content: bytes) -> OfficerSignature:
    """Return an officer's signature; one made for one purpose is worthless for the other."""
    return OfficerSignature(officer_id, key.sign(purpose + content))


def signatures_of(table: Any) -> tuple[OfficerSignature, ...]:
    """Return signatures from JSON. Raises `ValueError` and its kin for anything else."""
    return tuple(OfficerSignature(str(one["officer_id"]), bytes.fromhex(one["signature_hex"])) for one in table)


def signers_of(
    purpose: bytes, content: bytes, signatures: Iterable[OfficerSignature], officers: Mapping[str, bytes]
) -> tuple[str, ...]:
    """Return the officers whose signature is right, each once. `officers`: raw Ed25519 public keys of those in office, by id.

    Two names with one key are one officer.
    """
    found: dict[bytes, str] = {}
    for one in signatures:
        key = officers.get(one.officer_id)
        if key is None or key in found:
            continue
        try:
            Ed25519PublicKey.from_public_bytes(key).verify(one.signature, purpose + content)
        except (InvalidSignature, ValueError):
            continue
        found[key] = one.officer_id
    return tuple(found.values())


def ceremony_statement(files: Iterable[tuple[str, str]]) -> bytes:
    """Return what both officers sign: kind and SHA-256 of every file that no state vouches for, in one order."""
    return json.dumps({"files": sorted([kind, sha256] for kind, sha256 in files)}, separators=(",", ":")).encode()


def check_signed(manifest: bytes, signatures: Sequence[OfficerSignature], officers: Mapping[str, bytes]) -> None:
    """Raise `TrustRefused` unless an officer in office signed this manifest."""
    if not signers_of(MANIFEST_PURPOSE, manifest, signatures, officers):
        raise TrustRefused("no officer in office signed this version of the trust bundle", code=UNSIGNED)


def check_ceremony(
    files: Iterable[tuple[str, str]], signatures: Sequence[OfficerSignature], officers: Mapping[str, bytes]
) -> None:
    """Raise `TrustRefused` unless two different officers in office signed the import of exactly these files (none need none)."""
    listed = list(files)
    if not listed:
        return
    signers = signers_of(CEREMONY_PURPOSE, ceremony_statement(listed), signatures, officers)
    if len(signers) < SIGNERS_OF_CEREMONY:
        who = ", ".join(signers) or "none"
        raise TrustRefused(
            f"certificates and defects are imported by two different officers; of those in office signed: {who}",
            code=CEREMONY_MISSING,
        )
