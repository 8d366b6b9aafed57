"""Keys of gates and centre: Ed25519 for signatures (RFC 8032), X25519 for sealed fields; PEM files as `egate provision` writes them."""

from __future__ import annotations

import hashlib
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from central_sync.errors import IdentityFault

_KEY_FILE_LIMIT_BYTES = 16_384


def key_id(key: Ed25519PublicKey | X25519PublicKey) -> str:
    """Return the first eight bytes, in hex, of the SHA-256 of the raw public key: enough to pick a key, never to trust one."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]


def is_signed(key: Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    """Say whether `signature` is `key`'s signature over `message`."""
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def read_signing_key(path: Path) -> Ed25519PrivateKey:
    """Read an Ed25519 private key (PKCS #8 PEM). Raises `IdentityFault`."""
    key = _private(path)
    if not isinstance(key, Ed25519PrivateKey):
        raise IdentityFault(f"{path} holds no Ed25519 private key")
    return key


def read_verification_key(path: Path) -> Ed25519PublicKey:
    """Read an Ed25519 public key (SubjectPublicKeyInfo PEM). Raises `IdentityFault`."""
    return verification_key(_content(path), str(path))


def verification_key(pem: bytes, origin: str) -> Ed25519PublicKey:
    """Return the Ed25519 public key of a PEM text; `origin` is named in the `IdentityFault`."""
    key = _public(pem, origin)
    if not isinstance(key, Ed25519PublicKey):
        raise IdentityFault(f"{origin} holds no Ed25519 public key")
    return key


def read_opening_key(path: Path) -> X25519PrivateKey:
    """Read the X25519 private key that opens sealed fields (PKCS #8 PEM). Raises `IdentityFault`."""
    key = _private(path)
    if not isinstance(key, X25519PrivateKey):
        raise IdentityFault(f"{path} holds no X25519 private key")
    return key


def read_sealing_key(path: Path) -> X25519PublicKey:
    """Read the X25519 public key to which personal fields are sealed (SubjectPublicKeyInfo PEM). Raises `IdentityFault`."""
    key = _public(_content(path), str(path))
    if not isinstance(key, X25519PublicKey):
        raise IdentityFault(f"{path} holds no X25519 public key")
    return key


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            content = stream.read(_KEY_FILE_LIMIT_BYTES + 1)
    except OSError as error:
        raise IdentityFault(f"{path}: {error.strerror}") from error
    if len(content) > _KEY_FILE_LIMIT_BYTES:
        raise IdentityFault(f"{path} is too large for a key file")
    return content


def _private(path: Path) -> object:
    try:
        return serialization.load_pem_private_key(_content(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise IdentityFault(f"{path} holds no readable private key") from error


def _public(pem: bytes, origin: str) -> object:
    try:
        return serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise IdentityFault(f"{origin} holds no readable public key") from error
