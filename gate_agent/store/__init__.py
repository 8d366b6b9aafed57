"""The gate's own store; opened by the agent alone."""

from gate_agent.store.crossings import GateIdentity, Store, StoreLimits
from gate_agent.store.lookups import StayFact
from gate_agent.store.tasks import CustomsTask, UndecidedRelease

__all__ = ["CustomsTask", "GateIdentity", "StayFact", "Store", "StoreLimits", "UndecidedRelease"]
