"""MAVLink, received only: frames that pymavlink made, every split and every flipped bit, and what an aircraft's frames say together."""

import asyncio
import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.checksums import crc16_x25
from drivers.codec import BadFrame
from drivers.contracts import DeviceEvent, DeviceState, StateChanged
from drivers.surroundings import UavReported, UavText
from drivers.uav import mavlink
from drivers.uav.driver import MavlinkUav, build
from drivers.uav.mavlink import CRC_EXTRA, Frame, MavlinkCodec, MessageId
from drivers.uav.telemetry import SIZES_BYTES
from drivers.uav.twin import MavlinkTwin, encode
from gate_agent.clock import SystemClock

# Made with pymavlink 2.4.50 (`common`, system 7, component 1): the second party. VFR_HUD is a message that is not read.
PYMAVLINK = {
    (1, "HEARTBEAT"): "fe0900070100d100000005020304039e36",
    (1, "SYS_STATUS"): "fe1f00070101010000000100000001000000fa003831ffff000000000000000000000000572a96",
    (1, "GPS_RAW_INT"): "fe1e00070118d202964900000000be229d184e34452958f106005a00780036015046030bba8d",
    (1, "ATTITUDE"): "fe1c0007011e88130000cdcccc3dcdcc4cbe0000c03f000000000000000000000000fcd4",
    (1, "GLOBAL_POSITION_INT"): "fe1c00070121ec130000c8229d18583445294cf3060042ef00002c0170fe050028230753",
    (1, "STATUSTEXT"): "fe33000701fd044c6f772062617474657279" + "00" * 39 + "2653",
    (1, "VFR_HUD"): "fe140007014a0000803f000000400080e343cdcccc3d5a003200235f",
    (2, "HEARTBEAT"): "fd090000000701000000d100000005020304030750",
    (2, "SYS_STATUS"): "fd1f0000000701010000010000000100000001000000fa003831ffff000000000000000000000000579d90",
    (2, "GPS_RAW_INT"): "fd1e0000000701180000d202964900000000be229d184e34452958f106005a00780036015046030b2dc8",
    (2, "ATTITUDE"): "fd1000000007011e000088130000cdcccc3dcdcc4cbe0000c03f52c8",
    (2, "GLOBAL_POSITION_INT"): "fd1c0000000701210000ec130000c8229d18583445294cf3060042ef00002c0170fe0500282386e8",
    (2, "STATUSTEXT"): "fd0c0000000701fd0000044c6f7720626174746572791e54",
    (2, "VFR_HUD"): "fd1300000007014a00000000803f000000400080e343cdcccc3d5a0032e7fa",
}
SIGNED = "fd090100000701000000d10000000502030403e0a801630000000000dd5a3dbd3c2b"
VECTORS = {key: bytes.fromhex(content) for key, content in PYMAVLINK.items()}
EACH = pytest.mark.parametrize("key", VECTORS, ids=lambda key: f"{key[1]}-{key[0]}")

DEFINITIONS = {
    MessageId.HEARTBEAT: "uint32_t custom_mode uint8_t type uint8_t autopilot uint8_t base_mode uint8_t system_status "
    "uint8_t mavlink_version",
    MessageId.GLOBAL_POSITION_INT: "uint32_t time_boot_ms int32_t lat int32_t lon int32_t alt int32_t relative_alt "
    "int16_t vx int16_t vy int16_t vz uint16_t hdg",
    MessageId.ATTITUDE: "uint32_t time_boot_ms float roll float pitch float yaw float rollspeed float pitchspeed float yawspeed",
}


def driver(events: list[DeviceEvent]) -> MavlinkUav:
    return build("uav", {"host": "127.0.0.1"}, events.append, SystemClock())


def told(*chunks: bytes) -> list[object]:
    events: list[DeviceEvent] = []
    running = driver(events)
    for chunk in chunks:
        running.received(chunk, 1.0)
    return [event.data for event in events if not isinstance(event.data, StateChanged)]


@EACH
def test_frames_of_the_second_party_are_read(key: tuple[int, str]) -> None:
    version, name = key
    (frame,) = MavlinkCodec().feed(VECTORS[key])
    assert isinstance(frame, Frame)
    assert (frame.version, frame.system_id, frame.component_id, frame.is_signed) == (version, 7, 1, False)
    assert frame.message_id == (74 if name == "VFR_HUD" else MessageId[name])


@EACH
def test_the_twin_writes_what_the_second_party_wrote(key: tuple[int, str]) -> None:
    if key[1] == "VFR_HUD":
        with pytest.raises(KeyError):
            MessageId[key[1]]
        return
    (frame,) = MavlinkCodec().feed(VECTORS[key])
    assert isinstance(frame, Frame)
    whole = frame.payload.ljust(SIZES_BYTES[MessageId(frame.message_id)], b"\0")
    assert encode(MessageId(frame.message_id), whole, version=key[0], system_id=7) == VECTORS[key]


@pytest.mark.parametrize("message", DEFINITIONS, ids=lambda message: message.name)
def test_crc_extra_is_that_of_the_definition(message: MessageId) -> None:
    """MAVLink guide, "CRC_EXTRA calculation": the checksum of the name and the fields, its halves folded."""
    value = crc16_x25(f"{message.name} {DEFINITIONS[message]} ".encode()) ^ 0xFFFF
    assert CRC_EXTRA[message] == (value & 0xFF) ^ (value >> 8)


@EACH
def test_every_split_gives_the_same_frame(key: tuple[int, str]) -> None:
    stream = VECTORS[key] * 2
    whole = MavlinkCodec().feed(stream)
    assert len(whole) == 2
    for at in range(len(stream)):
        codec = MavlinkCodec()
        assert codec.feed(stream[:at]) + codec.feed(stream[at:]) == whole


@EACH
def test_a_flipped_bit_is_never_reported(key: tuple[int, str]) -> None:
    content = VECTORS[key]
    for bit in range(len(content) * 8):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        codec = MavlinkCodec()
        frames = [one for one in codec.feed(bytes(damaged)) + codec.silence() if isinstance(one, Frame)]
        assert not [one for one in frames if one.message_id in CRC_EXTRA]


def test_a_frame_behind_noise_and_a_torn_one_is_found() -> None:
    content = VECTORS[2, "HEARTBEAT"]
    found = MavlinkCodec().feed(b"\xfe\x01noise" + content[:-4] + content + content)
    assert [type(one) for one in found] == [BadFrame, Frame, Frame]


def test_unknown_flags_are_not_read_and_a_signed_frame_is_stepped_over_whole() -> None:
    content = bytearray(VECTORS[2, "HEARTBEAT"])
    content[2] = 0x02
    content[-2:] = mavlink.checksum(bytes(content[1:-2]), 50).to_bytes(2, "little")
    codec = MavlinkCodec()
    assert [one for one in codec.feed(bytes(content)) + codec.silence() if isinstance(one, Frame)] == []
    signed = bytes.fromhex(SIGNED)
    codec = MavlinkCodec()
    frames = codec.feed(signed + VECTORS[2, "HEARTBEAT"])
    assert [one.is_signed for one in frames if isinstance(one, Frame)] == [True, False]
    text = bytearray(encode(MessageId.STATUSTEXT, b"\x00fire"))
    text[2] = mavlink.IS_SIGNED
    text[-2:] = mavlink.checksum(bytes(text[1:-2]), 83).to_bytes(2, "little")
    assert told(bytes(text) + bytes(13)) == []
    assert told(bytes(text) + bytes(13) + VECTORS[2, "STATUSTEXT"]) == [UavText(7, 4, "Low battery")]


@pytest.mark.parametrize("version", [1, 2])
def test_a_position_comes_with_what_is_known_by_then(version: int) -> None:
    names = ("HEARTBEAT", "SYS_STATUS", "GPS_RAW_INT", "ATTITUDE", "GLOBAL_POSITION_INT", "STATUSTEXT", "VFR_HUD")
    position, text = told(*(VECTORS[version, name] for name in names))
    assert isinstance(position, UavReported)
    assert (position.system_id, position.latitude, position.longitude) == (7, 41.295124, 69.240124)
    assert (position.altitude_m, position.height_m, position.ground_speed_m_s) == (455.5, 61.25, 5.0)
    assert (position.heading_deg, position.battery_ratio, position.battery_v) == (90.0, 0.87, 12.6)
    assert (position.has_fix, position.satellites, position.is_armed) == (True, 11, False)
    assert position.roll_deg == pytest.approx(math.degrees(0.1), abs=1e-5)
    assert text == UavText(7, 4, "Low battery")
    armed = encode(MessageId.HEARTBEAT, struct.pack("<IBBBBB", 0, 2, 3, 0x80, 4, 3))
    (position,) = told(armed, encode(MessageId.GLOBAL_POSITION_INT, bytes(28)))
    assert isinstance(position, UavReported)
    assert position.is_armed


def test_what_is_unknown_or_cannot_be_is_none() -> None:
    position = struct.pack("<IiiiihhhH", 5, 910_000_000, 0, 0, 0, 0, 0, 0, 65_535)
    battery = struct.pack("<IIIHHhHHHHHHb", 0, 0, 0, 0, 65_535, -1, 0, 0, 0, 0, 0, 0, -1)
    attitude = struct.pack("<Iffffff", 5, math.nan, math.inf, 0, 0, 0, 0)
    frames = [
        encode(MessageId.SYS_STATUS, battery),
        encode(MessageId.ATTITUDE, attitude),
        encode(MessageId.GLOBAL_POSITION_INT, position),
    ]
    assert told(*frames) == [UavReported(1, None, None, 0.0, 0.0, 0.0)]


def test_positions_are_thinned_by_the_aircrafts_clock_and_a_restarted_clock_starts_anew() -> None:
    def at(boot_ms: int, system_id: int = 1) -> bytes:
        payload = struct.pack("<IiiiihhhH", boot_ms, 0, 0, boot_ms, 0, 0, 0, 0, 0)
        return encode(MessageId.GLOBAL_POSITION_INT, payload, system_id=system_id)

    reports = told(*(at(boot_ms) for boot_ms in (5000, 5999, 6000, 6500, 100)), at(6100, system_id=2))
    assert [(one.system_id, one.altitude_m) for one in reports if isinstance(one, UavReported)] == [
        (1, 5.0),
        (1, 6.0),
        (1, 0.1),
        (2, 6.1),
    ]


def test_other_components_are_no_aircraft_and_a_short_old_frame_is_recorded() -> None:
    events: list[DeviceEvent] = []
    running = driver(events)
    gimbal = encode(MessageId.STATUSTEXT, struct.pack("<B50s", 1, b"gimbal"), version=1, component_id=154)
    assert running.received(gimbal, 1.0)
    assert not running.received(encode(MessageId.STATUSTEXT, b"\x01short", version=1), 1.0)
    assert [event.data for event in events] == [
        StateChanged(DeviceState.READY),
        StateChanged(DeviceState.READY, "DRV-FRM-003", "Repeat the read; check cable and settings when it comes back."),
    ]


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_any_bytes_give_the_same_whole_or_in_parts_and_a_text_can_be_shown(left: bytes, right: bytes) -> None:
    codec, parts = MavlinkCodec(), MavlinkCodec()
    assert codec.feed(left + right) + codec.silence() == parts.feed(left) + parts.feed(right) + parts.silence()
    (text,) = told(encode(MessageId.STATUSTEXT, b"\x04" + right[:50].ljust(50, b"\0")))
    assert isinstance(text, UavText)
    assert not text.text or text.text.isprintable()


async def test_nothing_is_ever_sent_to_an_aircraft() -> None:
    """No command is ever encoded: the codec has no encoder, the driver takes no command, and the aircraft hears nothing."""
    assert not hasattr(MavlinkCodec, "encode")
    twin = MavlinkTwin(heartbeat_s=0.01)
    await twin.plug()
    running = build(
        "uav", {"host": "127.0.0.1", "port": twin.port, "quiet_s": 0.02}, lambda _event: None, SystemClock()
    )
    task = asyncio.create_task(running.run())
    async with asyncio.timeout(5):
        while running.state is not DeviceState.READY:
            await asyncio.sleep(0.005)
    twin.mute()
    await asyncio.sleep(0.1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await twin.unplug()
    assert running.capabilities == frozenset()
    assert twin.heard_bytes == 0
