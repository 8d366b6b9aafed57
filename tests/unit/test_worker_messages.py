"""What crosses between agent and worker: the same on both sides, nothing of a feature, and no nonsense let in."""

from __future__ import annotations

import json
import math
import struct
from dataclasses import asdict, fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import WorkerFault
from models.results import (
    AttackAssessment,
    ComparisonDecision,
    FaceBox,
    FaceComparison,
    FaceFinding,
    FaceSample,
    HeadPose,
)
from models.worker_messages import (
    LARGEST_ANSWER_BYTES,
    LARGEST_REQUEST_BYTES,
    Done,
    Faulted,
    Ready,
    Sampled,
    decode_answer,
    decode_request,
    encode_answer,
    encode_request,
)

numbers = st.floats(allow_nan=False, allow_infinity=False, width=32)
tables = st.dictionaries(st.text(max_size=12), numbers, max_size=4)
boxes = st.builds(FaceBox, *(st.integers(-5000, 20000) for _ in range(4)), numbers)
attacks = st.builds(AttackAssessment, st.none() | st.floats(0, 1), tables, st.text(max_size=30), st.booleans())


@st.composite
def comparisons(draw):
    score, threshold = draw(numbers), draw(numbers)
    others = (ComparisonDecision.UNDETERMINED, ComparisonDecision.NON_MATCH)
    return FaceComparison(
        comparison_score=score,
        decision=ComparisonDecision.MATCH if score >= threshold else draw(st.sampled_from(others)),
        threshold=threshold,
        non_match_threshold=draw(numbers),
        false_match_rate=draw(st.floats(1e-9, 1e-3)),
        calibration_id=draw(st.text(max_size=20)),
        model_id=draw(st.text(max_size=20)),
        cohort_id=draw(st.text(max_size=20)),
        cosine=draw(st.none() | st.floats(-1, 1)),
        frames=draw(st.integers(1, 32)),
    )


@st.composite
def answers(draw):
    finding = draw(st.sampled_from(list(FaceFinding)))
    is_found = finding is FaceFinding.FOUND
    sample = FaceSample(
        finding,
        draw(boxes if is_found else st.none() | boxes),
        None,
        draw(tables),
        draw(tables),
        draw(st.text(max_size=40)),
        draw(st.integers(0, 9)),
        (draw(st.integers(0, 9999)), draw(st.integers(0, 9999))),
        draw(st.none() | st.builds(HeadPose, numbers, numbers, numbers)),
        draw(st.none() | attacks),
    )
    portrait = draw(st.none() | st.binary(min_size=1, max_size=200))
    return Sampled(draw(st.integers(0, 2**40)), sample, portrait, draw(st.none() | comparisons()) if is_found else None)


@given(answers())
def test_what_a_worker_answers_is_what_the_agent_reads(answer):
    packet = encode_answer(answer)
    assert decode_answer(packet) == answer
    assert len(packet) <= LARGEST_ANSWER_BYTES


@pytest.mark.parametrize(
    "answer",
    [
        Ready(7, 312.5, "tried-1", 18, attack_detection_rated=True),
        Ready(7, 312.5, refusal="no calibration record", pipeline_sha256="ab" * 32),
        Done(3, {"forgotten": 1}),
        Faulted(0, "MD-CAT-003", "a model is altered: ö"),
    ],
)
def test_the_other_answers_come_back_whole(answer):
    assert decode_answer(encode_answer(answer)) == answer


@given(st.integers(0, 2**40), st.sampled_from(["probe", "forget"]), st.integers(1, 16384), st.floats(0, 1e9))
def test_requests_come_back_whole(request_id, operation, width_px, t_mono_s):
    packet = encode_request(request_id, operation, transaction="a" * 32, width_px=width_px, t_mono_s=t_mono_s)
    assert len(packet) <= LARGEST_REQUEST_BYTES
    table = {"id": request_id, "op": operation, "transaction": "a" * 32, "width_px": width_px, "t_mono_s": t_mono_s}
    assert decode_request(packet) == (request_id, operation, table)


@pytest.mark.parametrize(
    "packet",
    [b"", b"{", b"[]", b"7", b'{"id": 1}', b'{"op": "probe"}', b'{"id": "1", "op": "probe"}', b'{"id": true, "op": "x"}',
     b'{"id": 1, "op": 2}', b"\xff\xfe", b"[" * 4000],
)  # fmt: skip
def test_malformed_requests_are_refused(packet):
    with pytest.raises(WorkerFault):
        decode_request(packet)


# ---- features ---------------------------------------------------------------------------------------------------------------


def test_features_never_cross_even_if_a_sample_still_has_them():
    features = np.linspace(-0.5, 0.5, 128, dtype=np.float32)
    features /= np.linalg.norm(features)
    packet = encode_answer(Sampled(1, FOUND_SAMPLE_WITH(features), b"jpeg"))
    assert decode_answer(packet).sample.features is None
    for kind in ("<f4", "<f8", ">f4"):
        assert features.astype(kind).tobytes()[40:64] not in packet
    assert all(f"{value:.4f}".lstrip("-").encode() not in packet for value in features[40:60])


def test_no_field_of_an_answer_is_a_list_of_features():
    """Whoever adds a field decides about it here: what may cross is named."""
    (length,) = struct.unpack(">I", encode_answer(SAMPLED)[:4])
    header = json.loads(encode_answer(SAMPLED)[4 : 4 + length])
    assert set(header) == {
        "answer", "id", "finding", "box", "quality", "step_ms", "detail", "faces", "frame_px", "pose", "attack",
        "comparison", "portrait_bytes",
    }  # fmt: skip
    assert set(header["comparison"]) == {field.name for field in fields(FaceComparison)}
    assert not [name for name in header["comparison"] if "feature" in name or "vector" in name]
    longest = max(len(value) for value in header.values() if isinstance(value, list))
    assert longest == len(header["box"]) == 5


def FOUND_SAMPLE_WITH(features):
    return FaceSample(FaceFinding.FOUND, FaceBox(1, 2, 30, 40, 0.9), features, {}, {}, "", 1, (100, 100))


SAMPLED = Sampled(
    5,
    FaceSample(
        FaceFinding.FOUND,
        FaceBox(1, 2, 30, 40, 0.9),
        None,
        {"LuminanceMean": 70.0},
        {"features": 3.5},
        "",
        1,
        (640, 480),
        HeadPose(1.0, 2.0, 3.0),
        AttackAssessment(0.5, {"border": 0.5}, "", is_rated=True),
    ),
    b"jpeg",
    FaceComparison(0.9, ComparisonDecision.MATCH, 0.8, 0.5, 1e-4, "tried-1", "tiny", "c", 0.9, 2),
)


def test_a_portrait_too_large_for_a_packet_is_left_out():
    answer = Sampled(5, SAMPLED.sample, bytes(LARGEST_ANSWER_BYTES), SAMPLED.comparison)
    packet = encode_answer(answer)
    assert len(packet) < LARGEST_ANSWER_BYTES
    assert decode_answer(packet).portrait_jpeg is None
    assert decode_answer(packet).comparison == SAMPLED.comparison


def test_long_texts_are_cut():
    message = decode_answer(encode_answer(Faulted(1, "MD-000", "x" * 10_000))).message
    assert message == "x" * 500


# ---- hostile answers --------------------------------------------------------------------------------------------------------


def packet_of(header, rest=b"jpeg"):
    text = json.dumps(header).encode()
    return struct.pack(">I", len(text)) + text + rest


def altered(path, value):
    """The good answer's packet with one value changed; `None` as last step removes it."""
    packet = encode_answer(SAMPLED)
    (length,) = struct.unpack(">I", packet[:4])
    header = json.loads(packet[4 : 4 + length])
    place = header
    for step in path[:-1]:
        place = place[step]
    if value is REMOVED:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return packet_of(header)


REMOVED = object()
DEEP: list = []
for _ in range(400):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["answer"], "handed"),
        (["answer"], REMOVED),
        (["id"], "one"),
        (["id"], math.inf),
        (["finding"], "perhaps"),
        (["finding"], "not_found"),  # a comparison without a face
        (["box"], None),
        (["box"], [1, 2, 3]),
        (["box"], [1, 2, 3, math.inf, 0.5]),
        (["box"], [1, 2, 3, math.nan, 0.5]),
        (["quality"], {"a": math.nan}),
        (["quality"], ["a"]),
        (["step_ms"], {"a": "long"}),
        (["faces"], math.inf),
        (["frame_px"], [1]),
        (["pose"], {"yaw_deg": 1}),
        (["pose"], {"yaw_deg": 1, "pitch_deg": 2, "roll_deg": math.inf}),
        (["attack", "score"], 1.5),
        (["attack", "score"], -0.1),
        (["attack", "score"], math.nan),
        (["attack"], DEEP),
        (["comparison", "decision"], "surely"),
        (["comparison", "decision"], "undetermined"),  # its score is a match
        (["comparison", "comparison_score"], 0.7),
        (["comparison", "comparison_score"], math.nan),
        (["comparison", "comparison_score"], "0.9"),
        (["comparison", "threshold"], -math.inf),
        (["comparison", "non_match_threshold"], math.nan),
        (["comparison", "cosine"], math.nan),
        (["comparison", "false_match_rate"], 0),
        (["comparison", "false_match_rate"], 1.0),
        (["comparison", "frames"], 0),
        (["comparison", "frames"], "many"),
        (["comparison", "frames"], 1.5),
        (["comparison", "threshold"], REMOVED),
        (["comparison", "features"], [0.1, 0.2]),
        (["portrait_bytes"], 3),
        (["portrait_bytes"], -1),
    ],
)
def test_answers_that_make_no_sense_are_refused(path, value):
    assert decode_answer(altered(["detail"], "fine")).sample.detail == "fine"
    with pytest.raises(WorkerFault) as fault:
        decode_answer(altered(path, value))
    assert fault.value.code == "MD-WRK-002"


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"\x00\x00",
        b"\x00\x00\x00\x02{}",
        b"\x00\x00\x00\x04null",
        b"\xff\xff\xff\xff{}",
        packet_of([1, 2]),
        packet_of({"answer": "ready"}),
        packet_of({"answer": "ready", "process_id": 1, "load_ms": 1, "features": [1]}),
        packet_of({"answer": "done", "id": 1}),
        packet_of({"answer": "fault", "id": 1}),
        struct.pack(">I", 100_000) + b"[" * 100_000,
        struct.pack(">I", 4) + b'"\xff\xfe"',
    ],
)
def test_packets_that_are_no_answers_are_refused(packet):
    with pytest.raises(WorkerFault) as fault:
        decode_answer(packet)
    assert fault.value.code == "MD-WRK-002"


@given(
    st.binary(max_size=200) | st.builds(lambda tail: encode_answer(SAMPLED)[: -len(tail) or None] + tail, st.binary())
)
def test_whatever_arrives_is_an_answer_or_a_fault(packet):
    try:
        answer = decode_answer(packet)
    except WorkerFault:
        return
    assert isinstance(answer, Sampled)
    assert answer.sample == SAMPLED.sample
    assert asdict(answer.comparison) == asdict(SAMPLED.comparison)
