"""Which endpoints a device's options name: for who checks a site file before any driver runs.

A driver connects to `host` with `port` or `tcp_port`, or to the address in `source`. One that listens says so with `listens = True` on its
options, and `host` is where, else this machine. One that also connects elsewhere has its options name that in `further`. Options of other makers that say it otherwise are not seen here, but by the reach.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from drivers.errors import OptionsRefused
from drivers.reach import Endpoint, endpoint_of_source
from drivers.registry import declaration

_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What a device connects to, and where it listens."""

    connects: tuple[Endpoint, ...] = ()
    listens: tuple[Endpoint, ...] = ()

    def __bool__(self) -> bool:
        """Tell whether the device needs the network."""
        return bool(self.connects or self.listens)


def endpoints_of(driver: str, options: Mapping[str, object]) -> Endpoints:
    """Return the endpoints of a device. Raises `OptionsRefused`, or what `registry.declaration` raises."""
    model = declaration(driver).options
    try:
        read = model.model_validate(dict(options))
    except ValidationError as error:
        raise OptionsRefused(f"{driver}: options cannot be read") from error
    host = getattr(read, "host", "")
    port = getattr(read, "tcp_port", getattr(read, "port", None))
    port = port if isinstance(port, int) else None
    if getattr(read, "listens", False):
        return Endpoints(listens=(Endpoint(host or _LOOPBACK, port),)) if port is not None else Endpoints()
    if host and port is not None:
        return Endpoints(connects=(Endpoint(host, port),))
    further = getattr(read, "further", ())
    if further:
        return Endpoints(connects=tuple(Endpoint(*one) for one in further))
    source = getattr(read, "source", "")
    endpoint = endpoint_of_source(source) if isinstance(source, str) else None
    return Endpoints(connects=(endpoint,)) if endpoint is not None else Endpoints()
