"""`egate centre`: takes the gates' records off the broker, keeps the ledger, hands out bundles, and serves the monitor page."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

from fastapi import FastAPI

from central_sync.centre.service import CentreService
from central_sync.errors import IdentityFault, LedgerFault
from gate_agent import logs
from gate_agent.clock import Clock, SystemClock
from gate_agent.errors import SettingsFault
from gate_agent.settings import SITE_FILE, Settings, load
from gate_agent.web import pages
from gate_agent.web.centre.application import add_monitor
from gate_agent.web.centre.counts_page import add_counts

SUMMARY = "run the centre: ingest, ledger, bundles for the gates, monitor page"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.add_argument("--config", type=Path, default=SITE_FILE, metavar="FILE", help="site file")
    parser.add_argument("--port", type=int, default=None, help="port instead of the site file's; 0 picks a free one")
    parser.add_argument("--json", action="store_true", help="print the address as a JSON line once it listens")


def centre_app(settings: Settings, clock: Clock | None = None) -> FastAPI:
    """Return the application of a centre; its service runs while the application is served. Raises `SettingsFault`."""
    clock = clock or SystemClock()
    try:
        service = CentreService(
            settings.centre.database_url,
            settings.sync.broker_host,
            settings.sync.broker_port,
            settings.paths.keys,
            settings.gate.country,
            protocol=settings.sync.protocol,
            bundles_folder=settings.paths.bundles,
            now=clock.now,
            presence_grace_s=settings.centre.presence_grace_s,
        )
    except (IdentityFault, LedgerFault) as fault:
        raise SettingsFault(f"{fault.code}: {fault}") from fault
    app = pages.page_app("eGate centre", allowed_hosts=[settings.centre.host])

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await service.start()
        try:
            yield
        finally:
            await asyncio.shield(service.stop())

    app.router.lifespan_context = lifespan
    add_monitor(app, service.queries, clock.now)
    add_counts(app, service.queries, clock.now)
    return app


def run(arguments: argparse.Namespace) -> int:
    """Serve until stopped."""
    settings = load(arguments.config)
    logs.configure("centre")
    app = centre_app(settings)
    port = settings.centre.port if arguments.port is None else arguments.port

    def listening(address: str) -> None:
        print(json.dumps({"address": address}) if arguments.json else f"monitor on {address}/", flush=True)

    try:
        pages.serve(app, host=settings.centre.host, port=port, on_ready=listening)
    except OSError as error:
        raise SettingsFault(f"{settings.centre.host}:{port}: {error.strerror}") from error
    return 0
