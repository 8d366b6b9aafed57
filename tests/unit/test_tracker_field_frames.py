"""Frames from the field, used in place: every one decodes to what its provenance says, or is rejected where its checksum is wrong."""

import json
from pathlib import Path
from typing import Any

import pytest

from drivers.seal_tracker.codec import FrameStream
from drivers.seal_tracker.protocols import protocol_named
from gate_agent.cli.inspect_seal_frame import inspect_line

DEVICES = Path(__file__).parents[2].parent / "shared" / "data" / "devices"
FRAMES = {
    "jt600": (22, 0),
    "jt808": (63, 3),
    "eseal": (3, 0),
    "teratrack": (1, 0),
    "gt06": (92, 14),
    "egts": (9, 0),
    "wialon": (16, 0),
    "teltonika": (27, 0),
}
"""By protocol: frames in the two files, and how many of them must be rejected."""

STREAMS = {"jt600": 11, "jt808": 3, "gt06": 9, "egts": 2, "teltonika": 2, "navis": 7, "adm": 3}

SPEED_IS_A_GAP = "t800x-4a3901dc47"
"""Its provenance read FFFF, which says that there is no value, as 1666.5 km/h; the frame's speed is 0."""

ALTITUDE_IS_THE_CHECKSUM = "gt06-ffdfde4695"
"""Its provenance read the two bytes of the checksum as an altitude of -31703 m."""

TIME_IS_THAT_OF_THE_TEST = "wialon-e81fb714b3"
"""The frame has no time; its provenance put in the moment at which it was read."""


def field_frames(protocol: str) -> list[dict[str, Any]]:
    frames = [
        frame
        for name in ("seal_frames.json", "tracker_frames.json")
        for frame in json.loads((DEVICES / name).read_text())["frames"]
    ]
    return [frame for frame in frames if frame["protocol"].lower() == protocol]


def hex_of(frame: dict[str, Any]) -> str:
    encodings = {"text": "utf-8", "latin1": "latin-1"}
    encoding = encodings.get(frame["encoding"])
    return frame["frame"] if encoding is None else frame["frame"].encode(encoding).hex()


def of_position(event: dict[str, Any]) -> dict[str, Any]:
    told = event["attributes"]
    return {
        "time": event["time"] and event["time"].replace("000Z", "Z"),
        "valid": event["valid"],
        "lat": pytest.approx(event["lat"] or 0.0, abs=1e-6),
        "lon": pytest.approx(event["lon"] or 0.0, abs=1e-6),
        "speed_kn": pytest.approx(float(told.get("speed_knots", 0)), rel=2e-6, abs=2e-6),
        "course_deg": pytest.approx(float(told.get("course_deg", 0)), abs=1e-4),
        "altitude_m": pytest.approx(float(told.get("altitude_m", 0)), abs=1e-3),
    }


def as_expected(position: dict[str, Any]) -> dict[str, Any]:
    moment = position["device_time"] or position["fix_time"]
    is_repeated = position["outdated"] and not (position["lat"] or position["lon"])  # no place in the frame at all
    return {
        "time": moment and moment.replace(".000Z", "Z"),
        "valid": position["valid"] and not is_repeated,
        **{key: position[key] for key in ("lat", "lon", "speed_kn", "course_deg", "altitude_m")},
    }


@pytest.mark.shared_data
@pytest.mark.parametrize("protocol", sorted(FRAMES))
def test_every_field_frame_decodes_or_is_rejected_as_expected(protocol: str) -> None:
    frames = field_frames(protocol)
    rejected = 0
    for frame in frames:
        answer = inspect_line(protocol, hex_of(frame))
        if frame["checksum_ok"] is False:
            assert answer["error"].startswith("DRV-SEA-001: checksum"), frame["id"]
            rejected += 1
            continue
        assert answer["error"] is None, frame["id"]
        if frame["device_id"] is not None and answer["seal_id"] is not None:
            assert answer["seal_id"] == frame["device_id"], frame["id"]
        told = [event for event in answer["events"] if event["kind"] in {"position", "status"}]
        if frame["id"] == ALTITUDE_IS_THE_CHECKSUM:
            frame["expected"][0]["altitude_m"] = 0.0
        if frame["id"] == SPEED_IS_A_GAP:
            frame["expected"][0]["speed_kn"] = 0.0
        if frame["id"] == TIME_IS_THAT_OF_THE_TEST:
            frame["expected"][0]["device_time"] = frame["expected"][0]["fix_time"] = None
        assert [of_position(event) for event in told] == [as_expected(each) for each in frame["expected"]], frame["id"]
    assert (len(frames), rejected) == FRAMES[protocol]


@pytest.mark.shared_data
@pytest.mark.parametrize("protocol", sorted(STREAMS))
def test_the_first_frame_of_a_stream_is_cut_as_expected(protocol: str) -> None:
    vectors = json.loads((DEVICES / "framing_vectors.json").read_text())["vectors"]
    chosen = [vector for vector in vectors if vector["protocol"].lower() == protocol]
    assert len(chosen) == STREAMS[protocol]
    for vector in chosen:
        wire, expected = bytes.fromhex(vector["input_hex"]), bytes.fromhex(vector["expected_hex"])
        known = protocol_named(protocol)
        whole = FrameStream(known.measure, known.unwrap, limit_bytes=known.limit_bytes, shared_ends=known.shared_ends)
        assert whole.frames(wire)[0] == expected
        stream = FrameStream(known.measure, known.unwrap, limit_bytes=known.limit_bytes, shared_ends=known.shared_ends)
        assert next(frame for byte in wire for frame in stream.frames(bytes((byte,)))) == expected


@pytest.mark.shared_data
def test_no_protocol_of_the_field_is_left_out() -> None:
    names = ("seal_frames.json", "tracker_frames.json")
    frames = [frame for name in names for frame in json.loads((DEVICES / name).read_text())["frames"]]
    assert {frame["protocol"].lower() for frame in frames} >= set(FRAMES)
