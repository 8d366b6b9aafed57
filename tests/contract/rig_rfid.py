"""Rig of the tag reader that speaks LLRP."""

from __future__ import annotations

from pathlib import Path

from drivers.contracts import TagRead
from drivers.rfid.llrp_twin import LlrpTwin
from gate_agent.clock import SystemClock
from tests.contract.rig_core import Rig


async def llrp(_folder: Path) -> Rig:
    twin = LlrpTwin(SystemClock())
    await twin.plug()  # chooses the port, which it keeps
    await twin.unplug()
    numbers = iter(range(1, 100_000))  # a tag that comes again would be a repeat
    timing = {"keepalive_s": 0.3, "reply_timeout_s": 0.3, "frame_gap_s": 0.1}
    return Rig(
        "llrp_rfid",
        twin,
        lambda: {"host": "127.0.0.1", "port": twin.port, **timing},
        lambda: twin.see(next(numbers).to_bytes(12, "big")),
        TagRead,
        twin.unplug,
        noise=twin.say,
    )


RIGS = {"llrp_rfid": llrp}
