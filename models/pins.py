"""The shipped manifests, calibration records, cohorts and our own weights, each exactly the file that was released.

`models/pins.toml` lists the SHA-256 of every file in those folders (written by `python -m models.pin`). A file that is altered,
missing or not on the list is refused by name. This finds damage and a file put in or changed by hand; whoever may rewrite the
installed package may rewrite the list as well: that is the business of the package's own signature and of who may write there.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources

from models.errors import CatalogueFault

PINNED_FOLDERS = ("manifests", "calibrations", "cohorts", "weights")
PINS_FILE = "pins.toml"


@lru_cache(maxsize=1)
def _pins() -> Mapping[str, str]:
    try:
        table = tomllib.loads((resources.files("models") / PINS_FILE).read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise CatalogueFault(f"{PINS_FILE} cannot be read: {error}", code="MD-CAT-007") from error
    return {str(name): str(sha256) for name, sha256 in table.get("sha256", {}).items()}


def pinned_names(folder: str) -> list[str]:
    """Return the names of the pinned files of a folder, sorted. Raises `CatalogueFault` when one lies there that is not listed."""
    listed = {name.partition("/")[2] for name in _pins() if name.startswith(f"{folder}/")}
    place = resources.files("models") / folder
    present = {entry.name for entry in place.iterdir() if entry.is_file()} if place.is_dir() else set()
    for name in sorted(present - listed):
        raise CatalogueFault(f"{folder}/{name} is not on the list of released files", code="MD-CAT-007")
    return sorted(listed)


def pinned_content(folder: str, name: str) -> bytes:
    """Return the bytes of a released file. Raises `CatalogueFault` when it is missing, altered or not listed."""
    expected = _pins().get(f"{folder}/{name}")
    if expected is None:
        raise CatalogueFault(f"{folder}/{name} is not on the list of released files", code="MD-CAT-007")
    try:
        content = (resources.files("models") / folder / name).read_bytes()
    except OSError as error:
        raise CatalogueFault(f"{folder}/{name} cannot be read: {error}", code="MD-CAT-007") from error
    if hashlib.sha256(content).hexdigest() != expected:
        raise CatalogueFault(f"{folder}/{name} is altered: it is not the file that was released", code="MD-CAT-007")
    return content


def pinned_text(folder: str, name: str) -> str:
    """Return the text of a released file, as `pinned_content`."""
    try:
        return pinned_content(folder, name).decode("utf-8")
    except UnicodeDecodeError as error:
        raise CatalogueFault(f"{folder}/{name} is no text", code="MD-CAT-007") from error


def pin_findings() -> list[str]:
    """Return what is wrong with the released files, in plain words; empty when every one is there and unaltered."""
    findings = []
    for folder in PINNED_FOLDERS:
        try:
            for name in pinned_names(folder):
                try:
                    pinned_content(folder, name)
                except CatalogueFault as fault:
                    findings.append(str(fault))
        except CatalogueFault as fault:
            findings.append(str(fault))
    return findings
