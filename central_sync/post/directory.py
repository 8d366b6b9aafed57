"""Who belongs to a border post: its own certificate and those of its gates, in one file that the post and every gate hold.

    {"post": {"certificate_pem": "…"}, "gates": [{"source": "UTO/north-bridge/gate-1", "certificate_pem": "…"}, …]}

Certificates are self-signed and pinned one by one: nobody can issue another. Their keys are Ed25519; a gate signs its facts with the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from central_sync import strict_json
from central_sync.errors import IdentityFault, StrictJsonError

FILE_NAME = "post_directory.json"
MALFORMED = "CS-IDN-002"

_FILE_LIMIT_BYTES = 1_000_000


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class PostEntry(_Message):
    """The post."""

    certificate_pem: str


class GateEntry(_Message):
    """One gate of the post."""

    source: str = Field(max_length=128)
    certificate_pem: str


class DirectoryFile(_Message):
    """The file."""

    post: PostEntry
    gates: list[GateEntry] = Field(max_length=256)


@dataclass(frozen=True, slots=True)
class PostDirectory:
    """The file, its certificates read."""

    post: x509.Certificate
    gates: Mapping[str, x509.Certificate]

    @property
    def post_key(self) -> Ed25519PublicKey:
        """The key with which the post signs reports of seals."""
        return _ed25519(self.post)

    def gate_keys(self) -> dict[str, Ed25519PublicKey]:
        """Return the keys with which the gates sign facts, by source."""
        return {source: _ed25519(certificate) for source, certificate in self.gates.items()}

    def sources_by_fingerprint(self) -> dict[bytes, str]:
        """Return which gate a certificate (SHA-256 of its DER form) belongs to."""
        return {fingerprint(certificate): source for source, certificate in self.gates.items()}

    def pem_of_gates(self) -> str:
        """Return the gates' certificates, one after the other."""
        return "".join(_pem(certificate) for certificate in self.gates.values())

    def pem_of_post(self) -> str:
        """Return the post's certificate."""
        return _pem(self.post)


def read_directory(path: Path) -> PostDirectory:
    """Read the file. Raises `IdentityFault`."""
    try:
        with path.open("rb") as stream:
            content = stream.read(_FILE_LIMIT_BYTES + 1)
    except OSError as error:
        raise IdentityFault(f"{path}: {error.strerror}", code=MALFORMED) from error
    try:
        file = DirectoryFile.model_validate(strict_json.load_object(content, max_bytes=_FILE_LIMIT_BYTES))
    except (StrictJsonError, ValidationError) as error:
        raise IdentityFault(f"{path} is no directory of a post", code=MALFORMED) from error
    gates = {gate.source: _certificate(gate.certificate_pem, path) for gate in file.gates}
    if len(gates) != len(file.gates) or len({fingerprint(one) for one in gates.values()}) != len(gates):
        raise IdentityFault(f"{path} names a gate or a certificate twice", code=MALFORMED)
    return PostDirectory(_certificate(file.post.certificate_pem, path), gates)


def days_left(certificate: x509.Certificate, now: datetime) -> float:
    """Return how long a certificate is still valid; below zero: it is not valid now."""
    if now < certificate.not_valid_before_utc:
        return -1.0
    return (certificate.not_valid_after_utc - now).total_seconds() / 86_400


def fingerprint(certificate: x509.Certificate) -> bytes:
    """Return the SHA-256 of the certificate's DER form."""
    return hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).digest()


def _certificate(pem: str, path: Path) -> x509.Certificate:
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        _ed25519(certificate)
    except ValueError as error:
        raise IdentityFault(f"{path} holds a certificate that cannot be used", code=MALFORMED) from error
    return certificate


def _ed25519(certificate: x509.Certificate) -> Ed25519PublicKey:
    key = certificate.public_key()
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("the certificate's key is no Ed25519 key")  # noqa: TRY004 - a value from a file, not a type of ours
    return key


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
