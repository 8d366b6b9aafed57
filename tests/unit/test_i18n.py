"""Every code has its words in every language; the traveller's are safe."""

import ast
import re
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from drivers.chip.errors import ChipFault
from drivers.contracts import DeviceClass, DeviceState
from gate_agent.domain.alarm import AlarmPriority
from gate_agent.domain.check import CheckName, CheckOutcome
from gate_agent.domain.crossing import Corridor
from gate_agent.domain.declaration import Direction
from gate_agent.domain.events import Step
from gate_agent.domain.mrz_comparison import compare_mrz_with_dg1
from gate_agent.domain.reasons import ReasonCode
from gate_agent.domain.result_tables import Family
from gate_agent.domain.transaction_state import Phase
from gate_agent.inspection.certificate_defects import DefectKind
from gate_agent.inspection.visible_seal_checks import SignerTrust
from gate_agent.lane.authorisation import OfficerRole, RefusalCode
from gate_agent.lane.challenge import ChallengeState
from gate_agent.lane.document_work import PICTURES
from gate_agent.web import i18n
from gate_agent.web.guard.action_reasons import ACTION_REASONS
from gate_agent.web.guard.checks import GROUPS, check_groups
from gate_agent.web.lane_api_messages import CaptureCue, CheckView, GuardAction, Instruction

GUARD = i18n.load_catalogues("guard", i18n.GUARD_LANGUAGES)
TRAVELLER = i18n.load_catalogues("traveller", i18n.TRAVELLER_LANGUAGES)
GUARD_SECTIONS = {
    "reason": ReasonCode,
    "check": CheckName,
    "outcome": CheckOutcome,
    "outcome_letter": CheckOutcome,
    "state": Phase,
    "corridor": Corridor,
    "corridor_letter": Corridor,
    "direction": Direction,
    "device_class": DeviceClass,
    "device_state": DeviceState,
    "intercom": ("calling", "speaking"),
    "priority": AlarmPriority,
    "role": OfficerRole,
    "action": GuardAction,
    "action_long": GuardAction,
    "step": Step,
    "fault": {"", ChipFault.code, *(fault.code for fault in ChipFault.__subclasses__())},
    "defect": DefectKind,
    "challenge": ChallengeState,
    "signer_trust": SignerTrust,
    "protocol": ("PACE", "BAC", "AA", "CA", "CAM"),
    "image": PICTURES | {"portrait"},
    "family": Family,
    "action_reason": {code for codes in ACTION_REASONS.values() for code in codes},
}
TIP_OFFS = re.compile(
    r"list|match|score|overst|wanted|fraud|forg|fake|refus|police|risk|seal|"
    r"спис|розыск|совпад|поддел|отказ|полиц|риск|пломб|roʻyxat|qidiruv|soxta|rad et|polits|xavf|plomba",
    re.IGNORECASE,
)


def ids(catalogue):
    return f"{catalogue.audience}-{catalogue.language}"


@pytest.mark.parametrize("catalogue", GUARD.values(), ids=ids)
def test_guard_has_words_for_every_code(catalogue):
    missing = [
        f"{section}.{code}"
        for section, codes in GUARD_SECTIONS.items()
        for code in codes
        if f"{section}.{code}" not in catalogue.texts
    ]
    missing += [f"refusal.{code.value}" for code in RefusalCode if f"refusal.{code.value}" not in catalogue.texts]
    assert missing == []
    extra = set(catalogue.section("reason")) - {code.value for code in ReasonCode}
    assert extra == set()


@pytest.mark.parametrize("catalogue", TRAVELLER.values(), ids=ids)
def test_traveller_has_words_for_every_instruction_and_safe_text(catalogue):
    names = {instruction.value for instruction in Instruction}
    assert set(catalogue.section("instruction")) == names
    assert set(catalogue.section("detail")) == names
    cues = {cue.value for cue in CaptureCue}
    assert set(catalogue.section("cue")) == cues
    assert set(catalogue.section("cue_detail")) == cues
    assert set(catalogue.section("safe")) == set(i18n.load_safe_texts().values())


@pytest.mark.parametrize("catalogue", GUARD.values(), ids=ids)
def test_every_element_of_the_zone_that_can_differ_from_the_chip_has_a_name(catalogue):
    """In the reason and beside the two values alike; no name of a field reaches a guard raw."""
    printed, on_chip = (letter * 44 for letter in "AB")
    result = compare_mrz_with_dg1((printed, printed), (on_chip, on_chip), False)
    names = {pair.name for pair in result.compared} | {"format"}
    assert len(names) >= 10
    assert {name for name in names if f"value.{name}" not in catalogue.texts} == set()
    assert {name for name in names if f"field.{name}" not in catalogue.texts} == set()


def compared_names():
    """Names of compared values, as the sources write them out."""
    for path in sorted(Path(i18n.__file__).parents[1].rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Compared":
                first = node.args[0]
                if isinstance(first, ast.Constant):
                    yield str(first.value)


@pytest.mark.parametrize("catalogue", GUARD.values(), ids=ids)
def test_every_compared_value_has_a_name(catalogue):
    names = {*compared_names(), "SOD signer", "CardSecurity signer"}
    assert {"access", "date_of_exit", "comparison_score"} <= names
    assert {name for name in names if f"value.{name}" not in catalogue.texts} == set()


def test_each_reason_has_exactly_one_safe_text():
    document = tomllib.loads((i18n.LOCALE_FOLDER / "safe_texts.toml").read_text(encoding="utf-8"))
    counted = Counter(code for codes in document["safe"].values() for code in codes)
    assert counted == Counter(code.value for code in ReasonCode)


def test_hidden_causes_cannot_be_told_apart():
    safe = i18n.load_safe_texts()
    hidden = [
        "watchlist_hit",
        "face_different",
        "stay_overstayed",
        "token_signature_wrong",
        "watchlist_stale",
        "travel_ban",
        "ban_list_stale",
        "presentation_attack_suspected",
        "presentation_attack_doubtful",
        "presentation_attack_no_result",
        "unknown",
    ]
    for catalogue in TRAVELLER.values():
        assert len({i18n.traveller_text(catalogue, safe, code) for code in hidden}) == 1


@pytest.mark.parametrize("catalogue", TRAVELLER.values(), ids=ids)
def test_no_traveller_text_tips_off(catalogue):
    sections = ("safe", "instruction", "detail", "cue", "cue_detail")
    telling = [text for section in sections for text in catalogue.section(section).values()]
    assert [text for text in telling if TIP_OFFS.search(text)] == []


def test_translations_are_translated():
    same = [
        (language, key)
        for catalogues in (GUARD, TRAVELLER)
        for language in ("ru", "uz-Latn")
        for key, text in catalogues[language].texts.items()
        if len(text) > 12 and text == catalogues["en"].texts[key]
    ]
    assert same == []


def test_fields_that_reasons_name_have_words():
    lines = ("P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10")
    other = tuple("X" + "".join("1" if one != "1" else "2" for one in line[1:]) for line in lines)
    fields = {
        one.parameters["field"] for one in compare_mrz_with_dg1(lines, other, used_card_access_number=False).reasons
    }
    assert len(fields) > 7
    for catalogue in GUARD.values():
        assert [
            f for f in sorted(fields | {"name", "passport_number", "format"}) if f"field.{f}" not in catalogue.texts
        ] == []


def test_codes_inside_reasons_are_put_into_words():
    english = GUARD["en"]
    named = CheckView(check="mrz_against_dg1", outcome="failed", compared=[{"name": "primary_identifier", "found": "BAC", "expected": "PACE"}])  # fmt: skip
    (group,) = check_groups([named], english)
    assert group["checks"][0]["compared"] == ["Surname: BAC on the chip, PACE printed"], "a name is no code"
    assert english.reason("step_timeout", {"step": "chip_access"}) == "The step “Access to the chip” took too long"
    assert english.reason("dg1_differs", {"field": "sex"}) == "Chip and printed zone differ: the sex"
    assert "the security object is malformed" in english.reason("certificate_defect", {"defect": "sod_malformed"})


def test_places_are_filled_as_text_and_never_read_as_patterns():
    english = GUARD["en"]
    parameters = {"field": "document_number", "found": "{expected}", "expected": "<b>7</b>"}
    sentence = english.reason("mrz_check_digit_wrong", parameters)
    assert sentence == "Check digit of the document number is wrong: found {expected}, expected <b>7</b>"
    assert english.reason("mrz_check_digit_wrong", {}) == "Check digit of – is wrong: found –, expected –"
    assert english.reason("guard_decision", {"reason": "device_fault"}) == "Decided by an officer: Device fault"
    assert english.text("reason.never_heard_of") == "never_heard_of"


@pytest.mark.parametrize("catalogue", [GUARD["en"], TRAVELLER["en"]], ids=ids)
def test_pseudo_locale_is_forty_per_cent_longer_and_keeps_places(catalogue):
    pseudo = i18n.pseudo_catalogue(catalogue)
    for key, text in catalogue.texts.items():
        assert len(pseudo.texts[key]) >= round(1.4 * len(text)), key
        assert i18n.places(pseudo.texts[key]) == i18n.places(text), key


HEADER = 'msgid ""\nmsgstr "Language: ru\\nPlural-Forms: nplurals=2; plural=(n != 1);\\n"\n\n'
ENTRY = 'msgctxt "a.b"\nmsgid "One"\nmsgstr "Один"\n'


@pytest.mark.parametrize(
    "content",
    [
        "", "[a]", ENTRY, HEADER + ENTRY + "\n" + ENTRY, HEADER + ENTRY + ENTRY, HEADER + "#~ " + ENTRY, HEADER + 'msgid "One"\nmsgstr "Один"\n',
        HEADER + 'msgctxt "a.b"\nmsgid "One"\n', HEADER + ENTRY + "Два\n", HEADER + 'msgctxt "a.b"\nmsgid "One"\nmsgstr "О"дин"\n',
        HEADER + 'msgctxt "a.b"\nmsgid "One"\nmsgid_plural "{n}"\nmsgstr[1] "Один"\n',
        HEADER + 'msgctxt "a.b"\nmsgid "One"\nmsgid_plural "{n}"\nmsgstr[0] "Один"\n',
        HEADER.replace("n != 1", "open(1)") + ENTRY, HEADER.replace("n != 1", "n !") + ENTRY, HEADER.replace("Plural-Forms", "Plural") + ENTRY,
    ],
)  # fmt: skip
def test_broken_catalogues_are_refused(tmp_path, content):
    (tmp_path / "guard.pot").write_text(HEADER + ENTRY)
    (tmp_path / "guard.ru.po").write_text(HEADER + ENTRY)
    assert i18n.load_catalogue("guard", "ru", tmp_path).text("a.b") == "Один"
    (tmp_path / "guard.ru.po").write_text(content)
    with pytest.raises(i18n.CatalogueFault):
        i18n.load_catalogue("guard", "ru", tmp_path)
    with pytest.raises(i18n.CatalogueFault):
        i18n.load_catalogue("guard", "xx", tmp_path)


def test_every_check_stands_in_one_group_of_the_console():
    counted = Counter(check for checks in GROUPS.values() for check in checks)
    assert counted == Counter(check.value for check in CheckName)
    for catalogue in GUARD.values():
        assert set(catalogue.section("check_group")) == set(GROUPS)
