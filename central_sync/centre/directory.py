"""Which gates there are and with which keys they sign; a file that `egate provision` writes and an operator may edit.

`directory.json`: {"gates": [{"country": "UTO", "site": "demo", "gate_id": "gate-1", "public_key_pem": "-----BEGIN …"}]}. The same
members in a TOML file (`[[gates]]`) do as well. The file is read again when it changes; an unreadable new version leaves the old
one in force.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, ValidationError

from central_sync import strict_json
from central_sync.errors import IdentityFault, StrictJsonError
from central_sync.identity import verification_key
from central_sync.topics import GateAddress

DIRECTORY, GATE_UNKNOWN = "CS-IDN-002", "CS-IDN-003"
_LIMIT_BYTES = 8_000_000
_log = structlog.get_logger(__name__)


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow")
    country: str
    site: str
    gate_id: str
    public_key_pem: str


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow")
    gates: list[_Entry]


class GateDirectory:
    """Public keys by address. Raises `IdentityFault` when the file cannot be used at the first reading."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = self._stamp_now()
        self._keys = _read(path)

    def key(self, address: GateAddress) -> Ed25519PublicKey:
        """Return a gate's key. Raises `IdentityFault` (CS-IDN-003) for a gate that is not in the directory."""
        self._refresh()
        try:
            return self._keys[address]
        except KeyError as error:
            raise IdentityFault(f"{address.source} is not in the directory", code=GATE_UNKNOWN) from error

    def addresses(self) -> list[GateAddress]:
        """Return every gate, sorted."""
        self._refresh()
        return sorted(self._keys)

    def _refresh(self) -> None:
        stamp = self._stamp_now()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._keys = _read(self._path)
        except IdentityFault as fault:
            _log.error("gate_directory_unusable_old_one_stays", code=fault.code, why=str(fault))

    def _stamp_now(self) -> tuple[int, int]:
        try:
            status = self._path.stat()
        except OSError:
            return (0, 0)
        return status.st_mtime_ns, status.st_size


def _read(path: Path) -> dict[GateAddress, Ed25519PublicKey]:
    try:
        text = path.read_bytes()
        members = (
            tomllib.loads(text.decode()) if path.suffix == ".toml" else strict_json.loads(text, max_bytes=_LIMIT_BYTES)
        )
        entries = _File.model_validate(members).gates
    except OSError as error:
        raise IdentityFault(f"{path}: {error.strerror}", code=DIRECTORY) from error
    except (StrictJsonError, ValidationError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise IdentityFault(f"{path} is no gate directory: {type(error).__name__}", code=DIRECTORY) from error
    keys: dict[GateAddress, Ed25519PublicKey] = {}
    for entry in entries:
        try:
            address = GateAddress(entry.country, entry.site, entry.gate_id)
        except ValueError as error:
            raise IdentityFault(f"{path}: {error}", code=DIRECTORY) from error
        if address in keys:
            raise IdentityFault(f"{path} names {address.source} twice", code=DIRECTORY)
        keys[address] = verification_key(entry.public_key_pem.encode(), f"{path}, {address.source}")
    return keys
