"""Requests of signed-in officers, whichever page they come from: whose they are, that our own page sent them, and what they are signed with."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request

from gate_agent.clock import Clock
from gate_agent.domain.agency import AGENCY_OF_ROLE
from gate_agent.web.auth import (
    SESSION_COOKIE,
    OfficerKeys,
    Session,
    Sessions,
    SignInRefused,
    TooManyAttempts,
    is_foreign,
)
from gate_agent.web.guard.acting import ActionRequest, Assessments, SecondOfficer, act
from gate_agent.web.guard.lane_link import LaneLink
from gate_agent.web.guard.rights import Part, may_see
from gate_agent.web.guard.view import Viewer, console_view
from gate_agent.web.i18n import Catalogue, Catalogues
from gate_agent.web.lane_api_messages import ActionAnswer

_SUPERVISOR = "supervisor"


class NotSignedIn(Exception):
    """No session, or one that ended; pages are sent to the sign-in, scripts get 401."""


class RequestRefused(Exception):
    """The request is not one of our own pages' (token or origin), or its fields are wrong."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class GuardDesk:
    """What the console needs; made once at start."""

    link: LaneLink
    keys: OfficerKeys
    sessions: Sessions
    assessments: Assessments
    catalogues: Catalogues
    clock: Clock

    def catalogue(self, language: str) -> Catalogue:
        """Return the catalogue of a language, the first one's when it is not served."""
        return self.catalogues.get(language) or next(iter(self.catalogues.values()))

    def view(self, session: Session) -> dict[str, Any] | None:
        """Return the page's content for a session, or None before the gate was heard."""
        snapshot = self.link.snapshot_now()
        if snapshot is None:
            return None
        officer = session.officer
        viewer = Viewer(
            officer.actions,
            self.assessments.of(officer.officer_id),
            officer.role == _SUPERVISOR,
            AGENCY_OF_ROLE.get(officer.role),
            sees_people=may_see(officer.role, Part.PEOPLE),
        )
        return console_view(snapshot, self.catalogue(session.language), viewer)


def wants_json(request: Request) -> bool:
    """Return whether the client asked for JSON."""
    return "application/json" in request.headers.get("accept", "")


async def fields(request: Request) -> dict[str, Any]:
    """Return the posted fields, JSON or form. Raises `RequestRefused`."""
    if request.headers.get("content-type", "").partition(";")[0].strip() == "application/json":
        try:
            content = json.loads(await request.body())
        except (ValueError, RecursionError) as error:
            raise RequestRefused(422, "not JSON") from error
        if not isinstance(content, dict):
            raise RequestRefused(422, "an object is expected")
        return content
    return {name: value for name, value in (await request.form()).items() if isinstance(value, str)}


def first_page(role: str) -> str:
    """Return where an officer of a role begins: whoever has nothing to look at on the guard's console begins at the desk."""
    return "/guard" if may_see(role, Part.LANES) else "/desk"


def refuse_foreign(request: Request) -> None:
    """Raise `RequestRefused` when a page of another origin sent the request."""
    if is_foreign(request.headers, f"{request.url.scheme}://{request.headers.get('host', '')}"):
        raise RequestRefused(403, "the request came from another site")


def session_of(request: Request) -> Session:
    """Return the session of the request's cookie. Raises `NotSignedIn`."""
    desk: GuardDesk = request.app.state.guard_desk
    session = desk.sessions.find(request.cookies.get(SESSION_COOKIE, ""))
    if session is None:
        raise NotSignedIn
    return session


SignedIn = Annotated[Session, Depends(session_of)]


def _who_may_see(part: Part) -> Callable[[Session], Session]:
    def session_for(session: SignedIn) -> Session:
        if not may_see(session.officer.role, part):
            raise RequestRefused(403, "this role may not see this")
        return session

    return session_for


SeesLanes = Annotated[Session, Depends(_who_may_see(Part.LANES))]
SeesPeople = Annotated[Session, Depends(_who_may_see(Part.PEOPLE))]
FindsReceipts = Annotated[Session, Depends(_who_may_see(Part.RECEIPTS))]
"""The signed-in session of a role that may see that part. Each raises `NotSignedIn`, and `RequestRefused` (403) for other roles."""


async def own_post(request: Request, session: Session) -> dict[str, Any]:
    """Return the fields that one of our own pages posted. Raises `RequestRefused` for a foreign page or an old token."""
    refuse_foreign(request)
    content = await fields(request)
    token = request.headers.get("x-csrf-token") or content.get("csrf", "")
    if not isinstance(token, str) or not session.holds_csrf(token):
        raise RequestRefused(403, "the page is too old; load it again")
    desk: GuardDesk = request.app.state.guard_desk
    desk.sessions.touch(session)
    return content


async def with_second_officer(request: Request, session: Session, wanted: ActionRequest) -> ActionAnswer:
    """Carry out what an officer wants, signed by a second one, too, where the page names one."""
    desk: GuardDesk = request.app.state.guard_desk
    second = None
    if wanted.second_officer_id:
        address = request.client.host if request.client is not None else ""
        try:
            officer, key = await desk.keys.open(wanted.second_officer_id, wanted.second_password, address)
        except (SignInRefused, TooManyAttempts):
            return ActionAnswer.refused("second_officer_refused", "the second officer's sign-in was refused")
        second = SecondOfficer(officer.officer_id, key)
    return await act(desk.link, desk.clock, desk.assessments, session, wanted, second)
