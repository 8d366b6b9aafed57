"""Pages are told whole or not at all: parts in any order, files cut at any place, lines in any form."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.contracts import DeviceEvent, DocumentImage, DocumentPresented, DocumentRemoved, MrzRead, ReadFailed
from drivers.document_reader import page_part as pp
from drivers.document_reader.page_folder import PageFolder, build
from drivers.document_reader.picture_file import is_whole, media_type_of, why_refused
from gate_agent.clock import SystemClock

NOISE = np.random.default_rng(5).integers(0, 255, (60, 80, 3), dtype=np.uint8)
FILES = {
    "image/jpeg": cv2.imencode(".jpg", NOISE)[1].tobytes(),
    "progressive": cv2.imencode(".jpg", NOISE, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes(),
    "image/png": cv2.imencode(".png", NOISE)[1].tobytes(),
    "image/jp2": cv2.imencode(".jp2", NOISE)[1].tobytes(),
}
WHOLE = FILES["image/jpeg"]
LINES = (b"P<UTOSPECIMEN<<PAGE".ljust(44, b"<"), b"UT00000007UTO8001014F3001012<<<<<<<<<<<<<<02")
PICTURES = st.dictionaries(st.sampled_from(pp.ROLES), st.sampled_from([WHOLE, FILES["image/png"]]), min_size=1)
PARTS = st.one_of(
    st.sampled_from([pp.PagePart(kind) for kind in (pp.ALIVE, pp.PRESENTED, pp.REMOVED, pp.BEGIN, pp.END)]),
    st.builds(pp.PagePart, st.sampled_from(pp.ROLES), st.sampled_from([WHOLE, WHOLE[:-5], b"GIF89a"])),
    st.builds(pp.PagePart, st.just(pp.LINES), st.sampled_from([b"\n".join(LINES), b"", b"\x80"])),
    st.builds(pp.PagePart, st.just(pp.FAILED), st.binary(max_size=9)),
)


def reader(events: list[DeviceEvent]) -> PageFolder:
    return build("pages", {"path": "/nowhere", "present": "present"}, events.append, SystemClock())


def told(parts: Sequence[pp.PagePart]) -> list[object]:
    events: list[DeviceEvent] = []
    pages = reader(events)
    for count, part in enumerate(parts):
        pages.received(part.encode(), float(count))
    kinds = (DocumentPresented, DocumentRemoved, MrzRead, DocumentImage, ReadFailed)
    return [event.data for event in events if isinstance(event.data, kinds)]


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_ends_anywhere_before_its_end_is_torn(name: str) -> None:
    content = FILES[name]
    media_type = media_type_of(content)
    assert media_type == (name if name.startswith("image/") else "image/jpeg")
    assert is_whole(content, media_type)
    assert is_whole(content + b"\x00\r\n", media_type)
    assert [cut for cut in range(12, len(content) - 1) if is_whole(content[:cut], media_type)] == []
    assert why_refused(content[:-2]) == "torn: its end is missing"
    assert why_refused(content, 100) == "larger than 100 bytes"


@given(kind=st.sampled_from([pp.LINES, pp.FAILED, *pp.ROLES]), content=st.binary(max_size=50))
def test_a_part_comes_back_as_it_went(kind: str, content: bytes) -> None:
    part = pp.PagePart(kind, content)
    assert pp.part_of(part.encode()) == part


@given(pictures=PICTURES, has_lines=st.booleans(), end=st.sampled_from([b"\n", b"\r\n", b"^", b"\r"]))
def test_a_document_is_told_with_all_that_was_taken(pictures: dict[str, bytes], has_lines: bool, end: bytes) -> None:
    parts = pp.document_parts(pictures, end.join(LINES) if has_lines else None)
    presented, *others = told(parts)
    assert presented == DocumentPresented()
    read = [one for one in others if isinstance(one, MrzRead)]
    assert [one.lines for one in read] == ([tuple(line.decode() for line in LINES)] if has_lines else [])
    assert {one.role: one.content for one in others if isinstance(one, DocumentImage)} == pictures


@given(pictures=PICTURES, damaged=st.sampled_from([WHOLE[:-5], b"", b"GIF89a"]))
def test_one_picture_that_is_not_taken_keeps_all_of_them_back(pictures: dict[str, bytes], damaged: bytes) -> None:
    role = next(iter(pictures))
    presented, failed = told(pp.document_parts({**pictures, role: damaged}))
    assert presented == DocumentPresented()
    assert isinstance(failed, ReadFailed)
    assert failed.reason.startswith(role)


@given(parts=st.lists(PARTS, max_size=14))
def test_parts_in_any_order_tell_only_whole_documents(parts: list[pp.PagePart]) -> None:
    pictures = [one for one in told(parts) if isinstance(one, DocumentImage)]
    assert all(one.content == WHOLE for one in pictures)
    assert len(pictures) <= sum(part.kind in pp.ROLES and part.content == WHOLE for part in parts)
    presence = [one for one in told(parts) if isinstance(one, DocumentPresented | DocumentRemoved)]
    assert all(type(one) is not type(other) for one, other in pairwise(presence))


def test_a_document_whose_beginning_was_lost_is_nobodys() -> None:
    events: list[DeviceEvent] = []
    pages = reader(events)
    parts = [part.encode() for part in pp.document_parts({"white": WHOLE})]
    for chunk in parts[:-1]:
        pages.received(chunk, 1.0)
    pages.opened()
    pages.received(parts[-1], 2.0)
    assert not [event for event in events if isinstance(event.data, DocumentImage)]
