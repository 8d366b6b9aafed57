"""The stream primitives of the weight files, on the openings that are documented and on generated values."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.conversion.dat_stream import DatStream
from models.conversion.landmark_stream import read_landmarks
from models.conversion.network_stream import detector_type, embedder_type, read_detector, read_embedder
from models.errors import ConversionFault


def packed_integer(value: int) -> bytes:
    magnitude = abs(value)
    raw = magnitude.to_bytes(max((magnitude.bit_length() + 7) // 8, 1), "little")
    return bytes([len(raw) | (0x80 if value < 0 else 0)]) + raw


def packed_number(value: float) -> bytes:
    mantissa, exponent = math.frexp(value)
    return packed_integer(int(mantissa * 2**53)) + packed_integer(exponent - 53)


@given(st.integers(-(2**63) + 1, 2**63 - 1))
def test_integers_survive(value):
    stream = DatStream(packed_integer(value))
    assert stream.integer() == value
    stream.close()


@given(st.lists(st.floats(-1e6, 1e6).filter(lambda v: v == 0 or abs(v) > 1e-200), min_size=1, max_size=8))
def test_numbers_one_by_one_and_in_bulk_agree(values):
    content = b"".join(packed_number(value) for value in values)
    stream = DatStream(content)
    single = [stream.number() for _ in values]
    stream.close()
    bulk = DatStream(content).numbers(len(values))
    assert single == values
    assert bulk.tolist() == np.array(values, dtype=np.float32).tolist()


@given(st.binary(max_size=64))
def test_any_bytes_are_read_or_refused_with_a_code(content):
    for reader in (read_embedder, read_detector, read_landmarks):
        with pytest.raises(ConversionFault) as refusal:
            reader(content)
        assert refusal.value.code == "MD-CON-003"


def test_documented_openings():
    embedder = DatStream(b"\x01\x01\x01\x0dloss_metric_2\x03\x0a\xd7\xa3\x81\x1c")
    assert embedder.integer() == 1
    assert embedder.text() == "loss_metric_2"
    assert embedder.number() == pytest.approx(0.04, abs=1e-8)
    landmarks = DatStream(b"\x01\x01\x81\x0a\x81\x01\x03\x6e\xb8\xc6\x81\x18")
    assert (landmarks.integer(), landmarks.integer(), landmarks.integer()) == (1, -10, -1)
    assert landmarks.number() == pytest.approx(0.77625, abs=1e-5)


def test_special_exponents_mean_infinity_and_nan():
    assert DatStream(packed_integer(0) + packed_integer(32000)).number() == math.inf
    assert DatStream(packed_integer(0) + packed_integer(32001)).number() == -math.inf
    assert math.isnan(DatStream(packed_integer(0) + packed_integer(32002)).number())


@pytest.mark.parametrize("content", [b"", b"\x00", b"\x09" + bytes(9), b"\x71\x01", b"\x02\x01"])
def test_malformed_integers_are_refused(content):
    with pytest.raises(ConversionFault, match="at byte"):
        DatStream(content).integer()


def test_tensor_booleans_and_left_over_bytes():
    values = struct.pack("<4f", 1, 2, 3, 4)
    content = b"".join(packed_integer(value) for value in (2, 1, 1, 2, 2)) + values + b"1"
    stream = DatStream(content)
    assert stream.tensor().tolist() == [[[[1, 2], [3, 4]]]]
    with pytest.raises(ConversionFault, match="1 bytes left over"):
        stream.close()
    assert stream.boolean() is True
    stream.close()
    with pytest.raises(ConversionFault, match="no boolean"):
        DatStream(b"2").boolean()
    with pytest.raises(ConversionFault, match="too early"):
        DatStream(content[:-4]).tensor()
    huge = b"".join(packed_integer(value) for value in (2, 1 << 27, 1 << 27, 1, 1))
    with pytest.raises(ConversionFault, match="a tensor of"):
        DatStream(huge).tensor()


def test_layer_lists_have_the_documented_counts():
    kinds = [layer.kind for layer in embedder_type()]
    assert [kinds.count(kind) for kind in ("con", "affine", "relu", "add_prev", "avg_pool", "max_pool", "fc")] == [
        29,
        29,
        29,
        14,
        5,
        1,
        1,
    ]
    assert [layer.kind for layer in detector_type()].count("con") == 7
