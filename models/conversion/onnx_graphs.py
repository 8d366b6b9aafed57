"""ONNX graphs (opset 17, IR 8) that compute exactly what the two dlib networks compute, with normalisations folded into convolutions.

Folds happen in double precision and are cast once. `add_prev` adds what it can and pads the smaller operand with zeros at the
end of channels, rows and columns. The embedder takes RGB 0-255; the detector takes normalised values, because the empty parts
of its tile are zero after normalisation.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from models.conversion.constants import RGB_MEANS
from models.conversion.network_stream import Layer
from models.errors import ConversionFault

OPSET = 17
IR_VERSION = 8
_CHANNEL_BLOCK = 16


class _Graph:
    """Nodes and constants under construction; every value has a name and, where it is known, a shape (C, H, W)."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, name: str, values: NDArray[Any]) -> str:
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def node(self, operator: str, inputs: list[str], **attributes: Any) -> str:
        output = f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    def convolution(self, source: str, layer: Layer, weights: NDArray[np.float64], bias: NDArray[np.float64]) -> str:
        index = len(self.nodes)
        (py, px) = layer.padding
        return self.node(
            "Conv",
            [
                source,
                self.constant(f"weights_{index}", weights.astype(np.float32)),
                self.constant(f"bias_{index}", bias.astype(np.float32)),
            ],
            kernel_shape=list(layer.window),
            strides=list(layer.stride),
            pads=[py, px, py, px],
        )

    def single_score(self, source: str, layer: Layer, weights: NDArray[np.float64], bias: NDArray[np.float64]) -> str:
        """Write a stride-1 convolution with one output as the transposed convolution of its mirrored kernel.

        The same sums, but as one matrix product: the runtime's direct convolution is four times slower for a single output.
        """
        if (
            weights.shape[0] != 1
            or layer.stride != (1, 1)
            or layer.window != tuple(2 * pad + 1 for pad in layer.padding)
        ):
            raise ConversionFault("the last convolution does not give one score per cell", code="MD-CON-004")
        (py, px) = layer.padding
        mirrored = np.ascontiguousarray(weights[:, :, ::-1, ::-1].transpose(1, 0, 2, 3), dtype=np.float32)
        return self.node(
            "ConvTranspose",
            [source, self.constant("weights_score", mirrored), self.constant("bias_score", bias.astype(np.float32))],
            kernel_shape=list(layer.window),
            pads=[py, px, py, px],
        )

    def content(self, name: str, inputs: list[Any], outputs: list[Any]) -> bytes:
        graph = helper.make_graph(self.nodes, name, inputs, outputs, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="egate")
        model.ir_version = IR_VERSION
        onnx.checker.check_model(model)
        stream = io.BytesIO()
        stream.write(model.SerializeToString(deterministic=True))
        return stream.getvalue()


def _folded(convolution: Layer, following: Layer | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return weights and bias of a convolution with the scale and shift that follow it."""
    weights, bias = convolution.weights.astype(np.float64), convolution.shift.astype(np.float64)
    if following is None:
        return weights, bias
    scale = following.weights.astype(np.float64)
    return weights * scale[:, None, None, None], bias * scale + following.shift.astype(np.float64)


def _extent(size: int, window: int, stride: int, padding: int) -> int:
    return (size + 2 * padding - window) // stride + 1


def _sizes(shape: tuple[int, int, int], layer: Layer, channels: int) -> tuple[int, int, int]:
    rows = _extent(shape[1], layer.window[0], layer.stride[0], layer.padding[0])
    return channels, rows, _extent(shape[2], layer.window[1], layer.stride[1], layer.padding[1])


def _filled(weights: NDArray[np.float64], bias: NDArray[np.float64], inputs: int) -> tuple[Any, Any]:
    """Return a convolution filled up with zeros to `inputs` input channels and, unless it gives one score, to blocks of outputs.

    Zero channels stay zero through bias and ReLU, so nothing changes but speed: the runtime's blocked convolutions need
    channel counts that are a multiple of 16, and the detector has 45.
    """
    outputs = weights.shape[0] if weights.shape[0] == 1 else -(-weights.shape[0] // _CHANNEL_BLOCK) * _CHANNEL_BLOCK
    filled = np.zeros((outputs, inputs, *weights.shape[2:]))
    filled[: weights.shape[0], : weights.shape[1]] = weights
    return filled, np.concatenate((bias, np.zeros(outputs - len(bias))))


def detector_graph(layers: list[Layer]) -> bytes:
    """Return the detector: `pixels` (1, 3, H, W) normalised floats in, `scores` (1, 1, h, w) out, H and W free."""
    graph = _Graph()
    value, channels = "pixels", 3
    for index, layer in enumerate(layers):
        if layer.kind == "con":
            following = layers[index + 1] if index + 1 < len(layers) else None
            weights, bias = _filled(*_folded(layer, following), channels)
            if following is None:
                value = graph.single_score(value, layer, weights, bias)
            else:
                value, channels = graph.convolution(value, layer, weights, bias), weights.shape[0]
        elif layer.kind == "relu":
            value = graph.node("Relu", [value])
    graph.nodes[-1].output[0] = "scores"
    return graph.content(
        "mmod_human_face_detector",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [1, 3, "rows", "columns"])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 1, "score_rows", "score_columns"])],
    )


def _joined(
    graph: _Graph, first: tuple[str, tuple[int, int, int]], second: tuple[str, tuple[int, int, int]]
) -> tuple[str, tuple[int, int, int]]:
    """Add two values, each padded with zeros at the end of every axis in which the other is larger."""
    shape = (max(first[1][0], second[1][0]), max(first[1][1], second[1][1]), max(first[1][2], second[1][2]))
    names = []
    for name, own in (first, second):
        missing = [large - small for large, small in zip(shape, own, strict=True)]
        if any(missing):
            ends = graph.constant(f"ends_{len(graph.nodes)}", np.array([0, 0, 0, 0, 0, *missing], dtype=np.int64))
            names.append(graph.node("Pad", [name, ends], mode="constant"))
        else:
            names.append(name)
    return graph.node("Add", names), shape


def embedder_graph(layers: list[Layer]) -> bytes:
    """Return the embedder: `chips` (N, 3, 150, 150) RGB 0-255 in, `features` (N, 128) out, not normalised."""
    graph = _Graph()
    value, shape = "chips", (3, 150, 150)
    joints: dict[int, tuple[str, tuple[int, int, int]]] = {}
    for index, layer in enumerate(layers):
        if layer.kind == "con":
            weights, bias = _folded(layer, layers[index + 1])
            if index == 0:  # (x - mean) / 256 folds exactly because this convolution has no padding
                if layer.padding != (0, 0):
                    raise ConversionFault(
                        "the first convolution is padded; its input cannot be folded", code="MD-CON-004"
                    )
                weights = weights / 256.0
                bias = bias - np.einsum("ochw,c->o", weights, np.array(RGB_MEANS))
            value = graph.convolution(value, layer, weights, bias)
            shape = _sizes(shape, layer, weights.shape[0])
        elif layer.kind == "relu":
            value = graph.node("Relu", [value])
        elif layer.kind == "tag":
            joints[layer.tag] = (value, shape)
        elif layer.kind == "skip":
            value, shape = joints[layer.tag]
        elif layer.kind == "add_prev":
            value, shape = _joined(graph, (value, shape), joints[layer.tag])
        elif layer.kind == "max_pool":
            value = _pooled(graph, "MaxPool", value, layer)
            shape = _sizes(shape, layer, shape[0])
        elif layer.kind == "avg_pool":
            if layer.window == (0, 0):
                value = graph.node("Flatten", [graph.node("GlobalAveragePool", [value])])
            else:
                value = _pooled(graph, "AveragePool", value, layer)
                shape = _sizes(shape, layer, shape[0])
        elif layer.kind == "fc":
            value = graph.node("MatMul", [value, graph.constant("projection", layer.weights.astype(np.float32))])
    graph.nodes[-1].output[0] = "features"
    return graph.content(
        "face_recognition_resnet_v1",
        [helper.make_tensor_value_info("chips", TensorProto.FLOAT, ["faces", 3, 150, 150])],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["faces", 128])],
    )


def _pooled(graph: _Graph, operator: str, value: str, layer: Layer) -> str:
    (py, px) = layer.padding
    return graph.node(
        operator, [value], kernel_shape=list(layer.window), strides=list(layer.stride), pads=[py, px, py, px]
    )
