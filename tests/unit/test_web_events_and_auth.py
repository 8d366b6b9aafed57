"""Fan-out that never waits, the event reader, sign-in limits and sessions, and the lane API over its source."""

import json
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from gate_agent.errors import AuthorityRefused
from gate_agent.web import lane_api_messages as m
from gate_agent.web.auth import (
    OfficerKeys,
    OfficerProfile,
    Sessions,
    SignInRefused,
    Throttle,
    TooManyAttempts,
    is_foreign,
)
from gate_agent.web.events import Broadcaster, EventReader, TooManyConsumers, frame, stream
from gate_agent.web.lane_api import UnknownLane, create_app


@dataclass
class HandClock:
    at_s: float = 1000.0

    def now(self) -> datetime:
        return datetime(2026, 6, 15, tzinfo=UTC)

    def monotonic_s(self) -> float:
        return self.at_s


async def test_slow_consumer_gets_the_newest_state_and_nobody_waits():
    changes: Broadcaster[int] = Broadcaster(limit=2)
    with changes.subscribe() as slow:
        began_s = time.perf_counter()
        for number in range(10_000):
            changes.publish(number)
        assert time.perf_counter() - began_s < 1.0
        assert await slow.next(1) == 9999
        assert await slow.next(0.01) is None
        changes.subscribe()
        with pytest.raises(TooManyConsumers):
            changes.subscribe()
        changes.close()
        assert await slow.next(1) is None
        assert slow.ended
    assert changes.consumers == 1


async def test_stream_begins_with_the_whole_state_comments_in_silence_and_ends():
    changes: Broadcaster[int] = Broadcaster()
    state = {"n": 1}
    events = stream(changes, lambda: (state["n"], json.dumps(state)), comment_interval_s=0.02)
    assert await anext(events) == b'retry: 1000\n\nid: 1\ndata: {"n": 1}\n\n'
    assert await anext(events) == b": alive\n\n"
    state["n"] = 2
    changes.publish(2)
    assert await anext(events) == b'id: 2\ndata: {"n": 2}\n\n'
    changes.close()
    assert [one async for one in events] == []


@given(st.lists(st.text(), min_size=1, max_size=5), st.integers(1, 40))
def test_event_reader_reads_what_was_written_however_it_is_cut(texts, size):
    contents = [
        json.dumps({"text": text}, ensure_ascii=False) for text in texts if text.isprintable() or "\n" not in text
    ]
    try:
        wire = b": alive\n\n".join(frame(1, content, "beat") for content in contents)
    except UnicodeEncodeError:
        return
    reader = EventReader()
    read = [event for start in range(0, len(wire), size) for event in reader.feed(wire[start : start + size])]
    assert read == [("beat", content) for content in contents]


def test_event_reader_keeps_line_separators_of_unicode_and_refuses_endless_lines():
    assert EventReader().feed(frame(1, '"a\u2028b\x85c"')) == [("", '"a\u2028b\x85c"')]
    with pytest.raises(ValueError, match="does not end"):
        EventReader(longest_bytes=10).feed(b"data: " + b"x" * 20)


def test_throttle_lets_five_fail_then_waits_a_minute():
    clock = HandClock()
    throttle = Throttle(clock.monotonic_s)
    for _ in range(5):
        assert throttle.wait_s("guard-1") == 0
        throttle.failed("guard-1")
    clock.at_s += 20
    assert throttle.wait_s("guard-1") == 40
    assert throttle.wait_s("guard-2") == 0
    clock.at_s += 41
    assert throttle.wait_s("guard-1") == 0


async def test_sign_in_refuses_alike_and_is_limited(tmp_path):
    (tmp_path / "guard-1.json").write_bytes(b"key file")
    profile = OfficerProfile("guard-1", "guard", "G", frozenset())
    key = Ed25519PrivateKey.generate()
    opened = []

    def unlock(content: bytes, password: str) -> Ed25519PrivateKey:
        opened.append(content)
        if (content, password) != (b"key file", "right"):
            raise AuthorityRefused("wrong")
        return key

    clock = HandClock()
    keys = OfficerKeys(tmp_path, {"guard-1": profile}.get, unlock, clock)
    assert await keys.open("guard-1", "right", "here") == (profile, key)
    for officer, password in (("guard-1", "wrong"), ("nobody", "right"), ("../guard-1", "right"), ("guard-1", "")):
        with pytest.raises(SignInRefused) as refused:
            await keys.open(officer, password, "here")
        assert refused.value.code == "EG-AUT-030"
    assert opened == [b"key file", b"key file", b""]  # an unknown officer costs the same work
    for _ in range(3):
        with pytest.raises(SignInRefused):
            await keys.open("guard-1", "wrong", "here")
    with pytest.raises(TooManyAttempts):
        await keys.open("guard-1", "right", "elsewhere")
    clock.at_s += 61
    assert (await keys.open("guard-1", "right", "here"))[1] is key


def test_sessions_end_idle_old_and_on_demand():
    clock = HandClock()
    sessions = Sessions(clock, longest_s=1000, idle_s=60)
    officer = OfficerProfile("guard-1", "guard", "G", frozenset())
    session = sessions.begin(officer, Ed25519PrivateKey.generate(), "en")
    assert session.holds_csrf(session.csrf)
    assert not session.holds_csrf("")
    clock.at_s += 59
    assert sessions.find(session.cookie) is session
    sessions.touch(session)
    clock.at_s += 61
    assert sessions.find(session.cookie) is None
    busy = sessions.begin(officer, Ed25519PrivateKey.generate(), "en")
    for _ in range(17):
        clock.at_s += 59
        kept = sessions.find(busy.cookie)
        if kept is not None:
            sessions.touch(kept)
    assert sessions.find(busy.cookie) is None
    assert sessions.find("") is None


@pytest.mark.parametrize(
    ("headers", "foreign"),
    [
        ({}, False),
        ({"origin": "http://gate"}, False),
        ({"origin": "http://evil"}, True),
        ({"origin": "null"}, True),
        ({"origin": "null", "sec-fetch-site": "same-origin"}, False),
        ({"origin": "http://gate", "sec-fetch-site": "cross-site"}, True),
        ({"sec-fetch-site": "same-site"}, True),
    ],
)
def test_foreign_requests(headers, foreign):
    assert is_foreign(headers, "http://gate") is foreign


class Source:
    def __init__(self) -> None:
        self.changes: Broadcaster[int] = Broadcaster(limit=0)
        self.accepts = True

    def snapshot(self) -> m.GateSnapshot:
        now = datetime(2026, 6, 15, tzinfo=UTC)
        link = m.LinkView(centre_online=True, since=now, backlog_records=0, oldest_age_s=0, last_ack_at=None)
        return m.GateSnapshot(
            sequence=7, source="UTO/s/gate-1", gate_id="gate-1", site="s", now=now, software_version="1", rulebook_version=1,
            watchlist_version=1, lanes=[], alarms=[], customs_tasks=[], link=link,
        )  # fmt: skip

    def screen(self, lane_id: int) -> m.ScreenState:
        if lane_id != 1:
            raise UnknownLane(lane_id)
        return m.ScreenState(
            lane_id=1, sequence=7, instruction=m.Instruction.PLEASE_WAIT, step=0, language="uz-Latn"
        )  # fmt: skip

    def image(self, transaction_id, kind):
        return b"jpeg" if kind == "probe" else None

    async def act(self, signed):
        return m.ActionAnswer(accepted=self.accepts, code="accepted" if self.accepts else "EG-AUT-011", message="")

    async def traveller_input(self, lane_id, pressed):
        self.screen(lane_id)
        return pressed.kind == "help"


async def test_lane_api_answers_as_documented():
    source = Source()
    app = create_app(source)
    signed = {"payload": "{}", "authorisers": [{"officer_id": "g", "signature_hex": "0" * 128}]}
    transaction = uuid.uuid4()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://lane.sock") as client:
        assert m.GateSnapshot.model_validate_json((await client.get("/v1/gate")).content) == source.snapshot()
        assert (await client.get("/v1/lanes/1/screen")).json()["language"] == "uz-Latn"
        assert (await client.get("/v1/lanes/2/screen")).status_code == 404
        assert (await client.get("/v1/lanes/2/events")).status_code == 404
        assert (await client.get("/v1/events")).status_code == 503  # its places are taken
        probe = await client.get(f"/v1/transactions/{transaction}/images/probe")
        assert (probe.content, probe.headers["content-type"], probe.headers["cache-control"]) == (
            b"jpeg",
            "image/jpeg",
            "no-store",
        )
        assert (await client.get(f"/v1/transactions/{transaction}/images/reference")).status_code == 404
        for refused in ("iris", "frame-0", "frame-9", "frame-01", "frame-1%2f..", "PROBE"):
            assert (await client.get(f"/v1/transactions/{transaction}/images/{refused}")).status_code in {404, 422}
        assert (await client.post("/v1/actions", json=signed)).status_code == 200
        source.accepts = False
        refused = await client.post("/v1/actions", json=signed)
        assert (refused.status_code, refused.json()["code"]) == (403, "EG-AUT-011")
        odd = await client.post("/v1/actions", json={**signed, "open_all": "SECRET"})
        assert odd.status_code == 422
        assert "SECRET" not in odd.text
        assert (await client.post("/v1/lanes/1/traveller", json={"kind": "help"})).status_code == 204
        assert (await client.post("/v1/lanes/1/traveller", json={"kind": "more_time"})).status_code == 409
        assert (await client.post("/v1/lanes/9/traveller", json={"kind": "help"})).status_code == 404
        assert (await client.post("/v1/lanes/1/traveller", json={"kind": "release"})).status_code == 422
