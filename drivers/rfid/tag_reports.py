"""RO_ACCESS_REPORT: the tags that a reader saw, one TagReportData each. Source: EPCglobal LLRP 1.0.1, clause 13.2.3."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from drivers.contracts import TagRead
from drivers.rfid.llrp_parameters import ParameterNonsense, ParameterType, encode_parameter, parameters

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPC_96_BYTES = 12
_MICROSECOND = timedelta(microseconds=1)


_OPTIONAL = (
    ParameterType.ANTENNA_ID,
    ParameterType.PEAK_RSSI,
    ParameterType.FIRST_SEEN_UTC,
    ParameterType.TAG_SEEN_COUNT,
)


class TagReports:
    """Reads the reports of one connection: what a reader leaves out is as it was in the report before (clause 13.2.3)."""

    def __init__(self) -> None:
        self._last: dict[int, bytes] = {}

    def read(self, body: bytes) -> Iterator[TagRead | ParameterNonsense]:
        """Yield each tag of a report, and for one that cannot be understood, why.

        A TV of unknown type ends that tag's report, no other's; what may stand behind it is None, never taken from before.
        """
        try:
            for one in parameters(body):
                if one.type == ParameterType.TAG_REPORT_DATA:
                    yield self._tag_or_nonsense(one.content)
        except ParameterNonsense as nonsense:
            yield nonsense

    def _tag_or_nonsense(self, content: bytes) -> TagRead | ParameterNonsense:
        try:
            return self._tag(content)
        except ParameterNonsense as nonsense:
            return nonsense

    def _tag(self, content: bytes) -> TagRead:
        found: dict[int, bytes] = {}
        is_cut = False
        for one in parameters(content):
            is_cut = is_cut or one.is_rest
            found.setdefault(one.type, one.content)
        epc = _epc(found)
        self._last |= {kind: found[kind] for kind in _OPTIONAL if kind in found}
        told = found if is_cut else self._last
        return TagRead(
            epc,
            antenna=_number(told, ParameterType.ANTENNA_ID),
            rssi_dbm=_number(told, ParameterType.PEAK_RSSI, is_signed=True),
            first_seen=_moment(_number(told, ParameterType.FIRST_SEEN_UTC)),
            seen_count=_number(told, ParameterType.TAG_SEEN_COUNT),
        )


def _epc(found: dict[int, bytes]) -> bytes:
    if (epc := found.get(ParameterType.EPC_96)) is not None:
        return epc
    counted = found.get(ParameterType.EPC_DATA, b"")
    if len(counted) < 2:
        raise ParameterNonsense("a tag without EPC")
    (bits,) = struct.unpack_from(">H", counted)
    if not bits or len(counted) - 2 != (bits + 7) // 8:
        raise ParameterNonsense(f"an EPC of {bits} bits in {len(counted) - 2} bytes")
    return counted[2:]


def _number(found: dict[int, bytes], kind: ParameterType, *, is_signed: bool = False) -> int | None:
    content = found.get(kind)
    return None if content is None else int.from_bytes(content, "big", signed=is_signed)


def _moment(since_1970_us: int | None) -> datetime | None:
    """Return the reader's time; None for one beyond the calendar."""
    if since_1970_us is None:
        return None
    try:
        return _EPOCH + timedelta(microseconds=since_1970_us)
    except OverflowError:
        return None


def since_1970_us(moment: datetime) -> int:
    """Return a time as LLRP counts it."""
    return (moment - _EPOCH) // _MICROSECOND


def encode_tag(tag: TagRead) -> bytes:
    """Return the TagReportData of a tag, in the order that readers use."""
    if len(tag.epc) == _EPC_96_BYTES:
        content = encode_parameter(ParameterType.EPC_96, tag.epc)
    else:
        content = encode_parameter(ParameterType.EPC_DATA, struct.pack(">H", len(tag.epc) * 8) + tag.epc)
    if tag.antenna is not None:
        content += encode_parameter(ParameterType.ANTENNA_ID, struct.pack(">H", tag.antenna))
    if tag.rssi_dbm is not None:
        content += encode_parameter(ParameterType.PEAK_RSSI, struct.pack(">b", tag.rssi_dbm))
    if tag.first_seen is not None:
        content += encode_parameter(ParameterType.FIRST_SEEN_UTC, struct.pack(">Q", since_1970_us(tag.first_seen)))
    if tag.seen_count is not None:
        content += encode_parameter(ParameterType.TAG_SEEN_COUNT, struct.pack(">H", tag.seen_count))
    return encode_parameter(ParameterType.TAG_REPORT_DATA, content)
