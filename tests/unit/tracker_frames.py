"""Frames of every tracker protocol for tests, made here from made-up devices; the field's own frames are used in place."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import UTC, datetime

from drivers.seal_tracker import (
    adm,
    egts,
    eseal,
    galileo,
    gt06,
    jt808,
    meitrack,
    navis,
    t800x,
    teltonika,
    teratrack,
    wialon,
)
from drivers.seal_tracker.reading import Reading


@dataclass(frozen=True)
class Session:
    """What one made-up tracker sends on one connection, its identity first; `is_checked`: every frame carries a checksum, but for an
    `unchecked_login`; `has_marks`: frames can be told from garbage by how they start."""

    protocol: str
    seal_id: str
    frames: tuple[bytes, ...]
    is_checked: bool = False
    unchecked_login: bool = False
    has_marks: bool = True

    @property
    def stream(self) -> bytes:
        return b"".join(self.frames)


PHONE = bytes.fromhex("000000001862")


def jt808_report(extras: bytes = b"", *, alarms: int = 0, status: int = 2, moment: str = "261130201500") -> bytes:
    head = struct.pack(">IIIIhHH", alarms, status, 41_299_500, 69_240_100, 455, 36, 90)
    return head + bytes.fromhex(moment) + extras


def jt808_frame(message_id: int, body: bytes = b"", serial: int = 0x7D7E, **header: object) -> bytes:
    return jt808.encode(jt808.Message(message_id, PHONE, serial, body, **header))


JT808_EVENT = b"\x60\x0b\x00\x11" + b"00000000" + b"f"
JT808_LOCKS = b"\x63\x0b" + bytes.fromhex("7e7d00000001 0f00 31 00 5a".replace(" ", ""))
JT808_LOCK_BLOCK = bytes.fromhex("301126201500" + "41179700" + "069144060" + "7" + "05" + "2d")

JT808 = Session(
    "jt808",
    "1862",
    (
        jt808_frame(0x0100, bytes(37)),
        jt808_frame(0x0200, jt808_report(JT808_EVENT + JT808_LOCKS)),
        jt808_frame(0x0109),
        jt808_frame(0x0002),
        jt808_frame(0x0704, b"\x00\x02\x01" + (b"\x00\x1c" + jt808_report()) * 2),
        jt808_frame(
            0x5501,
            JT808_LOCK_BLOCK
            + struct.pack(">BBIBIHBHH", 20, 9, 12, 55, 77, 88, 3, 0x20, 0x04)
            + b"\x0b\x05\x01\x00\x00\x00\x07",
            serial=9,
            flags=0x8000,
        ),
    ),
    is_checked=True,
)
JT808_BATCH = b"\x00\x03\x01" + (b"\x00\x1c" + jt808_report()) * 3
JT808_PARTS = Session(
    "jt808",
    "1862",
    tuple(
        jt808_frame(0x0704, JT808_BATCH[at : at + 40], 0x7D00 + number, part=(3, number + 1))
        for number, at in enumerate(range(0, len(JT808_BATCH), 40))
    ),
    is_checked=True,
)
JT808_E7 = Session(
    "jt808",
    "1862",
    tuple(
        jt808.encode(jt808.Message(0x0200, b"\x00" + PHONE, 0x3E3D, jt808_report(b"\x30\x01\xe7"), delimiter=0xE7))
        for _ in range(2)
    ),
    is_checked=True,
)

JOINTECH_LOCK = bytes.fromhex(
    "24990000000719110027301126201500411797000691440607052d00000001090000000000d85a00010001140000000007"
)
JOINTECH = Session(
    "jt600",
    "9900000007",
    (
        JOINTECH_LOCK,
        b"(9900000007,P45,301126,201500,41.2995,N,69.2401,E,A,1.25,0,1,1,0012260888,0,0,7)",
        b"(9900000007,@JT)",
    ),
)

MOMENT = datetime(2026, 11, 30, 12, 15, tzinfo=UTC)
PLACE = Reading(MOMENT, is_valid=True, latitude_deg=41.2995, longitude_deg=-69.2401, course_deg=90)
ESEAL = Session(
    "eseal",
    "1000898",
    (
        *(
            eseal.encode("1000898", kind, number, MOMENT, PLACE, "Open")
            for number, kind in enumerate(sorted(eseal.REPORTS))
        ),
        b"##S,eSeal,1000898,256,3.0.6,RC-NFC DEL ACK,,E##",
    ),
)
TERATRACK = Session(
    "teratrack",
    "9900000007",
    tuple(teratrack.encode("9900000007", PLACE, MOMENT, status, 7) for status in (0x20D8, 0x0020)),
)

GT06_BLOCK = bytes((26, 11, 30, 12, 15, 0, 0xC9)) + struct.pack(">IIBH", 74_339_100, 124_632_180, 36, 0x1C5A)
GT06_CELLS = bytes.fromhex("0901cc00266a001e17")
GT06 = Session(
    "gt06",
    "861774054558620",
    (
        gt06.encode(0x01, bytes.fromhex("0861774054558620") + b"\x36\x05", 1),
        gt06.encode(0x13, bytes.fromhex("4604040002"), 2),
        gt06.encode(0x12, GT06_BLOCK + GT06_CELLS[1:], 3),
        gt06.encode(0x16, GT06_BLOCK + GT06_CELLS + bytes.fromhex("7c06041302"), 0x0D0A),
        gt06.encode(0x8A, b"", 5),
        gt06.encode(
            0x70,
            struct.pack(">HHIBhIIBH", 0x33, 18, 1_796_040_900, 9, 455, 74_339_100, 124_632_180, 36, 0x1C5A)
            + b"\x00\x2b\x00\x01\x14",
            6,
            is_extended=True,
        ),
    ),
    is_checked=True,
)

EGTS_POSITION = struct.pack(
    "<IIIBHB3sBB",
    1_796_040_900 - egts.EPOCH_2010_S,
    round(41.2995 * 0xFFFFFFFF / 90),
    round(69.2401 * 0xFFFFFFFF / 180),
    0x41,
    0x8000 | 360,
    14,
    b"\x10\x00\x00",
    1,
    3,
)
EGTS_IDENTITY = struct.pack("<IB", 7, 2) + b"861774054558620"
EGTS = Session(
    "egts",
    "861774054558620",
    (
        egts.encode(1, egts.APPDATA, egts.encode_record(1, 1, egts.encode_part(egts.TERM_IDENTITY, EGTS_IDENTITY))),
        egts.encode(
            2,
            egts.APPDATA,
            b"".join(
                egts.encode_record(number, 2, egts.encode_part(egts.POS_DATA, EGTS_POSITION), 45177)
                for number in (0x0102, 0x0103)
            ),
        ),
        egts.encode(3, egts.RESPONSE, b"\x02\x00\x00"),
    ),
    is_checked=True,
)
WIALON_REPORT = "301126;121500;4117.9700;N;06914.4060;W;36;90;455;9"
WIALON = Session(
    "wialon",
    "861774054558620",
    (
        wialon.encode("L", "861774054558620;NA"),
        wialon.encode("SD", WIALON_REPORT),
        wialon.encode("D", WIALON_REPORT + ";0.8;NA;NA;;NA;SOS:1:1,Батарея:3:100 %"),
        wialon.encode("P", ""),
        wialon.encode("B", f"{WIALON_REPORT}|{WIALON_REPORT}"),
        wialon.encode("M", "hello"),
    ),
)
WIALON_CHECKED = Session(
    "wialon",
    "861774054558620",
    (
        wialon.encode("L", "2.0;861774054558620;NA", is_checked=True),
        wialon.encode("SD", WIALON_REPORT, is_checked=True),
        wialon.encode("D", WIALON_REPORT + ";0.8;NA;NA;;NA;SOS:1:1", is_checked=True),
    ),
)


def teltonika_record(codec: int, *, has_wide_values: bool = False) -> bytes:
    wide = ">H" if codec == teltonika.CODEC_8_EXTENDED else ">B"
    number = ">B" if codec == teltonika.CODEC_8 else ">H"
    record = struct.pack(">QBiihHBH", 1_796_040_900_000, 0, -692_401_000, 412_995_000, 455, 90, 9, 36)
    record += struct.pack(number, 0) + (b"\x05" if codec == teltonika.CODEC_16 else b"") + struct.pack(wide, 2)
    record += struct.pack(wide, 1) + struct.pack(number, 21) + b"\x04"
    record += struct.pack(wide, 1) + struct.pack(number, 67) + struct.pack(">H", 4012)
    record += struct.pack(wide, 0) * 2 + (struct.pack(wide, 0) if has_wide_values else b"")
    return record + (b"\x00\x01\x01\x00\x00\x02hi" if codec == teltonika.CODEC_8_EXTENDED else b"")


TELTONIKA = Session(
    "teltonika",
    "861774054558620",
    (
        b"\x00\x0f861774054558620",
        *(
            teltonika.encode(codec, [teltonika_record(codec)] * 2)
            for codec in (teltonika.CODEC_8, teltonika.CODEC_8_EXTENDED, teltonika.CODEC_16)
        ),
        teltonika.encode(teltonika.CODEC_8, [teltonika_record(teltonika.CODEC_8, has_wide_values=True)] * 2),
        teltonika.encode(teltonika.CODEC_12, [b"\x06\x00\x00\x00\x02ok"]),
        teltonika.encode(teltonika.GH3000, [struct.pack(">IBBffHBBB", 0x1234, 1, 0x1F, 41.5, -69.25, 455, 64, 36, 9)]),
    ),
    unchecked_login=True,
    is_checked=True,
)

GALILEO_RECORD = (
    b"\x10\x07\x00\x20"
    + struct.pack("<I", 1_796_040_900)
    + b"\x30"
    + struct.pack("<Bii", 0x09, 41_299_500, -69_240_100)
    + b"\x33"
    + struct.pack("<HH", 360, 900)
    + b"\x34\xc7\x01\x41"
    + struct.pack("<H", 12_500)
)
GALILEO = Session(
    "galileo",
    "861774054558620",
    (
        galileo.encode(b"\x01\x10\x02\x21\x03861774054558620\x04\x32\x00"),
        galileo.encode(GALILEO_RECORD * 3),
        galileo.encode(b"\xe0\x00\x00\x00\x00\xe1\x02ok"),
        galileo.encode(b"\x01jpeg", galileo.PICTURE),
    ),
    is_checked=True,
)
NAVIS_FIELDS = 14
FLEX_RECORD = struct.pack(
    "<IHIBBBBBIiiifH", 7, 5899, 0, 0, 1, 0, 20, 9 << 2 | 3, 1_796_040_900, 24_779_700, -41_544_060, 4550, 36.0, 90
)
NAVIS_F60 = (
    struct.pack("<BIH6sBBBBBHH", 6, 7, 5899, bytes(6), 0, 1, 20, 0, 0, 12_500, 4_012)
    + bytes(52)
    + struct.pack("<B6BiiifH", 9 << 2 | 3, 12, 15, 0, 30, 10, 26, 24_779_700, -41_544_060, 4550, 36.0, 90)
    + bytes(12)
)
NAVIS = Session(
    "navis",
    "861774054558620",
    (
        navis.encode(b"*>S:861774054558620", 7),
        navis.encode(b"*>A\x02" + NAVIS_F60 * 2, 7),
        navis.encode(b"*>FLEX\xb0\x0a\x0a\x0e\xff\xfc", 7),
        navis.encode_flex(b"~A\x02" + FLEX_RECORD * 2),
        navis.encode_flex(b"~T\x07\x00\x00\x00" + FLEX_RECORD),
        b"\x7f",
    ),
    is_checked=True,
)
ENVOTECH = Session(
    "envotech",
    "F016109",
    tuple(
        f"$80SLM,{event},000F,F016109,301126121500,AF2463902,000406,0000,000,00018780,54000000"
        f"'3011261215001{4129950}N{6924010}W036090*E637\r\n".encode()
        for event in ("60", "61", "02")
    ),
)

MEITRACK_TEXT = "35,41.299500,-69.240100,261130121500,A,9,20,36,90,1,455,1,0,000|00||,0000,4.33|12.96|1.92|2.72|2.69"
MEITRACK_TAGS = (
    b"\x04\x01\x25\x05\x01\x06\x09\x47\x02"
    b"\x03\x08\x24\x00\x09\x5a\x00\x0b\xc7\x01"
    + struct.pack(
        "<BBiBiBIBI", 4, 2, 41_299_500, 3, -69_240_100, 4, 1_796_040_900 - meitrack.EPOCH_2000_S, 0x25, 12165644
    )
    + b"\x01\xfe\x0b\x02hi"
)
MEITRACK_PACKED = struct.pack(
    "<BiiIBBBHHHHII", 35, 41_299_500, -69_240_100, 1_796_040_900 - meitrack.EPOCH_2000_S, 1, 9, 20, 36, 90, 0, 455, 1, 1
) + bytes(20)
MEITRACK = Session(
    "meitrack",
    "861774054558620",
    (
        meitrack.encode("861774054558620", b"AAA," + MEITRACK_TEXT.encode()),
        meitrack.encode("861774054558620", b"AFF,0004," + MEITRACK_TEXT.encode()),
        meitrack.encode("861774054558620", b"D82,0"),
        meitrack.encode(
            "861774054558620",
            b"CCE,\x00\x00\x00\x00\x01\x00" + struct.pack("<HH", len(MEITRACK_TAGS) + 2, 1) + MEITRACK_TAGS,
        ),
        meitrack.encode("861774054558620", b"CCC,\x02\x01\x34\x00\x01\x00\x00\x00" + MEITRACK_PACKED * 2),
    ),
    is_checked=True,
)
ADM = Session(
    "adm",
    "861774054558620",
    (
        adm.encode(adm.IMEI, b"861774054558620" + bytes(40)),
        adm.encode(
            0,
            struct.pack(
                "<BHHffHHBhBBIHH", 3, 7, 0, 41.2995, -69.2401, 900, 360, 0, 455, 7, 9, 1_796_040_900, 12_500, 4_012
            ),
        ),
        adm.encode(0x49, (b"D=1" + bytes(200))[: adm.COMMAND_ANSWER_BYTES - 4]),
    ),
    has_marks=False,
)
T800X_PLACE = bytes.fromhex("261130121500") + struct.pack("<fff", 455, -69.2401, 41.2995) + b"\x03\x60\x00\x5a"
T800X_HEAD = bytes(7) + b"\x00\x14\x49" + bytes(6) + b"\x40\x00"
T800X = Session(
    "t800x",
    "861774054558620",
    (
        t800x.encode(0x23, t800x.LOGIN, 1, "861774054558620"),
        t800x.encode(0x23, t800x.GPS, 2, "861774054558620", T800X_HEAD + bytes(4) + bytes(6) + b"\x85" + T800X_PLACE),
        t800x.encode(
            0x25,
            t800x.ALARM_2,
            3,
            "861774054558620",
            T800X_HEAD + bytes(12) + b"\x03" + bytes(5) + b"\x85" + T800X_PLACE,
        ),
        t800x.encode(0x27, t800x.GPS, 4, "861774054558620", b"\x49\x08" + T800X_PLACE),
        t800x.encode(0x26, t800x.NETWORK, 5, "861774054558620", b"\x00" + (T800X_PLACE + bytes(2)) * 2),
    ),
)

QUECLINK_PLACE = "0,36.0,90,455.0,-69.240100,41.299500,20261130121500,0460,0000,18d8,6141,00"
QUECLINK = Session(
    "gl200text",
    "861774054558620",
    tuple(
        f"{source}:GT{kind},1A0401,861774054558620,,{fields},20261130121503,11F{number}$".encode()
        for number, (source, kind, fields) in enumerate(
            (
                ("+RESP", "FRI", f"0,0,2,{QUECLINK_PLACE},{QUECLINK_PLACE}"),
                ("+BUFF", "SOS", f"0,0,1,{QUECLINK_PLACE}"),
                ("+RESP", "INF", "41,8970,23,0,1"),
                ("+ACK", "HBD", ""),
            )
        )
    ),
)

SESSIONS: dict[str, Session] = {
    "jt600": JOINTECH,
    "jt808": JT808,
    "jt808-parts": JT808_PARTS,
    "jt808-e7": JT808_E7,
    "eseal": ESEAL,
    "teratrack": TERATRACK,
    "gt06": GT06,
    "egts": EGTS,
    "wialon": WIALON,
    "wialon-2": WIALON_CHECKED,
    "teltonika": TELTONIKA,
    "galileo": GALILEO,
    "navis": NAVIS,
    "envotech": ENVOTECH,
    "meitrack": MEITRACK,
    "adm": ADM,
    "t800x": T800X,
    "gl200text": QUECLINK,
}
