"""What the host of a device and its agent hear from each other."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from drivers.contracts import BarrierInputs, ChipEvidence, ChipKeys, DeviceClass, Door, MrzRead, StateChanged
from drivers.contracts import DeviceState as State
from drivers.hosted.messages import (
    Alive,
    Ask,
    CallOff,
    Done,
    Failed,
    FailureKind,
    FrameGivenBack,
    FromAgent,
    FromHost,
    HostedEntry,
    PrintReceipt,
    ReadChip,
    ReleaseDoor,
    Set,
    Switch,
    Told,
    Welcome,
)
from drivers.hosted.packets import HEAD, VERSION, PacketRefused, decode, encode
from drivers.hosted.values import ValueRefused
from tests.fuzz.target import Target, layers

_NOW = datetime(2026, 11, 30, tzinfo=UTC)
_FROM_HOST = (
    Welcome("0011", (HostedEntry("barrier-1", DeviceClass.BARRIER),)),
    Told("barrier-1", 1, StateChanged(State.FAULT, "DRV-DEV-001", "Restart it."), _NOW, 1.5, b""),
    Told("barrier-1", 2, BarrierInputs(False, True, 1, 2, 3, fire=False, tamper=False), _NOW, 1.5, b"\x01\x02"),
    Told("reader-1", 1, MrzRead(("P<UTO", "UT0")), _NOW, 2.5, b"P<UTO"),
    Done(1, ChipEvidence(files={"DG1": b"a", "EF.SOD": b"w"}, challenge=b"12345678")),
    Failed(2, FailureKind.FAULT, "no", "DRV-BAR-001", "Look."),
    Alive(),
)
_FROM_AGENT = (
    Ask(1, "barrier-1", ReleaseDoor(Door.EXIT, 1, 8.5)),
    Ask(2, "chip-1", ReadChip(ChipKeys("L898902C36", "123456"))),
    Ask(3, "printer-1", PrintReceipt(("Utopia",), b"UTO")),
    Set("camera-1", Switch.ACTIVE, is_on=True),
    FrameGivenBack("camera-1", 7),
    CallOff(1),
    Alive(),
)


def hosted_messages() -> Target:
    """Whole packets, and any JSON and bytes behind a right head: what is taken is written as the very same message."""

    def heard(packet: bytes) -> bool:
        for hint in (FromHost, FromAgent):
            try:
                message, frame = decode(packet, [], hint)
            except (PacketRefused, ValueRefused):
                continue
            assert frame == -1
            assert decode(encode(message).content, [], hint)[0] == message
            return True
        return False

    def behind_a_head(content: bytes) -> bool:
        header, _, rest = content.partition(b"\0")
        return heard(HEAD.pack(VERSION, 0, len(header), len(rest)) + header + rest)

    packets = [encode(message).content for message in (*_FROM_HOST, *_FROM_AGENT)]
    split = [
        packet[HEAD.size : HEAD.size + HEAD.unpack_from(packet)[2]]
        + b"\0"
        + packet[HEAD.size + HEAD.unpack_from(packet)[2] :]
        for packet in packets
    ]
    assert all(json.loads(one.partition(b"\0")[0]) for one in split)
    return layers((heard, packets), (behind_a_head, split), limit_bytes=2048)
