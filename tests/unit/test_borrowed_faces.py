"""A worker holds few transactions, for a short time, and what they leave behind is overwritten."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from models.borrowed_faces import LARGEST_NUMBER, LONGEST_IDLE_S, BorrowedFaces


class Clock:
    now_s = 1000.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def faces(clock):
    sampler = SimpleNamespace(chain=SimpleNamespace(finder=None, attack_models=(), morph_model=None))
    return BorrowedFaces(sampler, None, clock)


def filled(faces, name):
    """Begin a transaction as if it had taken a reference; return its features."""
    held = faces.of(name)
    held.reference_features = np.ones(8, dtype=np.float32)
    return held.reference_features


def test_a_transaction_is_found_again_and_looking_begins_none(faces):
    assert faces.peek("a") is None
    held = faces.of("a")
    assert faces.of("a") is held is faces.peek("a")
    assert faces.of("b") is not held
    assert len(faces) == 2


def test_forgetting_wipes_and_says_whether_there_was_anything(faces):
    features, other = filled(faces, "a"), filled(faces, "b")
    assert faces.forget("a") is True
    assert not features.any()
    assert other.all()
    assert (len(faces), faces.peek("a")) == (1, None)
    assert faces.forget("a") is False


def test_the_one_used_longest_ago_makes_room_and_is_wiped(faces):
    held = {number: filled(faces, str(number)) for number in range(LARGEST_NUMBER)}
    faces.of("0")  # used again: the second is the oldest now
    filled(faces, "new")
    assert len(faces) == LARGEST_NUMBER
    assert faces.peek("1") is None
    assert not held[1].any()
    assert held[0].all()


def test_idle_ones_are_wiped_when_the_next_one_comes(faces, clock):
    idle, busy = filled(faces, "idle"), filled(faces, "busy")
    clock.now_s += LONGEST_IDLE_S
    faces.of("busy")
    assert idle.all()
    clock.now_s += 1
    faces.of("next")
    assert not idle.any()
    assert busy.all()
    assert faces.peek("idle") is None


def test_one_that_was_idle_too_long_begins_anew_when_it_is_asked_for(faces, clock):
    features = filled(faces, "a")
    before = faces.peek("a")
    clock.now_s += LONGEST_IDLE_S + 1
    assert faces.of("a") is not before
    assert not features.any()


def test_the_frame_buffer_is_one_and_is_overwritten(faces):
    buffer = faces.frame_buffer(100)
    buffer[:] = 7
    assert len(buffer) == 100
    assert len(faces.frame_buffer(40)) == 40
    assert np.shares_memory(faces.frame_buffer(40), buffer)
    larger = faces.frame_buffer(200)
    assert not buffer.any()  # the smaller one does not go with a face in it
    assert not larger.any()
    larger[:] = 9
    filled(faces, "a")
    faces.forget("a")
    assert not larger.any()


def test_forgetting_all(faces):
    held = [filled(faces, str(number)) for number in range(5)]
    faces.forget_all()
    assert len(faces) == 0
    assert not any(features.any() for features in held)
