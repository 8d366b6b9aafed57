"""A chip on a PC/SC reader. One object serves one presentation: a card handle that outlived its chip connects quietly and fails later."""

from __future__ import annotations

import contextlib
from typing import Any

from drivers.chip.errors import ChipFault, ChipGone, ChipSilent, NoChip, ReaderServiceAbsent
from drivers.chip.patience import Patience
from drivers.chip.pcsc_service import PcscContext, chosen_reader

_CONNECT_TRIES = 2


class PcscTransport:
    """One chip on the reader whose name holds `reader`. `is_doubted`: it may have changed unseen, so it is switched off and on first."""

    def __init__(self, reader: str, answer_s: float, *, is_doubted: bool = False) -> None:
        """Connect. Raises `NoChip`, `ReaderAbsent`, `ReaderRefused`, `ReaderServiceAbsent`, `ReaderSupportAbsent` or `ChipSilent`."""
        self._patience = Patience(answer_s)
        self._context: PcscContext
        self._card: Any = None
        self._protocol = 0
        self._atr = b""
        self._is_gone = False
        try:
            self._patience.call(lambda: self._open(reader, is_doubted=is_doubted))
        except BaseException:
            self._patience.end()  # nobody closes what did not come to be
            raise

    @property
    def atr(self) -> bytes:
        """The chip's answer to reset."""
        return self._atr

    def transmit(self, command: bytes) -> bytes:
        """Send one command and return its answer. Raises `ChipGone`, `ChipSilent` or `ReaderServiceAbsent`."""
        return self._patience.call(lambda: self._transmit(command))

    def close(self) -> None:
        """Let go of the chip."""
        with contextlib.suppress(ChipSilent):  # gone already
            self._patience.call(self._close)
        self._patience.end()

    # in the thread that may be held -----------------------------------------------------------------------------------------

    def _open(self, reader: str, *, is_doubted: bool) -> None:
        self._context = PcscContext()
        try:
            name = chosen_reader(self._context.reader_names(), reader)
            for left in reversed(range(_CONNECT_TRIES)):
                try:
                    self._connect(name, is_doubted=is_doubted)
                except (NoChip, ChipGone):
                    if not left:  # right after a chip came the first try may find it reset
                        raise
                else:
                    return
        except BaseException:
            self._close()
            raise

    def _connect(self, name: str, *, is_doubted: bool) -> None:
        context, scard = self._context, self._context.scard
        protocols = scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1
        result, card, self._protocol = scard.SCardConnect(context.handle, name, scard.SCARD_SHARE_SHARED, protocols)
        context.demand(result, NoChip)
        self._card = card
        if is_doubted:
            result, self._protocol = scard.SCardReconnect(
                card, scard.SCARD_SHARE_SHARED, protocols, scard.SCARD_UNPOWER_CARD
            )
            context.demand(result, NoChip)
        result, _, _, _, atr = scard.SCardStatus(card)
        context.demand(result, NoChip)
        self._atr = bytes(byte & 0xFF for byte in atr)

    def _transmit(self, command: bytes) -> bytes:
        scard = self._context.scard
        header = scard.SCARD_PCI_T0 if self._protocol == scard.SCARD_PROTOCOL_T0 else scard.SCARD_PCI_T1
        result, answer = scard.SCardTransmit(self._card, header, list(command))
        try:
            self._context.demand(result, ChipGone)
            if not answer:  # what some readers' drivers make of a chip that went
                raise ChipGone("no answer, and no complaint either")
        except ReaderServiceAbsent:
            raise
        except ChipFault as fault:
            self._is_gone = True
            raise ChipGone(str(fault)) from fault
        return bytes(byte & 0xFF for byte in answer)

    def _close(self) -> None:
        scard = self._context.scard
        if self._card is not None:
            # Switched off, so that the next conversation starts anew. A chip that is gone is left: told to switch it off, the service
            # takes note that it went, and then does not notice one that comes at once.
            scard.SCardDisconnect(self._card, scard.SCARD_LEAVE_CARD if self._is_gone else scard.SCARD_UNPOWER_CARD)
            self._card = None
        self._context.close()
