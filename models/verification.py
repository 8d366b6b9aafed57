"""Everything that a start would refuse, said in plain words: released files, built models, an operator's folder, the chain itself."""

from __future__ import annotations

from pathlib import Path

from models import catalogue
from models.calibration import ModelIdentity
from models.calibration_shelf import chosen_record, cohort_of
from models.catalogue import BuiltModel
from models.chosen_models import chosen_models
from models.errors import CalibrationRefused, CatalogueFault, ModelsError
from models.face_chain import FaceChain
from models.manifest import Manifest
from models.operator_folder import OperatorFolder
from models.packaged_weights import packaged_models
from models.pins import pin_findings
from models.self_test import network_answer
from models.slots.attack_models import AttackNetwork
from models.slots.chip_scores import MorphModel
from models.slots.network import Network
from models.slots.yunet_detector import YunetDetector


def findings(folder: Path, operator: OperatorFolder | None = None, embedder: str | None = None) -> list[str]:
    """Return what is wrong; empty when the gate would start with these models and compare faces.

    Loads the models, runs their self-tests, and looks for the calibration record that holds for exactly these; that there is none
    is a finding, too: the green path refuses such models.
    """
    found = pin_findings()
    if not found:
        found += catalogue.verify(folder)
    if operator is not None:
        try:
            found += operator.findings()
        except CatalogueFault as fault:
            found.append(str(fault))
    if found:
        return found
    try:
        chain = FaceChain(chosen_models(folder, operator, embedder))
        chain.warm_up()
        record = chosen_record(ModelIdentity.of(chain.identity), chain.calibration_id, operator)
        cohort_of(record, operator)
    except ModelsError as fault:
        found.append(f"{fault}: the green path is refused" if fault.code == CalibrationRefused.code else str(fault))
    return found


def all_models(folder: Path, operator: OperatorFolder | None = None) -> list[BuiltModel]:
    """Return every model that is there, used or not: built, variants that were built, packaged, the operator's."""
    shipped = [*catalogue.recorded(folder).values(), *catalogue.recorded_variants(folder)]
    return [*shipped, *packaged_models(), *(operator.models() if operator else ())]


def self_test_answer(manifest: Manifest, content: bytes, seed: int) -> tuple[float, ...]:
    """Return what an operator's model answers to the pattern, for the `[self_test]` of its manifest. Raises `CatalogueFault`."""
    return network_answer(_network(manifest, content), seed)


def _network(manifest: Manifest, content: bytes) -> Network:
    match manifest.output.decoder:
        case "yunet":
            return YunetDetector(manifest, content).network
        case "minifasnet":
            return AttackNetwork(manifest, content).network
        case "pair_score":
            return MorphModel(manifest, content).network
        case _:
            return Network(manifest, content)
