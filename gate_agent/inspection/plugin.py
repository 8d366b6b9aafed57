"""What a package needs that brings a check: the entry-point group `egate.checks`, a declaration, and what its function sees and returns.

An entry `name = "package.module:CHECK"` leads to a `CheckDeclaration`. The function is called in a process of its own, with a frozen view of
exactly the inputs that it declares, and returns a `Finding`. docs/checks.md says how one is written and what becomes of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from gate_agent.domain.check import CheckOutcome, Compared
from gate_agent.domain.result_tables import Family
from gate_agent.domain.travel_document import TravelDocument
from gate_agent.inspection.plain_text import is_seen

ENTRY_POINT_GROUP = "egate.checks"
LONGEST_BUDGET_MS = 10_000
LONGEST_TITLE, LONGEST_SENTENCE, LONGEST_VALUE, MOST_COMPARED, MOST_FINDINGS, MOST_LANGUAGES = 60, 200, 80, 8, 32, 12
_CODE = re.compile(r"[a-z][a-z0-9_]{0,39}\Z")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z]{2,4})?\Z")


class Input(StrEnum):
    """What a check may ask to see. Dates are `date`s, pictures encoded `bytes`, all else text; None: the document does not say."""

    DOCUMENT_CODE = "document_code"
    ISSUING_STATE = "issuing_state"
    DOCUMENT_NUMBER = "document_number"
    NATIONALITY = "nationality"
    PRIMARY_IDENTIFIER = "primary_identifier"
    SECONDARY_IDENTIFIER = "secondary_identifier"
    DATE_OF_BIRTH = "date_of_birth"
    SEX = "sex"
    DATE_OF_EXPIRY = "date_of_expiry"
    LINES = "lines"  # the printed lines, a tuple
    DIRECTION = "direction"
    LOCAL_DATE = "local_date"
    PICTURE_WHITE = "picture_white"
    PICTURE_INFRARED = "picture_infrared"
    PICTURE_ULTRAVIOLET = "picture_ultraviolet"


PICTURES: Mapping[Input, str] = MappingProxyType(
    {Input.PICTURE_WHITE: "white", Input.PICTURE_INFRARED: "infrared", Input.PICTURE_ULTRAVIOLET: "ultraviolet"}
)
"""The role of each picture of the page; a check that asks for one is made when the pictures are there."""

DATES = frozenset({Input.DATE_OF_BIRTH, Input.DATE_OF_EXPIRY, Input.LOCAL_DATE})

Value = str | date | bytes | tuple[str, ...] | None
View = Mapping[str, Value]


class PluginRefused(ValueError):
    """A declaration, or a finding, that is none; the text says why and holds nothing of a traveller."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check says: its outcome, the code of one of its declared findings (demanded unless successful or not supported), compared values.

    Compared values are shown to the guard and sealed in the record; nothing else of a finding may come from the traveller.
    """

    outcome: CheckOutcome
    code: str = ""
    compared: tuple[Compared, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckDeclaration:
    """One check: its function, what it sees, its time in milliseconds, and its words by language, English among them.

    `titles`: its name for the guard. `findings`: by code, the sentence that explains it. `family`: the family of the document's checks
    (BSI TR-03135-1 table 5.2) that it counts in, None for a check of the traveller.
    """

    judge: Callable[[View], Finding]
    inputs: frozenset[Input]
    budget_ms: int
    titles: Mapping[str, str]
    findings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    family: Family | None = None

    def __post_init__(self) -> None:
        """Refuse what could not be run or shown. Raises `PluginRefused`."""
        if not callable(self.judge):
            raise PluginRefused("judge is no function")
        if not isinstance(self.inputs, frozenset) or not all(isinstance(one, Input) for one in self.inputs):
            raise PluginRefused("inputs are no frozenset of Input")
        if type(self.budget_ms) is not int or not 0 < self.budget_ms <= LONGEST_BUDGET_MS:
            raise PluginRefused(f"budget_ms is no number from 1 to {LONGEST_BUDGET_MS}")
        if self.family is not None and not isinstance(self.family, Family):
            raise PluginRefused("family is neither a Family nor None")
        _judge_words("titles", self.titles, LONGEST_TITLE)
        if not isinstance(self.findings, Mapping) or len(self.findings) > MOST_FINDINGS:
            raise PluginRefused(f"findings are no mapping of at most {MOST_FINDINGS}")
        for code, sentences in self.findings.items():
            if not isinstance(code, str) or not _CODE.match(code):
                raise PluginRefused("a finding's code is small letters, digits and _, 40 at most")
            _judge_words(f"findings[{code}]", sentences, LONGEST_SENTENCE)


def judge_finding(found: object, declared_codes: frozenset[str]) -> Finding:
    """Return a finding that can be recorded and shown. Raises `PluginRefused` for anything else."""
    if type(found) is not Finding or not isinstance(found.outcome, CheckOutcome):
        raise PluginRefused("it returned no Finding")
    if found.code not in declared_codes | {""}:
        raise PluginRefused("its finding has a code that it does not declare")
    if not found.code and found.outcome not in {CheckOutcome.SUCCESSFUL, CheckOutcome.NOT_SUPPORTED}:
        raise PluginRefused(f"it says {found.outcome} and not why")
    compared = found.compared
    if not isinstance(compared, tuple) or len(compared) > MOST_COMPARED:
        raise PluginRefused(f"compared values are no tuple of at most {MOST_COMPARED}")
    for pair in compared:
        if type(pair) is not Compared or not all(
            type(text) is str and len(text) <= LONGEST_VALUE and all(map(is_seen, text))
            for text in (pair.name, pair.found, pair.expected)
        ):
            raise PluginRefused(f"a compared value is no plain text of at most {LONGEST_VALUE} characters")
    return found


def seen_of(
    inputs: frozenset[Input],
    document: TravelDocument,
    direction: str,
    local_date: date,
    pictures: Mapping[str, bytes],
) -> dict[str, Value]:
    """Return exactly what a check may see, by the names of its inputs."""
    around: dict[Input, Value] = {Input.DIRECTION: direction, Input.LOCAL_DATE: local_date}
    around |= {one: pictures.get(role) for one, role in PICTURES.items()}
    return {one.value: around[one] if one in around else getattr(document, one.value) for one in sorted(inputs)}


def frozen_view(values: Mapping[str, Any], inputs: frozenset[Input]) -> View:
    """Return what a check is handed. Raises `PluginRefused` unless it is exactly what it declares."""
    if values.keys() != {one.value for one in inputs}:
        raise PluginRefused("a view of other inputs than are declared")
    return MappingProxyType(dict(values))


def _judge_words(place: str, words: object, longest: int) -> None:
    if not isinstance(words, Mapping) or "en" not in words or len(words) > MOST_LANGUAGES:
        raise PluginRefused(f"{place}: texts by language, English ('en') among them, {MOST_LANGUAGES} at most")
    for language, text in words.items():
        if not isinstance(language, str) or not _LANGUAGE.match(language):
            raise PluginRefused(f"{place}: a language is a tag such as 'ru' or 'uz-Latn'")
        if (
            not isinstance(text, str)
            or not 0 < len(text) <= longest
            or not all(map(is_seen, text))
            or {*text} & {*"{}"}
        ):
            raise PluginRefused(
                f"{place}: a text is one line of plain words, {longest} characters at most, without braces"
            )
