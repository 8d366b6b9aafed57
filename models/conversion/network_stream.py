"""The two networks as dlib wrote them: layer lists coded from the C++ types, read in the order of the stream.

Order: loss; versions from the outermost layer inwards; the input layer; then details from the innermost layer outwards.
Types: `anet_type` (embedder) and `net_type` (detector) of dlib's Python binding.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.conversion.constants import RGB_MEANS
from models.conversion.dat_stream import DatStream

Values = NDArray[np.float32] | NDArray[np.float64]
_COMPUTING = frozenset({"con", "affine", "bn", "relu", "max_pool", "avg_pool", "add_prev", "fc"})


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer, innermost first. `kind` is `tag` or `skip` for bookkeeping layers; `tag` names the joint that it belongs to."""

    kind: str
    tag: int = 0
    window: tuple[int, int] = (0, 0)
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    weights: Values = field(default_factory=lambda: np.zeros(0, np.float32))
    shift: Values = field(default_factory=lambda: np.zeros(0, np.float32))


def _block(stride: int) -> list[Layer]:
    con = Layer("con", window=(3, 3))
    first = Layer("con", window=(3, 3), stride=(stride, stride))
    return [first, Layer("affine"), Layer("relu"), con, Layer("affine")]


def _residual() -> list[Layer]:
    return [Layer("tag", 1), *_block(1), Layer("add_prev", 1), Layer("relu")]


def _down() -> list[Layer]:
    pool = Layer("avg_pool", window=(2, 2), stride=(2, 2))
    return [Layer("tag", 1), *_block(2), Layer("tag", 2), Layer("skip", 1), pool, Layer("add_prev", 2), Layer("relu")]


def embedder_type() -> list[Layer]:
    """Return the embedder's layers, innermost first, without weights."""
    layers = [Layer("con", window=(7, 7), stride=(2, 2)), Layer("affine"), Layer("relu")]
    layers.append(Layer("max_pool", window=(3, 3), stride=(2, 2)))
    layers += _residual() * 3
    for residuals in (3, 2, 2, 0):
        layers += _down() + _residual() * residuals
    return [*layers, Layer("avg_pool"), Layer("fc")]


def detector_type() -> list[Layer]:
    """Return the detector's layers, innermost first, without weights."""
    layers: list[Layer] = []
    for _ in range(3):
        layers += [Layer("con", window=(5, 5), stride=(2, 2)), Layer("bn"), Layer("relu")]
    for _ in range(3):
        layers += [Layer("con", window=(5, 5)), Layer("bn"), Layer("relu")]
    return [*layers, Layer("con", window=(9, 9))]


def _two(stream: DatStream) -> tuple[int, int]:
    return stream.count(4096), stream.count(4096)


def _con(stream: DatStream, expected: Layer) -> Layer:
    stream.expect_tag("con_4")
    parameters = stream.tensor().ravel()
    filters = stream.count()
    window, stride, padding = _two(stream), _two(stream), _two(stream)
    shape = stream.alias()
    biases = stream.alias()
    for _ in range(4):
        stream.number()
    if (window, stride) != (expected.window, expected.stride) or shape[0] != filters or shape[2:] != window:
        raise stream.fault(
            f"a convolution {window} stride {stride}, expected {expected.window} stride {expected.stride}"
        )
    size = int(np.prod(shape))
    if parameters.size != size + filters or int(np.prod(biases)) != filters:
        raise stream.fault("a convolution whose parameters do not fit its sizes")
    weights = parameters[:size].reshape(shape)
    return Layer("con", 0, window, stride, padding, weights, parameters[size:])


def _affine(stream: DatStream) -> Layer:
    stream.expect_tag("affine_")
    parameters = stream.tensor().ravel()
    gamma, beta = int(np.prod(stream.alias())), int(np.prod(stream.alias()))
    stream.integer()
    if gamma != beta or parameters.size != gamma + beta:
        raise stream.fault("an affine layer whose parameters do not fit its sizes")
    return Layer("affine", weights=parameters[:gamma], shift=parameters[gamma:])


def _bn(stream: DatStream) -> Layer:
    """Batch normalisation as trained, turned into scale and shift by its running statistics."""
    stream.expect_tag("bn_con2")
    parameters = stream.tensor().ravel().astype(np.float64)
    channels = int(np.prod(stream.alias()))
    stream.alias()
    _means, _stds, running_means, running_variances = (stream.tensor().ravel().astype(np.float64) for _ in range(4))
    stream.integer()
    stream.integer()
    for _ in range(4):
        stream.number()
    eps = stream.number()
    if parameters.size != 2 * channels or running_means.size != channels or running_variances.size != channels:
        raise stream.fault("a batch normalisation whose parameters do not fit its sizes")
    scale = parameters[:channels] / np.sqrt(running_variances + eps)
    shift = parameters[channels:] - scale * running_means
    return Layer("bn", weights=scale, shift=shift)


def _pool(stream: DatStream, expected: Layer) -> Layer:
    stream.expect_tag(f"{expected.kind}_2")
    window, stride, padding = _two(stream), _two(stream), _two(stream)
    if window != expected.window or (window != (0, 0) and stride != expected.stride):
        raise stream.fault(f"a pool {window} stride {stride}, expected {expected.window} stride {expected.stride}")
    return Layer(expected.kind, 0, window, stride, padding)


def _fc(stream: DatStream) -> Layer:
    stream.expect_tag("fc_2")
    outputs, inputs = stream.count(), stream.count()
    parameters = stream.tensor().ravel()
    stream.alias()
    stream.alias()
    stream.expect_integer(1, "bias mode of the last layer (1 = none)")
    for _ in range(4):
        stream.number()
    if parameters.size != outputs * inputs:
        raise stream.fault("a last layer whose parameters do not fit its sizes")
    return Layer("fc", weights=parameters.reshape(inputs, outputs))


def _details(stream: DatStream, expected: Layer) -> Layer:
    if expected.kind == "con":
        return _con(stream, expected)
    if expected.kind == "affine":
        return _affine(stream)
    if expected.kind == "bn":
        return _bn(stream)
    if expected.kind in {"max_pool", "avg_pool"}:
        return _pool(stream, expected)
    if expected.kind == "fc":
        return _fc(stream)
    stream.expect_tag(f"{expected.kind}_")  # relu_ and add_prev_ have no details
    return expected


def _empty_tensor(stream: DatStream) -> None:
    if stream.tensor().size:
        raise stream.fault("a training tensor that should be empty")


def read_layers(stream: DatStream, expected: list[Layer]) -> list[Layer]:
    """Read all layers after the loss; return them innermost first, with weights. `input_*` checks are the caller's."""
    versions: list[int] = []
    for layer in reversed(expected[1:]):
        version = stream.integer()
        if version not in ((1, 2) if layer.kind in _COMPUTING else (1,)):
            raise stream.fault(f"layer version {version}")
        versions.append(version)
    versions.reverse()
    stream.expect_integer(3, "version of the innermost layer")
    _read_input(stream)
    layers: list[Layer] = []
    for index, layer in enumerate(expected):
        if layer.kind not in _COMPUTING:
            layers.append(layer)
            continue
        layers.append(_details(stream, layer))
        for _ in range(3):
            stream.boolean()
        for _ in range(3 if index == 0 or versions[index - 1] == 2 else 2):
            _empty_tensor(stream)
        if index == 0:
            stream.expect_integer(1, "sample expansion")
    return layers


def _read_input(stream: DatStream) -> None:
    tag = stream.expect_tag("input_rgb_image_sized", "input_rgb_image_pyramid")
    for mean in RGB_MEANS:
        found = stream.number()
        if abs(found - mean) > 1e-3:
            raise stream.fault(f"input mean {found}, expected {mean}")
    if tag == "input_rgb_image_sized":
        stream.expect_integer(150, "input rows")
        stream.expect_integer(150, "input columns")


def read_embedder(content: bytes) -> list[Layer]:
    """Return the embedder's layers, innermost first. Raises `ConversionFault` for anything but that network."""
    stream = DatStream(content)
    stream.expect_integer(1, "network version")
    stream.expect_tag("loss_metric_2")
    stream.number()
    stream.number()
    layers = read_layers(stream, embedder_type())
    stream.close()
    return layers


def read_detector(content: bytes) -> list[Layer]:
    """Return the detector's layers, innermost first. Raises `ConversionFault` for anything but that network."""
    stream = DatStream(content)
    stream.expect_integer(1, "network version")
    stream.expect_tag("loss_mmod_")
    stream.expect_integer(1, "detector options version")
    stream.expect_integer(80, "window width")
    stream.expect_integer(80, "window height")
    for _ in range(7):
        stream.number()
    layers = read_layers(stream, detector_type())
    stream.close()
    return layers
