"""Attack detectors of the MiniFASNet layout (Silent-Face-Anti-Spoofing): a crop around the face, a softmax, one class bona fide.

Each network of an ensemble sees its own crop (such as 2.7 and 4.0 times the box), moved so that it stays inside the image; the
attack score is one minus the mean probability of the bona fide class. Such a network judges what stood before a camera; a digital
original handed in as a file looks bona fide to it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.errors import CatalogueFault
from models.manifest import AttackRules, Manifest
from models.results import FaceBox, Image
from models.slots.network import Network, resized

_SMALLEST_CROP_PX = 24


def crop_around(image: Image, box: FaceBox, crop_scale: float) -> Image | None:
    """Return `crop_scale` times the box, shrunk and moved to stay inside the image; None when the box lies outside it."""
    rows, columns = image.shape[:2]
    left, top, width, height = box.left_px, box.top_px, box.right_px - box.left_px + 1, box.bottom_px - box.top_px + 1
    if min(width, height) < 1 or left >= columns or top >= rows or left + width <= 0 or top + height <= 0:
        return None
    scale = min((rows - 1) / height, (columns - 1) / width, crop_scale)
    wide, tall = width * scale, height * scale
    x = min(max(left + width / 2 - wide / 2, 0.0), columns - 1 - wide)
    y = min(max(top + height / 2 - tall / 2, 0.0), rows - 1 - tall)
    crop = image[int(y) : int(y + tall) + 1, int(x) : int(x + wide) + 1]
    return crop if min(crop.shape[:2]) >= _SMALLEST_CROP_PX else None


class AttackNetwork:
    """One network of an ensemble."""

    def __init__(self, manifest: Manifest, content: bytes) -> None:
        """Load the network. Raises `CatalogueFault` when it is not what the manifest says."""
        self.network = Network(manifest, content)
        self.manifest, self.rules = manifest, _rules(manifest)
        layout = self.network.layout
        if not (layout.width_px and layout.height_px):
            raise self.network.refusal("states no input size; an attack detector's crop needs one")
        if self.rules.live_index >= manifest.output.dimension:
            raise self.network.refusal(f"has no class {self.rules.live_index} among {manifest.output.dimension}")

    def bona_fide_probability(self, image: Image, box: FaceBox) -> float | None:
        """Return the probability of the bona fide class, 0-1; None when there is no crop to look at."""
        crop = crop_around(image, box, self.rules.crop_scale)
        if crop is None:
            return None
        layout = self.network.layout
        logits = self.network.rows([resized(crop, layout.width_px, layout.height_px)])[0].astype(np.float64)
        shares = np.exp(logits - logits.max())
        return float(shares[self.rules.live_index] / shares.sum())


class AttackModel:
    """An operator's attack detector: one or several networks that speak with one voice."""

    def __init__(self, networks: Sequence[AttackNetwork], *, is_rated: bool) -> None:
        """Combine networks. `is_rated`: a calibration record states their error rates per species."""
        ensembles = {network.rules.ensemble for network in networks}
        rules = {(network.rules.combine, network.rules.applies_to) for network in networks}
        names = ", ".join(network.manifest.model_id for network in networks)
        if len(ensembles) != 1 or len(rules) != 1:
            raise CatalogueFault(f"attack detectors that do not belong together: {names}", code="MD-CAT-009")
        self.networks = tuple(networks)
        self.model_id = "+".join(network.manifest.model_id for network in networks)
        self.applies_to = networks[0].rules.applies_to
        self.is_rated = is_rated

    def score(self, image: Image, box: FaceBox) -> float | None:
        """Return 0 bona fide … 1 attack for the face in a box of a BGR image; None when any of the networks has nothing to look at."""
        probabilities = [network.bona_fide_probability(image, box) for network in self.networks]
        known = [probability for probability in probabilities if probability is not None]
        if not known or len(known) < len(probabilities):
            return None
        return 1 - sum(known) / len(known)


def _rules(manifest: Manifest) -> AttackRules:
    if manifest.attack is None:
        raise CatalogueFault(f"{manifest.model_id}: the manifest has no [attack]", code="MD-CAT-005")
    return manifest.attack
