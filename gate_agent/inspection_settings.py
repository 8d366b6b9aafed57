"""Settings of what the gate inspects: document, page and face. Part of the site file that `settings` reads."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Section(BaseModel):
    """A frozen table of the site file; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DocumentSettings(Section):
    """Authenticity of the document. What is `advisory` is reported and recorded, and stands in nobody's way while it is not failed."""

    chip: Literal["required", "advisory"] = Field(
        "required", description="Whether a lane with a chip reader releases only documents whose chip was proven."
    )
    chip_genuineness: Literal["required", "where_offered"] = Field(
        "where_offered",
        description="Whether a chip that has no means to prove that it is no copy is referred, or only one that has them and fails.",
    )
    revocation: Literal["required", "advisory"] = Field(
        "required", description="Whether a signer of which no current revocation list is held is referred."
    )
    trust_age_limit_days: float = Field(
        28.0, gt=0, le=400, description="An older trust bundle proves nothing: its checks stay undetermined."
    )
    chip_timeout_s: float = Field(
        12.0,
        gt=0,
        le=60,
        description="Longest whole read of a chip; a chip that says nothing is given up after five seconds.",
    )
    accept_specimens: bool = Field(
        default=False,
        description="Let specimens pass (Utopia, published specimens, certificates of test authorities): demonstrations and tests only.",
    )
    basic_access: Literal["without_pace", "never"] = Field(
        "without_pace", description="Whether chips that offer no PACE are opened with basic access control."
    )


class CheckSettings(Section):
    """A check that another maker's package brings (docs/checks.md). Only those that are named here are loaded; each runs in a process of its own."""

    name: str = Field(
        pattern=r"^[a-z][a-z0-9_]{0,39}$",
        description="Its name in the entry-point group `egate.checks`; see `egate checks list`.",
    )
    on_failed: Literal["refer", "note"] = Field(
        "refer", description="Whether a traveller of whom it failed is referred, or it is only shown and recorded."
    )
    on_undetermined: Literal["refer", "note"] = Field(
        "refer", description="The same where it came to no answer: undetermined, over its time, crashed, or nonsense."
    )
    longest_ms: int = Field(
        2000,
        ge=50,
        le=10_000,
        description="Its time when the package asks for more; then it is ended and started anew.",
    )
    memory_bytes: int = Field(536_870_912, ge=134_217_728, le=8_589_934_592, description="Most memory of its process.")


class PageSettings(Section):
    """What the pictures of a page are judged by. Chosen on drawn pages and not measured on real documents: a site calibrates its readers."""

    timeout_s: float = Field(
        4.0,
        gt=0,
        le=30,
        description="How long, after the lines were read, the lane waits for pictures that its reader should take.",
    )
    infrared_clear: float = Field(
        0.34,
        gt=0,
        lt=1,
        description="Contrast at 900 nm from which print counts as B900 ink. Doc 9303-3 asks for 0.6 in reflectance [from memory],"
        " which is 0.34 in a picture with a gamma of 2.2.",
    )
    infrared_faint: float = Field(
        0.2, gt=0, lt=1, description="Contrast and darkness at 900 nm below which print has faded: failed."
    )
    differing_posterior: float = Field(
        0.9,
        gt=0,
        le=1,
        description="How sure both readings of a character have to be before a difference is a finding.",
    )
    differing_likeness: float = Field(
        0.8, gt=0, le=1, description="Shapes of a character that are more alike than this are not held to differ."
    )
    ultraviolet_dull: float = Field(
        60.0, gt=0, lt=255, description="Blue level of paper at 365 nm up to which it counts as dull."
    )
    ultraviolet_bright: float = Field(
        110.0, gt=0, le=255, description="Blue level from which paper counts as brightened: failed."
    )
    ultraviolet_blue_excess: float = Field(
        20.0, ge=0, le=255, description="By how much blue stands above red in such paper; otherwise it is room light."
    )
    dark_level: float = Field(
        20.0, ge=0, lt=255, description="A white or infrared picture without anything brighter had no lamp: aborted."
    )
    ultraviolet_dark_level: float = Field(
        8.0, ge=0, lt=255, description="The same for the ultraviolet picture, in which everything is dark."
    )
    saturated_share: float = Field(
        0.03, gt=0, lt=1, description="Share of pixels without detail from which a picture has glare."
    )
    edge_blur: float = Field(
        0.08, gt=0, lt=1, description="Spread of edges, in widths of a character, from which a picture is blurred."
    )

    transparent_issuers: tuple[Annotated[str, Field(pattern="^[A-Z]{1,3}$")], ...] = Field(
        (),
        description="Issuing states, as in the zone, whose print is known to fade at 900 nm: its ink is not judged, and the record says so.",
    )

    @model_validator(mode="after")
    def _limits_agree(self) -> PageSettings:
        if self.infrared_faint > self.infrared_clear:
            raise ValueError("infrared_faint lies above infrared_clear")
        if self.ultraviolet_dull > self.ultraviolet_bright:
            raise ValueError("ultraviolet_dull lies above ultraviolet_bright")
        return self


class AttackDetection(StrEnum):
    """What presentation attack detection may do at this gate."""

    OFF = "off"
    ADVISORY = "advisory"
    REQUIRED = "required"


class FaceSettings(Section):
    """One-to-one face comparison."""

    false_match_rate: float = Field(
        1e-4, gt=0, le=1e-3, description="Stated false match rate; its threshold comes from the calibration record."
    )
    workers: int = Field(1, ge=1, le=8, description="Inference worker processes.")
    worker_timeout_s: float = Field(
        4.0, gt=0, le=30, description="Longest time one frame may take before the worker is replaced."
    )
    worker_memory_bytes: int = Field(
        1_500_000_000, ge=268_435_456, description="Address-space limit of a worker process."
    )
    capture_timeout_s: float = Field(
        7.0, gt=0, le=60, description="Longest face acquisition before the guard is called (TR-03121: 7 s)."
    )
    capture_timeout_with_attack_detection_s: float = Field(
        10.0,
        gt=0,
        le=60,
        description="The same where presentation attack detection is required (TR-03121: 10 s).",
    )
    out_of_range_timeout_s: float = Field(
        2.8,
        gt=0,
        le=3,
        description="A face above or below what the camera sees, or none at all while somebody is inside, calls the guard"
        " after this time (at most 3 s).",
    )
    maximum_frames: int = Field(
        100, ge=3, le=600, description="Faces compared in one acquisition before the guard is called."
    )
    presentation_attack_detection: AttackDetection = Field(
        AttackDetection.ADVISORY,
        description="`off`, `advisory` (score for the guard, decides nothing) or `required` (alarm, doubt or no result call"
        " the guard). The shipped detectors are unrated.",
    )
    attack_alarm_score: float = Field(
        0.8, gt=0, le=1, description="Attack score from which a frame raises the alarm (0 bona fide, 1 attack)."
    )
    attack_doubt_score: float = Field(
        0.35, gt=0, le=1, description="Attack score from which a frame is doubtful; at most the alarm score."
    )
    attack_evaluation: Path | None = Field(
        None,
        description="Signed record of `egate face attacks` that rates the attack detection in use; unrated without one.",
    )
    focal_ratio: float | None = Field(
        None,
        gt=0.2,
        le=10,
        description="The camera's focal length in longer sides of its frame; unknown by default, and attack detection sees less.",
    )
    expected_face_px: int = Field(
        120, ge=80, le=400, description="Width to which the expected face is scaled for detection."
    )

    operator_models: Path | None = Field(
        None, description="Folder of the operator's own models, calibration records and cohorts; none by default."
    )
    trusted_keys: tuple[Path, ...] = Field(
        (),
        description="Public keys (PEM) that sign the operator's manifests, records and cohorts; by default `models.pub` of the"
        " keys folder.",
    )
    allow_unsigned_models: bool = Field(
        default=False, description="Take the operator's manifests and records unsigned: laboratories only."
    )
    embedder: str = Field("", description="A shipped variant in place of the shipped embedder, by model id.")
    calibration: str = Field(
        "", description="Calibration record by id; by default the newest that holds for the models in use."
    )
    cohort_sums: bool = Field(
        default=False,
        description="Sum up the features of references that matched, for a score normalisation fitted to this site's travellers"
        " (`egate face cohort`). Sums leave a worker only over so many people that nobody can be recognised in them.",
    )

    monitoring_window_days: int = Field(
        30, ge=1, le=400, description="Days over which the gate's own error rates are counted."
    )
    monitoring_groups: tuple[Literal["age_band", "sex", "nationality", "issuing_state"], ...] = Field(
        (),
        description="Groups that error rates are also counted by: `age_band`, `sex`, `nationality`, `issuing_state`; none by"
        " default.",
    )
    monitoring_smallest_group: int = Field(
        100, ge=10, le=1_000_000, description="Travellers that a group needs before its rates are shown."
    )
    monitoring_least_design_effect: float = Field(
        3.0,
        ge=1,
        le=100,
        description="By how much zero-effort comparisons are discounted at least, because they share probes and references"
        " (3 was measured with the shipped models).",
    )
    monitoring_ruling_window_h: float = Field(
        12.0,
        ge=0,
        le=24,
        description="Hours for which a transaction stays linked with its counts in memory, so that a guard's ruling can take it"
        " back; 0: only rulings before its end count.",
    )
    monitoring_false_match_rates: tuple[Annotated[float, Field(gt=0, le=1e-3)], ...] = Field(
        (),
        max_length=4,
        description="Further stated false match rates that error rates are counted at; they decide nothing.",
    )
    non_mated_cache: int = Field(
        0,
        ge=0,
        le=20_000,
        description="Document portraits of earlier travellers whose features are kept in worker memory to count false matches;"
        " 0, the default, keeps none. Declared in docs/data-inventory.md.",
    )
    non_mated_cache_age_h: float = Field(
        24.0, gt=0, le=24, description="Longest life of what that cache keeps; a restart empties it."
    )
    short_term_references: bool = Field(
        default=False,
        description="Keep the document's portrait of a short stay, sealed, from entry to exit, for an exit where the document's"
        " portrait cannot be read. Off destroys what was kept. Declared in docs/data-inventory.md.",
    )
    short_term_reference_days: int = Field(90, ge=1, le=90, description="Longest life of a short-term reference.")

    @model_validator(mode="after")
    def _settings_agree(self) -> FaceSettings:
        if self.attack_doubt_score > self.attack_alarm_score:
            raise ValueError("attack_doubt_score lies above attack_alarm_score")
        if len(set(self.monitoring_groups)) != len(self.monitoring_groups):
            raise ValueError("monitoring_groups names a group twice")
        rates = (self.false_match_rate, *self.monitoring_false_match_rates)
        if len(set(rates)) != len(rates):
            raise ValueError("monitoring_false_match_rates names a rate twice, or the one that decides")
        return self
