"""The pages of a declaration: who, one page for each question, check your answers, and the code."""

from __future__ import annotations

import base64

import structlog
from fastapi import Request, Response
from fastapi.responses import PlainTextResponse
from starlette.exceptions import HTTPException

from gate_agent.web.formats import day_text, minute_text
from gate_agent.web.number_entry import CURRENCIES
from gate_agent.web.portal.answers import ANSWERS
from gate_agent.web.portal.draft import COOKIE, WITH_LINES, Draft
from gate_agent.web.portal.forms import Form, Wrong
from gate_agent.web.portal.issue import IssuedToken, issue
from gate_agent.web.portal.kinds import KindsAsked, kinds_asked
from gate_agent.web.portal.meter import Luggage, Preview
from gate_agent.web.portal.shell import Shell
from gate_agent.web.portal.showing import entries_shown, kinds_shown, rows_shown, values_shown

_BACK = {"trip": "declare/eligibility", "document": "declare/trip", "companions": "declare/document", "persons": "declare/companions", "carry": "declare/companions"}  # fmt: skip
_log = structlog.get_logger()


class Declaring:
    """Pages that need a draft."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._portal = shell.portal

    async def eligibility(self, request: Request, slug: str) -> Response:
        """Ask who declares; open a draft for those whom these pages are for."""
        if request.method == "GET":
            return self._ask_who(slug, [])
        form = await self._shell.form(request)
        who = form.one("who")
        if who in {"under_16", "official"}:
            return self._shell.see(slug, f"cannot/{who}")
        if who != "private":
            return self._ask_who(slug, [Wrong("who", "choose_eligibility")])
        cookie = request.cookies.get(COOKIE, "")
        held = self._portal.drafts.draft(cookie)
        if held is not None and held.issued is None and self._portal.kiosk is None:
            return self._shell.see(slug, f"declare/{held.unanswered() or 'check'}")
        self._portal.drafts.close(cookie)
        draft = Draft()
        if self._portal.kiosk is not None:
            draft.direction, draft.mode = self._portal.kiosk.direction, self._portal.kiosk.mode
        answer = self._shell.see(slug, f"declare/{draft.unanswered()}")
        return self._shell.with_draft(request, answer, draft)

    def _ask_who(self, slug: str, wrongs: list[Wrong]) -> Response:
        return self._shell.page(
            slug, "eligibility.html", "eligibility.title", "declare/eligibility", wrongs,
            back="", values={"who": ""}, form_token="",
        )  # fmt: skip

    async def question(self, request: Request, slug: str, question: str) -> Response:
        """Ask one question, or take its answer."""
        if question not in ANSWERS:
            raise HTTPException(404)
        draft = self._shell.draft(request)
        if draft.issued is not None:
            return self._shell.see(slug, "declare/receipt")
        now_s = self._portal.clock.monotonic_s()
        if request.method == "GET":
            draft.shown(question, now_s)
            return self._ask(request, slug, question, draft, Form({}), [])
        form = await self._shell.own_form(request)
        wrongs = ANSWERS[question](draft, form, self._kinds(draft))
        if wrongs:
            return self._ask(request, slug, question, draft, form, wrongs)
        seconds = draft.answered(question, now_s)
        if seconds is not None:
            self._portal.times.add(question, seconds)
        if question in WITH_LINES and (form.one("remove") or form.one("action") == "add"):
            return self._shell.see(slug, f"declare/{question}")
        return self._shell.see(slug, f"declare/{draft.unanswered() or 'check'}")

    def _ask(
        self, request: Request, slug: str, question: str, draft: Draft, form: Form, wrongs: list[Wrong]
    ) -> Response:
        words, kinds = self._shell.words(slug), self._kinds(draft)
        return self._shell.page(
            slug, f"{question}.html", f"{question}.title", f"declare/{question}", wrongs,
            back=_BACK.get(question, "declare/carry"),
            values=values_shown(question, draft, form if wrongs else None, kinds),
            form_token=self._shell.form_token(request), currencies=CURRENCIES, kinds=kinds_shown(kinds, words),
            entries=entries_shown(question, draft, words), preview=self._preview(slug, question, draft),
        )  # fmt: skip

    async def check(self, request: Request, slug: str) -> Response:
        """Show all answers; issue the code when they are sent."""
        draft = self._shell.draft(request)
        if draft.issued is not None:
            return self._shell.see(slug, "declare/receipt")
        open_question = draft.unanswered()
        if open_question is not None:
            return self._shell.see(slug, f"declare/{open_question}")
        now_s = self._portal.clock.monotonic_s()
        if request.method == "GET":
            draft.shown("check", now_s)
            return self._check_page(request, slug, draft)
        await self._shell.own_form(request)
        seconds = draft.answered("check", now_s)
        if seconds is not None:
            self._portal.times.add("check", seconds)
        try:
            issued = self._issue(draft)
        except ValueError:
            return self._check_page(request, slug, draft, [Wrong("send", "code_too_small")])
        draft.forget_answers()
        draft.issued = issued
        return self._shell.see(slug, "declare/receipt")

    def _check_page(self, request: Request, slug: str, draft: Draft, wrongs: list[Wrong] | None = None) -> Response:
        return self._shell.page(
            slug, "check.html", "check.title", "declare/check", wrongs,
            back="declare/carry", rows=rows_shown(draft, self._shell.words(slug)),
            form_token=self._shell.form_token(request), preview=self._preview(slug, "check", draft),
        )  # fmt: skip

    def _issue(self, draft: Draft) -> IssuedToken:
        portal, fields = self._portal, draft.fields()
        now = portal.clock.now()
        deadline = self._kinds(draft).goods_deadline(portal.today())
        issued = issue(fields, portal.issuer_key, now, portal.validity, goods_deadline=deadline)
        if portal.book is not None:
            portal.book.issued(
                now,
                issued.reference,
                issued.stub,
                fields.document_number,
                seal_ids=fields.seal_ids,
                saved_code=draft.saved_code,
                declared_on=portal.today(),
            )
        if fields.filled_in_s is not None:
            portal.times.add("whole", fields.filled_in_s)
        _log.info(
            "declaration_issued",
            goods_lines=len(fields.goods),
            cash_lines=len(fields.cash),
            filled_in_s=fields.filled_in_s,
        )
        return issued

    async def receipt(self, request: Request, slug: str) -> Response:
        """Show the code, ready to print."""
        issued = self._shell.issued(request)
        picture = base64.b64encode(issued.png).decode("ascii")
        zone = self._portal.time_zone
        stub = issued.stub
        return self._shell.page(
            slug, "receipt.html", "receipt.title", "declare/receipt",
            reference=issued.reference, picture=f"data:image/png;base64,{picture}", text_code=issued.text,
            valid_until=minute_text(issued.expires_at.astimezone(zone), self._shell.words(slug).language), zone=zone.key.rpartition("/")[2],
            form_token=self._shell.form_token(request), stub=stub,
            stub_deadline="" if stub is None or stub.deadline is None else day_text(stub.deadline, self._shell.words(slug).language),
            has_book=self._portal.book is not None, channels=self._portal.channels,
        )  # fmt: skip

    async def code(self, request: Request, slug: str) -> Response:
        """Return the symbol as a picture to keep."""
        self._shell.words(slug)
        issued = self._shell.issued(request)
        headers = {"Content-Disposition": f'attachment; filename="{issued.reference}.png"'}
        return Response(issued.png, media_type="image/png", headers=headers)

    async def code_text(self, request: Request, slug: str) -> Response:
        """Return the text of the symbol."""
        self._shell.words(slug)
        return PlainTextResponse(self._shell.issued(request).text)

    async def end(self, request: Request, slug: str) -> Response:
        """Forget the draft, at the traveller's word."""
        if request.method == "POST":
            await self._shell.own_form(request)
            self._portal.drafts.close(request.cookies.get(COOKIE, ""))
            answer = self._shell.see(slug, "declare/end")
            answer.delete_cookie(COOKIE, httponly=True, samesite="strict", path=self._portal.prefix or "/")
            return answer
        return self._shell.notice(slug, "receipt.deleted_title", "receipt.deleted", "declare/end", "", "receipt.again")

    def _kinds(self, draft: Draft) -> KindsAsked:
        return kinds_asked(self._portal.rulebook(), draft.direction, draft.mode, self._portal.today())

    def _preview(self, slug: str, question: str, draft: Draft) -> Preview:
        if draft.direction is None or draft.mode is None:
            return Preview()
        if question == "check":
            return self._shell.preview(slug, Luggage.of(draft.direction, draft.mode, draft.fields()))
        goods = draft.all_goods() if question in {"goods", "limited", "temporary"} else ()
        cash = draft.cash if question == "cash" else ()
        luggage = Luggage(draft.direction, draft.mode, goods, cash, travellers=1 + len(draft.persons))
        return self._shell.preview(slug, luggage)
