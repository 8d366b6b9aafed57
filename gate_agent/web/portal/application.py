"""The declaration pages: plain forms, POST and redirect, three languages, no script.

/{uz|ru|en}/                       start                     /{…}/limit      "am I over the limit?", stores nothing
/{…}/declare/eligibility           opens a draft             /{…}/declare/{trip|document|children|carry|goods|cash|seals}
/{…}/declare/check                 answers; POST issues      /{…}/declare/receipt · code.png · code.txt · end
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse
from starlette.exceptions import HTTPException

from gate_agent.clock import Clock
from gate_agent.policy.rulebook import Rulebook
from gate_agent.web import pages
from gate_agent.web.i18n import LANGUAGE_NAMES, Catalogue
from gate_agent.web.portal import answers
from gate_agent.web.portal.answers import Answer, Form, Wrong
from gate_agent.web.portal.draft import COOKIE, Draft, Drafts, RequestAllowance
from gate_agent.web.portal.entry import CURRENCIES
from gate_agent.web.portal.issue import IssuedToken, issue
from gate_agent.web.portal.meter import Luggage, Preview, preview
from gate_agent.web.portal.numbers import minute_text
from gate_agent.web.portal.showing import entries_shown, error_shown, rows_shown

LANGUAGES: Mapping[str, str] = {"uz": "uz-Latn", "ru": "ru", "en": "en"}
"""First part of an address, and the language it means."""

LOCALE_FOLDER = Path(__file__).parent / "locale"
MAXIMUM_BODY_BYTES = 16_384

QUESTIONS: Mapping[str, tuple[Answer, str]] = {
    "trip": (answers.trip, "declare/eligibility"),
    "document": (answers.document, "declare/trip"),
    "children": (answers.children, "declare/document"),
    "carry": (answers.carry, "declare/children"),
    "goods": (answers.goods, "declare/carry"),
    "cash": (answers.cash, "declare/carry"),
    "seals": (answers.seals, "declare/carry"),
}
"""Each question: what reads its page, and where its back link goes."""

_WITH_LINES = ("goods", "cash", "seals")
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Portal:
    """What the pages work with. `rulebook` returns the rulebook in force; `time_zone` says which day it is at the border."""

    issuer_key: Ed25519PrivateKey
    validity: timedelta
    rulebook: Callable[[], Rulebook | None]
    clock: Clock
    time_zone: ZoneInfo
    catalogues: Mapping[str, Catalogue]
    drafts: Drafts
    allowance: RequestAllowance


class _Refused(Exception):
    """The request cannot go on; shown as a page of its own."""

    def __init__(self, kind: str, status: int) -> None:
        super().__init__(kind)
        self.kind = kind
        self.status = status


def portal_app(portal: Portal, *, allowed_hosts: tuple[str, ...] = ()) -> FastAPI:
    """Return the application of the declaration pages."""
    app = pages.page_app("eGate portal", allowed_hosts=allowed_hosts, maximum_body_bytes=MAXIMUM_BODY_BYTES)
    desk = _Desk(portal)

    def route(path: str, page: Callable[..., Awaitable[Response]], *methods: str) -> None:
        app.add_api_route(path, page, methods=list(methods), response_model=None)

    route("/", desk.choose_language, "GET")
    route("/{slug}/", desk.start, "GET")
    route("/{slug}/limit", desk.limit, "GET", "POST")
    route("/{slug}/cannot/{reason}", desk.cannot, "GET")
    route("/{slug}/declare/eligibility", desk.eligibility, "GET", "POST")
    route("/{slug}/declare/check", desk.check, "GET", "POST")
    route("/{slug}/declare/receipt", desk.receipt, "GET")
    route("/{slug}/declare/code.png", desk.code, "GET")
    route("/{slug}/declare/code.txt", desk.code_text, "GET")
    route("/{slug}/declare/end", desk.end, "GET", "POST")
    route("/{slug}/declare/{question}", desk.question, "GET", "POST")
    app.add_exception_handler(_Refused, desk.refused)
    app.add_exception_handler(HTTPException, desk.missing)
    return app


class _Desk:
    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._templates = pages.page_templates("portal")

    # pages that need no draft

    async def choose_language(self, request: Request) -> Response:
        return RedirectResponse(f"/{_preferred(request)}/", status_code=303)

    async def start(self, slug: str) -> Response:
        return self._page(slug, "start.html", "start.title", "")

    async def cannot(self, slug: str, reason: str) -> Response:
        if reason not in {"under_16", "official"}:
            raise HTTPException(404)
        return self._notice(
            slug, f"cannot.{reason}_title", f"cannot.{reason}", f"cannot/{reason}",
            "declare/eligibility", "cannot.again",
        )  # fmt: skip

    async def limit(self, request: Request, slug: str) -> Response:
        names = ("direction", "mode", "days", "value", "mass", "currency_1", "amount_1", "currency_2", "amount_2")
        form = await self._form(request) if request.method == "POST" else Form({})
        asked, wrongs = answers.luggage(form) if request.method == "POST" else (None, [])
        return self._page(
            slug, "limit.html", "limit.title", "limit", wrongs,
            back="", values={name: form.one(name) for name in names}, form_token="", currencies=CURRENCIES,
            preview=self._preview(slug, asked),
        )  # fmt: skip

    async def eligibility(self, request: Request, slug: str) -> Response:
        if request.method == "GET":
            return self._ask_who(slug, [])
        form = await self._form(request)
        who = form.one("who")
        if who in {"under_16", "official"}:
            return _see(f"/{slug}/cannot/{who}")
        if who != "private":
            return self._ask_who(slug, [Wrong("who", "choose_eligibility")])
        drafts = self._portal.drafts
        draft = drafts.draft(request.cookies.get(COOKIE, ""))
        if draft is not None and draft.issued is None:
            return _see(f"/{slug}/declare/{draft.unanswered() or 'check'}")
        drafts.close(request.cookies.get(COOKIE, ""))
        answer = _see(f"/{slug}/declare/trip")
        answer.set_cookie(
            COOKIE, drafts.open(), httponly=True, samesite="strict", secure=request.url.scheme == "https", path="/"
        )
        return answer

    def _ask_who(self, slug: str, wrongs: list[Wrong]) -> Response:
        return self._page(
            slug, "eligibility.html", "eligibility.title", "declare/eligibility", wrongs,
            back="", values={"who": ""}, form_token="",
        )  # fmt: skip

    # pages of a draft

    async def question(self, request: Request, slug: str, question: str) -> Response:
        if question not in QUESTIONS:
            raise HTTPException(404)
        draft = self._draft(request)
        if draft.issued is not None:
            return _see(f"/{slug}/declare/receipt")
        if request.method == "GET":
            return self._ask(request, slug, question, draft, Form({}), [])
        form = await self._own_form(request)
        read, _back = QUESTIONS[question]
        wrongs = read(draft, form)
        if wrongs:
            return self._ask(request, slug, question, draft, form, wrongs)
        if question in _WITH_LINES and (form.one("remove") or form.one("action") == "add"):
            return _see(f"/{slug}/declare/{question}")
        return _see(f"/{slug}/declare/{draft.unanswered() or 'check'}")

    def _ask(
        self, request: Request, slug: str, question: str, draft: Draft, form: Form, wrongs: list[Wrong]
    ) -> Response:
        held = {
            "direction": draft.direction.value if draft.direction else "",
            "mode": draft.mode.value if draft.mode else "",
            "issuing_state": draft.issuing_state,
            "document_number": draft.document_number,
            "small_children": "" if draft.small_children is None else str(draft.small_children),
        }
        names = (*held, "description", "value", "mass", "currency", "amount", "seal")
        values: dict[str, object] = {name: form.one(name) if wrongs else held.get(name, "") for name in names}
        nothing = {"nothing"} if draft.carries is not None and not draft.carries else set[str]()
        values["carry"] = form.every("carry") if wrongs else (draft.carries or frozenset()) | nothing
        words = self._words(slug)
        return self._page(
            slug, f"{question}.html", f"{question}.title", f"declare/{question}", wrongs,
            back=QUESTIONS[question][1], values=values, form_token=self._form_token(request), currencies=CURRENCIES,
            entries=entries_shown(question, draft, words), preview=self._draft_preview(slug, question, draft),
        )  # fmt: skip

    async def check(self, request: Request, slug: str) -> Response:
        draft = self._draft(request)
        if draft.issued is not None:
            return _see(f"/{slug}/declare/receipt")
        open_question = draft.unanswered()
        if open_question is not None:
            return _see(f"/{slug}/declare/{open_question}")
        if request.method == "GET":
            return self._page(
                slug, "check.html", "check.title", "declare/check",
                back="declare/carry", rows=rows_shown(draft, self._words(slug)), form_token=self._form_token(request),
                preview=self._draft_preview(slug, "check", draft),
            )  # fmt: skip
        await self._own_form(request)
        portal = self._portal
        issued = issue(draft.fields(), portal.issuer_key, portal.clock.now(), portal.validity)
        _log.info("declaration_issued", goods_lines=len(draft.goods), cash_lines=len(draft.cash))
        _forget_answers(draft, issued)
        return _see(f"/{slug}/declare/receipt")

    async def receipt(self, request: Request, slug: str) -> Response:
        issued = self._issued(request)
        picture = base64.b64encode(issued.png).decode("ascii")
        return self._page(
            slug, "receipt.html", "receipt.title", "declare/receipt",
            reference=issued.reference, picture=f"data:image/png;base64,{picture}",
            valid_until=minute_text(issued.expires_at.astimezone(self._portal.time_zone)),
            zone=self._portal.time_zone.key.rpartition("/")[2], form_token=self._form_token(request),
        )  # fmt: skip

    async def code(self, request: Request, slug: str) -> Response:
        self._words(slug)
        issued = self._issued(request)
        headers = {"Content-Disposition": f'attachment; filename="{issued.reference}.png"'}
        return Response(issued.png, media_type="image/png", headers=headers)

    async def code_text(self, request: Request, slug: str) -> Response:
        self._words(slug)
        return PlainTextResponse(self._issued(request).text)

    async def end(self, request: Request, slug: str) -> Response:
        if request.method == "POST":
            await self._own_form(request)
            self._portal.drafts.close(request.cookies.get(COOKIE, ""))
            answer = _see(f"/{slug}/declare/end")
            answer.delete_cookie(COOKIE, httponly=True, samesite="strict", path="/")
            return answer
        return self._notice(slug, "receipt.deleted_title", "receipt.deleted", "declare/end", "", "receipt.again")

    # refusals

    async def refused(self, request: Request, error: Exception) -> Response:
        kind, status = (error.kind, error.status) if isinstance(error, _Refused) else ("unusable", 400)
        return self._refusal(request, kind, status)

    async def missing(self, request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        if status == 404:
            return self._refusal(request, "missing", 404)
        return PlainTextResponse("not possible", status_code=status)

    def _refusal(self, request: Request, kind: str, status: int) -> Response:
        slug = request.url.path.split("/")[1]
        slug = slug if slug in LANGUAGES else _preferred(request)
        answer = self._notice(slug, f"refused.{kind}_title", f"refused.{kind}", "", "", "refused.start", status=status)
        if status == 429:
            answer.headers["Retry-After"] = "60"
        return answer

    # what the pages share

    def _words(self, slug: str) -> Catalogue:
        language = LANGUAGES.get(slug)
        if language is None:
            raise HTTPException(404)
        return self._portal.catalogues[language]

    def _page(
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
        words = self._words(slug)
        errors = [error_shown(wrong, words) for wrong in wrongs or []]
        html = self._templates.get_template(template).render(
            t=words.text,
            title=words.text(title),
            language=words.language,
            slug=slug,
            place=place,
            languages=[(other, language, LANGUAGE_NAMES[language]) for other, language in LANGUAGES.items()],
            back=back,
            errors=errors,
            **values,
        )
        return HTMLResponse(html, status_code=422 if errors else status)

    def _notice(
        self, slug: str, title: str, text: str, place: str, onward: str, onward_text: str,
        *, status: int = 200,
    ) -> HTMLResponse:  # fmt: skip
        words = self._words(slug)
        return self._page(
            slug, "notice.html", title, place,
            text=words.text(text), onward=onward, onward_text=words.text(onward_text), status=status,
        )  # fmt: skip

    def _draft(self, request: Request) -> Draft:
        draft = self._portal.drafts.draft(request.cookies.get(COOKIE, ""))
        if draft is None:
            raise _Refused("gone", 410)
        return draft

    def _issued(self, request: Request) -> IssuedToken:
        issued = self._draft(request).issued
        if issued is None:
            raise _Refused("gone", 410)
        return issued

    def _form_token(self, request: Request) -> str:
        return self._portal.drafts.form_token(request.cookies.get(COOKIE, ""))

    async def _form(self, request: Request) -> Form:
        """Return the posted form. Only forms of our own pages count: browsers say so in `Sec-Fetch-Site`."""
        if not self._portal.allowance.takes(_address(request)):
            raise _Refused("busy", 429)
        if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
            raise _Refused("form", 403)
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
            raise _Refused("unusable", 415)
        try:
            return Form.parse(await request.body())
        except ValueError as error:
            raise _Refused("unusable", 400) from error

    async def _own_form(self, request: Request) -> Form:
        form = await self._form(request)
        if not self._portal.drafts.is_form_token(request.cookies.get(COOKIE, ""), form.one("form_token")):
            _log.warning("form_refused")
            raise _Refused("form", 403)
        return form

    def _preview(self, slug: str, asked: Luggage | None) -> Preview:
        if asked is None:
            return Preview()
        today = self._portal.clock.now().astimezone(self._portal.time_zone).date()
        return preview(self._portal.rulebook(), asked, today, self._words(slug))

    def _draft_preview(self, slug: str, question: str, draft: Draft) -> Preview:
        if draft.direction is None or draft.mode is None:
            return Preview()
        goods = draft.goods if question in {"goods", "check"} else []
        cash = draft.cash if question in {"cash", "check"} else []
        return self._preview(slug, Luggage(draft.direction, draft.mode, goods, cash))


def _forget_answers(draft: Draft, issued: IssuedToken) -> None:
    """Keep nothing but the issued code: the answers have done their work."""
    draft.issued = issued
    draft.issuing_state = draft.document_number = ""
    draft.small_children = draft.carries = None
    draft.goods.clear()
    draft.cash.clear()
    draft.seal_ids.clear()


def _see(place: str) -> RedirectResponse:
    return RedirectResponse(place, status_code=303)


def _address(request: Request) -> str:
    return request.client.host if request.client else "local"


def _preferred(request: Request) -> str:
    """Return the first of our languages that the browser asks for, Uzbek otherwise."""
    for wanted in request.headers.get("accept-language", "")[:200].lower().split(","):
        slug = wanted.strip()[:2]
        if slug in LANGUAGES:
            return slug
    return "uz"
