"""How commands come by trusted certificates: a folder that is searched whole, or a trust folder with the officers who may sign it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from central_sync.bundles import verify_bundle
from central_sync.errors import SyncError
from central_sync.identity import read_verification_key
from gate_agent.clock import SystemClock
from gate_agent.errors import EgateError
from gate_agent.inspection.trust_bundle import TrustBundle, load_folder
from gate_agent.inspection.trust_versions import CURRENT, load_trust
from gate_agent.lane.authorisation import ROLES_FOR_TRUST


class TrustUnreadable(EgateError):
    """A folder, file or argument of a trust command that cannot be used."""

    code = "EG-TRU-010"


def open_trust(folder: Path, officers: Mapping[str, bytes] | None = None) -> TrustBundle:
    """Return the bundle of a folder. Raises `TrustUnreadable` or `TrustRefused`.

    A trust folder's files are compared with their digests, its signatures with `officers` where those are handed in; of any other
    folder everything is taken, because the operator named it.
    """
    try:
        if (folder / CURRENT).exists():
            return load_trust(folder, officers)
        return load_folder(folder)
    except OSError as error:
        raise TrustUnreadable(f"{error.filename or folder}: {error.strerror or error}") from error


def officers_in_office(officers_bundle: Path, centre_key: Path) -> dict[str, bytes]:
    """Return the raw public keys of the officers who may sign, by id. Raises `TrustUnreadable` for a bundle that is not believed."""
    try:
        key = read_verification_key(centre_key)
        bundle = verify_bundle(officers_bundle.read_bytes(), [key], SystemClock().now(), "officers")
    except OSError as error:
        raise TrustUnreadable(f"{error.filename}: {error.strerror}") from error
    except SyncError as error:
        raise TrustUnreadable(f"{error.code}: {error}") from error
    entries = bundle.body.get("officers")
    found = {}
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and entry.get("role") in ROLES_FOR_TRUST:
            found[str(entry["officer_id"])] = bytes.fromhex(str(entry["public_key_hex"]))
    return found
