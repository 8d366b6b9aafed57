"""Save and return, and the stubs of goods that follow: pages that need the book. A code and a document number open them, no account.

Whoever guesses gets one answer for everything that is not so, and few tries: by address here, by code in the book.
"""

from __future__ import annotations

from datetime import timedelta

import structlog
from fastapi import Request, Response

from gate_agent.web.formats import day_text
from gate_agent.web.number_entry import EntryRefused
from gate_agent.web.portal import entry
from gate_agent.web.portal.book import Book, BookFault, Contact
from gate_agent.web.portal.draft import COOKIE, Draft
from gate_agent.web.portal.forms import Form, Reading, Wrong
from gate_agent.web.portal.saved_form import draft_bytes, draft_of
from gate_agent.web.portal.shell import Refused, Shell, address_of

_log = structlog.get_logger()


class Returning:
    """Pages of what was saved."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._portal = shell.portal

    def _book(self) -> Book:
        if self._portal.book is None:
            raise Refused("unsaved", 404)
        return self._portal.book

    def _saving_book(self) -> Book:
        book = self._book()
        if not book.saved_days:
            raise Refused("unsaved", 404)
        return book

    async def save(self, request: Request, slug: str) -> Response:
        """Say what will be kept and for how long; keep it when the traveller wants so."""
        book, draft = self._saving_book(), self._shell.draft(request)
        if draft.issued is not None:
            return self._shell.see(slug, "declare/receipt")
        if not draft.document_number:
            return self._shell.see(slug, "declare/document")
        if request.method == "GET":
            return self._save_page(request, slug, book, draft, "save.title", "declare/save")
        await self._shell.own_form(request)
        try:
            draft.saved_code = book.save(
                self._portal.clock.now(), draft_bytes(draft), draft.document_number, draft.saved_code
            )
        except BookFault as fault:
            _log.error("draft_not_saved", code=fault.code)
            raise Refused("unsaved", 503) from fault
        _log.info("draft_saved")
        return self._shell.see(slug, "declare/saved")

    async def saved(self, request: Request, slug: str) -> Response:
        """Show the code that opens the draft again."""
        book, draft = self._saving_book(), self._shell.draft(request)
        if not draft.saved_code:
            raise Refused("gone", 410)
        return self._save_page(request, slug, book, draft, "save.done_title", "declare/saved", draft.saved_code)

    def _save_page(
        self, request: Request, slug: str, book: Book, draft: Draft, title: str, place: str, code: str = ""
    ) -> Response:
        until = day_text(self._portal.today() + timedelta(days=book.saved_days), self._shell.words(slug).language)
        return self._shell.page(
            slug, "save.html", title, place, back=f"declare/{draft.unanswered() or 'check'}", until=until, code=code,
            form_token=self._shell.form_token(request),
        )  # fmt: skip

    async def reopen(self, request: Request, slug: str) -> Response:
        """Open a saved draft."""
        book = self._saving_book()
        form = await self._guess(request) if request.method == "POST" else Form({})
        wrongs: list[Wrong] = []
        if request.method == "POST":
            code, number, wrongs = _code_and_number(form, "code")
            if not wrongs:
                content = book.saved(self._portal.clock.now(), code, number)
                draft = None if content is None else draft_of(content)
                if draft is not None:
                    draft.saved_code = code
                    self._portal.drafts.close(request.cookies.get(COOKIE, ""))
                    answer = self._shell.see(slug, f"declare/{draft.unanswered() or 'check'}")
                    return self._shell.with_draft(request, answer, draft)
                _log.warning("saved_draft_not_found")
                wrongs = [Wrong("code", "saved_unknown")]
        return self._shell.page(
            slug, "return.html", "return.title", "return", wrongs, back="", form_token="",
            values={name: form.one(name) for name in ("code", "document_number")},
        )  # fmt: skip

    async def stub(self, request: Request, slug: str) -> Response:
        """Show a stub; take the number of the parcel that brings its goods."""
        book = self._book()
        form = await self._guess(request) if request.method == "POST" else Form({})
        wrongs: list[Wrong] = []
        found = None
        if request.method == "POST":
            stub_id, number, wrongs = _code_and_number(form, "stub_id")
            found = None if wrongs else book.stub(self._portal.clock.now(), stub_id, number)
            if not wrongs and found is None:
                wrongs = [Wrong("stub_id", "stub_unknown")]
            if found is not None and form.is_filled("parcel"):
                reading = Reading(form)
                parcel = reading.field("parcel", entry.postal_item)
                wrongs = reading.wrongs
                if parcel is not None and not book.announce(self._portal.clock.now(), found.stub_id, parcel):
                    wrongs = [Wrong("parcel", "parcel_taken")]
                found = book.stub(self._portal.clock.now(), stub_id, number)
        return self._shell.page(
            slug, "stub.html", "stub.title", "stub", wrongs, back="", form_token="", stub=found,
            deadline="" if found is None or found.deadline is None else day_text(found.deadline, self._shell.words(slug).language),
            values={name: form.one(name) for name in ("stub_id", "document_number", "parcel")},
        )  # fmt: skip

    async def want_notices(self, request: Request, slug: str) -> Response:
        """Take where the traveller wants to be told of changes."""
        book, issued = self._book(), self._shell.issued(request)
        form = await self._shell.own_form(request)
        channel = form.one("channel")
        if channel not in self._portal.channels:
            raise Refused("unusable", 400)
        language = self._shell.words(slug).language
        wrong = ""
        try:
            address = self._address(form.one("address"), channel)
            if not book.want_notices(self._portal.clock.now(), issued.reference, Contact(channel, address, language)):
                wrong = "address_full"
        except EntryRefused as refused:
            wrong = refused.key
        if wrong:
            return self._notices_page(request, slug, [Wrong("address", wrong)], channel, form.one("address"))
        return self._shell.notice(
            slug, "notices.done_title", "notices.done", "declare/receipt", "declare/receipt", "notices.back"
        )

    def _address(self, text: str, channel: str) -> str:
        return entry.telephone(text, self._portal.sms_prefixes) if channel == "sms" else entry.chat(text)

    async def ask_notices(self, request: Request, slug: str) -> Response:
        """Ask where the traveller wants to be told of changes."""
        self._book()
        self._shell.issued(request)
        return self._notices_page(request, slug, [])

    def _notices_page(
        self, request: Request, slug: str, wrongs: list[Wrong], channel: str = "", address: str = ""
    ) -> Response:
        return self._shell.page(
            slug, "notices.html", "notices.title", "declare/notices", wrongs,
            back="declare/receipt", channels=self._portal.channels, form_token=self._shell.form_token(request),
            values={"channel": channel, "address": address},
        )  # fmt: skip

    async def _guess(self, request: Request) -> Form:
        """Return the form of a page that could be used for guessing. Raises `Refused` 429 for too many tries."""
        form = await self._shell.form(request)
        if self._portal.guesses is not None and not self._portal.guesses.takes(address_of(request)):
            raise Refused("busy", 429)
        return form


def _code_and_number(form: Form, name: str) -> tuple[str, str, list[Wrong]]:
    reading = Reading(form)
    code = reading.field(name, entry.spoken_code)
    number = reading.field("document_number", entry.document_number)
    return code or "", number or "", reading.wrongs
