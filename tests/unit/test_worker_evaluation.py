"""The worker's side of continuous evaluation: what it answers, what it refuses, and that what is old goes while nobody crosses."""

from __future__ import annotations

import argparse
import socket
import threading
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from models import worker_evaluation
from models.cohort import Cohort
from models.errors import CalibrationRefused, WorkerFault
from models.face_comparison import FaceComparer
from models.worker import serve
from models.worker_evaluation import WorkerEvaluation, add_arguments
from models.worker_messages import Done, Faulted, Ready, decode_answer, encode_answer, encode_request
from tests.unit.test_field_evaluation import calibration_record, unlike

KEY = "ab" * 32
FACES = unlike(3)


class Faces:
    """The transactions of a worker: by name, a probe of two frames that looks like its reference."""

    def __init__(self) -> None:
        self.held = {str(number): face for number, face in enumerate(FACES)}
        self.is_forgotten = False

    def peek(self, transaction: str) -> Any:
        face = self.held.get(transaction)
        if face is None:
            return None
        return SimpleNamespace(probe=face.copy, reference_features=face, probe_frames=2)

    def forget(self, transaction: str, holder: str = "") -> bool:
        return self.held.pop(transaction, None) is not None

    def forget_all(self) -> None:
        self.is_forgotten = True


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def made(*words: str, clock: Clock | None = None, calibrated: bool = True) -> WorkerEvaluation:
    parser = argparse.ArgumentParser()
    parser.add_argument("--false-match-rate", type=float, default=1e-3)
    add_arguments(parser)
    record = calibration_record()
    comparer = FaceComparer(record, Cohort("test", unlike(300, seed=9)), 128, "model", 1e-3) if calibrated else None
    pipeline: Any = SimpleNamespace(comparer=comparer, chain=SimpleNamespace(dimension=128))
    return WorkerEvaluation(parser.parse_args(words), pipeline, clock or Clock())


def asked(evaluation: WorkerEvaluation, transaction: str, key: object = KEY, groups: object = ()) -> dict[str, Any]:
    faces: Any = Faces()
    return evaluation.answer(faces, transaction, {"own_key": key, "groups": list(groups) if groups == () else groups})


def test_each_transaction_meets_the_ones_before_it() -> None:
    evaluation = made("--non-mated-cache", "5")
    answers = [asked(evaluation, str(number), f"{number:02x}" * 32) for number in range(3)]
    assert [answer["overall"][0][6] for answer in answers] == [0, 1, 2]  # FieldCounts.non_mated
    again = asked(evaluation, "1", "01" * 32)
    assert again["overall"][0][6] == 2  # never its own document
    assert asked(evaluation, "gone") == {"evaluated": 0}


def test_thresholds_of_one_frame_and_of_several() -> None:
    assert made().thresholds == ((0.5, 0.8),)
    assert made(calibrated=False).thresholds == ()
    with pytest.raises(CalibrationRefused, match="proves no"):
        made("--watched-rate", "1e-9")


@pytest.mark.parametrize(
    ("key", "groups"),
    [("", []), (None, []), ("zz" * 32, []), ("ab", []), (KEY, [1]), (KEY, "1"), (KEY, [True]), (KEY, [2**70])],
)
def test_a_malformed_request_is_refused(key: object, groups: object) -> None:
    with pytest.raises(WorkerFault) as fault:
        asked(made("--non-mated-cache", "5"), "1", key, groups)
    assert fault.value.code == "MD-CAC-001"


@pytest.mark.parametrize("words", [[], ["--non-mated-cache", "5"]])
def test_off_or_without_a_record_nothing_is_kept(words: list[str]) -> None:
    evaluation = made(*words, calibrated=not words)
    assert evaluation.waits_ms is None
    with pytest.raises(WorkerFault, match="keeps no references"):
        asked(evaluation, "1")


def test_limits_that_are_not_allowed() -> None:
    for words in (("--non-mated-cache", "20001"), ("--non-mated-cache", "5", "--non-mated-cache-age-s", "86401")):
        with pytest.raises(WorkerFault):
            made(*words)


def test_what_is_old_goes_while_nobody_crosses_and_all_goes_with_the_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_evaluation, "DROP_EVERY_MS", 10.0)
    clock = Clock()
    evaluation = made("--non-mated-cache", "5", "--non-mated-cache-age-s", "100", clock=clock)
    cache = evaluation._cache
    assert cache is not None
    faces: Any = Faces()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    thread = threading.Thread(target=serve, args=(faces, evaluation, theirs), daemon=True)
    thread.start()

    def request(number: int) -> Any:
        ours.send(encode_request(number, "evaluate", transaction=str(number), own_key=f"{number:02x}" * 32, groups=[]))
        return decode_answer(ours.recv(65_536))

    with ours, theirs:
        ours.settimeout(5)
        answer = request(1)
        assert isinstance(answer, Done)
        assert len(cache) == 1
        assert np.any(cache._features)
        clock.now_s = 100.0
        deadline = threading.Event()
        for _ in range(500):
            if not len(cache):
                break
            deadline.wait(0.01)
        assert len(cache) == 0
        assert not np.any(cache._features)
        assert isinstance(request(2), Done)
        ours.send(encode_request(3, "evaluate", transaction="2", own_key="short", groups=[]))
        refused = decode_answer(ours.recv(65_536))
        assert isinstance(refused, Faulted)
        assert refused.code == "MD-CAC-001"
        assert np.any(cache._features)
        ours.close()
        thread.join(5)
        assert not thread.is_alive()
    assert faces.is_forgotten
    assert not np.any(cache._features)


def test_thresholds_reach_the_agent() -> None:
    ready = Ready(7, 1.5, "record", watched_thresholds=((0.5, 0.8), (0.4, 0.6)))
    assert decode_answer(encode_answer(ready)) == ready
