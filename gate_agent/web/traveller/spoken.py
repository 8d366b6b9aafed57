"""The words of the traveller's screen, for the screen and for whoever says them: both have them from here, so that they are the same.

A phrase depends on the screen's state alone. That state carries no reason and no name, so neither the words nor the moment in which they change
can tell what a check found.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gate_agent.web.formats import digits_text
from gate_agent.web.i18n import Catalogue
from gate_agent.web.lane_api_messages import CaptureCue, Instruction, ScreenState


@dataclass(frozen=True, slots=True)
class Phrase:
    """What the screen asks for now. `key` names it among recordings; `base` is the same for an instruction and its cues."""

    key: str
    base: str
    title: str
    detail: str
    language: str
    lane_hint: str = ""

    @property
    def text(self) -> str:
        """The words to say: a cue is short, because the next may follow in a second. A recording cannot know the lane's number."""
        if self.key.startswith("cue."):
            return self.title
        return " ".join(f"{part}." for part in (self.title, self.detail, self.lane_hint) if part)


def cue_of(state: ScreenState) -> CaptureCue | None:
    """Return the cue that takes the instruction's place, None while none is due."""
    return state.cue if state.instruction in {Instruction.LOOK_AT_CAMERA, Instruction.NEXT_FACE} else None


def phrase_of(state: ScreenState, catalogue: Catalogue) -> Phrase:
    """Return the words of a screen's state."""
    cue, base = cue_of(state), f"instruction.{state.instruction}"
    if cue is not None:
        return Phrase(
            f"cue.{cue}",
            base,
            catalogue.text(f"cue.{cue}"),
            catalogue.text(f"cue_detail.{cue}"),
            catalogue.language,
        )
    detail = catalogue.text(f"detail.{state.instruction}")
    return Phrase(base, base, catalogue.text(base), detail, catalogue.language, _lane_hint(state, catalogue))


def _lane_hint(state: ScreenState, catalogue: Catalogue) -> str:
    """Return the line that names another lane, empty when none is meant."""
    if state.other_lane is None:
        return ""
    name = "ui.lane" if state.instruction is Instruction.FAMILY_LANE else "ui.wide_lane"
    return catalogue.text(name, lane=digits_text(str(state.other_lane), catalogue.language))


def phrase_keys() -> Iterator[str]:
    """Yield the key of everything that a screen can ask for: what a complete set of recordings holds."""
    yield from (f"instruction.{instruction}" for instruction in Instruction)
    yield from (f"cue.{cue}" for cue in CaptureCue)
