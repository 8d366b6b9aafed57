"""A site's cohort from sums: nobody's features leave a worker, and what leaves gives the mixture that all of them would."""

from __future__ import annotations

import asyncio
import io
import os
import socket
import stat
import sys
import threading
import uuid
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate_agent.cli import main
from gate_agent.clock import SystemClock
from gate_agent.runtime.cohort_sums import CohortSumsFolder
from gate_agent.runtime.face_choice import evaluation_arguments
from gate_agent.runtime.inference import FaceEngine
from gate_agent.settings import FaceSettings
from models.borrowed_faces import BorrowedFaces
from models.cohort import SMALLEST_COMPONENT, CohortSums, parse
from models.errors import CalibrationRefused
from models.results import ComparisonDecision
from models.site_cohort import SMALLEST_RELEASE, SiteCohort, added, dump_sums, joined, parse_sums
from models.worker import serve
from models.worker_messages import decode_answer, encode_request
from tests.unit.test_models_cohort import people

DIMENSION = 8  # 50 people are more than twice as many
ANCHORS = people(3, 5, DIMENSION)


def add(cohort, row):
    """Add somebody who was never here before."""
    assert cohort.add(np.asarray(row, dtype=np.float32), uuid.uuid4().hex)


def filled(count, seed=1, anchors=ANCHORS):
    cohort = SiteCohort(anchors)
    for row in people(count, seed, anchors.shape[1]):
        add(cohort, row)
    return cohort


def close_to(anchors, counts, seed=1):
    """People around components, so many each."""
    rng = np.random.default_rng(seed)
    rows = np.repeat(anchors, counts, axis=0) + 0.05 * rng.normal(size=(sum(counts), anchors.shape[1]))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


# ---- when sums may leave ----------------------------------------------------------------------------------------------------


@given(st.integers(0, SMALLEST_RELEASE - 1))
def test_below_fifty_people_nothing_leaves(count):
    cohort = filled(count)
    assert (cohort.people, cohort.is_due, cohort.taken()) == (count, False, b"")
    assert cohort.people == count  # and nothing is lost by asking


def test_fewer_people_than_twice_the_values_do_not_leave():
    """Over fewer, the sum of outer products would tell of any face whether it is in there."""
    anchors = people(2, 5, 128)
    cohort = SiteCohort(anchors)
    for row in close_to(anchors, (127, 128)):
        add(cohort, row)
    assert (cohort.people, cohort.taken()) == (255, b"")
    add(cohort, anchors[0])
    assert parse_sums(cohort.taken(), "left").counts.sum() == 256


def test_a_component_of_few_people_keeps_everybody_waiting_and_is_joined_in_the_end():
    anchors = np.eye(DIMENSION)[:3]
    cohort = SiteCohort(anchors)
    for row in close_to(anchors, (60, 38, 1)):
        add(cohort, row)
    assert not cohort.is_due  # one person alone in the third component: its sum would be his features
    for row in close_to(anchors, (1, 0, 0)):
        add(cohort, row)
    sums = parse_sums(cohort.taken(), "left")
    assert sorted(sums.counts.tolist()) in ([0, 38, 62], [0, 39, 61])
    assert cohort.people == 0


def test_components_that_are_large_enough_leave_as_they_are():
    anchors = np.eye(DIMENSION)[:3]
    cohort = SiteCohort(anchors)
    rows = close_to(anchors, (20, 15, 15))
    for row in rows:
        add(cohort, row)
    sums = parse_sums(cohort.taken(), "left")
    assert sums.counts.tolist() == [20, 15, 15]
    assert sums.products == pytest.approx(rows.T @ rows, abs=1e-6)
    assert (cohort.people, cohort.taken()) == (0, b"")


def test_whoever_crosses_often_is_in_once_and_nobody_without_a_name():
    cohort = SiteCohort(ANCHORS)
    commuter = people(1, 7, DIMENSION)[0].astype(np.float32)
    assert cohort.add(commuter, "a")
    assert not any(cohort.add(commuter, "a") for _ in range(400))
    assert not cohort.add(commuter, "")
    assert (cohort.people, cohort.is_due) == (1, False)
    cohort.wipe()
    assert cohort.add(commuter, "a")  # the next sums count everybody afresh


@settings(max_examples=30)
@given(st.integers(50, 300), st.integers(0, 9))
def test_no_component_that_leaves_covers_few_people_and_nobody_is_lost(count, seed):
    cohort = filled(count, seed)
    content = cohort.taken()
    assert bool(content) == (cohort.people == 0)
    if count >= 2 * SMALLEST_RELEASE:
        assert content
    if content:
        sums = parse_sums(content, "left")
        assert sums.counts.sum() == count
        assert not ((sums.counts > 0) & (sums.counts < SMALLEST_COMPONENT)).any()
        assert sums.sums.sum(axis=0) == pytest.approx(people(count, seed, DIMENSION).sum(axis=0), abs=1e-4)


def test_wiping_overwrites_the_sums():
    cohort = filled(10)
    held = cohort._sums
    cohort.wipe()
    assert not held.counts.any()
    assert not held.sums.any()
    assert not held.products.any()


def test_joining_leaves_what_it_is_given_as_it_was():
    sums = CohortSums.around(np.eye(DIMENSION)[:3])
    sums.add(close_to(np.eye(DIMENSION)[:3], (60, 3, 2)))
    before = dump_sums(sums)
    assert joined(sums).counts.tolist() == [65, 0, 0]
    assert dump_sums(sums) == before


# ---- the file ---------------------------------------------------------------------------------------------------------------


def sums_of(count, seed=1, anchors=ANCHORS):
    sums = CohortSums.around(anchors)
    sums.add(people(count, seed, anchors.shape[1]))
    return joined(sums)


def test_files_add_up_to_the_mixture_of_all_people_together():
    one, other, both = sums_of(100, 1), sums_of(140, 2), CohortSums.around(ANCHORS)
    both.add(people(100, 1, DIMENSION))
    both.add(people(140, 2, DIMENSION))
    again = added(parse_sums(dump_sums(one), "one"), parse_sums(dump_sums(other), "other"))
    assert again.counts.sum() == 240
    assert again.products == pytest.approx(both.products)
    assert again.sums.sum(axis=0) == pytest.approx(both.sums.sum(axis=0))
    with pytest.raises(CalibrationRefused, match="different components"):
        added(one, sums_of(100, anchors=people(3, 6, DIMENSION)))


def written(**changes):
    sums = sums_of(100)
    parts = {
        "format": np.array("egate-cohort-sums-1"),
        "anchors": sums.anchors,
        "counts": sums.counts,
        "sums": sums.sums,
        "products": sums.products,
    } | changes
    stream = io.BytesIO()
    np.savez(stream, **{name: part for name, part in parts.items() if part is not None})
    return stream.getvalue()


def few(count):
    sums = CohortSums.around(ANCHORS[:1])
    sums.add(people(count, 1, DIMENSION))
    return dump_sums(sums)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "sums x"),
        (b"PK\x03\x04", "sums x"),
        (written()[:-30], "sums x"),
        (written(format=np.array("egate-cohort-1")), "contradict"),
        (written(products=None), "products"),
        (written(products=np.eye(DIMENSION - 1)), "contradict"),
        (written(products=np.full((DIMENSION, DIMENSION), np.nan)), "contradict"),
        (written(products=sums_of(100).products * 2), "contradict"),
        (written(sums=sums_of(100).sums * 9), "contradict"),
        (written(counts=np.array([-50, 100, 50])), "contradict"),
        (written(counts=sums_of(100).counts + 20), "contradict"),
        (written(counts=sums_of(100).counts[:2]), "contradict"),
        (written(anchors=np.zeros(DIMENSION)), "contradict"),
        (written(counts=np.array(object(), dtype=object)), "sums x"),
        (few(1), "recognised"),
        (few(SMALLEST_RELEASE - 1), "recognised"),
        (dump_sums(CohortSums(np.eye(DIMENSION)[:2], np.array([60, 1]), np.zeros((2, DIMENSION)), np.eye(8) * 61 / 8)), "recognised"),
    ],
)  # fmt: skip
def test_files_that_are_none_or_give_somebody_away_are_refused(content, complaint):
    assert parse_sums(few(SMALLEST_RELEASE), "whole").counts.sum() == SMALLEST_RELEASE
    with pytest.raises(CalibrationRefused, match=complaint) as refusal:
        parse_sums(content, "x")
    assert refusal.value.code == "MD-COH-004"


def test_the_agents_file_grows_atomically_and_is_the_owners_alone(tmp_path):
    folder = CohortSumsFolder(tmp_path)
    assert folder.add(dump_sums(sums_of(100, 1))) == 100
    assert folder.add(dump_sums(sums_of(140, 2))) == 240
    (path,) = tmp_path.iterdir()
    assert path == folder.path_of(sums_of(100))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert parse_sums(path.read_bytes(), path.name).counts.sum() == 240
    other = sums_of(100, anchors=people(3, 6, DIMENSION))
    assert folder.add(dump_sums(other)) == 100  # another record's components: another file
    assert len(list(tmp_path.iterdir())) == 2
    before = path.read_bytes()
    with pytest.raises(CalibrationRefused):
        folder.add(few(10))
    assert path.read_bytes() == before


def test_a_broken_file_is_put_aside(tmp_path):
    folder = CohortSumsFolder(tmp_path)
    path = folder.path_of(sums_of(100))
    path.write_bytes(b"broken")
    assert folder.add(dump_sums(sums_of(100))) == 100
    assert path.with_suffix(".unreadable").read_bytes() == b"broken"


def test_workers_that_hand_over_at_once_lose_nobody(tmp_path):
    folder = CohortSumsFolder(tmp_path)
    threads = [threading.Thread(target=folder.add, args=(dump_sums(sums_of(60, seed)),)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (path,) = tmp_path.iterdir()
    assert parse_sums(path.read_bytes(), path.name).counts.sum() == 8 * 60


# ---- in the worker ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def faces():
    sampler = SimpleNamespace(chain=SimpleNamespace(finder=None, attack_models=(), morph_model=None))
    return BorrowedFaces(sampler, None, lambda: 0.0, SiteCohort(ANCHORS))


def visited(faces, name, features, *, has_matched):
    held = faces.of(name)
    held.reference_features, held.has_matched = features.astype(np.float32), has_matched
    return held.reference_features


def test_matched_references_are_added_when_they_are_forgotten_and_no_others(faces):
    rows = people(3, 1, DIMENSION)
    matched = visited(faces, "a", rows[0], has_matched=True)
    visited(faces, "b", rows[1], has_matched=False)
    faces.of("c").has_matched = True  # without a reference
    assert faces.site_cohort.people == 0
    for name in "abc":
        faces.forget(name, f"holder of {name}")
    assert faces.site_cohort.people == 1
    assert not matched.any()
    faces.forget("a", "another")
    assert faces.site_cohort.people == 1


def asked(channel, operation, *descriptors):
    request = encode_request(1, operation, transaction="t", holder=uuid.uuid4().hex)
    socket.send_fds(channel, [request], descriptors)
    return decode_answer(channel.recv(65536))


def test_a_worker_hands_sums_over_only_when_they_are_due(faces):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    idle = SimpleNamespace(waits_ms=None, drop_old=lambda: None, wipe=lambda: None)
    working = threading.Thread(target=serve, args=(faces, idle, theirs))
    working.start()
    descriptor = os.memfd_create("sums")
    try:
        for number, row in enumerate(people(2 * SMALLEST_RELEASE, 1, DIMENSION), 1):
            visited(faces, "t", row, has_matched=True)
            due = asked(ours, "forget").counts["sums_due"]
            if number < SMALLEST_RELEASE:
                assert due == 0
                assert asked(ours, "sums", descriptor).counts == {"sums_bytes": 0}
                assert os.fstat(descriptor).st_size == 0
            if due:
                break
        size_bytes = asked(ours, "sums", descriptor).counts["sums_bytes"]
        assert parse_sums(os.pread(descriptor, size_bytes, 0), "left").counts.sum() == number
        assert faces.site_cohort.people == 0
        assert asked(ours, "sums").code == "MD-WRK-003"  # no file to write to
    finally:
        ours.close()
        working.join(10)
        os.close(descriptor)
        theirs.close()


def test_workers_sum_up_only_where_a_site_switched_it_on():
    assert "--cohort-sums" not in evaluation_arguments(FaceSettings())
    assert "--cohort-sums" in evaluation_arguments(FaceSettings(cohort_sums=True))


@pytest.mark.weights
@pytest.mark.portraits
async def test_a_traveller_who_matched_stays_in_the_worker_and_nothing_is_written(models_folder, portraits, tmp_path):
    """One person is far from enough: no file appears, whatever the worker is asked."""
    engine = FaceEngine(FaceSettings(cohort_sums=True), models_folder, SystemClock(), state_folder=tmp_path)
    await engine.start()
    try:
        transaction_id, frame = uuid.uuid4(), os.memfd_create("frame")
        portrait = (portraits / "obama.jpg").read_bytes()
        await engine.reference(transaction_id, portrait)
        os.write(frame, framed(portrait))
        capture = await engine.probe(transaction_id, frame, 1280, 720, 100.0)
        os.close(frame)
        assert capture.comparison.decision is ComparisonDecision.MATCH
        await engine.forget(transaction_id)
        (worker,) = engine._workers
        await engine._collected(worker, engine._sums)
        await asyncio.sleep(0)
        assert list(tmp_path.iterdir()) == []
    finally:
        await engine.stop()


def framed(portrait):
    head = cv2.imdecode(np.frombuffer(portrait, np.uint8), cv2.IMREAD_COLOR)
    picture = np.full((720, 1280, 3), 110, np.uint8)
    picture[:, 300:876] = cv2.resize(head, (576, 720))
    return picture.tobytes()


_HANDS_OVER = """
import os, socket, sys
channel = socket.socket(fileno=int(sys.argv[sys.argv.index("--socket-fd") + 1]))
def say(text):
    channel.send(len(text).to_bytes(4, "big") + text)
say(b'{"answer": "ready", "process_id": 1, "load_ms": 1}')
content = open("CONTENT", "rb").read()
number = 0
while True:
    packet, descriptors, _, _ = socket.recv_fds(channel, 4096, 4)
    if not packet:
        break
    number += 1
    if b'"sums"' in packet:
        os.pwrite(descriptors[0], content, 0)
        say(b'{"answer": "done", "id": %d, "counts": {"sums_bytes": SIZE}}' % number)
    elif b'"forget"' in packet:
        say(b'{"answer": "done", "id": %d, "counts": {"forgotten": 1, "sums_due": 1}}' % number)
    else:
        say(b'{"answer": "sampled", "id": %d, "finding": "not_found", "box": null, "quality": {}, "step_ms": {}, "detail": "", '
            b'"faces": 0, "frame_px": [1, 1], "pose": null, "attack": null, "comparison": null, "portrait_bytes": 0}' % number)
"""


async def handed_over(tmp_path, content, size):
    """Let a worker hand over what it likes after a transaction; return what stands in the state folder then."""
    (tmp_path / "content").write_bytes(content)
    state = tmp_path / "state"
    state.mkdir()
    script = tmp_path / "worker.py"
    script.write_text(_HANDS_OVER.replace("CONTENT", str(tmp_path / "content")).replace("SIZE", str(size)))
    command = (sys.executable, str(script))
    engine = FaceEngine(
        FaceSettings(cohort_sums=True), tmp_path, SystemClock(), state_folder=state, worker_command=command
    )
    await engine.start()
    try:
        transaction_id = uuid.uuid4()
        await engine.reference(transaction_id, b"portrait")
        await engine.forget(transaction_id)
        for _ in range(200):
            if len(engine._beside._tasks) <= 1:  # the watch of the worker is left
                break
            await asyncio.sleep(0.02)
        assert len(engine.worker_process_ids) == 1
    finally:
        await engine.stop()
    return list(state.iterdir())


async def test_sums_that_are_due_reach_the_state_folder(tmp_path):
    content = dump_sums(sums_of(100))
    (path,) = await handed_over(tmp_path, content, len(content))
    assert parse_sums(path.read_bytes(), path.name).counts.sum() == 100


@pytest.mark.parametrize(
    ("content", "size"),
    [
        (few(1), len(few(1))),
        (few(49), len(few(49))),
        (b"nonsense", 8),
        (b"", 0),
        (b"x", -1),
        (b"x", 10**9),
        (b"x", '"one"'),
    ],
)
async def test_a_worker_that_hands_over_somebody_or_nonsense_is_not_believed(tmp_path, content, size):
    assert await handed_over(tmp_path, content, size) == []


# ---- the command ------------------------------------------------------------------------------------------------------------


def test_the_command_makes_a_cohort_of_sums(tmp_path, capsys):
    first, second, output = tmp_path / "a.sums", tmp_path / "b.sums", tmp_path / "site.cohort"
    first.write_bytes(dump_sums(sums_of(100, 1)))
    second.write_bytes(dump_sums(sums_of(140, 2)))
    assert main(["face", "cohort", "--sums", str(first), str(second), "--output", str(output)]) == 0
    model = parse(output.read_bytes(), "site")
    assert model.people == 240
    assert "240 people in" in capsys.readouterr().out
    assert np.isfinite(model.sample(50).vectors).all()


def test_the_command_names_what_is_wrong_and_writes_nothing(tmp_path, capsys):
    good, bad, other = tmp_path / "good.sums", tmp_path / "bad.sums", tmp_path / "other.sums"
    good.write_bytes(dump_sums(sums_of(100)))
    bad.write_bytes(b"sums")
    other.write_bytes(dump_sums(sums_of(100, anchors=people(3, 6, DIMENSION))))
    output = tmp_path / "site.cohort"
    for words, complaint in (
        ((bad,), "MD-COH-004"),
        ((good, other), "different components"),
        ((good, good), "named twice"),
        ((tmp_path / "nowhere.sums",), "cannot be read"),
    ):
        assert main(["face", "cohort", "--sums", *map(str, words), "--output", str(output)]) == 3
        assert complaint in capsys.readouterr().err
    assert main(["face", "cohort", "--images", str(tmp_path), "--output", str(output)]) == 3
    assert "no picture" in capsys.readouterr().err
    assert not output.exists()
    assert main(["face", "cohort", "--sums", str(good), "--output", str(tmp_path / "site.npz")]) == 2


@pytest.mark.weights
@pytest.mark.shared_data
def test_the_command_makes_a_cohort_of_one_picture_per_person(shared_data, models_folder, tmp_path, capsys):
    folder = tmp_path / "images"
    for number in range(1, 17):
        (folder / f"s{number}").mkdir(parents=True)
        for picture in (1, 2):
            link = folder / f"s{number}" / f"{picture}.pgm"
            link.symlink_to(shared_data / "faces/att_faces" / f"s{number}" / f"{picture}.pgm")
    (folder / "s1" / "0.pgm").write_bytes(b"broken: the person's next picture is taken")
    (folder / "nobody").mkdir()
    (folder / "nobody" / "1.pgm").write_bytes(b"broken")
    outputs = [tmp_path / name for name in ("one.cohort", "two.cohort")]
    for output in outputs:
        words = ["--images", folder, "--output", output, "--models", models_folder, "--components", 4]
        assert main(["face", "cohort", *map(str, words)]) == 0
        shown = capsys.readouterr()
        assert "16 people in 1 components" in shown.out
        assert "1 of 17 people have no picture with a face" in shown.err
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
    model = parse(outputs[0].read_bytes(), "one")
    assert (model.people, model.means.shape) == (16, (1, 128))
