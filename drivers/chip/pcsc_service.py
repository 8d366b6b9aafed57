"""The PC/SC service as pyscard hands it on: contexts, readers' names, and what its results mean as faults.

The library is imported when it is needed: a gate without such a reader does without it. Its lower floor (`smartcard.scard`) is used,
which says everything in results; the upper one hides some, and its objects speak to the service once more when they are forgotten.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from drivers.chip.errors import (
    ChipFault,
    NoChip,
    ReaderAbsent,
    ReaderRefused,
    ReaderServiceAbsent,
    ReaderSupportAbsent,
)

# What a call can end with besides success; everything else is taken for a chip that went.
_MEANINGS: dict[str, type[ChipFault]] = {
    "SCARD_E_NO_SERVICE": ReaderServiceAbsent,
    "SCARD_E_SERVICE_STOPPED": ReaderServiceAbsent,
    "SCARD_F_COMM_ERROR": ReaderServiceAbsent,
    "SCARD_E_INVALID_HANDLE": ReaderServiceAbsent,  # the service was restarted and knows nothing of this context
    "SCARD_W_SECURITY_VIOLATION": ReaderServiceAbsent,
    "SCARD_E_UNKNOWN_READER": ReaderAbsent,
    "SCARD_E_READER_UNAVAILABLE": ReaderAbsent,
    "SCARD_E_NO_READERS_AVAILABLE": ReaderAbsent,
    "SCARD_E_SHARING_VIOLATION": ReaderRefused,
    "SCARD_E_NO_SMARTCARD": NoChip,
    "SCARD_W_REMOVED_CARD": NoChip,
    "SCARD_W_UNPOWERED_CARD": NoChip,
    "SCARD_W_UNRESPONSIVE_CARD": NoChip,
    "SCARD_W_UNSUPPORTED_CARD": NoChip,
    "SCARD_E_PROTO_MISMATCH": NoChip,
}


def library() -> ModuleType:
    """Return `smartcard.scard`. Raises `ReaderSupportAbsent`."""
    try:
        return importlib.import_module("smartcard.scard")
    except ImportError:
        raise ReaderSupportAbsent("the Python library for PC/SC (pyscard) is not installed") from None


def reader_names() -> tuple[str, ...]:
    """Return the names of the connected readers. Raises `ReaderSupportAbsent` or `ReaderServiceAbsent`."""
    context = PcscContext()
    try:
        return context.reader_names()
    finally:
        context.close()


def chosen_reader(names: Sequence[str], wanted: str) -> str:
    """Return the first name that holds `wanted`. Raises `ReaderAbsent`, which tells the names there are."""
    name = next((name for name in names if wanted in name), None)
    if name is None:
        raise ReaderAbsent(f"no reader is called {wanted!r}; there are: {', '.join(names) or 'none'}")
    return name


class PcscContext:
    """One conversation with the service; `handle` is what its calls want first."""

    def __init__(self) -> None:
        """Begin it. Raises `ReaderSupportAbsent` or `ReaderServiceAbsent`."""
        self.scard = library()
        result, self.handle = self.scard.SCardEstablishContext(self.scard.SCARD_SCOPE_USER)
        if result != self.scard.SCARD_S_SUCCESS:
            raise ReaderServiceAbsent(f"the PC/SC service does not answer: {self._text(result)}")

    def reader_names(self) -> tuple[str, ...]:
        """Return the names of the connected readers. Raises `ReaderServiceAbsent`."""
        result, names = self.scard.SCardListReaders(self.handle, [])
        if result == self.scard.SCARD_E_NO_READERS_AVAILABLE:
            return ()
        self.demand(result)
        return tuple(str(name) for name in names)

    def demand(self, result: int, otherwise: type[ChipFault] = ReaderServiceAbsent) -> None:
        """Return after success. Raises the fault that a result means, `otherwise` where it means none in particular."""
        if result != self.scard.SCARD_S_SUCCESS:
            kinds = {getattr(self.scard, name): kind for name, kind in _MEANINGS.items()}
            raise kinds.get(result, otherwise)(self._text(result))

    def close(self) -> None:
        """End it."""
        self.scard.SCardReleaseContext(self.handle)

    def _text(self, result: int) -> str:
        said: Any = self.scard.SCardGetErrorMessage(result)
        return f"{said} (PC/SC {result & 0xFFFFFFFF:08X})"
