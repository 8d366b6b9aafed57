"""Manifests: what each model is for, where its weights come from (pinned), its licence, and how it must be fed.

They are package data (`models/manifests/*.toml`); the weights themselves lie in the models folder (`models.catalogue`).
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from typing import Any

from models.errors import CatalogueFault

_SHA256_CHARACTERS = 64


class Role(StrEnum):
    """What a model does in the chain from image to features."""

    DETECTOR = "detector"
    LANDMARKS = "landmarks"
    EMBEDDER = "embedder"


@dataclass(frozen=True, slots=True)
class Manifest:
    """One model as committed: nothing here depends on the machine."""

    model_id: str
    role: Role
    source: str
    source_file: str
    source_sha256: str
    licence: str
    format: str
    precision: str
    calibration: str
    input_name: str
    input_size: tuple[int, ...]
    preparation: str
    alignment: str
    metric: str


def parse_manifest(text: str, name: str) -> Manifest:
    """Return the manifest in a TOML text. Raises `CatalogueFault` naming what is missing, unknown or empty."""
    try:
        table: dict[str, Any] = tomllib.loads(text)
        inputs, alignment, output = table.pop("input"), table.pop("alignment"), table.pop("output")
        manifest = Manifest(
            **{**table, "role": Role(table["role"])},
            input_name=inputs["name"],
            input_size=tuple(inputs["size"]),
            preparation=inputs["preparation"],
            alignment=alignment["rule"],
            metric=output["metric"],
        )
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise CatalogueFault(f"manifest {name}: {error}", code="MD-CAT-005") from error
    if not manifest.licence.strip():
        raise CatalogueFault(f"manifest {name} states no licence; such a model is not used", code="MD-CAT-005")
    if len(manifest.source_sha256) != _SHA256_CHARACTERS or manifest.format not in {"onnx", "npz"}:
        raise CatalogueFault(f"manifest {name}: source_sha256 or format is not valid", code="MD-CAT-005")
    return manifest


def shipped_manifests() -> dict[Role, Manifest]:
    """Return the manifests of this release, one per role."""
    folder = resources.files("models") / "manifests"
    found = [
        parse_manifest(entry.read_text(encoding="utf-8"), entry.name)
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".toml")
    ]
    manifests = {manifest.role: manifest for manifest in found}
    if len(found) != len(Role) or set(manifests) != set(Role):
        raise CatalogueFault("the manifests do not name exactly one model per role", code="MD-CAT-005")
    return manifests
