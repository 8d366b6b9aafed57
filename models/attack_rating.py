"""A rating: the measured error rates of an attack or morph detector (ISO/IEC 30107-3): per species, never pooled.

rating_id = "site-pad-1"
bona_fide = {presentations = 500, errors = 4}
[models]
minifasnet-v2 = "<sha256 of the model file>"
[[species]]
name = "print"
presentations = 300
errors = 12
"""

from __future__ import annotations

from models.manifest import Manifest
from models.manifest_table import ManifestTable

_MOST = 1_000_000_000


def is_rating_of(manifest: Manifest, text: str, name: str) -> bool:
    """Say whether a rating states error rates for exactly this model file. Raises `CatalogueFault` when it is malformed."""
    table = ManifestTable.of(text, f"rating {name}")
    table.text("rating_id")
    table.text("date", "")
    _counted(table.table("bona_fide"))
    models = table.table("models")
    named = {model_id: models.sha256(model_id) for model_id in models.names()}
    species = table.tables("species")
    for row in species:
        row.text("name")
        _counted(row)
    table.close()
    return named.get(manifest.model_id) == manifest.sha256 and bool(species)


def _counted(table: ManifestTable) -> None:
    presentations = table.whole("presentations", 1, _MOST)
    table.whole("errors", 0, presentations)
    table.close()
