"""Making the keys and first bundles of a site: what a gate, a centre and a portal need before they can trust each other.

    keys/            gate, centre, post, rulebook, token_issuer, token_issuer_kiosk (Ed25519) · centre_seal (X25519): `.key` PKCS #8, 0600 · `.pub`
    keys/            receipt (Ed25519): the gate signs travellers' receipts with it, and nothing else; `receipt.pub` is given to whoever reads them
    keys/            portal_book.key: what the portal keeps is sealed under it
    keys/            face_reference.key: the site key of short-term references, used only where they are switched on
    keys/            watchlist.key: what the watchlists are sealed with; kept even with `force`, for lists outlive keys of gates
    keys/            what a border post needs besides: `gate_agent.post_keys`
    keys/officers/   <officer id>.json, the officer's key under a password
    bundles/         rulebook, officers, watchlist, stays: signed, ready for `central_sync.downlink`
    directory.json   the gates that the centre takes records from

What exists is kept: a second run adds gates and officers and issues the bundles again with the next version. The rulebook is
signed with the rulebook key, the other bundles with the centre's. A site moves only what each machine needs off this folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from central_sync import strict_json
from central_sync.bundles import file_name, sign_bundle
from central_sync.identity import read_opening_key, read_signing_key
from central_sync.strict_json import JSON
from gate_agent.clock import Clock
from gate_agent.errors import EgateError
from gate_agent.inspection.watchlist_bundle import base_body
from gate_agent.inspection.watchlist_entries import WatchlistRefused, read_lists
from gate_agent.inspection.watchlist_sealed import WatchlistKey
from gate_agent.lane.authorisation import OfficerRole
from gate_agent.policy.rulebook_format import packaged_rulebook_bytes
from gate_agent.post_keys import NO_WATCHLIST_KEY, WATCHLIST_KEY, folder_of_gate, make_post_keys
from gate_agent.store.reference_keys import FILE_NAME as REFERENCE_KEY
from gate_agent.store.reference_keys import make_site_key
from gate_agent.store.secret_file import make_secret, read_secret
from gate_agent.web.officer_keys import create_officer_key

SIGNING_KEYS = ("centre", "post", "rulebook", "token_issuer", "token_issuer_kiosk", "models")
SEALING_KEY = "centre_seal"
PORTAL_KEY = "portal_book.key"
DEVELOPMENT_OFFICERS: Mapping[str, str] = {
    "guard-1": OfficerRole.GUARD,
    "supervisor-1": OfficerRole.SUPERVISOR,
    "customs-1": OfficerRole.CUSTOMS_INSPECTOR,
    "health-1": OfficerRole.HEALTH_OFFICER,
    "quarantine-1": OfficerRole.QUARANTINE_OFFICER,
    "technician-1": OfficerRole.TECHNICIAN,
}

_VALIDITY = {
    "rulebook": timedelta(days=366),
    "officers": timedelta(days=366),
    "watchlist": timedelta(days=30),
    "bans": timedelta(days=30),
    "permits": timedelta(days=30),
    "stays": timedelta(days=30),
}
_OFFICER_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PASSWORD_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"  # noqa: S105 - letters that are not mistaken for each other
_PASSWORD_GROUPS, _PASSWORD_GROUP_LETTERS = 4, 5
_FILE_LIMIT_BYTES = 16_000_000

PrivateKey = TypeVar("PrivateKey", Ed25519PrivateKey, X25519PrivateKey)


class ProvisioningRefused(EgateError):
    """The folder, an officer or a role cannot be used as asked."""

    code = "EG-PRO-001"


@dataclass(frozen=True, slots=True)
class Provisioned:
    """What was made. `passwords` holds the one-time passwords of the officers created now; they are stored nowhere."""

    folder: Path
    keys: Path
    bundles: Path
    directory: Path
    passwords: Mapping[str, str]


def provision(
    folder: Path,
    *,
    country: str,
    site: str,
    gate_id: str,
    officers: Mapping[str, str],
    clock: Clock,
    watchlist_body: Mapping[str, JSON] | None = None,
    stays_body: Mapping[str, JSON] | None = None,
    rulebook: bytes | None = None,
    force: bool = False,
) -> Provisioned:
    """Make what is missing in `folder` and return where it lies and the new officers' passwords.

    `officers` maps officer ids to roles (`guard`, `supervisor`, `customs_inspector`, `health_officer`, `quarantine_officer`, `technician`); `rulebook` is the rulebook's JSON
    text, the packaged one when left out. With `force`, keys and officers that exist are replaced, and everything signed with them
    stops being trusted. Raises `ProvisioningRefused` before anything is written.
    """
    existing = {} if force else _officers_of(folder / "bundles" / file_name("officers"))
    _refuse_bad_officers(officers, existing)
    keys, bundles = folder / "keys", folder / "bundles"
    for path in (keys, keys / "officers", bundles):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    place = (country, site, gate_id)
    own = folder_of_gate(keys, folder / "directory.json", place)
    own.mkdir(mode=0o700, parents=True, exist_ok=True)
    _signing_key(own, "gate", force=force)
    _signing_key(own, "receipt", force=force)
    signing = {name: _signing_key(keys, name, force=force) for name in SIGNING_KEYS}
    _sealing_key(keys, force=force)
    if force:
        (own / REFERENCE_KEY).unlink(missing_ok=True)  # whatever was kept under the old one is given up
    make_site_key(own)
    make_secret(keys / WATCHLIST_KEY, NO_WATCHLIST_KEY)
    make_secret(keys / PORTAL_KEY, "EG-POR-002")

    passwords = {officer_id: _password() for officer_id in officers}
    roll = dict(existing)
    for officer_id, role in officers.items():
        content, public_key = create_officer_key(officer_id, passwords[officer_id])
        _write(keys / "officers" / f"{officer_id}.json", content, 0o600)
        roll[officer_id] = {
            "officer_id": officer_id,
            "display_name": officer_id,
            "role": str(role),
            "public_key_hex": public_key.hex(),
        }
    bodies: dict[str, dict[str, JSON]] = {
        "rulebook": strict_json.load_object(
            packaged_rulebook_bytes() if rulebook is None else rulebook, max_bytes=_FILE_LIMIT_BYTES
        ),
        "officers": {"officers": [roll[officer_id] for officer_id in sorted(roll)]},
        "watchlist": _kept_body(bundles, "watchlist", _sealed(watchlist_body, keys), {"lists": []}),
        "bans": _kept_body(bundles, "bans", None, {"lists": []}),
        "permits": _kept_body(bundles, "permits", None, {"permits": []}),
        "stays": _kept_body(bundles, "stays", stays_body, {"stays": []}),
    }
    now = clock.now()
    for kind, body in bodies.items():
        path = bundles / file_name(kind)
        key = signing["rulebook" if kind == "rulebook" else "centre"]
        signed = sign_bundle(kind, _next_version(path, body), now, now + _VALIDITY[kind], body, key)
        _write(path, signed, 0o644)
    directory = _add_to_directory(folder / "directory.json", country, site, gate_id, own / "gate.pub")
    make_post_keys(keys, own, place, now, _write, force=force)
    return Provisioned(folder, keys, bundles, directory, passwords)


def _refuse_bad_officers(officers: Mapping[str, str], existing: Mapping[str, JSON]) -> None:
    for officer_id, role in officers.items():
        if not _OFFICER_ID.fullmatch(officer_id):
            raise ProvisioningRefused(f"{officer_id!r} is no officer id: letters, digits, dot, hyphen, at most 64")
        if role not in set(OfficerRole):
            raise ProvisioningRefused(f"{role!r} is no role; there are {', '.join(OfficerRole)}")
        if officer_id in existing:
            raise ProvisioningRefused(f"officer {officer_id} exists; --force replaces keys and officers")


def _signing_key(keys: Path, name: str, *, force: bool) -> Ed25519PrivateKey:
    path = keys / f"{name}.key"
    key = read_signing_key(path) if path.exists() and not force else Ed25519PrivateKey.generate()
    return _kept(keys, name, key)


def _sealing_key(keys: Path, *, force: bool) -> X25519PrivateKey:
    path = keys / f"{SEALING_KEY}.key"
    key = read_opening_key(path) if path.exists() and not force else X25519PrivateKey.generate()
    return _kept(keys, SEALING_KEY, key)


def _kept(keys: Path, name: str, key: PrivateKey) -> PrivateKey:
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    _write(keys / f"{name}.key", private, 0o600)
    _write(keys / f"{name}.pub", public, 0o644)
    return key


def _write(path: Path, content: bytes, mode: int) -> None:
    """Replace a file in one step, never readable by others in between."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        draft.chmod(mode)
        draft.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise


def _password() -> str:
    """Return a password of about 99 bits in groups that can be read out."""
    return "-".join(
        "".join(secrets.choice(_PASSWORD_ALPHABET) for _ in range(_PASSWORD_GROUP_LETTERS))
        for _ in range(_PASSWORD_GROUPS)
    )


def _issued(path: Path) -> dict[str, JSON]:
    """Return the members of a bundle that this folder issued before, `{}` if none; gates verify signatures, this only counts on."""
    if not path.exists():
        return {}
    return strict_json.load_object(path.read_bytes().partition(b"\n")[2], max_bytes=_FILE_LIMIT_BYTES)


def _kept_body(
    bundles: Path, kind: str, wanted: Mapping[str, JSON] | None, empty: Mapping[str, JSON]
) -> dict[str, JSON]:
    """Return the body asked for, else the one issued before, else an empty one: a second run never empties a watchlist."""
    if wanted is not None:
        return dict(wanted)
    issued = _issued(bundles / file_name(kind)).get("body")
    return issued if isinstance(issued, dict) else dict(empty)


def _sealed(watchlist: Mapping[str, JSON] | None, keys: Path) -> dict[str, JSON] | None:
    """Return a watchlist as it may lie on a disk. Raises `WatchlistRefused` for one that is none, or too large for a first bundle."""
    if watchlist is None:
        return None
    lists = [(terms, list(entries)) for terms, entries in read_lists(watchlist)]
    key = WatchlistKey(read_secret(keys / WATCHLIST_KEY, NO_WATCHLIST_KEY))
    entries = [entry for _, listed in lists for entry in listed]
    if not entries:
        return dict(watchlist)  # there is nothing to hide
    body, beside = base_body([terms for terms, _ in lists], entries, key, secrets.token_hex(16))
    if beside is not None:
        raise WatchlistRefused("too large to be provisioned with: `egate watchlist build` makes it")
    return body


def _next_version(path: Path, body: Mapping[str, JSON]) -> int:
    issued = _issued(path)
    version = issued.get("version")
    if not isinstance(version, int):
        return 1
    return version if issued.get("body") == body else version + 1


def _officers_of(path: Path) -> dict[str, JSON]:
    body = _issued(path).get("body")
    officers = body.get("officers") if isinstance(body, dict) else None
    return {
        str(officer["officer_id"]): officer
        for officer in (officers if isinstance(officers, list) else [])
        if isinstance(officer, dict)
    }


def _add_to_directory(path: Path, country: str, site: str, gate_id: str, public_key: Path) -> Path:
    gates: list[JSON] = []
    if path.exists():
        known = strict_json.load_object(path.read_bytes()).get("gates")
        gates = known if isinstance(known, list) else []
    place: dict[str, JSON] = {"country": country, "site": site, "gate_id": gate_id}
    others = [gate for gate in gates if not (isinstance(gate, dict) and place.items() <= gate.items())]
    gate: dict[str, JSON] = {**place, "public_key_pem": public_key.read_text(encoding="ascii")}
    _write(path, json.dumps({"gates": [*others, gate]}, indent=1).encode() + b"\n", 0o644)
    return path
