"""The models folder: converted once, found by SHA-256, verified at every load.

`built.json` records for each model the pinned source and the SHA-256 of what the conversion gave; the file of that name must
hash to it. Files and record are written beside their place and renamed, so any number of processes may build at once.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.conversion.constants import CONVERTER_VERSION
from models.errors import CatalogueFault
from models.manifest import Manifest, Role, shipped_manifests, shipped_variants

Progress = Callable[[str, float], None]
_RECORD = "built.json"


class Origin(StrEnum):
    """Who answers for a model: this release, which pins it, or the operator, who signs it."""

    SHIPPED = "shipped"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class BuiltModel:
    """A model that can be loaded: its manifest, its file and the SHA-256 that the file must have.

    `is_rated` concerns attack and morph detectors: a record states their error rates, measured on real presentations.
    """

    manifest: Manifest
    path: Path
    sha256: str
    size_bytes: int
    origin: Origin = Origin.SHIPPED
    is_rated: bool = False


def _write_atomically(path: Path, content: bytes) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".building-")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise


def _record(folder: Path) -> Mapping[str, Any]:
    path = folder / _RECORD
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CatalogueFault(f"no models in {folder}; run `egate models build`", code="MD-CAT-002") from error
    except (OSError, ValueError) as error:
        raise CatalogueFault(f"{path} cannot be read: {error}", code="MD-CAT-003") from error
    if not isinstance(record, dict) or not isinstance(record.get("models"), dict):
        raise CatalogueFault(f"{path} does not list models", code="MD-CAT-003")
    if record.get("converter") != CONVERTER_VERSION:
        raise CatalogueFault(f"{folder} was built by another converter; run `egate models build`", code="MD-CAT-002")
    return record


def recorded(folder: Path) -> dict[Role, BuiltModel]:
    """Return what the folder says it holds, without hashing. Raises `CatalogueFault` when a shipped model is not there."""
    listed = _record(folder)["models"]
    return {role: _entry(folder, listed, manifest) for role, manifest in shipped_manifests().items()}


def recorded_variant(folder: Path, model_id: str) -> BuiltModel:
    """Return a shipped variant that was built on request. Raises `CatalogueFault` when there is no such one or it is not built."""
    variants = shipped_variants()
    if model_id not in variants:
        raise CatalogueFault(f"there is no variant {model_id}; there are {', '.join(variants)}", code="MD-CAT-002")
    return _entry(folder, _record(folder)["models"], variants[model_id])


def recorded_variants(folder: Path) -> list[BuiltModel]:
    """Return the shipped variants that were built."""
    listed = _record(folder)["models"]
    return [_entry(folder, listed, manifest) for model_id, manifest in shipped_variants().items() if model_id in listed]


def _entry(folder: Path, listed: Mapping[str, Any], manifest: Manifest) -> BuiltModel:
    entry = listed.get(manifest.model_id)
    option = f" --{manifest.precision}" if manifest.variant_of else ""
    if not isinstance(entry, dict):
        raise CatalogueFault(
            f"{manifest.model_id} is not in {folder}; run `egate models build{option}`", code="MD-CAT-002"
        )
    sha256, size_bytes = entry.get("sha256"), entry.get("size_bytes")
    if entry.get("source_sha256") != manifest.source_sha256 or entry.get("ranges_sha256", "") != manifest.ranges_sha256:
        raise CatalogueFault(f"{manifest.model_id} was built from other weights", code="MD-CAT-003")
    if not isinstance(sha256, str) or not sha256.isalnum() or not isinstance(size_bytes, int):
        raise CatalogueFault(f"{manifest.model_id}: {_RECORD} states no hash and size", code="MD-CAT-003")
    if manifest.converted_sha256 and sha256 != manifest.converted_sha256:
        raise CatalogueFault(
            f"{manifest.model_id} is not what this release converts its weights to: altered, or built by another release; run "
            "`egate models build`",
            code="MD-CAT-003",
        )
    return BuiltModel(manifest, folder / f"{sha256}.{manifest.format}", sha256, size_bytes)


def content_of(model: BuiltModel) -> bytes:
    """Return a model's bytes after comparing their SHA-256 with the record."""
    try:
        content = model.path.read_bytes()
    except OSError as error:
        raise CatalogueFault(
            f"{model.manifest.model_id} cannot be read: {error.strerror}", code="MD-CAT-003"
        ) from error
    if hashlib.sha256(content).hexdigest() != model.sha256:
        raise CatalogueFault(
            f"{model.manifest.model_id} is altered: {model.path.name} has another SHA-256", code="MD-CAT-003"
        )
    return content


def arrays_of(model: BuiltModel) -> Mapping[str, NDArray[Any]]:
    """Return the arrays of a verified npz model."""
    with np.load(io.BytesIO(content_of(model)), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def verify(folder: Path) -> list[str]:
    """Return what is wrong with the folder, in plain words; empty when every model is there and unaltered, built variants too."""
    try:
        models = [*recorded(folder).values(), *recorded_variants(folder)]
    except CatalogueFault as fault:
        return [str(fault)]
    findings = []
    for model in models:
        try:
            content_of(model)
        except CatalogueFault as fault:
            findings.append(str(fault))
    return findings


def build(folder: Path, progress: Progress, variants: Collection[str] = ()) -> dict[Role, BuiltModel]:
    """Convert all shipped models into the folder and return them; `progress` hears model id and share done.

    `variants` are ids of shipped variants to build as well; variants built before stay. Raises `ConversionFault` when the installed
    weights are not the pinned ones, `CatalogueFault` when the folder cannot be written or a variant is unknown.
    """
    from models.conversion.convert import convert, read_source  # onnx is slow to import and only building needs it
    from models.quantisation import convert_variant

    known = shipped_variants()
    for model_id in variants:
        if model_id not in known:
            raise CatalogueFault(f"there is no variant {model_id}; there are {', '.join(known)}", code="MD-CAT-002")
    entries, made = _kept_variants(folder), {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for manifest in shipped_manifests().values():
            hear = partial(progress, manifest.model_id)
            made[manifest.model_id] = convert(manifest, read_source(manifest), hear)
            entries[manifest.model_id] = _stored(folder, manifest, made[manifest.model_id])
        for model_id in variants:
            progress(model_id, 0.0)
            entries[model_id] = _stored(folder, known[model_id], convert_variant(known[model_id], made))
            progress(model_id, 1.0)
        record = json.dumps({"converter": CONVERTER_VERSION, "models": entries}, indent=2, sort_keys=True)
        _write_atomically(folder / _RECORD, f"{record}\n".encode())
    except OSError as error:
        raise CatalogueFault(f"{folder} cannot be written: {error}", code="MD-CAT-006") from error
    return recorded(folder)


def _stored(folder: Path, manifest: Manifest, content: bytes) -> dict[str, Any]:
    """Write a converted model under its SHA-256 and return its entry in the record."""
    sha256 = hashlib.sha256(content).hexdigest()
    _write_atomically(folder / f"{sha256}.{manifest.format}", content)
    entry = {
        "role": manifest.role.value,
        "source_sha256": manifest.source_sha256,
        "sha256": sha256,
        "size_bytes": len(content),
        "licence": manifest.licence,
    }
    return entry | ({"ranges_sha256": manifest.ranges_sha256} if manifest.ranges_sha256 else {})


def _kept_variants(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the entries of variants that were built before and are still what their manifests say."""
    try:
        listed, built = _record(folder)["models"], recorded_variants(folder)
    except CatalogueFault:
        return {}
    return {model.manifest.model_id: listed[model.manifest.model_id] for model in built}


def ensure(folder: Path, progress: Progress) -> dict[Role, BuiltModel]:
    """Return the models of the folder, converting them first when they are not there or not whole."""
    if verify(folder):
        return build(folder, progress)
    return recorded(folder)
