"""The desks' pages: the queue, one stop with the tasks of all its agencies, and the two steps of closing one.

Routes (signed in as an officer of an agency; every POST carries the session's token as the field `csrf`):

    GET  /desk                                     the queue, and the figures of the last 30 days
    GET  /desk/stops/{stop}                        the queue beside one stop
    GET  /desk/queue                               the queue alone, for the script that keeps it fresh
    GET  /desk/changes                             server-sent events: `queue` when it changed, `beat` while the agent lives, `locked` at the end
    POST /desk/stops/{stop}/tasks/{task}/review    first step: what was found -> the page that shows what is due on it
    POST /desk/stops/{stop}/tasks/{task}/close     second step: signs -> 303 to the stop, or to the queue when it is closed
    POST /desk/stops/{stop}/appeal                 reason_code, words: an appeal against an earned category or a pattern -> 303 to the stop
    POST /desk/stops/{stop}/unlock                 seal_id, reason_code: an authorised unlock of a seal -> 303 to the stop

Everything works without the script; it only renews the queue and counts ages.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse, StreamingResponse
from pydantic import ValidationError

from gate_agent.domain.agency import AGENCY_OF_ROLE, Agency
from gate_agent.web.auth import Session
from gate_agent.web.desk import appeal_view, view
from gate_agent.web.desk.closing import ClosingPages, Refused
from gate_agent.web.desk.rights import may_see, narrowed
from gate_agent.web.desk_messages import StopView
from gate_agent.web.events import COMMENT_INTERVAL_S, MINIMUM_GAP_S, RETRY_MS, STREAM_HEADERS, frame
from gate_agent.web.guard.acting import ActionRequest
from gate_agent.web.guard.action_reasons import ACTION_REASONS
from gate_agent.web.guard.lane_link import LaneLinkDown
from gate_agent.web.guard.requests import (
    GuardDesk,
    RequestRefused,
    SignedIn,
    own_post,
    session_of,
    with_second_officer,
)
from gate_agent.web.i18n import LANGUAGE_LETTERS, LANGUAGE_NAMES, Catalogues
from gate_agent.web.lane_api_messages import ActionAnswer, GateSnapshot, GuardAction
from gate_agent.web.pages import page_templates

COUNTED_DAYS = 30


class StopGone(Exception):
    """A stop is not open any more, or not this agency's to see; the browser is sent to the queue, which says so."""


def agency_of(request: Request) -> Agency:
    """Return whose officer is signed in. Raises `NotSignedIn`, `RequestRefused` for a role that works at no desk."""
    agency = AGENCY_OF_ROLE.get(session_of(request).officer.role)
    if agency is None:
        raise RequestRefused(403, "this role works at no desk")
    return agency


OwnAgency = Annotated[Agency, Depends(agency_of)]


def add_desk_pages(app: FastAPI, desk: GuardDesk, catalogues: Catalogues) -> None:
    """Put the desks under `/desk` of an application that has the guard console; `catalogues` are the desks' own."""
    templates = page_templates(
        "desk", "guard", language_names=LANGUAGE_NAMES, language_letters=LANGUAGE_LETTERS, action_id=uuid.uuid4
    )
    router = APIRouter(prefix="/desk")
    closing = ClosingPages(desk.link)

    def words_of(session: Session) -> view.Words:
        guard = desk.catalogue(session.language)
        return view.Words(guard, catalogues.get(guard.language) or next(iter(catalogues.values())))

    def gate_now() -> GateSnapshot:
        snapshot = desk.link.snapshot_now()
        if snapshot is None:
            raise LaneLinkDown("the gate was not heard yet")
        return snapshot

    def rows(session: Session, agency: Agency) -> list[dict[str, Any]]:
        snapshot = gate_now()
        return view.queue(snapshot.customs_tasks, agency, snapshot.now, words_of(session))

    def drawn(session: Session, agency: Agency, *, status: int = 200, **values: object) -> HTMLResponse:
        words, snapshot = words_of(session), gate_now()
        page = templates.get_template("desk.html").render(
            language=words.language,
            languages=list(desk.catalogues),
            text=words.text,
            session=session,
            agency=words.text(f"agency.{agency}"),
            role=words.guard.text(f"role.{session.officer.role}"),
            gate=f"{snapshot.site} · {snapshot.gate_id}",
            now=snapshot.now.isoformat(),
            is_border=agency is Agency.BORDER,
            rows=rows(session, agency),
            **values,
        )
        return HTMLResponse(page, status_code=status)

    async def stop_of(stop_id: uuid.UUID, agency: Agency) -> StopView:
        found = await desk.link.stop(stop_id)
        if found is None or not may_see(agency, found.tasks):
            raise StopGone
        return narrowed(found, agency)

    def refusal_text(session: Session, answer: ActionAnswer) -> str:
        return desk.catalogue(session.language).texts.get(f"refusal.{answer.code}", answer.message)

    @app.exception_handler(StopGone)
    async def gone(_request: Request, _error: StopGone) -> Response:
        return RedirectResponse("/desk?note=gone", status_code=303)

    async def stop_page(
        session: Session, agency: Agency, stop: StopView, *, status: int = 200, note: str = "", **values: object
    ) -> HTMLResponse:
        snapshot, words = gate_now(), words_of(session)
        can_unlock = snapshot.can_unlock_seals and GuardAction.UNLOCK_SEAL.value in session.officer.actions
        shown = view.stop_shown(stop, agency, snapshot.now, words, can_unlock=can_unlock)
        unlock_reasons = [
            (code, words.guard.text(f"action_reason.{code}"))
            for code in ACTION_REASONS[GuardAction.UNLOCK_SEAL]
            if code != "other"
        ]
        standing = await desk.link.standing(stop.stop_id) if agency is Agency.CUSTOMS else None
        shown |= {"standing": appeal_view.standing_shown(standing, words) if standing else None}
        settings = {"form": None, "review": None, "unlock_reasons": unlock_reasons, "figures": [], **values}
        if settings["form"] is None:
            settings["form"] = closing.first_step(stop, agency, words)
        return drawn(session, agency, status=status, stop=shown, note=note, **settings)

    @router.get("")
    async def front(session: SignedIn, agency: OwnAgency, note: str = "") -> Response:
        desk.sessions.touch(session)
        words = words_of(session)
        figures = view.figures(await desk.link.inspections(COUNTED_DAYS), agency, words)
        shown = words.text(f"note.{note}") if note in {"stop_closed", "gone"} else ""
        return drawn(
            session,
            agency,
            stop=None,
            note=shown,
            figures=figures,
            days=str(COUNTED_DAYS),
            form=None,
            review=None,
        )

    @router.get("/queue")
    async def queue(session: SignedIn, agency: OwnAgency, stop: str = "") -> Response:
        return HTMLResponse(
            templates.get_template("queue.html").render(
                rows=rows(session, agency), open_stop=stop, text=words_of(session).text
            )
        )

    @router.get("/changes")
    async def changes(session: SignedIn, agency: OwnAgency) -> Response:
        desk.link.changes.require_room()
        return StreamingResponse(
            _changes(desk, session, agency), media_type="text/event-stream", headers=STREAM_HEADERS
        )

    @router.get("/stops/{stop_id}")
    async def stop(stop_id: uuid.UUID, session: SignedIn, agency: OwnAgency, note: str = "") -> Response:
        desk.sessions.touch(session)
        found = await stop_of(stop_id, agency)
        words = words_of(session)
        shown = words.text(f"note.{note}") if note in {"task_closed", "unlocked", "appeal_noted"} else ""
        return await stop_page(session, agency, found, note=shown)

    @router.post("/stops/{stop_id}/tasks/{task_id}/review")
    async def review(
        request: Request, stop_id: uuid.UUID, task_id: uuid.UUID, session: SignedIn, agency: OwnAgency
    ) -> Response:
        content = _texts(await own_post(request, session))
        found = await stop_of(stop_id, agency)
        try:
            step = await closing.second_step(found, task_id, agency, content, words_of(session))
        except Refused as refused:
            return await stop_page(session, agency, found, status=422, form=refused.form)
        return await stop_page(session, agency, found, review=step)

    @router.post("/stops/{stop_id}/tasks/{task_id}/close")
    async def close(
        request: Request, stop_id: uuid.UUID, task_id: uuid.UUID, session: SignedIn, agency: OwnAgency
    ) -> Response:
        content = _texts(await own_post(request, session))
        found = await stop_of(stop_id, agency)
        words = words_of(session)
        try:
            wanted = closing.order(found, task_id, content)
        except Refused:
            step = await closing.again(found, task_id, agency, content, words, error="error.duty")
            return await stop_page(session, agency, found, status=422, review=step)
        answer = await with_second_officer(request, session, wanted)
        if not answer.accepted:
            text = refusal_text(session, answer)
            step = await closing.again(found, task_id, agency, content, words, error=text)
            return await stop_page(session, agency, found, status=403, review=step)
        left = await desk.link.stop(stop_id)
        where = f"/desk/stops/{stop_id}?note=task_closed" if left else "/desk?note=stop_closed"
        return RedirectResponse(where, status_code=303)

    @router.post("/stops/{stop_id}/appeal")
    async def appeal(request: Request, stop_id: uuid.UUID, session: SignedIn, agency: OwnAgency) -> Response:
        content = _texts(await own_post(request, session))
        found = await stop_of(stop_id, agency)
        if agency is not Agency.CUSTOMS:
            raise StopGone
        answer = await with_second_officer(request, session, appeal_view.order(found, content))
        if answer.accepted:
            return RedirectResponse(f"/desk/stops/{stop_id}?note=appeal_noted", status_code=303)
        return await stop_page(session, agency, found, status=403, note=refusal_text(session, answer))

    @router.post("/stops/{stop_id}/unlock")
    async def unlock(request: Request, stop_id: uuid.UUID, session: SignedIn, agency: OwnAgency) -> Response:
        content = _texts(await own_post(request, session))
        found = await stop_of(stop_id, agency)
        try:
            wanted = ActionRequest.model_validate(
                {
                    "action_id": content.get("action_id", ""),
                    "action": GuardAction.UNLOCK_SEAL,
                    "lane_id": found.lane_id,
                    "reason_code": content.get("reason_code", ""),
                    "seal_id": content.get("seal_id", ""),
                }
            )
        except ValidationError as error:
            raise RequestRefused(422, "the seal or the reason is malformed") from error
        answer = await with_second_officer(request, session, wanted)
        if answer.accepted:
            return RedirectResponse(f"/desk/stops/{stop_id}?note=unlocked", status_code=303)
        return await stop_page(session, agency, found, status=403, note=refusal_text(session, answer))

    app.include_router(router)


def _texts(content: Mapping[str, Any]) -> dict[str, str]:
    return {name: value for name, value in content.items() if isinstance(value, str)}


async def _changes(desk: GuardDesk, session: Session, agency: Agency) -> AsyncIterator[bytes]:
    yield f"retry: {RETRY_MS}\n\n".encode()
    shown: object = None
    with desk.link.changes.subscribe() as place:
        changed: int | None = 0
        while not place.ended:
            if desk.sessions.find(session.cookie) is None:
                yield frame("end", "{}", "locked")
                return
            snapshot = desk.link.snapshot
            if snapshot is not None and changed is not None:
                tasks = [task for task in snapshot.customs_tasks if may_see(agency, [task])]
                is_news, shown = tasks != shown, tasks
                yield frame(snapshot.sequence, "{}", "queue" if is_news else "beat")
                await asyncio.sleep(MINIMUM_GAP_S)
            changed = await place.next(COMMENT_INTERVAL_S)
