"""Waiting for what has to come, with patience counted in time in which this process could have brought it about."""

import asyncio
import time
from collections.abc import Callable

STALL_S = 0.25
"""What one look may last before the rest of it counts only as far as this process computed: the machine had others to serve."""


async def until(is_met: Callable[[], object], seconds: float = 15.0, *, step_s: float = 0.002) -> float:
    """Wait until `is_met`; return the seconds it took on the clock, stalls included.

    Raises TimeoutError after `seconds`. Tests run beside others on few processors, and a stall that a neighbour or the machine
    below caused is no fault of what is waited for: of a look that lasted longer than `STALL_S` only the computed time counts.
    """
    loop = asyncio.get_running_loop()
    started_s = looked_s = loop.time()
    computed_s = time.process_time()
    waited_s = 0.0
    while not is_met():
        if waited_s >= seconds:
            raise TimeoutError(f"not met within {seconds} s")
        await asyncio.sleep(step_s)
        now_s, now_computed_s = loop.time(), time.process_time()
        waited_s += min(now_s - looked_s, max(STALL_S, now_computed_s - computed_s))
        looked_s, computed_s = now_s, now_computed_s
    return looked_s - started_s
