"""A cohort stands for people and holds none: components of fifteen or more, drawn vectors, sums that cannot be taken apart."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.calibration_shelf import cohort_of, released_records
from models.cohort import SMALLEST_COMPONENT, CohortModel, CohortSums, dump, fit, parse
from models.errors import CalibrationRefused
from models.pins import pinned_content

DIMENSION = 24


def people(count, seed=1, dimension=DIMENSION, groups=6):
    """Unit-length features of so many people in a few unequal groups, one row each."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(groups, dimension))
    group = rng.choice(groups, count, p=np.arange(1, groups + 1) / sum(range(1, groups + 1)))
    rows = 1.5 * centres[group] + rng.normal(size=(count, dimension))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@settings(max_examples=40)
@given(st.integers(SMALLEST_COMPONENT, 400), st.integers(1, 40), st.integers(0, 5))
def test_every_component_covers_fifteen_people_or_more(count, components, seed):
    model = fit(people(count, seed), components, seed)
    assert (model.weights * count).min() >= SMALLEST_COMPONENT - 1e-6
    assert model.weights.sum() == pytest.approx(1)
    assert model.people == count
    assert 1 <= len(model.weights) <= components
    assert parse(dump(model), "again").people == count


def test_the_mixture_is_what_its_definition_says():
    features = people(200)
    model = fit(features, 4, seed=2)
    directions = model.means / np.linalg.norm(model.means, axis=1, keepdims=True)
    nearest = (features @ directions.T).argmax(axis=1)
    scatter = np.zeros((DIMENSION, DIMENSION))
    for number in range(len(model.weights)):
        own = features[nearest == number]
        assert len(own) == pytest.approx(model.weights[number] * 200)
        assert model.means[number] == pytest.approx(own.mean(axis=0))
        scatter += (own - own.mean(axis=0)).T @ (own - own.mean(axis=0))
    assert model.covariance == pytest.approx(scatter / (200 - len(model.weights)))


@settings(max_examples=30)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=8), st.integers(0, 3))
def test_sums_taken_in_parts_give_the_mixture_of_all_at_once(parts, seed):
    """A site that adds people one visit at a time gets what a fit around the same components would give."""
    count = max(sum(parts), SMALLEST_COMPONENT)
    features, anchors = people(count, seed), people(5, 99)
    at_once, in_parts = CohortSums.around(anchors), CohortSums.around(anchors)
    at_once.add(features)
    start = 0
    for size in [*parts, count - sum(parts)]:
        in_parts.add(features[start : start + size])
        start += size
    one, other = at_once.model(), in_parts.model()
    assert one.people == other.people == count
    for name in ("means", "weights", "covariance"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), abs=1e-12)


def test_refitting_around_the_mixtures_own_components_changes_little():
    features = people(300)
    model = fit(features, 6, seed=1)
    sums = CohortSums.around(model.means)
    sums.add(features)
    assert sums.model().means == pytest.approx(model.means, abs=1e-9)
    assert sums.model().covariance == pytest.approx(model.covariance, abs=1e-9)


def test_small_components_are_joined_with_the_nearest():
    anchors = np.eye(3)
    near = np.array([[0.8, 0.6, 0.0]])
    sums = CohortSums.around(anchors)
    sums.add(np.repeat(anchors[:1], 40, axis=0))
    sums.add(np.repeat(near / np.linalg.norm(near), 14, axis=0))  # nearest to the first as well
    sums.add(np.array([[0.6, 0.8, 0.0]]).repeat(14, axis=0))  # a component of 14: joins the first, not the third
    sums.add(np.repeat(anchors[2:], 20, axis=0))
    model = sums.model()
    assert sorted((model.weights * model.people).round().astype(int).tolist()) == [20, 68]
    assert model.means[model.weights.argmin()] == pytest.approx([0, 0, 1])


def test_a_drawn_cohort_is_the_same_in_every_call_and_another_for_another_seed():
    model = fit(people(120), 4)
    one, again, other = model.sample(500, 3), model.sample(500, 3), model.sample(500, 4)
    assert np.array_equal(one.vectors, again.vectors)
    assert one.cohort_id == again.cohort_id != other.cohort_id
    assert not np.array_equal(one.vectors, other.vectors)
    assert one.vectors.dtype == np.float32
    assert np.linalg.norm(one.vectors, axis=1) == pytest.approx(1, abs=1e-6)
    assert model.sample(400, 3).cohort_id != one.cohort_id


def test_a_drawn_cohort_has_the_mixtures_weights_means_and_spread():
    features = people(400, groups=2, dimension=8)
    model = fit(features, 2, seed=1)
    drawn = model.sample(40_000, 1).vectors.astype(np.float64)
    nearest = (drawn @ model.means.T).argmax(axis=1)
    shares = np.bincount(nearest, minlength=2) / len(drawn)
    assert shares == pytest.approx(model.weights, abs=0.05)
    assert drawn.mean(axis=0) == pytest.approx(features.mean(axis=0), abs=0.05)


def test_reading_gives_the_mixture_and_the_cohort_that_was_written():
    model = fit(people(150), 5)
    read = parse(dump(model), "written")
    assert dump(read) == dump(model)
    assert read.model_hash() == model.model_hash()
    assert np.array_equal(read.sample(50).vectors, parse(dump(read), "again").sample(50).vectors)


@pytest.mark.parametrize("count", [SMALLEST_COMPONENT, 16, 20, 40])
def test_few_people_still_give_a_cohort_that_can_be_drawn(count):
    """Fewer people than values: the covariance has no full rank, and the file keeps single precision only."""
    for seed in range(5):
        model = parse(dump(fit(people(count, seed, dimension=128), 4, seed)), "few")
        assert np.isfinite(model.sample(64).vectors).all()


@settings(max_examples=20)
@given(st.integers(SMALLEST_COMPONENT, 200), st.integers(0, 9))
def test_nobody_is_found_in_a_cohort(count, seed):
    """Neither the file nor what is drawn of it holds anybody's features, at any scale of their values."""
    features = people(count, seed, dimension=64)
    model = fit(features, 6, seed)
    content = dump(model)
    for kind in ("<f4", "<f8"):
        for row in features.astype(kind):
            assert row.tobytes()[32:56] not in content
    held = np.vstack((model.means, model.covariance, model.sample(500, seed).vectors))
    held = held / np.linalg.norm(held, axis=1, keepdims=True)
    assert (features @ held.T).max() < 0.999


def test_the_search_for_people_would_find_one():
    features = people(40, dimension=64)
    leaking = CohortModel(np.vstack((features[:1], features[1:].mean(axis=0))), np.full(2, 0.5), np.eye(64), 40)
    assert features[0].astype("<f4").tobytes()[32:56] in dump(leaking)
    assert (features @ leaking.means.T).max() > 0.999


@pytest.mark.parametrize(
    ("features", "code"),
    [
        (people(SMALLEST_COMPONENT - 1), "MD-COH-001"),
        (np.zeros((0, DIMENSION)), "MD-COH-001"),
        (people(40) * 1.01, "MD-COH-002"),
        (np.full((40, DIMENSION), np.nan), "MD-COH-002"),
        (people(40)[0], "MD-COH-002"),
        (people(40)[None], "MD-COH-002"),
    ],
)
def test_too_few_people_and_rows_that_are_no_features_are_refused(features, code):
    with pytest.raises(CalibrationRefused) as refusal:
        fit(features)
    assert refusal.value.code == code


def test_sums_refuse_features_of_another_length_and_stay_as_they_were():
    sums = CohortSums.around(people(4))
    for wrong in (people(3, dimension=DIMENSION + 1), people(3) * 2, people(3)[0]):
        with pytest.raises(CalibrationRefused):
            sums.add(wrong)
    assert sums.counts.sum() == 0
    assert not sums.products.any()
    with pytest.raises(CalibrationRefused) as refusal:
        sums.model()
    assert refusal.value.code == "MD-COH-001"


def written(**changes):
    model = fit(people(60), 3)
    parts = {
        "format": np.array("egate-cohort-1"),
        "means": model.means.astype("<f4"),
        "weights": model.weights,
        "covariance": model.covariance.astype("<f4"),
        "people": np.array(model.people),
    } | changes
    stream = io.BytesIO()
    np.savez(stream, **{name: part for name, part in parts.items() if part is not None})
    return stream.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04",
        b"[cohort]",
        written()[:-40],
        written().replace(b"means", b"beans"),
        written(format=np.array("egate-cohort-2")),
        written(means=None),
        written(people=None),
        written(people=np.array("many")),
        written(people=np.array(20)),  # three components of twenty people
        written(people=np.array(-60)),
        written(weights=np.array([0.5, 0.4, 0.2])),
        written(weights=np.array([0.5, 0.5])),
        written(weights=np.array([np.nan, 0.5, 0.5])),
        written(means=np.zeros(DIMENSION)),
        written(means=np.full((3, DIMENSION), np.inf)),
        written(covariance=np.eye(DIMENSION - 1)),
        written(covariance=-np.eye(DIMENSION)),
        written(covariance=np.array(object(), dtype=object)),
    ],
)
def test_malformed_files_are_refused_by_name(content):
    assert parse(written(), "whole").people == 60
    with pytest.raises(CalibrationRefused, match=r"cohort broken\.cohort") as refusal:
        parse(content, "broken.cohort")
    assert refusal.value.code == "MD-COH-003"


def test_the_released_cohorts_are_the_ones_their_records_name():
    """The record pins the file; drawn, it is the cohort that the thresholds were measured with."""
    for record in released_records():
        if record.cohort is None:
            continue
        model = parse(pinned_content("cohorts", record.cohort.file), record.cohort.file)
        assert (model.weights * model.people).min() >= SMALLEST_COMPONENT - 0.5
        cohort = cohort_of(record)
        assert cohort.cohort_id == f"{record.cohort.sha256[:16]}-{record.cohort.vectors}-{record.cohort.seed}"
        assert len(cohort.vectors) == record.cohort.vectors
