"""One suite for every check of a plug-in, and what the gate makes of those that misbehave: never a pass, never a wait, never a crash.

Checks that are no part of eGate come with a `check_rig_*.py` from the folders that the variable EGATE_RIGS names (docs/checks.md).
"""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from central_sync.messages import CheckPart, ReasonPart
from gate_agent.clock import SystemClock
from gate_agent.domain.check import CheckOutcome, CheckResult, PluginCheckName
from gate_agent.domain.reasons import ReasonCode
from gate_agent.errors import SettingsFault
from gate_agent.inspection.plugin import CheckDeclaration, Input, PluginRefused
from gate_agent.inspection.plugin_packages import installed_checks
from gate_agent.inspection_settings import CheckSettings
from gate_agent.runtime.plugin_checks import PluginChecks
from tests.contract.check_packages import CheckRig, leave_a_distribution, load_check_rigs, worker_of
from tests.unit.installed_packages import install

RIGS = load_check_rigs()
ROOM_S = 1.0  # a machine with other work to do


@pytest.fixture(params=sorted(RIGS))
def rig(request: pytest.FixtureRequest) -> CheckRig:
    return RIGS[request.param]


@pytest.fixture
async def opened(rig: CheckRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[PluginChecks]:
    leave_a_distribution(rig.folder, tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    named = [CheckSettings(name=rig.name)]
    checks = await PluginChecks.open(named, SystemClock(), worker_of(tmp_path, rig.folder))
    yield checks
    await checks.close()


async def test_a_check_comes_to_the_outcomes_of_its_rig_within_its_time(rig: CheckRig, opened: PluginChecks) -> None:
    (check,) = opened.checks
    assert check.refusal == ""
    assert check.declared is not None
    for view, outcome in rig.cases:
        for _ in range(2):  # the same twice: it keeps nothing that changes an answer
            result = await check.seeing(view)
            assert (result.check, result.outcome) == (f"plugin.{rig.name}", outcome), (view, result.reasons)
            assert result.duration_ms <= check.budget_ms + ROOM_S * 1000
            assert result.plugin is not None
            assert result.plugin.titles["en"]
            if outcome in {"failed", "undetermined", "aborted"}:
                assert result.plugin.findings["en"], "it says why"
    assert {view.keys() == {one.value for one in check.declared.inputs} for view, _ in rig.cases} == {True}


async def test_a_result_can_be_recorded(rig: CheckRig, opened: PluginChecks) -> None:
    for view, outcome in rig.cases:
        result = await opened.checks[0].seeing(view)
        reasons = [ReasonPart(code=one.code.value, parameters=dict(one.parameters)) for one in result.reasons]
        CheckPart(check=result.check.value, outcome=result.outcome.value, reasons=reasons)
        values = {str(value) for value in view.values() if value and len(str(value)) > 3}
        assert not values & {text for one in result.reasons for text in one.parameters.values()}, (
            "nothing of the traveller"
        )
        assert outcome == result.outcome


async def test_a_document_that_says_nothing_is_no_crash(opened: PluginChecks) -> None:
    (check,) = opened.checks
    assert check.declared is not None
    empty = {one.value: () if one is Input.LINES else None for one in check.declared.inputs}
    result = await check.seeing(empty)
    assert result.outcome is not CheckOutcome.ABORTED, result.reasons
    assert result.outcome is not CheckOutcome.SUCCESSFUL, "nothing was seen, so nothing is proven"


# ---- those that misbehave ----------------------------------------------------------------------------------------------

SOURCE = """
import os, sys, threading, time
from pathlib import Path
from gate_agent.inspection.plugin import CheckDeclaration, CheckOutcome, Compared, Finding, Input

def declared(judge, **changes):
    values = dict(inputs=frozenset({Input.DOCUMENT_NUMBER}), budget_ms=400, titles={"en": "Test"}, findings={"seen": {"en": "Seen"}})
    return CheckDeclaration(judge, **(values | changes))

def hang(view):
    while True:
        pass

def crash(view):
    raise RuntimeError("it was " + view["document_number"])

def leave(view):
    os._exit(3)

def end(view):
    sys.exit()

def eat(view):
    return "x" * (1 << 34)

def large(view):
    return Finding(CheckOutcome.FAILED, "seen", (Compared("number", "x" * 5000, ""),))

def alien(view):
    return Finding(CheckOutcome.FAILED, "another_code", ())

def silent(view):
    return Finding(CheckOutcome.FAILED)

def passed(view):
    return True

def turned(view):
    return Finding(CheckOutcome.SUCCESSFUL, "", (Compared("number", "\\u202e12", ""),))

def peek(view):
    try:
        view["document_number"] = "changed"
    except TypeError:
        return Finding(CheckOutcome.FAILED, "seen", (Compared("keys", ",".join(sorted(view)), ""),))

def write(view):
    Path(PLACE).write_text(view["document_number"])
    return Finding(CheckOutcome.SUCCESSFUL)

def talk(view):
    print("number", view["document_number"]); print("number", view["document_number"], file=sys.stderr)
    return Finding(CheckOutcome.SUCCESSFUL)

class Sly(Finding):
    __slots__ = ()

def sly(view):
    return Sly(CheckOutcome.SUCCESSFUL)
"""
JUDGES = [
    "hang",
    "crash",
    "leave",
    "end",
    "eat",
    "large",
    "alien",
    "silent",
    "passed",
    "turned",
    "peek",
    "write",
    "talk",
    "sly",
]
SEEN = {"document_number": "U01SPECIM"}


async def answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *judges: str, more: str = ""
) -> list[tuple[CheckResult, CheckResult]]:
    """Return what each of these checks said when it was asked twice."""
    entries = {judge: f"misbehaving:{judge.upper()}" for judge in judges}
    lines = [f"{judge.upper()} = declared({judge})" for judge in JUDGES]
    source = "\n".join([f"PLACE = {str(tmp_path / 'kept')!r}", SOURCE, *lines, more])
    home = install(tmp_path, monkeypatch, "acme-checks", entries, {"misbehaving": source}, "egate.checks")
    checks = await PluginChecks.open([CheckSettings(name=judge) for judge in judges], SystemClock(), worker_of(home))
    try:
        return [(await check.seeing(SEEN), await check.seeing(SEEN)) for check in checks.checks]
    finally:
        await checks.close()


@pytest.mark.parametrize(
    ("judge", "code"),
    [
        ("hang", ReasonCode.PLUGIN_TIMED_OUT),
        ("crash", ReasonCode.PLUGIN_CRASHED),
        ("leave", ReasonCode.PLUGIN_CRASHED),
        ("end", ReasonCode.PLUGIN_CRASHED),
        ("eat", ReasonCode.PLUGIN_CRASHED),
        ("large", ReasonCode.PLUGIN_NONSENSE),
        ("alien", ReasonCode.PLUGIN_NONSENSE),
        ("silent", ReasonCode.PLUGIN_NONSENSE),
        ("passed", ReasonCode.PLUGIN_NONSENSE),
        ("turned", ReasonCode.PLUGIN_NONSENSE),
        ("sly", ReasonCode.PLUGIN_NONSENSE),
        ("write", ReasonCode.PLUGIN_CRASHED),
    ],
)
async def test_what_misbehaves_is_aborted_with_its_reason_and_nobody_waits(
    judge: str, code: ReasonCode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun_s = time.monotonic()
    with capture_logs() as logged:
        ((first, second),) = await answers(tmp_path, monkeypatch, judge)
    assert time.monotonic() - begun_s < 30, "it was ended"
    assert first.outcome is second.outcome is CheckOutcome.ABORTED
    assert [one.code for one in first.reasons] == [code]
    assert first.duration_ms < 400 + ROOM_S * 1000
    assert "U01SPECIM" not in str(logged) + str(first.reasons), "what it saw stands nowhere"
    assert not (tmp_path / "kept").exists() or (tmp_path / "kept").stat().st_size == 0


async def test_a_view_is_frozen_and_holds_exactly_what_was_declared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ((result, _),) = await answers(tmp_path, monkeypatch, "peek")
    assert [(one.name, one.found) for one in result.compared] == [("keys", "document_number")]


async def test_what_a_check_prints_is_nobodys_to_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    ((result, _),) = await answers(tmp_path, monkeypatch, "talk")
    assert result.outcome is CheckOutcome.SUCCESSFUL
    assert "U01SPECIM" not in "".join(capfd.readouterr())


async def test_one_that_hangs_holds_up_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = install(
        tmp_path, monkeypatch, "acme-checks", {"hang": "misbehaving:HANG", "talk": "misbehaving:TALK"},
        {"misbehaving": f"PLACE = ''\n{SOURCE}\nHANG = declared(hang, budget_ms=3000)\nTALK = declared(talk)"}, "egate.checks",
    )  # fmt: skip
    named = [CheckSettings(name=name, longest_ms=3000) for name in ("hang", "talk")]
    checks = await PluginChecks.open(named, SystemClock(), worker_of(home))
    try:
        hanging = asyncio.create_task(checks.checks[0].seeing(SEEN))
        for _ in range(5):
            assert (await checks.checks[1].seeing(SEEN)).outcome is CheckOutcome.SUCCESSFUL
        assert not hanging.done()
        assert (await hanging).outcome is CheckOutcome.ABORTED
        # its worker is another one by the next traveller
        assert (await checks.checks[0].seeing(SEEN)).reasons[0].code is ReasonCode.PLUGIN_TIMED_OUT
    finally:
        await checks.close()


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import nowhere_at_all", "cannot be imported: ModuleNotFoundError"),
        ("raise SystemExit(4)", "cannot be imported: SystemExit"),
        ("CHECK = 5", "is no CheckDeclaration"),
        (SOURCE + "CHECK = declared(talk, titles={'ru': 'x'})", "English"),
        (SOURCE + "CHECK = declared(talk, titles={'en': 'x' * 5000})", "60 characters at most"),
        (SOURCE + "CHECK = declared(talk, titles={'en': 'a {0.__class__}'})", "without braces"),
        (SOURCE + "CHECK = declared(talk, budget_ms=10**9)", "budget_ms"),
        (SOURCE + "CHECK = declared(talk, inputs=['everything'])", "inputs"),
        (
            SOURCE + "CHECK = declared(talk, findings={f'c{n}': dict.fromkeys(['en', 'ru', 'uz', 'kk', 'ky'], 'y' * 200) for n in range(32)})",
            "characters together",
        ),
    ],
)  # fmt: skip
async def test_a_package_that_brings_no_check_is_aborted_and_says_why(
    source: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = install(tmp_path, monkeypatch, "acme-checks", {"bad": "brought:CHECK"}, {"brought": source}, "egate.checks")
    checks = await PluginChecks.open([CheckSettings(name="bad")], SystemClock(), worker_of(home))
    (check,) = checks.checks
    assert words in check.refusal
    result = await check.seeing(SEEN)
    assert (result.outcome, result.reasons[0].code) == (CheckOutcome.ABORTED, ReasonCode.PLUGIN_UNAVAILABLE)
    await checks.close()


async def test_only_what_is_named_is_loaded_and_an_unknown_or_doubled_name_is_a_settings_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = tmp_path / "loaded"
    loud = f"from pathlib import Path\nPath({str(mark)!r}).touch()\n{SOURCE}\nCHECK = declared(talk)"
    install(tmp_path, monkeypatch, "acme-checks", {"loud": "loud:CHECK"}, {"loud": loud}, "egate.checks")
    home = install(tmp_path, monkeypatch, "b-checks", {"talk": "quiet:CHECK"}, {"quiet": f"{SOURCE}\nCHECK = declared(talk)"}, "egate.checks")  # fmt: skip
    assert {"loud", "talk"} <= {one.name for one in installed_checks()}
    checks = await PluginChecks.open([CheckSettings(name="talk")], SystemClock(), worker_of(home))
    await checks.close()
    assert not mark.exists()
    with pytest.raises(SettingsFault, match=r"'talks', which no installed package brings; installed: .*loud, talk"):
        await PluginChecks.open([CheckSettings(name="talks")], SystemClock())
    install(tmp_path, monkeypatch, "c-checks", {"talk": "quiet:CHECK"}, {}, "egate.checks")
    with pytest.raises(SettingsFault, match="several packages bring: b-checks, c-checks"):
        await PluginChecks.open([CheckSettings(name="talk")], SystemClock())


def test_a_name_that_could_be_one_of_ours_is_no_name() -> None:
    assert PluginCheckName.of("watchlist") == "plugin.watchlist"
    for name in ("", "Watchlist", "a.b", "1st", "x" * 41, "watch list"):
        with pytest.raises(ValueError, match="is no name of a check"):
            PluginCheckName.of(name)


def test_a_view_is_made_of_the_declared_inputs_and_no_others() -> None:
    from gate_agent.demo.specimens import specimen
    from gate_agent.domain.mrz import read_mrz
    from gate_agent.inspection.plugin import frozen_view, seen_of

    today = date(2026, 6, 15)
    document = read_mrz(specimen(1, today).lines(), today).document
    assert document is not None
    inputs = frozenset({Input.NATIONALITY, Input.DATE_OF_BIRTH, Input.DIRECTION, Input.LOCAL_DATE, Input.PICTURE_WHITE})
    seen = seen_of(inputs, document, "entry", today, {"white": b"w", "infrared": b"i"})
    assert seen == {
        "nationality": "UTO", "date_of_birth": document.date_of_birth, "direction": "entry", "local_date": today, "picture_white": b"w",
    }  # fmt: skip
    assert all(one.value in seen_of(frozenset(Input), document, "entry", today, {}) for one in Input), (
        "each has a source"
    )
    with pytest.raises(PluginRefused):
        frozen_view(seen | {"document_number": "U01SPECIM"}, inputs)
    with pytest.raises(TypeError):
        frozen_view(seen, inputs)["nationality"] = "D"  # type: ignore[index]
    assert CheckDeclaration(lambda _: None, inputs, 10, {"en": "A"})  # type: ignore[arg-type, return-value]
