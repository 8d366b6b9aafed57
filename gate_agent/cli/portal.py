"""`egate portal`: the declaration pages, which issue the codes that gates read."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import sqlalchemy as sa
from fastapi import FastAPI

from central_sync.errors import IdentityFault
from central_sync.identity import read_signing_key, read_verification_key
from gate_agent import logs
from gate_agent.clock import Clock, SystemClock
from gate_agent.errors import SettingsFault, StoreFault
from gate_agent.provisioning import PORTAL_KEY
from gate_agent.settings import SITE_FILE, Settings, load
from gate_agent.store.secret_file import read_secret
from gate_agent.web import pages
from gate_agent.web.i18n import TRAVELLER_LANGUAGES, load_catalogues
from gate_agent.web.portal.application import LANGUAGES, LOCALE_FOLDER, Kiosk, Portal, portal_app
from gate_agent.web.portal.book import Book
from gate_agent.web.portal.centre_changes import CentreChanges
from gate_agent.web.portal.draft import Drafts, RequestAllowance
from gate_agent.web.portal.meter import RulebookFile
from gate_agent.web.portal.notifiers import Notifier, SmsNotifier, TelegramNotifier
from gate_agent.web.portal.page_times import percentiles
from gate_agent.web.training_banner import TrainingBanner

KIOSK_LIFE_S = 300.0
GUESSES_AT_ONCE, GUESSES_PER_S = 10, 1 / 30
"""Tries of one address at opening something saved: ten, then two a minute."""

SUMMARY = "serve the declaration pages and issue declaration codes"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.add_argument("--config", type=Path, default=SITE_FILE, metavar="FILE", help="site file")
    parser.add_argument("--port", type=int, default=None, help="port instead of the site file's; 0 picks a free one")
    parser.add_argument(
        "--times", action="store_true", help="say how long each page takes (median, 95th percentile), and end"
    )
    parser.add_argument("--json", action="store_true", help="print the address as a JSON line once it listens")


def declaration_pages(settings: Settings, clock: Clock | None = None) -> FastAPI:
    """Return the application for a site: key `token_issuer.key`, the rulebook bundle and its key from the site's folders.

    What outlives a draft lies in `portal.state`, sealed under `portal_book.key`. Raises `SettingsFault` when a key is missing.
    """
    clock = clock or SystemClock()
    portal = portal_of(settings, clock, "token_issuer.key", open_book(settings))
    changes = None
    if settings.portal.follow_centre:
        changes = CentreChanges(sa.create_engine(settings.centre.database_url), clock.now())
    app = portal_app(portal, allowed_hosts=(settings.portal.host,), notifiers=notifiers_of(settings), changes=changes)
    if settings.gate.training:
        app.add_middleware(TrainingBanner, catalogues=load_catalogues("traveller", TRAVELLER_LANGUAGES))
    return app


def kiosk_pages(settings: Settings, clock: Clock, kiosk: Kiosk, prefix: str) -> FastAPI:
    """Return the same pages for a screen at a gate, standing under `prefix`; they keep nothing. Raises `SettingsFault`."""
    pages_of_gate = portal_of(settings, clock, "token_issuer_kiosk.key", None)
    drafts = Drafts(clock.monotonic_s, life_s=KIOSK_LIFE_S)
    portal = replace(pages_of_gate, drafts=drafts, kiosk=kiosk, prefix=prefix, channels=())
    return portal_app(portal, allowed_hosts=(settings.console.host,))


def portal_of(settings: Settings, clock: Clock, issuer: str, book: Book | None) -> Portal:
    """Return what the pages of a site work with, tokens signed by the key file `issuer`. Raises `SettingsFault`."""
    try:
        issuer_key = read_signing_key(settings.paths.keys / issuer)
        rulebook_key = read_verification_key(settings.paths.keys / "rulebook.pub")
    except IdentityFault as fault:
        raise SettingsFault(f"{fault.code}: {fault}") from fault
    return Portal(
        issuer_key=issuer_key,
        validity=timedelta(hours=settings.portal.token_validity_h),
        rulebook=RulebookFile.in_folder(settings.paths.bundles, rulebook_key, clock).current,
        clock=clock,
        time_zone=ZoneInfo(settings.gate.time_zone),
        catalogues=load_catalogues("portal", LANGUAGES.values(), LOCALE_FOLDER),
        drafts=Drafts(clock.monotonic_s),
        allowance=RequestAllowance(clock.monotonic_s),
        book=book,
        guesses=RequestAllowance(clock.monotonic_s, burst=GUESSES_AT_ONCE, per_second=GUESSES_PER_S),
        channels=settings.portal.notifiers,
        sms_prefixes=settings.portal.sms_prefixes,
    )


def open_book(settings: Settings) -> Book:
    """Open what the portal keeps. Raises `SettingsFault` for a missing key and `BookFault` for a folder that cannot be used."""
    try:
        site_key = read_secret(settings.paths.keys / PORTAL_KEY, "EG-POR-002")
    except StoreFault as fault:
        raise SettingsFault(f"{fault.code}: {fault}") from fault
    return Book.open(settings.portal.state, site_key, settings.portal.saved_days, settings.portal.stub_days)


def notifiers_of(settings: Settings) -> list[Notifier]:
    """Return the channels that the site switched on. Raises `SettingsFault` when one lacks its token or address."""
    wanted: list[Notifier] = []
    for channel in settings.portal.notifiers:
        try:
            token = (settings.paths.keys / f"{channel}.token").read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsFault(f"portal.notifiers: {channel}.token among the keys cannot be read") from error
        client = httpx.AsyncClient()
        if channel == "telegram":
            wanted.append(TelegramNotifier(client, settings.portal.telegram_url.rstrip("/"), token))
        elif not settings.portal.sms_url:
            raise SettingsFault("portal.sms_url: the SMS gateway has no address")
        elif not settings.portal.sms_prefixes:
            raise SettingsFault("portal.sms_prefixes: no telephone number may be told anything")
        else:
            wanted.append(SmsNotifier(client, settings.portal.sms_url, token, settings.portal.sms_sender))
    return wanted


def run(arguments: argparse.Namespace) -> int:
    """Serve until stopped."""
    settings = load(arguments.config)
    if arguments.times:
        for one in percentiles(open_book(settings).times()):
            line = f"{one.page}: {one.answers} answers, median {one.p50_s} s, 95 % within {one.p95_s} s"
            print(json.dumps(asdict(one)) if arguments.json else line)
        return 0
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
