"""Models whose weights are our own and travel inside the package, pinned like its manifests: nothing is converted, nothing is built."""

from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path

from models.catalogue import BuiltModel
from models.errors import CatalogueFault
from models.manifest import parse_manifest
from models.pins import pinned_content, pinned_names, pinned_text

WEIGHTS_FOLDER = "weights"
_REPORT = ".training.toml"


def packaged_models() -> list[BuiltModel]:
    """Return the packaged models. Raises `CatalogueFault` when a file is not the one that was released."""
    return [
        _model(name) for name in pinned_names(WEIGHTS_FOLDER) if name.endswith(".toml") and not name.endswith(_REPORT)
    ]


def packaged_content(model_id: str) -> bytes:
    """Return the bytes of a packaged model. Raises `CatalogueFault`, as `packaged_models`."""
    return pinned_content(WEIGHTS_FOLDER, _model(f"{model_id}.toml").manifest.file)


def training_report(model_id: str) -> str:
    """Return how a packaged model was made: seed, counts, figures (TOML)."""
    return pinned_text(WEIGHTS_FOLDER, f"{model_id}{_REPORT}")


def _model(name: str) -> BuiltModel:
    manifest = parse_manifest(pinned_text(WEIGHTS_FOLDER, name), name)
    content = pinned_content(WEIGHTS_FOLDER, manifest.file)
    if hashlib.sha256(content).hexdigest() != manifest.sha256:
        raise CatalogueFault(f"{manifest.file} is not the file that its manifest names", code="MD-CAT-003")
    path = Path(str(resources.files("models"))) / WEIGHTS_FOLDER / manifest.file
    return BuiltModel(manifest, path, manifest.sha256, len(content))
