"""The guard console's application: sign-in, the one page, its event stream and the posts behind it.

Routes (all same-origin; every POST but the sign-in carries the session's token as `X-CSRF-Token` or as the field `csrf`; every POST
takes a form or JSON and answers JSON when `Accept: application/json` asks for it):

    GET  /guard/login                         page
    POST /guard/login                         officer_id, password        -> 303 /guard | JSON {csrf, officer_id, role, actions}
    POST /guard/logout · /guard/lock          -> 303 /guard/login
    POST /guard/language                      language                    -> 303 /guard
    POST /guard/activity                      -> 204 (a key was pressed; keeps the console from locking)
    GET  /guard                               the console
    GET  /guard/state                         the page's content as JSON (`view.console_view`)
    GET  /guard/events                        the same as server-sent events; `beat` while the agent lives, `locked` at the end
    GET  /guard/devices/{name}/history        the last changes of a device's state as JSON, newest first
    GET  /guard/images/{transaction}/{probe|reference}
    POST /guard/referrals/{transaction}/assessment  answer (same|different|unsure) -> JSON {assessment}
    POST /guard/actions                       `acting.ActionRequest`      -> JSON ActionAnswer (200, or 403 when refused)

`rights` says which role may ask for what; an action is for the agent to refuse, by the signature's role.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any, Literal

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, StreamingResponse
from pydantic import ValidationError

from gate_agent.web.auth import (
    SESSION_COOKIE,
    Session,
    SignInRefused,
    TooManyAttempts,
)
from gate_agent.web.events import COMMENT_INTERVAL_S, MINIMUM_GAP_S, RETRY_MS, STREAM_HEADERS, TooManyConsumers, frame
from gate_agent.web.guard.acting import ActionRequest, find_referral
from gate_agent.web.guard.devices import history
from gate_agent.web.guard.lane_link import LaneLink, LaneLinkDown
from gate_agent.web.guard.requests import (
    GuardDesk,
    NotSignedIn,
    RequestRefused,
    SeesLanes,
    SeesPeople,
    SignedIn,
    fields,
    first_page,
    own_post,
    refuse_foreign,
    wants_json,
    with_second_officer,
)
from gate_agent.web.guard.rights import Part, may_see
from gate_agent.web.guard.view import action_choices
from gate_agent.web.i18n import LANGUAGE_LETTERS, LANGUAGE_NAMES
from gate_agent.web.lane_api_messages import ActionAnswer, ImageKind
from gate_agent.web.pages import page_templates

LANGUAGE_COOKIE = "egate_language"


def add_guard_console(app: FastAPI, desk: GuardDesk) -> None:
    """Put the guard console under `/guard` of `app`."""
    templates = page_templates("guard", language_names=LANGUAGE_NAMES, language_letters=LANGUAGE_LETTERS)
    app.state.guard_desk = desk
    router = APIRouter(prefix="/guard")

    def language_of(request: Request) -> str:
        wanted = request.cookies.get(LANGUAGE_COOKIE, "")
        return wanted if wanted in desk.catalogues else next(iter(desk.catalogues))

    def sign_in_page(
        request: Request, *, note: str = "", officer_id: str = "", status: int = 200, **values: str
    ) -> Response:
        catalogue = desk.catalogue(language_of(request))
        page = templates.get_template("login.html").render(
            language=catalogue.language,
            languages=list(desk.catalogues),
            text=catalogue.text,
            note=catalogue.text(f"sign_in.{note}", **values) if note else "",
            note_is_error=note in {"refused", "too_many", "foreign"},
            officer_id=officer_id,
        )
        return HTMLResponse(page, status_code=status)

    @app.exception_handler(NotSignedIn)
    async def not_signed_in(request: Request, _error: NotSignedIn) -> Response:
        if wants_json(request) or request.method != "GET" or request.url.path not in {"/guard", "/desk"}:
            return JSONResponse({"message": "sign in"}, status_code=401)
        return RedirectResponse("/guard/login", status_code=303)

    @app.exception_handler(RequestRefused)
    async def request_refused(_request: Request, error: RequestRefused) -> Response:
        return JSONResponse({"message": str(error)}, status_code=error.status)

    @app.exception_handler(LaneLinkDown)
    async def gate_down(_request: Request, _error: LaneLinkDown) -> Response:
        return JSONResponse({"message": "the gate does not answer"}, status_code=503)

    @app.exception_handler(TooManyConsumers)
    async def too_many(_request: Request, _error: TooManyConsumers) -> Response:
        return JSONResponse({"message": "too many pages are open"}, status_code=503)

    @app.get("/", include_in_schema=False)
    async def front() -> Response:
        return RedirectResponse("/guard", status_code=303)

    @router.get("/login")
    async def login_page(request: Request, note: Literal["", "locked", "signed_out"] = "") -> Response:
        return sign_in_page(request, note=note)

    @router.post("/login")
    async def login(request: Request) -> Response:
        refuse_foreign(request)
        content = await fields(request)
        officer_id, password = str(content.get("officer_id", "")).strip(), str(content.get("password", ""))
        address = request.client.host if request.client is not None else ""
        try:
            officer, key = await desk.keys.open(officer_id, password, address)
        except TooManyAttempts as error:
            if wants_json(request):
                return JSONResponse({"code": error.code, "wait_s": round(error.wait_s)}, status_code=429)
            return sign_in_page(
                request, note="too_many", officer_id=officer_id, status=429, seconds=str(round(error.wait_s))
            )
        except SignInRefused as error:
            if wants_json(request):
                return JSONResponse({"code": error.code}, status_code=401)
            return sign_in_page(request, note="refused", officer_id=officer_id, status=401)
        session = desk.sessions.begin(officer, key, language_of(request))
        answer: Response = RedirectResponse(first_page(officer.role), status_code=303)
        if wants_json(request):
            answer = JSONResponse(
                {
                    "csrf": session.csrf,
                    "officer_id": officer.officer_id,
                    "role": officer.role,
                    "actions": sorted(officer.actions),
                }
            )
        answer.set_cookie(
            SESSION_COOKIE,
            session.cookie,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
            path="/",
        )
        return answer

    async def leave(request: Request, session: Session, note: str) -> Response:
        await own_post(request, session)
        desk.sessions.end(session)
        answer = RedirectResponse(f"/guard/login?note={note}", status_code=303)
        answer.delete_cookie(SESSION_COOKIE, path="/")
        return answer

    @router.post("/logout")
    async def logout(request: Request, session: SignedIn) -> Response:
        return await leave(request, session, "signed_out")

    @router.post("/lock")
    async def lock(request: Request, session: SignedIn) -> Response:
        return await leave(request, session, "locked")

    @router.post("/language")
    async def language(request: Request) -> Response:
        refuse_foreign(request)
        wanted = (await fields(request)).get("language", "")
        if wanted not in desk.catalogues:
            raise RequestRefused(422, "the console does not speak this language")
        session = desk.sessions.find(request.cookies.get(SESSION_COOKIE, ""))
        if session is not None:
            session.language = wanted
            desk.sessions.touch(session)
        answer = RedirectResponse(
            "/guard/login" if session is None else first_page(session.officer.role), status_code=303
        )
        answer.set_cookie(LANGUAGE_COOKIE, wanted, httponly=True, samesite="strict", path="/", max_age=31_536_000)
        return answer

    @router.post("/activity", status_code=204)
    async def activity(request: Request, session: SignedIn) -> Response:
        await own_post(request, session)
        return Response(status_code=204)

    @router.get("")
    async def console(session: SignedIn) -> Response:
        desk.sessions.touch(session)
        if not may_see(session.officer.role, Part.LANES):
            return RedirectResponse(first_page(session.officer.role), status_code=303)
        catalogue = desk.catalogue(session.language)
        page = templates.get_template("console.html").render(
            language=catalogue.language,
            languages=list(desk.catalogues),
            text=catalogue.text,
            session=session,
            role=catalogue.text(f"role.{session.officer.role}"),
            sees_people=may_see(session.officer.role, Part.PEOPLE),
            # What the script needs once; `<` is escaped by the filter, and a data block is not run.
            page={
                "csrf": session.csrf,
                "ui": {
                    **catalogue.section("ui"),
                    "officer_id": catalogue.text("sign_in.officer_id"),
                    "password": catalogue.text("sign_in.password"),
                },
                "refusal": catalogue.section("refusal"),
                "shortcut": catalogue.section("shortcut"),
                "choices": action_choices(catalogue),
            },
        )
        return HTMLResponse(page)

    @router.get("/state")
    async def state(session: SeesLanes) -> Response:
        view = desk.view(session)
        if view is None:
            raise LaneLinkDown("the gate was not heard yet")
        return JSONResponse(view)

    @router.get("/events")
    async def events(session: SeesLanes) -> Response:
        desk.link.changes.require_room()
        return StreamingResponse(_events(desk, session), media_type="text/event-stream", headers=STREAM_HEADERS)

    @router.get("/devices/{name}/history")
    async def device_history(name: str, session: SeesLanes) -> Response:
        found = await desk.link.device_history(name)
        if found is None:
            return JSONResponse({"message": "no such device"}, status_code=404)
        return JSONResponse(history(found, desk.catalogue(session.language)))

    @router.get("/images/{transaction_id}/{kind}")
    async def image(transaction_id: uuid.UUID, kind: ImageKind, _session: SeesPeople) -> Response:
        jpeg = await desk.link.image(transaction_id, kind)
        if jpeg is None:
            return Response(status_code=404)
        return Response(jpeg, media_type="image/jpeg")

    @router.post("/referrals/{transaction_id}/assessment")
    async def assess(request: Request, transaction_id: uuid.UUID, session: SeesPeople) -> Response:
        content = await own_post(request, session)
        answer = content.get("answer")
        if answer not in {"same", "different", "unsure"}:
            raise RequestRefused(422, "answer must be same, different or unsure")
        if find_referral(desk.link.snapshot, transaction_id) is None:
            raise RequestRefused(404, "this transaction waits for no guard")
        kept = desk.assessments.give(session.officer.officer_id, transaction_id, answer)
        desk.link.changes.publish(0)  # the officer's own page shows the reveal at once
        return JSONResponse({"assessment": kept})

    @router.post("/actions", response_model=ActionAnswer)
    async def actions(request: Request, session: SignedIn) -> Response:
        content = await own_post(request, session)
        try:
            wanted = ActionRequest.model_validate(content)
        except ValidationError as error:
            wrong = ", ".join(sorted({".".join(map(str, item["loc"])) for item in error.errors()}))
            raise RequestRefused(422, f"refused at {wrong}") from error
        answer = await with_second_officer(request, session, wanted)
        return JSONResponse(answer.model_dump(mode="json"), status_code=200 if answer.accepted else 403)

    app.include_router(router)


async def _events(desk: GuardDesk, session: Session) -> AsyncIterator[bytes]:
    yield f"retry: {RETRY_MS}\n\n".encode()
    shown: dict[str, Any] | None = None
    with desk.link.changes.subscribe() as place:
        changed: int | None = 0
        while True:
            if place.ended:
                return
            if desk.sessions.find(session.cookie) is None:
                yield frame("end", "{}", "locked")
                return
            view = desk.view(session)
            if view is not None and changed is not None:
                # The gate's time alone is no news; it is left out of the comparison.
                if shown is None or {**view, "now": ""} != {**shown, "now": ""}:
                    shown = view
                    yield frame(view["sequence"], json.dumps(view, ensure_ascii=False))
                else:
                    yield frame(view["sequence"], json.dumps({"now": view["now"]}), "beat")
                await asyncio.sleep(MINIMUM_GAP_S)
            changed = await place.next(COMMENT_INTERVAL_S)


@contextlib.asynccontextmanager
async def following(link: LaneLink) -> AsyncIterator[None]:
    """Keep `link` following the gate inside the block."""
    task = asyncio.create_task(link.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await link.close()
