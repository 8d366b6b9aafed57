"""`sane_scanner`: a flatbed scanner through the program scanimage, as a reader of white pictures.

A flatbed does not tell presence. A document is scanned when the scanner's button is pressed, where it has one, or on command.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Literal, Self

from pydantic import Field, model_validator

from drivers.codec import EXCERPT_BYTES, BadFrame
from drivers.contracts import Clock, DocumentImage, DocumentPresented, EventSink, ReadFailed
from drivers.document_reader.errors import ScannerRefused
from drivers.document_reader.page_reader import PageReader, PageReaderOptions
from drivers.document_reader.scanimage import OPTIONS, SCAN, Scanimage, ScanimageLink
from drivers.document_reader.scanimage_words import is_pressed, options_in
from drivers.supervisor import LinkSource

# ICAO 9303-4, -5, -6: TD3, TD1 and TD2, in millimetres.
_SIZES_MM = {"TD3": (125.0, 88.0), "TD2": (105.0, 74.0), "TD1": (85.6, 54.0)}


class SaneScannerOptions(PageReaderOptions):
    """Options of `sane_scanner`."""

    device: str = Field(
        min_length=1,
        max_length=200,
        pattern=r"^[A-Za-z0-9][ -~]*$",
        description="Name that `scanimage -L` prints; one with a serial number or a port stays the same after a restart.",
    )
    program: str = Field("/usr/bin/scanimage", min_length=1, description="The program scanimage.")
    config_folder: str = Field(
        "",
        description="Folder with the `dll.conf` of the one backend that is used, which opens faster; empty: the system's.",
    )
    document: Literal["TD3", "TD2", "TD1"] = Field(
        "TD3", description="Size of the scanned area: a passport's page or a card."
    )
    left_mm: float = Field(0.0, ge=0, le=500, description="Left edge of the area.")
    top_mm: float = Field(0.0, ge=0, le=500, description="Upper edge of the area.")
    width_mm: float = Field(0.0, ge=0, le=500, description="Another width than the document's; 0: the document's.")
    height_mm: float = Field(0.0, ge=0, le=500, description="Another height than the document's; 0: the document's.")
    resolution_dpi: int = Field(300, ge=150, le=1200, description="Pixels per inch; lines are read well from 300.")
    mode: str = Field("Color", pattern=r"^[A-Za-z][ -~]*$", description="Mode by the scanner's own name.")
    format: Literal["jpeg", "png"] = Field("jpeg", description="File that scanimage writes.")
    settings: dict[str, str] = Field(
        {}, description="Further options of the scanner by name without dashes, as `scanimage -A` prints them."
    )
    button: str = Field(
        "", description="Option that is the scanner's button, without dashes, such as `scan`; empty: none."
    )
    poll_s: float = Field(1.0, gt=0, le=60, description="Pause between two looks at the scanner.")
    options_timeout_s: float = Field(10.0, gt=0, le=60, description="Longest wait for the scanner's options.")
    scan_timeout_s: float = Field(30.0, gt=0, le=300, description="Longest scan; one that takes longer is ended.")
    memory_limit_bytes: int = Field(1 << 30, ge=64 << 20, le=8 << 30, description="Memory that scanimage may take.")
    quiet_s: float = Field(15.0, ge=0, le=3600, description="Silence after which its options are asked for.")
    dead_s: float = Field(60.0, ge=0, le=3600, description="Silence after which it counts as dead and is opened again.")
    read_again_s: float = Field(
        60.0, gt=0, le=600, description="Time after a scan in which one on command is of the same document."
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for name in (*self.settings, *filter(None, [self.button])):
            if not name.isascii() or not name.replace("-", "").isalnum() or name.startswith("-"):
                raise ValueError(f"{name!r} is no option of a scanner: write its name without dashes")
        if any(not value.isprintable() for value in self.settings.values()):
            raise ValueError("settings: a value is printable text")
        if 0 < self.dead_s <= self.scan_timeout_s:
            raise ValueError("dead_s: a scan may be silent for scan_timeout_s")
        return self

    def scan_arguments(self) -> tuple[str, ...]:
        """Return what scanimage is called with for a scan."""
        width_mm, height_mm = _SIZES_MM[self.document]
        area = {"l": self.left_mm, "t": self.top_mm, "x": self.width_mm or width_mm, "y": self.height_mm or height_mm}
        return (
            f"--format={self.format}",
            f"--mode={self.mode}",
            f"--resolution={self.resolution_dpi}",
            *(word for edge, value in area.items() for word in (f"-{edge}", f"{value:g}")),
            *(f"--{name}={value}" for name, value in self.settings.items()),
        )


class SaneScanner(PageReader):
    """A supervised flatbed."""

    capabilities = frozenset({"read_again", "images"})
    events = frozenset({DocumentPresented, DocumentImage, ReadFailed})

    def __init__(self, name: str, options: SaneScannerOptions, sink: EventSink, clock: Clock) -> None:
        timing = replace(options.timing(), open_timeout_s=options.options_timeout_s + 1.0)
        super().__init__(name, options, sink, clock, timing)
        self._options = options
        self._scan_wanted = asyncio.Event()
        self._looked: dict[str, str] = {}
        self._was_pressed: bool | None = True  # a button that was pressed before this side looked is nobody's wish
        self._scanned_at_s = float("-inf")

    @property
    def source(self) -> LinkSource:
        """The scanner."""
        options = self._options
        return Scanimage(
            options.program,
            options.device,
            options.scan_arguments(),
            options.options_timeout_s,
            options.scan_timeout_s,
            options.picture_limit_bytes,
            options.memory_limit_bytes,
            options.config_folder,
        )

    def opened(self) -> None:
        """Forget what another connection saw."""
        super().opened()
        self._was_pressed = True

    async def converse(self) -> None:
        """Look at the button, scan when it was pressed or a scan is wanted."""
        link = self.link
        assert isinstance(link, ScanimageLink)
        missing = {"mode", "resolution", *self._options.settings, *filter(None, [self._options.button])}
        while True:
            if self._scan_wanted.is_set():
                self._scan_wanted.clear()
                await link.ask(SCAN)
            else:
                await link.ask(OPTIONS)
                if self._looked and (lacking := missing - self._looked.keys()):
                    raise ScannerRefused(f"{self.name}: the scanner has no option {', '.join(sorted(lacking))}")
            pause_s = self._options.poll_s if self._options.button else self._options.quiet_s or None
            if not self._scan_wanted.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause_s):
                        await self._scan_wanted.wait()

    async def read_again(self) -> None:
        """Scan what lies on the glass. Raises `NotReady`."""
        _ = self.link
        if self.clock.monotonic_s() <= self._scanned_at_s + self._read_again_s:
            self.asked_again()
        self._scan_wanted.set()

    def received(self, chunk: bytes, t_mono_s: float) -> bool:
        """Report what scanimage printed."""
        what, _, content = chunk.partition(b"\n")
        if what == SCAN.encode():
            self._scanned_at_s = t_mono_s
            return self.deliver({"white": content}, None, t_mono_s)
        if what != OPTIONS.encode():
            return super().received(chunk, t_mono_s)
        looked = options_in(content.decode("utf-8", "replace"))
        if not looked:
            self.reporter.record(BadFrame("no options", len(chunk), chunk[:EXCERPT_BYTES]).fault())
            return False
        self._looked = looked
        self.declare_ready()
        if self._options.button:
            is_now = is_pressed(looked, self._options.button)
            if is_now and not self._was_pressed:
                self._same_until_s = float("-inf")
                self._scan_wanted.set()
            self._was_pressed = is_now
        return True


def build(name: str, options: Mapping[str, object], sink: EventSink, clock: Clock) -> SaneScanner:
    """Return the driver. Raises `OptionsRefused`."""
    return SaneScanner(name, SaneScannerOptions.read(name, options), sink, clock)
