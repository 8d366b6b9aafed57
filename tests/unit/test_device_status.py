"""What the agent keeps of a device for people: kinds and times, the last fault with its remedy, a bounded history; never content."""

from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest

from drivers import contracts as dc
from drivers import surroundings as ds
from gate_agent.app.device_status import HISTORY_CHANGES, DeviceStatus, event_kind
from gate_agent.web import i18n

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
READY, FAULT = dc.DeviceState.READY, dc.DeviceState.FAULT


def event(payload: dc.Payload, after_s: float = 0.0) -> dc.DeviceEvent:
    return dc.DeviceEvent("one", payload, NOON + timedelta(seconds=after_s), after_s, 1)


def status() -> DeviceStatus:
    return DeviceStatus("camera", "absent", NOON)


def test_the_kind_is_kept_and_the_content_is_not() -> None:
    kept = status()
    assert kept.note(event(dc.MrzRead(("P<UTOSPECIMEN<<ANNA",)), 5))
    shown = kept.view("reader").model_dump_json()
    assert kept.last_event == "mrz_read"
    assert "SPECIMEN" not in shown
    assert kept.view("reader").last_event_at == NOON + timedelta(seconds=5)


def test_a_fault_stays_the_last_one_when_it_is_over() -> None:
    kept = status()
    kept.note(event(dc.StateChanged(READY), 1))
    kept.note(event(dc.StateChanged(READY, "DRV-PRN-001", "Put paper in"), 2))
    assert (kept.state, kept.fault, kept.since) == ("ready", "DRV-PRN-001", NOON + timedelta(seconds=2))
    kept.note(event(dc.StateChanged(READY), 3))
    view = kept.view("printer")
    assert (view.fault, view.remedy) == ("", "")
    assert (view.last_fault, view.last_remedy, view.last_fault_at) == (
        "DRV-PRN-001", "Put paper in", NOON + timedelta(seconds=2)
    )  # fmt: skip
    assert view.change_count == 3
    assert [one.fault for one in kept.history("printer").changes] == ["", "DRV-PRN-001", ""], "newest first"


def test_the_history_is_bounded() -> None:
    kept = status()
    for number in range(3 * HISTORY_CHANGES):
        kept.note(event(dc.StateChanged(READY if number % 2 else FAULT), number))
    changes = kept.history("one").changes
    assert len(changes) == HISTORY_CHANGES
    assert changes[0].at == NOON + timedelta(seconds=3 * HISTORY_CHANGES - 1)
    assert kept.change_count == 3 * HISTORY_CHANGES


def test_a_stream_of_one_kind_is_news_now_and_then() -> None:
    kept = status()
    frame = dc.FrameCaptured(-1, 1, 1, 1, lambda: None)
    news = [kept.note(event(frame, number / 10)) for number in range(41)]
    assert [place for place, is_news in enumerate(news) if is_news] == [0, 20, 40]
    assert kept.last_event_at == NOON + timedelta(seconds=4), "the time is exact, whoever was told"
    assert kept.note(event(dc.BarcodeRead(b"x"), 4.1)), "another kind is news at once"
    assert kept.note(event(dc.BarcodeRead(b"x"), -60)), "so is a clock that went back"


@pytest.mark.parametrize(
    "catalogue", i18n.load_catalogues("guard", i18n.GUARD_LANGUAGES).values(), ids=lambda c: c.language
)
def test_every_kind_has_words(catalogue: i18n.Catalogue) -> None:
    payloads: set[type] = {one for one in get_args(dc.Payload) if one is not dc.StateChanged}
    named = {event_kind(ds.XrayReported("1", decision)) for decision in ds.XrayDecision}
    named |= {event_kind(ds.UpsReported(value, False, None, None)) for value in (True, False, None)}
    named |= {event_kind(object.__new__(one)) for one in payloads - {ds.XrayReported, ds.UpsReported}}
    assert {kind for kind in named if f"device_event.{kind}" not in catalogue.texts} == set()
    assert set(catalogue.section("device_event")) == named
