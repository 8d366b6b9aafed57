"""The banner of a training gate: on every page that is served, in the page's language, put there in one place so that no page can lack it.

A middleware, because a template could forget it. All languages stand in the page and a style shows the one of `<html lang>`: a screen
that changes its language without a new page changes the banner with it, script or none.
"""

from __future__ import annotations

import html
import re

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gate_agent.web.i18n import Catalogues

_BODY = re.compile(rb"<body[^>]*>")
_HEAD_END = b"</head>"
_STYLE = b'<link rel="stylesheet" href="/static/training.css">'
_CLASS = b'class="training-banner"'


class TrainingBanner:
    """Puts the banner behind `<body>` of every HTML page; fragments and anything else pass as they are."""

    def __init__(self, app: ASGIApp, catalogues: Catalogues) -> None:
        self._app = app
        texts = "".join(
            f'<span lang="{language}" dir="auto">{html.escape(catalogue.text("ui.training_banner"))}</span>'
            for language, catalogue in catalogues.items()
        )
        self._banner = b"<aside " + _CLASS + b">" + texts.encode() + b"</aside>"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start: Message | None = None
        parts = bytearray()

        async def send_with_banner(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                kind = MutableHeaders(scope=message).get("content-type", "")
                start = message if kind.startswith("text/html") else None
                if start is None:
                    await send(message)
            elif start is None:
                await send(message)
            else:
                parts.extend(message.get("body", b""))
                if not message.get("more_body", False):
                    page = self.with_banner(bytes(parts))
                    MutableHeaders(scope=start)["content-length"] = str(len(page))
                    await send(start)
                    await send({"type": "http.response.body", "body": page})

        await self._app(scope, receive, send_with_banner)

    def with_banner(self, page: bytes) -> bytes:
        """Return a page with the banner; one that has it already, and a fragment without a body, as it is."""
        found = _BODY.search(page)
        if found is None or _CLASS in page:
            return page
        page = page[: found.end()] + self._banner + page[found.end() :]
        return page.replace(_HEAD_END, _STYLE + _HEAD_END, 1)
