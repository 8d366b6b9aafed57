"""A whole read of a virtual passport, by the gate and by a plain reader: commands, bytes, processor time.

The plain reader does what the standard's own example does (ICAO 9303-10 §3.6): EF.COM first, then each file selected, its length
asked for, its content in blocks of 256 bytes. It opens the chip with the same PACE, so the figures differ by the way of reading alone.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from drivers.chip.apdu import SHORT_LIMIT, CommandApdu
from drivers.chip.channel import ChipChannel
from drivers.chip.ciphers import mrz_seed
from drivers.chip.file_reading import BlockSizes
from drivers.chip.pace import PacePassword, choose, open_with_pace
from drivers.chip.reading import ChipReading
from drivers.chip.transport import Transport
from drivers.chip.twin.behaviour import Behaviour
from drivers.chip.twin.passport import VirtualPassport
from drivers.chip.twin.variants import VARIANTS
from drivers.contracts import ChipKeys
from emrtd.files import APPLICATION_ID, CARD_ACCESS, CHIP_FILES, EF_COM, EF_SOD, ChipFile
from emrtd.security_infos import parse_security_infos
from emrtd.tlv import declared_size
from gate_agent.cli.bench import BenchRow
from tests.contract.virtual_passports import MRZ_INFORMATION, InProcess, passport

ROUNDS = 5
_FILES = (EF_SOD, CHIP_FILES["DG1"], CHIP_FILES["DG2"])
_HEAD_BYTES = 4


@dataclass(frozen=True, slots=True)
class Read:
    """What one read took: `whole_ms` with the virtual chip's part, `terminal_ms` without it."""

    commands: int
    air_bytes: int
    whole_ms: float
    terminal_ms: float


class _Timed:
    """The chip, and the processor time that it took for itself."""

    def __init__(self, chip: VirtualPassport) -> None:
        self._inner = InProcess(chip)
        self.atr = self._inner.atr
        self.chip_s = 0.0

    def transmit(self, command: bytes) -> bytes:
        started_s = time.process_time()
        try:
            return self._inner.transmit(command)
        finally:
            self.chip_s += time.process_time() - started_s

    def close(self) -> None:
        pass


def rows() -> list[BenchRow]:
    """Read a passport of 15 kB (EF.SOD, DG1, DG2) both ways, with long and with short commands."""
    found = []
    for kind, is_extended in (("extended", True), ("short", False)):
        ours, peer = _both(is_extended=is_extended)
        found += [
            BenchRow(f"read, {kind}: {what}", our_figure, peer_figure, our_figure / peer_figure, unit)
            for what, our_figure, peer_figure, unit in (
                ("commands", ours.commands, peer.commands, "commands"),
                ("bytes over the air", ours.air_bytes, peer.air_bytes, "bytes"),
                ("with the virtual chip's part", ours.whole_ms, peer.whole_ms, "ms"),
                ("this side's part", ours.terminal_ms, peer.terminal_ms, "ms"),
            )
        ]
    return found


def _both(*, is_extended: bool) -> tuple[Read, Read]:
    chip = passport(replace(VARIANTS["no anti-clone"], behaviour=Behaviour(has_extended_length=is_extended)))
    sizes = BlockSizes()
    return _best(lambda: _ours(chip, sizes)), _best(lambda: _plain(chip))


def _best(read: Callable[[], Read]) -> Read:
    return min((read() for _ in range(ROUNDS)), key=lambda one: one.terminal_ms)


def _ours(chip: VirtualPassport, sizes: BlockSizes) -> Read:
    transport = _Timed(chip)
    started_s = time.process_time()
    evidence = ChipReading(
        lambda: transport,
        ChipKeys(MRZ_INFORMATION),
        lambda _told: None,
        secrets.token_bytes,
        time.monotonic,
        sizes=sizes,
    ).run()
    assert {file.name for file in _FILES} <= evidence.files.keys(), evidence.fault_text
    return _taken(started_s, transport, evidence.apdus, evidence.sent_bytes + evidence.received_bytes)


def _plain(chip: VirtualPassport) -> Read:
    transport = _Timed(chip)
    started_s = time.process_time()
    channel = _opened(transport)
    for file in (EF_COM, *_FILES):
        _selected(channel, file)
    return _taken(started_s, transport, channel.apdus, channel.sent_bytes + channel.received_bytes)


def _opened(transport: Transport) -> ChipChannel:
    channel = ChipChannel(transport)
    protocol = choose(parse_security_infos(_selected(channel, CARD_ACCESS)).pace)
    open_with_pace(channel, protocol, PacePassword(mrz_seed(MRZ_INFORMATION)), secrets.token_bytes)
    assert channel.send(CommandApdu(0x00, 0xA4, 0x04, 0x0C, APPLICATION_ID)).is_ok
    return channel


def _selected(channel: ChipChannel, file: ChipFile) -> bytes:
    assert channel.send(CommandApdu(0x00, 0xA4, 0x02, 0x0C, file.file_id.to_bytes(2, "big"))).is_ok
    content = channel.send(CommandApdu(0x00, 0xB0, 0, 0, b"", _HEAD_BYTES)).content
    size = declared_size(content)
    assert size is not None
    while len(content) < size:
        offset, wanted = len(content), min(size - len(content), SHORT_LIMIT)
        content += channel.send(CommandApdu(0x00, 0xB0, offset >> 8, offset & 0xFF, b"", wanted)).content
    return content


def _taken(started_s: float, transport: _Timed, commands: int, air_bytes: int) -> Read:
    whole_s = time.process_time() - started_s
    return Read(commands, air_bytes, whole_s * 1000, (whole_s - transport.chip_s) * 1000)
