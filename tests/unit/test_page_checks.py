"""The pictures of a page: what is measured on drawn pages, and what each measure may say, with no picture, bad pictures and forged ones."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from gate_agent.domain.check import CheckName, CheckOutcome, CheckResult
from gate_agent.domain.demands import OPTICAL_CHECKS
from gate_agent.domain.reasons import ReasonCode
from gate_agent.inspection.page_checks import PageLimits, PagePictures, judge_page
from models.page_look import look_at_page
from models.page_results import PageLook
from tests.bench.mrz_pages import FORMATS, OCR_B
from tests.unit.page_scenes import PICTURES, scene, traveller, with_symbol

needs_font = pytest.mark.skipif(not OCR_B.exists(), reason="Debian's fonts-ocr-b is not installed")
S, F, U, N, A = (
    CheckOutcome.SUCCESSFUL, CheckOutcome.FAILED, CheckOutcome.UNDETERMINED, CheckOutcome.NOT_SUPPORTED,
    CheckOutcome.ABORTED,
)  # fmt: skip
READING, INFRARED, AGAINST, ULTRAVIOLET = (
    CheckName.MRZ_READING, CheckName.MRZ_INFRARED, CheckName.MRZ_INFRARED_AGAINST_VISIBLE,
    CheckName.ULTRAVIOLET_DULLNESS,
)  # fmt: skip
LIMITS = PageLimits()
LINES = traveller()


@cache
def look(**making: object) -> PageLook:
    return look_at_page(scene(LINES, **making))


def judged(seen: PageLook, lines: tuple[str, ...] = LINES, **pictures: frozenset[str]) -> dict[CheckName, CheckResult]:
    results = judge_page(seen, lines, LIMITS, PagePictures(**pictures))
    found = {result.check: result for result in results}
    assert found.keys() == OPTICAL_CHECKS
    assert len(results) == len(OPTICAL_CHECKS)
    return found


def outcomes(found: dict[CheckName, CheckResult]) -> tuple[CheckOutcome, ...]:
    return tuple(found[check].outcome for check in (READING, INFRARED, AGAINST, ULTRAVIOLET))


def codes(result: CheckResult) -> list[ReasonCode]:
    return [reason.code for reason in result.reasons]


@needs_font
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("mrz_format", FORMATS)
def test_a_genuine_page_passes(mrz_format: str, seed: int) -> None:
    lines = traveller(seed, mrz_format)
    seen = look_at_page(scene(lines, mrz_format, seed))
    assert outcomes(judged(seen, lines)) == (S, S, S, S)
    assert seen.ink is not None
    assert seen.ink.shift_px == pytest.approx((3.5, -1), abs=2.5)
    assert seen.ink.scale == pytest.approx(1.002, abs=0.002)


@needs_font
@pytest.mark.parametrize(
    ("making", "expected", "code"),
    [
        ({"infrared_ink": 0.08}, {INFRARED: F}, ReasonCode.MRZ_INFRARED_FAINT),
        ({"infrared_ink": 0.0}, {INFRARED: F, AGAINST: U}, ReasonCode.MRZ_INFRARED_FAINT),
        ({"infrared_ink": 0.3}, {INFRARED: U}, ReasonCode.MRZ_INFRARED_DOUBTFUL),
        ({"faded_part": (0.5, 0.62)}, {INFRARED: F, AGAINST: U}, ReasonCode.MRZ_INFRARED_FAINT),
        ({"is_paper_bright": True}, {ULTRAVIOLET: F}, ReasonCode.ULTRAVIOLET_BRIGHT),
        ({"infrared_lines": with_symbol(LINES, 2, 4, "7")}, {AGAINST: F}, ReasonCode.MRZ_INFRARED_DIFFERS),
        ({"infrared_lines": with_symbol(LINES, 1, 8, "B")}, {AGAINST: F}, ReasonCode.MRZ_INFRARED_DIFFERS),
    ],
    ids=["faded", "vanished", "weak", "overprinted", "ordinary paper", "another digit", "another letter"],
)
def test_a_page_that_was_made_otherwise_is_found_out(
    making: dict[str, object], expected: dict[CheckName, CheckOutcome], code: ReasonCode
) -> None:
    found = judged(look(**making))
    others = dict.fromkeys(OPTICAL_CHECKS, S)
    assert {check: result.outcome for check, result in found.items()} == others | expected
    assert code in {reason.code for result in found.values() for reason in result.reasons}


@needs_font
def test_a_finding_names_the_place_and_the_values() -> None:
    differing = judged(look(infrared_lines=with_symbol(LINES, 2, 4, "7")))[AGAINST]
    assert differing.reasons[0].parameters == {"characters": "2/4"}
    assert [(one.name, one.found, one.expected) for one in differing.compared] == [
        ("mrz_character", "2/4 7", LINES[1][3])
    ]
    faded = judged(look(faded_part=(0.5, 0.62)))[INFRARED]
    assert float(faded.compared[0].found) < LIMITS.infrared_faint
    first = int(faded.compared[1].found.split("/")[1].split("-")[0])
    assert 20 <= first <= 28, "the part that fades begins in the middle of the line"
    bright = judged(look(is_paper_bright=True))[ULTRAVIOLET]
    assert float(bright.compared[0].found) > LIMITS.ultraviolet_bright


@needs_font
@pytest.mark.parametrize(
    ("making", "expected", "code"),
    [
        ({"glare": "white"}, (U, U, U, S), ReasonCode.IMAGE_GLARE),
        ({"glare": "infrared"}, (S, U, U, S), ReasonCode.IMAGE_GLARE),
        ({"glare": "ultraviolet"}, (S, S, S, U), ReasonCode.IMAGE_GLARE),
        ({"blurred": "infrared"}, (S, U, U, S), ReasonCode.IMAGE_BLURRED),
        ({"blurred": "white", "blur_px": 4.0}, (S, U, U, S), ReasonCode.IMAGE_BLURRED),
        ({"blurred": "white"}, (U, U, U, S), ReasonCode.MRZ_UNREADABLE),
        ({"cut_off": True}, (U, U, U, S), ReasonCode.IMAGE_CUT_OFF),
        ({"dark": "white"}, (A, A, A, S), ReasonCode.IMAGE_DARK),
        ({"dark": "infrared"}, (S, A, A, S), ReasonCode.IMAGE_DARK),
        ({"dark": "ultraviolet"}, (S, S, S, A), ReasonCode.IMAGE_DARK),
    ],
    ids=lambda value: "-".join(map(str, value.items())) if isinstance(value, dict) else None,
)
def test_a_bad_picture_is_no_accusation(
    making: dict[str, object], expected: tuple[CheckOutcome, ...], code: ReasonCode
) -> None:
    for kept in ({}, {"infrared_ink": 0.08, "is_paper_bright": True, "infrared_lines": with_symbol(LINES, 2, 4, "7")}):
        found = judged(look(**kept, **making))
        for check, outcome in zip((READING, INFRARED, AGAINST, ULTRAVIOLET), expected, strict=True):
            is_gone = (
                kept and making == {"blurred": "infrared"} and check is INFRARED
            )  # no blur hides that there is no ink
            if outcome in {U, A}:
                assert found[check].outcome is (F if is_gone else outcome), (check, kept)
    found = judged(look(**making))
    assert outcomes(found) == expected
    assert code in {reason.code for result in found.values() for reason in result.reasons}


@needs_font
@pytest.mark.parametrize("shift_px", [(25.0, -18.0), (40.0, -30.0), (-40.0, 12.0)], ids=str)
def test_a_page_that_moved_between_the_lamps_is_found_again(shift_px: tuple[float, float]) -> None:
    found = judged(look(shift_px=shift_px, scale=1.006))
    assert outcomes(found)[:3] == (S, S, S)
    faded = judged(look(shift_px=shift_px, scale=1.006, infrared_ink=0.0))
    assert faded[INFRARED].outcome in {F, U}


@needs_font
def test_an_infrared_camera_of_another_resolution() -> None:
    pictures = scene(LINES)
    for role in ("infrared", "ultraviolet"):
        pictures[role] = cv2.resize(pictures[role], None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA)
    assert outcomes(judged(look_at_page(pictures))) == (S, S, S, S)


@needs_font
@pytest.mark.parametrize("missing", [(), *((role,) for role in PICTURES), PICTURES[1:], PICTURES], ids="+".join)
def test_a_missing_picture_is_not_supported_or_a_fault_of_the_reader(missing: tuple[str, ...]) -> None:
    seen = look_at_page({role: picture for role, picture in scene(LINES).items() if role not in missing})
    needs = {
        READING: {"white"},
        INFRARED: {"white", "infrared"},
        AGAINST: {"white", "infrared"},
        ULTRAVIOLET: {"ultraviolet"},
    }
    for pictures, outcome in (
        ({}, N),
        ({"expected": frozenset(PICTURES)}, A),
        ({"broken": frozenset(missing)}, A),
    ):
        found = judged(seen, **pictures)
        for check, roles in needs.items():
            is_missing = bool(roles & set(missing))
            assert found[check].outcome is (outcome if is_missing else S), check
            if is_missing:
                code = ReasonCode.IMAGE_UNUSABLE if "broken" in pictures else ReasonCode.IMAGE_MISSING
                assert codes(found[check]) == [code]
                assert found[check].reasons[0].parameters["image"] in missing


@needs_font
def test_lines_that_another_reader_delivered_are_believed_where_both_agree() -> None:
    seen = look()
    assert judged(seen)[READING].outcome is S
    other = judged(seen, with_symbol(LINES, 2, 4, "3"))[READING]
    assert (other.outcome, codes(other)) == (U, [ReasonCode.MRZ_NOT_TRUSTED])
    assert other.reasons[0].parameters == {"characters": "2/4"}
    assert [(one.found, one.expected) for one in other.compared] == [(f"2/4 {LINES[1][3]}", "3")]
    assert judged(seen, traveller(2, "TD1"))[READING].outcome is U
    none_delivered = judged(seen, ())
    assert none_delivered[READING].outcome is S
    assert seen.zone is not None
    unsure = replace(seen, zone=replace(seen.zone, has_right_digits=False))
    assert judged(unsure, ())[READING].outcome is U


@needs_font
def test_an_issuer_whose_ink_is_known_to_fade_is_not_accused() -> None:
    limits = replace(LIMITS, transparent_issuers=("UTO",))
    for lines in (LINES, ()):
        found = {result.check: result for result in judge_page(look(infrared_ink=0.08), lines, limits)}
        for check in (INFRARED, AGAINST):
            assert found[check].outcome is N
            assert found[check].reasons[0].parameters == {"country": "UTO"}
    other = replace(LIMITS, transparent_issuers=("XOM",))
    assert judge_page(look(infrared_ink=0.08), LINES, other)[1].outcome is F


@needs_font
def test_ultraviolet_light_that_is_not_blue_is_room_light() -> None:
    pictures = scene(LINES)
    pictures["ultraviolet"] = np.full_like(pictures["ultraviolet"], 160)
    found = judged(look_at_page(pictures))[ULTRAVIOLET]
    assert (found.outcome, codes(found)) == (U, [ReasonCode.ULTRAVIOLET_DOUBTFUL])


@settings(max_examples=25, deadline=None)
@given(
    pictures=st.dictionaries(
        st.sampled_from(PICTURES),
        arrays.arrays(np.uint8, st.tuples(st.integers(1, 90), st.integers(1, 90), st.just(3))),
    )
)
def test_no_picture_makes_it_raise_or_accuse(pictures: dict[str, np.ndarray]) -> None:
    found = judged(look_at_page(pictures))
    for check in (READING, INFRARED, AGAINST):
        assert found[check].outcome in {U, N, A}
