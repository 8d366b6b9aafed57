"""The embedder in 8-bit integers: static quantisation (QDQ, per channel) from committed activation ranges, so no pictures are needed.

Weights are held to 7 bits (`reduce_range`): without it pairs of products saturate in 16 bits on processors that have AVX2 but no
VNNI, and embeddings go wrong. The result is a model of its own with features of its own: they never mix with those of fp32, and it
needs its own calibration record. A build step only; importing this module is cheap, its functions load ONNX.
"""

from __future__ import annotations

import hashlib
import io
import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.conversion.constants import CONVERTER_VERSION
from models.errors import ConversionFault
from models.manifest import Manifest
from models.session import Session

RANGES_FILE = "activation_ranges.toml"
_QUANTISED_OPERATORS = (
    "Conv",
    "Relu",
    "Add",
    "MaxPool",
    "AveragePool",
    "Pad",
    "GlobalAveragePool",
    "Flatten",
)  # the projection stays

Ranges = Mapping[str, tuple[float, float]]


def ranges_content() -> bytes:
    """Return the committed activation ranges of the shipped embedder, as they lie in the package."""
    return (resources.files("models") / "conversion" / RANGES_FILE).read_bytes()


def read_ranges(content: bytes) -> Ranges:
    """Return value name -> (lowest, highest). Raises `ConversionFault` when the file is malformed or for another converter."""
    try:
        table: dict[str, Any] = tomllib.loads(content.decode("utf-8"))
        if table["converter"] != CONVERTER_VERSION:
            raise ConversionFault("the activation ranges belong to another converter", code="MD-CON-006")
        ranges = {str(name): (float(low), float(high)) for name, (low, high) in table["ranges"].items()}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        raise ConversionFault(f"the activation ranges cannot be read: {error}", code="MD-CON-006") from error
    if not ranges or not all(np.isfinite(pair).all() and pair[0] < pair[1] for pair in ranges.values()):
        raise ConversionFault("an activation range has no width", code="MD-CON-006")
    return ranges


def observed_ranges(model: bytes, batches: Iterable[NDArray[np.float32]]) -> Ranges:
    """Return the lowest and highest value of every activation of a one-input model over batches of its input."""
    import onnx

    graph = onnx.load_model_from_string(model)
    given = {value.name for value in graph.graph.output}
    names = [name for node in graph.graph.node for name in node.output]
    graph.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names if name not in given
    )
    session = Session(graph.SerializeToString())
    (source,) = session.inputs
    low, high = dict.fromkeys([source, *names], np.inf), dict.fromkeys([source, *names], -np.inf)
    for batch in batches:
        answers = session.answers({source: batch}, names)
        for name, values in zip([source, *names], [batch, *answers], strict=True):
            low[name] = min(low[name], float(values.min()))
            high[name] = max(high[name], float(values.max()))
    return {name: (low[name], high[name]) for name in low}


def quantised(model: bytes, ranges: Ranges) -> bytes:
    """Return an fp32 ONNX model in 8-bit integers. Raises `ConversionFault` when an activation has no range."""
    import onnx
    from onnxruntime.quantization import CalibrationMethod, QDQQuantizer, QuantType
    from onnxruntime.quantization.calibrate import TensorsData

    graph = onnx.shape_inference.infer_shapes(onnx.load_model_from_string(model))
    missing = {name for node in graph.graph.node for name in node.output} - set(ranges)
    if missing:
        raise ConversionFault(f"no activation range for {', '.join(sorted(missing))}", code="MD-CON-006")
    limits = {name: (np.float32(low), np.float32(high)) for name, (low, high) in ranges.items()}
    quantizer = QDQQuantizer(
        graph,
        per_channel=True,
        reduce_range=True,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=TensorsData(CalibrationMethod.MinMax, limits),
        nodes_to_quantize=[],
        nodes_to_exclude=[],
        op_types_to_quantize=list(_QUANTISED_OPERATORS),
        extra_options={},
    )
    quantizer.quantize_model()
    quantizer.model.topological_sort()
    made = quantizer.model.model
    made.ir_version = graph.ir_version
    onnx.checker.check_model(made)
    stream = io.BytesIO()
    stream.write(made.SerializeToString(deterministic=True))
    return stream.getvalue()


def convert_variant(manifest: Manifest, made: Mapping[str, bytes]) -> bytes:
    """Return a shipped variant made from the fp32 model that it is a variant of, found in `made` by its id.

    Raises `ConversionFault` when that model is not there or the committed ranges are not the ones that the manifest pins.
    """
    content = ranges_content()
    if hashlib.sha256(content).hexdigest() != manifest.ranges_sha256:
        raise ConversionFault(f"{manifest.model_id}: the activation ranges are not the pinned ones", code="MD-CON-006")
    if manifest.precision != "int8" or manifest.variant_of not in made:
        raise ConversionFault(f"{manifest.model_id} is no 8-bit variant of a model built here", code="MD-CON-006")
    return quantised(made[manifest.variant_of], read_ranges(content))
