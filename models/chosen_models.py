"""Which models fill the places of the chain: the shipped ones, a shipped variant by setting, an operator's instead of either."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from models.catalogue import BuiltModel, recorded, recorded_variant
from models.errors import CatalogueFault
from models.manifest import Role

if TYPE_CHECKING:
    from models.operator_folder import (
        OperatorFolder,
    )  # signatures need a library that a worker without own models does not load


class ModelPin(NamedTuple):
    """Which model exactly: what a calibration record names."""

    sha256: str
    precision: str


def chosen_models(
    folder: Path, operator: OperatorFolder | None = None, embedder: str | None = None
) -> tuple[BuiltModel, ...]:
    """Return the models that a gate uses: one per role, except that attack detectors of one ensemble come together.

    `embedder` names a shipped variant to take instead of the shipped embedder; an operator's model replaces the shipped one of its
    role. Raises `CatalogueFault` when two models claim one role, a variant is unknown or not built, or anything is not as it was
    built or signed (files are hashed when they are loaded).
    """
    shipped = dict(recorded(folder))
    if embedder:
        shipped[Role.EMBEDDER] = recorded_variant(folder, embedder)
    own = () if operator is None else operator.models()
    one_per_role(own)
    if embedder and any(model.manifest.role is Role.EMBEDDER for model in own):
        raise CatalogueFault(f"the operator's embedder and the variant {embedder} claim one role", code="MD-CAT-009")
    replaced = {model.manifest.role for model in own}
    return (*(model for role, model in shipped.items() if role not in replaced), *own)


def one_per_role(models: Iterable[BuiltModel]) -> Mapping[Role, BuiltModel]:
    """Return models by role. Raises `CatalogueFault` naming both when two claim one; attack detectors may share an ensemble."""
    chosen: dict[Role, BuiltModel] = {}
    for model in models:
        other = chosen.setdefault(model.manifest.role, model)
        if other is model or _are_ensemble(other, model):
            continue
        names = f"{other.manifest.model_id} and {model.manifest.model_id}"
        raise CatalogueFault(f"{names} both claim the role {model.manifest.role}", code="MD-CAT-009")
    return chosen


def _are_ensemble(first: BuiltModel, second: BuiltModel) -> bool:
    one, other = first.manifest.attack, second.manifest.attack
    return one is not None and other is not None and one.ensemble == other.ensemble


def comparison_identity(models: Iterable[BuiltModel]) -> Mapping[str, ModelPin]:
    """Return role -> SHA-256 and precision of every model that features depend on; a calibration record must name exactly these.

    Landmarks count only where the embedder's chip is made from them. Attack, morph and quality models do not change features.
    """
    chosen = one_per_role(models)
    roles = [Role.DETECTOR, Role.EMBEDDER]
    embedder = chosen.get(Role.EMBEDDER)
    if embedder and embedder.manifest.alignment and embedder.manifest.alignment.rule == "dlib-150":
        roles.append(Role.LANDMARKS)
    return {
        role.value: ModelPin(chosen[role].manifest.identity_sha256, chosen[role].manifest.precision)
        for role in sorted(roles)
        if role in chosen
    }
