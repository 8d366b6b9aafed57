"""Maps of boards: TOML files `(signal, function, address, bit, invert)`, built-in ones by name and a site's own by path."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path

from pydantic import ValidationError

from drivers.barrier.signals import SignalTable
from drivers.options import complaints

GENERIC = "generic"
_SUFFIX = ".toml"


def built_in_maps() -> tuple[str, ...]:
    """Return the names of the maps that come with eGate."""
    places = resources.files("drivers.barrier").joinpath("maps").iterdir()
    return tuple(sorted(place.name.removesuffix(_SUFFIX) for place in places if place.name.endswith(_SUFFIX)))


def read_map(name: str) -> SignalTable:
    """Return the map of a built-in name, or of the file at a path that ends in `.toml`. Raises `ValueError` in the site's words."""
    try:
        text = _text(name)
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"the map {name} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    try:
        return SignalTable.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"the map {name} is no TOML: {error}") from None
    except ValidationError as error:
        raise ValueError(f"the map {name}: {'; '.join(complaints(error, SignalTable))}") from None


def _text(name: str) -> str:
    if name in built_in_maps():
        return resources.files("drivers.barrier").joinpath("maps", name + _SUFFIX).read_text(encoding="utf-8")
    if not name.endswith(_SUFFIX):
        known = ", ".join(built_in_maps())
        raise ValueError(f"no map is called {name}; there are: {known}, or the path of a file that ends in .toml")
    return Path(name).read_text(encoding="utf-8")
