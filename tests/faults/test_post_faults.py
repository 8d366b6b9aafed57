"""The post dies, lies or is somebody else: no fact is lost or counted twice, and nobody unknown hears or says a byte."""

import asyncio
import base64
import random
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from central_sync.errors import PostFault
from central_sync.identity import read_signing_key
from central_sync.post.client import PostClient
from central_sync.post.directory import FILE_NAME, read_directory
from central_sync.post.facts import sign_fact
from central_sync.post.tls import gate_context
from gate_agent.domain.declaration import Direction
from gate_agent.post_keys import self_signed
from tests.scenario.border_post import Gate, PostProcess, cross, is_used, keys_of, make_site, running_post, until

SEED = 20260501


@pytest.fixture
async def post(tmp_path: Path) -> AsyncIterator[PostProcess]:
    async with running_post(tmp_path) as process:
        yield process


async def test_kills_of_the_post_and_of_both_links_lose_nothing_and_double_nothing(tmp_path, post):
    chance = random.Random(SEED)
    gates = [await Gate(tmp_path, post.keys, gate_id, post.port).start() for gate_id in ("gate-1", "gate-2")]
    first, second = gates
    stop = asyncio.Event()

    async def kill() -> None:
        while not stop.is_set():
            await asyncio.sleep(chance.uniform(0.2, 1.0))
            if chance.random() < 0.5:
                await post.kill()
                await post.start()
            else:
                gate = chance.choice(gates)
                await gate.disconnect()
                gate.connect()

    killer = asyncio.create_task(kill())
    for number in range(1, 101):
        await cross(first.store, number)
        await cross(second.store, number + 1000)
        if number % 3 == 0:
            await cross(first.store, number, Direction.EXIT)
        await asyncio.sleep(0.03)
    stop.set()
    await killer
    await until(lambda: all_known(first, range(1001, 1101)), 120)
    await until(lambda: all_known(second, range(1, 101)), 120)
    # once: as many stays as there were entries, each closed exactly where the traveller left, and no conflict
    for gate in gates:
        await until(lambda gate=gate: has_stays(gate, 200, 33), 120)
        assert not gate.alarms.open
        await gate.stop()


async def all_known(gate: Gate, numbers) -> bool:
    return all([await is_used(gate.store, number) for number in numbers])


async def has_stays(gate: Gate, stays: int, closed: int) -> bool:
    def count(connection):
        row = connection.execute(
            "SELECT count(*) AS stays, count(exited_on) AS closed, count(entered_on) AS opened FROM stays"
        ).fetchone()
        return row["stays"], row["closed"], row["opened"]

    found = await gate.store._database.write(count)
    assert found[0] <= stays
    return found == (stays, closed, stays)


# ---- certificates ----


class Listener:
    """A TLS server that counts what it is told after the handshake."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        self.payload = bytearray()

    async def __aenter__(self) -> Self:
        self.server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self.context)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_error: object) -> None:
        self.server.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.payload += await reader.read(65_536)
        except OSError:
            pass
        finally:
            writer.transport.abort()


def write_pair(folder: Path, name: str, key: Ed25519PrivateKey, is_server: bool) -> tuple[Path, Path]:
    certificate, private = folder / f"{name}.crt", folder / f"{name}.key"
    certificate.write_bytes(self_signed(key, "UTO/demo post", datetime.now(UTC), is_server=is_server))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, private


def client_of(keys: Path, port: int, pair: tuple[Path, Path] | None = None) -> PostClient:
    certificate, key = pair or (keys / "gate.crt", keys / "gate.key")
    return PostClient("127.0.0.1", port, gate_context(read_directory(keys / FILE_NAME), certificate, key))


async def test_somebody_else_in_the_place_of_the_post_gets_no_byte(tmp_path):
    keys = make_site(tmp_path / "site")
    stranger = write_pair(tmp_path, "stranger", Ed25519PrivateKey.generate(), is_server=True)
    same_key_other_certificate = write_pair(tmp_path, "again", read_signing_key(keys / "post.key"), is_server=True)
    a_gate = (keys / "gates/gate-2/gate.crt", keys / "gates/gate-2/gate.key")
    for pair in (stranger, same_key_other_certificate, a_gate):
        async with Listener(*pair) as listener:
            client = client_of(keys, listener.port)
            with pytest.raises(PostFault) as fault:
                await client.publish([b"fact"])
            assert fault.value.code == "CS-PST-002"
            await client.close()
            assert listener.payload == b""


async def test_the_post_itself_is_spoken_to(tmp_path):  # the tests above could not fail otherwise
    keys = make_site(tmp_path / "site")
    async with Listener(keys / "post.crt", keys / "post.key") as listener:
        client = client_of(keys, listener.port)
        with pytest.raises(PostFault):
            await client.publish([b"fact"])
        await client.close()
        assert b"POST /v1/facts" in listener.payload


async def test_a_gate_that_is_not_listed_is_refused(tmp_path, post):
    keys = post.keys
    fine = client_of(keys, post.port)
    assert (await fine.state()).devices == []
    await fine.close()
    for pair in (
        write_pair(tmp_path, "stranger", Ed25519PrivateKey.generate(), is_server=False),
        (keys / "post.crt", keys / "post.key"),
    ):
        client = client_of(keys, post.port, pair)
        with pytest.raises(PostFault) as fault:
            await client.state()
        assert fault.value.code in {"CS-PST-001", "CS-PST-002"}
        await client.close()


async def test_plain_text_and_older_tls_are_refused(post):
    reader, writer = await asyncio.open_connection("127.0.0.1", post.port)
    writer.write(b"GET /v1/state HTTP/1.1\r\nhost: post\r\n\r\n")
    assert not (await reader.read(4096)).startswith(b"HTTP")
    writer.close()
    older = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    older.check_hostname, older.verify_mode = False, ssl.CERT_NONE
    older.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(OSError):  # a TLS alert, or the connection cut
        await asyncio.open_connection("127.0.0.1", post.port, ssl=older)


async def test_a_gate_cannot_speak_under_another_ones_name(tmp_path, post):
    keys = post.keys
    gate = await Gate(tmp_path, keys, "gate-1", post.port).start()
    await gate.disconnect()
    await cross(gate.store, 1)
    (fact, *_) = (await gate.side.own_facts(10, 0.0)).facts
    wire = sign_fact(base64.b64decode(fact.body_base64), read_signing_key(keys / "gate.key"))
    other = client_of(keys_of(keys, "gate-2"), post.port)
    kept = await other.publish([wire])
    assert (kept.new, kept.refused) == (0, 1)
    own = client_of(keys, post.port)
    assert (await own.publish([wire])).new == 1
    await other.close()
    await own.close()
    await gate.stop()
