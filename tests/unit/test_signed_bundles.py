"""Bundles: nothing is parsed, used or replaced that a trusted key did not sign for this purpose."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from central_sync import signed
from central_sync.bundle_shelf import BundleShelf
from central_sync.bundles import sign_bundle, verify_bundle
from central_sync.errors import BundleRefused

KEY, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
NOW = datetime(2026, 5, 1, tzinfo=UTC)
WIRE = sign_bundle("rulebook", 3, NOW, NOW + timedelta(days=1), {"rules": [{"id": "a"}]}, KEY)
TRUSTED = [OTHER.public_key(), KEY.public_key()]


def code_of(wire=WIRE, trusted=TRUSTED, now=NOW, kind="rulebook", minimum=0):
    with pytest.raises(BundleRefused) as refusal:
        verify_bundle(wire, trusted, now, kind, minimum)
    return refusal.value.code


def test_an_accepted_bundle_says_what_was_signed():
    bundle = verify_bundle(WIRE, TRUSTED, NOW, "rulebook", 3)
    assert (bundle.kind, bundle.version, bundle.body) == ("rulebook", 3, {"rules": [{"id": "a"}]})
    assert bundle.expires - bundle.valid_from == timedelta(days=1)


def test_each_refusal_has_its_code():
    assert code_of(wire=b"rubbish") == "CS-BND-001"
    assert code_of(trusted=[OTHER.public_key()]) == "CS-BND-002"
    assert code_of(trusted=[]) == "CS-BND-002"
    assert code_of(kind="watchlist") == "CS-BND-003"
    assert code_of(minimum=4) == "CS-BND-004"
    assert code_of(now=NOW - timedelta(seconds=1)) == "CS-BND-005"
    assert code_of(now=NOW + timedelta(days=1)) == "CS-BND-006"


def test_an_expired_bundle_still_sets_the_floor(tmp_path):
    clock = [NOW]
    shelf = BundleShelf(tmp_path, TRUSTED, lambda: clock[0])
    older = sign_bundle("rulebook", 2, NOW, NOW + timedelta(days=9), {}, KEY)
    newer = sign_bundle("rulebook", 4, NOW, NOW + timedelta(days=9), {}, KEY)
    assert shelf.accept("rulebook", WIRE).version == 3
    assert shelf.accept("rulebook", WIRE) is None
    clock[0] = NOW + timedelta(days=5)
    with pytest.raises(BundleRefused) as refusal:
        shelf.accept("rulebook", older)
    assert refusal.value.code == "CS-BND-004"
    assert (tmp_path / "rulebook.bundle").read_bytes() == WIRE
    assert shelf.accept("rulebook", newer).version == 4


@given(st.integers(0, len(WIRE) - 1), st.integers(1, 255))
def test_no_changed_byte_is_accepted(position, change):
    changed = WIRE[:position] + bytes([WIRE[position] ^ change]) + WIRE[position + 1 :]
    assert code_of(wire=changed) in {"CS-BND-001", "CS-BND-002"}


def test_a_signature_for_another_purpose_is_worthless():
    content = WIRE.split(b"\n", 1)[1]
    assert code_of(wire=signed.sign("egate-ack-1", content, KEY)) == "CS-BND-001"


@pytest.mark.parametrize(
    "content",
    [
        b"{}",
        b'{"kind":"rulebook","kind":"rulebook"}',
        b'{"body":{},"expires":"2026-05-02T00:00:00Z","kind":"rulebook","valid_from":"2026-05-01T00:00:00","version":1}',
        b'{"body":{},"expires":"2026-05-02T00:00:00Z","kind":"rulebook","valid_from":"2026-05-01T00:00:00Z","version":true}',
        b'{"body":[],"expires":"2026-05-02T00:00:00Z","kind":"rulebook","valid_from":"2026-05-01T00:00:00Z","version":1}',
    ],
)
def test_signed_nonsense_is_refused_as_malformed(content):
    assert code_of(wire=signed.sign("egate-bundle-1", content, KEY)) == "CS-BND-001"


@pytest.mark.parametrize(
    ("kind", "version", "expires"),
    [("menu", 1, NOW + timedelta(1)), ("rulebook", 0, NOW + timedelta(1)), ("rulebook", 1, NOW)],
)
def test_nonsense_is_not_signed(kind, version, expires):
    with pytest.raises(ValueError):
        sign_bundle(kind, version, NOW, expires, {}, KEY)
