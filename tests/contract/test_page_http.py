"""A full-page reader's service on HTTP: pictures and lines by their places, misbehaving services, limits, credentials, TLS."""

import asyncio
import base64
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from drivers.contracts import (
    DeviceState,
    DocumentPresented,
    DocumentRemoved,
    MrzRead,
    StateChanged,
)
from drivers.document_reader.json_place import compiled, value_at
from drivers.document_reader.page_answer import AnswerRefused, page_in, presence_in
from drivers.document_reader.page_http import PageHttpOptions, build
from drivers.document_reader.page_http_twin import (
    LIFE_PATH,
    LINES_PLACE,
    PRESENCE_PATH,
    PROCESS_PATH,
    PageHttpTwin,
    processed,
)
from drivers.endpoints import endpoints_of
from drivers.errors import OptionsRefused
from drivers.http_exchange import Response
from drivers.reach import REACH, AllowList, Endpoint
from gate_agent.clock import SystemClock
from tests.contract.rig_core import LINES
from tests.contract.rig_pages import PICTURE
from tests.contract.running_driver import RunningDriver

ALL = {"white": PICTURE, "infrared": PICTURE[:-2] + b"i\xff\xd9", "ultraviolet": PICTURE[:-2] + b"u\xff\xd9"}
SHAPE = PageHttpOptions(source="http://127.0.0.1:1", lines=LINES_PLACE).shape()


class Bench(RunningDriver):
    """A running driver on a twin."""

    def __init__(self, twin: PageHttpTwin, **options: object) -> None:
        self.twin = twin
        settings = {"source": f"http://127.0.0.1:{twin.port}", "presence_path": PRESENCE_PATH, "poll_s": 0.01}
        limits = {"dead_s": 10.0, "reconnect_limit_s": 0.1}
        super().__init__("page_http", **{**settings, **limits, **options})
        self.run()


Benches = Callable[..., Coroutine[Any, Any, Bench]]


@pytest.fixture
async def benches() -> AsyncIterator[Benches]:
    running: list[Bench] = []

    async def bench(authorization: str = "", **options: object) -> Bench:
        twin = PageHttpTwin(authorization=authorization)
        await twin.plug()
        running.append(Bench(twin, **options))
        return running[-1]

    yield bench
    for one in running:
        await one.stop()
        await one.twin.unplug()


async def test_a_document_is_read_when_it_comes_and_its_leaving_is_told(benches: Benches) -> None:
    bench = await benches(lines=LINES_PLACE)
    await bench.until_ready()
    bench.twin.present(ALL, LINES)
    await bench.until(lambda: len(bench.pictures()) == 3)
    presented, read, *pictures = bench.told()
    assert presented == DocumentPresented()
    assert read == MrzRead(LINES)
    assert {one.role: one.content for one in pictures} == ALL
    await asyncio.sleep(0.1)
    assert bench.twin.read_count == 1, "a document that lies still is read once"
    bench.twin.remove()
    await bench.until(lambda: bench.told()[-1] == DocumentRemoved())


async def test_another_read_is_of_the_same_document(benches: Benches) -> None:
    bench = await benches()
    bench.twin.present(ALL)
    await bench.until(lambda: len(bench.pictures()) == 3)
    await bench.driver.read_again()
    await bench.until(lambda: len(bench.pictures()) == 6)
    assert bench.told().count(DocumentPresented()) == 1


async def test_a_service_that_waits_for_documents_by_itself(benches: Benches) -> None:
    bench = await benches(presence_path="", process_waits=True, process_timeout_s=5.0)
    bench.twin.canned[PROCESS_PATH] = Response(204)
    await bench.until_ready()
    assert bench.told() == []
    bench.twin.present(ALL)
    del bench.twin.canned[PROCESS_PATH]
    await bench.until(bench.pictures)
    bench.twin.canned[PROCESS_PATH] = Response(204)
    assert bench.told()[0] == DocumentPresented()


async def test_a_service_that_holds_its_answer_back_is_asked_seldom(benches: Benches) -> None:
    bench = await benches(presence_path=f"{PRESENCE_PATH}?wait=3", presence_wait_s=3.0, dead_s=30.0)
    await bench.until_ready()
    bench.twin.hold_s = 3.0
    await asyncio.sleep(0.5)
    asked = len(bench.twin.requests)
    await asyncio.sleep(0.5)
    assert len(bench.twin.requests) - asked <= 1
    bench.twin.present(ALL)
    await bench.until(lambda: len(bench.pictures()) == 3)
    bench.twin.remove()
    await bench.until(lambda: bench.told()[-1] == DocumentRemoved())


async def test_a_service_without_presence_reads_on_command_and_shows_that_it_lives(benches: Benches) -> None:
    bench = await benches(presence_path="")
    await bench.until_ready()
    bench.twin.present(ALL)
    await asyncio.sleep(0.1)
    assert bench.told() == []
    await bench.driver.read_again()
    await bench.until(lambda: len(bench.pictures()) == 3)
    assert ("GET", LIFE_PATH) in bench.twin.requests
    assert ("POST", PROCESS_PATH) in bench.twin.requests


async def test_a_lost_service_does_not_have_the_same_document_read_twice(benches: Benches) -> None:
    bench = await benches()
    bench.twin.present(ALL)
    await bench.until(lambda: len(bench.pictures()) == 3)
    await bench.twin.unplug()
    await bench.until(lambda: bench.driver.state is DeviceState.ABSENT)
    await bench.twin.plug()
    await bench.until_ready()
    await asyncio.sleep(0.1)
    assert bench.told().count(DocumentPresented()) == 1
    assert bench.twin.read_count == 1


def picture_value(value: object) -> bytes:
    answer: dict[str, Any] = processed({"white": PICTURE})
    answer["ContainerList"]["List"][0]["Images"]["fieldList"][0]["valueList"][0]["value"] = value
    return json.dumps(answer).encode()


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (Response(500, b"{}"), "the service answered with status 500"),
        (Response(200, b"<html>"), "no JSON with each key once: JSONDecodeError"),
        (Response(200, b"[" * 60_000), "no JSON with each key once: RecursionError"),
        (Response(200, b'{"a": 1, "a": 2}'), "no JSON with each key once: ValueError"),
        (Response(200, b'{"a": NaN}'), "no JSON with each key once: ValueError"),
        (Response(200, b"{}"), "no picture"),
        (Response(200, picture_value("@@@@")), "white is no base64"),
        (Response(200, picture_value(base64.b64encode(PICTURE).decode()[:-3])), "white is no base64"),
        (Response(200, picture_value("ü" * 8)), "white is no base64"),
        (Response(200, picture_value({"a": 1})), "white is no text in base64"),
        (Response(200, picture_value(base64.b64encode(bytes(5000)).decode())), "white is larger than 4000 bytes"),
        (Response(200, picture_value(base64.b64encode(PICTURE[:-2]).decode())), "white: torn: its end is missing"),
        (Response(200, b" " * 70_000), "an answer larger than 65536 bytes"),
    ],
    ids=["500", "html", "deep", "doubled", "nan", "empty", "symbols", "cut", "letters", "object", "bomb", "torn", "large"],
)  # fmt: skip
async def test_what_is_no_page_is_refused_by_its_reason(benches: Benches, response: Response, reason: str) -> None:
    bench = await benches(picture_limit_bytes=4000, answer_limit_bytes=65_536)
    bench.twin.canned[PROCESS_PATH] = response
    bench.twin.present(ALL)
    await bench.until(bench.refused)
    assert bench.refused() == [reason]
    assert bench.pictures() == []
    assert bench.driver.state is DeviceState.READY
    assert bench.driver.reporter.fault_code == "DRV-PAG-001"
    del bench.twin.canned[PROCESS_PATH]
    await bench.driver.read_again()
    await bench.until(bench.pictures)
    assert bench.driver.reporter.fault_code == ""


async def test_a_read_that_comes_a_byte_at_a_time_ends_in_time(benches: Benches) -> None:
    bench = await benches(process_timeout_s=0.5)
    await bench.until_ready()
    bench.twin.pace_s = 0.02
    bench.twin.canned[PRESENCE_PATH] = Response(200, b'{"present":true}')
    await bench.until(bench.refused, 20)
    assert bench.refused()[0] == "no answer within 0.5 s"
    bench.twin.pace_s = 0
    await bench.driver.read_again()


@pytest.mark.parametrize(
    "response",
    [Response(302, headers={"Location": "http://127.0.0.1:1/"}), Response(401), Response(404), Response(500)],
    ids=["redirection", "unauthorised", "no such path", "error"],
)
async def test_a_service_that_refuses_is_a_fault(benches: Benches, response: Response) -> None:
    bench = await benches()
    bench.twin.canned[PRESENCE_PATH] = response
    await bench.until(lambda: bench.driver.state is DeviceState.FAULT)
    assert bench.driver.reporter.fault_code == "DRV-PAG-002"
    del bench.twin.canned[PRESENCE_PATH]
    await bench.until_ready()


async def test_compressed_answers_were_not_asked_for(benches: Benches) -> None:
    bench = await benches()
    bench.twin.canned[PRESENCE_PATH] = Response(200, bytes(20), headers={"Content-Encoding": "gzip"})
    await bench.until(lambda: "DRV-PAG-002" in bench.faults())


@pytest.mark.parametrize("body", [b"", b"{}", b'{"present": {}}', b"true false", b"\xff"])
async def test_presence_that_is_no_answer_is_no_sign_of_life(benches: Benches, body: bytes) -> None:
    bench = await benches(quiet_s=0.1, dead_s=0.4)
    bench.twin.canned[PRESENCE_PATH] = Response(200, body)
    await bench.until(lambda: "DRV-DEV-002" in bench.faults())
    assert DeviceState.READY not in {e.data.state for e in bench.events if isinstance(e.data, StateChanged)}
    assert bench.told() == []


async def test_credentials_come_from_a_file_that_nobody_else_reads(benches: Benches, tmp_path: Path) -> None:
    secret = tmp_path / "authorization"
    secret.write_text("Bearer utopia\n")
    secret.chmod(0o644)
    bench = await benches("Bearer utopia", authorization_file=str(secret))
    await bench.until(lambda: "DRV-LNK-002" in bench.faults())
    secret.chmod(0o600)
    await bench.until_ready()


async def test_without_credentials_it_is_refused(benches: Benches) -> None:
    bench = await benches("Bearer utopia")
    await bench.until(lambda: "DRV-PAG-002" in bench.faults())


def certificate(folder: Path, name: str) -> Path:
    """Write a self-signed certificate with its key for 127.0.0.1; return its path."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    path.write_bytes(made.public_bytes(pem) + private)
    return path


@pytest.mark.parametrize("is_trusted", [True, False], ids=["trusted", "another"])
async def test_only_the_pinned_authority_is_trusted(tmp_path: Path, is_trusted: bool) -> None:
    ours, other = certificate(tmp_path, "ours"), certificate(tmp_path, "other")
    twin = PageHttpTwin()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(ours)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await twin.talk(reader, writer)
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context)
    twin.port = server.sockets[0].getsockname()[1]
    address = f"https://127.0.0.1:{twin.port}"
    bench = Bench(twin, source=address, ca_file=str(ours if is_trusted else other))
    if is_trusted:
        await bench.until_ready()
    else:
        await bench.until(lambda: "DRV-PAG-002" in bench.faults())
        assert twin.requests == []
    await bench.stop()
    server.close()


@pytest.mark.parametrize("is_listed", [True, False], ids=["listed", "not listed"])
async def test_a_host_process_reaches_only_what_its_list_names(benches: Benches, is_listed: bool) -> None:
    bench = await benches(source="http://127.0.0.1:9")  # only for its twin
    port = bench.twin.port
    names: list[str] = []

    async def resolver(host: str, _port: int) -> str:
        names.append(host)
        return "127.0.0.1"

    options = {"source": f"http://reader.gate.local:{port}", "is_plain_allowed": True}
    assert endpoints_of("page_http", options).connects == (Endpoint("reader.gate.local", port),)
    allowed = [Endpoint("reader.gate.local", port)] if is_listed else []
    context = copy_context()
    context.run(REACH.set, AllowList(allowed, resolver=resolver))
    hosted = context.run(Bench, bench.twin, **options)
    if is_listed:
        await hosted.until_ready()
        assert names == ["reader.gate.local"]
    else:
        await hosted.until_fault("DRV-LNK-005")
        assert names == []
        assert bench.twin.requests == []
    await hosted.stop()


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ({"source": "ftp://127.0.0.1"}, "source"),
        ({"source": "http://10.0.0.7:8080"}, "https"),
        ({"source": "http://user:word@127.0.0.1"}, "source"),
        ({"presence": "present"}, "begins with /"),
        ({"pictures": {"white": "/{lightIndex}"}}, "a choice is"),
        ({"pictures": {"coaxial": "/a"}}, "no picture is called"),
        ({"process_body": "{"}, "process_body|Expecting"),
        ({"presence_path": "/p", "presence_wait_s": 20.0}, "dead_s"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(options: dict[str, object], place: str) -> None:
    with pytest.raises(OptionsRefused, match=place):
        build("pages", {"source": "http://127.0.0.1:1", **options}, lambda _event: None, SystemClock())


def test_places_choose_from_lists_and_go_on_where_the_first_leads_nowhere() -> None:
    answer = {"List": [{"kind": 1}, {"kind": 1, "value": 7}, {"kind": "1", "value": 8}], "a/b": {"~": [5]}}
    assert value_at(answer, compiled("/List/{kind=1}/value")) == 7
    assert value_at(answer, compiled("/List/{}/value")) == 7
    assert value_at(answer, compiled("/List/{kind=1,value=8}/value")) == 8
    assert value_at(answer, compiled("/List/2/value")) == 8
    assert value_at(answer, compiled("/a~1b/~0/0")) == 5
    assert value_at(answer, compiled("/List/{kind=2}/value")) is None
    assert value_at(answer, compiled("")) is answer


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(value=JSON_VALUES)
def test_any_json_is_an_answer_or_refused(value: object) -> None:
    content = json.dumps(value).encode()
    for parse in (presence_in, page_in):
        with contextlib.suppress(AnswerRefused):
            parse(content, SHAPE)


@given(content=st.binary(max_size=200))
def test_any_bytes_are_an_answer_or_refused(content: bytes) -> None:
    for parse in (presence_in, page_in):
        with contextlib.suppress(AnswerRefused):
            parse(content, SHAPE)


@given(
    pictures=st.dictionaries(st.sampled_from(["white", "infrared", "ultraviolet"]), st.binary(min_size=1, max_size=300))
)
def test_what_the_service_encodes_comes_out(pictures: dict[str, bytes]) -> None:
    found = page_in(json.dumps(processed(pictures, LINES)).encode(), SHAPE)
    assert found.pictures == pictures
    assert found.lines == "^".join(LINES).encode()
