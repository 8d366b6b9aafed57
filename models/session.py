"""One ONNX Runtime session per model: one thread inside a session (parallelism is whole workers), full graph optimisation, CPU only."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models.errors import CatalogueFault

_ERRORS_ONLY = 3


class Session:
    """A loaded model with one input and one output."""

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
        source = content if isinstance(content, bytes) else str(content)
        try:
            self._session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        except RuntimeError as error:  # the base of every error the runtime's binding raises
            raise CatalogueFault(f"the model cannot be loaded: {error}", code="MD-CAT-004") from error
        self._input = self._session.get_inputs()[0].name
        self._output = self._session.get_outputs()[0].name

    def run(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the model's output for one input."""
        answer: Any = self._session.run([self._output], {self._input: values})
        return cast("NDArray[np.float32]", answer[0])
