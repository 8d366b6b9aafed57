"""What a lane needs from the rest of the house, as protocols: `app` hands in the real ones, tests their own."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from drivers.accessibility import LiftDirection, LiftReported
from drivers.contracts import ChipEvidence, ChipKeys, ChipProgress, Door, FrameCaptured, GateSignal
from gate_agent.domain.alarm import Alarm
from gate_agent.domain.check import CheckResult
from gate_agent.domain.crossing import Crossing, Decision
from gate_agent.domain.declaration import Declaration
from gate_agent.domain.screening import Screening
from gate_agent.domain.seal import SealReport
from gate_agent.domain.selection import Draw, Past
from gate_agent.domain.stay import Stay
from gate_agent.domain.travel_document import TravelDocument
from gate_agent.inspection.permit_list import PermitList
from gate_agent.inspection.travel_bans import TravelBans
from gate_agent.inspection.watchlist import Match, Watchlist
from gate_agent.policy.rulebook import Rulebook
from models.results import FaceComparison, FaceSample


class LaneBarrier(Protocol):
    """Releases that are counted and timed; nothing else moves a door. Faults are raised as `DeviceFault`."""

    async def release(self, door: Door, count: int, ttl_s: float) -> None:
        """Unlock one door for `count` passages; returns when the hardware confirmed it."""
        ...

    async def end_releases(self) -> None:
        """End running releases."""
        ...

    async def lockdown(self) -> None:
        """End running releases and refuse new ones until it is lifted."""
        ...

    async def lift_lockdown(self) -> None:
        """Take releases again."""
        ...

    async def signal(self, signal: GateSignal, ttl_s: float) -> None:
        """Have lights and sounder tell this for `ttl_s`; nothing on a gate without any."""
        ...


class LaneReader(Protocol):
    """The document reader."""

    async def read_again(self) -> None:
        """Ask for another read of the document on the glass."""
        ...


class LaneCamera(Protocol):
    """The camera inside the cell."""

    def set_active(self, *, active: bool) -> None:
        """Report frames only while active."""
        ...

    def set_reading(self, *, active: bool) -> None:
        """Look for bar codes in the frames while active."""
        ...


class LaneLift(Protocol):
    """The lift that carries the camera."""

    async def move(self, direction: LiftDirection, seconds: float) -> LiftReported:
        """Move for at most `seconds` or to the limit; returns how it stands. Raises `DeviceFault`."""
        ...

    def stop(self) -> None:
        """End a running move at once."""
        ...


class LaneChipReader(Protocol):
    """The contactless chip reader."""

    async def read(self, keys: ChipKeys, report: Callable[[ChipProgress], None]) -> ChipEvidence:
        """Open and read the chip on the reader; always returns, a fault stands in the evidence."""
        ...


@dataclass(frozen=True, slots=True)
class ChipInspection:
    """What was judged of a chip: every electronic check, the zone of DG1 and the portrait of DG2, still encoded."""

    results: tuple[CheckResult, ...]
    mrz_lines: tuple[str, ...] = ()
    portrait: bytes | None = None


class ChipInspector(Protocol):
    """Judges chips against the trust bundle, out of process; faults are raised as `InspectionFault`."""

    @property
    def covered_states(self) -> frozenset[str] | None:
        """Issuing states (ICAO codes) whose chips can be proven here; None: there is no bundle, nobody can."""
        ...

    @property
    def version(self) -> int:
        """The version of the trust bundle in force; 0: there is none that is believed."""
        ...

    async def security_object(self, content: bytes, now: datetime) -> tuple[CheckResult, ...]:
        """Judge EF.SOD alone, while the rest of the chip still transfers: signature, chain, revocation."""
        ...

    async def chip(self, evidence: ChipEvidence, document: TravelDocument | None, now: datetime) -> ChipInspection:
        """Judge everything a read gave; what was not read is aborted or undetermined, never successful."""
        ...


class OpticalInspector(Protocol):
    """Judges the pictures of a document page, out of process; faults are raised as `InspectionFault`."""

    async def page(self, images: Mapping[str, bytes], lines: tuple[str, ...]) -> tuple[CheckResult, ...]:
        """Judge the encoded pictures by role (`white`, `infrared`, `ultraviolet`) against the zone that was read."""
        ...

    async def zone(self, white: bytes) -> tuple[str, ...]:
        """Return the lines of the zone in the encoded white picture, for a reader that delivers none; empty: there is no zone in it."""
        ...


class PluginJudges(Protocol):
    """The checks of plug-ins that a site names, out of process; there is always a result of each."""

    async def judge(
        self, document: TravelDocument, direction: str, local_date: date, pictures: Mapping[str, bytes] | None = None
    ) -> tuple[CheckResult, ...]:
        """Return the results of those that look at pictures, or without `pictures` of all others."""
        ...


@dataclass(frozen=True, slots=True)
class DocumentPorts:
    """What a lane inspects a document with, beyond its reader; None: this lane has none."""

    chip_reader: LaneChipReader | None = None
    chip_inspector: ChipInspector | None = None
    optical_inspector: OpticalInspector | None = None
    plugins: PluginJudges | None = None


class Capture(Protocol):
    """One image after the worker looked at it."""

    @property
    def sample(self) -> FaceSample:
        """What was found; its features stayed in the worker."""
        ...

    @property
    def portrait_jpeg(self) -> bytes | None:
        """The face, same crop and size for probe and reference."""
        ...

    @property
    def comparison(self) -> FaceComparison | None:
        """For a probe: the comparison with the transaction's reference over the frames fused so far, this one the newest."""
        ...


class FaceMatcher(Protocol):
    """Face samples and their comparison; faults are raised as `InferenceFault`. Features of a transaction stay in its worker."""

    @property
    def calibration_id(self) -> str | None:
        """The calibration record in force, None when there is none."""
        ...

    @property
    def minimum_age_years(self) -> int:
        """The youngest age that the calibration record covers; 0: every age."""
        ...

    async def reference(self, transaction_id: uuid.UUID, content: bytes | bytearray) -> Capture:
        """Decode an encoded image, find the one face in it and keep its features for this transaction."""
        ...

    async def picture(self, transaction_id: uuid.UUID, content: bytes) -> Capture:
        """Find the face in an encoded image and compare it with the transaction's reference, by itself."""
        ...

    async def probe(
        self,
        transaction_id: uuid.UUID,
        memfd: int,
        width_px: int,
        height_px: int,
        t_mono_s: float,
        camera: int = 0,
        *,
        beside: Sequence[FrameCaptured] = (),
    ) -> Capture:
        """Find the face in a camera frame and compare it with the transaction's reference; frames of one `camera` are one view.

        `beside`: frames of the same moment and view in other channels, for attack detection.
        """
        ...

    async def forget(self, transaction_id: uuid.UUID, holder: tuple[str, str] | None = None) -> None:
        """Destroy what the worker keeps of a transaction; returns when it is gone.

        `holder` is the document's issuing state and number: a site that sums up a cohort counts nobody twice.
        """
        ...


@dataclass(frozen=True, slots=True)
class FaceConclusion:
    """What is known of a face comparison whose transaction ends; it names the holder and dies with the call it is handed to.

    `comparison` is None when an acquisition ran to its end and none came about. `is_other_person`: a guard ruled that the face is
    not the document holder's.
    """

    transaction_id: uuid.UUID
    lane_id: int
    document: TravelDocument | None
    comparison: FaceComparison | None
    is_other_person: bool
    today: date


class FaceMonitor(Protocol):
    """Counts how well the face comparison does."""

    def concluding(self, end: FaceConclusion) -> Coroutine[object, object, None]:
        """Take at once what is needed of a transaction that ends; return the work that is done before its worker forgets it."""
        ...


class StayReferences(Protocol):
    """References that are kept from entry to exit, each sealed; a site switches them on."""

    async def entered(self, issuing_state: str, document_number: str, content: bytes | bytearray) -> bool:
        """Keep a reference of a holder who has entered; the content stays the caller's to overwrite."""
        ...

    async def reference_of(self, issuing_state: str, document_number: str) -> bytearray | None:
        """Return what is kept of a holder, the caller's to overwrite; None when there is nothing that can be used."""
        ...

    async def left(self, issuing_state: str, document_number: str) -> None:
        """Destroy what is kept of a holder who has left."""
        ...


class LaneStore(Protocol):
    """The part of the store that a lane uses. Every commit is durable when it returns and raises `StoreFault` otherwise."""

    async def commit_entrance(self, transaction_id: uuid.UUID, lane_id: int) -> None:
        """Make the permit to enter durable."""
        ...

    async def commit_decision(self, decision: Decision) -> None:
        """Make a decision durable."""
        ...

    async def commit_crossing(self, crossing: Crossing) -> None:
        """Make a crossing durable, with everything that follows from it."""
        ...

    async def commit_alarm(self, alarm: Alarm) -> None:
        """Record that an alarm was raised or cleared."""
        ...

    async def token_used(self, token_id: bytes, issuing_state: str, document_number: str) -> bool:
        """Tell whether a passed traveller used this token with this document."""
        ...

    async def stays_of(self, issuing_state: str, document_number: str) -> tuple[Stay, ...]:
        """Return the stays that are known of this document's holder, oldest first."""
        ...

    async def past_of(self, issuing_state: str, document_number: str, since: date, window_crossings: int) -> Past:
        """Return what a random selection may know: the gate's last confirmed crossings, the holder's inspections and passages since a day."""
        ...


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What the gate decides from: verified bundles and pinned keys, with their ages. Without `bans` nobody is released."""

    rulebook: Rulebook
    watchlist: Watchlist
    watchlist_version: int
    watchlist_valid_from: datetime
    token_keys: Mapping[bytes, Ed25519PublicKey]
    bans: TravelBans | None = None
    bans_valid_from: datetime | None = None
    permits: PermitList | None = None
    permits_valid_from: datetime | None = None
    watchlist_root: str = ""


class KnowledgeSource(Protocol):
    """Answers with the newest verified bundles and with what is known of seals."""

    def current(self) -> Knowledge:
        """Return what is in force now."""
        ...

    def seals(self, declaration: Declaration) -> tuple[SealReport, ...]:
        """Return what is known of each seal that a declaration names, from then on watched as sealed until it arrives."""
        ...

    def inform(self, lane_id: int, matches: Sequence[Match]) -> None:
        """Tell guard and centre of list entries that ask for nothing else; the lane goes on at once."""
        ...

    def screening(self, declaration: Declaration) -> Screening | None:
        """Return what X-ray screening said about the goods of a declaration, None when nothing was heard."""
        ...

    def draw(self, transaction_id: uuid.UUID, day: date) -> Draw | None:
        """Return the draw of a transaction, the same however often it is asked for; None when the day has no seed."""
        ...

    def seals_arrived(self, declaration: Declaration) -> None:
        """Note that the goods of a declaration arrived: their seals may be opened."""
        ...
