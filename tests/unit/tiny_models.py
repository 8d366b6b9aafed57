"""Tiny ONNX models with the layouts that operators plug in, and their manifests. They know nothing of faces: each answers to a colour."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

ARCFACE_TEMPLATE = {
    "right_eye": (38.2946, 51.6963),
    "left_eye": (73.5318, 51.5014),
    "nose_tip": (56.0252, 71.7366),
    "mouth_right": (41.5493, 92.3655),
    "mouth_left": (70.7299, 92.2041),
}
YUNET_POINTS = ((-1.0, -1.0), (2.0, -1.0), (0.5, 0.5), (-0.5, 1.5), (1.5, 1.5))  # in cells, from the cell's corner
YUNET_SIZE = (6.0, 8.0)  # width and height in cells
DIMENSION = 48


def _model(name, nodes, inputs, outputs, constants):
    graph = helper.make_graph(
        nodes, name, inputs, outputs, [numpy_helper.from_array(v, k) for k, v in constants.items()]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    return model.SerializeToString()


def _float(name, shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def yunet(sides=(None, None), *, without=(), box_values=4):
    """A detector that finds a face at every white cell of 8 x 8 px, and at no other."""
    constants = {
        "every": np.array([1, -1, 1], np.int64),
        "part": np.array(1 / 250, np.float32),  # white gives more than 1: decoders clamp
        "nothing": np.array(0, np.float32),
        "box": np.array([0.5, 0.5, *np.log(YUNET_SIZE)][:box_values], np.float32).reshape(1, 1, -1),
        "marks": np.array(YUNET_POINTS, np.float32).reshape(1, 1, 10),
    }
    nodes = [helper.make_node("ReduceMean", ["input"], ["grey"], axes=[1], keepdims=1)]
    for stride in (8, 16, 32):
        pool = {"kernel_shape": [stride, stride], "strides": [stride, stride]}
        nodes += [
            helper.make_node("AveragePool", ["grey"], [f"cells_{stride}"], **pool),
            helper.make_node("Mul", [f"cells_{stride}", "part"], [f"shares_{stride}"]),
            helper.make_node("Reshape", [f"shares_{stride}", "every"], [f"cls_{stride}"]),
            helper.make_node("Mul", [f"cls_{stride}", f"cls_{stride}"], [f"obj_{stride}"]),
            helper.make_node("Mul", [f"cls_{stride}", "nothing"], [f"zero_{stride}"]),
            helper.make_node("Add", [f"zero_{stride}", "box"], [f"bbox_{stride}"]),
            helper.make_node("Add", [f"zero_{stride}", "marks"], [f"kps_{stride}"]),
        ]
    sizes = {"cls": 1, "obj": 1, "bbox": box_values, "kps": 10}
    outputs = [
        _float(f"{kind}_{stride}", [1, None, size])
        for kind, size in sizes.items()
        for stride in (8, 16, 32)
        if f"{kind}_{stride}" not in without
    ]
    return _model("yunet", nodes, [_float("input", [1, 3, *sides])], outputs, constants)


def embedder(side=112, dimension=DIMENSION, batch=None, layout="NCHW"):
    """An embedder whose features are the means of 4 x 4 fields per channel."""
    field = side // 4
    nodes = []
    shape, source = [batch, 3, side, side], "chip"
    if layout == "NHWC":
        shape, source = [batch, side, side, 3], "turned"
        nodes.append(helper.make_node("Transpose", ["chip"], ["turned"], perm=[0, 3, 1, 2]))
    nodes += [
        helper.make_node("AveragePool", [source], ["fields"], kernel_shape=[field, field], strides=[field, field]),
        helper.make_node("Flatten", ["fields"], ["all"]),
        helper.make_node("Slice", ["all", "start", "stop", "axis"], ["features"]),
    ]
    constants = {
        "start": np.array([0], np.int64),
        "stop": np.array([dimension], np.int64),
        "axis": np.array([1], np.int64),
    }
    return _model("embedder", nodes, [_float("chip", shape)], [_float("features", [batch, dimension])], constants)


def minifasnet(side=80):
    """An attack detector with the means of blue, green and red, over 32, as its three logits: green is bona fide."""
    nodes = [
        helper.make_node("GlobalAveragePool", ["input"], ["means"]),
        helper.make_node("Flatten", ["means"], ["flat"]),
        helper.make_node("Mul", ["flat", "part"], ["output"]),
    ]
    constants = {"part": np.array(1 / 32, np.float32)}
    return _model("minifasnet", nodes, [_float("input", [1, 3, side, side])], [_float("output", [1, 3])], constants)


def brightness(side=64):
    """A quality model: the mean of all values, 0-255."""
    nodes = [
        helper.make_node("ReduceMean", ["chip"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Reshape", ["mean", "column"], ["quality"]),
    ]
    constants = {"column": np.array([-1, 1], np.int64)}
    return _model("quality", nodes, [_float("chip", [1, 3, side, side])], [_float("quality", [1, 1])], constants)


def difference(side=64):
    """A morph model: the absolute difference of the means of two chips, 0-255."""
    nodes = [
        helper.make_node("ReduceMean", ["reference"], ["one"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("ReduceMean", ["probe"], ["other"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Sub", ["one", "other"], ["apart"]),
        helper.make_node("Abs", ["apart"], ["score"]),
    ]
    shape = [1, 3, side, side]
    return _model("morph", nodes, [_float("reference", shape), _float("probe", shape)], [_float("score", [1])], {})


def _text(model_id, role, content, sections, licence="Licence of the test"):
    head = [
        f'model_id = "{model_id}"',
        f'role = "{role}"',
        'source = "made by a test"',
        f'file = "{model_id}.onnx"',
        f'sha256 = "{hashlib.sha256(content).hexdigest()}"',
        f'licence = "{licence}"',
    ]
    return "\n".join([*head, *sections]) + "\n"


def _input(name, side, *, mean=0.0, scale=1.0, order="BGR", layout="NCHW"):
    size = list(side) if isinstance(side, tuple) else [side, side]
    return (
        f'[input]\nname = "{name}"\nsize = {size}\nlayout = "{layout}"\nchannel_order = "{order}"\n'
        f"mean = {mean}\nscale = {scale}\nrange = [0, 255]"
    )


def yunet_manifest(content, side=0, model_id="tiny-yunet"):
    return _text(model_id, "detector", content, [_input("input", side), '[output]\ndecoder = "yunet"'])


def embedder_manifest(
    content, model_id="tiny-arcface", side=112, dimension=DIMENSION, template=None, layout="NCHW", extra=""
):
    points = "\n".join(f"{name} = {list(place)}" for name, place in (template or ARCFACE_TEMPLATE).items())
    return _text(
        model_id,
        "embedder",
        content,
        [
            _input("chip", side, mean=127.5, scale=1 / 127.5, order="RGB", layout=layout),
            f'[alignment]\nrule = "similarity"\nchip_px = {side}\n[alignment.template]\n{points}',
            f'[output]\ndecoder = "embedding"\nmetric = "cosine"\ndimension = {dimension}\nnormalise = true',
            extra,
        ],
    )


def attack_manifest(content, model_id="tiny-fas-2.7", crop_scale=2.7, ensemble="minifasnet", extra="", live_index=1):
    return _text(
        model_id,
        "attack_detector",
        content,
        [
            _input("input", 80),
            '[output]\ndecoder = "minifasnet"\ndimension = 3',
            (
                f'[attack]\ncrop_scale = {crop_scale}\nlive_index = {live_index}\ncombine = "mean"\n'
                f'applies_to = ["print", "screen"]\nensemble = "{ensemble}"'
            ),
            extra,
        ],
    )


def quality_manifest(content, model_id="tiny-quality"):
    return _text(
        model_id,
        "quality",
        content,
        [
            _input("chip", 64),
            (
                '[alignment]\nrule = "similarity"\nchip_px = 64\n[alignment.template]\nright_eye = [20, 24]\n'
                "left_eye = [44, 24]\nnose_tip = [32, 40]"
            ),
            '[output]\ndecoder = "chip_score"\nrange = [0, 255]',
        ],
    )


def morph_manifest(content, model_id="tiny-morph"):
    return (
        quality_manifest(content, model_id)
        .replace('"quality"', '"morph_detector"')
        .replace('"chip_score"', '"pair_score"')
        .replace('name = "chip"', 'name = "reference"')
    )


def put(folder: Path, text: str, content: bytes) -> Path:
    """Write a manifest and its model; return the manifest's path."""
    name = text.split('file = "')[1].split('"', maxsplit=1)[0]
    (folder / name).write_bytes(content)
    path = folder / f"{Path(name).stem}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def scene(cells, width=320, height=256):
    """A black picture with white cells of 8 x 8 px at (column, row)."""
    image = np.zeros((height, width, 3), np.uint8)
    for column, row in cells:
        image[8 * row : 8 * row + 8, 8 * column : 8 * column + 8] = 255
    return image


def expected_box(column, row):
    """Left, top, width, height of the face that the tiny detector finds at a cell."""
    width, height = (8 * size for size in YUNET_SIZE)
    return 8 * (column + 0.5) - width / 2, 8 * (row + 0.5) - height / 2, width, height
