"""Watchlists as they travel and lie: sealed, changed in one step, refused when anything is not as it should be; and the shelf of a gate."""

from __future__ import annotations

import base64
import json
import os
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from central_sync.bundle_shelf import BundleShelf
from central_sync.bundles import file_name, sign_bundle
from central_sync.errors import BundleRefused
from central_sync.identity import read_signing_key, read_verification_key
from gate_agent.app.bundle_files import AGAIN_S
from gate_agent.app.knowledge import GateKnowledge, watchlist_key
from gate_agent.clock import SystemClock
from gate_agent.inspection.watchlist import Subject, Watchlist
from gate_agent.inspection.watchlist_bundle import applied, base_body, delta_body, held_in_the_open, read_base
from gate_agent.inspection.watchlist_entries import Action, Entry, ListedDocument, ListTerms, WatchlistRefused
from gate_agent.inspection.watchlist_matching import MatchKind
from gate_agent.inspection.watchlist_sealed import WatchlistKey, WatchlistSealBroken
from gate_agent.provisioning import provision
from tests.unit.hand_clock import HandClock

CLOCK = SystemClock()
KEY = WatchlistKey(bytes(range(32)))
TERMS = (ListTerms("wanted", 48.0), ListTerms("lost"))
SET = "0123456789abcdef" * 2
TODAY = date(2026, 6, 1)


def entry(number, list_name="wanted", name="KARIMOV, ALISHER", action=Action.REFER, **more):
    values = {
        "list_name": list_name, "entry_id": f"e{number}", "action": action, "names": (name,), "born": 19850302,
        "sex": "M", "nationality": "UTO", "documents": (ListedDocument(f"UT{number:07}", "UTO"),),
        "reason": "fictitious", "valid_from": None, "valid_until": None,
    }  # fmt: skip
    return Entry(**(values | more))


def subject(number=1, primary="SOMEBODY", secondary="ELSE", born=19600101):
    return Subject(f"UT{number:07}", "UTO", primary, secondary, born, "M", "UTO")


def based(tmp_path: Path, entries, inside=10**9):
    body, beside = base_body(TERMS, entries, KEY, SET, inside)
    if beside is not None:
        (tmp_path / str(body["file"])).write_bytes(beside)
    return body


def found(held, who):
    return sorted((match.entry().entry_id, match.kind) for match in Watchlist(held).all_matches(who, TODAY))


@pytest.mark.parametrize("inside", [10**9, 0])
def test_a_sealed_base_says_what_was_put_in_and_shows_nothing(tmp_path, inside):
    entries = [entry(number, names=(f"FAMILYNAME{number}, GIVENNAME",)) for number in range(200)]
    body = json.loads(json.dumps(based(tmp_path, entries, inside)))
    assert ("file" in body) is (inside == 0)
    wire = json.dumps(body).encode() + base64.b64decode(body.get("content", ""))
    wire += b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"FAMILYNAME" not in wire
    assert b"UT0000007" not in wire
    held = read_base(body, tmp_path, KEY)
    assert held.root == held_in_the_open_root(entries)
    assert sorted(held.lines()) == sorted(one.canonical() for one in entries)
    assert found(held, subject(7)) == [("e7", MatchKind.DOCUMENT)]


def held_in_the_open_root(entries):
    body, _ = base_body(TERMS, entries, KEY, "f" * 32)
    return read_base(body, Path(), KEY).root


def test_altered_bytes_another_key_and_a_missing_file_are_refused(tmp_path):
    body = based(tmp_path, [entry(1), entry(2)], inside=0)
    path = tmp_path / str(body["file"])
    content = path.read_bytes()
    for place in range(0, len(content), 97):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(WatchlistSealBroken):
            read_base(body, tmp_path, KEY)
    path.write_bytes(content + b"\0")
    with pytest.raises(WatchlistSealBroken):
        read_base(body, tmp_path, KEY)
    path.write_bytes(content)
    for key in (WatchlistKey(bytes(32)), None):
        with pytest.raises(WatchlistSealBroken):
            read_base(body, tmp_path, key)
    path.unlink()
    with pytest.raises(WatchlistSealBroken):
        read_base(body, tmp_path, KEY)


@pytest.mark.parametrize(
    "spoilt",
    [
        {"format": 3}, {"folding": 2}, {"root": None}, {"root": {"sum": "xyz", "count": 1}}, {"terms": 7},
        {"root": {"sum": "0", "count": 9}}, {"sealed": None}, {"sealed": {}}, {"content": "***"}, {"content": None},
        {"file": "../../etc/passwd"}, {"file": 7},
    ],
)  # fmt: skip
def test_a_base_that_contradicts_itself_is_refused(tmp_path, spoilt):
    with pytest.raises((WatchlistRefused, WatchlistSealBroken)):
        read_base(based(tmp_path, [entry(1)]) | spoilt, tmp_path, KEY)


def test_a_change_puts_replaces_and_takes_away(tmp_path):
    base = read_base(based(tmp_path, [entry(1), entry(2), entry(3, "lost")]), tmp_path, KEY)
    wanted = [entry(1), entry(2, reason="another"), entry(4, name="YULDASHEV, UKTAM")]
    held = applied(base, 7, delta_body(base, 7, TERMS, wanted, KEY, SET), KEY)
    assert held.root_hex == read_base(based(tmp_path, wanted), tmp_path, KEY).root_hex
    assert sorted(held.lines()) == sorted(one.canonical() for one in wanted)
    assert found(held, subject(3)) == []
    assert found(held, subject(4)) == [("e4", MatchKind.DOCUMENT)]
    assert found(held, subject(9, "YOLDOSHEV", "OKTAM", 19850302)) == [("e4", MatchKind.SOUND)]
    assert len(found(held, subject(2))) == 1


def test_a_change_applies_only_to_its_base_and_as_a_whole(tmp_path):
    base = read_base(based(tmp_path, [entry(1), entry(2)]), tmp_path, KEY)
    other = read_base(based(tmp_path, [entry(1)]), tmp_path, KEY)
    change = delta_body(base, 7, TERMS, [entry(2), entry(3)], KEY, SET)
    for held, version in ((base, 8), (other, 7)):
        with pytest.raises(WatchlistRefused, match="another base"):
            applied(held, version, change, KEY)
    for spoilt in ({"root": {"sum": "0" * 64, "count": 2}}, {"set_id": "?"}, {"content": "AAAA"}, {"terms": []}):
        with pytest.raises((WatchlistRefused, WatchlistSealBroken)):
            applied(base, 7, change | spoilt, KEY)
    assert found(base, subject(1)) == [("e1", MatchKind.DOCUMENT)]


SOME = st.dictionaries(st.integers(0, 12), st.sampled_from(["a", "b"]), max_size=10)


@settings(max_examples=30, deadline=None)
@given(SOME, SOME)
def test_any_change_leads_where_a_new_base_would(before, after):
    def listed(table):
        return [entry(number, reason=reason) for number, reason in table.items()]

    body, _ = base_body(TERMS, listed(before), KEY, SET)
    base = read_base(body, Path(), KEY)
    held = applied(base, 1, delta_body(base, 1, TERMS, listed(after), KEY, SET), KEY)
    anew = read_base(base_body(TERMS, listed(after), KEY, SET)[0], Path(), KEY)
    assert held.root_hex == anew.root_hex
    for number in range(13):
        assert found(held, subject(number)) == found(anew, subject(number))


def test_the_first_form_keeps_every_document_of_an_id():
    entries = [{"document_number": number, "issuing_state": "UTO", "entry_id": "same"} for number in ("A1", "B2")]
    held = held_in_the_open({"lists": [{"name": "old", "entries": entries}]})
    assert [document.number for document in Entry.from_canonical(next(held.lines())).documents] == ["A1", "B2"]


def test_entries_outside_their_dates_say_nothing(tmp_path):
    listed = [
        entry(1, valid_until=date(2026, 5, 31)), entry(2, valid_until=TODAY), entry(3, valid_from=date(2026, 6, 2)),
        entry(4, valid_from=TODAY),
    ]  # fmt: skip
    held = read_base(based(tmp_path, listed), tmp_path, KEY)
    assert [bool(found(held, subject(number))) for number in (1, 2, 3, 4)] == [False, True, False, True]


# ---- the shelf of a gate ------------------------------------------------------------------------------------------------


class Site:
    def __init__(self, folder: Path) -> None:
        made = provision(folder, country="UTO", site="demo", gate_id="gate-1", officers={"g": "guard"}, clock=CLOCK)
        self.bundles, self.keys = made.bundles, made.keys
        self.key = watchlist_key(made.keys)
        self.stamp = 1

    def signed(self, kind, version, body):
        now = CLOCK.now()
        signer = read_signing_key(self.keys / "centre.key")
        return sign_bundle(kind, version, now - timedelta(hours=1), now + timedelta(days=1), body, signer)

    def put(self, kind, version, body):
        path = self.bundles / file_name(kind)
        path.write_bytes(self.signed(kind, version, body))
        self.stamp += 1
        os.utime(path, ns=(self.stamp * 10**9, self.stamp * 10**9))

    def base(self, *entries):
        return base_body(TERMS, entries, self.key, SET)[0]


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


async def test_base_and_change_come_into_force_and_stay_so_over_a_restart(site):
    knowledge = GateKnowledge(site.bundles, site.keys, CLOCK)
    body = site.base(entry(1))
    site.put("watchlist", 5, body)
    assert await knowledge.reload_beside()
    held = read_base(body, site.bundles, site.key)
    site.put("watchlist_delta", 6, delta_body(held, 5, TERMS, [entry(1), entry(2)], site.key, SET))
    assert await knowledge.reload_beside()
    assert not await knowledge.reload_beside()
    for one in (knowledge, GateKnowledge(site.bundles, site.keys, CLOCK)):
        current = one.current()
        assert (current.watchlist_version, len(current.watchlist)) == (6, 2)
        assert current.watchlist_root == current.watchlist.root


def test_a_base_whose_file_comes_later_is_read_then_and_its_refusal_is_logged_once(site):
    clock = HandClock()
    clock.time = CLOCK.now()
    knowledge = GateKnowledge(site.bundles, site.keys, clock)
    body, beside = base_body(TERMS, [entry(1)], site.key, SET, 0)
    site.put("watchlist", 5, body)
    with capture_logs() as logs:
        for _ in range(5):
            assert not knowledge.reload()
            clock.turn(seconds=AGAIN_S)
    assert [one["event"] for one in logs] == ["bundle_refused"]
    (site.bundles / str(body["file"])).write_bytes(beside)
    assert knowledge.reload()
    assert knowledge.current().watchlist_version == 5


def test_what_is_refused_leaves_the_last_good_lists_in_force(site):
    knowledge = GateKnowledge(site.bundles, site.keys, CLOCK)
    body = site.base(entry(1))
    site.put("watchlist", 5, body)
    assert knowledge.reload()
    held = read_base(body, site.bundles, site.key)
    change = delta_body(held, 5, TERMS, [entry(1), entry(2)], site.key, SET)
    for kind, version, refused in (
        ("watchlist_delta", 5, change),  # not above its base
        ("watchlist_delta", 9, change | {"from_version": 4}),
        ("watchlist_delta", 9, change | {"content": change["content"][:-8] + "AAAAAAA="}),
        ("watchlist", 4, site.base(entry(3))),
        ("watchlist", 9, site.base(entry(3)) | {"content": "AAAA"}),
    ):
        site.put(kind, version, refused)
        assert not knowledge.reload(), (kind, version)
        assert knowledge.current().watchlist_version == 5
    site.put("watchlist_delta", 7, change)
    assert knowledge.reload()
    site.put("watchlist", 6, site.base(entry(3)))  # a base between base and change would be a step back
    assert not knowledge.reload()
    site.put("watchlist", 8, site.base(entry(3)))
    assert knowledge.reload()
    assert (knowledge.current().watchlist_version, len(knowledge.current().watchlist)) == (8, 1)


def test_the_downlink_keeps_base_and_change_in_one_sequence(site):
    shelf = BundleShelf(site.bundles, [read_verification_key(site.keys / "centre.pub")], CLOCK.now)
    body = site.base(entry(1))
    assert shelf.accept("watchlist", site.signed("watchlist", 5, body)) is not None
    change = delta_body(read_base(body, site.bundles, site.key), 5, TERMS, [entry(2)], site.key, SET)
    assert shelf.accept("watchlist_delta", site.signed("watchlist_delta", 7, change)) is not None
    with pytest.raises(BundleRefused):
        shelf.accept("watchlist", site.signed("watchlist", 6, body))
    with pytest.raises(BundleRefused):
        shelf.accept("watchlist_delta", site.signed("watchlist_delta", 4, change))
