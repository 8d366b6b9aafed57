"""`egate sync` between agent and post: an order is carried once, and "not sent" is said only when it certainly reached no seal."""

import asyncio
import base64
import ssl
import uuid

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from central_sync.errors import OrderRefused, PostFault, PostNotReached, TransportFault
from central_sync.post.client import PostClient
from central_sync.post.link import PostLink
from central_sync.post.messages import UnlockCarried, UnlockClaimed, UnlocksWaiting
from central_sync.post.unlocks import ORDER_VALID, UnlockOrder, open_order, order_body
from tests.unit.hand_clock import NOW
from tests.unit.unlock_authority import payload, signed

KEY = Ed25519PrivateKey.generate()
SOURCE = "UTO/demo/gate-1"
ORDER = UnlockOrder(
    order_id=uuid.UUID(int=1),
    source=SOURCE,
    seal_id="99",
    expires_at=NOW + ORDER_VALID,
    authorisation=signed(payload("99", NOW)),
)
PATIENCE_S = 60


class Agent:
    """An agent with one order; everything else of it is away."""

    def __init__(self) -> None:
        self.orders = [ORDER]
        self.carried: asyncio.Future[UnlockCarried] = asyncio.get_running_loop().create_future()

    def __getattr__(self, _name: str):
        async def away(*_values: object) -> None:
            raise TransportFault("away")

        return away

    async def unlocks_waiting(self, _wait_s: float) -> UnlocksWaiting:
        await asyncio.sleep(0.001)
        return UnlocksWaiting(count=1)  # also when another loop was faster

    async def claim_unlock(self) -> UnlockClaimed:
        if not self.orders:
            return UnlockClaimed()
        order = self.orders.pop()
        return UnlockClaimed(order_id=order.order_id, body_base64=base64.b64encode(order_body(order)).decode())

    async def unlock_carried(self, carried: UnlockCarried) -> None:
        self.carried.set_result(carried)


class Post:
    def __init__(self, answer: bytes | Exception) -> None:
        self.answer = answer
        self.orders: list[UnlockOrder] = []

    async def unlock(self, wire: bytes) -> bytes:
        self.orders.append(open_order(wire, {SOURCE: KEY.public_key()}))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def state(self) -> None:
        raise PostFault("away")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"signed", {"answer_base64": base64.b64encode(b"signed").decode()}),
        (OrderRefused("expired", code="CS-ULK-004"), {"not_sent": "CS-ULK-004"}),
        (PostNotReached("no connection"), {"not_sent": "CS-PST-001"}),
        (PostFault("cut"), {}),
    ],
    ids=["answered", "refused", "never-left", "cut"],
)
async def test_an_order_is_carried_once_and_told_as_it_ended(answer: bytes | Exception, told: dict[str, str]) -> None:
    agent, post = Agent(), Post(answer)
    link = asyncio.create_task(PostLink(agent, post, KEY, jitter=lambda: 0.5).run())
    async with asyncio.timeout(PATIENCE_S):
        assert await agent.carried == UnlockCarried(order_id=ORDER.order_id, **told)
    await asyncio.sleep(0.05)
    link.cancel()
    await asyncio.gather(link, return_exceptions=True)
    assert post.orders == [ORDER]


def client(answer: httpx.Response | Exception) -> tuple[PostClient, list[httpx.Request]]:
    """Return a client whose post answers so, and what it asked."""
    asked: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        if isinstance(answer, Exception):
            raise answer
        return answer

    made = PostClient("127.0.0.1", 1, ssl.create_default_context())
    made._client = httpx.AsyncClient(transport=httpx.MockTransport(handler), base_url="https://post")
    return made, asked


@pytest.mark.parametrize(
    ("answer", "fault", "code"),
    [
        (httpx.ConnectError("refused"), PostNotReached, "CS-PST-001"),
        (httpx.ConnectTimeout("slow"), PostNotReached, "CS-PST-001"),
        (httpx.ReadError("cut"), PostFault, "CS-PST-001"),
        (httpx.ReadTimeout("slow"), PostFault, "CS-PST-001"),
        (httpx.WriteError("cut"), PostFault, "CS-PST-001"),
        (httpx.RemoteProtocolError("cut"), PostFault, "CS-PST-001"),
        (httpx.Response(422, json={"code": "CS-ULK-004", "message": "expired"}), OrderRefused, "CS-ULK-004"),
        (httpx.Response(503, json={"code": "EG-STO-002", "message": "full"}), OrderRefused, "EG-STO-002"),
        (httpx.Response(422, json={"code": "x" * 99, "message": ""}), OrderRefused, "x" * 32),
        (httpx.Response(404, text="an older post"), OrderRefused, "CS-PST-004"),
        (httpx.Response(500, text="a fault after it was sent"), PostFault, "CS-PST-004"),
        (httpx.Response(302), PostFault, "CS-PST-004"),
    ],
    ids=str,
)
async def test_only_what_certainly_reached_no_seal_is_said_not_to(answer, fault: type[Exception], code: str) -> None:
    post, asked = client(answer)
    with pytest.raises((PostFault, OrderRefused)) as raised:
        await post.unlock(b"order")
    assert type(raised.value) is fault
    assert raised.value.code == code
    assert len(asked) == 1


async def test_the_posts_answer_comes_back_as_it_is() -> None:
    post, _ = client(httpx.Response(200, content=b"signed"))
    assert await post.unlock(b"order") == b"signed"
