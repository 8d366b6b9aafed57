"""Receipts that travellers lost: found again by document and day, for the roles that `rights` names; who asked is in the log, for whom is not.

GET  /guard/receipts    the question           POST /guard/receipts    issuing_state, document_number, day (optional, ISO) -> what was found
"""

from __future__ import annotations

from datetime import date
from typing import Any

import segno
import structlog
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import ValidationError

from gate_agent.web.auth import Session
from gate_agent.web.formats import day_text, money_text
from gate_agent.web.guard.requests import FindsReceipts, GuardDesk, first_page, own_post
from gate_agent.web.i18n import Catalogue
from gate_agent.web.pages import page_templates
from gate_agent.web.receipt_messages import ReceiptQuery, ReceiptView

_log = structlog.get_logger()


def add_receipts(app: FastAPI, desk: GuardDesk) -> None:
    """Put the page under `/guard/receipts` of `app`."""
    templates = page_templates("guard")
    router = APIRouter(prefix="/guard")

    def page(
        session: Session, typed: dict[str, str], note: str, found: list[ReceiptView], status: int = 200
    ) -> Response:
        words = desk.catalogue(session.language)
        html = templates.get_template("receipts.html").render(
            language=words.language,
            text=words.text,
            session=session,
            back=first_page(session.officer.role),
            typed=typed,
            note=words.text(f"receipts.{note}") if note else "",
            is_error=note == "malformed",
            found=[_shown(one, words) for one in found],
        )
        return HTMLResponse(html, status_code=status)

    @router.get("/receipts")
    async def ask(session: FindsReceipts) -> Response:
        return page(session, {}, "", [])

    @router.post("/receipts")
    async def find(request: Request, session: FindsReceipts) -> Response:
        posted = await own_post(request, session)
        typed = {
            name: str(posted.get(name, "")).strip().upper() for name in ("issuing_state", "document_number", "day")
        }
        try:
            query = ReceiptQuery(
                issuing_state=typed["issuing_state"],
                document_number="".join(typed["document_number"].split()),
                local_date=date.fromisoformat(typed["day"]) if typed["day"] else None,
            )
        except (ValidationError, ValueError):
            return page(session, typed, "malformed", [], status=422)
        found = (await desk.link.receipts(query)).receipts
        _log.info("receipts_asked", officer=session.officer.officer_id, role=session.officer.role, found=len(found))
        return page(session, typed, "" if found else "none", found)

    app.include_router(router)


def _shown(one: ReceiptView, words: Catalogue) -> dict[str, Any]:
    days = {"stay": one.stay_deadline, "registration": one.registration_deadline}
    rows = [(words.text(f"receipts.{name}"), day_text(day, words.language)) for name, day in days.items() if day]
    if one.duty is not None:
        rows.append((words.text("receipts.duty"), money_text(one.duty.money, words.language)))
    elif one.duty_state == "officer":
        rows.append((words.text("receipts.duty"), words.text("receipts.duty_officer")))
    if one.temporary_items:
        rows.append((words.text("receipts.temporary"), ", ".join(one.temporary_items)))
    if one.declaration_reference:
        rows.append((words.text("receipts.reference"), one.declaration_reference))
    symbol = segno.make_qr(one.code, error="m", boost_error=False)
    return {
        "title": f"{words.text(f'receipts.{one.direction}')}, {day_text(one.local_date, words.language)}",
        "rows": rows,
        "picture": symbol.svg_data_uri(border=4, light="#fff", encode_minimal=True),
        "code": one.code,
    }
