"""What is borrowed from a traveller for one transaction, and destroyed with it (promise 4): document and images.

Features are not among it: they never leave the worker, which is told to forget them when the transaction ends.
"""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass, field, replace
from datetime import datetime

from gate_agent.domain.crossing import Admission, PassageOutcome, PolicyAnswer
from gate_agent.domain.declaration import Declaration
from gate_agent.domain.mrz import MrzReading
from gate_agent.domain.reasons import OTHER_PERSON, ReasonCode
from gate_agent.domain.receipt import SignedReceipt
from gate_agent.domain.selection import Past
from gate_agent.domain.stay import NO_TERMS, Stay, StayTerms
from gate_agent.domain.travel_document import TravelDocument
from gate_agent.inspection.declaration_token import TokenReading
from gate_agent.inspection.watchlist import Match, WatchlistAnswer
from gate_agent.lane.entry_right import EntryRight
from gate_agent.lane.presented import PresentedDocument
from models.results import AttackAssessment, FaceComparison


@dataclass(slots=True)
class Borrowed:
    """Facts of the running transaction. `wipe` overwrites what can be overwritten and drops the rest."""

    transaction_id: uuid.UUID
    begun_at: datetime
    begun_mono_s: float
    linked_to: uuid.UUID | None = None  # the adult's transaction, for who crosses with him
    own_answer: PolicyAnswer | None = None  # what policy said of this person of a party
    reading: MrzReading | None = None
    reads: int = 0  # counts up with each read, and when one is doubted: what came of an earlier one is not heard
    corrected_by: tuple[str, ...] = ()
    stays: tuple[Stay, ...] = ()
    listed: WatchlistAnswer | None = None
    past: Past = field(default_factory=Past)
    permit: MrzReading | None = None
    right: EntryRight | None = None
    awaits_permit: bool = False
    token: TokenReading | None = None
    token_place: int | None = (
        None  # whose this document is on the declaration, 0 the declarant's; None: not bound to it
    )
    presented: PresentedDocument = field(default_factory=PresentedDocument)
    reference_requested: bool = False
    reference_round: int = 0
    reference_turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    reference_ready: bool = False
    reference_jpeg: bytearray | None = None
    chip_portrait: bytearray | None = None
    printed_portrait: bytearray | None = None
    pictures: dict[str, bytearray] = field(default_factory=dict)
    unplaced_pictures: dict[str, bytearray] = field(default_factory=dict)
    probe_jpeg: bytearray | None = None
    frame_jpegs: list[bytearray] = field(default_factory=list)
    comparison: FaceComparison | None = None
    attack: AttackAssessment | None = None
    attack_suspected: bool = False
    is_acquired: bool = False
    is_short_term_reference: bool = False
    referred_at: datetime | None = None
    last_input_mono_s: float = 0.0
    decided_mono_s: float = 0.0
    software_ms: float | None = None
    step_ms: dict[str, float] = field(default_factory=dict)
    decision_id: uuid.UUID | None = None
    crossing_id: uuid.UUID | None = None
    receipt: SignedReceipt | None = None
    answer: PolicyAnswer | None = None
    passage: PassageOutcome | None = None
    is_over: bool = False

    @property
    def document(self) -> TravelDocument | None:
        """The document as read, if it could be parsed."""
        return self.reading.document if self.reading else None

    @property
    def declaration(self) -> Declaration | None:
        """The verified declaration, once it was bound to this document."""
        return self.token.declaration if self.token and self.token_place is not None else None

    @property
    def terms(self) -> StayTerms:
        """On what the holder enters, as far as it is known."""
        return self.right.terms if self.right is not None else NO_TERMS

    @property
    def is_other_person(self) -> bool:
        """Whether a guard handed the traveller over because the face is not the document holder's."""
        answer = self.answer
        return (
            answer is not None
            and answer.admission is Admission.HAND_OVER
            and any(
                reason.code is ReasonCode.GUARD_DECISION and reason.parameters.get("reason") == OTHER_PERSON
                for reason in answer.admission_reasons
            )
        )

    def take_reading(self, reading: MrzReading) -> None:
        """Go by another read: what was made of the one before, declaration and right to cross included, is made anew."""
        self.reads += 1
        self.reading = reading
        self.token_place = None
        self.right = None
        self.awaits_permit = False

    def doubt_reading(self) -> None:
        """Take back that the document is known; nothing more is said of what was read."""
        self.reads += 1
        self.presented.doubt()
        self.awaits_permit = False

    def take_informing(self) -> tuple[Match, ...]:
        """Return, once, the list entries that guard and centre are told of and nothing else happens about."""
        if self.listed is None:
            return ()
        matches = self.listed.informing
        self.listed = replace(self.listed, informing=())
        return matches

    def show_probe(self, jpeg: bytes | bytearray) -> None:
        """Put the live picture that a guard would see; the one before is overwritten."""
        _overwrite(self.probe_jpeg)
        self.probe_jpeg = bytearray(jpeg)

    def keep_printed(self, content: bytes) -> None:
        """Keep the printed portrait beside the chip's."""
        _overwrite(self.printed_portrait)
        self.printed_portrait = bytearray(content)

    def keep_picture(self, role: str, content: bytes) -> None:
        """Keep a picture of the page until it is judged."""
        _overwrite(self.pictures.get(role))
        self.pictures[role] = bytearray(content)

    def hold_picture(self, role: str, content: bytes) -> None:
        """Hold a picture of what lies there unread: it may be of this document, and counts once that is known."""
        _overwrite(self.unplaced_pictures.get(role))
        self.unplaced_pictures[role] = bytearray(content)

    def take_unplaced(self) -> dict[str, bytes]:
        """Return the pictures that were held, by role, for what lies there is this document; they are held no more."""
        held, self.unplaced_pictures = self.unplaced_pictures, {}
        taken = {role: bytes(content) for role, content in held.items()}
        _overwrite(*held.values())
        return taken

    def moved(self) -> None:
        """Note that a document came or went, or that the reader cannot tell: pictures of what lay there are nobody's."""
        self.presented.moved()
        self._drop_pictures()

    def _drop_pictures(self) -> None:
        _overwrite(*self.pictures.values(), *self.unplaced_pictures.values())
        self.pictures, self.unplaced_pictures = {}, {}

    def released(self, now_s: float) -> None:
        """Note how long the software took, from the last byte or frame used to the barrier's first answer."""
        if self.software_ms is None:
            self.software_ms = (now_s - self.last_input_mono_s) * 1000
            self.step_ms["release"] = (now_s - self.decided_mono_s) * 1000

    def waits_for_reference(self, round_: int) -> bool:
        """Tell whether a reference that was asked for in a round is still wanted."""
        return not self.is_over and not self.reference_ready and self.reference_round == round_

    def drop_reference(self) -> None:
        """Forget a reference that is another document's; one that is still looked at counts no more."""
        self.drop_chip()
        _overwrite(self.printed_portrait)
        self.printed_portrait = None

    def drop_chip(self) -> None:
        """Forget the reference that an earlier read of a chip gave; one that is still looked at counts no more."""
        self.reference_round += 1
        self.reference_ready = self.is_short_term_reference = False
        _overwrite(self.reference_jpeg, self.chip_portrait)
        self.reference_jpeg = self.chip_portrait = None

    def wipe(self) -> None:
        """Destroy images and document data: the transaction is over."""
        self.is_over = True
        self.drop_reference()
        self._drop_pictures()
        _overwrite(self.probe_jpeg, *self.frame_jpegs)
        self.probe_jpeg = None
        self.frame_jpegs = []
        self.presented = PresentedDocument()
        self.reading = self.token = self.comparison = self.attack = self.permit = self.right = None
        self.stays = ()
        self.listed = None
        self.past = Past()
        self.receipt = None


def _overwrite(*images: bytearray | None) -> None:
    for image in images:
        if image is not None:
            image[:] = bytes(len(image))
