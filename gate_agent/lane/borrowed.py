"""What is borrowed from a traveller for one transaction, and destroyed with it (promise 4): document, images, features."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime

from gate_agent.domain.crossing import PolicyAnswer
from gate_agent.domain.declaration import Declaration
from gate_agent.domain.mrz import MrzReading
from gate_agent.domain.travel_document import TravelDocument
from gate_agent.inspection.declaration_token import TokenReading
from models.results import FaceComparison, Features


@dataclass(slots=True)
class Borrowed:
    """Facts of the running transaction. `wipe` overwrites what can be overwritten and drops the rest."""

    transaction_id: uuid.UUID
    begun_at: datetime
    begun_mono_s: float
    reading: MrzReading | None = None
    token: TokenReading | None = None
    token_accepted: bool = False
    document_presented: bool = False
    reference_requested: bool = False
    reference_features: Features | None = None
    reference_jpeg: bytearray | None = None
    probe_jpeg: bytearray | None = None
    comparison: FaceComparison | None = None
    referred_at: datetime | None = None
    last_input_mono_s: float = 0.0
    decided_mono_s: float = 0.0
    software_ms: float | None = None
    step_ms: dict[str, float] = field(default_factory=dict)
    decision_id: uuid.UUID | None = None
    answer: PolicyAnswer | None = None

    @property
    def document(self) -> TravelDocument | None:
        """The document as read, if it could be parsed."""
        return self.reading.document if self.reading else None

    @property
    def declaration(self) -> Declaration | None:
        """The verified declaration, once it was bound to this document."""
        return self.token.declaration if self.token and self.token_accepted else None

    def wipe(self) -> None:
        """Destroy images, features and document data."""
        if self.reference_features is not None:
            self.reference_features.fill(0)
        for image in (self.reference_jpeg, self.probe_jpeg):
            if image is not None:
                image[:] = bytes(len(image))
        self.reference_features = self.reference_jpeg = self.probe_jpeg = None
        self.reading = self.token = self.comparison = None
