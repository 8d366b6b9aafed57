"""Faults of the gate agent.

EgateError
├── SettingsFault      EG-SET-…  the site file cannot be used
├── StoreFault         EG-STO-…  the gate's own disk refused
├── InferenceFault     EG-INF-…  a worker died, hung or answered nonsense
├── InspectionFault    EG-INS-…  the process that judges documents died, hung or answered nonsense
├── AuthorityRefused   EG-AUT-…  a guard's authorisation was not accepted
└── DeviceFault        EG-DEV-…  no device where the lane needs one

Expected outcomes are values (`domain.check.CheckResult`); these are raised for faults only. `code` is stable and documented.
"""

from __future__ import annotations


class EgateError(Exception):
    """A fault with a stable code. `retryable` says whether the same call may succeed later without a change."""

    code = "EG-000"
    retryable = False

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class SettingsFault(EgateError):
    """The site file is missing, malformed or contradicts itself."""

    code = "EG-SET-001"


class StoreFault(EgateError):
    """The store could not make something durable. Nothing may be granted after it."""

    code = "EG-STO-001"


class InferenceFault(EgateError):
    """A worker process died, exceeded its limits or answered nonsense."""

    code = "EG-INF-001"
    retryable = True


class InspectionFault(EgateError):
    """The process that judges chips and images died, exceeded its limits or answered nonsense."""

    code = "EG-INS-001"
    retryable = True


class AuthorityRefused(EgateError):
    """A guard's authorisation is unsigned, forged, expired, replayed or beyond the officer's role."""

    code = "EG-AUT-001"


class DeviceFault(EgateError):
    """A device that the lane needs is absent or in fault."""

    code = "EG-DEV-001"
    retryable = True
