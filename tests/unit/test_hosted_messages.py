"""Messages between a host and its agent: what is sent is what is heard, and whatever else is refused without an exception of its own."""

import fcntl
import json
import os
import socket
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from drivers.contracts import ChipEvidence, ChipFileRead, DeviceClass, Door, MrzRead, SealReported
from drivers.hosted.messages import (
    Ask,
    Done,
    Failed,
    FailureKind,
    FromAgent,
    FromHost,
    HostedEntry,
    Progressed,
    ReleaseDoor,
    Told,
    ToldPayload,
    Welcome,
)
from drivers.hosted.packets import HEAD, INLINE_LIMIT_BYTES, VERSION, PacketRefused, decode, encode, is_frame_file
from drivers.hosted.values import Unpacker, ValueRefused, pack

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
TOLD = Told("reader-1", 1, MrzRead(("P<UTO", "UT0")), NOW, 12.5, b"\x02P<UTO\x03")

for kind, values in {
    float: st.floats(allow_nan=False, allow_infinity=False),
    int: st.integers(-(2**63), 2**63 - 1),
    str: st.text(st.characters(exclude_categories=["Cs"]), max_size=50),
    bytes: st.binary(max_size=100),
    datetime: st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5))])),
}.items():
    st.register_type_strategy(kind, values)


def heard(packet: bytes, hint: Any, descriptors: list[int] | None = None) -> Any:
    return decode(packet, [] if descriptors is None else descriptors, hint)[0]


@pytest.mark.parametrize(
    "kind", get_args(ToldPayload) + get_args(FromHost) + get_args(FromAgent), ids=lambda k: k.__name__
)
@given(data=st.data())
@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
def test_every_message_and_payload_comes_back_as_it_was(kind: type, data: st.DataObject) -> None:
    value = data.draw(st.from_type(kind))
    parts: list[bytes] = []
    told = json.loads(json.dumps(pack(value, parts)))
    assert Unpacker(b"".join(parts)).whole(kind, told) == value


def test_long_content_lies_in_a_sealed_memory_file_and_comes_back() -> None:
    evidence = ChipEvidence(files={"DG2": os.urandom(300_000), "EF.SOD": b"\x77"}, unreadable={"DG3": "6982"})
    packet = encode(Done(7, evidence))
    assert len(packet.content) < INLINE_LIMIT_BYTES
    with pytest.raises(PermissionError):
        os.pwrite(packet.descriptor, b"x", 0)
    descriptors = [packet.descriptor]
    assert heard(packet.content, FromHost, descriptors) == Done(7, evidence)
    assert descriptors == []  # closed


def memory_file(size_bytes: int, seals: int = 0) -> int:
    descriptor = os.memfd_create("test", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, size_bytes)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    return descriptor


def test_a_memory_file_that_may_still_change_is_refused() -> None:
    packet = encode(Progressed(1, ChipFileRead("DG2", bytes(40_000))))
    os.close(packet.descriptor)
    unsealed = [memory_file(40_000)]
    with pytest.raises(PacketRefused, match="not sealed"):
        heard(packet.content, FromHost, unsealed)
    assert not is_frame_file(unsealed[0], 40_000)
    os.close(unsealed[0])
    pipe = os.pipe()
    assert not is_frame_file(pipe[0], 1)
    for descriptor in pipe:
        os.close(descriptor)


def test_what_does_not_travel_is_refused_before_it_is_sent() -> None:
    for value in (float("nan"), float("inf")):
        with pytest.raises(ValueRefused):
            encode(SealReported("S", "sealed", is_alarm=False, device_time=None, latitude=value, longitude=0.0))
    with pytest.raises(ValueRefused):
        encode(Failed(1, FailureKind.FAULT, "x" * 40_000))
    with pytest.raises(ValueRefused):
        pack(object(), [])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda told: told | {"colour": "red"}, "other fields"),
        (lambda told: {key: value for key, value in told.items() if key != "raw"}, "other fields"),
        (lambda told: told | {"number": True}, "whole number"),
        (lambda told: told | {"number": 1 << 63}, "whole number"),
        (lambda told: told | {"t_mono_s": "soon"}, "no number"),
        (lambda told: told | {"t_mono_s": 1e999}, "no JSON|is no number"),
        (lambda told: told | {"t_wall": "2026-11-30T12:00:00"}, "without its zone"),
        (lambda told: told | {"t_wall": "noon"}, "no time"),
        (lambda told: told | {"raw": 8}, "more bytes"),
        (lambda told: told | {"raw": 6}, "belong to nothing"),
        (lambda told: told | {"raw": -1}, "more bytes"),
        (lambda told: told | {"device": 7}, "no text"),
        (lambda told: told | {"payload": {"is": "Told"}}, "none of the kinds"),
        (lambda told: told | {"payload": {"is": "MrzRead", "lines": "P<"}}, "no list"),
        (lambda told: told | {"is": "Ask"}, "none of the kinds"),
        (lambda told: [told], "none of the kinds"),
    ],
    ids=[str(number) for number in range(16)],
)
def test_one_thing_wrong_is_refused(change: Any, why: str) -> None:
    parts: list[bytes] = []
    header = json.dumps(change(pack(TOLD, parts))).encode()
    content = b"".join(parts)
    with pytest.raises((PacketRefused, ValueRefused), match=why):
        heard(HEAD.pack(VERSION, 0, len(header), len(content)) + header + content, FromHost)


def test_the_other_sides_messages_are_refused() -> None:
    ask = encode(Ask(1, "barrier-1", ReleaseDoor(Door.EXIT, 1, 8.0))).content
    assert heard(ask, FromAgent).command.door is Door.EXIT
    with pytest.raises(ValueRefused):
        heard(ask, FromHost)
    welcome = encode(Welcome("a", (HostedEntry("barrier-1", DeviceClass.BARRIER),))).content
    with pytest.raises(ValueRefused):
        heard(welcome, FromAgent)


@given(st.binary(max_size=300))
@example(b"")
@example(HEAD.pack(VERSION, 0, 2, 0) + b"{}")
@example(HEAD.pack(VERSION + 1, 0, 2, 0) + b"{}")
@example(HEAD.pack(VERSION, 0, 30_000, 0) + b"[" * 30_000)
@example(HEAD.pack(VERSION, 2, 2, 0) + b"{}")
@example(HEAD.pack(VERSION, 1, 2, 0xFFFFFFFF) + b"{}")
@example(HEAD.pack(VERSION, 0, 26, 0) + b'{"is":"Alive","is":"Alive"}'[:26])
def test_any_bytes_are_a_message_or_are_refused(packet: bytes) -> None:
    for hint in (FromHost, FromAgent):
        try:
            heard(packet, hint)
        except (PacketRefused, ValueRefused):
            continue


@given(st.integers(0, len(encode(TOLD).content) * 8 - 1))
def test_any_flipped_bit_is_refused_or_another_message(bit: int) -> None:
    packet = bytearray(encode(TOLD).content)
    packet[bit // 8] ^= 1 << bit % 8
    try:
        assert heard(bytes(packet), FromHost) != TOLD
    except (PacketRefused, ValueRefused):
        return


def test_a_largest_message_fits_into_one_packet() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        ours.setblocking(False)
        packet = encode(Told("d", 1, MrzRead(("<" * 30_000,)), NOW, 1.0, bytes(INLINE_LIMIT_BYTES)))
        assert packet.descriptor == -1
        assert ours.send(packet.content) == len(packet.content)
