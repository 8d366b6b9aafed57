"""Nothing personal reaches the log: a scenario full of planted values is logged in every way there is, then searched for."""

import io
import json
import logging
from collections.abc import Iterator

import numpy as np
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from gate_agent import logs
from gate_agent.errors import DeviceFault

LINES = ("P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10")
PLANTED = (
    "ERIKSSON",
    "ANNA",
    "L898902C3",
    "740812",
    "ZE184226B",
    "AA1234567",
    "Utopia-Holder",
    "998901234567",
    "FFD8FFE0",
)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    # Brokers and servers of other tests in this process may have hushed or shut their loggers.
    foreign = [logging.getLogger(name) for name in ("amqtt", "uvicorn", "uvicorn.access", "uvicorn.error")]
    states = [(logger.level, logger.disabled, logger.propagate) for logger in foreign]
    for logger in foreign:
        logger.setLevel(logging.NOTSET)
        logger.disabled, logger.propagate = False, True
    logs.configure("agent", stream=stream)
    yield stream
    for logger, (was_level, was_disabled, was_propagating) in zip(foreign, states, strict=True):
        logger.setLevel(was_level)
        logger.disabled, logger.propagate = was_disabled, was_propagating
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    root.handlers[:] = before
    root.setLevel(level)


def lines_of(log: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


def test_planted_personal_values_never_reach_the_log(log: io.StringIO) -> None:
    structlog.contextvars.bind_contextvars(
        gate_id="gate-1", lane_id=1, transaction_id="0199f2aa-0000-7000-8000-000000000001"
    )
    logger = structlog.get_logger()
    logger.info("document_read", mrz=LINES, lines=list(LINES), primary_identifier="ERIKSSON", device="reader-1")
    logger.info("document_read", detail=LINES[0], second=LINES[1][:15], note="number L898902C3 of ERIKSSON ANNA")
    logger.info("document_read", fields={"document_number": "AA1234567", "names": ["Utopia-Holder"]}, AA1234567="x")
    logger.info(
        "declaration_read", holder="Utopia-Holder", phone="998901234567", text="call 998901234567", number=998901234567
    )
    logger.info("frame_captured", crop=np.zeros((2, 2), np.uint8), blob=b"\xff\xd8ERIKSSON", portrait="FFD8FFE0")
    logger.info("ERIKSSON ANNA crossed")
    logger.warning("odd", value=LINES[1].replace("<", "K"))
    try:
        int(f"{LINES[1]} of Utopia-Holder")
    except ValueError:
        logger.exception("parse_failed")
    logging.getLogger("amqtt").error("client sent %s for ERIKSSON ANNA", LINES[0])
    text = log.getvalue()
    assert text.count("\n") == 9
    assert [value for value in PLANTED if value.lower() in text.lower()] == []


def lose_the_reader() -> None:
    raise DeviceFault("reader-1 is silent since 3 s", code="EG-DEV-002")


def test_what_an_engineer_needs_stays(log: io.StringIO) -> None:
    structlog.contextvars.bind_contextvars(
        gate_id="gate-1", lane_id=2, transaction_id="0199f2aa-0000-7000-8000-000000000001"
    )
    try:
        lose_the_reader()
    except DeviceFault:
        structlog.get_logger().exception(
            "device_lost", device="reader-1", fault="DRV-SER-003", silent_s=3.2, frame_number=1200300400
        )
    (line,) = lines_of(log)
    assert line["event"] == "device_lost"
    assert line["process"] == "agent"
    assert line["level"] == "error"
    assert (line["gate_id"], line["lane_id"]) == ("gate-1", 2)
    assert line["transaction_id"] == "0199f2aa-0000-7000-8000-000000000001"
    assert (line["device"], line["fault"], line["silent_s"], line["frame_number"]) == (
        "reader-1",
        "DRV-SER-003",
        3.2,
        1200300400,
    )
    assert (line["error"], line["error_code"], line["error_text"]) == (
        "DeviceFault",
        "EG-DEV-002",
        "reader-1 is silent since 3 s",
    )
    assert any("test_logs.py" in frame for frame in line["error_frames"])


def test_event_names_are_fixed_words(log: io.StringIO) -> None:
    structlog.get_logger().info("Traveller said\nfoo")
    assert lines_of(log)[0]["event"] == "event_name_refused"


def test_foreign_libraries_speak_the_same_lines(log: io.StringIO) -> None:
    logging.getLogger("uvicorn.access").info("GET /secret")
    logging.getLogger("uvicorn.error").warning("port %d is taken", 8443)
    (line,) = lines_of(log)
    assert (line["event"], line["logger"], line["text"]) == ("library_message", "uvicorn.error", "port 8443 is taken")


_CHARACTERS = st.text(alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789<", min_size=14, max_size=20)


@given(_CHARACTERS, _CHARACTERS)
def test_any_line_of_a_machine_readable_zone_is_cut_out(left: str, right: str) -> None:
    assert logs.without_personal_text(f"read {left}<<{right} twice") == "read [withheld] twice"


@given(
    st.recursive(
        st.none() | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_whatever_is_logged_becomes_one_json_line(value: object) -> None:
    stream = io.StringIO()
    clean = logs.withhold_personal_fields(None, "info", {"event": "tried", "value": value})
    stream.write(json.dumps(clean))
    assert "\n" not in stream.getvalue()


@pytest.mark.parametrize(
    ("key", "personal"),
    [
        ("document_number", True),
        ("lane_id", False),
        ("frame_number", False),
        ("holder", True),
        ("device", False),
        ("officer_name", True),
    ],
)
def test_keys(key: str, personal: bool) -> None:
    assert logs.is_personal_key(key) is personal
