"""The frames of every tracker protocol, the first byte chooses; and what a gate makes of a seal's events."""

from __future__ import annotations

import functools
import json
from datetime import UTC, datetime, timedelta

from drivers.codec import BadFrame
from drivers.seal_tracker.codec import Heard, SealCodec
from drivers.seal_tracker.jt808_fields import TABLES, TerminalModels
from drivers.seal_tracker.jt808_parts import ASKED_TIMES, PATIENCE_S
from drivers.seal_tracker.protocols import PROTOCOLS, protocol_named
from gate_agent.cli.inspect_seal_frame import inspect_line
from gate_agent.domain.seal import SealState, Told
from gate_agent.domain.seal_history import (
    MARKS_LIMIT,
    SealHistory,
    SealJourney,
    SealMessage,
    closed,
    heard,
    judge,
    tied,
    unlock_authorised,
)
from tests.fuzz.target import Target, cut, layers
from tests.unit.tracker_frames import SESSIONS

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
LONGEST_VALUE = 600
LONGEST_INPUT_BYTES = 480


def _codec(protocol: str) -> SealCodec:
    # Tables for every terminal, made for the one protocol that has them: they would take a fifth of the run.
    models = TerminalModels(dict.fromkeys("0123456789", TABLES) if protocol == "jt808" else {})
    return protocol_named(protocol).new_codec(models=models, startup_configuration="1,2")


def _told(codec: SealCodec, items: list[Heard | BadFrame]) -> list[object]:
    return [
        item
        if isinstance(item, BadFrame)
        else (item.frame, item.decoded.seal_id, item.decoded.events, codec.encode(item.decoded, NOW))
        for item in items
    ]


def _stream(protocol: str, content: bytes) -> bool:
    """In any pieces the same messages; bounded memory; events that can be shown and stored; captures never crash."""
    whole, pieces = _codec(protocol), _codec(protocol)
    items = whole.feed(content)
    in_pieces = [item for piece in cut(content) for item in pieces.feed(piece)]
    assert _told(pieces, in_pieces) == _told(whole, items)
    assert (whole.dropped_bytes, whole.is_waiting) == (pieces.dropped_bytes, pieces.is_waiting)
    assert whole._stream.pending_bytes < protocol_named(protocol).limit_bytes
    rejected = sum(isinstance(item, BadFrame) for item in items)
    assert whole.dropped_bytes <= len(content) + rejected  # the end mark of a rejected frame may start the next one
    late = [item for turn in range(1, ASKED_TIMES + 2) for item in whole.overdue(PATIENCE_S * turn)]
    assert not whole.is_waiting, "nothing waits for ever"
    understood = [item for item in [*items, *late] if isinstance(item, Heard)]
    for item in understood:
        for event in item.decoded.events:
            assert event.latitude_deg is None or (abs(event.latitude_deg) <= 90 and abs(event.longitude_deg) <= 180)
            assert all(len(value) <= LONGEST_VALUE for pair in event.attributes for value in pair)
            json.dumps(event.attributes).encode()
    inspect_line(protocol, content.hex())
    return bool(understood)


_KINDS = (
    "position", "battery_low", "sealed", "shackle_closed", "unsealed", "shackle_opened", "rope_cut", "unlock_alarm"
)  # fmt: skip
_CLOSURES = ("", "sealed", "shut", "open")
_TOLD = tuple(Told)
_ENTRY_BYTES = 4
_LONGEST_HISTORY_BYTES = 80 * _ENTRY_BYTES


def _history(content: bytes) -> bool:
    """Four bytes an event: what, how it was told, how much later, and how wrong the clock is."""
    history = tied(SealHistory("S"), SealJourney("D", NOW, NOW + timedelta(days=9)))
    now, was_tampered = NOW, False
    for at in range(0, min(len(content), _LONGEST_HISTORY_BYTES) - _ENTRY_BYTES + 1, _ENTRY_BYTES):
        what, how, later, wrong = content[at : at + _ENTRY_BYTES]
        now += timedelta(minutes=later)
        if what == 0xFF:
            history, was_tampered = closed(history, now, "inspector"), False
        elif what == 0xFE:
            history = unlock_authorised(history, now, now + timedelta(minutes=how), "inspector")
        else:
            device_time = None if wrong == 0xFF else now - timedelta(minutes=(wrong - 127) ** 3)
            message = SealMessage(
                _KINDS[what % len(_KINDS)], now, device_time, _TOLD[how % 3], _CLOSURES[how // 3 % 4], str(how // 12)
            )
            history = heard(history, message)
        report = judge(history, history.journey, now, timedelta(hours=24))
        assert not was_tampered or report.state is SealState.TAMPERED, "a tamper was wiped"
        assert (report.doubt is None) == (report.state is not SealState.UNKNOWN)
        assert len(history.marks) <= MARKS_LIMIT
        was_tampered = report.state is SealState.TAMPERED
    return judge(history, history.journey, now, timedelta(hours=24)).state is SealState.INTACT


def seal_frames() -> Target:
    """One layer per protocol."""
    seeds: dict[str, list[bytes]] = {protocol.name: [] for protocol in PROTOCOLS.values()}
    for session in SESSIONS.values():
        seeds[session.protocol] += [
            seed for seed in (session.stream, *session.frames) if len(seed) < LONGEST_INPUT_BYTES
        ]
    protocols = [(functools.partial(_stream, name), own) for name, own in sorted(seeds.items())]
    return layers(*protocols, limit_bytes=LONGEST_INPUT_BYTES)


def seal_history() -> Target:
    """What a gate makes of a seal's events, in whatever order, lateness and wrongness of clocks they come."""
    sealed = bytes((2, 0, 1, 127))
    histories = (sealed, sealed + bytes((0, 0, 9, 127)), sealed + bytes((4, 1, 9, 3)) + bytes((0, 0, 9, 127)))
    return Target(histories, _history, limit_bytes=_LONGEST_HISTORY_BYTES)
