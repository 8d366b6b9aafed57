"""The log: JSON lines on standard error for journald, fixed event names, and no personal data.

    configure("agent")
    structlog.contextvars.bind_contextvars(gate_id="gate-1", lane_id=1, transaction_id=str(transaction_id))
    structlog.get_logger().info("document_presented", device="reader-1")

Personal data is kept out three times over: by key (whatever stands under a name such as `document_number` is withheld, unseen), by
form (text that looks like a line of a machine readable zone, a document number or a name in capitals is cut out of every other
value, foreign libraries' messages and exception texts included), and by type (bytes, arrays and objects never reach the line).
An exception is logged as its class, stable code and frames without local variables; its text only when it is one of the house's
own faults, whose texts carry no personal data by rule.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

WITHHELD = "[withheld]"
LONGEST_TEXT = 500

# Words of a key that make its value personal, whatever it holds.
_PERSONAL_WORDS = frozenset(
    """
    mrz name names identifier surname holder traveller person birth birthday number numbers optional nationality sex address_of
    email phone plate portrait image images probe reference features frame photo picture payload raw content
    token password secret key signature
    """.split()  # noqa: SIM905 - a list of words reads better as words
)
# Keys that share a word with the list above and say nothing about a person.
_HARMLESS_KEYS = frozenset(
    """
    frame_number frames maximum_frames frame_age_s frame_age_ms frames_per_s image_format token_issuer token_outcome batch_number
    port_number key_id key_file driver_name device_name logger_name process_name
    """.split()  # noqa: SIM905 - as above
)
_KEY_WORD = re.compile(r"[a-z0-9]+")
_EVENT_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")

# Identifiers of ours are let through whole, before any other form is looked for.
_FORMS = re.compile(
    r"""
    (?P<own>\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b | \b[A-Z]{2,3}-[A-Z]{3}-[0-9]{3}\b)  # UUID, fault code
    | [A-Z0-9<]*<[A-Z0-9<]{2,} | [A-Z0-9]{2,}<+       # any run with fillers: a line of a machine readable zone, or a part of one
    | \b[A-Z0-9]{24,}\b                              # such a line whose fillers were all misread
    | \b(?=(?:[A-Z0-9]*?[0-9]){5})(?=[0-9]*[A-Z])[A-Z0-9]{7,23}\b  # document numbers: L898902C3, AA1234567
    | \b[0-9]{9,}\b                                  # numbers without letters, telephone numbers
    | \b[A-Z]{2,}(?:[ ,'-]+[A-Z]{2,})+\b             # names in capitals: SPECIMEN ANNA
    """,
    re.VERBOSE,
)
_LONGEST_LOOKED_AT = 20_000


def without_personal_text(text: str) -> str:
    """Return the text with everything cut out that has the form of personal data, and cut to `LONGEST_TEXT` characters."""
    clean = _FORMS.sub(lambda found: found.group("own") or WITHHELD, text[:_LONGEST_LOOKED_AT])
    return clean if len(clean) <= LONGEST_TEXT else clean[:LONGEST_TEXT] + "…"


def is_personal_key(key: str) -> bool:
    """Return whether a value under this key is withheld unseen."""
    lowered = key.lower()
    return lowered not in _HARMLESS_KEYS and not _PERSONAL_WORDS.isdisjoint(
        _KEY_WORD.findall(lowered.replace("_", " "))
    )


def withhold_personal_fields(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Processor: withhold by key, by form and by type. The event's name itself must be a fixed snake_case word."""
    clean = {without_personal_text(key): _clean(key, value) for key, value in event.items() if key != "event"}
    name = str(event.get("event", ""))
    clean["event"] = name if _EVENT_NAME.fullmatch(name) else "event_name_refused"
    return clean


def _clean(key: str, value: Any) -> Any:
    if is_personal_key(key):
        return WITHHELD
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, int):
        return value if abs(value) < 10**15 else WITHHELD
    if isinstance(value, str):
        return without_personal_text(value)
    if isinstance(value, Path):
        return without_personal_text(str(value))
    if isinstance(value, Mapping):
        return {without_personal_text(str(name)): _clean(str(name), item) for name, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_clean(key, item) for item in value]
    return f"[withheld {type(value).__name__}]"


def describe_exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Processor: turn `exc_info` into `error`, `error_code`, `error_text` (own faults only) and `error_frames`."""
    exception = _exception_of(event.pop("exc_info", None))
    if exception is None:
        return event
    event["error"] = type(exception).__name__
    code = getattr(exception, "code", None)
    if isinstance(code, str):
        event["error_code"] = code
        event["error_text"] = str(exception)
    event["error_frames"] = _frames(exception.__traceback__)
    return event


def _exception_of(exc_info: ExcInfo | BaseException | bool | None) -> BaseException | None:
    if isinstance(exc_info, BaseException):
        return exc_info
    if isinstance(exc_info, tuple):
        return exc_info[1]
    return sys.exc_info()[1] if exc_info else None


def _frames(traceback: TracebackType | None) -> list[str]:
    frames = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        frames.append(f"{Path(code.co_filename).name}:{traceback.tb_lineno} {code.co_name}")
        traceback = traceback.tb_next
    return frames[-12:]


def _library_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Processor for the standard library's logging: the message becomes a field, the event's name is fixed."""
    event["text"] = str(event.get("event", ""))
    event["event"] = "library_message"
    return event


class _StandardError:
    """Standard error as it is when a line is written: it may have been redirected or closed since the log was set up."""

    @staticmethod
    def write(text: str) -> int:
        return sys.stderr.write(text)

    @staticmethod
    def flush() -> None:
        sys.stderr.flush()


def configure(process: str, *, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send this process's log, foreign libraries' warnings included, to `stream` (standard error) as JSON lines.

    `process` is the unit's name (`agent`, `console`, …) and stands in every line. Called once, by the command.
    """
    target: Any = _StandardError() if stream is None else stream

    def name_process(_logger: WrappedLogger, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["process"] = process
        return event

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        describe_exception,
    ]
    # The stamp and the process are added after the sieve: they are ours and would only be mistaken for a number.
    closing: list[Processor] = [
        withhold_personal_fields,
        name_process,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.JSONRenderer(ensure_ascii=True),
    ]
    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, *closing],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(file=target),
        cache_logger_on_first_use=False,
    )
    foreign = logging.StreamHandler(target)
    foreign.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, _library_event],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *shared, *closing],
        )
    )
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(foreign)
    root.setLevel(max(threshold, logging.WARNING))
