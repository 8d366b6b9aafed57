"""`xray_http`: results of X-ray screening that the X-ray's machine posts over HTTP, each answered with what became of it.

    POST /scans  {"scan_id": …, "decision": "clear"|"alarm"|"undetermined", "image_reference": …}
    201 taken · 200 known or revised · 400 no result · 401 token · 408 too slow · 413 too large · 415 no JSON · 503 too many at once

A client posts a result again until it has an answer: a result that came before changes nothing. `GET` on the same path is a sign of life.
The image (DICOS, WCO UFF or any other) stays where it is: the reference to it is passed on unopened.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import ClassVar, Self

from pydantic import Field, IPvAnyAddress, model_validator

from drivers.contracts import Clock, EventSink
from drivers.options import ReconnectOptions
from drivers.supervisor import LinkSource, Timing
from drivers.xray_inbox.http_inbox import SIGN_OF_LIFE, HttpInbox, InboxLink, InboxRules
from drivers.xray_inbox.inbox import Receipt, XrayInbox


class XrayHttpOptions(ReconnectOptions):
    """Options of `xray_http`."""

    listens: ClassVar[bool] = True

    host: str = Field("127.0.0.1", description="Address of this machine that it listens on.")
    port: int = Field(ge=0, le=65_535, description="Port that it listens on; 0: a free one.")
    path: str = Field("/scans", pattern=r"^/[!-~]*$", description="Path that results are posted to.")
    token_file: str = Field(
        "", description="File with the token that a client sends as `Authorization: Bearer …`; empty: none is demanded."
    )
    certificate_file: str = Field(
        "", description="PEM file with this side's certificate, for HTTPS; empty: plain HTTP."
    )
    key_file: str = Field("", description="PEM file with its key; empty: it stands in `certificate_file`.")
    client_ca_file: str = Field(
        "", description="PEM file of the authorities that a client's certificate comes from; empty: none is demanded."
    )
    peers: tuple[IPvAnyAddress, ...] = Field((), description="Addresses that may post; empty: any that gets here.")
    request_timeout_s: float = Field(10.0, gt=0, le=120, description="Time in which a whole request has to be there.")
    connections_limit: int = Field(16, ge=1, le=256, description="Connections at once; one more is turned away.")
    dead_s: float = Field(
        0.0, ge=0, le=86_400, description="Silence (no result, no sign of life) after which it is a fault; 0: never."
    )

    @model_validator(mode="after")
    def _is_safe(self) -> Self:
        try:
            is_beyond = not ipaddress.ip_address(self.host).is_loopback
        except ValueError as error:
            raise ValueError("host: this machine's own address, in numbers") from error
        if is_beyond and not (self.certificate_file and (self.token_file or self.client_ca_file)):
            raise ValueError("beyond this machine it needs certificate_file, and token_file or client_ca_file")
        if (self.client_ca_file or self.key_file) and not self.certificate_file:
            raise ValueError("client_ca_file and key_file need certificate_file")
        return self

    def rules(self) -> InboxRules:
        """Return the rules of the inbox."""
        return InboxRules(
            self.host,
            self.port,
            self.path,
            self.token_file,
            self.certificate_file,
            self.key_file,
            self.client_ca_file,
            frozenset(str(peer) for peer in self.peers),
            self.request_timeout_s,
            self.connections_limit,
        )


class XrayHttp(XrayInbox):
    """A supervised port."""

    def __init__(self, name: str, options: XrayHttpOptions, sink: EventSink, clock: Clock) -> None:
        super().__init__(
            name, Timing(None, options.dead_s or None, backoff_cap_s=options.reconnect_limit_s), sink, clock
        )
        self._inbox = HttpInbox(options.rules())

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._inbox.port

    @property
    def source(self) -> LinkSource:
        """The port."""
        return self._inbox

    async def ended(self) -> None:
        """Close the port."""
        await self._inbox.close()

    def received(self, chunk: bytes, t_mono_s: float) -> bool:
        """Report a result, or note a sign of life."""
        if chunk != SIGN_OF_LIFE:
            return super().received(chunk, t_mono_s)
        self.declare_ready()
        self.settle(Receipt.KNOWN)
        return True

    def settle(self, receipt: Receipt, why: str = "") -> None:
        """Answer the client."""
        if isinstance(self._link, InboxLink):
            self._link.settle(receipt, why)


def build(name: str, options: Mapping[str, object], sink: EventSink, clock: Clock) -> XrayHttp:
    """Return the driver. Raises `OptionsRefused`."""
    return XrayHttp(name, XrayHttpOptions.read(name, options), sink, clock)
