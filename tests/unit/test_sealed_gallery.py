"""A sealed gallery keeps what it answered, forgets what it was told to, shows nothing, and refuses what was altered."""

import os
import re
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.face_search import FaceGallery
from models.gallery_checks import GalleryFault
from models.sealed_gallery import SealedGallery
from models.sealed_records import HEADER_BYTES, WRAPPED_BYTES, GalleryIdentity

KEY = bytes(range(32))
IDENTITY = GalleryIdentity("dlib-face-recognition-resnet-v1", "dlib-flip-l2-fp32-1", "flip+L2", 16)


def features_of(seed: int) -> np.ndarray:
    row = np.random.default_rng(seed).standard_normal(16).astype(np.float32)
    return row / np.linalg.norm(row)


def contents(path: Path, key: bytes = KEY) -> dict[bytes, np.ndarray]:
    taken: dict[bytes, np.ndarray] = {}
    with SealedGallery.open(path, key, IDENTITY, lambda keys, rows: taken.update(zip(keys, rows, strict=True))):
        return taken


def same(one: dict[bytes, np.ndarray], other: dict[bytes, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(
        np.array_equal(one[key].astype(np.float16), other[key].astype(np.float16)) for key in one
    )


def code_of(work: Callable[[], object]) -> str:
    with pytest.raises(GalleryFault) as refusal:
        work()
    return refusal.value.code


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Three records: one, two, three."""
    path = tmp_path / "gallery"
    with SealedGallery.create(path, KEY, IDENTITY) as gallery:
        gallery.add_many([b"one", b"two"], np.stack([features_of(1), features_of(2)]))
        gallery.add(b"three", features_of(3))
    return path


SLOT_BYTES = 40 + 12 + 1 + 64 + 32 + 16


def test_records_come_back_and_search_as_they_were(path: Path) -> None:
    memory = FaceGallery(16)
    with SealedGallery.open(path, KEY, IDENTITY, memory.add_many) as gallery:
        assert len(gallery) == len(memory) == 3
        assert b"two" in gallery
        assert np.array_equal(gallery.features_of(b"two"), features_of(2).astype(np.float16))
    assert [candidate.key for candidate in memory.search(features_of(3), 1)] == [b"three"]
    assert path.stat().st_size == 2 * HEADER_BYTES + 3 * SLOT_BYTES
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@settings(max_examples=25)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["add", "many", "remove", "replace", "open"]), st.integers(0, 9)), max_size=20
    )
)
def test_the_file_follows_every_change(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]) -> None:
    path = tmp_path_factory.mktemp("sealed") / "gallery"
    gallery = SealedGallery.create(path, KEY, IDENTITY)
    held: dict[bytes, np.ndarray] = {}
    for number, (step, place) in enumerate(steps):
        features = features_of(number)
        if step == "add":
            gallery.add(bytes((1, number)), features)
            held[bytes((1, number))] = features
        elif step == "many":
            added = {bytes((2, number, each)): features_of(100 * number + each) for each in range(place)}
            gallery.add_many(list(added), np.stack(list(added.values())) if added else np.empty((0, 16)))
            held |= added
        elif step == "open":
            gallery.close()
            gallery = SealedGallery.open(path, KEY, IDENTITY)
        elif held:
            key = sorted(held)[place % len(held)]
            if step == "remove":
                gallery.remove(key)
                del held[key]
            else:
                gallery.replace(key, features)
                held[key] = features
    gallery.close()
    assert same(contents(path), held)


class PowerCut(Exception):
    """Raised in place of a write."""


CHANGES: dict[str, Callable[[SealedGallery], None]] = {
    "add": lambda gallery: gallery.add(b"new", features_of(9)),
    "add_many": lambda gallery: gallery.add_many([b"a", b"b"], np.stack([features_of(8), features_of(7)])),
    "remove": lambda gallery: gallery.remove(b"two"),
    "replace": lambda gallery: gallery.replace(b"two", features_of(6)),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("torn_ratio", [0.0, 0.05, 0.5, 0.97])
@pytest.mark.parametrize("has_free_slot", [False, True])
def test_power_cut_at_any_write_leaves_before_or_after(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str, torn_ratio: float, has_free_slot: bool
) -> None:
    if has_free_slot:
        with SealedGallery.open(path, KEY, IDENTITY) as gallery:
            gallery.remove(b"one")
    before = contents(path)
    finished = tmp_path / "finished"
    shutil.copy(path, finished)
    with SealedGallery.open(finished, KEY, IDENTITY) as gallery:
        CHANGES[change](gallery)
    after = contents(finished)
    assert not same(before, after)
    outcomes = []
    write = os.pwrite
    for allowed in range(50):
        cut = tmp_path / f"cut-{allowed}"
        shutil.copy(path, cut)
        gallery = SealedGallery.open(cut, KEY, IDENTITY)
        writes = 0

        def failing(descriptor: int, content: bytes, offset: int, allowed: int = allowed) -> int:
            nonlocal writes
            writes += 1
            if writes <= allowed:
                return write(descriptor, content, offset)
            write(descriptor, bytes(content[: int(len(content) * torn_ratio)]), offset)
            raise PowerCut

        monkeypatch.setattr(os, "pwrite", failing)
        try:
            CHANGES[change](gallery)
            is_complete = True
        except PowerCut:
            is_complete = False
            # what failed half-way is closed
            assert code_of(lambda gallery=gallery: gallery.add(b"later", features_of(5))) == "MD-GAL-007"
        monkeypatch.setattr(os, "pwrite", write)
        gallery.close()
        found = contents(cut)
        assert same(found, before) or same(found, after), f"cut at write {allowed}"
        assert same(contents(cut), found), "recovery is stable"
        outcomes.append(same(found, after))
        if is_complete:
            break
    # a header is mostly zeros: half of it may be all of it
    assert outcomes[0] is False or torn_ratio >= 0.5
    assert outcomes[-1] is True
    assert outcomes == sorted(outcomes), "once a change counts, it goes on counting"


def test_removal_destroys_the_wrapped_key_first(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gallery = SealedGallery.open(path, KEY, IDENTITY)
    slot_at = 2 * HEADER_BYTES + SLOT_BYTES
    seen: list[tuple[str, int]] = []
    write, sync = os.pwrite, os.fsync
    monkeypatch.setattr(os, "pwrite", lambda d, c, o: seen.append(("write", o)) or write(d, c, o))
    monkeypatch.setattr(os, "fsync", lambda d: seen.append(("sync", 0)) or sync(d))
    old = path.read_bytes()[slot_at : slot_at + SLOT_BYTES]
    gallery.remove(b"two")
    gallery.close()
    body = [place for place, step in enumerate(seen) if step == ("write", slot_at)]
    assert len(body) == 2, "the key, then the whole slot"
    assert ("sync", 0) in seen[body[0] : body[1]], "the key is gone from the disk before anything else is touched"
    assert seen[0] == ("write", 0), "announced before"
    content = path.read_bytes()
    assert content[slot_at : slot_at + SLOT_BYTES] == bytes(SLOT_BYTES)
    assert old[:WRAPPED_BYTES] not in content


def test_nothing_of_a_record_can_be_read_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "gallery"
    marker = np.tile(np.float32(0.25), 16)
    key = b"PLANTED-DOCUMENT-NUMBER-AB1234567"
    needles = [key, key[8:20], marker.tobytes(), marker[:2].tobytes(), marker.astype(np.float16).tobytes()[:8], KEY]
    needles += [marker.astype(np.float64).tobytes()[:16], b"dlib", b"flip+L2"]
    with SealedGallery.create(path, KEY, IDENTITY) as gallery:
        gallery.add(key, marker)
        for number in range(20):
            gallery.add(b"other-%d" % number, features_of(number))
        gallery.replace(key, marker)
        content = path.read_bytes()
        assert [needle for needle in needles if needle in content] == []
        gallery.remove(key)
    content = path.read_bytes()
    assert [needle for needle in needles if needle in content] == []


def test_two_records_of_the_same_features_differ_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "gallery"
    with SealedGallery.create(path, KEY, IDENTITY) as gallery:
        gallery.add_many([b"a", b"b"], np.stack([features_of(1), features_of(1)]))
    slots = path.read_bytes()[2 * HEADER_BYTES :]
    assert slots[40:][: SLOT_BYTES - 40] != slots[SLOT_BYTES + 40 :]


@pytest.mark.parametrize(
    ("field", "other", "words"),
    [
        (
            "model_id",
            "arcface-of-another-firm",
            "model_id dlib-face-recognition-resnet-v1, not arcface-of-another-firm",
        ),
        ("calibration_id", "site-7", "calibration_id dlib-flip-l2-fp32-1, not site-7"),
        ("fusion", "none", "fusion flip+L2, not none"),
        ("dimension", 512, "dimension 16, not 512"),
    ],
)
def test_a_gallery_of_another_model_is_refused_by_name(path: Path, field: str, other: object, words: str) -> None:
    before = path.read_bytes()
    expected = GalleryIdentity(**{**{name: getattr(IDENTITY, name) for name in IDENTITY.__slots__}, field: other})
    with pytest.raises(GalleryFault, match=re.escape(words)) as refusal:
        SealedGallery.open(path, KEY, expected)
    assert refusal.value.code == "MD-GAL-004"
    assert path.read_bytes() == before


def test_every_altered_byte_of_a_record_is_found(path: Path) -> None:
    whole = path.read_bytes()
    for offset in range(2 * HEADER_BYTES, len(whole)):
        altered = bytearray(whole)
        altered[offset] ^= 0x10
        path.write_bytes(altered)
        assert code_of(lambda: SealedGallery.open(path, KEY, IDENTITY)) == "MD-GAL-006"
    path.write_bytes(whole)
    assert len(contents(path)) == 3


def test_altered_headers(path: Path) -> None:
    whole = path.read_bytes()
    sealed_bytes = 8 + 32 + 12 + 4 + 100
    for offset in range(0, sealed_bytes, 3):
        altered = bytearray(whole)
        altered[offset] ^= 1
        path.write_bytes(altered)
        assert len(contents(path)) == 3, "the other copy is whole"
        assert path.read_bytes()[2 * HEADER_BYTES :] == whole[2 * HEADER_BYTES :]
        for start in (0, HEADER_BYTES):
            altered[start + offset] = whole[start + offset] ^ 1
        path.write_bytes(altered)
        assert code_of(lambda: SealedGallery.open(path, KEY, IDENTITY)) == "MD-GAL-006"


def test_records_cannot_be_dropped_moved_or_put_back(path: Path) -> None:
    whole = path.read_bytes()
    first, second = 2 * HEADER_BYTES, 2 * HEADER_BYTES + SLOT_BYTES

    def opened(content: bytes) -> str:
        path.write_bytes(content)
        return code_of(lambda: SealedGallery.open(path, KEY, IDENTITY))

    dropped = whole[:second] + bytes(SLOT_BYTES) + whole[second + SLOT_BYTES :]
    assert opened(dropped) == "MD-GAL-006"
    swapped = whole[:first] + whole[second : second + SLOT_BYTES] + whole[first:second] + whole[second + SLOT_BYTES :]
    assert opened(swapped) == "MD-GAL-006"
    assert opened(whole[:-SLOT_BYTES]) == "MD-GAL-006"
    assert opened(whole[:-1]) == "MD-GAL-006"
    assert opened(whole + b"\0") == "MD-GAL-006"
    path.write_bytes(whole)
    with SealedGallery.open(path, KEY, IDENTITY) as gallery:
        gallery.remove(b"two")
    removed = path.read_bytes()
    put_back = removed[:second] + whole[second : second + SLOT_BYTES] + removed[second + SLOT_BYTES :]
    assert opened(put_back) == "MD-GAL-006"


def test_another_key_opens_nothing(path: Path) -> None:
    assert code_of(lambda: SealedGallery.open(path, bytes(32), IDENTITY)) == "MD-GAL-006"
    assert code_of(lambda: SealedGallery.open(path, b"short", IDENTITY)) == "MD-GAL-001"


@pytest.mark.parametrize("content", [b"", b"x", bytes(2 * HEADER_BYTES), b"EGGAL\x001\n", os.urandom(10_000)])
def test_a_file_that_is_no_gallery_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "gallery"
    path.write_bytes(content)
    assert code_of(lambda: SealedGallery.open(path, KEY, IDENTITY)) == "MD-GAL-006"
    assert path.read_bytes() == content


def test_one_holder_at_a_time(path: Path) -> None:
    with SealedGallery.open(path, KEY, IDENTITY):
        assert code_of(lambda: SealedGallery.open(path, KEY, IDENTITY)) == "MD-GAL-008"
    assert len(contents(path)) == 3


def test_refusals_change_nothing(path: Path) -> None:
    before = contents(path)
    whole = path.read_bytes()[2 * HEADER_BYTES :]
    with SealedGallery.open(path, KEY, IDENTITY) as gallery:
        for work, code in (
            (lambda: gallery.add(b"one", features_of(1)), "MD-GAL-002"),
            (lambda: gallery.add_many([b"x", b"x"], np.stack([features_of(1)] * 2)), "MD-GAL-002"),
            (lambda: gallery.add_many([b"x"], np.stack([features_of(1)] * 2)), "MD-GAL-001"),
            (lambda: gallery.add(b"x", 2 * features_of(1)), "MD-GAL-001"),
            (lambda: gallery.add(b"", features_of(1)), "MD-GAL-001"),
            (lambda: gallery.remove(b"nobody"), "MD-GAL-003"),
            (lambda: gallery.replace(b"nobody", features_of(1)), "MD-GAL-003"),
            (lambda: gallery.replace(b"one", np.zeros(16)), "MD-GAL-001"),
            (lambda: gallery.features_of(b"nobody"), "MD-GAL-003"),
        ):
            assert code_of(work) == code
    assert path.read_bytes()[2 * HEADER_BYTES :] == whole
    assert same(contents(path), before)


def test_files_that_cannot_be_made_or_read(path: Path, tmp_path: Path) -> None:
    assert code_of(lambda: SealedGallery.create(path, KEY, IDENTITY)) == "MD-GAL-007"
    assert code_of(lambda: SealedGallery.open(tmp_path / "absent", KEY, IDENTITY)) == "MD-GAL-007"
    (tmp_path / "link").symlink_to(path)
    assert code_of(lambda: SealedGallery.open(tmp_path / "link", KEY, IDENTITY)) == "MD-GAL-007"
    gallery = SealedGallery.open(path, KEY, IDENTITY)
    gallery.close()
    gallery.close()
    for work in (
        lambda: gallery.add(b"x", features_of(1)),
        lambda: gallery.remove(b"one"),
        lambda: gallery.features_of(b"one"),
    ):
        assert code_of(work) == "MD-GAL-007"


def test_a_full_disk_is_a_fault_and_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(path)
    gallery = SealedGallery.open(path, KEY, IDENTITY)

    def full(descriptor: int, content: bytes, offset: int) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(GalleryFault, match="No space left on device") as refusal:
        gallery.add(b"x", features_of(1))
    assert refusal.value.code == "MD-GAL-007"
    monkeypatch.undo()
    assert same(contents(path), before)


def test_destroy_leaves_neither_file_nor_keys(path: Path, tmp_path: Path) -> None:
    (tmp_path / "hard link").hardlink_to(path)
    with SealedGallery.open(path, KEY, IDENTITY) as gallery:
        gallery.destroy(path)
    assert not path.exists()
    assert not any((tmp_path / "hard link").read_bytes())
