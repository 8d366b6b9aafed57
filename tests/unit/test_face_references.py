"""Short-term references: sealed one by one, found without a document number, and gone from every file once shredded."""

from __future__ import annotations

import shutil
import sqlite3
import stat
import subprocess
import sys
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap

from gate_agent.errors import StoreFault
from gate_agent.runtime.short_term_references import ShortTermReferences
from gate_agent.store import face_references, reference_keys
from gate_agent.store.face_references import FILE_NAME, FaceReferences, ReferenceLimits, ShredReason
from gate_agent.store.reference_keys import ReferenceKeys, make_site_key

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
WEEK = NOW + timedelta(days=7)
SITE_KEY = bytes(range(32))
HOLDER = ("UTO", "X12345678")


@pytest.fixture
def references(tmp_path):
    opened = FaceReferences.open(tmp_path, ReferenceKeys(SITE_KEY), ReferenceLimits())
    yield opened
    opened.close()


def kept(references, holder=HOLDER, content=b"marker of a face", until=WEEK, now=NOW):
    return references.put(holder, content, uuid.uuid4(), now, until)


def code_of(call) -> str:
    with pytest.raises(StoreFault) as fault:
        call()
    return fault.value.code


def files_in(folder) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()) if path.name.startswith(FILE_NAME))


def test_a_reference_is_found_by_its_holder_alone(references, tmp_path):
    made = kept(references)
    found = references.take(HOLDER, NOW)
    assert (found.record_id, bytes(found.content), found.expires_at) == (made.record_id, b"marker of a face", WEEK)
    assert references.take(("UTO", "X12345679"), NOW) is None
    assert references.take(("UTX", "12345678"), NOW) is None
    on_disk = files_in(tmp_path)
    assert b"marker of a face" not in on_disk
    assert b"X12345678" not in on_disk
    assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) == 0o600


def test_it_survives_a_restart_and_needs_the_same_site_key(tmp_path):
    first = FaceReferences.open(tmp_path, ReferenceKeys(SITE_KEY), ReferenceLimits())
    kept(first)
    first.close()
    again = FaceReferences.open(tmp_path, ReferenceKeys(SITE_KEY), ReferenceLimits())
    assert bytes(again.take(HOLDER, NOW).content) == b"marker of a face"
    again.close()
    other = FaceReferences.open(tmp_path, ReferenceKeys(bytes(reversed(SITE_KEY))), ReferenceLimits())
    assert other.take(HOLDER, NOW) is None  # not even found: marks are keyed as well
    other.close()


def test_shred_on_exit_is_a_fact_for_the_audit_log_and_happens_once(references):
    made = kept(references)
    facts = references.shred(HOLDER, NOW)
    assert [(fact.record_id, fact.reason, fact.destroyed_at) for fact in facts] == [
        (made.record_id, ShredReason.EXIT, NOW)
    ]
    assert references.take(HOLDER, NOW) is None
    assert references.shred(HOLDER, NOW) == ()
    assert len(references) == 0


def test_a_second_reference_of_a_holder_destroys_the_first(references):
    first = kept(references)
    second = kept(references, content=b"another")
    assert [(fact.record_id, fact.reason) for fact in second.destroyed] == [(first.record_id, ShredReason.REPLACED)]
    assert bytes(references.take(HOLDER, NOW).content) == b"another"
    assert len(references) == 1


def test_expiry_to_the_second(references):
    kept(references, until=NOW + timedelta(seconds=60))
    kept(references, holder=("UTO", "B"), until=WEEK)
    assert references.shred_expired(NOW + timedelta(seconds=59)) == ()
    assert references.take(HOLDER, NOW + timedelta(seconds=59)) is not None
    assert references.take(HOLDER, NOW + timedelta(seconds=60)) is None  # expired, though nobody shredded it yet
    facts = references.shred_expired(NOW + timedelta(seconds=60))
    assert [fact.reason for fact in facts] == [ShredReason.EXPIRY]
    assert len(references) == 1
    assert [fact.reason for fact in references.shred_all(NOW)] == [ShredReason.ORDER]
    assert len(references) == 0


def test_limits(tmp_path):
    limits = ReferenceLimits(maximum_records=2, maximum_bytes=100, maximum_age=timedelta(days=1))
    references = FaceReferences.open(tmp_path, ReferenceKeys(SITE_KEY), limits)
    day = NOW + timedelta(days=1)
    for number in range(2):
        assert kept(references, ("UTO", str(number)), until=day).record_id is not None
    assert kept(references, ("UTO", "third"), until=day).record_id is None
    assert references.take(("UTO", "third"), NOW) is None
    assert kept(references, ("UTO", "1"), until=day).record_id is not None  # replacing needs no room
    for content, until in ((b"", day), (bytes(101), day), (b"x", NOW), (b"x", day + timedelta(seconds=1))):
        assert code_of(lambda content=content, until=until: kept(references, HOLDER, content, until)) == "EG-REF-005"
    assert len(references) == 2
    references.close()


def changed_row(tmp_path, statement, values=()):
    """Change the closed file behind the back of its owner."""
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        assert connection.execute(statement, values).rowcount > 0
    connection.close()


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("UPDATE face_references SET expires_at = expires_at + 1", "EG-REF-004"),
        ("UPDATE face_references SET purpose = 'another'", "EG-REF-004"),
        ("UPDATE face_references SET record_id = zeroblob(16)", "EG-REF-004"),
        ("UPDATE face_references SET sealed = zeroblob(length(sealed))", "EG-REF-004"),
        ("UPDATE face_references SET sealed = 'text'", "EG-REF-004"),
        ("UPDATE face_references SET record_id = 'text', purpose = 7", "EG-REF-004"),
        ("UPDATE face_references SET sealed = x'0102'", "EG-REF-004"),
        ("UPDATE face_references SET wrapped_key = randomblob(40)", "EG-REF-002"),
        ("UPDATE face_references SET wrapped_key = x'01'", "EG-REF-002"),
    ],
)
def test_an_altered_record_is_a_fault_never_a_face(tmp_path, statement, code):
    references = FaceReferences.open(tmp_path, ReferenceKeys(SITE_KEY), ReferenceLimits())
    kept(references)
    references.close()
    changed_row(tmp_path, statement)
    references = FaceReferences.open(tmp_path, ReferenceKeys(SITE_KEY), ReferenceLimits())
    assert code_of(lambda: references.take(HOLDER, NOW)) == code
    assert len(references.shred(HOLDER, NOW)) == 1  # and it can still be destroyed
    references.close()


def test_a_record_moved_to_another_holder_is_a_fault(tmp_path):
    keys = ReferenceKeys(SITE_KEY)
    references = FaceReferences.open(tmp_path, keys, ReferenceLimits())
    kept(references, ("UTO", "somebody"))
    references.close()
    changed_row(tmp_path, "UPDATE face_references SET lookup = ?", (keys.lookup("short_stay", *HOLDER),))
    references = FaceReferences.open(tmp_path, keys, ReferenceLimits())
    assert code_of(lambda: references.take(HOLDER, NOW)) == "EG-REF-004"
    references.close()


def test_one_process_alone(references, tmp_path):
    assert code_of(lambda: FaceReferences.open(tmp_path, ReferenceKeys(SITE_KEY), ReferenceLimits())) == "EG-REF-003"
    assert not (tmp_path / (FILE_NAME + "-shm")).exists()


def test_a_broken_file_is_a_fault(tmp_path):
    (tmp_path / FILE_NAME).write_bytes(b"no database at all" * 300)
    assert code_of(lambda: FaceReferences.open(tmp_path, ReferenceKeys(SITE_KEY), ReferenceLimits())) == "EG-REF-003"


def rows_of(database) -> list[tuple[bytes, bytes, bytes]]:
    return database.execute("SELECT lookup, wrapped_key, sealed FROM face_references ORDER BY rowid").fetchall()


def test_a_hundred_of_two_hundred_shredded_leave_nothing_to_recover(references, tmp_path):
    """trust.md section 4: files copied while the database is open; what an attacker with the site key could still open."""
    holders = [("UTO", f"A{number:07d}") for number in range(200)]
    contents = [b"face %03d " % number * 200 for number in range(200)]  # 1 800 bytes, as a vector or small picture
    for holder, content in zip(holders, contents, strict=True):
        kept(references, holder, content)
    before = rows_of(references._connection)
    assert sum(wrapped in files_in(tmp_path) for _, wrapped, _ in before) == 200  # the search finds what is there
    for holder in holders[::2]:
        references.shred(holder, NOW)
    copies = tmp_path / "copies"
    copies.mkdir()
    for path in tmp_path.glob(FILE_NAME + "*"):
        shutil.copy(path, copies / path.name)
    left = files_in(copies)
    gone, stay = before[::2], before[1::2]
    assert sum(wrapped in left for _, wrapped, _ in gone) == 0
    assert sum(sealed[:64] in left for _, _, sealed in gone) == 0
    assert sum(mark in left for mark, _, _ in gone) == 0
    assert sum(wrapped in left for _, wrapped, _ in stay) == 100
    assert (tmp_path / (FILE_NAME + "-wal")).stat().st_size == 0
    # with the site key and every key that is left, none of the shredded opens, and all others do
    wrapping_key = ReferenceKeys(SITE_KEY)._wrapping_key
    usable = [aes_key_unwrap(wrapping_key, wrapped) for _, wrapped, _ in stay]
    for _, _, sealed in gone[:10]:
        for key in usable:
            with pytest.raises(InvalidTag):
                AESGCM(key).decrypt(bytes(12), sealed, None)
    assert [bytes(references.take(holder, NOW).content) for holder in holders[1::2]] == contents[1::2]
    assert all(references.take(holder, NOW) is None for holder in holders[::2])


def test_without_the_pragmas_the_same_search_finds_everything(tmp_path, monkeypatch):
    """The test above can fail: a plain DELETE with the log left alone gives every key away."""
    monkeypatch.setattr(
        face_references,
        "_STATEMENTS",
        tuple(text.replace("secure_delete=ON", "secure_delete=OFF") for text in face_references._STATEMENTS),
    )
    monkeypatch.setattr(face_references, "_CHECKPOINT", "SELECT 0, 0, 0")
    references = FaceReferences.open(tmp_path, ReferenceKeys(SITE_KEY), ReferenceLimits())
    holders = [("UTO", str(number)) for number in range(20)]
    for holder in holders:
        kept(references, holder)
    before = rows_of(references._connection)
    for holder in holders:
        references.shred(holder, NOW)
    assert sum(wrapped in files_in(tmp_path) for _, wrapped, _ in before) == 20
    references.close()


def test_the_key_goes_before_the_row_and_a_broken_off_destruction_is_finished(tmp_path):
    """Killed between the two steps: nothing can be opened, and the next start ends it."""
    code = (
        "import os, sys, uuid; from datetime import UTC, datetime, timedelta; from pathlib import Path\n"
        "from gate_agent.store import face_references as fr; from gate_agent.store.reference_keys import ReferenceKeys\n"
        "now = datetime(2026, 5, 1, 12, tzinfo=UTC)\n"
        "made = fr.FaceReferences.open(Path(sys.argv[1]), ReferenceKeys(bytes(range(32))), fr.ReferenceLimits())\n"
        "made.put(('UTO', 'X12345678'), b'marker of a face', uuid.uuid4(), now, now + timedelta(days=7))\n"
        "(wrapped,) = made._connection.execute('SELECT wrapped_key FROM face_references').fetchone()\n"
        "print(wrapped.hex(), flush=True)\n"
        "plain, count = made._checkpoint, []\n"
        "made._checkpoint = lambda: (plain(), os.kill(os.getpid(), 9))\n"
        "made.shred(('UTO', 'X12345678'), now)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=False)
    assert killed.returncode == -9, killed.stderr
    wrapped = bytes.fromhex(killed.stdout)
    assert len(wrapped) == 40
    assert wrapped not in files_in(tmp_path)
    references = FaceReferences.open(tmp_path, ReferenceKeys(SITE_KEY), ReferenceLimits())
    assert len(references) == 1
    assert references.take(HOLDER, NOW) is None
    assert [fact.reason for fact in references.shred_expired(NOW)] == [ShredReason.INTERRUPTED]
    assert len(references) == 0
    references.close()


def test_a_disk_that_refuses_is_a_fault_and_no_destruction_is_claimed(references):
    kept(references)
    references._connection.execute("PRAGMA query_only=ON")
    assert code_of(lambda: references.shred(HOLDER, NOW)) == "EG-REF-003"
    references._connection.execute("PRAGMA query_only=OFF")
    assert references.take(HOLDER, NOW) is not None
    assert len(references.shred(HOLDER, NOW)) == 1


def test_record_keys_are_wrapped_each_its_own(references):
    for number in range(20):
        kept(references, ("UTO", str(number)), b"the same face")
    rows = rows_of(references._connection)
    keys = ReferenceKeys(SITE_KEY)
    assert len({keys.unwrap(wrapped) for _, wrapped, _ in rows}) == 20
    assert len({sealed for _, _, sealed in rows}) == 20
    with pytest.raises(InvalidUnwrap):
        aes_key_unwrap(SITE_KEY, rows[0][1])  # wrapped under a derived key, not the site key itself


def test_switched_off_means_gone(tmp_path):
    assert face_references.forget_all(tmp_path, NOW) == ()
    references = FaceReferences.open(tmp_path, ReferenceKeys(SITE_KEY), ReferenceLimits())
    kept(references)
    kept(references, ("UTO", "another"))
    references.close()
    facts = face_references.forget_all(tmp_path, NOW)
    assert [fact.reason for fact in facts] == [ShredReason.ORDER] * 2
    assert files_in(tmp_path) == b""
    assert list(tmp_path.iterdir()) == []


class HandClock:
    def __init__(self):
        self.time = NOW

    def now(self):
        return self.time

    def monotonic_s(self):
        return 0.0


async def test_entry_exit_and_expiry_in_the_agent(references):
    clock, facts = HandClock(), []
    agent = ShortTermReferences(references, clock, timedelta(hours=2), facts.append)
    picture = bytearray(b"marker of a face")
    assert await agent.entered(*HOLDER, picture)
    picture[:] = bytes(len(picture))
    assert await agent.reference_of(*HOLDER) == b"marker of a face"
    await agent.left(*HOLDER)
    assert await agent.reference_of(*HOLDER) is None
    assert await agent.entered("UTO", "B", b"b")
    clock.time += timedelta(hours=2)
    assert await agent.reference_of("UTO", "B") is None
    await agent.sweep()
    assert [fact.reason for fact in facts] == [ShredReason.EXIT, ShredReason.EXPIRY]
    assert len(references) == 0
    assert not await agent.entered("UTO", "C", b"")  # what cannot be kept stops nobody


async def test_a_destruction_that_the_disk_refused_is_owed_and_the_reference_never_used(references):
    facts = []
    agent = ShortTermReferences(references, HandClock(), timedelta(hours=2), facts.append)
    await agent.entered(*HOLDER, b"marker of a face")
    references._connection.execute("PRAGMA query_only=ON")
    await agent.left(*HOLDER)
    assert await agent.reference_of(*HOLDER) is None
    await agent.sweep()
    assert (facts, len(references)) == ([], 1)
    references._connection.execute("PRAGMA query_only=OFF")
    await agent.sweep()
    assert ([fact.reason for fact in facts], len(references)) == ([ShredReason.EXIT], 0)


async def test_who_comes_back_while_a_destruction_is_owed_gets_a_new_reference(references):
    facts = []
    agent = ShortTermReferences(references, HandClock(), timedelta(hours=2), facts.append)
    await agent.entered(*HOLDER, b"first")
    references._connection.execute("PRAGMA query_only=ON")
    await agent.left(*HOLDER)
    references._connection.execute("PRAGMA query_only=OFF")
    assert await agent.entered(*HOLDER, b"second")
    await agent.sweep()
    assert await agent.reference_of(*HOLDER) == b"second"
    assert [fact.reason for fact in facts] == [ShredReason.REPLACED]


async def test_an_altered_reference_is_not_used_and_stops_nobody(references):
    agent = ShortTermReferences(references, HandClock(), timedelta(hours=2))
    await agent.entered(*HOLDER, b"marker of a face")
    references._connection.execute("UPDATE face_references SET sealed = randomblob(32)")
    assert await agent.reference_of(*HOLDER) is None
    await agent.left(*HOLDER)
    assert len(references) == 0


def test_site_key_file(tmp_path):
    assert code_of(lambda: ReferenceKeys.read(tmp_path)) == "EG-REF-001"
    assert make_site_key(tmp_path)
    assert not make_site_key(tmp_path)  # never replaced by a second run
    path = tmp_path / reference_keys.FILE_NAME
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    keys = ReferenceKeys.read(tmp_path)
    assert keys.unwrap(keys.fresh()[1]) != keys.unwrap(keys.fresh()[1])
    path.chmod(0o640)
    assert code_of(lambda: ReferenceKeys.read(tmp_path)) == "EG-REF-001"
    path.chmod(0o600)
    for content in (b"", bytes(32), b"short", bytes(range(33))):
        path.write_bytes(content)
        assert code_of(lambda: ReferenceKeys.read(tmp_path)) == "EG-REF-001"
    assert code_of(lambda: make_site_key(tmp_path / "absent")) == "EG-REF-001"
