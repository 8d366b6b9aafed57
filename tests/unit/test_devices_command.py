"""`egate devices command`: words to commands, what a device lacks, one round with a twin as processes."""

import asyncio
import json
from pathlib import Path

import pytest

from drivers.accessibility import LiftDirection, Utterance
from drivers.contracts import DeviceState
from drivers.errors import NotReady
from gate_agent.cli import main
from gate_agent.cli.devices_command import Sending, carry_out, command_of
from gate_agent.errors import DeviceFault, SettingsFault
from tests.unit.device_processes import start_devices


@pytest.mark.parametrize(
    ("words", "sending"),
    [
        ("trigger on", Sending("trigger", named={"on": True})),
        ("enable off", Sending("enable", named={"on": False})),
        ("beep", Sending("beep")),
        ("beep 0x1f", Sending("beep", (31,))),
        ("menu CBRENA1", Sending("menu", ("CBRENA1",))),
        ("parameters", Sending("parameters")),
        ("set-parameter 318 1000", Sending("set_parameters", ({318: 1000},))),
        ("attributes 533 534", Sending("attributes", (533, 534))),
        ("read-again", Sending("read_again")),
        ("print one line", Sending("print_receipt", (("one line",),))),
        ("say uz-Latn Eshikdan kiring", Sending("say", (Utterance("by-hand", "Eshikdan kiring", "uz-Latn"),))),
        ("move down 2", Sending("move", (LiftDirection.DOWN, 2.0))),
        ("call", Sending("call")),
    ],
)
def test_words_mean_commands(words: str, sending: Sending) -> None:
    assert command_of(words.split()) == sending


@pytest.mark.parametrize(
    "words",
    [
        "fly",
        "print",
        "trigger",
        "trigger up",
        "beep 256",
        "beep x",
        "attributes",
        "menu a b",
        "say ru",
        "move left 1",
        "move up 99",
    ],
)
def test_other_words_are_refused_with_what_there_is(words: str) -> None:
    with pytest.raises(SettingsFault, match=r"there are|numbers"):
        command_of(words.split())


class OnlyBeeps:
    """A driver with one command that gives every kind of answer."""

    name = "scanner-1"

    def __init__(self, state: DeviceState) -> None:
        self.state = state

    async def beep(self, code: int = 0) -> object:
        if code:
            raise ValueError("too loud")
        return {533: (1, 2), 534: b"\xff"}


async def test_answers_and_what_stands_in_the_way() -> None:
    ready = OnlyBeeps(DeviceState.READY)
    assert await carry_out(ready, command_of(["beep"]), wait_s=0.1) == {"533": [1, 2], "534": "ff"}  # type: ignore[arg-type]
    with pytest.raises(SettingsFault, match="too loud"):
        await carry_out(ready, command_of(["beep", "1"]), wait_s=0.1)  # type: ignore[arg-type]
    with pytest.raises(DeviceFault, match="takes no trigger command") as lacking:
        await carry_out(ready, command_of(["trigger", "on"]), wait_s=0.1)  # type: ignore[arg-type]
    assert lacking.value.code == "EG-DEV-002"
    open_and_silent = OnlyBeeps(DeviceState.STARTING)
    await carry_out(open_and_silent, command_of(["beep"]), wait_s=0.02)  # type: ignore[arg-type]
    with pytest.raises(NotReady):
        await carry_out(OnlyBeeps(DeviceState.ABSENT), command_of(["beep"]), wait_s=0.02)  # type: ignore[arg-type]


def test_a_device_that_is_not_there_and_one_that_nobody_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    device = ["--driver", "zebra_ssi", "--option", f"path={tmp_path / 'nothing'}", "--wait", "0.05"]
    assert main(["devices", "command", "beep", *device]) == 3
    assert "DRV-DEV-004" in capsys.readouterr().err
    site = tmp_path / "gate.toml"
    tables = [f'[[device]]\nname = "s-{n}"\ndriver = "hid_wedge"\noptions = {{ path = "x" }}\n' for n in (1, 2)]
    site.write_text("".join(tables))
    assert main(["devices", "command", "beep", "--config", str(site)]) == 3
    assert "--device" in capsys.readouterr().err
    assert main(["devices", "command", "beep", "--config", str(site), "--device", "s-2", "--wait", "0.05"]) == 3
    assert "s-2" in capsys.readouterr().err


async def test_parameters_of_a_twin_are_read_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "scanner"

    async with asyncio.timeout(30):
        twin = await start_devices("twin", "zebra_ssi", "--path", str(path), "--json")
        assert json.loads(await twin.stdout.readline())["path"] == str(path)
        device = ["--driver", "zebra_ssi", "--option", f"path={path}", "--json"]
        asking = await start_devices("command", "parameters", "318", *device)
        lines, errors = await asking.communicate()
        assert asking.returncode == 0, errors
        assert json.loads(lines) == {"device": "zebra-ssi", "command": "parameters 318", "answer": {"318": 1279}}
        await twin.communicate(b"quit\n")
