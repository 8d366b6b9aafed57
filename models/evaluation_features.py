"""Features of many pictures, resumable: what was found in every picture and its vector, kept in a file until the run ends.

The file (`--resume`) holds **biometric data**: mode 0600, written beside its place and renamed, bound to one pipeline by its id and
to every picture by its SHA-256, deleted at the end unless it is to be kept. It serves this evaluation only.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from models.error_rates import EvaluationFault
from models.results import FaceFinding, Image

_FORMAT = "egate-evaluation-features-1"
_SAVE_PICTURES, _SAVE_S = 200, 20.0

Progress = Callable[[int, int], None]
"""Hears how many pictures are done, of how many."""


@dataclass(frozen=True, slots=True)
class PictureFeatures:
    """What one picture gave: a finding, its vector with FOUND only, and the CPU milliseconds of each step."""

    finding: FaceFinding
    vector: NDArray[np.float32] | None
    step_ms: dict[str, float]


class PictureSampler(Protocol):
    """Turns BGR pictures into features; `pipeline_id` changes whenever the same picture would give other features."""

    pipeline_id: str
    dimension: int

    def sampled(self, image: Image) -> PictureFeatures:
        """Return what a picture gives."""
        ...


@dataclass(frozen=True, slots=True)
class FeatureTable:
    """All pictures of an evaluation: SHA-256 of each, finding of each, vectors (zeros without FOUND), and CPU ms per step and picture."""

    hashes: tuple[str, ...]
    findings: tuple[FaceFinding, ...]
    vectors: NDArray[np.float32]
    step_ms: dict[str, float]

    @property
    def is_acquired(self) -> NDArray[np.bool_]:
        """Which pictures gave features."""
        return np.array([finding is FaceFinding.FOUND for finding in self.findings], dtype=bool)

    def set_hash(self, names: Sequence[str]) -> str:
        """Return one SHA-256 over names and contents of all pictures."""
        lines = sorted(f"{sha256}  {name}\n" for name, sha256 in zip(names, self.hashes, strict=True))
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def decoded(content: bytes) -> Image | None:
    """Return a picture's BGR pixels, grey ones too; None when it cannot be decoded. For the operator's own pictures only."""
    try:
        image = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        return None
    return None if image is None else np.asarray(image, dtype=np.uint8)


class FeatureFile:
    """What earlier runs of the same pipeline have computed, by SHA-256 of the picture. Without a path nothing is read or written."""

    def __init__(self, path: Path | None, sampler: PictureSampler) -> None:
        """Read the file where there is one. Raises `EvaluationFault` when it is of another pipeline or no such file."""
        self._path = path
        self._sampler = sampler
        self._known: dict[str, PictureFeatures] = {}
        if path is not None and path.exists():
            self._known = self._read(path)

    def __len__(self) -> int:
        return len(self._known)

    def known(self, sha256: str) -> PictureFeatures | None:
        """Return what a picture gave before."""
        return self._known.get(sha256)

    def add(self, sha256: str, features: PictureFeatures) -> None:
        """Remember a picture; `save` makes it last."""
        self._known[sha256] = features

    def save(self) -> None:
        """Write everything known, whole or not at all, readable by this user only. Raises `EvaluationFault`."""
        if self._path is None or not self._known:
            return
        blank = np.zeros(self._sampler.dimension, dtype=np.float32)
        columns: dict[str, Any] = {
            "format": np.array(_FORMAT),
            "pipeline": np.array(self._sampler.pipeline_id),
            "hashes": np.array(list(self._known)),
            "findings": np.array([features.finding.value for features in self._known.values()]),
            "vectors": np.stack([blank if row.vector is None else row.vector for row in self._known.values()]),
        }
        temporary = ""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(dir=self._path.parent, prefix=".features-")  # mode 0600
            with os.fdopen(descriptor, "wb") as stream:
                np.savez(stream, allow_pickle=False, **columns)
                stream.flush()
                os.fsync(stream.fileno())
            Path(temporary).replace(self._path)
        except OSError as error:
            raise EvaluationFault(f"{self._path} cannot be written: {error.strerror}", code="MD-EVA-008") from error
        finally:
            if temporary:
                Path(temporary).unlink(missing_ok=True)

    def delete(self) -> None:
        """Remove the file."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _read(self, path: Path) -> dict[str, PictureFeatures]:
        try:
            path.chmod(0o600)  # wherever it was copied from
            with np.load(path, allow_pickle=False) as archive:
                pipeline, version = str(archive["pipeline"]), str(archive["format"])
                hashes, findings = archive["hashes"].tolist(), archive["findings"].tolist()
                vectors = archive["vectors"].astype(np.float32)
            known = {
                sha256: PictureFeatures(FaceFinding(value), vector if value == FaceFinding.FOUND else None, {})
                for sha256, value, vector in zip(hashes, findings, vectors, strict=True)
            }
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise EvaluationFault(f"{path} is no file of features: {error}", code="MD-EVA-008") from error
        if (
            version != _FORMAT
            or pipeline != self._sampler.pipeline_id
            or (len(vectors) and vectors.shape[1] != self._sampler.dimension)
        ):
            raise EvaluationFault(
                f"{path} holds features of another pipeline; name another file or delete it", code="MD-EVA-009"
            )
        return known


def features_of(
    folder: Path,
    names: Sequence[str],
    sampler: PictureSampler,
    kept: FeatureFile,
    progress: Progress,
    timer: Callable[[], float] = time.perf_counter,
) -> FeatureTable:
    """Return the features of all pictures; those that `kept` knows are not computed again.

    `kept` is saved every 200 pictures or 20 s, and when the run is interrupted. A picture that cannot be decoded counts as a
    failure to acquire (REFUSED). Raises `EvaluationFault` for one that cannot be read.
    """
    hashes, rows = [], []
    total_ms: dict[str, float] = {}
    computed = unsaved = 0
    saved_at = timer()
    try:
        for done, name in enumerate(names, 1):
            try:
                content = (folder / name).read_bytes()
            except OSError as error:
                raise EvaluationFault(f"{folder / name} cannot be read: {error.strerror}", code="MD-EVA-005") from error
            sha256 = hashlib.sha256(content).hexdigest()
            features = kept.known(sha256)
            if features is None:
                image = decoded(content)
                features = PictureFeatures(FaceFinding.REFUSED, None, {}) if image is None else sampler.sampled(image)
                kept.add(sha256, features)
                computed, unsaved = computed + 1, unsaved + 1
                for step, step_ms in features.step_ms.items():
                    total_ms[step] = total_ms.get(step, 0.0) + step_ms
            if unsaved >= _SAVE_PICTURES or (unsaved and timer() - saved_at > _SAVE_S):
                kept.save()
                unsaved, saved_at = 0, timer()
            hashes.append(sha256)
            rows.append(features)
            progress(done, len(names))
    finally:
        if unsaved:
            kept.save()
    blank = np.zeros(sampler.dimension, dtype=np.float32)
    return FeatureTable(
        tuple(hashes),
        tuple(row.finding for row in rows),
        np.stack([blank if row.vector is None else row.vector for row in rows]),
        {step: round(step_ms / computed, 3) for step, step_ms in total_ms.items()},
    )
