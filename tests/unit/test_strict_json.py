"""Strict JSON: one meaning or a typed refusal."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from central_sync.errors import StrictJsonError
from central_sync.strict_json import dumps, load_object, loads

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=5)
    ),
    max_leaves=20,
)


@given(values)
def test_what_dumps_writes_loads_reads(value):
    assert loads(dumps(value)) == value
    assert dumps(loads(dumps(value))) == dumps(value)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_with_a_code(junk):
    refusal = None
    try:
        value = loads(junk)
    except StrictJsonError as error:
        refusal = error
    if refusal is None:
        assert value == json.loads(junk.decode())
    else:
        assert refusal.code.startswith("CS-JSN-")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"grant":false,"grant":true}', "CS-JSN-004"),
        ('[{"a":{"b":1,"b":1}}]', "CS-JSN-004"),
        ("NaN", "CS-JSN-005"),
        ("[Infinity]", "CS-JSN-005"),
        ("-Infinity", "CS-JSN-005"),
        ("1e999", "CS-JSN-005"),
        ("9223372036854775808", "CS-JSN-005"),
        ("1" * 5000, "CS-JSN-005"),
        ("[" * 33 + "]" * 33, "CS-JSN-003"),
        ("[" * 100_000, "CS-JSN-003"),
        ('"' + "a" * 1_000_000 + '"', "CS-JSN-002"),
        ("", "CS-JSN-001"),
        ("{'a':1}", "CS-JSN-001"),
        ("[1,]", "CS-JSN-001"),
        ("1 2", "CS-JSN-001"),
        ('"\\ud800"', "CS-JSN-001"),
        ("\ufeff{}", "CS-JSN-001"),
        (b"\xff", "CS-JSN-001"),
        (b'"\xed\xa0\x80"', "CS-JSN-001"),
    ],
)
def test_what_could_mean_two_things_is_refused(text, code):
    with pytest.raises(StrictJsonError) as refusal:
        loads(text)
    assert refusal.value.code == code


def test_limits_are_inclusive_and_brackets_in_strings_do_not_count():
    assert loads("[" * 32 + "]" * 32)
    assert loads(json.dumps("[" * 500)) == "[" * 500
    assert loads(json.dumps('\\"[' * 500)) == '\\"[' * 500
    assert loads("12345", max_bytes=5) == 12345
    assert loads("9223372036854775807") == 2**63 - 1


def test_hostile_quoting_costs_linear_time():
    began = time.process_time()
    for text in ('"\\' * 400_000, '"' + '\\"' * 400_000, '"a' * 400_000):
        with pytest.raises(StrictJsonError):
            loads(text)
    assert time.process_time() - began < 2.0


def test_only_objects_where_an_object_is_due():
    assert load_object('{"a":1}') == {"a": 1}
    with pytest.raises(StrictJsonError):
        load_object("[]")


@pytest.mark.parametrize("value", [float("nan"), {"a": [float("inf")]}, 2**63, {1: "a"}, "\ud800", {"a": object()}])
def test_dumps_refuses_what_loads_would(value):
    with pytest.raises(StrictJsonError):
        dumps(value)


def test_canonical_form():
    assert dumps({"b": 1, "a": ["é", 1.5, None]}) == '{"a":["é",1.5,null],"b":1}'.encode()
