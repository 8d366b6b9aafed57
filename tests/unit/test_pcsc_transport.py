"""What results and states of the PC/SC service become, on machines without one: the library is played here."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest

from drivers.chip import pcsc_service, presence
from drivers.chip.errors import ChipFault, ChipGone, NoChip, ReaderAbsent, ReaderServiceAbsent
from drivers.chip.pcsc_service import chosen_reader, reader_names
from drivers.chip.pcsc_transport import PcscTransport
from drivers.chip.presence import PcscPlace, Presented, Ready, Removed

OK = 0
RESULTS = {name: -number for number, name in enumerate((*pcsc_service._MEANINGS, "SCARD_E_TIMEOUT", "SCARD_E_NOT_TRANSACTED", "SCARD_W_RESET_CARD"), 1)}  # fmt: skip
ATR = [0x3B, -0x80, -0x80, 1, 1]  # the library hands bytes on as signed ones
STATES = {"UNAWARE": 0, "CHANGED": 2, "UNKNOWN": 4, "UNAVAILABLE": 8, "EMPTY": 0x10, "PRESENT": 0x20, "MUTE": 0x200}
EMPTY, PRESENT, MUTE = STATES["EMPTY"], STATES["PRESENT"], STATES["PRESENT"] | STATES["MUTE"]
READERS = ("Other 00 00", "HID OMNIKEY 5022 00 00")


class PlayedLibrary(SimpleNamespace):
    """`smartcard.scard`: every call is noted, and ends as `results` says for it, call by call; then well."""

    def __init__(self, **results: list[int]) -> None:
        names = ("SCOPE_USER", "SHARE_SHARED", "PROTOCOL_T0", "PROTOCOL_T1", "PCI_T0", "PCI_T1", "LEAVE_CARD", "UNPOWER_CARD")  # fmt: skip
        super().__init__(
            SCARD_S_SUCCESS=OK, **RESULTS, **{f"SCARD_{name}": 1 << place for place, name in enumerate(names)}
        )
        self.__dict__.update({f"SCARD_STATE_{name}": state for name, state in STATES.items()})
        self.calls: list[str] = []
        self.disposed: list[int] = []
        self.answer = [0x01, -0x70, 0x00]
        self.states: list[tuple[int, int]] = []
        self._results = {name: iter(them) for name, them in results.items()}

    def _result(self, call: str) -> int:
        self.calls.append(call)
        return next(self._results.get(call, itertools.repeat(OK)), OK)

    def SCardGetErrorMessage(self, result: int) -> str:
        return f"result {result}"

    def SCardEstablishContext(self, _scope: int) -> tuple[int, str]:
        return self._result("establish"), "context"

    def SCardReleaseContext(self, _context: str) -> None:
        self.calls.append("release")

    def SCardListReaders(self, _context: str, _groups: list[str]) -> tuple[int, list[str]]:
        return self._result("list"), list(READERS)

    def SCardConnect(self, *_asked: object) -> tuple[int, str, int]:
        return self._result("connect"), "card", self.SCARD_PROTOCOL_T1

    def SCardReconnect(self, *_asked: object) -> tuple[int, int]:
        return self._result("reconnect"), self.SCARD_PROTOCOL_T1

    def SCardStatus(self, _card: str) -> tuple[int, str, int, int, list[int]]:
        return self._result("status"), "", 0, 0, ATR

    def SCardTransmit(self, _card: str, _header: int, _command: list[int]) -> tuple[int, list[int]]:
        result = self._result("transmit")
        return result, self.answer if result == OK else []

    def SCardDisconnect(self, _card: str, disposition: int) -> None:
        self.calls.append("disconnect")
        self.disposed.append(disposition)

    def SCardGetStatusChange(
        self, _context: str, _wait_ms: int, _asked: object
    ) -> tuple[int, list[tuple[str, int, list[int]]]]:
        self.calls.append("look")
        if not self.states:
            raise OSError("the process ends")
        result, state = self.states.pop(0)
        return result, [("", state, ATR)]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch):
    def play(**results: list[int]) -> PlayedLibrary:
        library = PlayedLibrary(**results)
        monkeypatch.setattr(pcsc_service, "library", lambda: library)
        monkeypatch.setattr(presence, "library", lambda: library)
        monkeypatch.setattr(presence, "LOOK_AGAIN_S", 0.001)
        monkeypatch.setattr(presence, "SETTLING_S", 0.001)
        return library

    return play


def test_a_chip_is_spoken_to_and_switched_off(play) -> None:
    library = play()
    chip = PcscTransport("OMNIKEY", 1.0)
    assert chip.atr == bytes.fromhex("3B80800101")
    assert chip.transmit(b"\x00\xb0\x00\x00\x01") == b"\x01\x90\x00"
    chip.close()
    assert library.calls == ["establish", "list", "connect", "status", "transmit", "disconnect", "release"]
    assert library.disposed == [library.SCARD_UNPOWER_CARD]


def test_a_doubted_chip_is_switched_off_and_on_first(play) -> None:
    library = play()
    PcscTransport("OMNIKEY", 1.0, is_doubted=True).close()
    assert library.calls[2:5] == ["connect", "reconnect", "status"]


@pytest.mark.parametrize("result", ["SCARD_W_RESET_CARD", "SCARD_E_NO_SMARTCARD"])
def test_the_first_try_may_find_no_chip(play, result: str) -> None:
    library = play(connect=[RESULTS[result]])
    PcscTransport("OMNIKEY", 1.0).close()
    assert library.calls.count("connect") == 2


@pytest.mark.parametrize(("result", "fault"), pcsc_service._MEANINGS.items())
def test_what_a_refused_connection_means(play, result: str, fault: type[ChipFault]) -> None:
    library = play(connect=[RESULTS[result]] * 2)
    with pytest.raises(fault, match="PC/SC FFFFFF"):
        PcscTransport("OMNIKEY", 1.0)
    assert library.calls[-1] == "release", "nothing is left with the service"
    assert library.calls.count("connect") == (2 if fault is NoChip else 1)


@pytest.mark.parametrize("result", sorted(RESULTS))
def test_a_command_without_an_answer_means_a_chip_that_went_unless_the_service_did(play, result: str) -> None:
    library = play(transmit=[RESULTS[result]])
    chip = PcscTransport("OMNIKEY", 1.0)
    is_service = pcsc_service._MEANINGS.get(result) is ReaderServiceAbsent
    with pytest.raises(ReaderServiceAbsent if is_service else ChipGone):
        chip.transmit(b"\x00\xb0\x00\x00\x01")
    chip.close()
    assert library.disposed == [library.SCARD_UNPOWER_CARD if is_service else library.SCARD_LEAVE_CARD]


def test_an_empty_answer_is_none(play) -> None:
    library = play()
    library.answer = []
    with pytest.raises(ChipGone):
        PcscTransport("OMNIKEY", 1.0).transmit(b"\x00\xb0\x00\x00\x01")


def test_readers_are_named_by_a_part_and_an_absent_one_beside_those_there_are(play) -> None:
    play()
    assert reader_names() == READERS
    assert chosen_reader(READERS, "OMNIKEY") == READERS[1]
    with pytest.raises(ReaderAbsent, match="Other 00 00, HID OMNIKEY 5022 00 00"):
        chosen_reader(READERS, "ACR")
    with pytest.raises(ReaderAbsent, match="there are: none"):
        chosen_reader((), "ACR")


def test_no_readers_is_an_answer_and_no_service_is_a_fault(play) -> None:
    play(list=[RESULTS["SCARD_E_NO_READERS_AVAILABLE"]])
    assert reader_names() == ()
    play(list=[RESULTS["SCARD_E_SERVICE_STOPPED"]])
    with pytest.raises(ReaderServiceAbsent):
        reader_names()
    play(establish=[RESULTS["SCARD_E_NO_SERVICE"]])
    with pytest.raises(ReaderServiceAbsent):
        reader_names()


def watched(library: PlayedLibrary, *states: int | tuple[int, int]) -> list[object]:
    """Everything a place tells of these states, until the script is over."""
    library.states = [state if isinstance(state, tuple) else (OK, state) for state in states]
    place = PcscPlace("OMNIKEY", 1.0)
    place.watching.join(5)
    with place._ours, place._theirs:
        return place.changes()


def test_chips_that_come_and_go(play) -> None:
    chip = Presented(bytes.fromhex("3B80800101"))
    idle = (RESULTS["SCARD_E_TIMEOUT"], 0)
    told = watched(play(), EMPTY, idle, 0x10000 | PRESENT, idle, 0x20000 | EMPTY, 0x30000 | PRESENT, 0x40000 | EMPTY)
    assert told == [Ready(), chip, Removed(), chip, Removed()]


def test_a_chip_that_changed_between_two_looks(play) -> None:
    chip = Presented(bytes.fromhex("3B80800101"))
    told = watched(play(), 0x10000 | PRESENT, 0x10000 | PRESENT, 0x30000 | PRESENT, 0x40000 | EMPTY)
    assert told == [Ready(), chip, Removed(), chip, Removed()]


def test_a_mute_chip_is_none(play) -> None:
    assert watched(play(), EMPTY, 0x10000 | MUTE, 0x20000 | EMPTY) == [Ready()]


@pytest.mark.parametrize(
    ("state", "fault"),
    [
        ((OK, STATES["UNAVAILABLE"]), ReaderAbsent),
        ((OK, STATES["UNKNOWN"]), ReaderAbsent),
        ((RESULTS["SCARD_E_UNKNOWN_READER"], 0), ReaderAbsent),
        ((RESULTS["SCARD_E_NO_SERVICE"], 0), ReaderServiceAbsent),
        ((RESULTS["SCARD_E_INVALID_HANDLE"], 0), ReaderServiceAbsent),
    ],
)
def test_a_reader_or_service_that_goes_takes_its_chip_along_and_is_looked_for_again(play, state, fault) -> None:
    chip = Presented(bytes.fromhex("3B80800101"))
    library = play()
    told = watched(library, PRESENT, state, PRESENT)
    assert [one if not isinstance(one, ChipFault) else type(one) for one in told] == [
        Ready(), chip, Removed(), fault, Ready(), chip, Removed(),
    ]  # fmt: skip
    assert library.calls.count("establish") == library.calls.count("release") == 2
