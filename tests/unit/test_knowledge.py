"""What the gate decides from: the last good bundle stays in force whatever is put beside it."""

from __future__ import annotations

import os
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from central_sync.bundles import Bundle, file_name, sign_bundle, verify_bundle
from central_sync.identity import read_signing_key
from gate_agent.app.knowledge import GateKnowledge
from gate_agent.clock import SystemClock
from gate_agent.errors import SettingsFault
from gate_agent.provisioning import Provisioned, provision
from tests.unit.hand_clock import HandClock

CLOCK = SystemClock()
HOUR = timedelta(hours=1)


@pytest.fixture
def site(tmp_path: Path) -> Provisioned:
    return provision(tmp_path, country="UTO", site="demo", gate_id="gate-1", officers={"guard-1": "guard"}, clock=CLOCK)


def put(
    site: Provisioned, kind: str, body: dict[str, object], version: int, key: str = "", begins_in: timedelta = -HOUR
) -> None:
    private_key = read_signing_key(site.keys / f"{key or ('rulebook' if kind == 'rulebook' else 'centre')}.key")
    now = CLOCK.now()
    path = site.bundles / file_name(kind)
    path.write_bytes(sign_bundle(kind, version, now + begins_in, now + timedelta(days=1), body, private_key))
    os.utime(path, ns=(version * 10**9, version * 10**9))


WATCHLIST = {"lists": [{"name": "a", "entries": [{"document_number": "X1", "issuing_state": "UTO", "entry_id": "1"}]}]}


def test_a_newer_watchlist_comes_into_force_and_an_older_one_does_not(site: Provisioned) -> None:
    knowledge = GateKnowledge(site.bundles, site.keys, CLOCK)
    put(site, "watchlist", WATCHLIST, 5)
    assert knowledge.reload()
    assert knowledge.current().watchlist_version == 5
    put(site, "watchlist", {"lists": []}, 4)
    assert not knowledge.reload()
    assert len(knowledge.current().watchlist) == 1


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("rulebook", {"format": 1}),
        ("watchlist", {"lists": [{"name": "a", "entries": [{}]}]}),
        ("officers", {"officers": [{"officer_id": "x"}]}),
        ("officers", {"officers": "all"}),
        ("stays", {"stays": [{"stay_id": "1"}]}),
    ],
)
def test_a_signed_bundle_with_a_bad_body_leaves_the_last_good_one_in_force(
    site: Provisioned, kind: str, body: dict[str, object]
) -> None:
    knowledge = GateKnowledge(site.bundles, site.keys, CLOCK)
    before = (knowledge.current().rulebook, dict(knowledge.officers), knowledge.stays)
    put(site, kind, body, 9)
    assert not knowledge.reload()
    assert (knowledge.current().rulebook, dict(knowledge.officers), knowledge.stays) == before


def test_the_wrong_signer_is_refused(site: Provisioned) -> None:
    knowledge = GateKnowledge(site.bundles, site.keys, CLOCK)
    put(site, "watchlist", WATCHLIST, 7, key="gate")
    assert not knowledge.reload()
    assert knowledge.current().watchlist_version == 1


def test_a_gate_without_a_rulebook_does_not_start(site: Provisioned) -> None:
    (site.bundles / file_name("rulebook")).unlink()
    with pytest.raises(SettingsFault, match="no rulebook"):
        GateKnowledge(site.bundles, site.keys, CLOCK)


@pytest.mark.parametrize(("kind", "body"), [("bans", {"lists": []}), ("watchlist", WATCHLIST)])
def test_a_bundle_whose_day_comes_is_read_again_and_its_refusal_is_logged_once(
    site: Provisioned, kind: str, body: dict[str, object]
) -> None:
    clock = HandClock()
    clock.time = CLOCK.now()
    knowledge = GateKnowledge(site.bundles, site.keys, clock)
    put(site, kind, body, 5, begins_in=HOUR)
    with capture_logs() as logs:
        for _ in range(4):
            assert not knowledge.reload()
            clock.turn(minutes=1)
    assert [(one["event"], one["code"]) for one in logs] == [("bundle_refused", "CS-BND-005")]
    clock.turn(hours=1)
    assert knowledge.reload()
    assert not knowledge.reload()


async def test_no_bundle_is_read_or_parsed_on_the_loop(site: Provisioned, monkeypatch: pytest.MonkeyPatch) -> None:
    knowledge = GateKnowledge(site.bundles, site.keys, CLOCK)
    threads: dict[str, int] = {}

    def verified(wire: bytes, trusted: Any, now: Any, kind: str, minimum: int) -> Bundle:
        threads[kind] = threading.get_ident()
        return verify_bundle(wire, trusted, now, kind, minimum)

    monkeypatch.setattr("gate_agent.app.knowledge.verify_bundle", verified)
    for kind, body in (("bans", {"lists": []}), ("permits", {"permits": []}), ("stays", {"stays": []})):
        put(site, kind, body, 5)
    assert await knowledge.reload_beside()
    assert set(threads) == {"bans", "permits", "stays"}
    assert threading.get_ident() not in threads.values()
    assert knowledge.stays is not None
    assert knowledge.stays.version == 5
