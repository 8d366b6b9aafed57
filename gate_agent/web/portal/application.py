"""The declaration pages: plain forms, POST and redirect, no script.

/{slug}/ (languages.SLUGS)         start                     /{…}/limit      "am I over the limit?", stores nothing
/{…}/need                          "do I need to declare at all?", stores nothing
/{…}/declare/eligibility           opens a draft             /{…}/declare/{question}        `draft.QUESTIONS`
/{…}/declare/check                 answers; POST issues      /{…}/declare/receipt · code.png · code.txt · notices · end
/{…}/declare/save · saved          keeps a draft             /{…}/return     opens a kept draft     /{…}/stub     goods that follow
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from fastapi import FastAPI, Response
from starlette.exceptions import HTTPException

from gate_agent.web import pages
from gate_agent.web.portal.asking import Asking
from gate_agent.web.portal.centre_changes import CentreChanges
from gate_agent.web.portal.declaring import Declaring
from gate_agent.web.portal.housekeeping import Housekeeping
from gate_agent.web.portal.notifiers import Notifier
from gate_agent.web.portal.returning import Returning
from gate_agent.web.portal.shell import LANGUAGES, LOCALE_FOLDER, MAXIMUM_BODY_BYTES, Kiosk, Portal, Refused, Shell

__all__ = ["LANGUAGES", "LOCALE_FOLDER", "Kiosk", "Portal", "portal_app"]


def portal_app(
    portal: Portal,
    *,
    allowed_hosts: tuple[str, ...] = (),
    notifiers: Sequence[Notifier] = (),
    changes: CentreChanges | None = None,
) -> FastAPI:
    """Return the application of the declaration pages; while it is served it also keeps its book tidy and sends notices."""
    app = pages.page_app("eGate portal", allowed_hosts=allowed_hosts, maximum_body_bytes=MAXIMUM_BODY_BYTES)
    shell = Shell(portal)
    asking, declaring, returning = Asking(shell), Declaring(shell), Returning(shell)

    def route(path: str, page: Callable[..., Awaitable[Response]], *methods: str) -> None:
        app.add_api_route(path, page, methods=list(methods), response_model=None)

    route("/", asking.choose_language, "GET")
    route("/{slug}/", asking.start, "GET")
    route("/{slug}/need", asking.need, "GET", "POST")
    route("/{slug}/limit", asking.limit, "GET", "POST")
    route("/{slug}/cannot/{reason}", asking.cannot, "GET")
    route("/{slug}/return", returning.reopen, "GET", "POST")
    route("/{slug}/stub", returning.stub, "GET", "POST")
    route("/{slug}/declare/eligibility", declaring.eligibility, "GET", "POST")
    route("/{slug}/declare/check", declaring.check, "GET", "POST")
    route("/{slug}/declare/save", returning.save, "GET", "POST")
    route("/{slug}/declare/saved", returning.saved, "GET")
    route("/{slug}/declare/receipt", declaring.receipt, "GET")
    route("/{slug}/declare/notices", returning.ask_notices, "GET")
    route("/{slug}/declare/notices", returning.want_notices, "POST")
    route("/{slug}/declare/code.png", declaring.code, "GET")
    route("/{slug}/declare/code.txt", declaring.code_text, "GET")
    route("/{slug}/declare/end", declaring.end, "GET", "POST")
    route("/{slug}/declare/{question}", declaring.question, "GET", "POST")
    app.add_exception_handler(Refused, shell.refused)
    app.add_exception_handler(HTTPException, shell.missing)
    if portal.book is not None:
        housekeeping = Housekeeping(portal, portal.book, notifiers, changes)

        @contextlib.asynccontextmanager
        async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
            rounds = asyncio.create_task(housekeeping.run())
            try:
                yield
            finally:
                rounds.cancel()
                await asyncio.gather(rounds, return_exceptions=True)
                await housekeeping.keep()

        app.router.lifespan_context = lifespan
    return app
