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
    "galileo": (7, 0),
    "navis": (11, 0),
    "envotech": (3, 0),
    "meitrack": (27, 0),
    "adm": (5, 0),
    "t800x": (16, 0),
    "gl200text": (121, 0),
}
"""By protocol: frames in the two files, and how many of them must be rejected."""

STREAMS = {"jt600": 11, "jt808": 3, "gt06": 9, "egts": 2, "teltonika": 2, "navis": 7, "adm": 3}

UNLIKE_THEIR_PROVENANCE: dict[str, dict[str, object]] = {
    "gt06-ffdfde4695": {"altitude_m": 0.0},  # the two bytes of the checksum were read as an altitude of -31703 m
    "t800x-4a3901dc47": {"speed_kn": 0.0},  # FFFF, which says that there is no value, was read as 1666.5 km/h
    "wialon-e81fb714b3": {
        "device_time": None,
        "fix_time": None,
    },  # no time in the frame: that of the reading was put in
    "gl200text-30ef83fdb1": {  # the place behind a field with a blank was not found
        "valid": True,
        "lat": 40.481997,
        "lon": -3.647673,
        "altitude_m": 698.5,
        "course_deg": 101.0,
    },
    "gl200text-957dfee5f7": {"device_time": "2022-03-02T22:09:44.000Z"},  # elsewhere this type is told by the fix
    "gl200text-6f7a8ae20f": {"device_time": "2015-06-15T07:44:56.000Z"},  # elsewhere this type is told by the sending
    "gl200text-9251669c0f": {"device_time": "2017-02-15T09:04:22.000Z"},  # so is this one
    "gl200text-2c7358e567": {"device_time": "2017-02-15T22:00:49.000Z"},  # the time of sending was left out
    "gl200text-387cee15f2": {"device_time": "2017-02-01T02:00:55.000Z"},
    "gl200text-8c477294cd": {"device_time": "2019-02-08T12:49:09.000Z"},
    "gl200text-d9d1c60df0": {"device_time": "2019-02-08T12:48:49.000Z"},
}
"""Where we read a frame otherwise than its provenance does, and why."""


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
        for position in frame["expected"]:
            position.update(UNLIKE_THEIR_PROVENANCE.get(frame["id"], {}))
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
    assert {frame["protocol"].lower() for frame in frames} == set(FRAMES)
