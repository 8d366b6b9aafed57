"""The officers whom a post believes: signed by the centre, the newest file, and nobody once it has expired."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from central_sync.bundles import sign_bundle
from central_sync.errors import BundleRefused
from central_sync.post.own_officers import OwnOfficers
from gate_agent.app.officer_roll import OfficerRoll
from gate_agent.errors import StoreFault
from gate_agent.lane.authorisation import OfficerRole
from tests.unit.hand_clock import NOW, HandClock

CENTRE = Ed25519PrivateKey.generate()


class Folder:
    def __init__(self, path: Path) -> None:
        self.file = path / "officers.bundle"
        self.clock = HandClock()
        self.received = path / "received"
        self.begin()
        self._writes = 0

    def begin(self) -> None:
        """Start as a new process on the same disk does."""
        self.roll = OfficerRoll(self.file.parent, self.received, CENTRE.public_key(), self.clock)

    def put(self, version: int, *names: str, key: Ed25519PrivateKey = CENTRE, days: int = 30) -> None:
        self.file.write_bytes(bundle(version, *names, key=key, days=days))
        self._stamp()

    def _stamp(self) -> None:
        self._writes += 1
        os.utime(self.file, ns=(self._writes, self._writes))

    def put_bytes(self, content: bytes) -> None:
        self.file.write_bytes(content)
        self._stamp()


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_the_newest_file_is_in_force_without_a_restart(folder: Folder):
    assert folder.roll.officers() == {}
    folder.put(1, "customs-1")
    assert {name: one.role for name, one in folder.roll.officers().items()} == {
        "customs-1": OfficerRole.CUSTOMS_INSPECTOR
    }
    folder.put(2, "customs-2")
    assert set(folder.roll.officers()) == {"customs-2"}


def test_a_bad_older_or_missing_file_leaves_the_last_good_one_in_force(folder: Folder):
    folder.put(2, "customs-2")
    assert set(folder.roll.officers()) == {"customs-2"}
    folder.put(3, "intruder", key=Ed25519PrivateKey.generate())
    assert set(folder.roll.officers()) == {"customs-2"}
    folder.put(1, "dismissed")
    assert set(folder.roll.officers()) == {"customs-2"}
    folder.put_bytes(b"officers")
    assert set(folder.roll.officers()) == {"customs-2"}
    folder.put_bytes(sign_bundle("officers", 4, NOW, NOW + timedelta(days=1), {"officers": [{}]}, CENTRE))
    assert set(folder.roll.officers()) == {"customs-2"}
    folder.file.unlink()
    assert set(folder.roll.officers()) == {"customs-2"}


def test_an_expired_file_names_nobody(folder: Folder):
    folder.put(1, "customs-1", days=1)
    assert folder.roll.officers()
    folder.clock.turn(days=1)
    assert folder.roll.officers() == {}


def bundle(version: int, *names: str, key: Ed25519PrivateKey = CENTRE, days: int = 30) -> bytes:
    entries = [
        {"officer_id": name, "display_name": name, "role": "customs_inspector", "public_key_hex": "ab" * 32}
        for name in names
    ]
    return sign_bundle("officers", version, NOW, NOW + timedelta(days=days), {"officers": entries}, key)


def test_what_a_gate_brings_counts_when_it_is_newer_and_stays_after_a_restart(folder: Folder):
    folder.put(2, "customs-2")
    assert folder.roll.version == 2
    assert folder.roll.take(bundle(3, "customs-3")) == 3
    assert set(folder.roll.officers()) == {"customs-3"}
    folder.begin()
    assert (folder.roll.version, set(folder.roll.officers())) == (3, {"customs-3"})
    folder.put(4, "customs-4")  # copied by hand
    assert set(folder.roll.officers()) == {"customs-4"}


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        (bundle(1, "dismissed"), "CS-BND-004"),
        (bundle(9, "intruder", key=Ed25519PrivateKey.generate()), "CS-BND-002"),
        (b"officers", "CS-BND-001"),
        (sign_bundle("officers", 9, NOW, NOW + timedelta(days=1), {"officers": [{}]}, CENTRE), "CS-BND-001"),
        (sign_bundle("watchlist", 9, NOW, NOW + timedelta(days=1), {"lists": []}, CENTRE), "CS-BND-003"),
    ],
    ids=["older", "forged", "none", "malformed", "another"],
)
def test_what_a_gate_may_not_bring_changes_nothing(folder: Folder, wire: bytes, code: str):
    folder.put(2, "customs-2")
    with pytest.raises(BundleRefused) as refused:
        folder.roll.take(wire)
    assert refused.value.code == code
    assert set(folder.roll.officers()) == {"customs-2"}
    assert not folder.received.exists()


def test_a_disk_that_keeps_nothing_is_a_fault_and_changes_nothing(folder: Folder):
    folder.put(2, "customs-2")
    folder.received.write_text("a file in the way")
    with pytest.raises(StoreFault):
        folder.roll.take(bundle(3, "customs-3"))
    assert folder.roll.version == 2


def test_a_gate_hands_over_what_the_centre_signed_and_only_what_is_newer(tmp_path: Path):
    own = OwnOfficers(tmp_path, CENTRE.public_key())
    file = tmp_path / "officers.bundle"
    assert own.newer_than(0) is None
    file.write_bytes(bundle(3, "customs-3"))
    os.utime(file, ns=(1, 1))
    assert own.newer_than(2) == bundle(3, "customs-3")
    assert own.newer_than(3) is None
    file.write_bytes(bundle(9, "intruder", key=Ed25519PrivateKey.generate()))
    os.utime(file, ns=(2, 2))
    assert own.newer_than(0) is None
    file.write_bytes(bundle(4, *[f"customs-{number}" for number in range(9000)]))
    os.utime(file, ns=(3, 3))
    assert own.newer_than(0) is None, "longer than the post takes"


def test_a_file_that_could_not_be_read_is_read_as_soon_as_it_can_be(tmp_path: Path):
    own = OwnOfficers(tmp_path, CENTRE.public_key())
    file = tmp_path / "officers.bundle"
    file.mkdir()
    os.utime(file, ns=(1, 1))
    assert own.newer_than(0) is None
    file.rmdir()
    file.write_bytes(bundle(3, "customs-3"))
    os.utime(file, ns=(1, 1))
    assert own.newer_than(2) == bundle(3, "customs-3")
