"""What all declaration pages share: languages, rendering, forms of our own pages only, drafts behind the cookie, refusals as pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse
from starlette.exceptions import HTTPException

from gate_agent.clock import Clock
from gate_agent.domain.declaration import Direction, TravelMode
from gate_agent.policy.rulebook import Rulebook
from gate_agent.web import pages
from gate_agent.web.formats import kilogram_text
from gate_agent.web.i18n import LANGUAGE_NAMES, Catalogue
from gate_agent.web.languages import FACTS, FIRST_LANGUAGE, SLUGS, asked_language, direction_of
from gate_agent.web.portal.book import Book
from gate_agent.web.portal.draft import COOKIE, Draft, Drafts, RequestAllowance
from gate_agent.web.portal.forms import Form, Wrong
from gate_agent.web.portal.issue import IssuedToken
from gate_agent.web.portal.meter import Luggage, Preview, preview
from gate_agent.web.portal.page_times import PageTimes
from gate_agent.web.portal.showing import error_shown

LANGUAGES: Mapping[str, str] = SLUGS
"""First part of an address, and the language it means."""

LOCALE_FOLDER = Path(__file__).parent / "locale"
MAXIMUM_BODY_BYTES = 16_384
IDLE_S = 180
"""A kiosk that nobody touches for so long goes back to its start page; the page says so."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Kiosk:
    """The pages on a screen at a gate: the crossing is known, and nothing stays on the screen for the next traveller."""

    direction: Direction
    mode: TravelMode


@dataclass(frozen=True, slots=True)
class Portal:
    """What the pages work with. `rulebook` returns the rulebook in force; `time_zone` says which day it is at the border.

    `book` keeps what outlives a draft (saved drafts, stubs, notices); without one nothing can be saved. `prefix` is the address under
    which the pages stand; `channels` are the notifiers that the site switched on, `sms_prefixes` how telephone numbers begin that one may name.
    """

    issuer_key: Ed25519PrivateKey
    validity: timedelta
    rulebook: Callable[[], Rulebook | None]
    clock: Clock
    time_zone: ZoneInfo
    catalogues: Mapping[str, Catalogue]
    drafts: Drafts
    allowance: RequestAllowance
    book: Book | None = None
    guesses: RequestAllowance | None = None
    times: PageTimes = field(default_factory=PageTimes)
    channels: tuple[str, ...] = ()
    sms_prefixes: tuple[str, ...] = ()
    prefix: str = ""
    kiosk: Kiosk | None = None

    def today(self) -> date:
        """Return the local date at the border."""
        return self.clock.now().astimezone(self.time_zone).date()


class Refused(Exception):
    """The request cannot go on; shown as a page of its own."""

    def __init__(self, kind: str, status: int) -> None:
        super().__init__(kind)
        self.kind = kind
        self.status = status


class Shell:
    """Pages of one portal."""

    def __init__(self, portal: Portal) -> None:
        self.portal = portal
        self._templates = pages.page_templates("portal", kilogram=kilogram_text)

    # answers

    def words(self, slug: str) -> Catalogue:
        """Return the texts of a language. Raises `HTTPException` 404 for an address without one."""
        language = LANGUAGES.get(slug)
        if language is None:
            raise HTTPException(404)
        return self.portal.catalogues[language]

    def see(self, slug: str, place: str) -> RedirectResponse:
        """Send the browser to another page, with GET."""
        self.words(slug)
        return RedirectResponse(f"{self.portal.prefix}/{slug}/{place}", status_code=303)

    def page(
        self,
        slug: str,
        template: str,
        title: str,
        place: str,
        wrongs: list[Wrong] | None = None,
        *,
        back: str | None = None,
        status: int = 200,
        **values: object,
    ) -> HTMLResponse:
        """Return a page; 422 when something on it is to be mended."""
        words = self.words(slug)
        errors = [error_shown(wrong, words) for wrong in wrongs or []]
        html = self._templates.get_template(template).render(
            t=words.text,
            title=words.text(title),
            language=words.language,
            direction=direction_of(words.language),
            slug=slug,
            prefix=self.portal.prefix,
            home=f"{self.portal.prefix}/{slug}",
            is_kiosk=self.portal.kiosk is not None,
            can_save=self.portal.book is not None and self.portal.book.saved_days > 0,
            place=place,
            languages=[(other, language, LANGUAGE_NAMES[language]) for other, language in LANGUAGES.items()],
            back=back,
            errors=errors,
            **values,
        )
        answer = HTMLResponse(html, status_code=422 if errors else status)
        if self.portal.kiosk is not None and place:
            answer.headers["Refresh"] = f"{IDLE_S}; url={self.portal.prefix}/"  # nobody finds what another typed
        return answer

    def notice(
        self, slug: str, title: str, text: str, place: str, onward: str, onward_text: str, *, status: int = 200
    ) -> HTMLResponse:
        """Return a page that says one thing and has one way on."""
        words = self.words(slug)
        return self.page(
            slug, "notice.html", title, place,
            text=words.text(text), onward=onward, onward_text=words.text(onward_text), status=status,
        )  # fmt: skip

    # refusals

    async def refused(self, request: Request, error: Exception) -> Response:
        """Answer a request that cannot go on."""
        kind, status = (error.kind, error.status) if isinstance(error, Refused) else ("unusable", 400)
        return self._refusal(request, kind, status)

    async def missing(self, request: Request, error: Exception) -> Response:
        """Answer a request for a page that is not there."""
        status = error.status_code if isinstance(error, HTTPException) else 500
        if status == 404:
            return self._refusal(request, "missing", 404)
        return PlainTextResponse("not possible", status_code=status)

    def _refusal(self, request: Request, kind: str, status: int) -> Response:
        slug = request.url.path.removeprefix(self.portal.prefix).split("/")[1]
        slug = slug if slug in LANGUAGES else preferred(request)
        answer = self.notice(slug, f"refused.{kind}_title", f"refused.{kind}", "", "", "refused.start", status=status)
        if status == 429:
            answer.headers["Retry-After"] = "60"
        return answer

    # drafts and forms

    def draft(self, request: Request) -> Draft:
        """Return the draft behind the cookie. Raises `Refused`."""
        draft = self.portal.drafts.draft(request.cookies.get(COOKIE, ""))
        if draft is None:
            raise Refused("gone", 410)
        return draft

    def issued(self, request: Request) -> IssuedToken:
        """Return what was issued for the draft behind the cookie. Raises `Refused`."""
        issued = self.draft(request).issued
        if issued is None:
            raise Refused("gone", 410)
        return issued

    def with_draft(self, request: Request, answer: Response, draft: Draft | None = None) -> Response:
        """Open a draft, or go on with one, behind a new cookie."""
        answer.set_cookie(
            COOKIE,
            self.portal.drafts.open(draft),
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
            path=self.portal.prefix or "/",
        )
        return answer

    def form_token(self, request: Request) -> str:
        """Return what forms of this draft carry."""
        return self.portal.drafts.form_token(request.cookies.get(COOKIE, ""))

    async def form(self, request: Request) -> Form:
        """Return the posted form. Only forms of our own pages count: browsers say so in `Sec-Fetch-Site`. Raises `Refused`."""
        if not self.portal.allowance.takes(address_of(request)):
            raise Refused("busy", 429)
        if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
            raise Refused("form", 403)
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
            raise Refused("unusable", 415)
        try:
            return Form.parse(await request.body())
        except ValueError as error:
            raise Refused("unusable", 400) from error

    async def own_form(self, request: Request) -> Form:
        """Return the posted form of a page of this draft. Raises `Refused`."""
        form = await self.form(request)
        if not self.portal.drafts.is_form_token(request.cookies.get(COOKIE, ""), form.one("form_token")):
            _log.warning("form_refused")
            raise Refused("form", 403)
        return form

    def preview(self, slug: str, luggage: Luggage | None) -> Preview:
        """Return what the rules say about goods and cash today."""
        if luggage is None:
            return Preview()
        return preview(self.portal.rulebook(), luggage, self.portal.today(), self.words(slug))


def address_of(request: Request) -> str:
    """Return whose bucket a request is taken from."""
    return request.client.host if request.client else "local"


def preferred(request: Request) -> str:
    """Return the first of our languages that the browser asks for, Uzbek otherwise."""
    return FACTS[asked_language(request.headers.get("accept-language", "")) or FIRST_LANGUAGE].slug
