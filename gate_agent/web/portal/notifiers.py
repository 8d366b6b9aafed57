"""Telling travellers of changes: channels behind one interface, all off until a site names them.

    Telegram   POST {url}/bot{token}/sendMessage    application/json {"chat_id", "text"}; answer {"ok": true} (Telegram Bot API)
    SMS        POST {url}                           application/json {"to", "from", "text", "id"}, Authorization: Bearer; 2xx is taken

Nothing is sent without an address that the traveller gave. An answer that says "never" drops this message and goes on; all else, a wrong token
and a wrong address of the service included, is an error of the log and tried again later, while messages about other declarations go on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import httpx
import structlog

from gate_agent.web.i18n import Catalogue
from gate_agent.web.portal.book import Book, Contact
from gate_agent.web.portal.notices import Notice

_TIMEOUT_S = 10.0
_MOST_SMS_CHARACTERS = 300
_FINAL = frozenset({400, 403, 410, 422})
"""Answers to this message and not to the site: malformed or unknown address, blocked by its owner, gone, unusable."""
MOST_REFUSED = 5
"""So many refusals one after another are the channel's and not the travellers': it rests until the next round."""
_log = structlog.get_logger()


class NotTaken(Exception):
    """The channel did not take a message; `is_final` says that it never will."""

    def __init__(self, cause: str, *, is_final: bool) -> None:
        super().__init__(cause)
        self.is_final = is_final


class Notifier(Protocol):
    """One channel."""

    @property
    def channel(self) -> str:
        """Its name in settings and contacts."""
        ...

    async def send(self, address: str, text: str, number: int) -> None:
        """Hand over one message. Raises `NotTaken`."""
        ...


@dataclass(frozen=True, slots=True)
class TelegramNotifier:
    """Sends through a bot; the traveller has to have written to it first, and gives the number of that chat."""

    client: httpx.AsyncClient
    url: str
    token: str
    channel: str = "telegram"

    async def send(self, address: str, text: str, number: int) -> None:  # noqa: ARG002 - chats show messages in their order
        """Call `sendMessage`. Raises `NotTaken`; the token never stands in its text."""
        answer = await _posted(
            self.client, f"{self.url}/bot{self.token}/sendMessage", {"chat_id": int(address), "text": text}
        )
        try:
            is_ok = answer.json().get("ok") is True
        except (ValueError, AttributeError):
            is_ok = False
        if not is_ok:
            raise NotTaken("the answer is not one of the Bot API", is_final=False)


@dataclass(frozen=True, slots=True)
class SmsNotifier:
    """Sends through a gateway's HTTP interface; `id` is the notice's number, by which a gateway knows a repeated message."""

    client: httpx.AsyncClient
    url: str
    token: str
    sender: str
    channel: str = "sms"

    async def send(self, address: str, text: str, number: int) -> None:
        """Hand over one short message. Raises `NotTaken`."""
        body = {"to": address, "from": self.sender, "text": text[:_MOST_SMS_CHARACTERS], "id": str(number)}
        await _posted(self.client, self.url, body, {"Authorization": f"Bearer {self.token}"})


async def _posted(
    client: httpx.AsyncClient, url: str, body: Mapping[str, object], headers: Mapping[str, str] | None = None
) -> httpx.Response:
    try:
        answer = await client.post(url, json=body, headers=headers, timeout=_TIMEOUT_S, follow_redirects=False)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NotTaken(
            type(error).__name__, is_final=False
        ) from None  # its text would hold the address, and with it the token
    if not answer.is_success:
        raise NotTaken(f"status {answer.status_code}", is_final=answer.status_code in _FINAL)
    return answer


async def tell(book: Book, notifier: Notifier, catalogues: Mapping[str, Catalogue], now: datetime) -> int:
    """Send what a channel has to tell now, in order for each declaration; return how many messages were taken. Raises `BookFault`."""
    sent = refused_in_a_row = 0
    while waiting := book.untold(notifier.channel, now):
        for notice in waiting:
            contact = book.hearer(notice)
            if contact is None or contact.channel != notifier.channel:
                book.note_told(notifier.channel, notice.number)
                continue
            if book.waits_behind(notifier.channel, notice, now):
                continue
            try:
                await notifier.send(contact.address, message(notice, contact, catalogues), notice.number)
            except NotTaken as refused:
                _note_refused(book, notifier.channel, notice.number, refused, now)
                refused_in_a_row = 0 if refused.is_final else refused_in_a_row + 1
                if refused_in_a_row == MOST_REFUSED:
                    return sent
                continue
            book.note_told(notifier.channel, notice.number)
            sent += 1
            refused_in_a_row = 0
    return sent


def _note_refused(book: Book, channel: str, number: int, refused: NotTaken, now: datetime) -> None:
    if refused.is_final:
        book.note_told(channel, number)
        _log.warning("notice_refused", channel=channel, number=number, cause=str(refused))
        return
    waits = book.note_untaken(channel, number, now)
    _log.error("notice_not_taken" if waits else "notice_given_up", channel=channel, number=number, cause=str(refused))


def message(notice: Notice, contact: Contact, catalogues: Mapping[str, Catalogue]) -> str:
    """Return what a traveller is told: what changed, no name, no document, no goods."""
    words = catalogues.get(contact.language) or next(iter(catalogues.values()))
    change = notice.change
    return words.text(f"notice.{change.about}_{change.state}", name=change.name, number=str(notice.number))
