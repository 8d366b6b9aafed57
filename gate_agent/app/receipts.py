"""Receipts on paper: what the traveller's screen shows, and the signed code.

A printer that cannot print never makes anybody wait: the screen has it all, and the gate finds it again by document and day.

A receipt is printed while the traveller walks out, always or when asked, by the lane's settings. What was not confirmed as printed is never
told as printed, and no receipt is sent twice.
"""

from __future__ import annotations

import asyncio
import secrets
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal, Protocol, cast

import structlog

from central_sync.identity import read_signing_key
from drivers import contracts as dc
from drivers.errors import DriverFault
from gate_agent.app.device_status import DeviceStatus
from gate_agent.closing_order import Amount
from gate_agent.inspection.receipt_format import read_own
from gate_agent.lane.controller import LaneController
from gate_agent.lane.receipts import ReceiptIssuer
from gate_agent.store.receipts import KeptReceipt
from gate_agent.web.i18n import SOURCE_LANGUAGE, Catalogue, Catalogues
from gate_agent.web.lane_api_messages import Instruction, ScreenState
from gate_agent.web.languages import said_as
from gate_agent.web.receipt_messages import ReceiptQuery, ReceiptsFound, ReceiptView

log = structlog.get_logger()

Printing = Literal["", "offered", "printing", "printed", "unavailable"]

_TAKES = {Instruction.WALK_THROUGH, Instruction.CUSTOMS_DESK}
_LINE_CHARACTERS = 32


RECEIPT_KEY = "receipt.key"


def receipt_issuer(keys: Path, source: str) -> ReceiptIssuer | None:
    """Return who signs the gate's receipts; None for a gate that was provisioned before there were any."""
    path = keys / RECEIPT_KEY
    if not path.exists():
        log.warning("receipts_unsigned", remedy="run egate provision once more: it adds the receipt key")
        return None
    return ReceiptIssuer(read_signing_key(path), source, secrets.token_bytes)


class Screens(Protocol):
    """Where the receipt comes from: the traveller's screen of a lane."""

    def screen(self, lane_id: int) -> ScreenState:
        """Return a lane's screen."""
        ...


class KeptReceipts(Protocol):
    """Where receipts are found again; `store.Store` fits."""

    async def receipts_of(self, issuing_state: str, document_number: str, day: date | None) -> list[KeptReceipt]:
        """Return the receipts of a holder, of one local day or of all that are kept."""
        ...


@dataclass(slots=True)
class _Paper:
    """What became of one traveller's receipt."""

    transaction_id: uuid.UUID
    printing: Printing


class Receipts:
    """The receipts of all lanes that have a printer."""

    def __init__(
        self,
        lanes: Mapping[int, LaneController],
        drivers: Mapping[str, dc.Driver],
        statuses: Mapping[str, DeviceStatus],
        catalogues: Catalogues,
        changed: Callable[[], None],
        kept: KeptReceipts | None = None,
    ) -> None:
        self._lanes = {lane_id: lane for lane_id, lane in lanes.items() if lane.lane.printer}
        self._drivers = drivers
        self._statuses = statuses
        self._catalogues = catalogues
        self._changed = changed
        self._kept = kept
        self._papers: dict[int, _Paper] = {}
        self._jobs: set[asyncio.Task[None]] = set()

    async def find(self, query: ReceiptQuery) -> ReceiptsFound:
        """Return the receipts that this gate gave to a document's holder: for one who lost the paper. Raises `StoreFault`."""
        if self._kept is None:
            return ReceiptsFound()
        found = await self._kept.receipts_of(query.issuing_state, query.document_number, query.local_date)
        log.info("receipts_looked_up", count=len(found))
        return ReceiptsFound(receipts=[_view(kept) for kept in found])

    def look(self, screens: Screens) -> None:
        """See who walks out, and print for those who get a receipt without asking."""
        for lane_id, lane in self._lanes.items():
            if lane.lane.print_receipt == "always" and self._is_due(lane_id):
                self._print(lane_id, screens.screen(lane_id))

    def asked(self, lane_id: int, screens: Screens) -> bool:
        """Print for a traveller who asks; False when there is nothing to print, no printer, or it was printed already."""
        if lane_id not in self._lanes or not self._is_due(lane_id) or not self._can_print(lane_id):
            return False
        return self._print(lane_id, screens.screen(lane_id))

    def printing(self, lane_id: int, shown: Instruction) -> Printing:
        """Return what the screen says about paper."""
        lane = self._lanes.get(lane_id)
        if lane is None or shown not in _TAKES or lane.state.transaction_id is None:
            return ""
        paper = self._papers.get(lane_id)
        if paper is not None and paper.transaction_id == lane.state.transaction_id:
            return paper.printing
        if not self._can_print(lane_id):
            return "unavailable"
        return "offered" if lane.lane.print_receipt == "asked" else ""

    async def stop(self) -> None:
        """Give running receipts up."""
        for job in self._jobs:
            job.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)

    def _is_due(self, lane_id: int) -> bool:
        lane = self._lanes[lane_id]
        transaction_id = lane.state.transaction_id
        paper = self._papers.get(lane_id)
        return (
            transaction_id is not None
            and lane.borrowed is not None
            and (paper is None or paper.transaction_id != transaction_id)
        )

    def _can_print(self, lane_id: int) -> bool:
        status = self._statuses.get(self._lanes[lane_id].lane.printer)
        return status is not None and status.state == dc.DeviceState.READY and not status.fault

    def _print(self, lane_id: int, screen: ScreenState) -> bool:
        lane = self._lanes[lane_id]
        is_blank = not screen.receipt and not screen.receipt_code
        if screen.instruction not in _TAKES or is_blank or lane.state.transaction_id is None:
            return False
        driver = self._drivers.get(lane.lane.printer)
        if driver is None or "print_receipt" not in driver.capabilities or not self._can_print(lane_id):
            self._papers[lane_id] = _Paper(lane.state.transaction_id, "unavailable")
            return False
        lines = self._lines(driver, screen, lane.today)
        codes = [
            one.receipt.text.encode() for one in lane.party or () if one.receipt is not None
        ]  # a paper for each person
        paper = self._papers[lane_id] = _Paper(lane.state.transaction_id, "printing")
        job = asyncio.create_task(
            self._carry_out(cast("dc.PrinterDriver", driver), lines, codes or [b""], paper),
            name=f"receipt of lane {lane_id}",
        )
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)
        return True

    def _lines(self, driver: dc.Driver, screen: ScreenState, today: date) -> list[str]:
        """Return the receipt in the screen's language, else in the first that its readers understand and the printer has the letters of."""
        for language in (screen.language, *said_as(screen.language)):
            lines = receipt_lines(screen, self._catalogues[language], today)
            if not isinstance(driver, dc.LimitedPrinter) or all(map(driver.writes, lines)):
                return lines
        return receipt_lines(screen, self._catalogues[SOURCE_LANGUAGE], today)

    async def _carry_out(self, printer: dc.PrinterDriver, lines: list[str], codes: list[bytes], paper: _Paper) -> None:
        try:
            for code in codes:
                await printer.print_receipt(lines, code)
        except (DriverFault, ValueError) as fault:
            paper.printing = "unavailable"
            log.warning("receipt_not_printed", device=printer.name, code=getattr(fault, "code", "too_long"))
        else:
            paper.printing = "printed"
            log.info("receipt_printed", device=printer.name)
        self._changed()


def _view(kept: KeptReceipt) -> ReceiptView:
    told = read_own(kept.code)
    return ReceiptView(
        local_date=kept.local_date,
        code=kept.code,
        direction=told.direction.value,
        stay_deadline=told.stay_deadline,
        registration_deadline=told.registration_deadline,
        duty_state=told.duty_state.value,
        duty=Amount.of(told.duty) if told.duty else None,
        declaration_reference=told.declaration_reference,
        temporary_items=[f"{item.description} {item.mark}".strip() for item in told.temporary],
    )


def receipt_lines(screen: ScreenState, words: Catalogue, today: date) -> list[str]:
    """Return what stands on the paper: what the screen shows, in the traveller's language."""
    lines = [words.text("ui.receipt"), today.strftime("%d.%m.%Y"), "-" * _LINE_CHARACTERS]
    for name, value in screen.receipt.items():
        lines += [f"{words.text(f'receipt.{name}')}:", f"  {_written(value)}"]
    if screen.instruction is Instruction.CUSTOMS_DESK:
        lines.append(words.text("instruction.customs_desk"))
    return lines


def _written(value: str) -> str:
    """Return an ISO date as the paper shows it; any other value as it is."""
    try:
        return date.fromisoformat(value).strftime("%d.%m.%Y")
    except ValueError:
        return value
