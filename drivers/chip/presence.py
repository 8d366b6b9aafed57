"""Where chips come and go: a PC/SC reader watched by a thread, or a socket that virtual chips connect to. Used in the reading process."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from drivers.chip.errors import ChipFault, ChipSilent, NoChip, ReaderAbsent
from drivers.chip.pcsc_service import PcscContext, chosen_reader, library
from drivers.chip.pcsc_transport import PcscTransport
from drivers.chip.socket_transport import ChipSocket, SocketTransport
from drivers.chip.transport import Transport

STATUS_WAIT_MS = 200
LOOK_AGAIN_S = 0.5
SETTLING_S = 0.6  # pcscd looks for chips every 0.4 s
ACCEPT_S = 0.05


@dataclass(frozen=True, slots=True)
class Ready:
    """The reader answers; `port` where chips connect to one."""

    port: int = 0


@dataclass(frozen=True, slots=True)
class Presented:
    """A chip is there."""

    atr: bytes


@dataclass(frozen=True, slots=True)
class Removed:
    """It is gone."""


Change = Ready | Presented | Removed | ChipFault


class ChipPlace(Protocol):
    """A place where one chip at a time can be. `ends_with_silence`: after a command that did not come back it is of no more use."""

    ends_with_silence: bool

    def descriptors(self) -> list[int]:
        """Descriptors that become readable when something may have changed."""
        ...

    def changes(self) -> list[Change]:
        """Return what changed since the last call, without waiting."""
        ...

    def connect(self) -> Transport:
        """Open a new conversation with the chip. Raises `ChipFault`."""
        ...


class SocketPlace:
    """Chips that connect to a port on this machine, one at a time; another one is sent away while one is there."""

    ends_with_silence = False

    def __init__(self, port: int, answer_s: float) -> None:
        """Listen. Raises `ReaderRefused`."""
        self._answer_s = answer_s
        self._listener = ChipSocket(port)
        self._chip: SocketTransport | None = None
        self._waiting: deque[Change] = deque([Ready(self._listener.port)])

    def descriptors(self) -> list[int]:
        """Return the listening socket and the chip's."""
        return [self._listener.fileno(), *([self._chip.fileno()] if self._chip else [])]

    def changes(self) -> list[Change]:
        """Take a new chip, notice one that left."""
        if self._chip is not None and not self._chip.is_there():
            self._leave()
        if select.select([self._listener.fileno()], [], [], 0)[0]:
            self._accept()
        changes, self._waiting = list(self._waiting), deque()
        return changes

    def connect(self) -> Transport:
        """Reset the chip that is there: it forgets every session."""
        if self._chip is None:
            raise NoChip("no chip is connected")
        try:
            self._chip.reset()
        except ChipSilent:
            self._leave()  # whatever it still says belongs to no question of the next read
            raise
        return _Mindful(self._chip, self._leave)  # late answers of a silent one would be taken for others

    def _accept(self) -> None:
        try:
            chip = self._listener.accept(ACCEPT_S, self._answer_s)
        except ChipFault:  # gone again, or mute from the start: it was never presented
            return
        if self._chip is not None:
            chip.leave()
            return
        self._chip = chip
        self._waiting.append(Presented(chip.atr))

    def _leave(self) -> None:
        if self._chip is not None:
            self._chip.leave()
            self._chip = None
            self._waiting.append(Removed())


class _Mindful:
    """A chip whose place hears at once that it went, or was silent."""

    def __init__(self, chip: Transport, leave: Callable[[], None]) -> None:
        self._chip = chip
        self._leave = leave

    @property
    def atr(self) -> bytes:
        return self._chip.atr

    def transmit(self, command: bytes) -> bytes:
        try:
            return self._chip.transmit(command)
        except ChipFault:
            self._leave()
            raise

    def close(self) -> None:
        self._chip.close()


class PcscPlace:
    """The first PC/SC reader whose name holds `reader`."""

    ends_with_silence = True  # the command that hangs holds the reader as long as the process lives

    def __init__(self, reader: str, answer_s: float) -> None:
        """Start watching. Raises `ReaderSupportAbsent`."""
        self._reader = reader
        self._answer_s = answer_s
        library()
        self._is_doubted = threading.Event()
        self._was_doubted = False
        self._waiting: deque[Change] = deque()
        self._ours, self._theirs = socket.socketpair()
        self._ours.setblocking(False)
        threading.Thread(target=self._watch, name="reader watch", daemon=True).start()

    def descriptors(self) -> list[int]:
        """Return the watching thread's bell."""
        return [self._ours.fileno()]

    def changes(self) -> list[Change]:
        """Return what the thread saw."""
        with contextlib.suppress(BlockingIOError):
            self._ours.recv(4096)
        changes = []
        while self._waiting:
            changes.append(self._waiting.popleft())
        return changes

    def connect(self) -> Transport:
        """Open a new connection: an old one connects quietly after a removal and fails later."""
        try:
            chip = PcscTransport(self._reader, self._answer_s, is_doubted=self._was_doubted)
        except NoChip:
            self._leave()
            raise
        self._was_doubted = False
        return _Mindful(chip, self._leave)

    def _leave(self) -> None:
        """Take the chip for gone, whatever the service believes: it looks now and then only, and one that came at once is the same to it."""
        self._was_doubted = True
        self._is_doubted.set()
        self._tell(Removed())

    def _tell(self, change: Change) -> None:
        self._waiting.append(change)
        self._theirs.send(b"!")

    def _watch(self) -> None:
        while True:
            try:
                self._watch_one_reader()
            except ChipFault as fault:
                self._tell(fault)
            except OSError:  # the process ends
                return
            time.sleep(LOOK_AGAIN_S)

    def _watch_one_reader(self) -> None:
        """Report presence until the reader or the service goes. Raises `ReaderAbsent` or `ReaderServiceAbsent`."""
        context = PcscContext()
        scard, was_present = context.scard, False
        try:
            name = chosen_reader(context.reader_names(), self._reader)
            state, is_first = scard.SCARD_STATE_UNAWARE, True
            while True:
                if self._is_doubted.is_set():
                    time.sleep(SETTLING_S)
                    self._is_doubted.clear()
                    state, was_present = scard.SCARD_STATE_UNAWARE, False
                waits_ms = 0 if state == scard.SCARD_STATE_UNAWARE else STATUS_WAIT_MS
                result, states = scard.SCardGetStatusChange(context.handle, waits_ms, [(name, state)])
                if result == scard.SCARD_E_TIMEOUT and waits_ms:
                    continue
                context.demand(result)
                _, seen, atr = states[0]
                state = seen & ~scard.SCARD_STATE_CHANGED
                if seen & (scard.SCARD_STATE_UNKNOWN | scard.SCARD_STATE_UNAVAILABLE):
                    raise ReaderAbsent(f"the reader {name!r} is gone")
                if is_first:
                    self._tell(Ready())
                    is_first = False
                is_present = bool(seen & scard.SCARD_STATE_PRESENT) and not seen & scard.SCARD_STATE_MUTE
                if is_present != was_present:
                    was_present = is_present
                    self._tell(Presented(bytes(byte & 0xFF for byte in atr)) if is_present else Removed())
        finally:
            context.close()
            if was_present:
                self._tell(Removed())
