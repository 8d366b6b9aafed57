"""Networks that give one number: the quality of a chip, or how likely the portrait of a document is a morph of two people."""

from __future__ import annotations

import numpy as np

from models.manifest import Manifest
from models.results import Image
from models.slots.network import Network, network_input


def _unit(value: float, manifest: Manifest) -> float:
    """Return a value of the manifest's range as 0-1; the range may run downwards."""
    lowest, highest = manifest.output.lowest, manifest.output.highest
    return min(max((value - lowest) / (highest - lowest), 0.0), 1.0)


class QualityModel:
    """One chip in, one quality out."""

    def __init__(self, manifest: Manifest, content: bytes) -> None:
        """Load the network. Raises `CatalogueFault` when it is not what the manifest says."""
        self.network, self.model_id = Network(manifest, content), manifest.model_id

    def score(self, chip: Image) -> float:
        """Return the quality of an aligned BGR chip, 0 worst … 1 best."""
        return _unit(float(self.network.rows([chip])[0, 0]), self.network.manifest)


class MorphModel:
    """Differential morphing attack detection: the chips of document portrait and live face in, one score out.

    The network has two inputs, the manifest's (for the document's portrait) and a second one for the live face.
    """

    def __init__(self, manifest: Manifest, content: bytes) -> None:
        """Load the network. Raises `CatalogueFault` when it has not exactly two inputs of the manifest's size."""
        self.network, self.model_id = Network(manifest, content), manifest.model_id
        inputs = self.network.session.inputs
        if len(inputs) != 2 or len(set(inputs.values())) != 1:
            raise self.network.refusal("does not take two chips of one size")
        (self._second,) = set(inputs) - {self.network.layout.name}

    def score(self, reference_chip: Image, probe_chip: Image) -> float:
        """Return 0 bona fide … 1 morph for two aligned BGR chips. Raises `CatalogueFault` when the network answers no single number."""
        layout = self.network.layout
        values = {
            layout.name: network_input([reference_chip], layout),
            self._second: network_input([probe_chip], layout),
        }
        answer = np.asarray(self.network.session.answers(values, self.network.outputs)[0]).ravel()
        if answer.size != 1 or not np.isfinite(answer).all():
            raise self.network.refusal("does not answer one number")
        return _unit(float(answer[0]), self.network.manifest)
