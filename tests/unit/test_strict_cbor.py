"""CBOR in its deterministic form: equal to what cbor2 writes canonically, and nothing else."""

from __future__ import annotations

import time

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate_agent.inspection.strict_cbor import MAXIMUM_DEPTH, CborRefused, Tagged, loads

leaves = st.integers(-(2**64), 2**64 - 1) | st.binary(max_size=40) | st.text(max_size=40)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.integers(0, 60000), inner, max_size=4),
    max_leaves=12,
)


def depth(value: object) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(depth, inner)) if inner else 0


@given(values)
def test_reads_what_the_reference_encoder_writes(value: object) -> None:
    encoded = cbor2.dumps(value, canonical=True)
    if depth(value) <= MAXIMUM_DEPTH:
        assert loads(encoded) == value
    else:
        with pytest.raises(CborRefused, match="too deep"):
            loads(encoded)


@given(st.binary(max_size=200))
def test_whatever_is_accepted_has_one_encoding(encoded: bytes) -> None:
    try:
        value = loads(encoded)
    except CborRefused:
        return
    assert cbor2.dumps(_for_cbor2(value)) == encoded


def _for_cbor2(value: object) -> object:
    if isinstance(value, Tagged):
        return cbor2.CBORTag(value.tag, _for_cbor2(value.value))
    if isinstance(value, list):
        return [_for_cbor2(item) for item in value]
    if isinstance(value, dict):
        return {key: _for_cbor2(item) for key, item in value.items()}
    return value


@pytest.mark.parametrize(
    ("encoded", "why"),
    [
        (b"", "ends too early"),
        (b"\x00\x00", "after the end"),
        (b"\x18\x05", "longer than needed"),
        (b"\x19\x00\xff", "longer than needed"),
        (b"\x1b\x00\x00\x00\x00\xff\xff\xff\xff", "longer than needed"),
        (b"\x9f\x00\xff", "indefinite"),
        (b"\x5f\x41a\xff", "indefinite"),
        (b"\x1c", "reserved"),
        (b"\xf9\x3c\x00", "floats"),
        (b"\xf6", "floats"),
        (b"\xa2\x01\x00\x01\x00", "twice"),
        (b"\xa2\x02\x00\x01\x00", "out of order"),
        (b"\xa1\x41a\x00", "neither number nor text"),
        (b"\x62\xff\xff", "UTF-8"),
        (b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff", "too early"),
        (b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff", "too early"),
        (b"\x5b\xff\xff\xff\xff\xff\xff\xff\xff", "too early"),
        (b"\x81" * 4000 + b"\x00", "too deep"),
        (b"\xc1" * 4000 + b"\x00", "too deep"),
        (b"\x99\x0f\xa0" + b"\x00" * 4000, "too many"),
    ],
)
def test_refuses(encoded: bytes, why: str) -> None:
    started = time.process_time()
    with pytest.raises(CborRefused, match=why):
        loads(encoded)
    assert time.process_time() - started < 0.05
