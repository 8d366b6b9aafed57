"""What a training gate may not be set to: a real state, a real device, a post, keeping anybody's face. Part of what `settings` refuses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

COUNTRY = "UTO"
"""Only Utopia trains: no centre of a real state takes records of it, and its travellers are nobody."""

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_MACHINE, _TERMINALS = ("/dev", "/sys", "/proc"), "/dev/pts"
_PLACES = frozenset({"host", "path", "source", "url"})
"""What an option that leads somewhere is called, or ends in: a heater's `heater_host`."""


def training_disagreements(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what contradicts `gate.training` in a document; nothing where it is not set."""
    gate = document.get("gate", {})
    return list(_found(document)) if gate.get("training") else []


def _found(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if document["gate"].get("country", COUNTRY) != COUNTRY:
        yield "gate.country", f"a training gate is one of {COUNTRY}, which is no real state"
    if document.get("post", {}).get("host"):
        yield "post.host", "a training gate belongs to no post"
    if document.get("face", {}).get("short_term_references"):
        yield "face.short_term_references", "a training gate keeps nobody's face"
    for device in document.get("device", ()):
        if not _is_twin(device.get("options", {})):
            text = f"device {device.get('name')} is no twin on this machine, and a training gate opens nothing real"
            yield f"device {device.get('name')}", text


def _is_twin(options: Mapping[str, Any]) -> bool:
    """Tell whether options lead to this machine and to none of its hardware; options that lead nowhere that is known are no twin's."""
    places = {
        name: one for name, one in options.items() if name.rpartition("_")[2] in _PLACES and one not in (None, "")
    }
    is_led = "port" in options or not _PLACES.isdisjoint(places)
    return is_led and all(isinstance(one, str) and _is_here(one) for one in places.values())


def _is_here(place: str) -> bool:
    if "://" in place:
        return urlsplit(place).hostname in _LOOPBACK
    if place.startswith("/"):
        # a twin's serial line is a link to a pseudo-terminal; any other link may lead to hardware
        real = Path(place).resolve()
        return real.is_relative_to(_TERMINALS) or not any(real.is_relative_to(one) for one in _MACHINE)
    return place in _LOOPBACK
