"""What scanimage prints: a device's options with their values (`-A`), the list of devices, and why it failed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from drivers.document_reader.errors import ScannerRefused
from drivers.errors import DriverFault, LinkLost, LinkRefused

LIST_FORMAT = "%d\t%v %m%n"
LINES_LIMIT = 2000
_OPTION = re.compile(r"^ {4}--?([A-Za-z][\w-]*)(\[=\([^)]*\)\])?(.*)$")
_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
_FLAGS = {"advanced", "hardware", "read-only"}
_INACTIVE = "inactive"
_ENDING = re.compile(r"received signal|trying to stop scanner")
_GONE = ("Invalid argument", "Error during device I/O", "Device has been disconnected", "no SANE devices found")
_TAKEN = ("Device busy", "Access to resource has been denied")


@dataclass(frozen=True, slots=True)
class FoundScanner:
    """A scanner that scanimage sees: the string that names it, and its maker and model."""

    device: str
    model: str


def options_in(text: str) -> dict[str, str]:
    """Return the options that a device has now, each with its value, by name without dashes; inactive ones are left out."""
    options = {}
    for line in text.splitlines()[:LINES_LIMIT]:
        found = _OPTION.match(line)
        if found is None:
            continue
        words = [word for word in _BRACKETS.findall(found[3]) if word not in _FLAGS]
        if words and words[-1] != _INACTIVE:
            options[found[1]] = words[-1]
    return options


def is_pressed(options: Mapping[str, str], button: str) -> bool | None:
    """Return whether a button is pressed, None when the device has no option of that name."""
    value = options.get(button)
    return None if value is None else value not in {"no", "0", ""}


def scanners_in(text: str) -> list[FoundScanner]:
    """Return the devices of a list that was asked for in `LIST_FORMAT`."""
    rows = (line.partition("\t") for line in text.splitlines()[:LINES_LIMIT])
    return [FoundScanner(device, model.strip()) for device, tab, model in rows if tab and device]


def failure(device: str, stderr: bytes) -> DriverFault:
    """Return the fault that scanimage's last words mean."""
    words = last_words(stderr)
    if any(gone in words for gone in _GONE):
        return LinkLost(f"{device}: {words}")
    if any(taken in words for taken in _TAKEN):
        return LinkRefused(f"{device}: {words}")
    return ScannerRefused(f"{device}: {words}")


def last_words(stderr: bytes) -> str:
    """Return the last line that says why, printable. A backend's own process, ended at the end of a scan, speaks on the same line."""
    lines = [line for line in stderr.decode("utf-8", "replace").strip().splitlines() if not _ENDING.search(line)]
    return "".join(one if one.isprintable() else "?" for one in lines[-1])[:200] if lines else "no word of why"
