"""From a folder of pictures to a record: which comparisons, which scores, which numbers. For command line and benchmark alike."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.cohort import Cohort
from models.error_rates import EvaluationFault, ScoreSet
from models.evaluation import (
    FORMAT,
    Acquisition,
    at_thresholds,
    curve_points,
    evaluated,
    score_set,
    thresholds_in,
)
from models.evaluation_features import FeatureTable
from models.evaluation_pairs import Trials, all_against_all, frame_sets, listed_pairs, pairs_of, pictures_in
from models.evaluation_scores import (
    FOLDS,
    distance_scores,
    mixture_cohort,
    people_cohort,
    scores_across,
    unit_scores,
)
from models.face_fusion import Fusion, fused
from models.results import FaceFinding
from models.score_normalisation import ScoreDefinition, ScoreKind

CROSSFIT, CROSSFIT_PEOPLE = "crossfit", "crossfit-people"
_LISTED_FAILURES = 20

Pairs = Sequence[tuple[str, str, bool]]


@dataclass(frozen=True, slots=True)
class Comparing:
    """How pictures are compared: pictures per probe, fusion, score definition, and the cohort (or how one is made across)."""

    fusion: Fusion = Fusion.FLIP
    definition: ScoreDefinition = field(default_factory=ScoreDefinition)
    cohort: Cohort | None = None
    across: str = ""
    frames: int = 1
    seed: int = 1
    folds: int = FOLDS

    def fields(self) -> dict[str, Any]:
        """Return what scores depend on besides the features, for records. Raises `EvaluationFault` for a contradiction."""
        definition = self.definition
        if self.fusion is Fusion.RAW:
            if self.cohort is not None or self.across or definition.kind is not ScoreKind.COSINE:
                raise EvaluationFault("raw features are compared by distance, without a cohort", code="MD-EVA-012")
            if self.frames > 1:
                raise EvaluationFault("raw features of several pictures are not fused", code="MD-EVA-012")
            return {"score": {"kind": "distance"}, "cohort": None}
        if definition.kind is ScoreKind.COSINE:
            if self.cohort is not None or self.across:
                raise EvaluationFault("a cosine needs no cohort; name a normalised score", code="MD-EVA-012")
            return {"score": {"kind": definition.kind.value}, "cohort": None}
        if self.cohort is None and not self.across:
            raise EvaluationFault(f"the score {definition.kind} needs a cohort", code="MD-EVA-012")
        score: dict[str, Any] = {"kind": definition.kind.value, "top": definition.top}
        if definition.kind is ScoreKind.AS_ADDITIVE:
            score |= {"mean_weight": definition.mean_weight, "deviation_weight": definition.deviation_weight}
        return {"score": score, "cohort": self.across or (self.cohort.cohort_id if self.cohort else None)}


@dataclass(frozen=True, slots=True)
class PictureSet:
    """The pictures of an evaluation, by name below a folder, and the pairs where a list says which."""

    folder: Path
    names: tuple[str, ...]
    pairs: tuple[tuple[str, str, bool], ...] = ()


def picture_set(folder: Path, pairs_file: Path | None) -> PictureSet:
    """Return the pictures of a folder, or those that a list of pairs names. Raises `EvaluationFault`."""
    if pairs_file is None:
        return PictureSet(folder, tuple(pictures_in(folder)))
    try:
        text = pairs_file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise EvaluationFault(f"{pairs_file} cannot be read: {reason}", code="MD-EVA-004") from error
    pairs = pairs_of(text, pairs_file.name, folder)
    names = dict.fromkeys(name for one, other, _ in pairs for name in (one, other))
    return PictureSet(folder, tuple(names), tuple(pairs))


def set_name(folder: Path) -> str:
    """Return what a set is called in records: its folder, or the one above where it is only `images`."""
    path = folder.resolve()
    return path.parent.name if path.name in {"images", "pictures"} else path.name


@dataclass(frozen=True, slots=True)
class Compared:
    """Scored comparisons, those that a list asked for and that could not be made, and the CPU seconds of scoring."""

    comparisons: ScoreSet
    mated_not_compared: int
    non_mated_not_compared: int
    scoring_s: float


def compared(pictures: PictureSet, table: FeatureTable, comparing: Comparing) -> Compared:
    """Return the scores of all comparisons of the pictures that gave features.

    Raises `EvaluationFault` when what remains holds no mated or no non-mated comparison, saying how many pictures were lost.
    """
    comparing.fields()
    started = time.process_time()
    present = np.flatnonzero(table.is_acquired)
    names = [pictures.names[number] for number in present]
    known = set(names)
    possible = [pair for pair in pictures.pairs if pair[0] in known and pair[1] in known]
    lost = [mated for one, other, mated in pictures.pairs if one not in known or other not in known]
    try:
        trials = _trials(names, possible, comparing, is_listed=bool(pictures.pairs))
        comparisons = score_set(trials, _scores(trials, table.vectors[present], comparing))
    except EvaluationFault as fault:
        missing = len(pictures.names) - len(names)
        if fault.code == "MD-EVA-002" and missing:
            raise EvaluationFault(
                f"{fault}; {missing} of {len(pictures.names)} pictures gave no features", code=fault.code
            ) from fault
        raise
    return Compared(comparisons, sum(lost), len(lost) - sum(lost), time.process_time() - started)


def _trials(names: Sequence[str], pairs: Pairs, comparing: Comparing, *, is_listed: bool) -> Trials:
    if is_listed and comparing.frames > 1:
        raise EvaluationFault("a list of pairs compares single pictures", code="MD-EVA-012")
    if len(names) < 2:
        raise EvaluationFault("there are no two pictures with features", code="MD-EVA-002")
    if is_listed:
        return listed_pairs(names, pairs)
    return all_against_all(names) if comparing.frames == 1 else frame_sets(names, comparing.frames, comparing.seed)


def _scores(trials: Trials, vectors: NDArray[np.float32], comparing: Comparing) -> NDArray[np.float32]:
    if comparing.fusion is Fusion.RAW:
        return distance_scores(trials, vectors, vectors)
    probes = vectors if comparing.frames == 1 else np.stack([fused(vectors[list(probe)]) for probe in trials.probes])
    if not comparing.across:
        return unit_scores(trials, probes, vectors, comparing.definition, comparing.cohort)
    cohort_of = people_cohort if comparing.across == CROSSFIT_PEOPLE else mixture_cohort(comparing.seed)
    return scores_across(trials, probes, vectors, comparing.definition, cohort_of, comparing.seed, comparing.folds)


def evaluation_record(
    pictures: PictureSet,
    table: FeatureTable,
    comparing: Comparing,
    pipeline: dict[str, Any],
    earlier: tuple[str, dict[str, Any]] | None = None,
    given: Sequence[tuple[float, float]] = (),
    given_from: str = "",
) -> dict[str, Any]:
    """Return the whole record of an evaluation.

    `pipeline` is `evaluation_sampling.pipeline_fields`; `earlier` a record and its name whose thresholds are reported on this set
    too, `given` thresholds from elsewhere. Raises `EvaluationFault`.
    """
    pipeline = {**pipeline, **comparing.fields()}
    thresholds = list(given)
    if earlier is not None:
        given_from, thresholds = earlier[0], thresholds_in(earlier[1], pipeline, earlier[0])
    result = compared(pictures, table, comparing)
    comparisons = result.comparisons
    acquisition = Acquisition.of(table.findings)
    record = {"format": FORMAT, **evaluated(comparisons, acquisition, comparing.seed)}
    if pictures.pairs:
        record["mated_not_compared"] = result.mated_not_compared
        record["non_mated_not_compared"] = result.non_mated_not_compared
    record["pictures_without_features"] = [
        f"{name}: {finding.value}"
        for name, finding in zip(pictures.names, table.findings, strict=True)
        if finding is not FaceFinding.FOUND
    ][:_LISTED_FAILURES]
    if thresholds:
        record["given_thresholds"] = {"from": given_from, "points": at_thresholds(comparisons, acquisition, thresholds)}
    count = len(comparisons.mated) + len(comparisons.non_mated)
    record |= {
        "frames": comparing.frames,
        "seed": comparing.seed,
        "set": set_name(pictures.folder),
        "set_sha256": table.set_hash(pictures.names),
        "pipeline": pipeline,
        "cost_ms": {**table.step_ms, "comparison": round(result.scoring_s * 1000 / count, 6)},
        "det": curve_points(comparisons, comparing.seed),
    }
    return record
