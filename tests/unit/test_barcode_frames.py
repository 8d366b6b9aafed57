import json
import struct
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import zxingcpp
from hypothesis import given
from hypothesis import strategies as st

from drivers.barcode import frames
from drivers.barcode.image_header import ImageRefused, gate, image_size
from drivers.contracts import BarcodeRead
from gate_agent import cli
from gate_agent.cli.inspect_barcode import inspect_file

BARCODES = Path(__file__).parents[2].parent / "shared" / "data" / "barcodes"


def drawn(content: bytes, kind: object = zxingcpp.BarcodeFormat.QRCode, scale: int = 4) -> np.ndarray:
    symbol = np.array(zxingcpp.create_barcode(content, kind).to_image(scale=scale))
    return cv2.copyMakeBorder(symbol, 40, 40, 40, 40, cv2.BORDER_CONSTANT, value=255)


def encoded(picture: np.ndarray, suffix: str = ".png") -> bytes:
    return cv2.imencode(suffix, picture)[1].tobytes()


@pytest.mark.shared_data
def test_every_public_sample_is_read_exactly() -> None:
    missed, total = [], 0
    for picture in sorted(BARCODES.glob("*-1/*")):
        if picture.suffix not in {".png", ".webp", ".jpg"}:
            continue
        total += 1
        text, binary = picture.with_suffix(".txt"), picture.with_suffix(".bin")
        symbols = inspect_file(picture)["symbols"]
        if text.exists():
            expected = text.read_bytes().decode("utf-8")
            is_read = any(symbol["text"] == expected for symbol in symbols)
        else:
            is_read = any(bytes.fromhex(symbol["bytes_hex"]) == binary.read_bytes() for symbol in symbols)
        if not is_read:
            missed.append(picture.name)
    assert total == 93
    assert missed == []


@pytest.mark.parametrize(
    "content",
    [
        b"' OR '1'='1",
        b"<script>alert(1)</script>",
        b"\x1b[31mred\n2026 forged line",
        bytes(range(256)),
        "\u202etxt".encode(),
    ],
)
def test_hostile_payloads_are_bytes_like_any_other(content: bytes) -> None:
    (symbol,) = frames.read_symbols(drawn(content))
    assert symbol.content == content
    assert (symbol.symbology, symbol.engine) == ("QRCode", "zxing-cpp")


def test_a_turned_and_inverted_code_needs_the_thorough_pass() -> None:
    picture = 255 - drawn(b"dark mode", zxingcpp.BarcodeFormat.Aztec)
    assert frames.read_symbols(picture, is_thorough=False, second_opinion=False) == ()
    assert frames.read_symbols(picture)[0].content == b"dark mode"


def test_at_most_eight_symbols_come_from_one_picture() -> None:
    tiles = [
        cv2.resize(drawn(b"code %02d" % number), (180, 180), interpolation=cv2.INTER_NEAREST) for number in range(12)
    ]
    sheet = np.vstack([np.hstack(tiles[row * 4 : row * 4 + 4]) for row in range(3)])
    assert len(frames.read_symbols(sheet)) == frames.SYMBOLS_LIMIT


@pytest.mark.libzbar
def test_the_second_engine_reads_a_code_alone() -> None:
    grey = np.ascontiguousarray(drawn(b"second opinion"))
    assert [(symbol.content, symbol.engine) for symbol in frames.search_zbar(grey)] == [(b"second opinion", "zbar")]


def test_without_libzbar_the_first_engine_works_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> None:
        raise ImportError(f"no library for {name}")

    frames.zbar.cache_clear()
    monkeypatch.setattr(frames.importlib, "import_module", refuse)
    assert frames.zbar() is None
    assert frames.read_symbols(np.full((200, 200), 255, np.uint8)) == ()
    assert frames.read_symbols(drawn(b"still read"))[0].content == b"still read"
    frames.zbar.cache_clear()


def test_transparent_pictures_are_read_as_on_paper() -> None:
    symbol = drawn(b"alpha")
    picture = np.zeros((*symbol.shape, 4), np.uint8)
    picture[..., 3] = 255 - symbol
    assert frames.read_image(encoded(picture))[0].content == b"alpha"


def test_only_the_formats_of_a_gate_are_read() -> None:
    assert frames.read_symbols(drawn(b"A12345B", zxingcpp.BarcodeFormat.Codabar)) == ()
    kinds = [kind for kind in frames.GATE_FORMATS if kind.name not in {"EAN13", "ITF", "MicroQRCode"}]
    for kind in kinds:
        (symbol,) = frames.read_symbols(drawn(b"GATE 12345", kind))
        assert (symbol.content, symbol.is_linear) == (b"GATE 12345", kind in frames.LINEAR_FORMATS)
    assert frames.read_symbols(drawn(b"4006381333931", zxingcpp.BarcodeFormat.EAN13))[0].is_linear
    assert frames.read_symbols(drawn(b"12345678", zxingcpp.BarcodeFormat.ITF))[0].is_linear
    assert not frames.read_symbols(drawn(b"12345", zxingcpp.BarcodeFormat.MicroQRCode))[0].is_linear


@pytest.mark.parametrize(
    ("symbology", "is_linear"),
    [
        ("Code 128", True),
        ("UPC/EAN", True),
        ("ITF", True),
        ("Codabar", True),
        ("QR", False),
        ("PDF417", False),
        ("", False),
    ],
)
def test_a_symbol_of_one_dimension_is_known_by_its_reader_s_name(symbology: str, is_linear: bool) -> None:
    assert BarcodeRead(b"1", symbology).is_linear is is_linear


def jpeg_2000_bomb() -> bytes:
    size = struct.pack(">HHIIIIIIIIHBBB", 41, 0, 9000, 9000, 0, 0, 9000, 9000, 0, 0, 1, 7, 1, 1)
    return b"\xff\x4f\xff\x51" + size + bytes(226 - 4 - len(size))


def png_bomb() -> bytes:
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII5B", 13, b"IHDR", 30000, 30000, 8, 2, 0, 0, 0) + bytes(20)


@pytest.mark.parametrize("bomb", [jpeg_2000_bomb(), png_bomb()], ids=["jp2", "png"])
def test_bombs_are_refused_before_any_decoder(bomb: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(bomb)
    inspect_file(path)  # the first call imports the libraries
    started_s = time.perf_counter()
    answer = inspect_file(path)
    assert time.perf_counter() - started_s < 0.05
    assert answer["symbols"] == []
    assert "over the limit of 16000000 pixels" in answer["error"]


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp", ".jp2"])
def test_the_header_gate_knows_the_size_of_each_format(suffix: str) -> None:
    content = encoded(np.full((37, 91, 3), 128, np.uint8), suffix)
    assert image_size(content)[1:] == (91, 37)
    with pytest.raises(ImageRefused, match="over the limit"):
        gate(content, pixel_limit=91 * 37 - 1)


@given(
    st.binary(max_size=120),
    st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF", b"BM", b"\xff\x4f\xff\x51"]),
)
def test_any_header_gives_a_size_or_a_refusal(rest: bytes, signature: bytes) -> None:
    try:
        size = image_size(signature + rest)
    except ImageRefused:
        return
    assert size.width_px > 0
    assert size.height_px > 0


def test_the_command_answers_every_file(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    good, broken = tmp_path / "good.png", tmp_path / "broken.png"
    good.write_bytes(encoded(drawn(b"EG1:declared")))
    broken.write_bytes(encoded(drawn(b"EG1:declared"))[:60])
    names = [str(path) for path in (good, broken, tmp_path / "absent.png", Path(__file__))]
    assert cli.main(["inspect", "barcode", "--json", *names]) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer["file"] for answer in answers] == names
    assert answers[0]["symbols"][0]["bytes_hex"] == b"EG1:declared".hex()
    assert answers[0]["error"] is None
    assert [answer["error"].split(":")[0] for answer in answers[1:]] == ["DRV-IMG-001", "DRV-IMG-002", "DRV-IMG-001"]
