"""Who the officers are, from the bundle that the centre signed; and that bundle on the post, which no broker brings one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from central_sync.bundle_shelf import BundleShelf
from central_sync.bundles import MALFORMED, OLDER, Bundle, file_name, verify_bundle
from central_sync.errors import BundleRefused
from gate_agent.clock import Clock
from gate_agent.errors import SettingsFault, StoreFault
from gate_agent.lane.authorisation import OfficerRecord, OfficerRole

log = structlog.get_logger()

KIND = "officers"
_LIMIT_BYTES = 16_000_000
_MISSING = -1


def officer_records(bundle: Bundle) -> dict[str, OfficerRecord]:
    """Return the officers of a bundle by id. Raises `SettingsFault`."""
    entries = bundle.body.get("officers")
    if not isinstance(entries, list):
        raise SettingsFault("the officers bundle holds no list of officers", code="EG-SET-012")
    records: dict[str, OfficerRecord] = {}
    for entry in entries:
        try:
            record = OfficerRecord(
                bytes.fromhex(str(entry["public_key_hex"])),  # type: ignore[index,call-overload] # refused below
                OfficerRole(str(entry["role"])),  # type: ignore[index,call-overload] # refused below
                str(entry["display_name"]),  # type: ignore[index,call-overload] # refused below
            )
            records[str(entry["officer_id"])] = record  # type: ignore[index,call-overload] # refused below
        except (KeyError, TypeError, ValueError) as error:
            raise SettingsFault("an officer of the officers bundle is malformed", code="EG-SET-012") from error
    return records


class OfficerRoll:
    """The officers' bundle on the disk, the newest of `provisioned` and of what gates brought into `received`; an expired one names nobody.

    Files are read when they changed. A bad or older one leaves the last good one in force.
    """

    def __init__(self, provisioned: Path, received: Path, centre: Ed25519PublicKey, clock: Clock) -> None:
        self._stamps = dict.fromkeys((provisioned / file_name(KIND), received / file_name(KIND)), 0)
        self._shelf = BundleShelf(received, [centre], clock.now)
        self._centre = centre
        self._clock = clock
        self._bundle: Bundle | None = None
        self._officers: Mapping[str, OfficerRecord] = {}

    def officers(self) -> Mapping[str, OfficerRecord]:
        """Return who is in office now."""
        for path in self._stamps:
            self._reload(path)
        if self._bundle is None or self._clock.now() >= self._bundle.expires:
            return {}
        return self._officers

    @property
    def version(self) -> int:
        """The version in force, 0 for none."""
        self.officers()
        return self._bundle.version if self._bundle is not None else 0

    def take(self, wire: bytes) -> int:
        """Keep a bundle that somebody brought, if the centre signed it and it is no older; return the version in force.

        Raises `BundleRefused`, or `StoreFault` when the disk refuses.
        """
        bundle = verify_bundle(wire, [self._centre], self._clock.now(), KIND, self.version)
        try:
            officer_records(bundle)
            self._shelf.accept(KIND, wire)
        except SettingsFault as fault:
            raise BundleRefused(str(fault), code=MALFORMED) from fault
        except OSError as error:
            raise StoreFault(f"the officers' bundle cannot be kept: {error.strerror}", code="EG-STO-002") from error
        return self.version

    def _reload(self, path: Path) -> None:
        try:
            stamp = path.stat().st_mtime_ns
            if stamp == self._stamps[path]:
                return
            with path.open("rb") as stream:
                content = stream.read(_LIMIT_BYTES)
        except OSError:
            self._stamps[path] = _MISSING
            return
        self._stamps[path] = stamp
        lowest = self._bundle.version if self._bundle is not None else 0
        try:
            bundle = verify_bundle(content, [self._centre], self._clock.now(), KIND, lowest)
            officers = officer_records(bundle)
        except (BundleRefused, SettingsFault) as refusal:
            # The older of two files is no mistake.
            if refusal.code != OLDER:
                log.error("bundle_refused", kind=KIND, code=refusal.code)
            return
        self._bundle, self._officers = bundle, officers
        log.info("bundle_in_force", kind=KIND, version=bundle.version)
