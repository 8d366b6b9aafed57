"""`egate console`: guard console, the agencies' desks and traveller screens of one gate; speaks to the agent over `lane.sock` only."""

from __future__ import annotations

import argparse
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path

import structlog
from fastapi import FastAPI

from central_sync.bundles import file_name, verify_bundle
from central_sync.errors import SyncError
from central_sync.identity import read_verification_key
from central_sync.strict_json import JSON
from gate_agent import logs
from gate_agent.cli.portal import kiosk_pages
from gate_agent.clock import Clock, SystemClock
from gate_agent.errors import SettingsFault
from gate_agent.lane.authorisation import ROLE_ACTIONS
from gate_agent.settings import SITE_FILE, Settings, load
from gate_agent.web import pages
from gate_agent.web.auth import OfficerKeys, OfficerProfile, Sessions, UnlockOfficerKey, offered_actions
from gate_agent.web.desk.application import add_desk_pages
from gate_agent.web.guard.acting import Assessments
from gate_agent.web.guard.application import add_guard_console, following
from gate_agent.web.guard.lane_link import LaneLink
from gate_agent.web.guard.receipts import add_receipts
from gate_agent.web.guard.requests import GuardDesk
from gate_agent.web.i18n import GUARD_LANGUAGES, TRAVELLER_LANGUAGES, Catalogues, load_catalogues
from gate_agent.web.officer_keys import unlock_officer_key
from gate_agent.web.portal.application import Kiosk
from gate_agent.web.training_banner import TrainingBanner
from gate_agent.web.traveller.application import TravellerScreens, add_traveller_screens

_log = structlog.get_logger()

KIOSK_PREFIX = "/kiosk"
SUMMARY = "serve the guard console and the traveller screens of a gate"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.add_argument("--config", type=Path, default=SITE_FILE, metavar="FILE", help="site file")
    parser.add_argument("--port", type=int, default=None, help="port instead of the site file's; 0 picks a free one")
    parser.add_argument("--json", action="store_true", help="print the address as a JSON line once it listens")


def console_app(
    settings: Settings,
    *,
    profile: Callable[[str], OfficerProfile | None],
    unlock: UnlockOfficerKey,
    clock: Clock | None = None,
    guard_catalogues: Catalogues | None = None,
    desk_catalogues: Catalogues | None = None,
    traveller_catalogues: Catalogues | None = None,
) -> FastAPI:
    """Return the console's application; it follows the agent while it is served.

    `profile` knows the officers; `unlock` opens their key files, which lie in `paths.keys/officers/<officer id>.json`.
    """
    clock = clock or SystemClock()
    link = LaneLink(settings.paths.run / "lane.sock")
    app = pages.page_app("eGate console", allowed_hosts=[settings.console.host])

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with following(link):
            yield

    app.router.lifespan_context = lifespan
    desk = GuardDesk(
        link=link,
        keys=OfficerKeys(settings.paths.keys / "officers", profile, unlock, clock),
        sessions=Sessions(
            clock,
            longest_s=settings.console.session_minutes * 60.0,
            idle_s=settings.console.idle_lock_minutes * 60.0,
        ),
        assessments=Assessments(),
        catalogues=guard_catalogues or load_catalogues("guard", GUARD_LANGUAGES),
        clock=clock,
    )
    add_guard_console(app, desk)
    add_receipts(app, desk)
    add_desk_pages(app, desk, desk_catalogues or load_catalogues("desk", GUARD_LANGUAGES))
    lane = next((one for one in settings.lane if one.lane_id == settings.console.kiosk_lane), None)
    if lane is not None:
        kiosk = Kiosk(lane.direction, settings.gate.travel_mode)
        app.mount(KIOSK_PREFIX, kiosk_pages(settings, clock, kiosk, KIOSK_PREFIX))
    travellers = traveller_catalogues or load_catalogues("traveller", TRAVELLER_LANGUAGES)
    add_traveller_screens(app, TravellerScreens(link, travellers))
    if settings.gate.training:
        app.add_middleware(TrainingBanner, catalogues=travellers)
    return app


class OfficerRoll:
    """The officers of the signed bundle `officers.bundle`, read again when the file changes; the last good one stays."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._path = settings.paths.bundles / file_name("officers")
        self._trusted = (read_verification_key(settings.paths.keys / "centre.pub"),)
        self._clock = clock
        self._stamp_ns = 0
        self._version = 0
        self._profiles: dict[str, OfficerProfile] = {}

    def profile(self, officer_id: str) -> OfficerProfile | None:
        """Return who an officer is, None for an unknown one."""
        try:
            stamp_ns = self._path.stat().st_mtime_ns
            if stamp_ns != self._stamp_ns:
                self._stamp_ns = stamp_ns
                bundle = verify_bundle(
                    self._path.read_bytes(), self._trusted, self._clock.now(), "officers", self._version
                )
                self._profiles = {profile.officer_id: profile for profile in _profiles(bundle.body)}
                self._version = bundle.version
        except (OSError, SyncError) as error:
            _log.warning("officers_bundle_unusable", cause=type(error).__name__)
        return self._profiles.get(officer_id)


def _profiles(body: Mapping[str, JSON]) -> Iterator[OfficerProfile]:
    entries = body.get("officers")
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict):
            role = str(entry.get("role", ""))
            yield OfficerProfile(
                officer_id=str(entry.get("officer_id", "")),
                role=role,
                display_name=str(entry.get("display_name", "")),
                actions=offered_actions(role, ROLE_ACTIONS),
            )


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT; return 0."""
    logs.configure("console")
    settings = load(arguments.config)
    clock = SystemClock()
    try:
        roll = OfficerRoll(settings, clock)
    except SyncError as error:
        raise SettingsFault(str(error)) from error
    app = console_app(settings, profile=roll.profile, unlock=unlock_officer_key, clock=clock)

    def ready(address: str) -> None:
        line = json.dumps({"console": f"{address}/guard"}) if arguments.json else f"guard console: {address}/guard"
        print(line, flush=True)

    port = settings.console.port if arguments.port is None else arguments.port
    pages.serve(app, host=settings.console.host, port=port, on_ready=ready)
    return 0
