"""A network as its manifest says: checked against it when loaded, fed in its layout, colour order and value range."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from models.errors import CatalogueFault
from models.manifest import InputLayout, Manifest
from models.results import Image
from models.session import Session, Shape

Tensor = NDArray[np.float32]


def network_input(images: Sequence[Image], layout: InputLayout) -> Tensor:
    """Return BGR images of one size as the tensor that a layout describes."""
    batch = np.stack(images)
    if layout.channel_order == "RGB":
        batch = batch[:, :, :, ::-1]
    values = batch.astype(np.float32)
    if layout.value_range == 1:
        values *= np.float32(1 / 255)
    if any(layout.mean):
        values -= np.array(layout.mean, dtype=np.float32)
    if layout.scale != (1.0, 1.0, 1.0):
        values *= np.array(layout.scale, dtype=np.float32)
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2)) if layout.layout == "NCHW" else values


def resized(image: Image, width_px: int, height_px: int) -> Image:
    """Return the image at another size, bilinear."""
    return np.asarray(cv2.resize(image, (width_px, height_px), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


class Network:
    """A session whose inputs and outputs are those of the manifest."""

    def __init__(self, manifest: Manifest, content: bytes, outputs: Mapping[str, int] | None = None) -> None:
        """Load a network. `outputs` are the names it must have and the size of the last axis of each; None: one output, any name.

        Raises `CatalogueFault` when it cannot be loaded, or when inputs or outputs are not those of the manifest.
        """
        if manifest.input is None:
            raise CatalogueFault(f"{manifest.model_id}: the manifest states no input", code="MD-CAT-010")
        self.manifest, self.layout = manifest, manifest.input
        try:
            self.session = Session(content)
        except CatalogueFault as fault:
            raise CatalogueFault(f"{manifest.model_id}: {fault}", code=fault.code) from fault
        self._check_input()
        if outputs is None:
            if len(self.session.outputs) != 1:
                raise self.refusal(f"has {len(self.session.outputs)} outputs instead of one")
            self.outputs = tuple(self.session.outputs)
        else:
            self.outputs = tuple(outputs)
            self._check_outputs(outputs)

    def refusal(self, reason: str) -> CatalogueFault:
        """Return the fault of a model that is not what its manifest says."""
        return CatalogueFault(f"{self.manifest.model_id} {reason}", code="MD-CAT-010")

    def _check_input(self) -> None:
        shape = self.session.inputs.get(self.layout.name)
        if shape is None:
            raise self.refusal(f"has no input {self.layout.name!r}; it has {', '.join(self.session.inputs)}")
        if len(self.session.inputs) != 1 and self.manifest.output.decoder != "pair_score":
            raise self.refusal(f"has {len(self.session.inputs)} inputs instead of one")
        sides = (self.layout.height_px or None, self.layout.width_px or None)
        channel, rows, columns = (1, 2, 3) if self.layout.layout == "NCHW" else (3, 1, 2)
        if len(shape) != 4 or shape[channel] not in {3, None}:
            raise self.refusal(f"takes {_written(shape)}, which is not three channels in layout {self.layout.layout}")
        for own, stated in zip((shape[rows], shape[columns]), sides, strict=True):
            if own is not None and own != stated:
                raise self.refusal(f"takes {_written(shape)}; the manifest states {list(sides)} px")

    def _check_outputs(self, outputs: Mapping[str, int]) -> None:
        for name, size in outputs.items():
            shape = self.session.outputs.get(name)
            if shape is None:
                raise self.refusal(f"has no output {name!r}; it has {', '.join(self.session.outputs)}")
            if not shape or shape[-1] not in {size, None}:
                raise self.refusal(f"answers {name} as {_written(shape)}, not with {size} values")

    @property
    def is_batched(self) -> bool:
        """Whether several images may be handed in at once."""
        return self.session.inputs[self.layout.name][0] is None

    def answers(self, images: Sequence[Image]) -> list[Tensor]:
        """Return the outputs, in the order of `outputs`, for BGR images of the network's size."""
        return self.session.answers({self.layout.name: network_input(images, self.layout)}, self.outputs)

    def rows(self, images: Sequence[Image]) -> Tensor:
        """Return one row per image, (n, dimension) float32. Raises `CatalogueFault` when the answer has another shape or is no number."""
        groups = [images] if self.is_batched else [[image] for image in images]
        rows = np.concatenate([np.asarray(self.answers(group)[0]).reshape(len(group), -1) for group in groups])
        dimension = self.manifest.output.dimension
        if rows.shape[1] != dimension:
            raise self.refusal(f"answers {rows.shape[1]} values; the manifest states {dimension}")
        if not np.isfinite(rows).all():
            raise self.refusal("answers values that are no numbers")
        return rows


def _written(shape: Shape) -> str:
    return "x".join("?" if size is None else str(size) for size in shape)
