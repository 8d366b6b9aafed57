"""Detached Ed25519 signatures (RFC 8032) over an operator's manifests, calibration records and cohorts: `FILE.sig` beside `FILE`.

One line: `egate-models-1 <key id, 16 hex> <signature, 128 hex>`. The signature covers the purpose and the SHA-256 of the file, so
that a signature made for anything else is worthless here. A signed manifest names its model file's SHA-256 and covers it, too.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from models.errors import CatalogueFault

_PURPOSE = "egate-models-1"
_LINE = re.compile(rf"{_PURPOSE} ([0-9a-f]{{16}}) ([0-9a-f]{{128}})\n?")
_LARGEST_SIGNATURE_BYTES = 512
SUFFIX = ".sig"


def key_id(key: Ed25519PublicKey) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of the raw public key."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]


def _message(content: bytes) -> bytes:
    return _PURPOSE.encode() + b"\n" + hashlib.sha256(content).digest()


def sign(content: bytes, key: Ed25519PrivateKey) -> str:
    """Return the signature line for a file's content."""
    return f"{_PURPOSE} {key_id(key.public_key())} {key.sign(_message(content)).hex()}\n"


def is_signed(content: bytes, line: str, trusted: Sequence[Ed25519PublicKey]) -> bool:
    """Say whether one of the trusted keys made this signature line for this content."""
    found = _LINE.fullmatch(line)
    if found is None:
        return False
    for key in trusted:
        if key_id(key) == found.group(1):
            try:
                key.verify(bytes.fromhex(found.group(2)), _message(content))
            except InvalidSignature:
                continue
            return True
    return False


def sign_file(path: Path, key: Ed25519PrivateKey) -> Path:
    """Write the signature of a file beside it and return where. Raises `CatalogueFault` when that cannot be done."""
    place = path.with_name(path.name + SUFFIX)
    try:
        place.write_text(sign(path.read_bytes(), key), encoding="ascii")
    except OSError as error:
        raise CatalogueFault(f"{path} cannot be signed: {error.strerror}", code="MD-CAT-008") from error
    return place


def verified_content(path: Path, trusted: Sequence[Ed25519PublicKey], *, allow_unsigned: bool = False) -> bytes:
    """Return a file's bytes once a trusted key's signature covers exactly them.

    With `allow_unsigned` (laboratories) a file without a signature passes; a wrong signature never does. Raises `CatalogueFault`.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CatalogueFault(f"{path.name} cannot be read: {error.strerror}", code="MD-CAT-008") from error
    try:
        with path.with_name(path.name + SUFFIX).open("rb") as stream:
            line = stream.read(_LARGEST_SIGNATURE_BYTES).decode("ascii", errors="replace")
    except FileNotFoundError as error:
        if allow_unsigned:
            return content
        raise CatalogueFault(
            f"{path.name} is not signed; sign it with `egate models sign {path.name} --key KEY`", code="MD-CAT-008"
        ) from error
    except OSError as error:
        raise CatalogueFault(f"{path.name}{SUFFIX} cannot be read: {error.strerror}", code="MD-CAT-008") from error
    if not is_signed(content, line, trusted):
        raise CatalogueFault(
            f"{path.name} is altered, or signed by a key that this gate does not trust", code="MD-CAT-008"
        )
    return content


def read_private_key(path: Path) -> Ed25519PrivateKey:
    """Return the Ed25519 key in a PEM file (PKCS #8, no password). Raises `CatalogueFault`."""
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise CatalogueFault(f"{path} is no readable private key: {error}", code="MD-CAT-008") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise CatalogueFault(f"{path} is no Ed25519 key", code="MD-CAT-008")
    return key


def read_public_key(path: Path) -> Ed25519PublicKey:
    """Return the Ed25519 public key in a PEM file. Raises `CatalogueFault`."""
    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise CatalogueFault(f"{path} is no readable public key: {error}", code="MD-CAT-008") from error
    if not isinstance(key, Ed25519PublicKey):
        raise CatalogueFault(f"{path} is no Ed25519 key", code="MD-CAT-008")
    return key
