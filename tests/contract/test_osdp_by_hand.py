"""The driver of staff doors against a reader written from the standard: every byte of ID, CAP, LSTAT, RAW, LED, BUZ, OUT and the handshake."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from drivers.access import AccessLight, AccessStatus, BadgeFormat, BadgeRead, KeysPressed
from drivers.access_control.errors import LockNotReleased
from drivers.access_control.twin import OsdpReaderTwin
from drivers.contracts import DeviceState
from tests.contract import osdp_by_hand as hand
from tests.contract.osdp_by_hand import Frame, ReaderByHand, SecureChannel
from tests.contract.test_osdp_reader import PATIENCE_S, Door, key_file

ADDRESS = 5


# ---- the standard's own examples (annex E)


@pytest.mark.parametrize(
    ("frame", "wire"),
    [
        (Frame(0x7F, 0x6E, bytes.fromhex("0080250000")), "537f0d00046e00802500006e38"),
        (Frame(0x7F, 0x6E, bytes.fromhex("0080250000"), uses_crc=False), "537f0c00006e00802500000f"),
        (Frame(0, hand.ID, b"\0"), "53000900046100c066"),
        (Frame(0, hand.ID, b"\0", uses_crc=False), "530008000061 0044".replace(" ", "")),
    ],
    ids=["crc", "sum", "id-crc", "id-sum"],
)
def test_frames_of_the_standard(frame: Frame, wire: str) -> None:
    assert frame.wire() == b"\xff" + bytes.fromhex(wire)
    assert hand.frames(bytearray(b"noise" + frame.wire() + frame.wire()[:5])) == [frame]


def test_session_keys_and_cryptograms_of_the_standard() -> None:
    channel = SecureChannel(bytes(range(0x30, 0x40)), bytes(range(0xB0, 0xB8)), bytes(range(0xA0, 0xA8)))
    assert channel.keys == {
        "mac1": bytes.fromhex("5e86c676603bdee2d8beafe178637332"),
        "mac2": bytes.fromhex("6fda86e857777e81132035758239172e"),
        "encrypt": bytes.fromhex("bf8dc2a8329acb8c67c6d0cd9a451682"),
    }
    assert channel.panel_cryptogram() == bytes.fromhex("26d3356e07762d262801fc8e6665a891")
    assert channel.reader_cryptogram() == bytes.fromhex("fde5d2f428ec16312471ea3c02bd7796")
    assert channel.first_mac() == bytes.fromhex("b2a30057eb98ba2229ec1f875662b524")


# ---- the driver, which is a control panel, before a reader by hand


class HandDoor(Door):
    twin: ReaderByHand

    async def tells(self, code: int, content: bytes) -> None:
        told = len(self.told())
        self.twin.tells.append((code, content))
        await self.until(lambda: len(self.told()) > told, PATIENCE_S)


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[HandDoor]:
    key = secrets.token_bytes(16)
    reader = ReaderByHand(tmp_path / "reader", key, ADDRESS)
    await reader.plug()
    running = HandDoor(reader, key_file(tmp_path, key))
    await running.ready()
    yield running
    await running.stop()
    await reader.unplug()


pytestmark = pytest.mark.osdp


async def test_the_channel_stands_by_the_standards_handshake_and_nothing_is_asked_in_the_clear_after_it(
    door: HandDoor,
) -> None:
    heard = list(door.twin.heard_frames)
    by_code = {frame.code: frame for frame in reversed(heard)}
    assert by_code[hand.ID].content == b"\0"
    assert by_code[hand.CAP].content == b"\0"
    challenge, proof = by_code[hand.CHLNG], by_code[hand.SCRYPT]
    assert (challenge.block, len(challenge.content)) == (b"\x11\x01", 8)
    assert (proof.block, len(proof.content)) == (b"\x13\x01", 16)
    assert all(frame.uses_crc for frame in heard)
    await door.until(lambda: len(door.twin.heard_frames) > len(heard) + 3, PATIENCE_S)
    secured = [frame for frame in door.twin.heard_frames if frame.block[:1] >= b"\x15"]
    after = door.twin.heard_frames[door.twin.heard_frames.index(secured[0]) :]
    assert after == secured


async def test_badges_keys_and_states_are_read_from_the_standards_bytes(door: HandDoor) -> None:
    await door.tells(hand.RAW, bytes.fromhex("00 01 1a00 01020340"))  # reader 0, Wiegand, 26 bits
    assert door.told()[-1] == BadgeRead(bytes.fromhex("01020340"), 26, BadgeFormat.WIEGAND)
    await door.tells(hand.RAW, bytes.fromhex("00 00 4000 deadbeef00010203"))  # raw, 64 bits
    assert door.told()[-1] == BadgeRead(bytes.fromhex("deadbeef00010203"), 64, BadgeFormat.RAW)
    await door.tells(hand.KEYPAD, bytes.fromhex("00 04 3132330d"))
    assert door.told()[-1] == KeysPressed(b"123\r")
    await door.tells(hand.LSTATR, bytes.fromhex("0100"))
    assert door.told()[-1] == AccessStatus(tamper=True, power_lost=False)
    assert door.driver.state is DeviceState.READY


async def test_commands_are_the_standards_bytes(door: HandDoor) -> None:
    before = len(door.twin.commands)  # what the library asked by itself
    await door.driver.release(0.5)
    await door.driver.light(AccessLight.GREEN)
    await door.driver.light(AccessLight.OFF)
    await door.driver.beep(3)
    output, green, off, beep = [one for one in door.twin.commands[before:] if one[0] != hand.LSTAT]
    assert output == (hand.OUT, bytes.fromhex("00 05 0500"))  # output 0, timed on, 5 x 100 ms
    # reader 0, light 0; nothing for a time; for good: on 1, off 0, colours
    assert green == (hand.LED, bytes.fromhex("00 00 00 00 00 00 00 0000 01 01 00 02 02"))
    assert off == (hand.LED, bytes.fromhex("00 00 00 00 00 00 00 0000 01 01 00 00 00"))
    assert beep == (hand.BUZ, bytes.fromhex("00 02 02 02 03"))  # reader 0, default tone, 200 ms on and off, three times


async def test_a_reader_that_refuses_is_told_as_such(door: HandDoor) -> None:
    door.twin.answers = {**door.twin.answers, hand.OUT: (hand.NAK, b"\x03")}
    with pytest.raises(LockNotReleased):
        await door.driver.release(0.5)


async def test_a_reply_whose_code_is_wrong_ends_the_channel_and_a_new_one_is_made(door: HandDoor) -> None:
    door.twin.tells.append((hand.RAW, bytes.fromhex("00 01 1a00 01020340")))
    door.twin.breaks_mac = True
    await door.until(lambda: door.driver.state is not DeviceState.READY, PATIENCE_S)
    assert door.told() == [], "a badge that nobody can vouch for is none"
    door.twin.breaks_mac = False
    await door.ready()


async def test_another_key_makes_no_channel(tmp_path: Path) -> None:
    reader = ReaderByHand(tmp_path / "reader", secrets.token_bytes(16), ADDRESS)
    await reader.plug()
    running = HandDoor(reader, key_file(tmp_path, secrets.token_bytes(16)))
    await running.until(lambda: running.driver.state is DeviceState.FAULT, PATIENCE_S)
    assert not reader.is_secure
    assert running.told() == []
    await running.stop()
    await reader.unplug()


# ---- the twin, which is the library's reader, before frames by hand


async def test_the_twin_answers_the_standards_frames_in_the_clear_and_in_the_channel(tmp_path: Path) -> None:
    key, panel_random = secrets.token_bytes(16), bytes(range(0xB0, 0xB8))
    twin = OsdpReaderTwin(tmp_path / "reader", key=key, address=ADDRESS)
    said: asyncio.Queue[Frame] = asyncio.Queue()
    heard = bytearray()

    def hear(chunk: bytes) -> None:
        heard.extend(chunk)
        for frame in hand.frames(heard):
            said.put_nowait(frame)

    twin.send = hear  # type: ignore[method-assign] # the line ends here
    twin._channel._send = hear
    await twin.plug()

    async def answer(frame: Frame) -> Frame:
        twin.heard(frame.wire())
        async with asyncio.timeout(PATIENCE_S):
            return await said.get()

    try:
        identity = await answer(Frame(ADDRESS, hand.ID, b"\0", 0))
        assert (identity.code, len(identity.content), identity.is_reply) == (hand.PDID, 12, True)
        can = await answer(Frame(ADDRESS, hand.CAP, b"\0", 1))
        assert can.code == hand.PDCAP
        assert len(can.content) % 3 == 0
        assert 9 in can.content[::3], "communication security"
        refused = await answer(Frame(ADDRESS, hand.LSTAT, b"", 2))
        assert (refused.code, refused.content) == (hand.NAK, bytes([hand.SECURE_CHANNEL_REQUIRED]))
        proof = await answer(Frame(ADDRESS, hand.CHLNG, panel_random, 3, block=b"\x11\x01"))
        assert (proof.code, proof.block[:1], len(proof.content)) == (hand.CCRYPT, b"\x12", 32)
        channel = SecureChannel(key, panel_random, proof.content[8:16])
        assert proof.content[16:] == channel.reader_cryptogram()
        begun = await answer(Frame(ADDRESS, hand.SCRYPT, channel.panel_cryptogram(), 1, block=b"\x13\x01"))
        assert (begun.code, begun.block, begun.content) == (hand.RMAC_I, b"\x14\x01", channel.first_mac())
        # From here on this side is the panel: it heard the first code, and what it sends chains to it.
        channel.heard_mac = begun.content
        for sequence, (code, block) in enumerate([(hand.POLL, b"\x15"), (hand.LSTAT, b"\x15")], 2):
            bare = Frame(ADDRESS, code, b"", sequence, block=block, mac=bytes(hand.MAC_BYTES))
            channel.sent_mac = channel.mac(bare.head_and_content(), channel.heard_mac)
            sealed = Frame(ADDRESS, code, b"", sequence, block=block, mac=channel.sent_mac[: hand.MAC_BYTES])
            reply = await answer(sealed)
            content = channel.open(reply)
            expected = (hand.ACK, b"") if code == hand.POLL else (hand.LSTATR, bytes(2))
            assert (reply.code, content) == expected
    finally:
        await twin.stop()
