"""The process that judges chips, as the agent's loop uses it: verdicts, faults, replacement, new bundles, and a loop that never waits."""

import asyncio
import json
import os
import signal
import socket
import sys
import time

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from drivers.contracts import ChipEvidence
from gate_agent.clock import SystemClock
from gate_agent.domain.check import CheckName, CheckOutcome, CheckResult
from gate_agent.domain.reasons import ReasonCode
from gate_agent.errors import InspectionFault
from gate_agent.inspection import chip_authenticity_messages as messages
from gate_agent.inspection import serving
from gate_agent.inspection import worker as worker_module
from gate_agent.inspection.chip_authenticity import ChipJudge
from gate_agent.inspection.trust_import import draft, sign_and_publish
from gate_agent.inspection.trust_versions import current_version
from gate_agent.runtime import chip_inspection_process as process
from gate_agent.runtime.chip_inspection import ChipInspectionEngine
from tests.unit import document_issuers as utopia
from tests.unit.test_chip_authenticity import CSCA, GROUPS, JPEG, LINES, PRINTED, SIGNER, evidence

NOW = utopia.NOW
KEYS = {name: Ed25519PrivateKey.generate() for name in ("supervisor-1", "technician-1")}
OFFICERS = {name: key.public_key().public_bytes_raw() for name, key in KEYS.items()}
SOD = utopia.sod(SIGNER, GROUPS)


def issue(trust, *files, now=NOW):
    prepared = draft(current_version(trust, OFFICERS), [("file", one) for one in files], now, OFFICERS)
    return sign_and_publish(trust, prepared, list(KEYS.items()), OFFICERS)


@pytest.fixture
def trust(tmp_path):
    issue(tmp_path / "trust", CSCA.certificate, utopia.revocation_list(CSCA, []))
    return tmp_path / "trust"


@pytest.fixture
async def engine(trust):
    engine = ChipInspectionEngine(trust, lambda: OFFICERS, 28.0, SystemClock())
    await engine.start()
    yield engine
    await engine.stop()


async def test_a_chip_is_judged_out_of_process(engine):
    assert engine.covered_states == {"UTO"}
    assert engine.version == 1
    assert engine.refusal == ""
    found = await engine.chip(evidence(), PRINTED, NOW)
    failed = {result.check for result in found.results if result.outcome is not CheckOutcome.SUCCESSFUL}
    assert failed == {CheckName.SPECIMEN}, "the signer is Utopian, and only that speaks against it"
    assert found.mrz_lines == LINES
    assert found.portrait == JPEG
    early = await engine.security_object(SOD, NOW)
    assert [result.check for result in early] == [CheckName.SOD_SIGNATURE, CheckName.CERTIFICATE_CHAIN, CheckName.CERTIFICATE_REVOCATION]  # fmt: skip
    assert all(result.duration_ms > 0 for result in early)


async def test_verdicts_are_those_of_the_judge_itself(engine, trust):
    bundle, refusal = worker_module.load(trust, OFFICERS, 0)
    assert refusal == ""
    judge = ChipJudge(bundle, 28.0)
    for found in (evidence(), ChipEvidence(), evidence(fault="DRV-CHP-004", challenge=bytes(8))):
        ours = judge.chip(found, PRINTED, NOW)
        theirs = await engine.chip(found, PRINTED, NOW)
        assert [(one.check, one.outcome, one.reasons, one.compared) for one in theirs.results] == [
            (one.check, one.outcome, one.reasons, one.compared) for one in ours.results
        ]


async def test_the_loop_does_not_wait_for_a_verdict(engine):
    big = evidence()
    big = ChipEvidence(files=big.files | {"DG2": big.files["DG2"] + os.urandom(1 << 20)})
    longest, running = 0.0, True

    async def ticking():
        nonlocal longest
        while running:
            before, cpu = time.perf_counter(), time.thread_time()
            await asyncio.sleep(0)
            longest = max(longest, min(time.perf_counter() - before, time.thread_time() - cpu))

    ticker = asyncio.create_task(ticking())
    for _ in range(5):
        await engine.chip(big, PRINTED, NOW)
    running = False
    await ticker
    assert longest < 0.05


async def test_a_killed_worker_is_replaced_and_answers_again(engine):
    first = engine.worker_process_id
    os.kill(first, signal.SIGKILL)
    deadline_s = time.monotonic() + 20
    while engine.worker_process_id in (first, None) and time.monotonic() < deadline_s:
        await asyncio.sleep(0.02)
    assert engine.worker_process_id not in (first, None)
    assert engine.covered_states == {"UTO"}
    assert (await engine.security_object(SOD, NOW))[0].outcome is CheckOutcome.SUCCESSFUL


async def test_a_hanging_worker_costs_its_request_and_is_replaced(engine):
    engine._timeout_s = 0.3
    first = engine.worker_process_id
    os.kill(first, signal.SIGSTOP)
    with pytest.raises(InspectionFault) as fault:
        await engine.security_object(SOD, NOW)
    assert fault.value.code == process.TIMED_OUT
    engine._timeout_s = 20.0
    assert (await engine.security_object(SOD, NOW))[0].outcome is CheckOutcome.SUCCESSFUL
    assert engine.worker_process_id != first
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)


async def test_a_caller_that_gives_up_leaves_no_stale_answer(engine):
    task = asyncio.create_task(engine.chip(evidence(), PRINTED, NOW))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(await engine.security_object(SOD, NOW)) == 3


async def test_lanes_ask_at_the_same_time(engine):
    found = await asyncio.gather(*(engine.security_object(SOD, NOW) for _ in range(8)))
    assert {result[0].outcome for result in found} == {CheckOutcome.SUCCESSFUL}


async def test_a_new_bundle_is_taken_and_an_older_one_never(engine, trust):
    other = utopia.certify("DE", "Other")
    issue(trust, other.certificate)
    assert await engine.reload()
    assert engine.version == 2
    assert engine.covered_states == {"UTO", "D", "DEU"}
    link = trust / "current"
    link.unlink()
    link.symlink_to("versions/0000001")
    assert not await engine.reload()
    assert engine.version == 2
    assert len(await engine.security_object(SOD, NOW)) == 3


async def test_the_watch_takes_a_new_bundle_by_itself(trust, monkeypatch):
    monkeypatch.setattr("gate_agent.runtime.chip_inspection.WATCH_INTERVAL_S", 0.05)
    engine = ChipInspectionEngine(trust, lambda: OFFICERS, 28.0, SystemClock())
    await engine.start()
    try:
        issue(trust, utopia.certify("DE", "Other").certificate)
        deadline_s = time.monotonic() + 20
        while engine.version != 2 and time.monotonic() < deadline_s:
            await asyncio.sleep(0.05)
        assert engine.version == 2
    finally:
        await engine.stop()


async def test_a_bundle_that_is_not_believed_proves_nothing_and_stops_nothing(trust):
    engine = ChipInspectionEngine(trust, dict, 28.0, SystemClock())
    await engine.start()
    try:
        assert engine.covered_states is None
        assert engine.refusal.startswith("EG-TRU-002")
        found = await engine.security_object(SOD, NOW)
        assert [result.outcome for result in found[1:]] == [CheckOutcome.UNDETERMINED] * 2
        assert found[1].reasons[0].code is ReasonCode.TRUST_BUNDLE_MISSING
    finally:
        await engine.stop()


async def test_officers_who_leave_take_nothing_away_from_the_bundle_in_force(trust):
    officers = dict(OFFICERS)
    engine = ChipInspectionEngine(trust, lambda: officers, 28.0, SystemClock())
    await engine.start()
    try:
        officers.clear()
        assert not await engine.reload()
        assert engine.covered_states == {"UTO"}, "it ages and becomes stale, and nobody was without it meanwhile"
    finally:
        await engine.stop()


async def test_without_a_trust_folder_nobody_is_covered(tmp_path):
    engine = ChipInspectionEngine(tmp_path / "absent", lambda: OFFICERS, 28.0, SystemClock())
    await engine.start()
    try:
        assert engine.covered_states is None
    finally:
        await engine.stop()


async def test_a_worker_that_cannot_start_is_a_fault(trust):
    for command in (["/nonexistent"], [sys.executable, "-c", "raise SystemExit(7)"]):
        engine = ChipInspectionEngine(trust, lambda: OFFICERS, 28.0, SystemClock(), worker_command=command)
        with pytest.raises(InspectionFault) as fault:
            await engine.start()
        assert fault.value.code == process.NOT_STARTED
        with pytest.raises(InspectionFault) as fault:
            await engine.security_object(SOD, NOW)
        assert fault.value.code == process.NOT_RUNNING


async def test_evidence_beyond_all_measure_is_refused(engine):
    huge = ChipEvidence(files={"DG2": bytes(messages.LARGEST_EVIDENCE_BYTES)})
    with pytest.raises(InspectionFault) as fault:
        await engine.chip(huge, PRINTED, NOW)
    assert fault.value.code == process.REFUSED
    assert len(await engine.security_object(SOD, NOW)) == 3


class TestMessages:
    @pytest.mark.parametrize(
        ("name", "value"),
        [("version", "x"), ("skipped", None), ("certificates", [1]), ("load_ms", float("nan")), ("load_ms", float("inf")), ("countries", 3)],
    )  # fmt: skip
    def test_a_bundle_of_other_values_is_refused(self, name, value):
        table = json.loads(messages.encode_answer(messages.WorkerReady(3, ("UT",), 1, 0, 2.5)))
        assert messages.decode_answer(json.dumps(table).encode()) == messages.WorkerReady(3, ("UT",), 1, 0, 2.5)
        with pytest.raises(messages.MessageNonsense):
            messages.decode_answer(json.dumps(table | {name: value}).encode())
        with pytest.raises(messages.MessageNonsense):
            messages.decode_answer(json.dumps({key: held for key, held in table.items() if key != name}).encode())

    def test_a_duration_that_no_record_can_hold_is_refused(self):
        result = CheckResult(CheckName.CHIP_CONTENT, CheckOutcome.SUCCESSFUL, duration_ms=float("nan"))
        with pytest.raises(messages.MessageNonsense):
            messages.decode_answer(messages.encode_answer(messages.Judged(1, (result,))))

    def test_evidence_crosses_unchanged(self):
        for found, printed in ((evidence(), PRINTED), (ChipEvidence(), None)):
            assert messages.decode_evidence(messages.encode_evidence(found, printed)) == (found, printed)

    @pytest.mark.parametrize("packet", [b"", b"{}", b"[]", b'{"kind":"x"}', b'{"kind":"judged"}', b"\xff", b'{"kind":"ready","x":1}', b'{"kind":"judged","id":1,"results":[],"mrz_lines":[],"portrait":[5,2]}', b"[" * 100_000])  # fmt: skip
    def test_nonsense_is_refused_in_both_directions(self, packet):
        for decode in (messages.decode_answer, messages.decode_request, messages.decode_evidence):
            with pytest.raises(messages.MessageNonsense):
                decode(packet)

    def test_the_worker_answers_nonsense_with_a_refusal(self):
        judge = ChipJudge(None, 28.0)
        assert isinstance(worker_module.answer(judge, b"nonsense", []), messages.RequestRefused)
        descriptor = os.memfd_create("short")
        try:
            os.write(descriptor, b"abc")
            for size, descriptors in ((3, []), (4, [descriptor]), (0, [descriptor]), (3, [descriptor])):
                packet = messages.encode_request(1, messages.CHIP, NOW, size)
                assert isinstance(worker_module.answer(judge, packet, descriptors), messages.RequestRefused)
        finally:
            os.close(descriptor)


def _answers(judge, *packets):
    """Return what a worker says to packets without a memory file, one after another, until it ends."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        for packet in packets:
            ours.send(packet)
        ours.shutdown(socket.SHUT_WR)
        serving.serve(judge, theirs)
        theirs.shutdown(socket.SHUT_WR)
        return [messages.decode_answer(said) for said in iter(lambda: ours.recv(65_536), b"")]


def test_only_a_worker_that_ran_out_of_memory_ends_over_a_request(monkeypatch):
    request = messages.encode_request(1, messages.CHIP, NOW, 9)
    refused = _answers(None, request, request)
    assert [one.message for one in refused] == ["a request comes with one memory file"] * 2, "its words do not end it"
    monkeypatch.setattr(serving, "_shared", lambda *_: b"")

    def hungry(_request, _content):
        raise MemoryError

    assert len(_answers(hungry, request, request)) == 1
