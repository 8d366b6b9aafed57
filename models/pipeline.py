"""The whole face pipeline of a site, loaded: chosen models, sampler, calibration record, cohort and comparer.

Worker, command line and benchmark all load it here. Anything altered or malformed is refused by name. That no record holds for the
models is no fault: faces are found and described, and never compared.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from models.attack_detector import ALARM_FROM, DOUBTFUL_FROM
from models.attack_evaluation import rated_configuration_id
from models.calibration import Calibration, ModelIdentity
from models.calibration_shelf import chosen_record, cohort_model_of
from models.chosen_models import chosen_models
from models.cohort import CohortModel
from models.errors import CalibrationRefused
from models.face_chain import FaceChain
from models.face_comparison import FaceComparer
from models.face_fusion import Fusion
from models.face_sampling import FaceSampler
from models.face_transaction import AttackSetup
from models.operator_folder import OperatorFolder

NO_RECORD = CalibrationRefused.code


@dataclass(frozen=True, slots=True)
class PipelineChoice:
    """What a site chose: folders, keys, a shipped variant, a record by id, the stated false match rate."""

    models: Path
    operator_models: Path | None = None
    trusted_keys: tuple[Path, ...] = ()
    allow_unsigned: bool = False
    embedder: str = ""
    calibration: str = ""
    false_match_rate: float = 1e-4
    expected_face_px: int = 120
    attack_evaluation: Path | None = None
    attack_alarm_score: float = ALARM_FROM
    attack_doubt_score: float = DOUBTFUL_FROM
    focal_ratio: float | None = None

    def operator_folder(self) -> OperatorFolder | None:
        """Return the operator's folder with the keys trusted to sign what lies in it."""
        if self.operator_models is None:
            return None
        from models.signatures import read_public_key

        keys = tuple(read_public_key(path) for path in self.trusted_keys)
        return OperatorFolder(self.operator_models, keys, self.allow_unsigned)

    def attacks(self) -> AttackSetup:
        """Return how attack detection is set up.

        Raises `CatalogueFault` for an evaluation that nobody trusted signed, `CalibrationRefused` for one that rates nothing here.
        """
        if self.attack_evaluation is None:
            return AttackSetup(self.focal_ratio, alarm_score=self.attack_alarm_score)
        from models.signatures import read_public_key, verified_content

        keys = tuple(read_public_key(path) for path in self.trusted_keys)
        content = verified_content(self.attack_evaluation, keys, allow_unsigned=self.allow_unsigned)
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise CalibrationRefused("the attack evaluation is no text", code="MD-CAL-004") from error
        rated = rated_configuration_id(text, self.attack_alarm_score, self.attack_doubt_score)
        return AttackSetup(self.focal_ratio, rated, self.attack_alarm_score)


@dataclass(frozen=True, slots=True)
class FacePipeline:
    """A loaded pipeline. `comparer` and `record` are None where no record holds for these models; `refusal` says so."""

    chain: FaceChain
    sampler: FaceSampler
    record: Calibration | None
    comparer: FaceComparer | None
    refusal: str = ""
    cohort_model: CohortModel | None = None
    attacks: AttackSetup = field(default_factory=AttackSetup)

    @property
    def is_attack_detection_rated(self) -> bool:
        """Whether error rates have been measured for exactly this attack detection."""
        return self.attacks.detection(self.chain).is_rated


def load_chain(choice: PipelineChoice, operator: OperatorFolder | None) -> FaceChain:
    """Return the chosen models, verified and tested, without a record. `operator` is `choice.operator_folder()`."""
    return FaceChain(chosen_models(choice.models, operator, choice.embedder or None), choice.expected_face_px)


def load_pipeline(choice: PipelineChoice) -> FacePipeline:
    """Return the pipeline. Raises `CatalogueFault` or `CalibrationRefused` for anything altered, malformed or contradictory."""
    operator = choice.operator_folder()
    chain = load_chain(choice, operator)
    try:
        record = chosen_record(ModelIdentity.of(chain.identity), chain.calibration_id, operator, choice.calibration)
    except CalibrationRefused as refusal:
        if refusal.code != NO_RECORD:
            raise
        return FacePipeline(chain, FaceSampler(chain, Fusion.FLIP), None, None, str(refusal), attacks=choice.attacks())
    mixture, pin = cohort_model_of(record, operator), record.cohort
    cohort = mixture.sample(pin.vectors, pin.seed) if mixture is not None and pin is not None else None
    comparer = FaceComparer(record, cohort, chain.dimension, chain.embedder_id, choice.false_match_rate)
    return FacePipeline(
        chain, FaceSampler(chain, record.fusion), record, comparer, cohort_model=mixture, attacks=choice.attacks()
    )
