"""Symbols in the frames of a camera: where they were, anywhere, thoroughly; what one dimension is worth."""

import statistics
import time

import cv2
import numpy as np
import pytest
import zxingcpp

from drivers.barcode import frame_stream
from drivers.barcode.frame_stream import FrameReader
from drivers.barcode.frames import PictureBox, ReadingPass, Symbol

PASS_TEXT = b"M1DOE/JANE            EABC123 TASFRAHY 0834 226F001A0025 100"
PERIOD_S = 0.1


def scene(
    content: bytes = b"", kind: object = zxingcpp.BarcodeFormat.QRCode, at: tuple[int, int] = (90, 330)
) -> np.ndarray:
    """A lit page of text, 1280 x 720, with a symbol on it."""
    rng = np.random.default_rng(7)
    light = cv2.resize(rng.integers(60, 200, (9, 16), dtype=np.uint8), (1280, 720), interpolation=cv2.INTER_CUBIC)
    page = np.clip(light + rng.normal(0, 4, light.shape), 0, 255).astype(np.uint8)
    for row in range(12):
        cv2.putText(page, f"REPUBLIC OF UTOPIA {row:02d}", (60, 60 + 55 * row), 0, 0.7, 30, 2)
    if content:
        symbol = np.array(zxingcpp.create_barcode(content, kind).to_image(scale=4))
        symbol = cv2.copyMakeBorder(symbol, 16, 16, 16, 16, cv2.BORDER_CONSTANT, value=255)
        top, left = at
        part = page[top : top + symbol.shape[0], left : left + symbol.shape[1]]
        part[:] = symbol[: part.shape[0], : part.shape[1]]
    return page


def first_read(pictures: list[np.ndarray], reader: FrameReader | None = None) -> int | None:
    reader = reader or FrameReader()
    for number, picture in enumerate(pictures):
        if reader.read(picture, number * PERIOD_S):
            return number
    return None


@pytest.fixture
def searched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[tuple[int, ...], ReadingPass]]:
    """Every search: the size of the picture and the pass."""
    calls: list[tuple[tuple[int, ...], ReadingPass]] = []
    real = frame_stream.search

    def noted(grey: np.ndarray, reading_pass: ReadingPass) -> tuple[Symbol, ...]:
        calls.append((grey.shape, reading_pass))
        return real(grey, reading_pass)

    monkeypatch.setattr(frame_stream, "search", noted)
    return calls


def test_a_symbol_is_read_in_the_first_frame_and_then_looked_for_where_it_was(searched: list) -> None:
    reader = FrameReader()
    picture = scene(b"EG1:DECLARED")
    assert [symbol.content for symbol in reader.read(picture, 0.0)] == [b"EG1:DECLARED"]
    assert [shape for shape, _ in searched] == [(720, 1280)]
    searched.clear()
    moved = np.roll(picture, (9, -14), (0, 1))
    assert [symbol.content for symbol in reader.read(moved, 0.1)] == [b"EG1:DECLARED"]
    ((shape, reading_pass),) = searched
    assert shape[0] < 360
    assert shape[1] < 640
    assert reading_pass.formats == (zxingcpp.BarcodeFormat.QRCode,)


def test_a_symbol_that_jumped_is_found_in_the_same_frame() -> None:
    reader = FrameReader()
    reader.read(scene(b"EG1:DECLARED", at=(20, 20)), 0.0)
    assert [s.content for s in reader.read(scene(b"EG1:DECLARED", at=(450, 900)), 0.1)] == [b"EG1:DECLARED"]


def test_a_second_symbol_is_noticed_beside_the_tracked_one() -> None:
    reader = FrameReader()
    one = scene(b"EG1:FIRST", at=(20, 20))
    both = one.copy()
    both[400:, 700:] = scene(b"EG1:SECOND", at=(420, 800))[400:, 700:]
    reader.read(one, 0.0)
    found = [{symbol.content for symbol in reader.read(both, 0.1 * number)} for number in range(1, 6)]
    assert {b"EG1:FIRST", b"EG1:SECOND"} in found[: frame_stream.WHOLE_EVERY_FRAMES + 1]
    assert found[-1] == {b"EG1:FIRST", b"EG1:SECOND"}


@pytest.mark.parametrize(
    ("picture", "content"),
    [
        (np.ascontiguousarray(np.rot90(scene(PASS_TEXT, zxingcpp.BarcodeFormat.PDF417))), PASS_TEXT),
        (255 - scene(b"dark mode", zxingcpp.BarcodeFormat.Aztec), b"dark mode"),
    ],
    ids=["turned", "inverted"],
)
def test_what_a_fast_search_misses_is_found_after_failures_and_then_tracked(
    picture: np.ndarray, content: bytes
) -> None:
    assert first_read([picture], FrameReader()) is None
    reader = FrameReader()
    first = first_read([picture] * 12, reader)
    assert first is not None
    assert 3 <= first <= 7
    for number in range(12, 20):
        assert [symbol.content for symbol in reader.read(picture, number * PERIOD_S)] == [content]


def test_empty_frames_get_the_thorough_search_in_portions(searched: list) -> None:
    reader = FrameReader()
    for number in range(40):
        assert reader.read(scene(), number * PERIOD_S) == ()
    whole = [reading_pass.is_thorough for shape, reading_pass in searched if shape == (720, 1280)]
    assert not any(whole[:3]), "within 300 ms only fast searches"
    assert 1 <= sum(whole) <= 3
    assert (1280, 720) in [shape for shape, _ in searched], "a quarter turn"
    assert (360, 640) in [shape for shape, _ in searched], "half the size"


def test_a_linear_text_is_passed_on_from_two_frames_apart_in_time() -> None:
    picture = scene(b"SEAL-0012345", zxingcpp.BarcodeFormat.Code128)
    reader = FrameReader()
    assert reader.read(picture, 0.0) == ()
    assert reader.read(picture, 0.05) == ()
    assert [symbol.content for symbol in reader.read(picture, 0.11)] == [b"SEAL-0012345"]
    reader.reset()
    assert reader.read(picture, 0.2) == (), "another traveller begins anew"


def test_a_linear_misread_of_one_frame_is_never_passed_on() -> None:
    reader = FrameReader()
    texts = [b"SEAL-0012345", b"SEAL-0012346", b"SEAL-0012347"]
    for number, text in enumerate(texts):
        assert reader.read(scene(text, zxingcpp.BarcodeFormat.Code128), number * 1.0) == ()
    assert reader.read(scene(texts[0], zxingcpp.BarcodeFormat.Code128), 9.0) == (), "seen too long ago"


def test_boxes_stand_where_the_symbol_is() -> None:
    picture = scene(b"EG1:DECLARED", at=(100, 400))
    box = FrameReader().read(picture, 0.0)[0].box
    assert box is not None
    assert abs(box.left_px - 432) < 8, "beside the margins: 16 pixels and a quiet zone of four modules"
    assert abs(box.top_px - 132) < 8
    turned = Symbol("PDF417", "", b"", "zxing-cpp", PictureBox(10, 20, 30, 40))
    assert frame_stream._turned_back(turned, 1280).box == PictureBox(1220, 10, 40, 30)


def test_a_frame_costs_a_few_milliseconds() -> None:
    """The bench says how few; here a generous bound that a whole thorough search on every frame would break."""
    for picture in (scene(), scene(b"EG1:" + b"ABCDEF01" * 30), scene(PASS_TEXT, zxingcpp.BarcodeFormat.PDF417)):
        reader, spent_s = FrameReader(), []
        for number in range(32):
            started_s = time.process_time()
            reader.read(picture, number * PERIOD_S)
            spent_s.append(time.process_time() - started_s)
        assert statistics.median(spent_s) < 0.024
