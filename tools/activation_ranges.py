"""Write `models/conversion/activation_ranges.toml`: the lowest and highest value of every activation of the shipped embedder.

    python tools/activation_ranges.py FOLDER_OF_PICTURES --set NAME [--people 200]

Run once; the ranges are aggregates over many faces and their mirror images, one picture per person (file names up to the last
underscore), and over generated patterns. The pictures stay where they are. Put the printed SHA-256 into the variant's manifest,
then run `python -m models.pin`.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from gate_agent.cache import models_folder
from models.catalogue import content_of
from models.chosen_models import chosen_models
from models.conversion.constants import CONVERTER_VERSION
from models.face_chain import FaceChain
from models.manifest import Role
from models.quantisation import RANGES_FILE, observed_ranges
from models.results import DetectedFace, Image
from models.self_test import pattern
from models.slots.network import network_input

PACKAGE = Path(__file__).resolve().parents[1] / "models"


def off_centre_px(face: DetectedFace, image: Image) -> float:
    """Return how far a face lies from the middle of its picture."""
    box = face.box
    across = abs(box.left_px + box.right_px - image.shape[1]) / 2
    return across + abs(box.top_px + box.bottom_px - image.shape[0]) / 2


def chips_of(chain: FaceChain, pictures: list[Path]) -> Iterator[Image]:
    """Give the chip of the most central face of each picture."""
    for path in pictures:
        image = np.asarray(cv2.imread(str(path)), dtype=np.uint8)
        faces = sorted((off_centre_px(face, image), index, face) for index, face in enumerate(chain.detect(image)))
        if faces:
            yield chain.align(image, faces[0][2])


def main() -> None:
    """Compute and write the ranges."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--set", required=True, help="name of the set, for the first lines of the file")
    parser.add_argument("--people", type=int, default=200)
    arguments = parser.parse_args()
    first: dict[str, Path] = {}
    for path in sorted(arguments.pictures.rglob("*.jpg")):
        first.setdefault(path.stem.rpartition("_")[0], path)
    pictures = list(first.values())[: arguments.people]
    models = chosen_models(models_folder())
    chain = FaceChain(models)
    embedder = next(model for model in models if model.manifest.role is Role.EMBEDDER)
    layout = embedder.manifest.input
    if layout is None:
        raise SystemExit("the embedder states no input")

    def batches() -> Iterator[NDArray[np.float32]]:
        for chip in chips_of(chain, pictures):
            yield network_input([chip, np.ascontiguousarray(chip[:, ::-1])], layout)
        for seed in range(4):
            noise = pattern(seed, layout.height_px, layout.width_px)
            smooth = np.asarray(cv2.GaussianBlur(noise, (0, 0), 8), dtype=np.uint8)
            yield network_input([cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)], layout)

    ranges = observed_ranges(content_of(embedder), batches())
    lines = [
        "# Lowest and highest activation of the shipped embedder; written by tools/activation_ranges.py.",
        f"# {len(pictures)} people of {arguments.set}, one picture each and its mirror image, and four generated patterns.",
        f'converter = "{CONVERTER_VERSION}"',
        "",
        "[ranges]",
        *(f'"{name}" = [{low:.6g}, {high:.6g}]' for name, (low, high) in ranges.items()),
    ]
    content = ("\n".join(lines) + "\n").encode()
    (PACKAGE / "conversion" / RANGES_FILE).write_bytes(content)
    print(hashlib.sha256(content).hexdigest())


if __name__ == "__main__":
    main()
