"""Signing in to the guard console: officers' keys are unlocked by their password and live in this process for one session only.

The password opens the officer's key file (Argon2); nothing else proves who somebody is, and no password is kept. A session ends
after its longest time, locks after idleness, and takes the key with it. Attempts are limited per officer and per address.
"""

from __future__ import annotations

import asyncio
import hmac
import re
import secrets
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gate_agent.clock import Clock
from gate_agent.errors import EgateError
from gate_agent.web.lane_api_messages import ActionAnswer

_log = structlog.get_logger()

SESSION_COOKIE: Final = "egate_session"
OFFICER_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
ATTEMPTS: Final = 5
ATTEMPT_WINDOW_S: Final = 60.0
SESSION_LIMIT: Final = 64

RoleName = TypeVar("RoleName", bound=str)
ActionName = TypeVar("ActionName", bound=str)

UnlockOfficerKey = Callable[[bytes, str], Ed25519PrivateKey]
"""Opens an officer's key file with a password; raises `EgateError` when the password or the file is wrong."""


@dataclass(frozen=True, slots=True)
class OfficerProfile:
    """Who an officer is for the pages: role and name shown, and the actions the pages offer (the agent decides by its own table)."""

    officer_id: str
    role: str
    display_name: str
    actions: frozenset[str]


@dataclass(slots=True)
class Session:
    """One officer signed in at one browser. Times are monotonic seconds."""

    session_id: str
    cookie: str
    csrf: str
    officer: OfficerProfile
    key: Ed25519PrivateKey
    language: str
    began_s: float
    active_s: float
    answers: dict[uuid.UUID, ActionAnswer] = field(default_factory=dict)
    acting: asyncio.Lock = field(default_factory=asyncio.Lock)

    def holds_csrf(self, token: str) -> bool:
        """Return whether `token` is this session's own."""
        return hmac.compare_digest(self.csrf.encode(), token.encode("utf-8", "replace"))


def is_foreign(headers: Mapping[str, str], own_origin: str) -> bool:
    """Return whether another site's page sent a request, by its `Sec-Fetch-Site`, else by its `Origin`.

    The pages send no referrer, so a browser posts their forms with `Origin: null`: that header alone cannot tell.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in {"same-origin", "none"}
    return headers.get("origin", own_origin) != own_origin


class SignInRefused(EgateError):
    """Officer id or password is wrong; the two are not told apart."""

    code = "EG-AUT-030"


class TooManyAttempts(EgateError):
    """Too many attempts for this officer or from this address; `wait_s` says how long."""

    code = "EG-AUT-031"
    retryable = True

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"too many attempts, wait {wait_s:.0f} s")
        self.wait_s = wait_s


class Throttle:
    """At most `limit` failures in `window_s` for one key; remembers only keys that failed within the window."""

    def __init__(
        self, monotonic_s: Callable[[], float], limit: int = ATTEMPTS, window_s: float = ATTEMPT_WINDOW_S
    ) -> None:
        self._monotonic_s = monotonic_s
        self._limit = limit
        self._window_s = window_s
        self._failures: dict[str, deque[float]] = {}

    def wait_s(self, key: str) -> float:
        """Return how long the next attempt must wait, 0 when it may happen now."""
        now_s = self._monotonic_s()
        for known in [known for known, times in self._failures.items() if times[-1] <= now_s - self._window_s]:
            del self._failures[known]
        times = self._failures.get(key)
        if times is None:
            return 0.0
        while times[0] <= now_s - self._window_s:
            times.popleft()
        return times[0] + self._window_s - now_s if len(times) >= self._limit else 0.0

    def failed(self, key: str) -> None:
        """Count one failure."""
        self._failures.setdefault(key, deque()).append(self._monotonic_s())

    def succeeded(self, key: str) -> None:
        """Forget the failures of `key`."""
        self._failures.pop(key, None)


class OfficerKeys:
    """Opens key files `<folder>/<officer id>.json`, a few at a time, because Argon2 takes memory and a processor on purpose."""

    def __init__(
        self, folder: Path, profile: Callable[[str], OfficerProfile | None], unlock: UnlockOfficerKey, clock: Clock
    ) -> None:
        self._folder = folder
        self._profile = profile
        self._unlock = unlock
        self._one_at_a_time = asyncio.Semaphore(1)
        self._by_officer = Throttle(clock.monotonic_s)
        self._by_address = Throttle(clock.monotonic_s, limit=4 * ATTEMPTS)

    async def open(self, officer_id: str, password: str, address: str) -> tuple[OfficerProfile, Ed25519PrivateKey]:
        """Return profile and key. Raises `TooManyAttempts` before looking at the password, `SignInRefused` after."""
        async with self._one_at_a_time:
            wait_s = max(self._by_officer.wait_s(officer_id), self._by_address.wait_s(address))
            if wait_s > 0:
                _log.warning("sign_in_throttled", wait_s=round(wait_s))
                raise TooManyAttempts(wait_s)
            try:
                opened = await self._opened(officer_id, password)
            except (EgateError, OSError, ValueError) as error:
                self._by_officer.failed(officer_id)
                self._by_address.failed(address)
                _log.warning("sign_in_refused", cause=type(error).__name__)
                raise SignInRefused("officer id or password is wrong") from error
            self._by_officer.succeeded(officer_id)
            return opened

    async def _opened(self, officer_id: str, password: str) -> tuple[OfficerProfile, Ed25519PrivateKey]:
        if OFFICER_ID.fullmatch(officer_id) is None or not password or len(password) > 1024:
            raise SignInRefused("malformed officer id or password")
        profile = self._profile(officer_id)
        path = self._folder / f"{officer_id}.json"
        # An officer who does not exist costs the same work, so that the time to an answer tells nothing.
        content = b"" if profile is None or not path.is_file() else path.read_bytes()
        key = await asyncio.to_thread(self._unlock, content, password)
        if profile is None:
            raise SignInRefused("unknown officer")
        return profile, key


class Sessions:
    """The sessions of one console process; nothing of them is written anywhere."""

    def __init__(self, clock: Clock, *, longest_s: float, idle_s: float) -> None:
        self._clock = clock
        self._longest_s = longest_s
        self._idle_s = idle_s
        self._by_cookie: dict[str, Session] = {}

    def begin(self, officer: OfficerProfile, key: Ed25519PrivateKey, language: str) -> Session:
        """Open a session; the oldest ends when there are too many."""
        now_s = self._clock.monotonic_s()
        session = Session(
            session_id=secrets.token_urlsafe(18),
            cookie=secrets.token_urlsafe(32),
            csrf=secrets.token_urlsafe(32),
            officer=officer,
            key=key,
            language=language,
            began_s=now_s,
            active_s=now_s,
        )
        while len(self._by_cookie) >= SESSION_LIMIT:
            del self._by_cookie[next(iter(self._by_cookie))]
        self._by_cookie[session.cookie] = session
        _log.info("console_session_began", role=officer.role)
        return session

    def find(self, cookie: str) -> Session | None:
        """Return the session of a cookie, None when there is none, it ended, or it sat idle (then its key is gone with it)."""
        session = self._by_cookie.get(cookie)
        if session is None:
            return None
        now_s = self._clock.monotonic_s()
        if now_s - session.began_s > self._longest_s or now_s - session.active_s > self._idle_s:
            self.end(session)
            return None
        return session

    def touch(self, session: Session) -> None:
        """Note that the officer pressed a key or clicked."""
        session.active_s = self._clock.monotonic_s()

    def end(self, session: Session) -> None:
        """Forget the session and its key."""
        if self._by_cookie.pop(session.cookie, None) is not None:
            _log.info("console_session_ended", role=session.officer.role)


def offered_actions(role: str, role_actions: Mapping[RoleName, frozenset[ActionName]]) -> frozenset[str]:
    """Return what the pages offer to a role by the agent's table; nothing for an unknown one."""
    return frozenset(str(action) for known, actions in role_actions.items() if str(known) == role for action in actions)
