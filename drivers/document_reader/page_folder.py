"""`page_folder`: a full-page reader whose maker's program leaves each document's pictures in a folder.

A document is taken when its completion mark, or every picture that is expected, is there and nothing of it grows any more. It is taken once
and destroyed at once, because it is a person's. What lies in the folder when it is opened is nobody's and destroyed unread.
"""

from __future__ import annotations

import pwd
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from drivers.contracts import Clock, DocumentRemoved, EventSink, MrzRead, Unsupported
from drivers.document_reader import page_part as pp
from drivers.document_reader.page_folder_files import COMPLETE, FolderRules, PageFiles
from drivers.document_reader.page_folder_link import AGAIN, TRIAL, FolderMarks, PageFolderSource
from drivers.document_reader.page_patterns import PagePatterns
from drivers.document_reader.page_reader import PageReader, PageReaderOptions
from drivers.errors import OptionsRefused
from drivers.supervisor import LinkSource

_PICTURES = {"white": "{document}-white.*", "infrared": "{document}-ir.*", "ultraviolet": "{document}-uv.*"}
_NAME = r"^([^/.][^/]*)?$"


class PageFolderOptions(PageReaderOptions):
    """Options of `page_folder`."""

    path: str = Field(min_length=1, description="Folder that the reader's program fills and this service empties.")
    pictures: dict[str, str] = Field(
        _PICTURES,
        min_length=1,
        max_length=len(pp.ROLES),
        description="File of each picture by role (`white`, `infrared`, `ultraviolet`, `portrait`); `{document}` stands for what the files of one document share, or for a folder of its own, `*` for anything.",
    )
    lines: str = Field("", description="File with the printed lines, where the program reads them; empty: none.")
    complete: str = Field(
        "",
        description="File that says that a document is whole; empty: it is when every picture (and the lines) is there.",
    )
    settle_s: float = Field(0.3, gt=0, le=30, description="Time in which nothing of a whole document may change.")
    incomplete_s: float = Field(
        10.0, gt=0, le=600, description="Time after which a document that does not become whole is destroyed."
    )
    owners: tuple[str, ...] = Field(
        (), description="Users whose files are taken; empty: the folder's owner and this service."
    )
    aside: str = Field(
        "",
        description="Folder that taken documents are put into, for finding faults with test documents only; empty: they are destroyed.",
    )
    alive: str = Field(
        "",
        pattern=_NAME,
        description="File that the program writes again and again while it runs; empty: only the folder itself is watched.",
    )
    present: str = Field(
        "", pattern=_NAME, description="File that is there while a document lies on the reader; empty: not told."
    )
    again: str = Field(
        "",
        pattern=_NAME,
        description="File that asks the program for another read when it appears; empty: it takes no orders.",
    )
    poll_s: float = Field(0.2, gt=0, le=10, description="Pause between two looks into the folder.")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        unknown = self.pictures.keys() - set(pp.ROLES)
        if unknown:
            raise ValueError(f"pictures: no picture is called {', '.join(sorted(unknown))}")
        if self.incomplete_s <= self.settle_s:
            raise ValueError("incomplete_s is longer than settle_s")
        if self.aside and (Path(self.aside) == Path(self.path) or Path(self.path) in Path(self.aside).parents):
            raise ValueError("aside lies outside path")
        self.patterns()
        return self

    def patterns(self) -> PagePatterns:
        """Return the patterns of all parts. Raises ValueError."""
        others = {pp.LINES: self.lines, COMPLETE: self.complete}
        return PagePatterns(self.pictures | {part: pattern for part, pattern in others.items() if pattern})


class PageFolder(PageReader):
    """A supervised folder."""

    def __init__(self, name: str, options: PageFolderOptions, sink: EventSink, clock: Clock) -> None:
        super().__init__(name, options, sink, clock)
        self.tells_presence = bool(options.present)
        self.capabilities = frozenset({"images", *(("read_again",) if options.again else ())})
        untold = {DocumentRemoved: not options.present, MrzRead: not options.lines}
        self.events = self.events - {kind for kind, is_untold in untold.items() if is_untold}
        self._is_trial_wanted = not options.alive
        path = Path(options.path)
        files = PageFiles(
            FolderRules(
                path,
                options.patterns(),
                _numbers(name, options),
                options.settle_s,
                options.incomplete_s,
                options.picture_limit_bytes,
                Path(options.aside) if options.aside else None,
            )
        )
        marks = FolderMarks(options.alive, options.present, options.again)
        self._source = PageFolderSource(path, files, marks, options.poll_s)

    @property
    def source(self) -> LinkSource:
        """The folder."""
        return self._source

    async def probe(self) -> None:
        """Let the disk show that it answers, where the program itself gives no sign of life."""
        if self._is_trial_wanted:
            await self.link.write(TRIAL)

    async def ended(self) -> None:
        """Let the thread that looks end."""
        self._source.close()

    async def read_again(self) -> None:
        """Ask the program for another read. Raises `Unsupported`, `NotReady` or a link fault."""
        if "read_again" not in self.capabilities:
            raise Unsupported(f"{self.name} takes no orders")
        link = self.link
        self.asked_again()
        await link.write(AGAIN)


def _numbers(name: str, options: PageFolderOptions) -> frozenset[int] | None:
    """Return the users whose files are taken; None: the folder's owner and this service's own user. Raises `OptionsRefused`."""
    if not options.owners:
        return None
    try:
        return frozenset(pwd.getpwnam(owner).pw_uid for owner in options.owners)
    except KeyError as error:
        raise OptionsRefused(f"device {name}: owners: no user of this machine is called {error.args[0]}") from error


def build(name: str, options: Mapping[str, object], sink: EventSink, clock: Clock) -> PageFolder:
    """Return the driver. Raises `OptionsRefused`."""
    return PageFolder(name, PageFolderOptions.read(name, options), sink, clock)
