"""An operator's own models: manifests and ONNX files in one folder, records and cohorts in folders inside it.

    NAME.toml  NAME.toml.sig  FILE.onnx
    calibrations/NAME.toml (thresholds)   ratings/ID.toml (error rates of attack detectors)   cohorts/NAME   each with its .sig

A manifest, a record, a rating or a cohort counts only with the signature of a key that the gate trusts; the model file is covered by the
SHA-256 in its manifest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from models.attack_rating import is_rating_of
from models.catalogue import BuiltModel, Origin, content_of
from models.errors import CatalogueFault
from models.manifest import Manifest, Role, all_shipped_manifests, parse_manifest

if TYPE_CHECKING:  # a worker without own models does not load the library of signatures
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

CALIBRATIONS, RATINGS, COHORTS = "calibrations", "ratings", "cohorts"
_RATED_ROLES = frozenset({Role.ATTACK_DETECTOR, Role.MORPH_DETECTOR})


@dataclass(frozen=True, slots=True)
class OperatorFolder:
    """A folder, the keys trusted to sign what lies in it, and whether unsigned files pass (laboratories only)."""

    path: Path
    trusted: tuple[Ed25519PublicKey, ...] = ()
    allow_unsigned: bool = False

    def models(self) -> tuple[BuiltModel, ...]:
        """Return the models of the folder. Raises `CatalogueFault` for a manifest that is unsigned, malformed or names no file there."""
        found: list[BuiltModel] = []
        shipped = {manifest.model_id for manifest in all_shipped_manifests()}
        for path in self._listed(self.path, ".toml"):
            manifest = parse_manifest(self._text(path), path.name)
            if manifest.role is Role.MRZ_READER:
                raise CatalogueFault(
                    f"manifest {path.name}: the reader of zones travels with the release", code="MD-CAT-005"
                )
            if not manifest.file or manifest.variant_of or manifest.format != "onnx":
                raise CatalogueFault(
                    f"manifest {path.name}: an operator's model is an ONNX file named by file and sha256",
                    code="MD-CAT-005",
                )
            if manifest.model_id in shipped or any(manifest.model_id == model.manifest.model_id for model in found):
                raise CatalogueFault(f"the model_id {manifest.model_id} is used twice", code="MD-CAT-009")
            found.append(self._model(manifest))
        return tuple(found)

    def records(self) -> Mapping[str, str]:
        """Return the texts of the calibration records by file name, signatures verified."""
        return {path.name: self._text(path) for path in self._listed(self.path / CALIBRATIONS, ".toml")}

    def cohort(self, name: str) -> bytes:
        """Return the bytes of a cohort file, signature verified. Raises `CatalogueFault`."""
        if Path(name).name != name:
            raise CatalogueFault(f"{name} is no file name", code="MD-CAT-008")
        return self._verified(self.path / COHORTS / name)

    def findings(self) -> list[str]:
        """Return what is wrong with the folder, in plain words: every file that would be refused."""
        findings: list[str] = []
        places = (self.path, *(self.path / name for name in (CALIBRATIONS, RATINGS)))
        for path in (path for place in places for path in self._listed(place, ".toml")):
            try:
                self._verified(path)
            except CatalogueFault as fault:
                findings.append(f"{path}: {fault}")
        try:
            for model in self.models():
                try:
                    content_of(model)
                except CatalogueFault as fault:
                    findings.append(str(fault))
        except CatalogueFault as fault:
            if not any(finding.endswith(str(fault)) for finding in findings):
                findings.append(str(fault))
        return findings

    def _model(self, manifest: Manifest) -> BuiltModel:
        place = self.path / manifest.file
        try:
            size_bytes = place.stat().st_size
        except OSError as error:
            raise CatalogueFault(
                f"{manifest.model_id}: {place} cannot be read: {error.strerror}", code="MD-CAT-003"
            ) from error
        is_rated = manifest.role in _RATED_ROLES and self._is_rated(manifest)
        return BuiltModel(manifest, place, manifest.sha256, size_bytes, Origin.OPERATOR, is_rated)

    def _is_rated(self, manifest: Manifest) -> bool:
        """Say whether a verified rating of the id that the manifest names states error rates for exactly this file."""
        if not manifest.calibration:
            return False
        path = self.path / RATINGS / f"{manifest.calibration}.toml"
        return path.is_file() and is_rating_of(manifest, self._text(path), path.name)

    def _listed(self, place: Path, suffix: str) -> list[Path]:
        try:
            return sorted(path for path in place.iterdir() if path.suffix == suffix and path.is_file())
        except FileNotFoundError as error:
            if place == self.path:
                raise CatalogueFault(f"the operator's folder {place} is missing", code="MD-CAT-001") from error
            return []
        except OSError as error:
            raise CatalogueFault(f"{place} cannot be read: {error.strerror}", code="MD-CAT-001") from error

    def _verified(self, path: Path) -> bytes:
        from models.signatures import verified_content

        return verified_content(path, self.trusted, allow_unsigned=self.allow_unsigned)

    def _text(self, path: Path) -> str:
        try:
            return self._verified(path).decode("utf-8")
        except UnicodeDecodeError as error:
            raise CatalogueFault(f"{path.name} is no text", code="MD-CAT-005") from error
