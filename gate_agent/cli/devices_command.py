"""What `egate devices command` can tell a device, by word; each driver takes those of its class and refuses what it lacks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any

from drivers.accessibility import LiftDirection, Utterance
from drivers.contracts import DeviceState, Driver, Unsupported
from drivers.errors import NotReady
from gate_agent.errors import DeviceFault, SettingsFault

_LONGEST_MOVE_S = 30
COMMAND_USAGE = (
    "trigger on|off · beep [N] · light on|off · enable on|off · menu COMMAND · parameters [N…] · set-parameter N VALUE · "
    "attributes N… · read-again · print TEXT · say LANGUAGE TEXT · move up|down SECONDS · call"
)


@dataclass(frozen=True, slots=True)
class Sending:
    """A command with its operands: the driver's method and what it is called with."""

    method: str
    operands: tuple[Any, ...] = ()
    named: Mapping[str, Any] | None = None

    async def to(self, driver: Driver) -> object:
        """Let the driver do it. Raises `Unsupported` when it has no such command, and whatever the command raises."""
        method: Callable[..., Awaitable[object]] | None = getattr(driver, self.method, None)
        if method is None:
            raise Unsupported(f"{driver.name} takes no {self.method} command")
        return await method(*self.operands, **(self.named or {}))


def command_of(words: list[str]) -> Sending:
    """Return the command that these words mean. Raises `SettingsFault` for none."""
    match words:
        case ["trigger" | "light" | "enable" as name, "on" | "off" as state]:
            return Sending(name, named={"on": state == "on"})
        case ["beep", *code] if len(code) <= 1:
            return Sending("beep", _numbers(code, 0xFF))
        case ["menu", command]:
            return Sending("menu", (command,))
        case ["parameters", *numbers]:
            return Sending("parameters", _numbers(numbers))
        case ["set-parameter", number, value]:
            parameter = _numbers([number, value])
            return Sending("set_parameters", ({parameter[0]: parameter[1]},))
        case ["attributes", _, *_]:
            return Sending("attributes", _numbers(words[1:]))
        case ["read-again"]:
            return Sending("read_again")
        case ["print", _, *_]:
            return Sending("print_receipt", ((" ".join(words[1:]),),))
        case ["say", language, _, *_]:
            return Sending("say", (Utterance("by-hand", " ".join(words[2:]), language),))
        case ["move", "up" | "down" as way, seconds]:
            return Sending("move", (LiftDirection(way), float(_numbers([seconds], _LONGEST_MOVE_S)[0])))
        case ["call"]:
            return Sending("call")
    raise SettingsFault(f"{' '.join(words)!r} is no command; there are: {COMMAND_USAGE}")


def _numbers(words: list[str], highest: int = 0xFFFF) -> tuple[int, ...]:
    try:
        numbers = tuple(int(word, 0) for word in words)
    except ValueError as error:
        raise SettingsFault(f"{' '.join(words)!r}: write numbers, such as 318 or 0x13e") from error
    if any(not 0 <= number <= highest for number in numbers):
        raise SettingsFault(f"{' '.join(words)!r}: numbers go from 0 to {highest}")
    return numbers


async def carry_out(driver: Driver, sending: Sending, *, wait_s: float) -> object:
    """Wait until the running driver is ready, send, and return the answer as JSON knows it.

    A device that speaks only when it is used never gets ready by itself: once it is open, the command is sent when the time is over.
    Raises `DeviceFault` for a command that the device lacks, `drivers.errors.DriverFault` for one that it does not carry out.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(wait_s):
            while driver.state is not DeviceState.READY:  # noqa: ASYNC110 - a state, looked at now and then
                await asyncio.sleep(0.01)
    if driver.state not in {DeviceState.READY, DeviceState.STARTING}:
        raise NotReady(f"{driver.name} is {driver.state.value}")
    try:
        answer = await sending.to(driver)
    except Unsupported as error:
        raise DeviceFault(str(error), code="EG-DEV-002") from error
    except ValueError as error:
        raise SettingsFault(str(error)) from error
    return _plain(answer)


def _plain(answer: object) -> object:
    if isinstance(answer, Mapping):
        return {str(key): _plain(value) for key, value in answer.items()}
    if is_dataclass(answer) and not isinstance(answer, type):
        return asdict(answer)
    if isinstance(answer, tuple):
        return list(answer)
    return answer.hex() if isinstance(answer, bytes) else answer
