"""Topic names `bcp/v1/{country}/{site}/{gate}/…` and the addresses in them."""

from __future__ import annotations

import re
from dataclasses import dataclass

ROOT = "bcp/v1"
LANES = {"live": "up/rec", "backlog": "up/old"}
BUNDLE_CHANNELS = {
    "rulebook": "cfg",
    "watchlist": "wl",
    "watchlist_delta": "wld",
    "bans": "bans",
    "permits": "permits",
    "stays": "stays",
    "officers": "officers",
}

_COUNTRY = re.compile(r"[A-Z]{3}")
_NAME = re.compile(r"[a-z0-9-]{1,32}")
_GATE_TOPIC = re.compile(r"bcp/v1/([A-Z]{3})/([a-z0-9-]{1,32})/([a-z0-9-]{1,32})/((?:up|down)/[a-z]{1,16})")


@dataclass(frozen=True, slots=True, order=True)
class GateAddress:
    """A gate within its site and country. Raises `ValueError` for names that do not fit a topic."""

    country: str
    site: str
    gate_id: str

    def __post_init__(self) -> None:
        if not (_COUNTRY.fullmatch(self.country) and _NAME.fullmatch(self.site) and _NAME.fullmatch(self.gate_id)):
            raise ValueError(f"{self.country!r}/{self.site!r}/{self.gate_id!r} is no address of a gate")

    @property
    def source(self) -> str:
        """The `source` attribute of this gate's records."""
        return f"{self.country}/{self.site}/{self.gate_id}"

    def topic(self, channel: str) -> str:
        """Return this gate's topic of a channel such as `up/rec`."""
        return f"{ROOT}/{self.source}/{channel}"


def address_of(source: str) -> GateAddress:
    """Return the address that a `source` names. Raises `ValueError`."""
    country, site, gate_id = source.split("/")
    return GateAddress(country, site, gate_id)


def parse(topic: str) -> tuple[GateAddress, str] | None:
    """Return address and channel of a gate's topic, None for any other topic."""
    match = _GATE_TOPIC.fullmatch(topic)
    if match is None:
        return None
    return GateAddress(match.group(1), match.group(2), match.group(3)), match.group(4)


def gate_subscriptions(address: GateAddress) -> list[str]:
    """Return every topic a gate listens on, each by its exact name (retained messages are not sent for wildcards everywhere)."""
    own = [address.topic("down/ack"), address.topic("down/cmd"), centre_state(address.country)]
    own += [address.topic(f"down/{channel}") for channel in BUNDLE_CHANNELS.values()]
    return own + [everyone(address.country, kind) for kind in BUNDLE_CHANNELS]


def centre_subscriptions(country: str) -> list[str]:
    """Return what the centre listens on."""
    return [f"{ROOT}/{country}/+/+/{channel}" for channel in ("up/rec", "up/old", "up/birth", "up/state", "up/tel")]


def centre_state(country: str) -> str:
    """Return the retained topic of the centre's own presence."""
    return f"{ROOT}/{country}/_all/centre/state"


def everyone(country: str, kind: str) -> str:
    """Return the retained topic of a bundle for every gate of a country."""
    return f"{ROOT}/{country}/_all/down/{BUNDLE_CHANNELS[kind]}"


def bundle_kind(topic: str) -> str | None:
    """Return the kind of bundle that travels on a topic."""
    channel = topic.rsplit("/", 1)[-1]
    if "/down/" not in topic:
        return None
    return next((kind for kind, name in BUNDLE_CHANNELS.items() if name == channel), None)
