"""The agent's sync API as `egate sync` sees it: a `RecordSource` over HTTP on a Unix socket."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import httpx
from pydantic import BaseModel, TypeAdapter, ValidationError

from central_sync.acks import AckApplied
from central_sync.commands import CommandResult
from central_sync.envelope import Lane
from central_sync.errors import AckRefused, CommandRefused, TransportFault
from central_sync.handover import BatchPage, LinkReport, Refusal
from central_sync.presence import ChainPosition, DeviceReading

AGENT_AWAY = "CS-TRA-010"
_READINGS = TypeAdapter(list[DeviceReading])
Answer = TypeVar("Answer", bound=BaseModel)


class SyncSocket:
    """Client of `sync.sock`. An absent agent or a refusing store is a `TransportFault` with code CS-TRA-010: try again later."""

    def __init__(self, path: Path, *, timeout_s: float = 10.0) -> None:
        self._timeout_s = timeout_s
        self._client = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=str(path)), base_url="http://agent", timeout=timeout_s
        )

    async def next_batch(self, lane: Lane, limit: int, after_seq: int, wait_s: float) -> BatchPage:
        """Return unacknowledged rows."""
        parameters: dict[str, str | int | float] = {
            "lane": lane,
            "limit": limit,
            "after_seq": after_seq,
            "wait_s": wait_s,
        }
        response = await self._call("GET", "/v1/batch", params=parameters, timeout_s=self._timeout_s + wait_s)
        return read_answer(BatchPage, response)

    async def apply_ack(self, wire: bytes) -> AckApplied:
        """Hand over an acknowledgement. Raises `AckRefused` as the agent judged."""
        response = await self._call("POST", "/v1/ack", content=wire)
        if response.status_code == httpx.codes.CONFLICT:
            refusal = read_answer(Refusal, response)
            raise AckRefused(refusal.message, code=refusal.code)
        return read_answer(AckApplied, response)

    async def apply_command(self, wire: bytes) -> CommandResult:
        """Hand over a command. Raises `CommandRefused` as the agent judged."""
        response = await self._call("POST", "/v1/command", content=wire)
        if response.status_code == httpx.codes.CONFLICT:
            refusal = read_answer(Refusal, response)
            raise CommandRefused(refusal.message, code=refusal.code)
        return read_answer(CommandResult, response)

    async def position(self) -> ChainPosition:
        """Return where the chain stands."""
        return read_answer(ChainPosition, await self._call("GET", "/v1/birth"))

    async def telemetry(self) -> list[DeviceReading]:
        """Return how the gate's devices are."""
        response = await self._call("GET", "/v1/telemetry")
        try:
            return _READINGS.validate_json(response.content)
        except ValidationError as error:
            raise TransportFault("the agent's answer cannot be read", code=AGENT_AWAY) from error

    async def report_link(self, report: LinkReport) -> None:
        """Tell whether the centre is online."""
        await self._call("POST", "/v1/link", content=report.model_dump_json().encode())

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _call(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, str | int | float] | None = None,
        content: bytes | None = None,
        timeout_s: float | None = None,
    ) -> httpx.Response:
        try:
            response = await self._client.request(
                method,
                path,
                params=params,
                content=content,
                headers={"content-type": "application/json"},
                timeout=timeout_s or self._timeout_s,
            )
        except httpx.TransportError as error:
            raise TransportFault(f"the agent does not answer: {type(error).__name__}", code=AGENT_AWAY) from error
        if response.is_error and response.status_code != httpx.codes.CONFLICT:
            raise TransportFault(f"the agent answered {response.status_code} to {path}", code=AGENT_AWAY)
        return response


def read_answer(model: type[Answer], response: httpx.Response) -> Answer:
    """Return the agent's answer. Raises `TransportFault` when it cannot be read."""
    try:
        return model.model_validate_json(response.content)
    except ValidationError as error:
        raise TransportFault("the agent's answer cannot be read", code=AGENT_AWAY) from error
