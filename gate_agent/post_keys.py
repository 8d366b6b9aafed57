"""Keys and certificates of a border post, and the folder of keys of each gate beyond the first.

keys/post.key .pub .crt      the post: its key, and the certificate that it shows its gates
keys/gate.crt                the certificate that the first gate shows the post, made with gate.key
keys/facts.key               the key of the marks in facts: for the gates of the post alone, not for the post
keys/watchlist.key           what the site's watchlists are sealed with: for the gates and for whoever makes the lists
keys/post_directory.json     all certificates of the post, for the post and its gates
keys/gates/<gate id>/        what another gate's machine needs: a key of its own, and what it shares with the first
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from central_sync import strict_json
from central_sync.identity import read_signing_key
from central_sync.post.directory import FILE_NAME, days_left
from central_sync.strict_json import JSON
from gate_agent.store.secret_file import make_secret

FACTS_KEY = "facts.key"
WATCHLIST_KEY = "watchlist.key"
GATES_FOLDER = "gates"
_SHARED = (
    "centre.pub",
    "centre_seal.pub",
    "rulebook.pub",
    "token_issuer.pub",
    "token_issuer_kiosk.pub",
    "models.pub",
    FACTS_KEY,
    WATCHLIST_KEY,
)
_SECRET = (FACTS_KEY, WATCHLIST_KEY)
_VALIDITY = timedelta(days=1826)
_RENEWED_BEFORE_DAYS = 365.0
_BACKDATED = timedelta(days=1)  # a gate whose clock is a little behind still takes it
_NO_FACTS_KEY = "EG-SET-013"
NO_WATCHLIST_KEY = "EG-WLI-004"

Write = Callable[[Path, bytes, int], None]


def folder_of_gate(keys: Path, directory: Path, source: tuple[str, str, str]) -> Path:
    """Return where the keys of a gate belong: `keys` for the first gate of a site, a folder of its own for every other."""
    public = keys / "gate.pub"
    if not directory.exists() or not public.exists():
        return keys
    first = public.read_text(encoding="ascii")
    for gate in _gates(directory):
        if gate.get("public_key_pem") == first:
            place = (gate.get("country"), gate.get("site"), gate.get("gate_id"))
            return keys if place == source else keys / GATES_FOLDER / source[2]
    return keys


def make_post_keys(
    keys: Path, own: Path, source: tuple[str, str, str], now: datetime, write: Write, *, force: bool
) -> None:
    """Make what is missing for the post and for the gate whose keys lie in `own`, and bring every gate's folder up to date."""
    name = "/".join(source)
    if force:
        (keys / FACTS_KEY).unlink(missing_ok=True)
    make_secret(keys / FACTS_KEY, _NO_FACTS_KEY)
    post_pem = _certificate(keys / "post", f"{source[0]}/{source[1]} post", now, write, is_server=True)
    gate_pem = _certificate(own / "gate", name, now, write, is_server=False)
    path = keys / FILE_NAME
    others = [gate for gate in _gates(path) if gate.get("source") != name]
    entry: dict[str, JSON] = {"source": name, "certificate_pem": gate_pem}
    file: dict[str, JSON] = {"post": {"certificate_pem": post_pem}, "gates": [*others, entry]}
    write(path, json.dumps(file, indent=1).encode() + b"\n", 0o644)
    folders = sorted((keys / GATES_FOLDER).iterdir()) if (keys / GATES_FOLDER).is_dir() else []
    for folder in folders:
        for shared in (*_SHARED, FILE_NAME):
            write(folder / shared, (keys / shared).read_bytes(), 0o600 if shared in _SECRET else 0o644)
        shutil.copytree(keys / "officers", folder / "officers", dirs_exist_ok=True)


def _certificate(stem: Path, name: str, now: datetime, write: Write, *, is_server: bool) -> str:
    """Return the certificate of a key as PEM; one that fits the key and lasts is kept."""
    key = read_signing_key(stem.with_suffix(".key"))
    path = stem.with_suffix(".crt")
    if path.exists():
        pem = path.read_bytes()
        known = x509.load_pem_x509_certificate(pem)
        if known.public_key() == key.public_key() and days_left(known, now) > _RENEWED_BEFORE_DAYS:
            return pem.decode()
    pem = self_signed(key, name, now, is_server=is_server)
    write(path, pem, 0o644)
    return pem.decode()


def self_signed(key: Ed25519PrivateKey, name: str, now: datetime, *, is_server: bool) -> bytes:
    """Return a certificate by which a key vouches for itself: it is worth something only to whoever holds it already."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    usage = ExtendedKeyUsageOID.SERVER_AUTH if is_server else ExtendedKeyUsageOID.CLIENT_AUTH
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + _VALIDITY)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .sign(key, None)
    )
    return certificate.public_bytes(serialization.Encoding.PEM)


def _gates(path: Path) -> list[dict[str, JSON]]:
    """Return the gates of a directory, the centre's or the post's; none when there is none yet."""
    if not path.exists():
        return []
    gates = strict_json.load_object(path.read_bytes()).get("gates")
    return [gate for gate in gates if isinstance(gate, dict)] if isinstance(gates, list) else []
