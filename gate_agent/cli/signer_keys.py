"""Public keys of files and folders, by which commands judge signed codes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from central_sync.errors import IdentityFault
from central_sync.identity import read_verification_key
from gate_agent.errors import SettingsFault
from gate_agent.inspection.signed_code import key_identifier


def signer_keys(places: Iterable[Path], pattern: str) -> dict[bytes, Ed25519PublicKey]:
    """Return the keys of files, and of what matches `pattern` in folders, by key identifier.

    Raises `SettingsFault` for a key that cannot be read and for a folder that holds none.
    """
    trusted: dict[bytes, Ed25519PublicKey] = {}
    for place in places:
        files = sorted(place.glob(pattern)) if place.is_dir() else [place]
        if not files:
            raise SettingsFault(f"{place} holds no {pattern.rpartition('/')[2]}")
        for file in files:
            try:
                key = read_verification_key(file)
            except IdentityFault as fault:
                raise SettingsFault(f"{fault.code}: {fault}") from fault
            trusted[key_identifier(key)] = key
    return trusted
