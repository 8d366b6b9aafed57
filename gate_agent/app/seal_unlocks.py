"""An unlock of a seal, from a verified authorisation to the driver and back: written down before it is sent, sent once, and its answer too."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Protocol

import structlog

from drivers import contracts as dc
from drivers.seal_commands import UnlockOutcome
from gate_agent.app.seal_servers import Unlocker, unlock_once, unlocking
from gate_agent.app.seal_watch import SealStore, SealWatch
from gate_agent.errors import StoreFault
from gate_agent.web.lane_api_messages import ActionAnswer

log = structlog.get_logger()

NOT_UNLOCKABLE, WILL_NOT, NO_ANSWER = "EG-LAN-005", "EG-LAN-006", "EG-LAN-007"


class PostServers(Unlocker, Protocol):
    """The seal servers of the border post, as one."""

    @property
    def is_possible(self) -> bool:
        """Whether any of them may unlock, as the post last said."""
        ...


class SealUnlocks:
    """Whoever calls `unlock` has verified the authorisation; here nobody is asked again. `post` is asked after this gate's own servers."""

    def __init__(
        self,
        drivers: Mapping[str, dc.Driver],
        watch: SealWatch,
        store: SealStore,
        stands: timedelta,
        post: PostServers | None = None,
    ) -> None:
        self._drivers = drivers
        self._post = post
        self._watch = watch
        self._store = store
        self._stands = stands

    @property
    def is_possible(self) -> bool:
        """Whether any seal server of this gate or its post may tell seals to open."""
        return bool(self._servers())

    def _servers(self) -> list[Unlocker]:
        post = [self._post] if self._post is not None and self._post.is_possible else []
        return [*unlocking(self._drivers.values()), *post]

    async def unlock(self, seal_id: str, officer_id: str) -> ActionAnswer:
        """Tell a seal to open and return what became of it; every attempt and its answer are recorded."""
        servers = self._servers()
        if not servers:
            return ActionAnswer(accepted=False, code=NOT_UNLOCKABLE, message="no seal server of this gate may unlock")
        try:
            authorised_at = await self._watch.unlock_authorised(self._store, seal_id, self._stands, officer_id)
        except StoreFault as fault:
            return ActionAnswer(accepted=False, code=fault.code, message="the attempt cannot be recorded")
        outcome: UnlockOutcome | None = UnlockOutcome.UNDETERMINED  # also when this is cancelled on the way
        why = "no seal server reached it"
        try:
            outcome, why = await unlock_once(servers, seal_id)
        finally:
            event = f"unlock_{outcome.value if outcome is not None else 'not_sent'}"
            is_open = outcome in {UnlockOutcome.CONFIRMED, UnlockOutcome.UNDETERMINED}
            self._watch.unlock_ended(seal_id, event, officer_id, authorised_at, still_stands=is_open)
            log.info("seal_unlock", outcome=event, officer=officer_id)
        match outcome:
            case UnlockOutcome.CONFIRMED:
                return ActionAnswer(accepted=True, code="accepted", message="the seal says that it is unlocked")
            case UnlockOutcome.REFUSED:
                return ActionAnswer(accepted=False, code=WILL_NOT, message="the seal will not open")
            case UnlockOutcome.UNDETERMINED:
                return ActionAnswer(accepted=False, code=NO_ANSWER, message="the seal did not answer: look at it")
        return ActionAnswer(accepted=False, code=NOT_UNLOCKABLE, message=why)
