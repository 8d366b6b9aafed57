"""From the site's settings to the face pipeline that it chose: the same for workers, `egate doctor` and the command line."""

from __future__ import annotations

from pathlib import Path

from gate_agent.settings import FaceSettings
from models.pipeline import PipelineChoice

_HOUR_S = 3600.0


def choice_of(face: FaceSettings, models_folder: Path) -> PipelineChoice:
    """Return the choice for the models in a folder."""
    return PipelineChoice(
        models=models_folder,
        operator_models=face.operator_models,
        trusted_keys=face.trusted_keys,
        allow_unsigned=face.allow_unsigned_models,
        embedder=face.embedder,
        calibration=face.calibration,
        false_match_rate=face.false_match_rate,
        expected_face_px=face.expected_face_px,
        attack_evaluation=face.attack_evaluation,
        attack_alarm_score=face.attack_alarm_score,
        attack_doubt_score=face.attack_doubt_score,
        focal_ratio=face.focal_ratio,
    )


def worker_arguments(choice: PipelineChoice) -> list[str]:
    """Return a choice as arguments of `models.worker`."""
    arguments = [
        "--models",
        str(choice.models.absolute()),
        "--expected-face-px",
        str(choice.expected_face_px),
        "--false-match-rate",
        str(choice.false_match_rate),
        "--attack-alarm-score",
        str(choice.attack_alarm_score),
        "--attack-doubt-score",
        str(choice.attack_doubt_score),
    ]
    if choice.operator_models is not None:
        arguments += ["--operator-models", str(choice.operator_models)]
    for key in choice.trusted_keys:
        arguments += ["--trusted-key", str(key)]
    if choice.allow_unsigned:
        arguments.append("--allow-unsigned")
    if choice.embedder:
        arguments += ["--embedder", choice.embedder]
    if choice.attack_evaluation is not None:
        arguments += ["--attack-evaluation", str(choice.attack_evaluation)]
    if choice.focal_ratio is not None:
        arguments += ["--focal-ratio", str(choice.focal_ratio)]
    if choice.calibration:
        arguments += ["--calibration", choice.calibration]
    return arguments


def evaluation_arguments(face: FaceSettings) -> list[str]:
    """Return continuous evaluation as arguments of `models.worker`: nothing is cached or summed up unless the site switched it on.

    The cache's size is the gate's; several workers share it.
    """
    arguments = [word for rate in face.monitoring_false_match_rates for word in ("--watched-rate", str(rate))]
    if face.non_mated_cache:
        arguments += [
            "--non-mated-cache",
            str(max(1, face.non_mated_cache // face.workers)),
            "--non-mated-cache-age-s",
            str(face.non_mated_cache_age_h * _HOUR_S),
            "--group-numbers",
            str(len(face.monitoring_groups)),
        ]
    if face.cohort_sums:
        arguments.append("--cohort-sums")
    return arguments
