"""Faults of seal trackers, below `drivers.errors.DriverFault`.

DriverFault
├── FrameFault
│   └── SealFrameRejected   DRV-SEA-001  bytes that are no frame of the protocol
├── ProtocolNotBuiltIn      DRV-SEA-002  no codec of that name
├── PortNotOpened           DRV-SEA-010  the server's port cannot be opened
├── TrackersSilent          DRV-SEA-011  connected, nothing said for `silent_s`
├── OnlyNoise               DRV-SEA-012  bytes come, too many of them make no frame
├── NoTracker               DRV-SEA-013  no tracker is connected any more
└── TooManyTrackers         DRV-SEA-014  a tracker was turned away
"""

from __future__ import annotations

from drivers.contracts import DeviceState
from drivers.errors import DriverFault, FrameFault, Severity


class SealFrameRejected(FrameFault):
    """The bytes are no frame of this protocol; the text says which field is wrong."""

    code = "DRV-SEA-001"
    remedy = "The tracker repeats what was not answered; check its model and protocol when it comes back."


class ProtocolNotBuiltIn(DriverFault):
    """No codec for this protocol; the text lists those there are."""

    code = "DRV-SEA-002"
    retryable = False
    remedy = "Use one of the protocols that are built in."


class PortNotOpened(DriverFault):
    """The server's port cannot be opened."""

    code = "DRV-SEA-010"
    remedy = "Check `host` and `port`, and who else uses them."


class TrackersSilent(DriverFault):
    """The last connected tracker said nothing for `silent_s`."""

    code = "DRV-SEA-011"
    remedy = "Check the tracker's reporting interval against `silent_s`."


class OnlyNoise(DriverFault):
    """The last connected tracker's bytes are no frames."""

    code = "DRV-SEA-012"
    remedy = "Check the tracker's model and the `protocol` option."


class NoTracker(DriverFault):
    """No tracker is connected any more."""

    code = "DRV-SEA-013"
    state = DeviceState.ABSENT
    remedy = "Check the tracker's server address and its mobile network."


class TooManyTrackers(DriverFault):
    """As many trackers are connected as are allowed; one more was turned away."""

    code = "DRV-SEA-014"
    severity = Severity.WARNING
    remedy = "Raise `connections_limit`, or let a second port serve some of the trackers."
