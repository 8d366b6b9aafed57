"""What is sealed on a gate's disk opens under its key and in its place alone."""

from __future__ import annotations

import pytest

from gate_agent.errors import StoreFault
from gate_agent.store.disk_seal import DiskSeal

SEAL = DiskSeal(bytes(range(32)))


def test_it_opens_in_its_place_and_looks_different_each_time():
    one, other = SEAL.seal(b"A. Specimen", "stop-1"), SEAL.seal(b"A. Specimen", "stop-1")
    assert SEAL.unseal(one, "stop-1") == SEAL.unseal(other, "stop-1") == b"A. Specimen"
    assert one != other
    assert b"Specimen" not in one + other


@pytest.mark.parametrize("place", range(-1, 39, 7))
def test_what_was_altered_moved_or_sealed_elsewhere_is_refused(place):
    sealed = SEAL.seal(b"A. Specimen", "stop-1")
    assert len(sealed) == 39
    altered = bytearray(sealed)
    altered[place] ^= 1
    for seal, content, where in (
        (SEAL, bytes(altered), "stop-1"),
        (SEAL, sealed[:place], "stop-1"),
        (SEAL, sealed, "stop-2"),
        (DiskSeal(bytes(32)), sealed, "stop-1"),
    ):
        with pytest.raises(StoreFault):
            seal.unseal(content, where)
