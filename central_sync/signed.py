r"""Signed wire form of everything that travels: one signature line, then the content exactly as signed.

    <purpose> <key id, 16 hex> <Ed25519 signature, 128 hex>\n<content>

The signature covers `<purpose>\n<content>`, so a signature made for one purpose is worthless for another. The content is not
looked at before the signature was found good.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from central_sync.identity import is_signed, key_id

_LINE = re.compile(rb"([a-z0-9-]{1,40}) ([0-9a-f]{16}) ([0-9a-f]{128})\n")


def sign(purpose: str, content: bytes, key: Ed25519PrivateKey) -> bytes:
    """Return `content` in signed wire form."""
    signature = key.sign(purpose.encode() + b"\n" + content)
    line = " ".join((purpose, key_id(key.public_key()), signature.hex()))
    return line.encode() + b"\n" + content


def is_for(purpose: str, wire: bytes) -> bool:
    """Say whether `wire` has the signed form and names this purpose; the signature is not checked."""
    line = _LINE.match(wire)
    return line is not None and line.group(1) == purpose.encode()


def signer_of(purpose: str, wire: bytes, keys: Mapping[str, Ed25519PublicKey]) -> tuple[str, bytes] | None:
    """Return who of the owners of `keys` signed `wire` for this purpose, and the content; None when nobody did."""
    for name, key in keys.items():
        content = content_of(purpose, wire, (key,))
        if content is not None:
            return name, content
    return None


def content_of(purpose: str, wire: bytes, trusted: Sequence[Ed25519PublicKey]) -> bytes | None:
    """Return the signed content, or None unless one of the `trusted` keys signed it for this purpose."""
    line = _LINE.match(wire)
    if line is None or line.group(1) != purpose.encode():
        return None
    named, signature = line.group(2).decode(), bytes.fromhex(line.group(3).decode())
    content = wire[line.end() :]
    message = purpose.encode() + b"\n" + content
    if any(key_id(key) == named and is_signed(key, signature, message) for key in trusted):
        return content
    return None
