"""`egate portal`: the declaration pages, which issue the codes that gates read."""

from __future__ import annotations

import argparse
import json
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from fastapi import FastAPI

from central_sync.errors import IdentityFault
from central_sync.identity import read_signing_key, read_verification_key
from gate_agent import logs
from gate_agent.clock import Clock, SystemClock
from gate_agent.errors import SettingsFault
from gate_agent.settings import SITE_FILE, Settings, load
from gate_agent.web import pages
from gate_agent.web.i18n import load_catalogues
from gate_agent.web.portal.application import LANGUAGES, LOCALE_FOLDER, Portal, portal_app
from gate_agent.web.portal.draft import Drafts, RequestAllowance
from gate_agent.web.portal.meter import RulebookFile

SUMMARY = "serve the declaration pages and issue declaration codes"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.add_argument("--config", type=Path, default=SITE_FILE, metavar="FILE", help="site file")
    parser.add_argument("--port", type=int, default=None, help="port instead of the site file's; 0 picks a free one")
    parser.add_argument("--json", action="store_true", help="print the address as a JSON line once it listens")


def declaration_pages(settings: Settings, clock: Clock | None = None) -> FastAPI:
    """Return the application for a site: key `token_issuer.key`, the rulebook bundle and its key from the site's folders."""
    clock = clock or SystemClock()
    try:
        issuer_key = read_signing_key(settings.paths.keys / "token_issuer.key")
        rulebook_key = read_verification_key(settings.paths.keys / "rulebook.pub")
    except IdentityFault as fault:
        raise SettingsFault(f"{fault.code}: {fault}") from fault
    portal = Portal(
        issuer_key=issuer_key,
        validity=timedelta(hours=settings.portal.token_validity_h),
        rulebook=RulebookFile.in_folder(settings.paths.bundles, rulebook_key, clock).current,
        clock=clock,
        time_zone=ZoneInfo(settings.gate.time_zone),
        catalogues=load_catalogues("portal", LANGUAGES.values(), LOCALE_FOLDER),
        drafts=Drafts(clock.monotonic_s),
        allowance=RequestAllowance(clock.monotonic_s),
    )
    return portal_app(portal, allowed_hosts=(settings.portal.host,))


def run(arguments: argparse.Namespace) -> int:
    """Serve until stopped."""
    settings = load(arguments.config)
    logs.configure("portal")
    app = declaration_pages(settings)
    port = settings.portal.port if arguments.port is None else arguments.port

    def listening(address: str) -> None:
        print(json.dumps({"address": address}) if arguments.json else f"declaration pages on {address}/", flush=True)

    try:
        pages.serve(app, host=settings.portal.host, port=port, on_ready=listening)
    except OSError as error:
        raise SettingsFault(f"{settings.portal.host}:{port}: {error.strerror}") from error
    return 0
