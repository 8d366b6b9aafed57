"""Personal fields sealed to the centre: HPKE base mode (RFC 9180), DHKEM X25519, HKDF-SHA256, ChaCha20-Poly1305.

The record's id is bound in as `info`, so a ciphertext moved to another record does not open. Broker and site see ciphertext
only; the chain hashes the ciphertext, so destroying a key later does not break it.
"""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from central_sync import strict_json
from central_sync.errors import SealFault, StrictJsonError
from central_sync.strict_json import JSON, JsonInput

_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)


def seal(fields: Mapping[str, JsonInput], centre_key: X25519PublicKey, record_id: uuid.UUID) -> str:
    """Return `fields` encrypted for the holder of the centre's sealing key, as base64."""
    ciphertext = _SUITE.encrypt(strict_json.dumps(fields), centre_key, info=_info(record_id))
    return base64.b64encode(ciphertext).decode()


def unseal(sealed: str, centre_key: X25519PrivateKey, record_id: uuid.UUID) -> dict[str, JSON]:
    """Return the sealed fields of one record. Raises `SealFault` for another key, another record or changed bytes."""
    try:
        plaintext = _SUITE.decrypt(base64.b64decode(sealed, validate=True), centre_key, info=_info(record_id))
        return strict_json.load_object(plaintext)
    except (InvalidTag, binascii.Error, ValueError, StrictJsonError) as error:
        raise SealFault("the sealed fields do not open with this key for this record") from error


def _info(record_id: uuid.UUID) -> bytes:
    return b"egate record v1\x00" + record_id.bytes
