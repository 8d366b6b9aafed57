"""Gates fetch large files through their post, over mutual TLS, with kills on the way: one fetch from the source, right content."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from central_sync.bundle_shelf import BundleShelf
from central_sync.bundles import sign_bundle
from central_sync.errors import BlobRefused
from central_sync.identity import read_signing_key
from central_sync.post.blob_client import fetch_blob
from central_sync.post.client import PostClient
from central_sync.post.directory import FILE_NAME, read_directory
from central_sync.post.files_beside import FilesBeside
from central_sync.post.tls import gate_context
from gate_agent.app.knowledge import GateKnowledge, watchlist_key
from gate_agent.clock import SystemClock
from gate_agent.inspection.watchlist_bundle import base_body
from gate_agent.inspection.watchlist_entries import Action, Entry, ListTerms
from gate_agent.provisioning import provision
from tests.scenario.blob_source import BlobSource, certificate, content_of, serving_source
from tests.scenario.border_post import GATES, PostProcess, keys_of, make_site
from tests.waiting import until

SIZE = 6_000_000
CLOCK = SystemClock()


class Scene:
    def __init__(self, post: PostProcess, source: BlobSource) -> None:
        self.post, self.source = post, source
        self.clients = {}
        for gate_id in GATES:
            keys = keys_of(post.keys, gate_id)
            context = gate_context(read_directory(keys / FILE_NAME), keys / "gate.crt", keys / "gate.key")
            self.clients[gate_id] = PostClient("127.0.0.1", post.port, context)

    def cached(self) -> list[str]:
        return sorted(path.name for path in (self.post.folder / "post-state/blobs").iterdir())


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    source, pem = BlobSource(), certificate(tmp_path)
    async with serving_source(source, pem) as upstream:
        settings = f'blobs_upstream = "{upstream}"\nblobs_trust = "{pem}"\nblobs_reserve_bytes = 0\n'
        post = PostProcess(tmp_path, make_site(tmp_path / "site"), settings)
        await post.start()
        made = Scene(post, source)
        yield made
        for client in made.clients.values():
            await client.close()
        await post.kill()


async def test_both_gates_get_it_and_the_source_is_asked_once(scene, tmp_path):
    content = content_of(1, SIZE)
    sha256 = scene.source.add(content)
    targets = [tmp_path / gate_id for gate_id in GATES]
    await asyncio.gather(
        *(
            fetch_blob(client, sha256, SIZE, target)
            for client, target in zip(scene.clients.values(), targets, strict=True)
        )
    )
    assert all(target.read_bytes() == content for target in targets)
    assert scene.source.requests == [""]


async def test_ranges_are_served(scene):
    content = content_of(1, SIZE)
    sha256 = scene.source.add(content)
    client = scene.clients["gate-1"]
    async with client.blob(sha256, 0) as whole:
        assert (whole.status_code, whole.headers["etag"]) == (200, f'"{sha256}"')
        assert await whole.aread() == content
    async with client.blob(sha256, SIZE - 10) as rest:
        assert rest.status_code == httpx.codes.PARTIAL_CONTENT
        assert await rest.aread() == content[-10:]


async def test_kills_of_the_post_only_delay(scene, tmp_path):
    content = content_of(2, SIZE)
    sha256 = scene.source.add(content)
    scene.source.pause_s = 0.02  # about two seconds for the whole
    target = tmp_path / "model.onnx"
    fetching = asyncio.create_task(fetch_blob(scene.clients["gate-1"], sha256, SIZE, target, attempts=1000))
    for _ in range(2):
        begun = scene.source.served_bytes
        async with asyncio.timeout(60):
            while scene.source.served_bytes < begun + 600_000 and not fetching.done():
                await asyncio.sleep(0.01)
        await scene.post.kill()
        await scene.post.start()
    async with asyncio.timeout(120):
        await fetching
    assert target.read_bytes() == content
    assert scene.cached() == [sha256]
    assert any(asked.startswith("bytes=") for asked in scene.source.requests)
    assert scene.source.served_bytes < 2 * SIZE  # what had come was not fetched again


async def test_a_lying_source_reaches_nobody(scene, tmp_path):
    scene.source.lie = True
    sha256 = scene.source.add(content_of(3, SIZE))
    with pytest.raises(BlobRefused) as refusal:
        await fetch_blob(scene.clients["gate-1"], sha256, SIZE, tmp_path / "model")
    assert refusal.value.code == "CS-BLB-002"
    assert list(tmp_path.glob("model*")) == []


async def test_a_gate_resumes_and_believes_only_the_hash(scene, tmp_path):
    content = content_of(4, SIZE)
    sha256 = scene.source.add(content)
    target = tmp_path / "watchlist"
    part = tmp_path / "watchlist.part"
    part.write_bytes(content[:1_000_000])
    await fetch_blob(scene.clients["gate-1"], sha256, SIZE, target)
    assert target.read_bytes() == content
    part.write_bytes(b"spoilt" + content[6:1_000_000])
    with pytest.raises(BlobRefused):
        await fetch_blob(scene.clients["gate-1"], sha256, SIZE, target)
    assert target.read_bytes() == content  # what was good stays
    await fetch_blob(scene.clients["gate-1"], sha256, SIZE, target)
    with pytest.raises(BlobRefused) as refusal:
        await fetch_blob(scene.clients["gate-1"], sha256, SIZE - 1, tmp_path / "other")
    assert refusal.value.code == "CS-BLB-003"


async def test_a_watchlist_too_large_for_the_broker_comes_into_force_whole_though_the_post_is_killed(scene, tmp_path):
    """The bundle waits for its file; until then the gate decides, and would start anew, by the list that it had."""
    gate = provision(
        tmp_path / "gate", country="UTO", site="demo", gate_id="gate-1", officers={"g": "guard"}, clock=CLOCK
    )
    key, centre = watchlist_key(gate.keys), read_signing_key(gate.keys / "centre.key")
    shelf = BundleShelf(gate.bundles, [centre.public_key()], CLOCK.now, waits_for_files=True)
    knowledge = GateKnowledge(gate.bundles, gate.keys, CLOCK)
    before = knowledge.current().watchlist_version
    entries = [
        Entry(
            "wanted",
            f"e{number}",
            Action.REFER,
            (f"UTOPIAN, NUMBER {number}",),
            0,
            "",
            "UTO",
            (),
            "fictitious",
            None,
            None,
        )
        for number in range(20_000)
    ]
    body, content = base_body([ListTerms("wanted", 48.0)], entries, key, "0123456789abcdef" * 2, largest_inside_bytes=0)
    scene.source.add(content)
    scene.source.pause_s = 0.05
    now = CLOCK.now()
    wire = sign_bundle("watchlist", before + 1, now, now + timedelta(days=1), body, centre)
    bringing = asyncio.create_task(FilesBeside(shelf, scene.clients["gate-1"]).run())
    try:
        shelf.accept("watchlist", wire)
        await until(lambda: scene.source.served_bytes, 60)
        await scene.post.kill()
        assert GateKnowledge(gate.bundles, gate.keys, CLOCK).current().watchlist_version == before
        await scene.post.start()
        await until(knowledge.reload, 60)
    finally:
        bringing.cancel()
        await asyncio.gather(bringing, return_exceptions=True)
    current = knowledge.current()
    assert (current.watchlist_version, len(current.watchlist)) == (before + 1, 20_000)
