"""The folder of bundles: what names a file waits for it, a change may come before its base, nothing goes back."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from central_sync.bundle_shelf import BundleShelf, FileBeside
from central_sync.bundles import sign_bundle
from central_sync.errors import BundleRefused

KEY = Ed25519PrivateKey.generate()
NOW = datetime(2026, 5, 1, tzinfo=UTC)
CONTENT = b"sealed entries" * 100
SHA256 = hashlib.sha256(CONTENT).hexdigest()
NAME = f"watchlist-{SHA256[:16]}.sealed"
NAMES_A_FILE = {"file": NAME, "sealed": {"sha256": SHA256, "size_bytes": len(CONTENT)}}
INSIDE = {"content": "AAAA"}


def bundle(version: int, body: dict, kind: str = "watchlist") -> bytes:
    return sign_bundle(kind, version, NOW - timedelta(days=1), NOW + timedelta(days=30), body, KEY)


def shelf_in(folder: Path, *, waits: bool = True, now: datetime = NOW) -> BundleShelf:
    return BundleShelf(folder, [KEY.public_key()], lambda: now, waits_for_files=waits)


def test_the_last_good_one_stays_until_the_file_is_whole(tmp_path: Path) -> None:
    shelf = shelf_in(tmp_path)
    before, after = bundle(4, INSIDE), bundle(5, NAMES_A_FILE)
    shelf.accept("watchlist", before)
    assert shelf.missing("watchlist") is None
    assert shelf.accept("watchlist", after) is not None
    assert shelf.accept("watchlist", after) is None, "it waits already"
    assert (tmp_path / "watchlist.bundle").read_bytes() == before
    assert shelf.missing("watchlist") == FileBeside(NAME, SHA256, len(CONTENT))
    assert shelf.settle("watchlist") is None
    (tmp_path / NAME).write_bytes(CONTENT[:-1])
    assert shelf.settle("watchlist") is None, "a part of the file is none"
    (tmp_path / NAME).write_bytes(CONTENT)
    assert shelf_in(tmp_path).settle("watchlist") == 5, "and so after a restart"
    assert (tmp_path / "watchlist.bundle").read_bytes() == after
    assert shelf.missing("watchlist") is None
    assert shelf.settle("watchlist") is None


def test_a_newer_one_takes_the_place_of_the_one_that_waits(tmp_path: Path) -> None:
    shelf = shelf_in(tmp_path)
    shelf.accept("watchlist", bundle(5, NAMES_A_FILE))
    newest = bundle(6, INSIDE)
    shelf.accept("watchlist", newest)
    (tmp_path / NAME).write_bytes(CONTENT)
    assert shelf.settle("watchlist") is None
    assert (tmp_path / "watchlist.bundle").read_bytes() == newest


def test_an_older_one_does_not_take_the_place_of_the_one_that_waits(tmp_path: Path) -> None:
    shelf = shelf_in(tmp_path)
    shelf.accept("watchlist", bundle(4, INSIDE))
    shelf.accept("watchlist", bundle(6, NAMES_A_FILE))
    for body in (INSIDE, NAMES_A_FILE):
        with pytest.raises(BundleRefused) as refusal:
            shelf.accept("watchlist", bundle(5, body))
        assert refusal.value.code == "CS-BND-004"
    (tmp_path / NAME).write_bytes(CONTENT)
    assert shelf.settle("watchlist") == 6


def test_where_nobody_brings_files_the_bundle_takes_its_place_at_once(tmp_path: Path) -> None:
    shelf = shelf_in(tmp_path, waits=False)
    shelf.accept("watchlist", bundle(5, NAMES_A_FILE))
    assert (tmp_path / "watchlist.bundle").exists()


def test_a_file_that_is_there_already_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(CONTENT)
    shelf_in(tmp_path).accept("watchlist", bundle(5, NAMES_A_FILE))
    assert (tmp_path / "watchlist.bundle").exists()


def test_a_file_that_got_lost_is_missed(tmp_path: Path) -> None:
    shelf = shelf_in(tmp_path)
    (tmp_path / NAME).write_bytes(CONTENT)
    shelf.accept("watchlist", bundle(5, NAMES_A_FILE))
    assert shelf.missing("watchlist") is None
    (tmp_path / NAME).unlink()
    assert shelf.missing("watchlist") == FileBeside(NAME, SHA256, len(CONTENT))


@pytest.mark.parametrize("order", [("watchlist", "watchlist_delta"), ("watchlist_delta", "watchlist")])
def test_base_and_change_come_in_any_order(tmp_path: Path, order: tuple[str, str]) -> None:
    """A base that waits for its file, or a broker that gives the change first, must not lose the base for ever."""
    shelf = shelf_in(tmp_path)
    shelf.accept("watchlist", bundle(4, INSIDE))
    wires = {
        "watchlist": bundle(5, NAMES_A_FILE),
        "watchlist_delta": bundle(6, {"from_version": 5}, "watchlist_delta"),
    }
    for kind in order:
        shelf.accept(kind, wires[kind])
    (tmp_path / NAME).write_bytes(CONTENT)
    assert shelf.settle("watchlist") == 5
    for kind, wire in wires.items():
        assert (tmp_path / f"{kind}.bundle").read_bytes() == wire


def test_nothing_goes_back(tmp_path: Path) -> None:
    shelf = shelf_in(tmp_path)
    shelf.accept("watchlist", bundle(5, INSIDE))
    shelf.accept("watchlist_delta", bundle(7, {"from_version": 5}, "watchlist_delta"))
    for kind, version in (("watchlist", 4), ("watchlist", 6), ("watchlist_delta", 4), ("watchlist_delta", 6)):
        with pytest.raises(BundleRefused) as refusal:
            shelf.accept(kind, bundle(version, {"from_version": 3}, kind))
        assert refusal.value.code == "CS-BND-004", (kind, version)


def test_one_that_waited_too_long_goes(tmp_path: Path) -> None:
    shelf_in(tmp_path).accept("watchlist", bundle(5, NAMES_A_FILE))
    (tmp_path / NAME).write_bytes(CONTENT)
    late = shelf_in(tmp_path, now=NOW + timedelta(days=31))
    assert late.settle("watchlist") is None
    assert sorted(path.name for path in tmp_path.iterdir()) == [NAME]


@pytest.mark.parametrize(
    "change",
    [
        {"file": "../keys/gate.key"},
        {"file": 7},
        {"sealed": None},
        {"sealed": {"sha256": "ab", "size_bytes": 5}},
        {"sealed": {"sha256": SHA256, "size_bytes": 0}},
        {"sealed": {"sha256": SHA256, "size_bytes": 1 << 40}},
    ],
)
def test_what_names_no_file_of_ours_is_refused(tmp_path: Path, change: dict) -> None:
    with pytest.raises(BundleRefused) as refusal:
        shelf_in(tmp_path).accept("watchlist", bundle(5, NAMES_A_FILE | change))
    assert refusal.value.code == "CS-BND-001"
    assert list(tmp_path.iterdir()) == []


def test_files_that_nobody_names_go_after_a_week(tmp_path: Path) -> None:
    shelf = shelf_in(tmp_path)
    names = [
        NAME,
        "watchlist-0000000000000000.sealed",
        "watchlist-1111111111111111.sealed.part",
        "watchlist-2222222222222222.sealed",
    ]
    for name in [*names, "notes.sealed"]:
        (tmp_path / name).write_bytes(CONTENT)
        old_s = (NOW - timedelta(days=8)).timestamp()
        os.utime(tmp_path / name, (old_s, old_s))
    os.utime(tmp_path / names[3], (NOW.timestamp(), NOW.timestamp()))
    shelf.accept("watchlist", bundle(5, NAMES_A_FILE))
    assert shelf.clear_away() == 2
    assert sorted(path.name for path in tmp_path.glob("*.sealed*")) == sorted(["notes.sealed", NAME, names[3]])
