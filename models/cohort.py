"""A cohort without people: what strangers score against a face, from a mixture that holds no individual's features.

Score normalisation needs a cohort of other people. Keeping their features would keep biometric data, so only the means of a few
mixture components, their weights and one pooled covariance are kept; a component covers at least 15 people, and the cohort's
vectors are drawn from the mixture. A site refits the same mixture from sums alone (`CohortSums`): whoever is added can not be
taken out of them again.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import CalibrationRefused

SMALLEST_COMPONENT = 15
"""People that one component covers at least."""
VECTORS = 5000
"""Cohort vectors drawn by default."""
_KMEANS_STARTS, _KMEANS_ROUNDS = 4, 60
_FORMAT = "egate-cohort-1"
_RIDGE, _FEW_PEOPLE_RIDGE = 1e-9, 1e-7

Vectors = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Cohort:
    """Unit-length vectors (m, d) float32 that stand for other people, and where they come from."""

    cohort_id: str
    vectors: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class CohortModel:
    """The mixture: component means (k, d), weights (k), pooled within-component covariance (d, d), and how many people it saw."""

    means: Vectors
    weights: Vectors
    covariance: Vectors
    people: int

    def sample(self, count: int = VECTORS, seed: int = 1) -> Cohort:
        """Return a cohort of `count` vectors. The same model, count and seed give the same cohort on every machine."""
        uniform = _uniform(seed, count + 2 * count * self.means.shape[1])
        component = np.searchsorted(np.cumsum(self.weights)[:-1], uniform[:count], side="right")
        radius, turn = uniform[count:].reshape(2, count, -1)
        normal = np.sqrt(-2 * np.log(radius)) * np.cos(2 * np.pi * turn)
        factor = _root(self.covariance)
        drawn = self.means[component] + normal @ factor.T
        drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
        return Cohort(f"{self.model_hash()[:16]}-{count}-{seed}", np.ascontiguousarray(drawn, dtype=np.float32))

    def model_hash(self) -> str:
        """Return the SHA-256 of the mixture as it is saved."""
        return hashlib.sha256(dump(self)).hexdigest()


def _root(covariance: Vectors) -> Vectors:
    root: Vectors = np.linalg.cholesky(covariance + _RIDGE * np.eye(len(covariance))).astype(np.float64)
    return root


def _uniform(seed: int, count: int) -> Vectors:
    """Return numbers in (0, 1): from the bit generator's raw words, whose stream no release of the library changes."""
    words = np.random.Philox(key=seed).random_raw(count)
    return (np.asarray(words >> np.uint64(11), dtype=np.float64) + 0.5) * 2.0**-53


@dataclass(slots=True)
class CohortSums:
    """All that a site keeps to refit its cohort: per component a count and a sum, and one pooled sum of outer products.

    Start from a model's components; each person's unit-length features are added once and then forgotten.
    """

    anchors: Vectors
    counts: NDArray[np.int64]
    sums: Vectors
    products: Vectors

    @classmethod
    def around(cls, anchors: Vectors) -> CohortSums:
        """Return empty sums around component directions (k, d)."""
        components, dimension = anchors.shape
        return cls(
            _unit(anchors),
            np.zeros(components, dtype=np.int64),
            np.zeros((components, dimension)),
            np.zeros((dimension, dimension)),
        )

    def add(self, features: NDArray[Any]) -> None:
        """Add the features (n, d) of n people, one vector each."""
        vectors = _checked(features, self.anchors.shape[1])
        nearest = (vectors @ self.anchors.T).argmax(axis=1)
        np.add.at(self.counts, nearest, 1)
        np.add.at(self.sums, nearest, vectors)
        self.products += vectors.T @ vectors

    def model(self) -> CohortModel:
        """Return the mixture. Components below 15 people are joined with the nearest other one.

        Raises `CalibrationRefused` for fewer than 15 people.
        """
        counts, sums = self.counts.astype(np.float64), self.sums.copy()
        people = int(counts.sum())
        _enough(people)
        while len(counts) > 1 and counts.min() < SMALLEST_COMPONENT:
            smallest = int(counts.argmin())
            directions = _unit(np.where(counts[:, None] > 0, sums, self.anchors[: len(sums)]))
            alike = directions @ directions[smallest]
            alike[smallest] = -np.inf
            nearest = int(alike.argmax())
            sums[nearest] += sums[smallest]
            counts[nearest] += counts[smallest]
            counts, sums = np.delete(counts, smallest), np.delete(sums, smallest, axis=0)
        means = sums / counts[:, None]
        scatter = self.products - (means * counts[:, None]).T @ means
        freedom = people - len(counts)
        covariance = scatter / max(freedom, 1)
        if freedom < len(covariance):  # fewer people than directions: rounding alone could leave it without a root
            covariance = covariance + _FEW_PEOPLE_RIDGE * np.eye(len(covariance))
        return CohortModel(means, counts / people, covariance, people)


def fit(features: NDArray[Any], components: int = 16, seed: int = 0) -> CohortModel:
    """Return the mixture of unit-length features (n, d), one row per person, by spherical k-means.

    Raises `CalibrationRefused` for fewer than 15 people or rows that are no unit vectors.
    """
    vectors = _checked(features, features.shape[1] if features.ndim == 2 else 0)
    _enough(len(vectors))
    components = max(1, min(components, len(vectors) // SMALLEST_COMPONENT))
    rng = np.random.default_rng(seed)
    best: tuple[float, Vectors] | None = None
    for _ in range(_KMEANS_STARTS):
        centres = vectors[rng.choice(len(vectors), components, replace=False)]
        for _ in range(_KMEANS_ROUNDS):
            moved = _moved(vectors, centres)
            if np.allclose(moved, centres):
                break
            centres = moved
        fitness = float((vectors @ centres.T).max(axis=1).sum())
        if best is None or fitness > best[0]:
            best = (fitness, centres)
    assert best is not None, "there is at least one start"
    sums = CohortSums.around(best[1])
    sums.add(vectors)
    return sums.model()


def _enough(people: int) -> None:
    if people < SMALLEST_COMPONENT:
        raise CalibrationRefused(
            f"a cohort of {people} people; a component covers at least {SMALLEST_COMPONENT}", code="MD-COH-001"
        )


def _moved(vectors: Vectors, centres: Vectors) -> Vectors:
    nearest = (vectors @ centres.T).argmax(axis=1)
    sums = np.zeros_like(centres)
    np.add.at(sums, nearest, vectors)
    empty = ~np.isin(np.arange(len(centres)), nearest)
    sums[empty] = centres[empty]
    return _unit(sums)


def _unit(vectors: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    units: Vectors = vectors / np.where(lengths > 0, lengths, 1)
    return units


def _checked(features: NDArray[Any], dimension: int) -> Vectors:
    vectors = np.asarray(features, dtype=np.float64)
    if vectors.ndim != 2 or vectors.shape[1] != dimension or not np.isfinite(vectors).all():
        raise CalibrationRefused(f"cohort features must be finite rows of {dimension} values", code="MD-COH-002")
    if len(vectors) and np.abs(np.linalg.norm(vectors, axis=1) - 1).max() > 1e-3:
        raise CalibrationRefused("cohort features must be unit vectors", code="MD-COH-002")
    return vectors


def dump(model: CohortModel) -> bytes:
    """Return the bytes of a mixture file: means, weights, covariance and people; nothing of anybody."""
    stream = io.BytesIO()
    np.savez(
        stream,
        allow_pickle=False,
        format=np.array(_FORMAT),
        means=model.means.astype("<f4"),
        weights=model.weights.astype("<f8"),
        covariance=model.covariance.astype("<f4"),
        people=np.array(model.people, dtype="<i8"),
    )
    return stream.getvalue()


def parse(content: bytes, name: str) -> CohortModel:
    """Return the mixture of a file's bytes. Raises `CalibrationRefused` naming what is wrong with it."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            written_as = str(archive["format"])
            model = CohortModel(
                archive["means"].astype(np.float64),
                archive["weights"].astype(np.float64),
                archive["covariance"].astype(np.float64),
                int(archive["people"]),
            )
    except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise CalibrationRefused(f"cohort {name}: {error}", code="MD-COH-003") from error
    components, dimension = model.means.shape if model.means.ndim == 2 else (0, 0)
    is_consistent = (
        written_as == _FORMAT
        and components > 0
        and model.weights.shape == (components,)
        and model.covariance.shape == (dimension, dimension)
        and all(np.isfinite(values).all() for values in (model.means, model.weights, model.covariance))
        and abs(model.weights.sum() - 1) < 1e-6
        and model.weights.min() * model.people >= SMALLEST_COMPONENT - 0.5
    )
    try:
        is_consistent = is_consistent and bool(np.isfinite(_root(model.covariance)).all())
    except np.linalg.LinAlgError:
        is_consistent = False  # no covariance
    if not is_consistent:
        raise CalibrationRefused(
            f"cohort {name}: its format or parts contradict each other, or a component covers fewer than {SMALLEST_COMPONENT} people",
            code="MD-COH-003",
        )
    return model
