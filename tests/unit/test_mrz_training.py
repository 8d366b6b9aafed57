"""What the recogniser of zones is taught with: the same strips from the same seed, readable ones, and torch nowhere but there."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import models
from models.mrz_reader.symbols import CLASSES, SYMBOLS
from models.training.batches import BATCH, batch
from models.training.glyphs import CAP_HEIGHT_PX, glyph_sheets
from models.training.strip_text import LONGEST, SHORTEST, strip_text
from tests.bench.mrz_pages import OCR_B, OCR_B_SHARP

SEED = 31


@given(seed=st.integers(0, 2**32 - 1))
def test_a_strip_holds_ten_to_fourteen_symbols_of_a_zone(seed):
    text = strip_text(np.random.default_rng(seed))
    assert SHORTEST <= len(text) <= LONGEST
    assert set(text) <= set(SYMBOLS)


def test_all_symbols_and_equal_neighbours_are_taught():
    texts = [strip_text(np.random.default_rng(seed)) for seed in range(600)]
    assert {symbol for text in texts for symbol in text} == set(SYMBOLS)
    assert sum(first == second == "<" for text in texts for first, second in pairwise(text)) > 500


@pytest.fixture(scope="module")
def sheets():
    return glyph_sheets((OCR_B, OCR_B_SHARP))


@pytest.mark.ocr_b
def test_a_sheet_has_ink_for_every_symbol(sheets):
    for sheet in sheets:
        assert set(sheet.masks) == set(SYMBOLS)
        assert all(mask.shape[0] == 2 * CAP_HEIGHT_PX and mask.max() == 1 for mask in sheet.masks.values())


@pytest.mark.ocr_b
def test_a_batch_is_the_same_whoever_makes_it_and_fits_the_network(sheets):
    first, again, next_one = (batch(sheets, (10, 4), SEED, index) for index in (3, 3, 4))
    assert np.array_equal(first.strips, again.strips)
    assert np.array_equal(first.classes, again.classes)
    assert first.strips.shape != next_one.strips.shape or not np.array_equal(first.strips, next_one.strips)
    assert first.strips.shape[:3] == (BATCH, 1, 32)
    assert np.abs(first.strips).max() <= 1
    assert first.lengths.sum() == len(first.classes)
    assert first.classes.min() >= 1
    assert first.classes.max() < CLASSES
    assert (first.widths // 4 >= 2 * first.lengths).all(), "two steps a symbol: equal neighbours need a blank between"


def test_only_the_training_imports_torch():
    folder = Path(models.__file__).parent
    importing = {
        path.relative_to(folder).parts[0] for path in folder.rglob("*.py") if "import torch" in path.read_text("utf-8")
    }
    assert importing == {"training"}
