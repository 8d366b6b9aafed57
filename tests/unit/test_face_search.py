"""1:N search gives exactly the answer of a full comparison, whatever was added, removed and replaced before."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import face_search
from models.face_search import Candidate, FaceGallery
from models.gallery_checks import GalleryFault
from models.search_blocks import SearchBlock, quantised_probe, reference_steps
from models.search_product import LEVELS, ByteProduct


def unit(rows: np.ndarray) -> np.ndarray:
    rows = np.asarray(rows, dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def keys_of(count: int, start: int = 0) -> list[bytes]:
    return [number.to_bytes(8, "big") for number in range(start, start + count)]


def full_comparison(held: dict[bytes, np.ndarray], probe: np.ndarray, k: int, threshold: float) -> list[Candidate]:
    """Every reference, as stored (float16), against the probe in float64; sorted by score, then key."""
    scored = [
        (-float(features.astype(np.float16).astype(np.float64) @ probe.astype(np.float64)), key)
        for key, features in held.items()
    ]
    return [Candidate(key, -score) for score, key in sorted(scored) if -score >= threshold][:k]


def assert_same(found: list[Candidate], expected: list[Candidate]) -> None:
    assert [candidate.comparison_score for candidate in found] == pytest.approx(
        [candidate.comparison_score for candidate in expected], abs=1e-12
    )
    # sums in another order may swap keys whose scores differ in the last bit only
    scores = {round(candidate.comparison_score, 11) for candidate in expected}
    if len(scores) == len(expected):
        assert [candidate.key for candidate in found] == [candidate.key for candidate in expected]


def population(kind: str, rng: np.random.Generator, count: int, dimension: int) -> np.ndarray:
    """Several shapes that a search may meet: anywhere, all alike (near ties), few distinct, one big component."""
    if kind == "anywhere":
        return unit(rng.standard_normal((count, dimension)))
    if kind == "alike":
        return unit(rng.standard_normal(dimension) + 0.02 * rng.standard_normal((count, dimension)))
    if kind == "repeated":
        return unit(rng.standard_normal((3, dimension)))[rng.integers(0, 3, count)]
    return unit(np.eye(dimension)[rng.integers(0, dimension, count)] + 0.01 * rng.standard_normal((count, dimension)))


@settings(max_examples=200)
@given(
    seed=st.integers(0, 2**32 - 1),
    kind=st.sampled_from(["anywhere", "alike", "repeated", "peaked"]),
    count=st.integers(0, 300),
    dimension=st.sampled_from([1, 3, 16, 128, 200]),
    k=st.integers(1, 40),
    probes=st.integers(1, 3),
    levels=st.sampled_from(LEVELS),
    threshold=st.one_of(st.just(-np.inf), st.floats(-1, 1)),
)
def test_search_is_the_full_comparison(
    seed: int, kind: str, count: int, dimension: int, k: int, probes: int, levels: int, threshold: float
) -> None:
    rng = np.random.default_rng(seed)
    references = population(kind, rng, count, dimension)
    gallery = FaceGallery(dimension)
    if gallery._product.is_exact(levels):  # a processor without VNNI has no exact product of the finest probes
        gallery._product.levels = levels
    gallery.add_many(keys_of(count), references)
    asked = unit(rng.standard_normal((probes, dimension)))
    if count:
        asked[0] = unit(references[0] + 0.05 * rng.standard_normal(dimension))
    held = dict(zip(keys_of(count), references, strict=True))
    for probe, found in zip(asked, gallery.search_many(asked, k, threshold), strict=True):
        assert_same(found, full_comparison(held, probe, k, threshold))


@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**32 - 1), steps=st.lists(st.sampled_from(["add", "remove", "replace", "search"]), max_size=60)
)
def test_adding_removing_and_replacing_keep_the_answer_exact(seed: int, steps: list[str]) -> None:
    rng = np.random.default_rng(seed)
    gallery, held, number = FaceGallery(8), dict[bytes, np.ndarray](), 0
    for step in [*steps, "search"]:
        kind = rng.choice(["anywhere", "peaked"])
        features = population(str(kind), rng, 1, 8)[0]
        if step == "add":
            key = number.to_bytes(4, "big")
            number += 1
            gallery.add(key, features)
            held[key] = features
        elif step == "search":
            assert_same(gallery.search(features, 5), full_comparison(held, features, 5, -np.inf))
        elif held:
            key = sorted(held)[rng.integers(len(held))]
            if step == "remove":
                gallery.remove(key)
                del held[key]
            else:
                gallery.replace(key, features)
                held[key] = features
        assert len(gallery) == len(held)


def test_several_blocks_and_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(face_search, "_FIRST_BLOCK", 8)
    monkeypatch.setattr(face_search, "_BLOCK", 64)
    rng = np.random.default_rng(3)
    references = population("anywhere", rng, 1000, 32)
    gallery = FaceGallery(32)
    gallery.add_many(keys_of(1000), references)
    assert len(gallery._blocks) > 15
    held = dict(zip(keys_of(1000), references, strict=True))
    for key in keys_of(300, start=100):
        gallery.remove(key)
        del held[key]
    blocks = len(gallery._blocks)
    more = population("anywhere", rng, 250, 32)
    gallery.add_many(keys_of(250, start=5000), more)
    held |= dict(zip(keys_of(250, start=5000), more, strict=True))
    assert len(gallery._blocks) == blocks, "freed slots are used before a new block is made"
    probes = population("anywhere", rng, 37, 32)
    for probe, found in zip(probes, gallery.search_many(probes, 7), strict=True):
        assert_same(found, full_comparison(held, probe, 7, -np.inf))


def test_every_estimate_lies_within_its_bound() -> None:
    rng = np.random.default_rng(5)
    for kind in ("anywhere", "alike", "peaked"):
        for levels in LEVELS:
            product = ByteProduct(128)
            if not product.is_exact(levels):
                continue  # this processor has no exact product of the finest probes, and the search takes none
            product.levels = levels
            usual, widest = reference_steps(128)
            references = population(kind, rng, 512, 128).astype(np.float16)
            block = SearchBlock(product, 128, 512, widest if kind == "peaked" else usual)
            block.put(np.arange(512), references)
            probe = quantised_probe(population(kind, rng, 1, 128)[0], levels)
            slots, estimates = block.sieve(product.products(probe.bytes_[None], block.columns)[0], probe, -np.inf)
            exact = block.scores(slots, probe)
            assert len(slots) == 512
            worst = np.abs(estimates - exact).max()
            assert worst <= block.error_bound(probe)
            assert worst > block.error_bound(probe) / 100, "a bound this loose would keep everything"


def test_ties_come_in_order_of_their_keys() -> None:
    gallery = FaceGallery(16)
    features = unit(np.ones(16))
    keys = keys_of(50)
    shuffled = [keys[index] for index in np.random.default_rng(1).permutation(50)]
    gallery.add_many(shuffled, np.tile(features, (50, 1)))
    assert [candidate.key for candidate in gallery.search(features, 7)] == keys[:7]


def test_threshold_bounds_the_answer() -> None:
    rng = np.random.default_rng(2)
    references = population("anywhere", rng, 200, 128)
    gallery = FaceGallery()
    gallery.add_many(keys_of(200), references)
    found = gallery.search(references[17], 10, threshold=0.9)
    assert [candidate.key for candidate in found] == [keys_of(200)[17]]
    assert found[0].comparison_score == pytest.approx(1, abs=1e-3)
    assert gallery.search(references[17], 10, threshold=1.01) == []
    assert gallery.search(references[17], 10, threshold=np.inf) == []


def test_an_empty_gallery_has_no_candidates() -> None:
    gallery = FaceGallery()
    assert gallery.search(unit(np.ones(128)), 3) == []
    gallery.add(b"one", unit(np.ones(128)))
    gallery.remove(b"one")
    assert gallery.search(unit(np.ones(128)), 3) == []
    assert gallery.search_many(np.empty((0, 128), dtype=np.float32), 3) == []


def arrays(gallery: FaceGallery) -> list[np.ndarray]:
    return [
        array
        for block in gallery._blocks
        for array in (block.columns.values, block._scored, block._shifts, block._is_held)
    ]


def test_removed_references_are_overwritten() -> None:
    gallery = FaceGallery()
    rng = np.random.default_rng(9)
    gallery.add_many(keys_of(3), population("anywhere", rng, 3, 128))
    gallery.add(b"peaked", unit(np.eye(128)[5] + 0.001))
    assert all(array.any() for array in arrays(gallery))
    for key in [*keys_of(3), b"peaked"]:
        gallery.remove(key)
    assert not any(array.any() for array in arrays(gallery))
    assert len(gallery) == 0


def test_wipe_leaves_zeros_and_a_usable_gallery() -> None:
    gallery = FaceGallery()
    rng = np.random.default_rng(9)
    gallery.add_many(keys_of(30), population("anywhere", rng, 30, 128))
    gallery.search(population("anywhere", rng, 1, 128)[0], 1)
    held = arrays(gallery)
    kept = [gallery._product._probe, *(output for output, _ in gallery._product._outputs.values())]
    gallery.wipe()
    assert not any(array.any() for array in [*held, *kept])
    assert len(gallery) == 0
    assert keys_of(1)[0] not in gallery
    gallery.add(b"again", unit(np.ones(128)))
    assert gallery.search(unit(np.ones(128)), 1)[0].key == b"again"


def test_memory_is_three_bytes_a_component_and_little_more() -> None:
    gallery = FaceGallery()
    rng = np.random.default_rng(1)
    count = 218_000  # just fills five blocks
    for start in range(0, count, 8192):
        size = min(8192, count - start)
        gallery.add_many(keys_of(size, start), population("anywhere", rng, size, 128))
    assert gallery.memory_bytes < 1.15 * count * (3 * 128 + 5)


@pytest.mark.parametrize(
    ("key", "features", "code"),
    [
        (b"", np.ones(4) / 2, "MD-GAL-001"),
        (b"x" * 65, np.ones(4) / 2, "MD-GAL-001"),
        ("text", np.ones(4) / 2, "MD-GAL-001"),
        (b"new", np.ones(4), "MD-GAL-001"),
        (b"new", np.zeros(4), "MD-GAL-001"),
        (b"new", np.array([np.nan, 0, 0, 1]), "MD-GAL-001"),
        (b"new", np.array([np.inf, 0, 0, 1]), "MD-GAL-001"),
        (b"new", np.array([1e30, 0, 0, 1]), "MD-GAL-001"),
        (b"new", np.ones(5) / np.sqrt(5), "MD-GAL-001"),
        (b"new", np.ones((2, 2)) / 2, "MD-GAL-001"),
        (b"new", np.array(["a", "b", "c", "d"]), "MD-GAL-001"),
        (b"held", np.ones(4) / 2, "MD-GAL-002"),
    ],
)
def test_malformed_additions_are_refused_and_change_nothing(key: bytes, features: np.ndarray, code: str) -> None:
    gallery = FaceGallery(4)
    gallery.add(b"held", np.array([1, 0, 0, 0], dtype=np.float32))
    with pytest.raises(GalleryFault) as refusal:
        gallery.add(key, features)
    assert refusal.value.code == code
    assert len(gallery) == 1


def test_other_refusals() -> None:
    gallery = FaceGallery(4)
    half = np.full(4, 0.5, dtype=np.float32)
    gallery.add(b"held", half)
    for work, code in (
        (lambda: gallery.remove(b"unknown"), "MD-GAL-003"),
        (lambda: gallery.replace(b"unknown", half), "MD-GAL-003"),
        (lambda: gallery.replace(b"held", 2 * half), "MD-GAL-001"),
        (lambda: gallery.add_many([b"a", b"a"], np.tile(half, (2, 1))), "MD-GAL-002"),
        (lambda: gallery.add_many([b"a"], np.tile(half, (2, 1))), "MD-GAL-001"),
        (lambda: gallery.search(half, 0), "MD-GAL-001"),
        (lambda: gallery.search(half, 10_001), "MD-GAL-001"),
        (lambda: gallery.search(half, 1, np.nan), "MD-GAL-001"),
        (lambda: gallery.search(2 * half, 1), "MD-GAL-001"),
        (lambda: FaceGallery(0), "MD-GAL-001"),
        (lambda: FaceGallery(5000), "MD-GAL-001"),
    ):
        with pytest.raises(GalleryFault) as refusal:
            work()
        assert refusal.value.code == code
    assert gallery.search(half, 1) == [Candidate(b"held", 1.0)]


def test_a_processor_that_saturates_gets_the_narrow_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    def saturating(self: ByteProduct, probes: np.ndarray, columns: object) -> np.ndarray:
        products = probes.astype(np.int64)[:, :, None] * columns.values.astype(np.int64)  # type: ignore[attr-defined]
        pairs = products.reshape(len(probes), -1, 2, products.shape[2]).sum(axis=2)
        return np.clip(pairs, -32768, 32767).sum(axis=1).astype(np.int32)

    monkeypatch.setattr(ByteProduct, "products", saturating)
    assert ByteProduct(128).levels == 63
    gallery = FaceGallery()
    rng = np.random.default_rng(4)
    references = population("anywhere", rng, 100, 128)
    gallery.add_many(keys_of(100), references)
    held = dict(zip(keys_of(100), references, strict=True))
    assert_same(gallery.search(references[3], 5), full_comparison(held, references[3], 5, -np.inf))


def test_a_processor_without_an_exact_product_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        ByteProduct,
        "products",
        lambda self, probes, columns: np.zeros((len(probes), columns.values.shape[1]), dtype=np.int32),
    )
    with pytest.raises(GalleryFault) as refusal:
        FaceGallery()
    assert refusal.value.code == "MD-GAL-005"
