"""Calibration records and cohorts where they lie: the released ones in this package (pinned), an operator's signed ones in his folder."""

from __future__ import annotations

import hashlib

from models import cohort as cohorts
from models.calibration import Calibration, ModelIdentity, parse_calibration, record_for
from models.cohort import Cohort, CohortModel
from models.errors import CalibrationRefused, CatalogueFault
from models.operator_folder import OperatorFolder
from models.pins import pinned_content, pinned_names, pinned_text

_RELEASED_RECORDS, _RELEASED_COHORTS = "calibrations", "cohorts"


def released_records() -> list[Calibration]:
    """Return the records of this release. Raises `CatalogueFault` for an altered file, `CalibrationRefused` for a malformed one."""
    names = [name for name in pinned_names(_RELEASED_RECORDS) if name.endswith(".toml")]
    return [parse_calibration(pinned_text(_RELEASED_RECORDS, name), name) for name in names]


def all_records(operator: OperatorFolder | None = None) -> list[Calibration]:
    """Return the released records and an operator's, whose ids must differ."""
    records = released_records()
    own = [] if operator is None else [parse_calibration(text, name) for name, text in operator.records().items()]
    known = {record.calibration_id for record in records}
    for record in own:
        if record.calibration_id in known:
            raise CalibrationRefused(f"the calibration id {record.calibration_id} is used twice", code="MD-CAL-004")
        known.add(record.calibration_id)
    return [*records, *own]


def chosen_record(
    identity: ModelIdentity, named_by_embedder: str, operator: OperatorFolder | None = None, wanted_id: str = ""
) -> Calibration:
    """Return the record that a gate uses for its models.

    The one it asks for by id; else the operator's newest that holds for them; else the one that the embedder's manifest names;
    else the newest. Raises `CalibrationRefused` (MD-CAL-001) when none holds, `CatalogueFault` for an altered one.
    """
    records = all_records(operator)
    if wanted_id:
        return record_for(identity, records, wanted_id)
    released = [record for record in released_records() if record.identity == identity]
    own = [record for record in records if record.identity == identity and record not in released]
    is_named = any(record.calibration_id == named_by_embedder for record in released)
    return record_for(identity, own or released, "" if own or not is_named else named_by_embedder)


def cohort_of(record: Calibration, operator: OperatorFolder | None = None) -> Cohort | None:
    """Return the cohort that a record names, drawn; None for one that needs none. Raises as `cohort_model_of`."""
    model, pin = cohort_model_of(record, operator), record.cohort
    return None if model is None or pin is None else model.sample(pin.vectors, pin.seed)


def cohort_model_of(record: Calibration, operator: OperatorFolder | None = None) -> CohortModel | None:
    """Return the mixture that a record's cohort is drawn from; None for one that needs none.

    Raises `CatalogueFault` when the file is absent or altered, `CalibrationRefused` when it is not the one the record names.
    """
    pin = record.cohort
    if pin is None:
        return None
    is_released = pin.file in pinned_names(_RELEASED_COHORTS)
    if not is_released and operator is None:
        raise CatalogueFault(f"the cohort {pin.file} of {record.calibration_id} is not there", code="MD-CAT-002")
    if is_released or operator is None:
        content = pinned_content(_RELEASED_COHORTS, pin.file)
    else:
        content = operator.cohort(pin.file)
    if hashlib.sha256(content).hexdigest() != pin.sha256:
        raise CalibrationRefused(
            f"the cohort {pin.file} is not the one that {record.calibration_id} names", code="MD-CAL-006"
        )
    return cohorts.parse(content, pin.file)
