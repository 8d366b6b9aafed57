"""The chain from an image to raw features, whichever models fill its places: detector, landmarks, chip, embedder.

Built from the chosen models (`models.chosen_models`); every file's hash is checked, every network is compared with its manifest and
passes its self-test before the chain exists. One per worker, not for two threads at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from models.catalogue import BuiltModel, arrays_of, content_of
from models.chosen_models import ModelPin, comparison_identity, one_per_role
from models.errors import CatalogueFault
from models.face_detector import FaceDetector
from models.face_finder import FaceFinder, ScaledFaceFinder
from models.face_landmarks import FaceLandmarks
from models.manifest import Role
from models.results import DetectedFace, FaceBox, Image
from models.self_test import check, landmarks_answer, network_answer
from models.slots.alignment import AlignedFace, Aligner, DlibAligner, Points, TemplateAligner
from models.slots.attack_models import AttackModel, AttackNetwork
from models.slots.chip_scores import MorphModel, QualityModel
from models.slots.embedder import Embedder
from models.slots.network import Network
from models.slots.yunet_detector import POINTS as YUNET_POINTS
from models.slots.yunet_detector import YunetDetector

_BLANK_PX = (360, 640)


class FaceChain:
    """The loaded models of one worker."""

    def __init__(self, models: Iterable[BuiltModel], expected_face_px: int = 120) -> None:
        """Load, verify and test the models.

        Raises `CatalogueFault` when one is missing, altered, unlike its manifest, fails its self-test, or does not fit the others.
        """
        models = tuple(models)
        chosen = one_per_role(models)
        embedder = _needed(chosen, Role.EMBEDDER)
        self.identity: Mapping[str, ModelPin] = comparison_identity(models)
        self.finder, points = _finder(_needed(chosen, Role.DETECTOR), expected_face_px)
        self._closer: FaceFinder = self.finder.closer()
        self._is_detector_tested = chosen[Role.DETECTOR].manifest.self_test is not None
        self._aligner = _aligner(chosen, points)
        self._embedder = Embedder(embedder.manifest, content_of(embedder))
        _tested(self._embedder.network)
        self.attack_models: tuple[AttackModel, ...] = _attack_models(models)
        self.quality_model, self.morph_model = _quality_model(chosen), _morph_model(chosen)
        self.embedder_id: str = embedder.manifest.model_id
        self.calibration_id: str = embedder.manifest.calibration
        self.detector_id: str = chosen[Role.DETECTOR].manifest.model_id
        self.dimension: int = self._embedder.dimension
        self.chip_px: int = self._aligner.chip_px
        self.point_names: tuple[str, ...] = self._aligner.needed

    def detect(self, image: Image) -> list[DetectedFace]:
        """Return all faces of a BGR image, strongest first, in its pixels; boxes may reach beyond it."""
        return self.finder.found(image)

    def detect_closer(self, image: Image) -> list[DetectedFace]:
        """Return the faces of a BGR image looked at twice as closely: for a portrait on which none was found."""
        return self._closer.found(image)

    def locate(self, image: Image, face: DetectedFace) -> Points:
        """Return the points that the chip is aligned by, (n, 2) float64 as x, y in pixels of the image, named by `point_names`."""
        return self._aligner.located(image, face)

    def align(self, image: Image, face: DetectedFace) -> Image:
        """Return the face's chip, BGR, `chip_px` pixels a side; black where it reaches beyond the image."""
        return self._aligner.aligned(image, face).chip

    def aligned(self, image: Image, face: DetectedFace) -> AlignedFace:
        """Return chip and points together, located once."""
        return self._aligner.aligned(image, face)

    def embed(self, chips: Sequence[Image]) -> NDArray[np.float32]:
        """Return the embedder's own output, one row of `dimension` values per BGR chip: not normalised, no mirror image."""
        return self._embedder.embed(chips)

    def warm_up(self) -> None:
        """Run every model once, so that the first traveller does not pay for first-use allocations."""
        blank = np.full((*_BLANK_PX, 3), 128, dtype=np.uint8)
        if not self._is_detector_tested:  # its self-test was such a run, and detection is the longest step of all
            self.detect(blank)
        box = FaceBox(200, 100, 319, 219, 0.0)
        middle = {name: (260.0 + 7 * index, 150.0 + 11 * index) for index, name in enumerate(self.point_names)}
        chip = self.align(blank, DetectedFace(box, middle))
        self.embed([chip, chip[:, ::-1]])
        for model in self.attack_models:
            model.score(blank, box)


def _needed(chosen: Mapping[Role, BuiltModel], role: Role) -> BuiltModel:
    if role not in chosen:
        raise CatalogueFault(f"there is no model for the role {role}", code="MD-CAT-012")
    return chosen[role]


def _tested(network: Network) -> None:
    test = network.manifest.self_test
    if test is not None:
        check(network.manifest, test, network_answer(network, test.seed))


def _finder(model: BuiltModel, expected_face_px: int) -> tuple[FaceFinder, tuple[str, ...]]:
    """Return the detector and the names of the points that it gives."""
    if model.manifest.output.decoder == "yunet":
        detector = YunetDetector(model.manifest, content_of(model), expected_face_px)
        _tested(detector.network)
        return detector, YUNET_POINTS
    network = Network(model.manifest, content_of(model))
    _tested(network)
    return ScaledFaceFinder(FaceDetector(network.session), expected_face_px), ()


def _aligner(chosen: Mapping[Role, BuiltModel], given: tuple[str, ...]) -> Aligner:
    alignment = chosen[Role.EMBEDDER].manifest.alignment
    if alignment is None:
        raise CatalogueFault(f"{chosen[Role.EMBEDDER].manifest.model_id} states no alignment", code="MD-CAT-005")
    if alignment.rule == "similarity":
        return TemplateAligner(alignment, given, chosen[Role.DETECTOR].manifest.model_id)
    model = _needed(chosen, Role.LANDMARKS)
    landmarks = FaceLandmarks(arrays_of(model))
    if model.manifest.self_test is not None:
        check(model.manifest, model.manifest.self_test, landmarks_answer(landmarks, model.manifest.self_test.seed))
    return DlibAligner(landmarks)


def _attack_models(models: Sequence[BuiltModel]) -> tuple[AttackModel, ...]:
    found = [model for model in models if model.manifest.role is Role.ATTACK_DETECTOR]
    if not found:
        return ()
    networks = [AttackNetwork(model.manifest, content_of(model)) for model in found]
    for network in networks:
        _tested(network.network)
    return (AttackModel(networks, is_rated=all(model.is_rated for model in found)),)


def _quality_model(chosen: Mapping[Role, BuiltModel]) -> QualityModel | None:
    model = chosen.get(Role.QUALITY)
    if model is None:
        return None
    quality = QualityModel(model.manifest, content_of(model))
    _tested(quality.network)
    return quality


def _morph_model(chosen: Mapping[Role, BuiltModel]) -> MorphModel | None:
    model = chosen.get(Role.MORPH_DETECTOR)
    if model is None:
        return None
    morph = MorphModel(model.manifest, content_of(model))
    _tested(morph.network)
    return morph
