"""Ways to a chip: the socket that a virtual chip connects to, limits on calls that hang, and the command that uses them."""

import json
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from drivers.chip.errors import ChipGone, ChipSilent, NoChip, ReaderRefused
from drivers.chip.patience import Patience
from drivers.chip.reading import ChipReading
from drivers.chip.socket_transport import ChipSocket
from drivers.contracts import ChipAccess, ChipKeys, ProtocolOutcome
from gate_agent.cli import main

ATR = bytes.fromhex("3B80800101")


def receive(connection: socket.socket) -> bytes:
    head = connection.recv(2, socket.MSG_WAITALL)
    return connection.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL) if len(head) == 2 else b""


def chip_at(port: int, answer: Callable[[bytes], bytes | None], connected: Callable[[], None] = lambda: None) -> None:
    """A chip that connects and answers commands with `answer`; None: it leaves."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connected()
        while message := receive(connection):
            if len(message) == 1:
                reply = ATR if message == b"\x04" else b""
            else:
                said = answer(message)
                if said is None:
                    return
                reply = said
            if reply:
                connection.sendall(len(reply).to_bytes(2, "big") + reply)


def chip(port: int, answer: Callable[[bytes], bytes | None]) -> None:
    threading.Thread(target=chip_at, args=(port, answer), daemon=True).start()


def read(port_answer: Callable[[bytes], bytes | None], answer_s: float = 5.0) -> object:
    listener = ChipSocket(0)
    try:
        chip(listener.port, port_answer)
        transport = listener.accept(5.0, answer_s)
        try:
            keys = ChipKeys("L898902C<369080619406236")
            return ChipReading(lambda: transport, keys, lambda _: None, bytes, time.monotonic).run()
        finally:
            transport.leave()
    finally:
        listener.close()


def test_a_chip_without_a_passport_application() -> None:
    evidence = read(lambda _: b"\x6a\x82")
    assert evidence.fault == "DRV-CHP-005"
    assert evidence.access is ChipAccess.NONE
    assert evidence.apdus == 2
    assert evidence.files == {}


def test_a_chip_that_refuses_the_key_is_no_fault_and_not_open() -> None:
    answers = iter([b"\x6a\x82", b"\x90\x00", bytes(8) + b"\x90\x00", b"\x63\x00"])
    evidence = read(lambda _: next(answers))
    assert evidence.fault == ""
    assert evidence.access is ChipAccess.NONE
    assert evidence.basic_access is ProtocolOutcome.FAILED
    assert "6300" in evidence.fault_text


@pytest.mark.parametrize("after", range(4))
def test_a_chip_that_leaves(after: int) -> None:
    answers = iter([b"\x6a\x82", b"\x90\x00", bytes(8) + b"\x90\x00", b"\x63\x00"][:after])
    evidence = read(lambda _: next(answers, None))
    assert evidence.fault == "DRV-CHP-001"


def test_a_chip_that_says_nothing_is_given_up() -> None:
    held = threading.Event()
    started_s = time.monotonic()
    evidence = read(lambda _: held.wait(30) and None, answer_s=0.2)
    assert evidence.fault == "DRV-CHP-002"
    assert time.monotonic() - started_s < 5
    held.set()


def test_no_chip_and_a_port_that_is_taken() -> None:
    listener = ChipSocket(0)
    with pytest.raises(ReaderRefused):
        ChipSocket(listener.port)
    with pytest.raises(NoChip):
        listener.accept(0.05, 1.0)
    listener.close()


def test_patience_ends_and_is_not_tried_again() -> None:
    patience = Patience(0.1)
    assert patience.call(lambda: 7) == 7
    with pytest.raises(ChipGone):
        patience.call(lambda: (_ for _ in ()).throw(ChipGone("gone")))
    held = threading.Event()
    with pytest.raises(ChipSilent):
        patience.call(held.wait)
    with pytest.raises(ChipSilent, match="did not come back"):
        patience.call(lambda: 7)
    held.set()
    patience.end()


def test_the_command_answers_for_a_chip_on_a_socket(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    def connect() -> None:
        while not connected.is_set():  # until the command listens
            try:
                chip_at(port, lambda _: b"\x6a\x82", connected.set)
            except OSError:
                time.sleep(0.02)

    connected = threading.Event()
    threading.Thread(target=connect, daemon=True).start()
    lines = ["P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"]
    arguments = [part for line in lines for part in ("--mrz", line)]
    code = main(["inspect", "chip", "--socket", str(port), *arguments, "--trust", str(tmp_path), "--json"])
    answer = json.loads(capsys.readouterr().out)
    assert code == 0
    assert answer["access"] == "none"
    assert answer["fault"] == "DRV-CHP-005"
    outcomes = {one["check"]: one["result"] for one in answer["checks"]}
    assert "successful" not in outcomes.values()


def test_lines_that_are_no_zone_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "chip", "--socket", "1", "--mrz", "NOT A ZONE", "--trust", str(tmp_path)]) == 3
    assert "EG-CHP-001" in capsys.readouterr().err
