"""An unlock of a seal, from a verified authorisation to the driver and back: written down before it is sent, sent once, and its answer too."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Protocol

import structlog

from drivers import contracts as dc
from drivers.seal_commands import UnlockOutcome
from gate_agent.app.seal_servers import Unlocker, unlock_once, unlocking
from gate_agent.app.seal_watch import SealStore, SealWatch, SignedDeed
from gate_agent.errors import StoreFault
from gate_agent.lane.authorisation import VerifiedAuthorisation
from gate_agent.web.lane_api_messages import ActionAnswer

log = structlog.get_logger()

NOT_UNLOCKABLE, WILL_NOT, NO_ANSWER = "EG-LAN-005", "EG-LAN-006", "EG-LAN-007"


class PostServers(Protocol):
    """The seal servers of the border post, as one."""

    @property
    def is_possible(self) -> bool:
        """Whether any of them may unlock, as the post last said."""
        ...

    def on_authority(self, verified: VerifiedAuthorisation) -> Unlocker:
        """Return them for what an officer signed, which the post verifies itself."""
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
        return bool(unlocking(self._drivers.values())) or (self._post is not None and self._post.is_possible)

    def _servers(self, verified: VerifiedAuthorisation) -> list[Unlocker]:
        post = [self._post.on_authority(verified)] if self._post is not None and self._post.is_possible else []
        return [*unlocking(self._drivers.values()), *post]

    async def unlock(self, verified: VerifiedAuthorisation) -> ActionAnswer:
        """Tell the seal that an officer named to open and return what became of it; every attempt and its answer are recorded."""
        seal_id = verified.authorisation.seal_id
        officer_ids = tuple(officer.officer_id for officer in verified.officers)
        deed = SignedDeed(officer_ids, verified.authorisation.reason_code)
        servers = self._servers(verified)
        if not servers:
            return ActionAnswer.refused(NOT_UNLOCKABLE, "no seal server of this gate may unlock")
        try:
            authorised_at = await self._watch.unlock_authorised(self._store, seal_id, self._stands, deed)
        except StoreFault as fault:
            return ActionAnswer.refused(fault.code, "the attempt cannot be recorded")
        outcome: UnlockOutcome | None = UnlockOutcome.UNDETERMINED  # also when this is cancelled on the way
        why = "no seal server reached it"
        try:
            outcome, why = await unlock_once(servers, seal_id)
        finally:
            event = f"unlock_{outcome.value if outcome is not None else 'not_sent'}"
            is_open = outcome in {UnlockOutcome.CONFIRMED, UnlockOutcome.UNDETERMINED}
            self._watch.unlock_ended(seal_id, event, deed, authorised_at, still_stands=is_open)
            log.info("seal_unlock", outcome=event, officers=list(officer_ids), reason=deed.reason)
        match outcome:
            case UnlockOutcome.CONFIRMED:
                return ActionAnswer.done("the seal says that it is unlocked")
            case UnlockOutcome.REFUSED:
                return ActionAnswer.refused(WILL_NOT, "the seal will not open")
            case UnlockOutcome.UNDETERMINED:
                return ActionAnswer.refused(NO_ANSWER, "the seal did not answer: look at it")
        return ActionAnswer.refused(NOT_UNLOCKABLE, why)
