r"""Signed bundles: what goes down to the gates (rulebook, watchlist, bans, permits, stay facts, officers), each file `<kind>.bundle`.

Layout: one signature line, then the content exactly as signed.

    egate-bundle-1 <key id, 16 hex> <Ed25519 signature, 128 hex>\n
    {"body":{…},"expires":"…Z","kind":"rulebook","valid_from":"…Z","version":7}

The signature covers `egate-bundle-1\n` and every byte after the first line; it is checked before the content is parsed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from central_sync import signed, strict_json
from central_sync.errors import BundleRefused, StrictJsonError
from central_sync.strict_json import JSON, JsonInput

KINDS = ("rulebook", "watchlist", "bans", "permits", "stays", "officers")
"""What every gate needs."""
OPTIONAL_KINDS = ("watchlist_delta",)
"""What a gate takes if there is any: the change that makes a later watchlist of the one that lies beside it."""
SAME_SEQUENCE: Mapping[str, tuple[str, ...]] = MappingProxyType(
    dict.fromkeys(("watchlist", "watchlist_delta"), ("watchlist", "watchlist_delta"))
)
"""Kinds that share their version numbers: neither may go below the other."""
MAX_BUNDLE_BYTES = 134_217_728

MALFORMED, SIGNATURE, OTHER_KIND, OLDER, NOT_YET_VALID, EXPIRED = (f"CS-BND-{number:03d}" for number in range(1, 7))

_PURPOSE = "egate-bundle-1"
_MEMBERS = {"kind", "version", "valid_from", "expires", "body"}


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose signature, kind, version and dates were accepted. `sha256` is the hex digest of the whole file."""

    kind: str
    version: int
    valid_from: datetime
    expires: datetime
    body: dict[str, JSON]
    sha256: str


def file_name(kind: str) -> str:
    """Return the name under which a bundle of this kind lies in the bundles folder."""
    return f"{kind}.bundle"


def sign_bundle(
    kind: str,
    version: int,
    valid_from: datetime,
    expires: datetime,
    body: Mapping[str, JsonInput],
    private_key: Ed25519PrivateKey,
) -> bytes:
    """Return the bytes of a signed bundle file.

    `version` grows with each issue of a kind; both dates are aware. Raises `ValueError` for an unknown kind, a version below 1,
    naive dates or an empty period, `StrictJsonError` for a body that JSON cannot carry.
    """
    if kind not in KINDS + OPTIONAL_KINDS:
        raise ValueError(f"unknown kind of bundle {kind!r}")
    if version < 1 or valid_from.tzinfo is None or expires.tzinfo is None or expires <= valid_from:
        raise ValueError("a bundle needs a version from 1 on and an aware, non-empty period")
    content = strict_json.dumps(
        {
            "kind": kind,
            "version": version,
            "valid_from": _rfc3339(valid_from),
            "expires": _rfc3339(expires),
            "body": body,
        }
    )
    return signed.sign(_PURPOSE, content, private_key)


def verify_bundle(
    wire: bytes,
    trusted: Sequence[Ed25519PublicKey],
    now: datetime,
    kind: str,
    minimum_version: int = 0,
) -> Bundle:
    """Return the bundle if one of the `trusted` keys signed it and it may be used at `now` (aware).

    Raises `BundleRefused`: malformed, signature, another kind, version below `minimum_version` (rollback), not yet valid, expired.
    The body's own schema is its reader's business.
    """
    return _judged(_opened(wire, trusted), now, kind, minimum_version)


def version_in_use(wire: bytes, trusted: Sequence[Ed25519PublicKey], kind: str) -> int:
    """Return the version of a bundle that was accepted before, expired or not: the floor below which nothing replaces it.

    Raises `BundleRefused` when it is not a bundle of this kind that one of the `trusted` keys signed.
    """
    return bundle_in_use(wire, trusted, kind).version


def bundle_in_use(wire: bytes, trusted: Sequence[Ed25519PublicKey], kind: str) -> Bundle:
    """Return a bundle that was accepted before, expired or not. Raises as `version_in_use`."""
    bundle = _opened(wire, trusted)
    if bundle.kind != kind:
        raise BundleRefused(f"a {bundle.kind} bundle where a {kind} bundle is expected", code=OTHER_KIND)
    return bundle


def _opened(wire: bytes, trusted: Sequence[Ed25519PublicKey]) -> Bundle:
    if not signed.is_for(_PURPOSE, wire) or len(wire) > MAX_BUNDLE_BYTES:
        raise BundleRefused("not a bundle", code=MALFORMED)
    content = signed.content_of(_PURPOSE, wire, trusted)
    if content is None:
        raise BundleRefused("no trusted key signed this bundle", code=SIGNATURE)
    return _parsed(content, hashlib.sha256(wire).hexdigest())


def _judged(bundle: Bundle, now: datetime, kind: str, minimum_version: int) -> Bundle:
    if bundle.kind != kind:
        raise BundleRefused(f"a {bundle.kind} bundle where a {kind} bundle is expected", code=OTHER_KIND)
    if bundle.version < minimum_version:
        raise BundleRefused(f"version {bundle.version} is older than {minimum_version} in use", code=OLDER)
    if now < bundle.valid_from:
        raise BundleRefused(f"not valid before {bundle.valid_from.isoformat()}", code=NOT_YET_VALID)
    if now >= bundle.expires:
        raise BundleRefused(f"expired at {bundle.expires.isoformat()}", code=EXPIRED)
    return bundle


def _parsed(content: bytes, sha256: str) -> Bundle:
    try:
        members = strict_json.load_object(content, max_bytes=MAX_BUNDLE_BYTES)
    except StrictJsonError as error:
        raise BundleRefused(f"content is {error}", code=MALFORMED) from error
    kind, version, body = members.get("kind"), members.get("version"), members.get("body")
    if (
        set(members) != _MEMBERS
        or not isinstance(kind, str)
        or not isinstance(version, int)
        or isinstance(version, bool)
        or version < 1
        or not isinstance(body, dict)
    ):
        raise BundleRefused("content lacks a member or has one of the wrong type", code=MALFORMED)
    return Bundle(kind, version, _instant(members["valid_from"]), _instant(members["expires"]), body, sha256)


def _rfc3339(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _instant(text: JSON) -> datetime:
    if isinstance(text, str):
        try:
            instant = datetime.fromisoformat(text)
        except ValueError as error:
            raise BundleRefused(f"{text!r} is no date and time", code=MALFORMED) from error
        if instant.tzinfo is not None:
            return instant
    raise BundleRefused("a date and time with its zone is expected", code=MALFORMED)
