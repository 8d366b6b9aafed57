"""The demo's guard: an HTTP client of the guard console that signs in with the one-time password and acts as a person would."""

from __future__ import annotations

import asyncio
import contextlib
import uuid

import httpx

from gate_agent.web.lane_api_messages import ActionAnswer, GuardAction, ReferralView

_NOT_ON_SCREEN_YET = {"gone", "gate_unreachable"}
_LOOKS = 50
_LOOK_S = 0.1


class GuardRefused(Exception):
    """The console or the agent did not accept what the guard did."""


class DemoGuard:
    """One officer at the console. Signs in again when the console was restarted."""

    def __init__(self, base_url: str, officer_id: str, password: str) -> None:
        self._client = httpx.AsyncClient(base_url=base_url, timeout=10.0, headers={"accept": "application/json"})
        self._officer_id = officer_id
        self._password = password
        self._csrf = ""

    async def close(self) -> None:
        """Leave the console."""
        await self._client.aclose()

    async def sign_in(self) -> None:
        """Sign in with the password."""
        answer = await self._client.post(
            "/guard/login", data={"officer_id": self._officer_id, "password": self._password}
        )
        if answer.status_code != httpx.codes.OK:
            raise GuardRefused(f"sign-in was answered {answer.status_code}")
        self._csrf = answer.json()["csrf"]

    async def decide(self, lane_id: int, referral: ReferralView, action: GuardAction, reason_code: str) -> ActionAnswer:
        """Look at the portraits where there are two, then release or hand over with a reason."""
        transaction = str(referral.transaction_id)
        if referral.has_probe and referral.has_reference:
            with contextlib.suppress(httpx.TransportError):  # a console that restarts shows them in a moment
                for kind in ("probe", "reference"):
                    await self._client.get(f"/guard/images/{transaction}/{kind}")
            await self._post(f"/guard/referrals/{transaction}/assessment", {"answer": "unsure"})
        return await self.act(action, lane_id, reason_code, transaction_id=transaction)

    async def act(
        self, action: GuardAction, lane_id: int, reason_code: str, *, transaction_id: str = "", subject_id: str = ""
    ) -> ActionAnswer:
        """Post one action and return the agent's answer."""
        fields = {
            "action_id": str(uuid.uuid4()),
            "action": action.value,
            "lane_id": str(lane_id),
            "transaction_id": transaction_id,
            "subject_id": subject_id,
            "reason_code": reason_code,
        }
        for _ in range(_LOOKS):
            answer = ActionAnswer.model_validate_json((await self._post("/guard/actions", fields)).content)
            if answer.code not in _NOT_ON_SCREEN_YET:
                return answer
            await asyncio.sleep(_LOOK_S)  # the console's page is a moment behind the lane
        raise GuardRefused(f"{action} was answered {answer.code}")

    async def _post(self, path: str, fields: dict[str, str]) -> httpx.Response:
        """Post, signing in first where the console does not know the session (it may have been restarted)."""
        for attempt in range(20):
            try:
                answer = await self._client.post(path, data={**fields, "csrf": self._csrf})
                if answer.status_code == httpx.codes.UNAUTHORIZED or not self._csrf:
                    await self.sign_in()
                    continue
            except (httpx.TransportError, GuardRefused):
                await asyncio.sleep(0.25 * (1 + attempt % 4))
                continue
            if answer.status_code in {httpx.codes.OK, httpx.codes.FORBIDDEN} and b"accepted" in answer.content:
                return answer
            if answer.is_success:
                return answer
            if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
                await asyncio.sleep(0.25)
                continue
            raise GuardRefused(f"{path} was answered {answer.status_code}")
        raise GuardRefused(f"{path}: the console does not answer")
