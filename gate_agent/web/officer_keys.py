"""An officer's signing key under a password: Ed25519, kept with argon2id (RFC 9106) and AES-256-GCM in one small JSON file.

The console unlocks it at login and signs each authorisation with it; the agent knows only the public key. The file is useless
without the password, and the password is never stored.
"""

from __future__ import annotations

import json
import secrets
from typing import Literal

from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gate_agent.errors import AuthorityRefused

MAXIMUM_FILE_BYTES = 4096
MAXIMUM_PASSWORD_BYTES = 1024

_TIME_COST = 3
_MEMORY_KIB = 65_536
_PARALLELISM = 1
_SALT_BYTES = 16
_NONCE_BYTES = 12


class PasswordWrong(AuthorityRefused):
    """The password does not open the key."""

    code = "EG-AUT-040"


class OfficerKeyUnusable(AuthorityRefused):
    """The content is no key file of ours, or was changed."""

    code = "EG-AUT-041"


class _KeyFile(BaseModel):
    """The file. Work factors are constants of the format: a changed file cannot make the console spend more, or an attacker less."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: Literal["egate-officer-key-1 argon2id t=3 m=65536 p=1 aes-256-gcm"]
    officer_id: str = Field(min_length=1, max_length=64)
    public_key_hex: str = Field(pattern=r"^[0-9a-f]{64}$")
    salt_hex: str = Field(pattern=r"^[0-9a-f]{32}$")
    nonce_hex: str = Field(pattern=r"^[0-9a-f]{24}$")
    ciphertext_hex: str = Field(pattern=r"^[0-9a-f]{96}$")


_FORMAT: Literal["egate-officer-key-1 argon2id t=3 m=65536 p=1 aes-256-gcm"] = (
    "egate-officer-key-1 argon2id t=3 m=65536 p=1 aes-256-gcm"
)


def create_officer_key(officer_id: str, password: str) -> tuple[bytes, bytes]:
    """Return a new key file (JSON) and the 32 bytes of its public key. Raises `ValueError` for an empty id or password."""
    if not officer_id or not password:
        raise ValueError("an officer key needs an officer and a password")
    private_key = Ed25519PrivateKey.generate()
    public_key = private_key.public_key().public_bytes_raw()
    salt, nonce = secrets.token_bytes(_SALT_BYTES), secrets.token_bytes(_NONCE_BYTES)
    sealed = AESGCM(_derived(password, salt)).encrypt(
        nonce, private_key.private_bytes_raw(), _bound_to(officer_id, public_key)
    )
    content = _KeyFile(
        format=_FORMAT,
        officer_id=officer_id,
        public_key_hex=public_key.hex(),
        salt_hex=salt.hex(),
        nonce_hex=nonce.hex(),
        ciphertext_hex=sealed.hex(),
    )
    return content.model_dump_json(indent=1).encode() + b"\n", public_key


def unlock_officer_key(content: bytes, password: str) -> Ed25519PrivateKey:
    """Return the private key of a key file.

    Raises `PasswordWrong` or `OfficerKeyUnusable`. The same work is done in every case, so that the time to an answer tells
    nothing: for an officer who does not exist, call it with empty content.
    """
    try:
        file = _KeyFile.model_validate_json(content if len(content) <= MAXIMUM_FILE_BYTES else b"")
    except ValidationError as error:
        _derived(password, bytes(_SALT_BYTES))
        raise OfficerKeyUnusable("this is no officer's key file") from error
    key = _derived(password, bytes.fromhex(file.salt_hex))
    public_key = bytes.fromhex(file.public_key_hex)
    try:
        raw = AESGCM(key).decrypt(
            bytes.fromhex(file.nonce_hex), bytes.fromhex(file.ciphertext_hex), _bound_to(file.officer_id, public_key)
        )
    except InvalidTag as error:
        raise PasswordWrong("the password does not open this key") from error
    private_key = Ed25519PrivateKey.from_private_bytes(raw)
    if private_key.public_key().public_bytes_raw() != public_key:
        raise OfficerKeyUnusable("the key file contradicts itself")
    return private_key


def _derived(password: str, salt: bytes) -> bytes:
    return hash_secret_raw(
        secret=password.encode("utf-8", "surrogatepass")[:MAXIMUM_PASSWORD_BYTES],
        salt=salt,
        time_cost=_TIME_COST,
        memory_cost=_MEMORY_KIB,
        parallelism=_PARALLELISM,
        hash_len=32,
        type=Type.ID,
    )


def _bound_to(officer_id: str, public_key: bytes) -> bytes:
    return json.dumps([_FORMAT, officer_id, public_key.hex()]).encode()
