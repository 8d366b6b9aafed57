"""`egate inspect mrz` as people and scripts use it: one JSON object a file, fields as the standard names them, clear words for bad files."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from gate_agent.cli import inspect_mrz, main
from tests.bench.mrz_pages import drawn_page

LINES = ("P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10")


@pytest.fixture
def egate(capsys):
    def run(*arguments):
        code = main(["inspect", "mrz", *map(str, arguments)])
        return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return run


def saved(path, picture, suffix=".jpg"):
    file = path / f"page{suffix}"
    cv2.imwrite(str(file), picture)
    return file


@pytest.fixture
def page(tmp_path):
    picture = drawn_page(np.random.default_rng(5), "TD3", LINES).picture
    return saved(tmp_path, cv2.resize(picture, (1280, 901), interpolation=cv2.INTER_AREA))


@pytest.mark.ocr_b
def test_a_page_is_answered_with_lines_fields_and_whether_it_may_be_trusted(egate, page):
    code, (answer,) = egate(page, "--json", "--today", "2026-06-15")
    assert code == 0
    assert (answer["file"], answer["format"], answer["lines"]) == (str(page), "TD3", list(LINES))
    assert answer["valid"] is True
    assert answer["doubtful"] == []
    assert answer["fields"]["document_number"] == "L898902C3"
    assert answer["fields"]["primary_identifier"] == "ERIKSSON"
    assert answer["fields"]["date_of_expiry"] == "2012-04-15"
    assert set(answer["checks"].values()) == {"successful"}
    assert answer["ms"] > 0
    assert answer["error"] is None


@pytest.mark.ocr_b
def test_a_printed_wrong_digit_is_read_and_not_valid(egate, tmp_path):
    wrong = (LINES[0], LINES[1].replace("2C36", "2C37"))
    picture = drawn_page(np.random.default_rng(5), "TD3", wrong).picture
    code, (answer,) = egate(saved(tmp_path, cv2.resize(picture, (1280, 901), interpolation=cv2.INTER_AREA)))
    assert (code, answer["lines"]) == (0, list(wrong))
    assert answer["valid"] is False
    assert answer["checks"]["document_number"] == "failed"


@pytest.mark.ocr_b
def test_a_blurred_page_names_the_characters_in_doubt_or_is_no_zone(egate, tmp_path, page):
    doubts = []
    for spread in (4.0, 4.5, 5.0, 5.5):
        blurred = cv2.GaussianBlur(cv2.imread(str(page)), (0, 0), spread)
        code, (answer,) = egate(saved(tmp_path, blurred))
        assert code == 0
        assert not answer["valid"] or answer["lines"] == list(LINES)
        assert not (answer["valid"] and answer["doubtful"])
        for doubt in answer["doubtful"]:
            assert answer["lines"][doubt["line"] - 1][doubt["position"] - 1] == doubt["character"]
            assert doubt["alternative"] != doubt["character"]
        doubts += answer["doubtful"]
    assert doubts


def test_a_picture_without_a_zone_is_an_answer(egate, tmp_path):
    code, (answer,) = egate(saved(tmp_path, np.full((300, 500, 3), 200, np.uint8), ".png"))
    assert code == 0
    assert (answer["format"], answer["lines"], answer["fields"], answer["error"]) == (None, [], {}, None)
    assert answer["valid"] is False


def test_files_that_are_no_pictures_are_told_apart_and_the_others_still_answered(egate, tmp_path):
    text, torn, good = tmp_path / "note.jpg", tmp_path / "torn.png", tmp_path / "good.png"
    text.write_text("hello")
    cv2.imwrite(str(good), np.full((200, 300), 90, np.uint8))
    torn.write_bytes(good.read_bytes()[:60])
    code, answers = egate(text, torn, tmp_path / "absent.png", tmp_path, good)
    assert code == 3
    assert [(answer["error"] or "")[:10] for answer in answers] == [
        "MD-IMG-001",
        "MD-IMG-004",
        "MD-IMG-002",
        "MD-IMG-002",
        "",
    ]
    assert "No such file" in answers[2]["error"]
    assert all(answer["format"] is None for answer in answers)


def test_a_file_that_is_too_large_is_not_decoded(egate, tmp_path, monkeypatch):
    monkeypatch.setattr(inspect_mrz, "FILE_LIMIT_BYTES", 100)
    code, (answer,) = egate(
        saved(tmp_path, np.random.default_rng(1).integers(0, 255, (90, 90)).astype(np.uint8), ".png")
    )
    assert (code, answer["error"][:10]) == (3, "MD-IMG-003")


def test_no_file_is_bad_usage(egate):
    with pytest.raises(SystemExit) as ended:
        egate()
    assert ended.value.code == 2
