"""Keys of secure channels, and what the library's events mean; none of it needs a reader."""

import json
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.access import AccessStatus, BadgeFormat, BadgeRead, KeysPressed
from drivers.access_control import panel
from drivers.access_control.channel_key import read_channel_key
from drivers.access_control.driver import OsdpReaderOptions, build, payload_of
from drivers.access_control.errors import ChannelKeyUnusable, OsdpSupportAbsent
from drivers.access_control.panel import ByteChannel, Outgoing, ReaderPanel, Told, peripheral
from drivers.errors import OptionsRefused
from gate_agent.clock import SystemClock

KEY = bytes.fromhex("00112233445566778899aabbccddeeff")


def write(folder: Path, text: str, mode: int = 0o600) -> Path:
    file = folder / "key"
    file.write_text(text)
    file.chmod(mode)
    return file


@pytest.mark.parametrize("text", [KEY.hex(), KEY.hex().upper() + "\n", KEY.hex(" ")], ids=["plain", "upper", "spaced"])
def test_a_key_is_read(tmp_path: Path, text: str) -> None:
    assert read_channel_key(write(tmp_path, text)) == KEY


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        (KEY.hex(), 0o640, "may be read by others"),
        (KEY.hex()[:-2], 0o600, "holds 15 bytes"),
        (KEY.hex() + "00", 0o600, "holds 17 bytes"),
        ("not hexadecimal at all", 0o600, "hexadecimal"),
        ("", 0o600, "holds 0 bytes"),
        ("00" * 16, 0o600, "everybody knows"),
        (bytes(range(0x30, 0x40)).hex(), 0o600, "everybody knows"),
        ("ab" * 1000, 0o600, "hexadecimal"),
    ],
    ids=["open to others", "short", "long", "words", "empty", "zeros", "default", "huge"],
)
def test_a_key_that_cannot_be_used_is_refused_without_being_told(
    tmp_path: Path, text: str, mode: int, words: str
) -> None:
    with pytest.raises(ChannelKeyUnusable, match=words) as refused:
        read_channel_key(write(tmp_path, text, mode))
    assert refused.value.code == "DRV-OSD-002"
    assert not text or text not in str(refused.value)


def test_a_key_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ChannelKeyUnusable, match="No such file"):
        read_channel_key(tmp_path / "nowhere")


def test_there_is_no_panel_without_a_key() -> None:
    for key in (b"", bytes(15)):
        with pytest.raises(ValueError, match="16 bytes"):
            peripheral(0, ByteChannel(lambda _content: None), key, 0)
    with pytest.raises(OptionsRefused, match="key_file"):
        build("door", {"path": "/dev/door"}, lambda _event: None, SystemClock())
    with pytest.raises(OptionsRefused, match="address"):
        OsdpReaderOptions.read("door", {"path": "p", "key_file": "k", "address": 127})


def test_a_machine_without_the_library_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "osdp_sys", None)
    with pytest.raises(OsdpSupportAbsent) as absent:
        panel.load_library()
    assert absent.value.code == "DRV-OSD-001"
    assert "osdp" in absent.value.remedy


@given(st.lists(st.binary(max_size=80)), st.lists(st.integers(1, 50)))
def test_a_channel_gives_bytes_in_order_whatever_the_pieces(chunks: list[bytes], sizes: list[int]) -> None:
    channel = ByteChannel(lambda _content: None)
    for chunk in chunks:
        channel.put(chunk)
    taken = b"".join(channel.read(size) for size in sizes)
    rest = channel.read(1 << 20)
    assert taken + rest == b"".join(chunks)
    assert channel.read(10) == b""


def test_a_channel_that_nobody_reads_is_bounded() -> None:
    channel = ByteChannel(lambda _content: None)
    for _ in range(100):
        channel.put(bytes(4096))
    assert len(channel.read(1 << 20)) == 1 << 16


@pytest.mark.osdp
def test_events_that_are_not_what_their_kind_says_mean_nothing() -> None:
    library = panel.load_library()
    card = {
        "event": library.EVENT_CARDREAD,
        "format": library.CARD_FMT_RAW_WIEGAND,
        "length": 26,
        "data": b"\x01\x02\x03\x40",
    }
    assert payload_of(card) == BadgeRead(b"\x01\x02\x03\x40", 26, BadgeFormat.WIEGAND)
    for wrong in ({"length": 33}, {"length": 0}, {"data": b""}, {"data": None}, {"event": 99}):
        assert payload_of(card | wrong) is None
    assert payload_of({"event": library.EVENT_KEYPRESS, "data": b"1"}) == KeysPressed(b"1")
    status = {"event": library.EVENT_STATUS, "type": library.STATUS_REPORT_LOCAL, "report": b"\x00\x01"}
    assert payload_of(status) == AccessStatus(tamper=False, power_lost=True)
    assert payload_of(status | {"report": b"\x00"}) is None
    assert payload_of(status | {"type": library.STATUS_REPORT_INPUT}) is None
    assert payload_of({}) is None


def answers_of_a_reader(frame: bytes) -> list[bytes]:
    """What the library's reader with the published address answers to bytes on its line."""
    library = panel.load_library()
    answers: list[bytes] = []
    channel = ByteChannel(answers.append)
    info = peripheral(0x65, channel, KEY, library.FLAG_ENFORCE_SECURE)
    can = {"function_code": library.CAP_COMMUNICATION_SECURITY, "compliance_level": 1, "num_items": 1}
    device = library.PeripheralDevice(info, capabilities=[can])
    device.set_command_callback(lambda _command: (0, None))
    channel.put(frame)
    for _ in range(3):
        device.refresh()
    return answers


@pytest.mark.osdp
@pytest.mark.shared_data
def test_the_published_frame_is_understood_and_refused_for_want_of_a_channel_and_no_flipped_bit_is_answered(
    shared_data: Path,
) -> None:
    vectors = json.loads((shared_data / "devices" / "osdp_vectors.json").read_text())
    poll = next(bytes.fromhex(one["hex"]) for one in vectors["frames"] if "POLL" in one["meaning"])
    (answer,) = answers_of_a_reader(poll)
    nak, secure_channel_required = 0x41, 0x06
    assert tuple(answer[answer.index(nak) :][:2]) == (nak, secure_channel_required)
    for bit in range(8, 8 * len(poll)):  # the first byte is a mark that no check covers
        flipped = bytearray(poll)
        flipped[bit // 8] ^= 1 << bit % 8
        assert answers_of_a_reader(bytes(flipped)) == []


@pytest.mark.osdp
def test_a_panel_speaks_first_and_ends_when_told() -> None:
    told: list[Told] = []
    spoke = threading.Event()

    def tell(one: Told) -> None:
        told.append(one)
        spoke.set()

    reader = ReaderPanel(0x65, KEY, tell)
    reader.start()
    try:
        assert spoke.wait(20)
    finally:
        reader.stop()
    assert isinstance(told[0], Outgoing)
    assert told[0].content.removeprefix(b"\xff")[:2] == b"\x53\x65"
    assert threading.active_count() == sum(thread.name != "osdp" for thread in threading.enumerate())
