"""Whatever a reader sends, well-formed or not, its driver only reports: never an exception, never more than the limit of a payload."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.barcode.honeywell_packets import HoneywellCodec, MenuOutcome, MenuReply
from drivers.barcode.input_events import InputEvent, InputEventCodec
from drivers.barcode.line_codec import LineCodec, LineProfile, Reply, Scan
from drivers.barcode.ssi_packets import Packet, SsiCodec
from drivers.contracts import (
    BarcodeRead,
    BarcodeRefused,
    DeviceEvent,
    DocumentPresented,
    MrzRead,
    ReadFailed,
    StateChanged,
)
from drivers.document_reader.elyctis_codec import ElyctisCodec, Tlv
from drivers.registry import build
from drivers.tape import TapeEntry
from gate_agent.clock import SystemClock

LIMIT_BYTES = 40
small = st.binary(max_size=60)
opcodes = st.sampled_from([0xF3, 0x73, 0xF6, 0xA4, 0xD4, 0xC6, 0xD0, 0xD1, 0x80, 0x00])
SENT: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "zebra_ssi": (
        SsiCodec(),
        st.builds(Packet, opcodes, small, st.sampled_from([0, 2, 4]), st.integers(0, 255)),
    ),
    "honeywell_serial": (
        HoneywellCodec(),
        st.one_of(
            st.builds(Scan, small, st.just(""), st.sampled_from(["]Q1", "]z0"])),
            st.builds(MenuReply, small, st.sampled_from(MenuOutcome)),
        ),
    ),
    "hid_wedge": (
        InputEventCodec(),
        st.builds(InputEvent, st.sampled_from([0, 1, 4]), st.integers(0, 130), st.integers(0, 2)),
    ),
    "barcode_serial": (
        LineCodec(LineProfile()),
        st.one_of(st.builds(Scan, small, st.just(""), st.sampled_from(["]Q1", ""])), st.builds(Reply, small)),
    ),
    "elyctis_tlv": (ElyctisCodec(), st.builds(Tlv, st.sampled_from([b"I", b"L", b"C", b"V", b"?"]), small)),
}
REPORTS = (BarcodeRead, BarcodeRefused, DocumentPresented, MrzRead, ReadFailed, StateChanged)


@pytest.mark.parametrize("driver", sorted(SENT))
@given(data=st.data())
def test_a_reader_is_reported_and_never_believed(driver: str, data: st.DataObject) -> None:
    codec, messages = SENT[driver]
    pieces = st.one_of(messages.map(codec.encode), st.binary(max_size=40))
    wire = data.draw(st.lists(pieces, max_size=30))
    pauses_s = data.draw(st.lists(st.sampled_from([0.0, 0.01, 0.2, 1.0]), min_size=len(wire), max_size=len(wire)))
    limit = {} if driver == "elyctis_tlv" else {"payload_limit_bytes": LIMIT_BYTES}
    events: list[DeviceEvent] = []
    reader: Any = build("reader", driver, {"path": "tape", **limit}, events.append, SystemClock())
    tape, now_s = [TapeEntry(0.0, "open", b"")], 0.0
    for chunk, pause_s in zip(wire, pauses_s, strict=True):
        now_s += pause_s
        tape.append(TapeEntry(now_s, "rx", chunk))
    reader.replay(tape)
    assert all(isinstance(event.data, REPORTS) for event in events)
    assert all(1 <= len(event.data.payload) <= LIMIT_BYTES for event in events if isinstance(event.data, BarcodeRead))
    assert all("DRV-FRM" in code for code in reader.reporter.fault_counts)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
