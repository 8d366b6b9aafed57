"""1:N search against FAISS and against the memory itself: a million references of 128 values, one thread, interleaved rounds.

The memory pass is the fastest of three ways in which NumPy touches every byte of the sieve once (greatest byte, sum of words, copy); ratio
there = ours / pass. Against FAISS ratio = peer / ours. FAISS keeps float32 (flat, exact) or float16 and 8 bits (quantisers, not
exact). Minimum of all rounds: everything else on the machine only adds. References are random, seeded; "alike" ones share a mean as
face features do, which leaves far more of them near the best, so exactness costs more.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from gate_agent.cli.bench import BenchFault, BenchRow
from models.face_search import FaceGallery
from models.sealed_gallery import SealedGallery
from models.sealed_records import GalleryIdentity

NAME = "search"
REFERENCES = 1_000_000
DIMENSION = 128
ROUNDS = 12
BATCH = 32
_ALIKE = 1.9  # length of the shared mean beside random parts of length 1: cosines of about 0.78
_PART = 50_000
_SEALED = 5_000

Timed = tuple[float, float]


def _references(rng: np.random.Generator, count: int, mean: np.ndarray | float) -> np.ndarray:
    rows = rng.standard_normal((count, DIMENSION), dtype=np.float32) / np.float32(np.sqrt(DIMENSION)) + mean
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _keys(start: int, count: int) -> list[bytes]:
    return [number.to_bytes(16, "big") for number in range(start, start + count)]


def _timed(work: Callable[[], object]) -> Timed:
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return (time.process_time() - cpu) * 1e3, (time.perf_counter() - wall) * 1e3


def _fastest(works: dict[str, Callable[[], object]], rounds: int) -> dict[str, Timed]:
    """Each piece of work once per round, one after the other; the smallest CPU and wall times."""
    figures: dict[str, list[Timed]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            figures[name].append(_timed(work))
    return {name: (min(cpu for cpu, _ in times), min(wall for _, wall in times)) for name, times in figures.items()}


def _faiss():  # type: ignore[no-untyped-def]
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        import faiss
    except ImportError as error:
        raise BenchFault("faiss-cpu, the peer of the search, is not installed") from error
    faiss.omp_set_num_threads(1)
    return faiss


def _filled(faiss, mean: np.ndarray | float, *, with_peers: bool):  # type: ignore[no-untyped-def]
    """Our gallery, FAISS's indexes over the same references, and the seconds that adding took on either side."""
    gallery, added_s, peer_added_s = FaceGallery(DIMENSION), 0.0, 0.0
    peers = {"flat": faiss.IndexFlatIP(DIMENSION)} if with_peers else {}
    if with_peers:
        for name in ("QT_fp16", "QT_8bit"):
            kind = getattr(faiss.ScalarQuantizer, name)
            peers[name] = faiss.IndexScalarQuantizer(DIMENSION, kind, faiss.METRIC_INNER_PRODUCT)
            peers[name].train(_references(np.random.default_rng(8), _PART, mean))
    rng = np.random.default_rng(7)
    for start in range(0, REFERENCES, _PART):
        rows, keys = _references(rng, _PART, mean), _keys(start, _PART)
        added_s += _timed(lambda rows=rows, keys=keys: gallery.add_many(keys, rows))[0] / 1e3
        for name, index in peers.items():
            spent = _timed(lambda rows=rows, index=index: index.add(rows))[0] / 1e3
            peer_added_s += spent if name == "flat" else 0
    return gallery, peers, added_s, peer_added_s


def _passes(gallery: FaceGallery) -> dict[str, Callable[[], object]]:
    """Ways to touch every byte that a search reads."""
    blocks = [block.columns.values.reshape(-1) for block in gallery._blocks]
    target = np.empty(max(block.size for block in blocks), dtype=np.int8)
    return {
        "pass: greatest": lambda: [block.max() for block in blocks],
        "pass: sum": lambda: [block.view(np.int64).sum() for block in blocks],
        "pass: copy": lambda: [np.copyto(target[: block.size], block) for block in blocks],
    }


def _check_agreement(gallery: FaceGallery, flat, probes: np.ndarray) -> None:  # type: ignore[no-untyped-def]
    """The peer's exact float32 scores and ours on float16 references differ by rounding only."""
    scores, _ = flat.search(probes, 10)
    ours = [[one.comparison_score for one in found] for found in gallery.search_many(probes, 10)]
    if not np.allclose(scores, ours, atol=5e-4):
        raise BenchFault("FAISS and the gallery disagree about the best ten")


def run() -> list[BenchRow]:
    faiss = _faiss()
    gallery, peers, added_s, peer_added_s = _filled(faiss, 0.0, with_peers=True)
    probes = _references(np.random.default_rng(9), BATCH, 0.0)
    one = probes[:1]
    _check_agreement(gallery, peers["flat"], probes[:4])
    best = gallery.search(one[0], 1)[0].comparison_score
    figures = _fastest(
        {
            **_passes(gallery),
            "k 10": lambda: gallery.search(one[0], 10),
            "threshold": lambda: gallery.search(one[0], 10, best),
            **{f"k {k}": lambda k=k: gallery.search(one[0], k) for k in (1, 100, 1000)},
            **{name: lambda index=index: index.search(one, 10) for name, index in peers.items()},
        },
        ROUNDS,
    )
    batches = _fastest(
        {"ours": lambda: gallery.search_many(probes, 10), "flat": lambda: peers["flat"].search(probes, 10)}, 3
    )
    rows = []
    for column, kind in enumerate(("CPU", "wall")):
        memory = min(times[column] for name, times in figures.items() if name.startswith("pass"))
        for title, name in (("one search, k 10", "k 10"), ("one search above a threshold", "threshold")):
            rows.append(_row(f"{title} / memory pass, {kind}", figures[name][column], memory, per_peer=True))
        for title, name in (("flat float32", "flat"), ("float16", "QT_fp16"), ("8 bits", "QT_8bit")):
            rows.append(_row(f"one search / FAISS {title}, {kind}", figures["k 10"][column], figures[name][column]))
        ours, theirs = (batches[name][column] / BATCH for name in ("ours", "flat"))
        rows.append(_row(f"one of {BATCH} probes / FAISS flat, {kind}", ours, theirs))
    rows += [_row(f"one search, k {k}, CPU", figures[f"k {k}"][0], None) for k in (1, 100, 1000)]
    per_reference = 1e6 / REFERENCES
    rows.append(_row("adding, a reference, CPU", added_s * per_reference, peer_added_s * per_reference, unit="us"))
    rows += _changes(faiss, gallery, peers["flat"])
    rows.append(
        _row("memory of a reference", gallery.memory_bytes / REFERENCES, 4 * DIMENSION, unit="bytes", per_peer=True)
    )
    gallery.wipe()
    peers.clear()
    return rows + _alike(faiss) + _sealed()


def _alike(faiss) -> list[BenchRow]:  # type: ignore[no-untyped-def]
    mean = np.random.default_rng(6).standard_normal(DIMENSION).astype(np.float32)
    mean *= _ALIKE / np.linalg.norm(mean)
    gallery, _, _, _ = _filled(faiss, mean, with_peers=False)
    probe = _references(np.random.default_rng(5), 1, mean)[0]
    best = gallery.search(probe, 1)[0].comparison_score
    figures = _fastest(
        {
            **_passes(gallery),
            "k 10": lambda: gallery.search(probe, 10),
            "threshold": lambda: gallery.search(probe, 10, best),
        },
        ROUNDS,
    )
    memory = min(cpu for name, (cpu, _) in figures.items() if name.startswith("pass"))
    return [
        _row("alike: one search, k 10 / memory pass, CPU", figures["k 10"][0], memory, per_peer=True),
        _row("alike: above a threshold / memory pass, CPU", figures["threshold"][0], memory, per_peer=True),
    ]


def _changes(faiss, gallery: FaceGallery, flat) -> list[BenchRow]:  # type: ignore[no-untyped-def]
    """One reference out and in again, in a full gallery; FAISS moves everything behind the removed one."""
    rows = _references(np.random.default_rng(4), 200, 0.0)
    keys = _keys(REFERENCES // 2, 200)

    def ours() -> None:
        for key, row in zip(keys, rows, strict=True):
            gallery.remove(key)
            gallery.add(key, row)

    def theirs() -> None:
        flat.remove_ids(np.array([REFERENCES // 2], dtype=np.int64))
        flat.add(rows[:1])

    figures = _fastest({"ours": ours, "theirs": theirs}, 3)
    return [
        _row(
            "removing and adding one, CPU", figures["ours"][0] / len(keys) * 1e3, figures["theirs"][0] * 1e3, unit="us"
        )
    ]


def _sealed() -> list[BenchRow]:
    """The file at rest: a batch sealed, all of it opened and verified, one durable change."""
    rows, keys = _references(np.random.default_rng(3), _SEALED + 20, 0.0), _keys(0, _SEALED + 20)
    identity = GalleryIdentity("bench", "bench", "none", DIMENSION)
    with tempfile.TemporaryDirectory() as folder:
        path, key = Path(folder) / "gallery", os.urandom(32)
        with SealedGallery.create(path, key, identity) as sealed:
            batch = _timed(lambda: sealed.add_many(keys[:_SEALED], rows[:_SEALED]))
        opened = _timed(lambda: SealedGallery.open(path, key, identity).close())
        with SealedGallery.open(path, key, identity) as sealed:
            durable = min(_timed(lambda n=n: sealed.add(keys[n], rows[n]))[1] for n in range(_SEALED, _SEALED + 20))
            removed = min(_timed(lambda n=n: sealed.remove(keys[n]))[1] for n in range(20))
    return [
        _row("sealing a record in a batch, CPU", batch[0] / _SEALED * 1e3, None, unit="us"),
        _row("opening and verifying a sealed record, CPU", opened[0] / _SEALED * 1e3, None, unit="us"),
        _row("one durable addition, wall", durable, None),
        _row("one durable removal, wall", removed, None),
    ]


def _row(name: str, ours: float, peer: float | None, *, unit: str = "ms", per_peer: bool = False) -> BenchRow:
    """Ratio: peer / ours, or ours / peer where less of the peer is the aim."""
    ratio = None if peer is None else round(ours / peer if per_peer else peer / ours, 2)
    return BenchRow(name, round(ours, 3), None if peer is None else round(peer, 3), ratio, unit)
