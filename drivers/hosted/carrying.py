"""How a host carries out an agent's commands with its drivers, and tells how each ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, assert_never

import structlog

from drivers.barrier.errors import ReleaseNotMade
from drivers.contracts import ChipProgress, Clock, Driver, Unsupported
from drivers.errors import DriverFault, UnexpectedFailure
from drivers.hosted.messages import (
    CallStation,
    Command,
    Done,
    EndReleases,
    Failed,
    FailureKind,
    LiftLockdown,
    LockDown,
    MoveLift,
    PrintReceipt,
    ReadChip,
    ReadDocumentAgain,
    ReadInputs,
    ReleaseDoor,
    Result,
    SealAnswered,
    ShowSignal,
    UnlockSeal,
)

LOG = structlog.get_logger()
_METHODS: dict[type, str] = {
    ReleaseDoor: "release",
    EndReleases: "end_releases",
    LockDown: "lockdown",
    LiftLockdown: "lift_lockdown",
    ShowSignal: "signal",
    ReadInputs: "read_inputs",
    ReadDocumentAgain: "read_again",
    ReadChip: "read",
    PrintReceipt: "print_receipt",
    UnlockSeal: "unlock",
    MoveLift: "move",
    CallStation: "call",
}


class Carrier:
    """Carries out the commands of one device. Its releases wait for one another; nothing else waits for anything."""

    def __init__(self, driver: Driver, clock: Clock) -> None:
        self._driver: Any = driver  # which methods it has is asked for
        self._clock = clock
        self._releasing = asyncio.Lock()

    async def answer(self, command_id: int, command: Command, report: Callable[[ChipProgress], None]) -> Done | Failed:
        """Carry out; only cancellation leaves as an exception."""
        try:
            return Done(command_id, await self._carried_out(command, report))
        except DriverFault as fault:
            return Failed(command_id, FailureKind.FAULT, str(fault), fault.code, fault.remedy)
        except Unsupported as refusal:
            return Failed(command_id, FailureKind.UNSUPPORTED, str(refusal))
        except ValueError as refusal:
            return Failed(command_id, FailureKind.WRONG_VALUE, str(refusal))
        except Exception as error:  # noqa: BLE001 - as in the supervisor: a command of any driver may raise anything
            LOG.error("hosted_command_failed", device=self._driver.name, error=type(error).__name__)
            failure = UnexpectedFailure(f"{self._driver.name}: {type(error).__name__}: {error}")
            return Failed(command_id, FailureKind.FAULT, str(failure), failure.code, failure.remedy)

    async def _carried_out(self, command: Command, report: Callable[[ChipProgress], None]) -> Result | None:
        if not hasattr(self._driver, _METHODS[type(command)]):
            raise Unsupported(f"{self._driver.name} has no {_METHODS[type(command)]}")
        result: Result | None = None
        match command:
            case ReleaseDoor():
                await self._release(command)
            case EndReleases():
                await self._driver.end_releases()
            case LockDown():
                await self._driver.lockdown()
            case LiftLockdown():
                await self._driver.lift_lockdown()
            case ShowSignal():
                await self._driver.signal(command.signal, command.expires_mono_s - self._clock.monotonic_s())
            case ReadInputs():
                result = await self._driver.read_inputs()
            case ReadDocumentAgain():
                await self._driver.read_again()
            case ReadChip():
                result = await self._driver.read(command.keys, report)
            case PrintReceipt():
                await self._driver.print_receipt(command.lines, command.qr)
            case UnlockSeal():
                result = SealAnswered(await self._driver.unlock(command.seal_id))
            case MoveLift():
                result = await self._driver.move(command.direction, command.duration_s)
            case CallStation():
                await self._driver.call()
            case _:
                assert_never(command)
        return result

    async def _release(self, command: ReleaseDoor) -> None:
        """Release with what is left of the time to live. Raises `ReleaseNotMade` when nothing is."""
        async with self._releasing:
            left_s = command.expires_mono_s - self._clock.monotonic_s()
            if left_s <= 0:
                raise ReleaseNotMade(f"{self._driver.name}: the release was over before it could be made")
            await self._driver.release(command.door, command.count, left_s)
