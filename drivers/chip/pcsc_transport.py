"""A chip on a PC/SC reader. The library is imported when it is needed: a gate without such a reader does without it.

A connection object serves one presentation: after the chip was pulled an old one connects quietly and fails later.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from drivers.chip.errors import ChipGone, ChipSilent, NoChip, ReaderAbsent, ReaderServiceAbsent, ReaderSupportAbsent
from drivers.chip.patience import Patience

_CONNECT_TRIES = 2


def library(name: str) -> ModuleType:
    """Return a module of the PC/SC library. Raises `ReaderSupportAbsent`."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise ReaderSupportAbsent("the Python library for PC/SC (pyscard) is not installed") from None


def reader_names() -> tuple[str, ...]:
    """Return the names of the connected readers. Raises `ReaderSupportAbsent` or `ReaderServiceAbsent`."""
    system = library("smartcard.System")
    exceptions = library("smartcard.pcsc.PCSCExceptions")
    try:
        return tuple(str(reader) for reader in system.readers())
    except (exceptions.EstablishContextException, exceptions.ListReadersException) as error:
        raise ReaderServiceAbsent("the PC/SC service does not answer") from error


def chosen_reader(names: Sequence[str], wanted: str) -> str:
    """Return the first name that holds `wanted`. Raises `ReaderAbsent`, which tells the names there are."""
    name = next((name for name in names if wanted in name), None)
    if name is None:
        raise ReaderAbsent(f"no reader is called {wanted!r}; there are: {', '.join(names) or 'none'}")
    return name


class PcscTransport:
    """One chip on the reader whose name holds `reader`."""

    def __init__(self, reader: str, answer_s: float) -> None:
        """Connect. Raises `NoChip`, `ReaderAbsent`, `ReaderServiceAbsent`, `ReaderSupportAbsent` or `ChipSilent`."""
        self._exceptions = library("smartcard.Exceptions")
        self._patience = Patience(answer_s)
        self._connection: Any = None
        self._atr = b""
        try:
            self._patience.call(lambda: self._connect(reader))
        except BaseException:
            self._patience.end()  # nobody closes what did not come to be
            raise

    def _connect(self, reader: str) -> None:
        name = chosen_reader(reader_names(), reader)
        found = next((one for one in library("smartcard.System").readers() if str(one) == name), None)
        if found is None:
            raise ReaderAbsent(f"the reader {name!r} went just now")
        for left in reversed(range(_CONNECT_TRIES)):
            self._connection = found.createConnection()
            try:
                self._connection.connect()
                self._atr = bytes(self._connection.getATR())
            except (self._exceptions.NoCardException, self._exceptions.CardConnectionException) as error:
                if not left:  # right after a chip came the first try may find it reset
                    raise NoChip(f"no chip on {name!r}") from error
            else:
                return

    @property
    def atr(self) -> bytes:
        """The chip's answer to reset."""
        return self._atr

    def transmit(self, command: bytes) -> bytes:
        """Send one command and return its answer. Raises `ChipGone` or `ChipSilent`."""
        return self._patience.call(lambda: self._transmit(command))

    def _transmit(self, command: bytes) -> bytes:
        try:
            content, first, second = self._connection.transmit(list(command))
        except self._exceptions.CardConnectionException as error:
            raise ChipGone("the chip is gone") from error
        return bytes(content) + bytes((first, second))

    def close(self) -> None:
        """Let go of the chip."""
        with contextlib.suppress(ChipSilent, self._exceptions.SmartcardException):  # gone already
            self._patience.call(self._connection.disconnect)
        self._patience.end()
