"""The gate's own store; opened by the agent alone."""

from gate_agent.store.crossings import Store
from gate_agent.store.identity import GateIdentity, StoreLimits
from gate_agent.store.lookups import StayFact
from gate_agent.store.stops import CustomsTask, Declared, InspectionCount, Stop
from gate_agent.store.tasks import UndecidedRelease

__all__ = [
    "CustomsTask",
    "Declared",
    "GateIdentity",
    "InspectionCount",
    "StayFact",
    "Stop",
    "Store",
    "StoreLimits",
    "UndecidedRelease",
]
