"""Embedders: an aligned chip in, a vector out; whose chip, which colour order and how long a vector, the manifest says."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.manifest import Manifest
from models.results import Image
from models.slots.network import Network


class Embedder:
    """An embedder of the manifest's layout."""

    def __init__(self, manifest: Manifest, content: bytes) -> None:
        """Load the network. Raises `CatalogueFault` when it is not what the manifest says."""
        self.network = Network(manifest, content)
        (shape,) = self.network.session.outputs.values()
        if shape and shape[-1] is not None and len(shape) == 2 and shape[-1] != manifest.output.dimension:
            raise self.network.refusal(f"answers {shape[-1]} values; the manifest states {manifest.output.dimension}")
        self.dimension = manifest.output.dimension

    def embed(self, chips: Sequence[Image]) -> NDArray[np.float32]:
        """Return the network's own output, one row per BGR chip: not normalised, no mirror image."""
        if not chips:
            return np.zeros((0, self.dimension), dtype=np.float32)
        return self.network.rows(chips)
