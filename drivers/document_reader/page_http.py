"""`page_http`: a full-page reader behind its maker's service on HTTP, whose paths and shape of answers the site writes down.

The defaults have the shape of Regula's document reader service (`POST /api/process`, pictures in base64, light by number). They come from
memory of its published interface and were tried on the twin only.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Self

import httpx
from pydantic import Field, model_validator

from drivers.codec import EXCERPT_BYTES, BadFrame
from drivers.contracts import Clock, DocumentRemoved, EventSink, MrzRead
from drivers.document_reader import page_part as pp
from drivers.document_reader.json_place import compiled
from drivers.document_reader.page_answer import AnswerRefused, AnswerShape, page_in, presence_in
from drivers.document_reader.page_http_link import LIFE, PAGE, PRESENCE, Question, ServiceAddress, ServiceLink
from drivers.document_reader.page_reader import PageReader, PageReaderOptions
from drivers.supervisor import LinkSource

_IMAGE = "/ContainerList/List/{{result_type=37}}/Images/fieldList/{{fieldType={field}}}/valueList/{{lightIndex={light}}}/value"
_FIELDS = {"white": (207, 6), "infrared": (207, 24), "ultraviolet": (207, 128), "portrait": (201, 6)}
_PICTURES = {role: _IMAGE.format(field=field, light=light) for role, (field, light) in _FIELDS.items()}
_PATH = r"^(/[!-~]*)?$"


class PageHttpOptions(PageReaderOptions):
    """Options of `page_http`."""

    source: str = Field(min_length=1, description="Address of the service, such as `https://127.0.0.1:8080`.")
    ca_file: str = Field(
        "", description="PEM file of the only authorities that its certificate may come from; empty: the system's."
    )
    authorization_file: str = Field(
        "",
        description="File that only this service may read, whose line is sent as `Authorization`, such as `Bearer …`.",
    )
    is_plain_allowed: bool = Field(
        default=False,
        description="Take `http://` beyond this machine, too: pictures of people would be readable on the way.",
    )
    presence_path: str = Field(
        "", pattern=_PATH, description="Path that says whether a document lies there; empty: the service does not tell."
    )
    presence: str = Field("/present", description="Place of that word in the answer: a JSON pointer.")
    presence_values: tuple[str, ...] = Field(("true", "1"), description="Values that mean that a document lies there.")
    presence_wait_s: float = Field(
        0.0, ge=0, le=120, description="Time for which the service holds that answer back until something changes."
    )
    life_path: str = Field(
        "/api/ping", pattern=_PATH, description="Path asked for a sign of life where presence is not told."
    )
    process_path: str = Field("/api/process", pattern=r"^/[!-~]*$", description="Path that has the document read.")
    process_body: str = Field(
        '{"processParam": {"scenario": "FullProcess"}}', description="JSON that is posted there; empty: asked with GET."
    )
    process_waits: bool = Field(
        default=False,
        description="That request may be put at any time: its answer comes when a document was laid down.",
    )
    pictures: dict[str, str] = Field(
        _PICTURES,
        min_length=1,
        max_length=len(pp.ROLES),
        description="Place of each picture by role, in base64: JSON pointers, in which `{key=value}` chooses from a list.",
    )
    lines: str = Field(
        "",
        description="Place of the printed lines (one text, or a list of them); empty: the service does not read them.",
    )
    poll_s: float = Field(0.25, gt=0, le=60, description="Pause between two questions.")
    reply_timeout_s: float = Field(3.0, gt=0, le=60, description="Longest wait for an answer about presence or life.")
    process_timeout_s: float = Field(30.0, gt=0, le=300, description="Longest wait for a read.")
    answer_limit_bytes: int = Field(12 << 20, ge=1024, le=16 << 20, description="Largest answer taken.")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        try:
            url = httpx.URL(self.source)
        except httpx.InvalidURL as error:
            raise ValueError(f"source: {error}") from error
        if url.scheme not in {"http", "https"} or not url.host or url.userinfo or url.query:
            raise ValueError("source: an address is http:// or https://, a host and a port")
        if url.scheme == "http" and not self.is_plain_allowed and not _is_loopback(url.host):
            raise ValueError("source: pictures of people leave this machine on https:// only, unless is_plain_allowed")
        if self.process_body:
            json.loads(self.process_body)
        unknown = self.pictures.keys() - set(pp.ROLES)
        if unknown:
            raise ValueError(f"pictures: no picture is called {', '.join(sorted(unknown))}")
        held_s = max(
            self.presence_wait_s if self.presence_path else 0, self.process_timeout_s if self.process_waits else 0
        )
        if 0 < self.dead_s <= held_s:
            raise ValueError("dead_s: silence is normal for as long as the service may hold an answer back")
        self.shape()
        return self

    def shape(self) -> AnswerShape:
        """Return where everything stands. Raises ValueError."""
        return AnswerShape(
            {role: compiled(pointer) for role, pointer in self.pictures.items()},
            compiled(self.lines) if self.lines else None,
            compiled(self.presence),
            frozenset(self.presence_values),
            self.answer_limit_bytes,
            self.picture_limit_bytes,
        )

    def questions(self) -> dict[str, Question]:
        """Return what is asked, by what it is about."""
        return {
            PRESENCE: Question(self.presence_path, self.presence_wait_s + self.reply_timeout_s),
            LIFE: Question(self.life_path, self.reply_timeout_s),
            PAGE: Question(self.process_path, self.process_timeout_s, self.process_body.encode()),
        }


class PageHttp(PageReader):
    """A supervised service."""

    capabilities = frozenset({"read_again", "images"})

    def __init__(self, name: str, options: PageHttpOptions, sink: EventSink, clock: Clock) -> None:
        super().__init__(name, options, sink, clock)
        self.tells_presence = bool(options.presence_path)
        untold = {DocumentRemoved: not self.tells_presence, MrzRead: not options.lines}
        self.events = self.events - {kind for kind, is_untold in untold.items() if is_untold}
        self._options = options
        self._shape = options.shape()
        self._is_page_due = False
        self._was_read = False
        self._wanted = asyncio.Event()

    @property
    def source(self) -> LinkSource:
        """The service."""
        options = self._options
        return ServiceAddress(
            options.source, options.questions(), options.answer_limit_bytes, options.ca_file, options.authorization_file
        )

    async def converse(self) -> None:
        """Ask about presence, and for a read when a document came, or was asked for again."""
        link = self.link
        assert isinstance(link, ServiceLink)
        while True:
            if self._wanted.is_set():
                self._wanted.clear()
                await link.ask(PAGE)
            elif self.tells_presence:
                await link.ask(PRESENCE)
                if self._is_page_due:
                    self._is_page_due, self._was_read = False, True
                    await link.ask(PAGE)
            else:
                await link.ask(PAGE if self._options.process_waits else LIFE)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._options.poll_s):
                    await self._wanted.wait()

    async def read_again(self) -> None:
        """Have the document read once more. Raises `NotReady`."""
        _ = self.link
        self.asked_again()
        self._wanted.set()

    def received(self, chunk: bytes, t_mono_s: float) -> bool:
        """Report what an answer means."""
        what, _, body = chunk.partition(b"\n")
        try:
            if what == LIFE.encode():
                self.declare_ready()
            elif what == PRESENCE.encode():
                self.presence(t_mono_s, is_presented=presence_in(body, self._shape))
            elif what == PAGE.encode():
                page = page_in(body, self._shape)
                return self.deliver(page.pictures, page.lines, t_mono_s)
            else:
                return super().received(chunk, t_mono_s)
        except AnswerRefused as refused:
            if what == PAGE.encode():
                self.refuse(str(refused), t_mono_s)
            else:
                self.reporter.record(BadFrame(str(refused), len(chunk), chunk[:EXCERPT_BYTES]).fault())
            return False
        return True

    def presence(self, t_mono_s: float, *, is_presented: bool) -> None:
        """Report a change; a document that was not read yet is due."""
        super().presence(t_mono_s, is_presented=is_presented)
        self._was_read = self._was_read and is_presented
        self._is_page_due = is_presented and not self._was_read


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def build(name: str, options: Mapping[str, object], sink: EventSink, clock: Clock) -> PageHttp:
    """Return the driver. Raises `OptionsRefused`."""
    return PageHttp(name, PageHttpOptions.read(name, options), sink, clock)
