"""One ONNX Runtime session per model: one thread inside a session (parallelism is whole workers), full graph optimisation, CPU only."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as binding

from models.errors import CatalogueFault

_ERRORS_ONLY = 3
_FLOAT = "tensor(float)"
# the binding's own errors have no base but Exception; it raises ValueError for a missing input
_BINDING_ERRORS: tuple[type[Exception], ...] = (
    RuntimeError,
    ValueError,
    binding.Fail,
    binding.InvalidArgument,
    binding.InvalidGraph,
    binding.InvalidProtobuf,
    binding.NoModel,
    binding.NotImplemented,
    binding.RuntimeException,
)

Shape = tuple[int | None, ...]
"""Sizes of a tensor; None where the model leaves a size free."""


class Session:
    """A loaded model."""

    def __init__(self, content: bytes | Path) -> None:
        """Load a model from its bytes, which the catalogue has verified. Raises `CatalogueFault` when it cannot be loaded."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = _ERRORS_ONLY
        # frames differ in size: a remembered memory plan per size would only grow
        options.enable_mem_pattern = False
        # an arena would keep a face's features after it is forgotten (models.freed_memory)
        options.enable_cpu_mem_arena = False
        # a model may name further files for its weights, which its hash does not cover: they are looked for where none can be
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)
        source = content if isinstance(content, bytes) else str(content)
        try:
            self._session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        except _BINDING_ERRORS as error:
            raise CatalogueFault(f"the model cannot be loaded: {error}", code="MD-CAT-004") from error
        self.inputs = _float_shapes(self._session.get_inputs())
        self.outputs = _float_shapes(self._session.get_outputs())
        self._input = next(iter(self.inputs))
        self._output = next(iter(self.outputs))

    def run(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the model's first output for its first input."""
        answer: Any = self._session.run([self._output], {self._input: values})
        return cast("NDArray[np.float32]", answer[0])

    def answers(self, values: Mapping[str, NDArray[np.float32]], names: Sequence[str]) -> list[NDArray[np.float32]]:
        """Return the outputs of these names for inputs by name. Raises `CatalogueFault` when the model refuses its input."""
        try:
            answers: Any = self._session.run(list(names), dict(values))
        except _BINDING_ERRORS as error:
            raise CatalogueFault(f"the model refuses its input: {error}", code="MD-CAT-010") from error
        return cast("list[NDArray[np.float32]]", answers)


def _float_shapes(tensors: Any) -> dict[str, Shape]:
    """Return the shapes by name. Raises `CatalogueFault` for a tensor that is not float32."""
    shapes: dict[str, Shape] = {}
    for tensor in tensors:
        if tensor.type != _FLOAT:
            raise CatalogueFault(f"{tensor.name} of the model is {tensor.type}, not float32", code="MD-CAT-010")
        shapes[tensor.name] = tuple(size if isinstance(size, int) else None for size in tensor.shape)
    if not shapes:
        raise CatalogueFault("the model has no inputs or no outputs", code="MD-CAT-010")
    return shapes
