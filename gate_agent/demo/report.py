"""What the demo prints: addresses, one line each traveller, and the sum, for people or as JSON lines."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Collection, Sequence

from gate_agent.demo.performance import DemoRun, TravellerLine
from gate_agent.demo.records import Delivery

_P95 = 0.95


def percentile(values: Sequence[float], share: float) -> float | None:
    """Return the value below which `share` of the values lie (nearest rank), None without values."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(0, round(share * len(ordered) + 0.5) - 1)]


class Reporter:
    """Prints to standard output, flushed line by line."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def opening(self, demo: DemoRun) -> None:
        """Tell where the pages are and the one-time passwords."""
        ports, passwords = demo.site.ports, demo.site.provisioned.passwords
        addresses = {
            "guard_console": f"http://127.0.0.1:{ports.console}/guard",
            "traveller_screen": f"http://127.0.0.1:{ports.console}/lane/1/screen",
            "portal": f"http://127.0.0.1:{ports.portal}/",
            "centre": f"http://127.0.0.1:{ports.centre}/",
        }
        if self._as_json:
            return
        self._print(
            "eGate demo: everything runs on this machine; all travellers are fictitious (Utopia), with a virtual chip in each document.\n"
        )
        if demo.has_agent_network:
            self._print(
                "  this machine allows no network namespace: the gate's agent could use the network, and does not\n"
            )
        for name, address in addresses.items():
            self._print(f"  {name.replace('_', ' '):<17} {address}")
        self._print("\n  one-time console passwords")
        for officer_id, password in passwords.items():
            self._print(f"  {officer_id:<17} {password}")
        self._print("\n  #  traveller                       outcome    by       corridor  reasons")

    def line(self, line: TravellerLine) -> None:
        """Tell one traveller."""
        if self._as_json:
            self._print(json.dumps(line.fields(), ensure_ascii=False))
            return
        seen = line.observed
        mark = " " if not line.unexpected else "!"
        software = f"{seen.software_ms:4.0f} ms" if seen.software_ms is not None else "       "
        synced = "synced" if line.synced else "NOT SYNCED"
        self._print(
            f"{mark}{line.scenario:>2}  {line.title:<31} {seen.outcome:<10} {seen.decided_by:<8} {seen.corridor or '-':<8}"
            f"  {', '.join(dict.fromkeys(seen.reasons))} ({seen.seconds:.1f} s, {software}, {synced})"
        )
        if line.unexpected:
            self._print(f"      unexpected: {line.unexpected}")

    def closing(
        self,
        lines: Sequence[TravellerLine],
        delivery: Delivery | None,
        ready: Collection[str] = (),
        *,
        has_agent_network: bool,
    ) -> bool:
        """Tell the sum; True when all is as expected and every record is at the centre and acknowledged.

        `ready`: the classes of the devices that are ready now.
        """
        times = [line.observed.software_ms for line in lines if line.observed.software_ms is not None]
        unexpected = [line.scenario for line in lines if line.unexpected]
        good = not unexpected and delivery is not None and delivery.complete
        around = sorted({heard for line in lines if (heard := line.observed.notes.get("around"))})
        summary = {
            "travellers": len(lines),
            "as_expected": len(lines) - len(unexpected),
            "unexpected": unexpected,
            "software_ms_median": round(statistics.median(times), 1) if times else None,
            "software_ms_p95": round(percentile(times, _P95) or 0.0, 1) if times else None,
            "records_accepted": delivery.accepted if delivery else None,
            "records_acknowledged": delivery.acknowledged if delivery else None,
            "records_at_centre": delivery.stored if delivery else None,
            "records_lost": delivery.lost if delivery else None,
            "records_doubled": delivery.doubled if delivery else None,
            "agent_network": has_agent_network,
            "device_classes_ready": sorted(ready),
            "around": around,
            "ok": good,
        }
        if self._as_json:
            self._print(json.dumps({"summary": summary}))
        else:
            self._print(
                f"\n  {summary['as_expected']} of {len(lines)} as expected; software p95 {summary['software_ms_p95']} ms"
            )
            self._print(f"  devices ready: {', '.join(sorted(ready))}; heard of around the gate: {', '.join(around)}")
            self._print(
                f"  records: {summary['records_accepted']} accepted, {summary['records_acknowledged']} acknowledged, "
                f"{summary['records_at_centre']} at the centre, {summary['records_lost']} lost, {summary['records_doubled']} doubled"
            )
        return good

    def stays_open(self) -> None:
        """Say that the pages stay."""
        if not self._as_json:
            self._print("\n  The pages stay open. Ctrl-C ends the demo.")

    @staticmethod
    def _print(text: str) -> None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
