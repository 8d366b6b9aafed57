"""Manifests: what each model is for, where its weights come from (pinned), its licence, and how it must be fed.

A manifest is a TOML file; it plugs a model in without code. It names decoders and rules that this package has, never code of its
own. Shipped manifests are package data (`models/manifests/*.toml`, pinned); an operator's lie beside his model files
(`models.operator_folder`). The schema is written out in docs/biometrics.md.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from models.errors import CatalogueFault
from models.manifest_table import ManifestTable
from models.pins import pinned_names, pinned_text

_MODEL_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_LARGEST_SIDE_PX = 4096
SELF_TEST_VALUES = 16
POINT_NAMES = ("right_eye", "left_eye", "nose_tip", "mouth_right", "mouth_left")
"""Points that a template may name, sides counted from the person: eye centres, tip of the nose, corners of the mouth."""


class Role(StrEnum):
    """What a model does in the chain from image to features."""

    DETECTOR = "detector"
    LANDMARKS = "landmarks"
    EMBEDDER = "embedder"
    ATTACK_DETECTOR = "attack_detector"
    MORPH_DETECTOR = "morph_detector"
    QUALITY = "quality"
    MRZ_READER = "mrz_reader"


SHIPPED_ROLES = (Role.DETECTOR, Role.LANDMARKS, Role.EMBEDDER)
DECODERS: dict[Role, frozenset[str]] = {
    Role.DETECTOR: frozenset({"mmod", "yunet"}),
    Role.LANDMARKS: frozenset({"ert5"}),
    Role.EMBEDDER: frozenset({"embedding"}),
    Role.ATTACK_DETECTOR: frozenset({"minifasnet"}),
    Role.MORPH_DETECTOR: frozenset({"pair_score"}),
    Role.QUALITY: frozenset({"chip_score"}),
    Role.MRZ_READER: frozenset({"ctc"}),
}
_ON_CHIPS = frozenset({Role.EMBEDDER, Role.MORPH_DETECTOR, Role.QUALITY})


@dataclass(frozen=True, slots=True)
class InputLayout:
    """The tensor a network expects: x' = (x - mean) * scale on pixel values of `value_range`; a side of 0 px is free."""

    name: str
    height_px: int
    width_px: int
    layout: Literal["NCHW", "NHWC"]
    channel_order: Literal["BGR", "RGB"]
    mean: tuple[float, float, float]
    scale: tuple[float, float, float]
    value_range: Literal[1, 255]


@dataclass(frozen=True, slots=True)
class Alignment:
    """How a face becomes a chip: `dlib-150` (dlib's own rule), or a similarity to `template`, points by name in chip pixels."""

    rule: Literal["dlib-150", "similarity"]
    chip_px: int
    template: tuple[tuple[str, float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Output:
    """How the answer is read. `dimension` 0 where the decoder fixes it; thresholds for detectors only."""

    decoder: str
    metric: str = ""
    dimension: int = 0
    is_normalised: bool = True
    score_threshold: float = 0.9
    overlap_ratio: float = 0.3
    lowest: float = 0.0
    highest: float = 1.0


@dataclass(frozen=True, slots=True)
class AttackRules:
    """How an attack detector looks: crop of `crop_scale` times the box; models of one `ensemble` are combined by `combine`."""

    crop_scale: float
    live_index: int
    combine: str
    applies_to: tuple[str, ...]
    ensemble: str


@dataclass(frozen=True, slots=True)
class SelfTest:
    """What the model must answer to a generated pattern at every start: `SELF_TEST_VALUES` numbers (`models.self_test`)."""

    seed: int
    expected: tuple[float, ...]
    tolerance: float


@dataclass(frozen=True, slots=True)
class Manifest:
    """One model as written down: nothing here depends on the machine.

    Shipped models name the weight file they are converted from (`source_file`, `source_sha256`), an operator's his ONNX file
    (`file`, `sha256`); the other pair is empty. `converted_sha256` is the one file that the conversion of this release gives: a built
    model that is another is refused, whatever the folder's own list says of it. `variant_of` names the shipped model whose place this one may take by a setting.
    """

    model_id: str
    role: Role
    source: str
    source_file: str
    source_sha256: str
    file: str
    sha256: str
    licence: str
    format: Literal["onnx", "npz"]
    precision: str
    calibration: str
    variant_of: str
    converted_sha256: str
    ranges_sha256: str
    input: InputLayout | None
    alignment: Alignment | None
    output: Output
    attack: AttackRules | None
    self_test: SelfTest | None

    @property
    def identity_sha256(self) -> str:
        """What a calibration record names: the hash of the file, or of all that the conversion is made from."""
        if self.ranges_sha256:
            return hashlib.sha256(f"{self.source_sha256}:{self.ranges_sha256}".encode()).hexdigest()
        return self.source_sha256 or self.sha256


def parse_manifest(text: str, name: str) -> Manifest:
    """Return the manifest in a TOML text. Raises `CatalogueFault` naming the field that is missing, unknown or wrong, and why."""
    table = ManifestTable.of(text, f"manifest {name}")
    role = Role(table.text("role", choices=tuple(Role)))
    is_shipped = table.has("source_file")
    manifest = Manifest(
        model_id=_named(table, "model_id", _MODEL_ID),
        role=role,
        source=table.text("source"),
        source_file=_named(table, "source_file", _FILE_NAME) if is_shipped else "",
        source_sha256=table.sha256("source_sha256") if is_shipped else "",
        file="" if is_shipped else _named(table, "file", _FILE_NAME),
        sha256="" if is_shipped else table.sha256("sha256"),
        licence=_licence(table),
        format="npz" if table.text("format", "onnx", ("onnx", "npz")) == "npz" else "onnx",
        precision=table.text("precision", "fp32", ("fp32", "fp16", "int8")),
        calibration=_calibration(table),
        variant_of=table.text("variant_of", ""),
        converted_sha256=table.sha256("converted_sha256", ""),
        ranges_sha256=table.sha256("ranges_sha256", ""),
        input=None if role in {Role.LANDMARKS, Role.MRZ_READER} else _input(table.table("input")),
        alignment=_alignment(table.table("alignment")) if role in _ON_CHIPS else None,
        output=_output(table.table("output"), role),
        attack=_attack(table.table("attack")) if role is Role.ATTACK_DETECTOR else None,
        self_test=_self_test(table.table("self_test")) if table.has("self_test") else None,
    )
    table.close()
    if (manifest.format == "npz") != (role is Role.LANDMARKS):
        raise table.refusal("format", "must be npz for the tree ensemble of landmarks and onnx for everything else")
    chip, size = manifest.alignment, manifest.input
    if chip and size and {size.height_px, size.width_px} != {chip.chip_px}:
        raise table.refusal("input.size", f"is not the chip of {chip.chip_px} x {chip.chip_px} px")
    return manifest


def _named(table: ManifestTable, field: str, pattern: re.Pattern[str]) -> str:
    value = table.text(field)
    if not pattern.fullmatch(value):
        raise table.refusal(field, f"is {value!r}; letters, digits, dot, underscore and hyphen are allowed, no path")
    return value


def _licence(table: ManifestTable) -> str:
    licence = table.text("licence", "")
    if not licence:
        raise table.refusal("licence", "is missing; a model without a stated licence is not used")
    return licence


def _calibration(table: ManifestTable) -> str:
    if not table.has("calibration"):
        return ""
    section = table.table("calibration")
    calibration = section.text("id", "")
    section.close()
    return calibration


def _input(table: ManifestTable) -> InputLayout:
    height, width = (round(side) for side in table.numbers("size", 2, 0, _LARGEST_SIDE_PX))
    mean = table.numbers("mean", 3, -1000, 1000)
    scale = table.numbers("scale", 3, -1000, 1000)
    low_high = table.numbers("range", 2, 0, 255)
    if low_high not in {(0.0, 1.0), (0.0, 255.0)}:
        raise table.refusal("range", "must be [0, 1] or [0, 255]")
    layout = InputLayout(
        name=table.text("name"),
        height_px=height,
        width_px=width,
        layout="NCHW" if table.text("layout", choices=("NCHW", "NHWC")) == "NCHW" else "NHWC",
        channel_order="BGR" if table.text("channel_order", choices=("BGR", "RGB")) == "BGR" else "RGB",
        mean=(mean[0], mean[1], mean[2]),
        scale=(scale[0], scale[1], scale[2]),
        value_range=1 if low_high[1] == 1 else 255,
    )
    table.close()
    if 0 in layout.scale:
        raise table.refusal("scale", "is 0, which would make every picture the same")
    return layout


def _alignment(table: ManifestTable) -> Alignment:
    rule = table.text("rule", choices=("dlib-150", "similarity"))
    chip_px = table.whole("chip_px", 16, 1024)
    if rule == "dlib-150":
        if chip_px != 150:
            raise table.refusal("chip_px", "must be 150 under dlib's rule")
        table.close()
        return Alignment("dlib-150", chip_px)
    points = table.table("template")
    template = []
    for name in points.names():
        if name not in POINT_NAMES:
            raise points.refusal(name, f"is no point that is known; there are {', '.join(POINT_NAMES)}")
        x, y = points.numbers(name, 2, -chip_px, 2 * chip_px)
        template.append((name, x, y))
    table.close()
    if len(template) < 3:
        raise points.refusal("", "needs at least three points")
    return Alignment("similarity", chip_px, tuple(template))


def _output(table: ManifestTable, role: Role) -> Output:
    decoder = table.text("decoder", choices=DECODERS[role])
    if role is Role.EMBEDDER:
        output = Output(
            decoder,
            metric=table.text("metric", choices=("cosine", "euclidean")),
            dimension=table.whole("dimension", 2, 8192),
            is_normalised=table.boolean("normalise", default=True),
        )
        if not output.is_normalised:
            raise table.refusal("normalise", "is false; every score here is computed on unit vectors")
    elif decoder == "yunet":
        output = Output(
            decoder,
            score_threshold=table.number("score_threshold", 0.01, 1, 0.9),
            overlap_ratio=table.number("overlap_ratio", 0.01, 1, 0.3),
        )
    elif role is Role.ATTACK_DETECTOR:
        output = Output(decoder, dimension=table.whole("dimension", 2, 64))
    elif role in {Role.MORPH_DETECTOR, Role.QUALITY}:
        lowest, highest = table.numbers("range", 2, -1e6, 1e6)
        output = Output(decoder, dimension=1, lowest=lowest, highest=highest)
        if lowest == highest:
            raise table.refusal("range", "has no width")
    else:
        output = Output(decoder)
    table.close()
    return output


def _attack(table: ManifestTable) -> AttackRules:
    rules = AttackRules(
        crop_scale=table.number("crop_scale", 1, 8),
        live_index=table.whole("live_index", 0, 63),
        combine=table.text("combine", "mean", ("mean",)),
        applies_to=table.texts("applies_to"),
        ensemble=table.text("ensemble", "default"),
    )
    table.close()
    return rules


def _self_test(table: ManifestTable) -> SelfTest:
    test = SelfTest(
        seed=table.whole("seed", 0, 2**31),
        expected=table.numbers("expected", SELF_TEST_VALUES, -1e9, 1e9),
        tolerance=table.number("tolerance", 0, 1e6),
    )
    table.close()
    return test


def all_shipped_manifests() -> tuple[Manifest, ...]:
    """Return every manifest of this release, variants included. Raises `CatalogueFault` when one is not the pinned file."""
    return tuple(
        parse_manifest(pinned_text("manifests", name), name)
        for name in pinned_names("manifests")
        if name.endswith(".toml")
    )


def shipped_manifests() -> dict[Role, Manifest]:
    """Return the manifests of this release, one per role that it ships."""
    found = [manifest for manifest in all_shipped_manifests() if not manifest.variant_of]
    manifests = {manifest.role: manifest for manifest in found}
    if len(found) != len(SHIPPED_ROLES) or set(manifests) != set(SHIPPED_ROLES):
        raise CatalogueFault("the manifests do not name exactly one model per role", code="MD-CAT-005")
    return manifests


def shipped_variants() -> dict[str, Manifest]:
    """Return the shipped variants by model id: built on request, used instead of the model that they are a variant of."""
    return {manifest.model_id: manifest for manifest in all_shipped_manifests() if manifest.variant_of}
