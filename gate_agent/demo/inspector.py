"""The demo's customs inspector: goes through the desk's pages as a person does, form by form, and signs what they show."""

from __future__ import annotations

from html.parser import HTMLParser

import httpx

from gate_agent.web.desk_messages import CustomsTaskView


class InspectorRefused(Exception):
    """The desk did not let the inspector close a task."""


class _Fields(HTMLParser):
    """The values of a page's named inputs, as a browser would send them."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an input."""
        given = dict(attrs)
        kind = given.get("type", "text")
        if tag == "input" and given.get("name") and (kind not in {"radio", "checkbox"} or "checked" in given):
            self.values[str(given["name"])] = given.get("value") or ""


class DemoInspector:
    """One officer at the customs desk."""

    def __init__(self, base_url: str, officer_id: str, password: str) -> None:
        self._client = httpx.AsyncClient(base_url=base_url, timeout=10.0)
        self._officer_id = officer_id
        self._password = password

    async def close(self) -> None:
        """Leave the desk."""
        await self._client.aclose()

    async def close_task(self, task: CustomsTaskView, finding: str, act_number: str = "") -> None:
        """Close a task in both steps. Raises `InspectorRefused`."""
        signed_in = await self._client.post(
            "/guard/login", data={"officer_id": self._officer_id, "password": self._password}
        )
        _expect(signed_in, httpx.codes.SEE_OTHER)
        stop = f"/desk/stops/{task.transaction_id}"
        shown = await self._client.get(stop)
        _expect(shown, httpx.codes.OK)
        found = _fields(shown) | {"finding": finding, "act_number": act_number}
        review = await self._client.post(f"{stop}/tasks/{task.task_id}/review", data=found)
        _expect(review, httpx.codes.OK)
        closed = await self._client.post(f"{stop}/tasks/{task.task_id}/close", data=_fields(review))
        _expect(closed, httpx.codes.SEE_OTHER)


def _fields(page: httpx.Response) -> dict[str, str]:
    reader = _Fields()
    reader.feed(page.text)
    return reader.values


def _expect(answer: httpx.Response, status: int) -> None:
    if answer.status_code != status:
        raise InspectorRefused(f"{answer.request.url.path} was answered {answer.status_code}")
