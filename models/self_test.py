"""The start-up self-test: a generated pattern in, a few numbers out, compared with those that the manifest stores.

It finds what a hash cannot: a runtime or a processor that computes something else than the machine on which the model was accepted.
The pattern holds no face; it comes from SHAKE-256, so that every machine makes the same one.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import CatalogueFault
from models.face_landmarks import FaceLandmarks
from models.manifest import SELF_TEST_VALUES, Manifest, SelfTest
from models.results import FaceBox, Image
from models.slots.network import Network, network_input

_FREE_SIDE_PX = 160  # of an input whose size is free: a multiple of 32
_LANDMARK_BOX = FaceBox(40, 40, 119, 119, 0.0)


def pattern(seed: int, height_px: int, width_px: int) -> Image:
    """Return a BGR picture of noise that depends on nothing but the seed and the size."""
    noise = hashlib.shake_256(f"egate self-test {seed}".encode()).digest(height_px * width_px * 3)
    return np.frombuffer(noise, dtype=np.uint8).reshape(height_px, width_px, 3)


def reduced(values: NDArray[Any]) -> tuple[float, ...]:
    """Return `SELF_TEST_VALUES` sums of an answer under fixed signs, each over the root of its length: any change moves them."""
    row = np.asarray(values, dtype=np.float64).ravel()
    signs = hashlib.shake_256(b"egate self-test signs").digest(SELF_TEST_VALUES * (-(-row.size // 8)))
    bits = np.unpackbits(np.frombuffer(signs, dtype=np.uint8)).reshape(SELF_TEST_VALUES, -1)[:, : row.size]
    sums = (bits.astype(np.float64) * 2 - 1) @ row / np.sqrt(max(row.size, 1))
    return tuple(float(value) for value in sums)


def network_answer(network: Network, seed: int) -> tuple[float, ...]:
    """Return what a network answers to the pattern, all of its outputs, reduced."""
    layout = network.layout
    image = pattern(seed, layout.height_px or _FREE_SIDE_PX, layout.width_px or _FREE_SIDE_PX)
    values = dict.fromkeys(network.session.inputs, network_input([image], layout))
    answers = network.session.answers(values, network.outputs)
    return reduced(np.concatenate([np.asarray(answer).ravel() for answer in answers]))


def landmarks_answer(landmarks: FaceLandmarks, seed: int) -> tuple[float, ...]:
    """Return the points that the tree ensemble finds in the pattern, reduced."""
    return reduced(landmarks.locate(pattern(seed, _FREE_SIDE_PX, _FREE_SIDE_PX), _LANDMARK_BOX))


def check(manifest: Manifest, test: SelfTest, answer: tuple[float, ...]) -> None:
    """Raise `CatalogueFault` when an answer differs from the stored one by more than its tolerance."""
    difference = float(np.abs(np.array(answer) - np.array(test.expected)).max())
    if not difference <= test.tolerance:  # a difference that is no number is none that is small
        raise CatalogueFault(
            f"{manifest.model_id} fails its self-test: its answer is {difference:.3g} off, allowed are {test.tolerance:g}; "
            "the runtime or the processor computes something else than where the model was accepted",
            code="MD-CAT-011",
        )
