"""Error rates of attack detection over labelled presentations, in the words of ISO/IEC 30107-3, and the verdict of TC-PAD-FI-APP-002.

APCER and APNRR stand per species of attack instrument and are never pooled; the worst species is named. No error in N
presentations is written "<= 3/N", never 0. Bounds are for independent presentations: those of one artefact or one subject resemble each
other, so the truth is less certain than the bounds say.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import Any

from models.attack_detector.combination import ALARM_FROM, DOUBTFUL_FROM
from models.error_bounds import wilson_bounds
from models.errors import CalibrationRefused

RECORD_FORMAT = "attack_evaluation/1"

GUIDELINE_SPECIES = (
    "silicone_mask",
    "latex_mask",
    "paper_mask",
    "3d_print",
    "photo_on_screen",
    "video_on_screen",
    "paper_photo",
    "fabric_mask",
)
_SUBJECTS, _PER_SUBJECT = 3, 20
_ARTEFACTS, _PER_ARTEFACT = 4, 10
_MOST_REFUSED = 3 / 60
_DETECTED_SHARE = 6 / 10
_TOO_MANY_UNDETECTED = 9 / 32
_SLACK = 1e-9


class Outcome(StrEnum):
    """What attack detection made of one presentation."""

    BONA_FIDE = "bona_fide"  # classified as bona fide
    ATTACK = "attack"  # an alarm in at least one frame
    NO_RESPONSE = "no_response"  # no score, or one in the doubtful band: the gate asks again or calls the guard
    NO_FACE = "no_face"  # no response either, because no face was found in any frame


@dataclass(frozen=True, slots=True)
class Presentation:
    """One labelled presentation. `species` is empty for bona fide; `source` is the subject or the artefact."""

    species: str
    source: str
    name: str
    outcome: Outcome
    highest_score: float | None = None
    last_score: float | None = None
    frames: int = 0
    frames_with_face: int = 0


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of presentations with its 95 % bounds."""

    errors: int
    presentations: int

    @property
    def rate(self) -> float:
        """The share; 0 without presentations."""
        return self.errors / self.presentations if self.presentations else 0.0

    @property
    def bounds(self) -> tuple[float, float]:
        """Wilson's bounds, the rule of three at 0."""
        return wilson_bounds(self.errors, self.presentations)

    def __str__(self) -> str:
        low, high = self.bounds
        if self.errors == 0 and high >= 1.0:
            return f"0/{self.presentations}, too few to say anything"
        if self.errors == 0:
            return f"<= 3/{self.presentations} ({high:.1%})"
        return f"{self.errors}/{self.presentations} = {self.rate:.1%} ({low:.1%} to {high:.1%})"

    def fields(self) -> dict[str, Any]:
        """Return the rate for a record."""
        low, high = self.bounds
        return {
            "errors": self.errors,
            "presentations": self.presentations,
            "rate": self.rate,
            "low": low,
            "high": high,
            "text": str(self),
        }


@dataclass(frozen=True, slots=True)
class Artefact:
    """One attack instrument: how often it was presented, and how often it was noticed."""

    name: str
    presentations: int
    alarms: int
    without_face: int

    @property
    def noticed(self) -> int:
        """Alarms, and presentations without a face where that is repeatable (at least 6 in 10)."""
        is_repeatable = self.without_face >= _DETECTED_SHARE * self.presentations - _SLACK
        return self.alarms + (self.without_face if is_repeatable else 0)

    @property
    def is_detected(self) -> bool:
        """Noticed in at least 6 of 10 presentations."""
        return self.noticed >= _DETECTED_SHARE * self.presentations - _SLACK


@dataclass(frozen=True, slots=True)
class Species:
    """One species of attack instrument."""

    name: str
    apcer: Rate
    apnrr: Rate
    artefacts: tuple[Artefact, ...]


class Verdict(StrEnum):
    """The verdict of the guideline's trial."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_ENOUGH = "not_enough_presentations"


@dataclass(frozen=True, slots=True)
class AttackEvaluation:
    """Rates, and the verdict with its reasons in plain words. `verdict` PASSED and FAILED need a trial of the guideline's size."""

    bpcer: Rate
    bpnrr: Rate
    subjects: Mapping[str, int]
    species: tuple[Species, ...]
    verdict: Verdict
    reasons: tuple[str, ...]

    @property
    def worst(self) -> Species | None:
        """The species with the highest APCER (of equal ones that with the wider bound); None without attacks."""
        return max(self.species, key=lambda one: (one.apcer.rate, one.apcer.bounds[1]), default=None)

    def fields(self) -> dict[str, Any]:
        """Return the evaluation for a record."""
        return {
            "bpcer": self.bpcer.fields(),
            "bpnrr": self.bpnrr.fields(),
            "subjects": dict(self.subjects),
            "species": {
                one.name: {
                    "apcer": one.apcer.fields(),
                    "apnrr": one.apnrr.fields(),
                    "artefacts": {
                        artefact.name: {
                            "presentations": artefact.presentations,
                            "alarms": artefact.alarms,
                            "without_face": artefact.without_face,
                            "is_detected": artefact.is_detected,
                        }
                        for artefact in one.artefacts
                    },
                }
                for one in self.species
            },
            "worst_species": self.worst.name if self.worst else None,
            "verdict": self.verdict.value,
            "reasons": list(self.reasons),
        }


def rated_configuration_id(text: str, alarm_from: float = ALARM_FROM, doubtful_from: float = DOUBTFUL_FROM) -> str:
    """Return which configuration of attack detection a record (JSON) of `egate face attacks --output` rates.

    `alarm_from` and `doubtful_from` are the thresholds in force. Raises `CalibrationRefused` (MD-CAL-004) when it is no such record, the trial was too small, or thresholds differ
    from those now in force.
    """
    try:
        record = json.loads(text)
        found = (record["format"], record["alarm_from"], record["doubtful_from"])
        verdict, configuration = Verdict(record["verdict"]), str(record["configuration_id"])
        is_measured = record["bpcer"]["presentations"] > 0 and len(record["species"]) > 0
    except (ValueError, KeyError, TypeError) as error:
        raise CalibrationRefused(f"the attack evaluation is malformed: {error}", code="MD-CAL-004") from error
    if found != (RECORD_FORMAT, alarm_from, doubtful_from):
        raise CalibrationRefused(
            "the attack evaluation was made with other thresholds or by another release", code="MD-CAL-004"
        )
    if verdict is Verdict.NOT_ENOUGH or not is_measured:
        raise CalibrationRefused("the attack evaluation's trial was too small to rate anything", code="MD-CAL-004")
    return configuration


def classified(scores: Sequence[float | None], alarm_from: float, doubtful_from: float) -> Outcome:
    """Return what a presentation comes to, from the scores of its frames with a face in order.

    As at the gate: any frame may alarm; otherwise the last score decides, and one in the doubtful band decides nothing.
    """
    known = [score for score in scores if score is not None]
    if not scores:
        return Outcome.NO_FACE
    if any(score >= alarm_from for score in known):
        return Outcome.ATTACK
    return Outcome.BONA_FIDE if known and known[-1] < doubtful_from else Outcome.NO_RESPONSE


def evaluated(presentations: Iterable[Presentation]) -> AttackEvaluation:
    """Return rates and verdict of a trial."""
    listed = sorted(presentations, key=lambda one: (one.species, one.source, one.name))
    bona_fide = [one for one in listed if not one.species]
    by_species = groupby((one for one in listed if one.species), key=lambda one: one.species)
    species = tuple(_species(name, list(group)) for name, group in by_species)
    subjects = {name: len(list(group)) for name, group in groupby(bona_fide, key=lambda one: one.source)}
    alarms = sum(one.outcome is Outcome.ATTACK for one in bona_fide)
    silent = sum(one.outcome in {Outcome.NO_RESPONSE, Outcome.NO_FACE} for one in bona_fide)
    bpcer, bpnrr = Rate(alarms, len(bona_fide)), Rate(silent, len(bona_fide))
    missing = [*_missing_bona_fide(subjects), *_missing_attacks(species)]
    failures = [*_bona_fide_failures(bpcer, bpnrr), *_attack_failures(species)]
    verdict = Verdict.NOT_ENOUGH if missing else Verdict.FAILED if failures else Verdict.PASSED
    return AttackEvaluation(bpcer, bpnrr, subjects, species, verdict, (*missing, *failures))


def _species(name: str, presentations: list[Presentation]) -> Species:
    count = len(presentations)
    missed = sum(one.outcome is Outcome.BONA_FIDE for one in presentations)
    silent = sum(one.outcome in {Outcome.NO_RESPONSE, Outcome.NO_FACE} for one in presentations)
    artefacts = []
    for artefact, grouped in groupby(presentations, key=lambda one: one.source):
        tries = list(grouped)
        alarms = sum(one.outcome is Outcome.ATTACK for one in tries)
        artefacts.append(Artefact(artefact, len(tries), alarms, sum(one.outcome is Outcome.NO_FACE for one in tries)))
    return Species(name, Rate(missed, count), Rate(silent, count), tuple(artefacts))


def _missing_bona_fide(subjects: Mapping[str, int]) -> list[str]:
    enough = sum(count >= _PER_SUBJECT for count in subjects.values())
    if enough >= _SUBJECTS:
        return []
    return [f"bona fide: {_SUBJECTS} subjects with {_PER_SUBJECT} presentations each are needed, {enough} have as many"]


def _missing_attacks(species: Sequence[Species]) -> list[str]:
    missing = []
    there = {one.name: one for one in species}
    for name in GUIDELINE_SPECIES:
        artefacts = there[name].artefacts if name in there else ()
        enough = sum(artefact.presentations >= _PER_ARTEFACT for artefact in artefacts)
        if enough < _ARTEFACTS:
            missing.append(
                f"{name}: {_ARTEFACTS} artefacts with {_PER_ARTEFACT} presentations each are needed, {enough} have as many"
            )
    return missing


def _bona_fide_failures(bpcer: Rate, bpnrr: Rate) -> list[str]:
    """Return a failure when more than 3 of 60 bona fide presentations were not let through, for whatever reason."""
    refused = bpcer.errors + bpnrr.errors
    if refused <= _MOST_REFUSED * bpcer.presentations + _SLACK:
        return []
    return [f"bona fide: {refused} of {bpcer.presentations} presentations refused, more than 3 in 60"]


def _attack_failures(species: Sequence[Species]) -> list[str]:
    failures = [
        f"{one.name}: never noticed" for one in species if not any(artefact.noticed for artefact in one.artefacts)
    ]
    artefacts = [artefact for one in species for artefact in one.artefacts]
    undetected = sum(not artefact.is_detected for artefact in artefacts)
    if artefacts and undetected >= _TOO_MANY_UNDETECTED * len(artefacts) - _SLACK:
        failures.append(f"{undetected} of {len(artefacts)} artefacts undetected, 9 in 32 or more")
    return failures
