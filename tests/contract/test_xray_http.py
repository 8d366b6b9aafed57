"""The X-ray inbox over HTTP: each result told once and answered, slow, torn, foreign and too many clients, TLS and tokens."""

import asyncio
import contextlib
import json
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextvars import copy_context
from pathlib import Path
from typing import Any

import httpx
import pytest

from drivers.contracts import DeviceState
from drivers.endpoints import endpoints_of
from drivers.errors import OptionsRefused
from drivers.reach import REACH, AllowList, Endpoint
from drivers.surroundings import XrayDecision, XrayReported
from drivers.xray_inbox.http_driver import build
from drivers.xray_inbox.http_twin import XrayHttpTwin
from gate_agent.clock import SystemClock
from tests.contract.running_driver import RunningDriver
from tests.contract.test_page_http import certificate

GOOD = {"scan_id": "UTO-1", "decision": "alarm", "image_reference": "images/1.dcs"}
JSON = {"Content-Type": "application/json"}


class Bench(RunningDriver):
    """A running inbox with a machine that posts to it."""

    def __init__(self, token: str = "", **options: object) -> None:
        super().__init__("xray_http", **{"port": 0, "reconnect_limit_s": 0.1, **options})
        self.twin = XrayHttpTwin(token=token)
        self.run()

    async def start(self) -> None:
        await self.until_state(DeviceState.STARTING)
        self.twin.port = self.driver.port
        await self.twin.plug()

    async def stop(self) -> None:
        await self.twin.unplug()
        await super().stop()

    def results(self) -> list[XrayReported]:
        return [one for one in self.told() if isinstance(one, XrayReported)]

    async def post(self, content: bytes, method: str = "POST", path: str = "/scans", **headers: str) -> httpx.Response:
        async with httpx.AsyncClient(trust_env=False, timeout=15) as client:
            address = f"http://127.0.0.1:{self.driver.port}{path}"
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return await client.request(method, address, content=content, headers=JSON | named)

    async def said(self, *pieces: bytes, pause_s: float = 0.0) -> bytes:
        """Send pieces on a raw connection; return everything that is answered until it ends."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.driver.port)
        with contextlib.suppress(OSError):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(pause_s)
        try:
            async with asyncio.timeout(15):
                return await reader.read()
        finally:
            writer.transport.abort()


Benches = Callable[..., Coroutine[Any, Any, Bench]]


@pytest.fixture
async def benches() -> AsyncIterator[Benches]:
    running: list[Bench] = []

    async def bench(token: str = "", **options: object) -> Bench:
        running.append(Bench(token, **options))
        await running[-1].start()
        return running[-1]

    yield bench
    for one in running:
        await one.stop()


def request(body: bytes, *, length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    head = f"POST /scans HTTP/1.1\r\nHost: gate\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n\r\n"
    return head.encode() + body


async def test_it_is_ready_with_the_first_result_and_answers_each(benches: Benches) -> None:
    bench = await benches()
    assert bench.driver.state is DeviceState.STARTING
    scan_id = bench.twin.screen(XrayDecision.ALARM)
    await bench.until(lambda: bench.twin.answers)
    assert bench.driver.state is DeviceState.READY
    assert bench.results() == [XrayReported(scan_id, XrayDecision.ALARM, f"images/{scan_id}.dcs")]
    answered = bench.twin.answers[0]
    assert (answered.status, json.loads(answered.body)) == (201, {"status": "taken"})


async def test_a_result_that_comes_again_changes_nothing_and_a_revision_is_told(benches: Benches) -> None:
    bench = await benches()
    answers = []
    for decision in ("alarm", "alarm", "clear", "clear", "alarm"):
        answer = await bench.post(json.dumps(GOOD | {"decision": decision}).encode())
        answers.append((answer.status_code, answer.json()["status"]))
    assert answers == [(201, "taken"), (200, "known"), (200, "revised"), (200, "known"), (200, "revised")]
    assert [one.decision.value for one in bench.results()] == ["alarm", "clear", "alarm"]


async def test_many_results_on_one_connection_and_on_many(benches: Benches) -> None:
    bench = await benches()
    ids = [bench.twin.screen() for _ in range(60)]
    await bench.until(lambda: len(bench.results()) == 60)
    assert sorted(one.scan_id for one in bench.results()) == sorted(ids)


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b"{", 400),
        (b'{"scan_id": "a"}', 400),
        (b'{"scan_id": "a", "decision": "maybe"}', 400),
        (b'{"scan_id": "a", "decision": "clear", "decision": "alarm"}', 400),
        (b'{"scan_id": "a b", "decision": "clear"}', 400),
        (b'{"scan_id": "a", "decision": "clear", "operator": "x"}', 400),
        (b"[" * 10_000, 400),
        (b"\xff\xfe", 400),
        (b" " * 20_000, 413),
    ],
    ids=["empty", "list", "torn", "missing", "decision", "doubled", "space", "unknown", "deep", "bytes", "large"],
)
async def test_what_is_no_result_is_refused_in_words_and_never_a_decision(
    benches: Benches, content: bytes, status: int
) -> None:
    bench = await benches()
    answer = await bench.post(content)
    assert answer.status_code == status
    assert answer.json()["error"]
    assert bench.results() == []
    assert ("DRV-XRY-001" in bench.faults()) is (status == 400)
    assert (await bench.post(json.dumps(GOOD).encode())).status_code == 201
    assert bench.driver.reporter.fault_code == ""


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("POST", "/other", {}, 404),
        ("POST", "/scans/", {}, 404),
        ("DELETE", "/scans", {}, 405),
        ("POST", "/scans", {"Content_Type": "text/plain"}, 415),
        ("GET", "/scans", {}, 204),
    ],
)
async def test_other_requests(benches: Benches, method: str, path: str, headers: dict[str, str], status: int) -> None:
    bench = await benches()
    assert (await bench.post(b"{}", method, path, **headers)).status_code == status
    assert bench.results() == []
    assert (bench.driver.state is DeviceState.READY) is (status == 204)


@pytest.mark.parametrize(
    "pieces",
    [
        (b"nonsense\r\n\r\n",),
        (b"POST /scans HTTP/1.1\r\nHost: gate\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",),
        (b"POST /scans HTTP/1.1\r\n\r\n",),
        (b"POST /scans HTTP/1.1\r\nHost: gate\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",),
        (b"\x16\x03\x01\x02\x00\x01",),
        (b"POST /scans HTTP/1.1\r\nHost: gate\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",),
    ],
    ids=["nonsense", "long head", "no host", "two lengths", "tls hello", "bad chunk"],
)
async def test_what_is_no_request_is_refused_and_the_next_one_served(
    benches: Benches, pieces: tuple[bytes, ...]
) -> None:
    bench = await benches(request_timeout_s=1.0)
    answer = await bench.said(*pieces)
    assert answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4")), answer
    assert bench.results() == []
    assert (await bench.post(json.dumps(GOOD).encode())).status_code == 201


@pytest.mark.parametrize("at", [1, 60, 140], ids=["head", "later head", "body"])
async def test_a_client_of_one_byte_a_second_times_out(benches: Benches, at: int) -> None:
    bench = await benches(request_timeout_s=0.5)
    whole = request(json.dumps(GOOD).encode())
    answer = await bench.said(whole[:at], *(bytes((byte,)) for byte in whole[at : at + 2]), pause_s=0.4)
    assert answer.startswith(b"HTTP/1.1 408 "), answer
    assert bench.results() == []
    assert (await bench.post(json.dumps(GOOD).encode())).status_code == 201


async def test_half_a_request_is_nobodys_result(benches: Benches) -> None:
    bench = await benches(request_timeout_s=1.0)
    whole = request(json.dumps(GOOD).encode())
    for cut in (10, 50, len(whole) - 1):
        reader, writer = await asyncio.open_connection("127.0.0.1", bench.driver.port)
        writer.write(whole[:cut])
        await writer.drain()
        writer.transport.abort()
        del reader
    await asyncio.sleep(0.1)
    assert bench.results() == []
    assert (await bench.post(json.dumps(GOOD).encode())).status_code == 201
    assert bench.task is not None
    assert not bench.task.done()


async def test_byte_by_byte_is_as_good_as_at_once(benches: Benches) -> None:
    bench = await benches()
    whole = request(json.dumps(GOOD).encode()).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    assert (await bench.said(*(bytes((byte,)) for byte in whole))).startswith(b"HTTP/1.1 201 ")
    glued = [json.dumps(GOOD | {"scan_id": f"G-{count}"}).encode() for count in range(3)]
    joined = b"".join(request(body) for body in glued[:2])
    last = request(glued[2]).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    answers = await bench.said(joined + last)
    assert answers.count(b"HTTP/1.1 201 ") == 3
    assert [one.scan_id for one in bench.results()] == ["UTO-1", "G-0", "G-1", "G-2"]


async def test_more_connections_than_allowed_are_turned_away(benches: Benches) -> None:
    bench = await benches(connections_limit=3, request_timeout_s=2.0)
    held = [await asyncio.open_connection("127.0.0.1", bench.driver.port) for _ in range(3)]
    await asyncio.sleep(0.1)
    assert (await bench.said()).startswith(b"HTTP/1.1 503 ")
    bench.twin.screen()
    await bench.until(bench.results)  # it posts again until it has an answer: idle ones run out
    for _, writer in held:
        writer.transport.abort()


async def test_stopping_waits_for_no_client(benches: Benches) -> None:
    bench = await benches(request_timeout_s=60.0)
    bench.driver.received = lambda _chunk, _t_mono_s: True  # nobody answers
    waiting = asyncio.create_task(bench.post(json.dumps(GOOD).encode()))
    held = await asyncio.open_connection("127.0.0.1", bench.driver.port)
    await bench.until(lambda: len(bench.driver.source._writers) == 2)
    async with asyncio.timeout(10):
        await bench.stop()
    with pytest.raises(httpx.HTTPError):
        await waiting
    held[1].transport.abort()
    assert {task for task in asyncio.all_tasks() if "inbox" in task.get_name()} == set()


async def test_tokens(benches: Benches, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("utopia-token\n")
    token.chmod(0o600)
    bench = await benches("utopia-token", token_file=str(token))
    content = json.dumps(GOOD).encode()
    assert (await bench.post(content)).status_code == 401
    assert (await bench.post(content, Authorization="Bearer wrong")).status_code == 401
    assert (await bench.post(content, Authorization="utopia-token")).status_code == 401
    assert bench.results() == []
    bench.twin.screen()
    await bench.until(bench.results)


@pytest.mark.parametrize("is_listed", [True, False], ids=["listed", "not listed"])
async def test_a_host_process_listens_only_where_its_list_names(is_listed: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    place = Endpoint("127.0.0.1", port)
    assert endpoints_of("xray_http", {"port": port}).listens == (place,)
    context = copy_context()
    context.run(REACH.set, AllowList([], [place] if is_listed else []))
    hosted = context.run(Bench, port=port)
    if is_listed:
        await hosted.start()
        hosted.twin.screen()
        await hosted.until(hosted.results)
    else:
        await hosted.until_fault("DRV-LNK-005")
    await hosted.stop()


async def test_an_address_that_may_not_post(benches: Benches) -> None:
    bench = await benches(peers=["192.0.2.7"])
    assert (await bench.post(json.dumps(GOOD).encode())).status_code == 403
    assert bench.results() == []


@pytest.mark.parametrize("client", ["ours", "other", None], ids=["ours", "another", "none"])
async def test_only_a_client_with_a_certificate_of_the_authority(
    benches: Benches, tmp_path: Path, client: str | None
) -> None:
    server, ours, other = (certificate(tmp_path, name) for name in ("server", "ours", "other"))
    bench = await benches(certificate_file=str(server), client_ca_file=str(ours))
    context = ssl.create_default_context(cafile=str(server))
    if client is not None:
        context.load_cert_chain({"ours": ours, "other": other}[client])
    async with httpx.AsyncClient(trust_env=False, verify=context, timeout=10) as posting:
        address = f"https://127.0.0.1:{bench.driver.port}/scans"
        if client == "ours":
            assert (await posting.post(address, json=GOOD)).status_code == 201
            return
        with pytest.raises(httpx.HTTPError):
            await posting.post(address, json=GOOD)
    assert bench.results() == []


async def test_silence_is_a_fault_where_the_site_says_so_and_the_port_stays_open(benches: Benches) -> None:
    bench = await benches(dead_s=0.3)
    bench.twin.screen()
    await bench.until(bench.results)
    await bench.until(lambda: "DRV-DEV-001" in bench.faults())
    assert (await bench.post(b"", "GET")).status_code == 204
    await bench.until(lambda: bench.driver.state is DeviceState.READY)


async def test_a_port_that_is_taken_is_said(benches: Benches) -> None:
    first = await benches()
    second = Bench(port=first.driver.port)
    await second.until(lambda: "DRV-LNK-002" in second.faults())
    await second.stop()


async def test_damaged_bytes_are_no_result_and_what_follows_is_taken(benches: Benches) -> None:
    bench = await benches()
    bench.twin.corrupt()
    for _ in range(20):
        bench.twin.screen()
    await bench.until(lambda: len(bench.twin.answers) == 20)
    bench.twin.corrupt(on=False)
    scan_id = bench.twin.screen()
    await bench.until(lambda: scan_id in {one.scan_id for one in bench.results()})
    assert "DRV-DEV-005" not in bench.faults()


async def test_an_unforeseen_exception_is_a_fault_and_the_client_posts_again(benches: Benches) -> None:
    bench = await benches(request_timeout_s=0.5)
    original = bench.driver.received

    def fail(_chunk: bytes, _t_mono_s: float) -> bool:
        bench.driver.received = original
        raise ZeroDivisionError

    bench.driver.received = fail
    bench.twin.screen()
    await bench.until(lambda: len(bench.twin.answers) == 2)
    assert len(bench.results()) == 1
    assert "DRV-DEV-005" in bench.faults()
    assert [one.status for one in bench.twin.answers] == [408, 201]


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ({"host": "0.0.0.0"}, "beyond this machine"),
        ({"host": "192.0.2.7", "certificate_file": "/a"}, "beyond this machine"),
        ({"host": "gate.example"}, "host"),
        ({"client_ca_file": "/a"}, "need certificate_file"),
        ({"path": "scans"}, "path"),
        ({"port": 70_000}, "port"),
    ],
)
def test_options_that_are_not_safe_are_refused(options: dict[str, object], place: str) -> None:
    with pytest.raises(OptionsRefused, match=place):
        build("xray", {"port": 0, **options}, lambda _event: None, SystemClock())
