"""A training gate: what its settings refuse, the mark on its records, what refuses them, and the banner on every page."""

import asyncio
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Route

from central_sync.centre.ledger import TRAINING_REASON
from central_sync.messages import read_record
from central_sync.transports.memory import MemoryBroker, MemoryTransport
from gate_agent.cli import main
from gate_agent.cli.console import console_app
from gate_agent.clock import SystemClock
from gate_agent.demo.exercises import EXERCISES
from gate_agent.demo.training import ExerciseResult
from gate_agent.errors import SettingsFault, StoreFault
from gate_agent.settings import PathSettings, Settings, load
from gate_agent.store import Store
from gate_agent.web.i18n import TRAVELLER_LANGUAGES, load_catalogues
from gate_agent.web.officer_keys import unlock_officer_key
from gate_agent.web.training_banner import TrainingBanner
from tests.scenario.test_sync_scenario import Scene, eventually, let_through, running

WORDS = load_catalogues("traveller", TRAVELLER_LANGUAGES)


# settings


def settings(**changes: object) -> Settings:
    return Settings(**({"gate": {"training": True}} | changes))


@pytest.mark.parametrize(
    "options",
    [
        {"path": "/tmp/egate/devices/reader-1"},
        {"host": "127.0.0.1", "port": 4000},
        {"source": "http://127.0.0.1:8080/video"},
        {"source": "rtsp://localhost:8554/live"},
        {"port": 4000},
        {"path": "/tmp/egate/heat", "heater_host": "127.0.0.1"},
        {"path": "/tmp/egate/heat", "heater_host": ""},
    ],
)  # fmt: skip
def test_twins_of_this_machine_train(options: dict[str, object]) -> None:
    assert settings(device=[{"name": "one", "driver": "x", "options": options}]).gate.training


@pytest.mark.parametrize(
    "options",
    [
        {"path": "/dev/serial/by-id/usb-reader"},
        {"path": "/dev/../dev/ttyUSB0"},
        {"path": "/egate/../dev/ttyUSB0"},
        {"host": "10.0.0.7", "port": 502},
        {"host": "barrier.example", "port": 502},
        {"source": "rtsp://10.0.0.8/live"},
        {"source": 0},
        {"path": ["/tmp/egate/line"]},
        {"path": "/tmp/egate/heat", "heater_host": "10.0.0.9"},
        {"reader": "ACS ACR1252", "life_path": "/alive"},
        {"reader": "ACS ACR1252"},
        {},
    ],
)
def test_a_real_device_and_a_training_gate_are_refused_together(options: dict[str, object]) -> None:
    tables = [{"name": "one", "driver": "x", "options": options}]
    with pytest.raises(ValueError, match="device one is no twin on this machine"):
        settings(device=tables)
    assert not Settings(device=tables).gate.training


def test_a_link_is_followed_to_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "line").symlink_to("/dev/null")
    (tmp_path / "twin").symlink_to("/dev/pts/99")
    settings(device=[{"name": "one", "driver": "x", "options": {"path": str(tmp_path / "twin")}}])
    with pytest.raises(ValueError, match="device one is no twin"):
        settings(device=[{"name": "one", "driver": "x", "options": {"path": str(tmp_path / "line")}}])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"gate": {"training": True, "country": "UZB"}}, "no real state"),
        ({"post": {"host": "10.0.0.1"}}, "belongs to no post"),
        ({"face": {"short_term_references": True}}, "keeps nobody's face"),
    ],
)
def test_what_is_real_and_a_training_gate_are_refused_together(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        settings(**changes)


# records


async def training_store(scene: Scene, *, is_training: bool) -> Store:
    return await Store.open(
        scene.folder / "store", SystemClock(), SimpleNamespace(country="UTO", site="demo", gate_id="gate-1"),
        scene.seal_key.public_key(), SimpleNamespace(keep_acknowledged_days=30, keep_receipts_days=1096, ballast_bytes=0),
        centre_public_key=scene.centre_key.public_key(), is_training=is_training,
    )  # fmt: skip


async def test_records_are_marked_when_they_are_made_and_a_centre_that_gets_one_sets_it_aside_and_counts_it_nowhere(
    tmp_path: Path,
) -> None:
    scene, broker = Scene(tmp_path), MemoryBroker()
    store = await training_store(scene, is_training=True)
    await let_through(store, 1)
    centre = scene.centre(transport=MemoryTransport(broker))
    await centre.start()
    async with running(scene.link(store, MemoryTransport(broker))):
        await eventually(lambda: scene.states() == {"quarantined": 4})
    counts = centre.queries.counts()
    assert counts["totals"] == {"stored": 0, "quarantined": 4, "alarms": 4}
    with centre.engine.connect() as connection:
        reasons = {row[0] for row in connection.exec_driver_sql("SELECT reason FROM quarantine")}
    assert reasons == {TRAINING_REASON}
    await centre.stop()
    await store.close()


async def test_a_store_is_one_or_the_other_for_ever(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    for was in (True, False):
        scene.folder = tmp_path / str(was)
        scene.folder.mkdir()
        await (await training_store(scene, is_training=was)).close()
        with pytest.raises(StoreFault, match="this store is a") as refused:
            await training_store(scene, is_training=not was)
        assert refused.value.code == "EG-STO-006"
        store = await training_store(scene, is_training=was)
        await let_through(store, 1)
        (body, *_) = [one[2] for one in await asyncio.to_thread(_bodies, scene.folder)]
        assert read_record(body).training is was
        assert (b'"training"' in body) is was
        await store.close()


def _bodies(folder: Path) -> list[tuple[int, str, bytes]]:
    import sqlite3

    connection = sqlite3.connect(f"file:{folder / 'store' / 'store.db'}?mode=ro", uri=True)
    try:
        return [
            (int(seq), str(kind), bytes(body))
            for seq, kind, body in connection.execute("SELECT seq, kind, body FROM outbox")
        ]
    finally:
        connection.close()


def test_sync_does_not_start_at_a_training_gate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = tmp_path / "gate.toml"
    site.write_text("[gate]\ntraining = true\n")
    assert load(site).gate.training
    assert main(["sync", "--config", str(site)]) == 3
    assert "EG-SET-015" in capsys.readouterr().err
    site.write_text('[gate]\ntraining = true\ncountry = "UZB"\n')
    with pytest.raises(SettingsFault, match="no real state"):
        load(site)


# the banner


def pages(page: str) -> httpx.AsyncClient:
    async def html(_request: object) -> HTMLResponse:
        return HTMLResponse(page)

    async def data(_request: object) -> JSONResponse:
        return JSONResponse({"body": "<body>"})

    app = Starlette(routes=[Route("/page", html), Route("/data", data)])
    app.add_middleware(TrainingBanner, catalogues=WORDS)
    app.add_middleware(TrainingBanner, catalogues=WORDS)  # pages within pages: still one
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")


async def test_every_page_gets_one_banner_in_every_language_and_nothing_else_is_touched() -> None:
    client = pages('<html lang="en"><head><title>x</title></head><body class="console">all</body></html>')
    answer = await client.get("/page")
    assert answer.text.count('class="training-banner"') == 1
    assert answer.text.count('href="/static/training.css"') == 1
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert all(catalogue.text("ui.training_banner") in answer.text for catalogue in WORDS.values())
    assert len({catalogue.text("ui.training_banner") for catalogue in WORDS.values()}) == len(WORDS)
    assert (await client.get("/data")).json() == {"body": "<body>"}
    assert (await pages("<li>a fragment</li>").get("/page")).text == "<li>a fragment</li>"


def test_the_style_shows_each_language_of_the_screens() -> None:
    style = (Path(__file__).parents[2] / "gate_agent" / "web" / "static" / "training.css").read_text()
    for language in TRAVELLER_LANGUAGES:
        assert f'html[lang="{language}"] .training-banner [lang="{language}"]' in style


def test_only_a_training_gate_has_the_banner(tmp_path: Path) -> None:
    for is_training in (True, False):
        keys = PathSettings(run=tmp_path, keys=tmp_path)
        gate = Settings(gate={"training": is_training}, paths=keys)
        app = console_app(gate, profile=lambda _: None, unlock=unlock_officer_key)
        assert any(one.cls is TrainingBanner for one in app.user_middleware) is is_training


# exercises


def test_the_exercises_are_named_as_the_page_names_them(capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
    assert list(EXERCISES) == [line.split("`")[1] for line in page.splitlines() if line.startswith("| `")]
    assert main(["training", "list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(EXERCISES) == 7
    assert main(["training", "run", "nothing_such"]) == 2
    right = ExerciseResult("overstay", "handed_over", "handed_over", 12.34, ("stay_overstayed",))
    assert (right.is_right, right.fields()["seconds"]) == (True, 12.3)
    assert not ExerciseResult("overstay", "handed_over", "nothing", 600.0, ()).is_right
