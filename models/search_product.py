"""The exact integer product behind the 1:N search: one-byte probes times one-byte references, through ONNX Runtime.

`MatMulInteger` with unsigned probes on the left and signed references on the right is the one layout for which the runtime reads
the references once and unpacked. On processors without VNNI instructions its kernel adds pairs in 16 bits and may saturate, so
the constructor multiplies the extremes and takes eight bits for the probe only where that is exact, else seven, which always fit.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper

from models.gallery_checks import GalleryFault

LEVELS = (127, 63)
"""Largest absolute value of a probe's component, finest first; the stored offset is one more, so that every byte is positive."""

_ERRORS_ONLY = 3


class SharedColumns:
    """Signed bytes (dimension, columns) that the runtime reads in place: what is written into `values` is what it multiplies."""

    def __init__(self, values: NDArray[np.int8], binding: Any) -> None:
        self.values = values
        self.binding = binding


class ByteProduct:
    """Products of probes (1 … 255 or 1 … 127) with references (-127 … 127), exact in 32 bits, one thread."""

    def __init__(self, dimension: int) -> None:
        """Build the session and find the finest exact probe range. Raises `GalleryFault` (MD-GAL-005) when none is exact."""
        graph = helper.make_graph(
            [helper.make_node("MatMulInteger", ["probes", "references"], ["products"])],
            "byte_product",
            [
                helper.make_tensor_value_info("probes", TensorProto.UINT8, ["m", "d"]),
                helper.make_tensor_value_info("references", TensorProto.INT8, ["d", "n"]),
            ],
            [helper.make_tensor_value_info("products", TensorProto.INT32, ["m", "n"])],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        model.ir_version = 8
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        options.enable_mem_pattern = False
        self._session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self._probe: NDArray[np.uint8] = np.zeros((1, dimension), dtype=np.uint8)
        self._ort_probe = _in_place(self._probe)
        self._outputs: dict[int, tuple[NDArray[np.int32], Any]] = {}
        exact = [levels for levels in LEVELS if self.is_exact(levels)]
        if not exact:
            raise GalleryFault("the runtime's integer product is not exact on this processor", code="MD-GAL-005")
        self.levels = exact[0]

    def columns(self, count: int) -> SharedColumns:
        """Return `count` columns of zeros, to be filled in place."""
        values: NDArray[np.int8] = np.zeros((self._probe.shape[1], count), dtype=np.int8)
        if count not in self._outputs:
            kept = np.zeros((1, count), dtype=np.int32)
            self._outputs[count] = (kept, _in_place(kept))
        binding = self._session.io_binding()
        binding.bind_ortvalue_input("probes", self._ort_probe)
        binding.bind_ortvalue_input("references", _in_place(values))
        binding.bind_ortvalue_output("products", self._outputs[count][1])
        return SharedColumns(values, binding)

    def is_exact(self, levels: int) -> bool:
        """Return whether the extremes of this probe range are multiplied without saturation, alone and in a batch."""
        columns = self.columns(128)
        columns.values[:, ::2] = 127
        columns.values[:, 1::2] = -127
        for rows in (1, 5):
            probes = np.full((rows, self._probe.shape[1]), 2 * levels + 1, dtype=np.uint8)
            expected = probes.astype(np.int64) @ columns.values.astype(np.int64)
            if not np.array_equal(self.products(probes, columns), expected):
                return False
        return True

    def products(self, probes: NDArray[np.uint8], columns: SharedColumns) -> NDArray[np.int32]:
        """Return probes (m, d) times references (d, n) as (m, n); for one probe the next call overwrites the array."""
        if len(probes) > 1:
            answer = self._session.run(None, {"probes": probes, "references": columns.values})
            return cast("NDArray[np.int32]", answer[0])
        # one probe is bound by memory: writing into a kept array saves a twentieth
        self._probe[:] = probes
        self._session.run_with_iobinding(columns.binding)
        return self._outputs[columns.values.shape[1]][0]

    def wipe(self) -> None:
        """Overwrite the last probe and its products with zeros."""
        self._probe.fill(0)
        for kept, _ in self._outputs.values():
            kept.fill(0)


def _in_place(values: NDArray[Any]) -> Any:
    """Return the runtime's view of an array. Raises `GalleryFault` when the runtime would copy it."""
    view = onnxruntime.OrtValue.ortvalue_from_numpy(values)
    if view.data_ptr() != values.ctypes.data:
        raise GalleryFault("the runtime copies arrays instead of reading them in place", code="MD-GAL-005")
    return view
