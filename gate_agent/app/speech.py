"""The traveller's screen of a lane, said aloud: on each change, again after a while, one phrase at a time.

What is said and when depends on the screen's state alone, as anybody in front of it sees it: numbers that count up, a receipt or a countdown
start no words, and nothing else of the gate is asked. So speech tells no more than the screen does.

A language without a voice and without a recording is said in one that its speakers understand (`said_as` of the languages' data), and the
screen says so; never in the voice of another language.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from zoneinfo import ZoneInfo

import structlog

from drivers.accessibility import SpeakerDriver, Utterance
from drivers.errors import DriverFault
from drivers.speech.errors import RecordingRefused, VoiceMissing
from gate_agent.clock import Clock
from gate_agent.settings import LaneSettings, Settings
from gate_agent.web.events import Broadcaster
from gate_agent.web.i18n import TRAVELLER_LANGUAGES, Catalogues, load_catalogues
from gate_agent.web.lane_api_messages import Instruction, ScreenState
from gate_agent.web.languages import said_as
from gate_agent.web.traveller.spoken import Phrase, phrase_of

log = structlog.get_logger()

MOST_REPEATS = 5
_FOR_NOBODY = {Instruction.PRESENT_DOCUMENT, Instruction.LANE_CLOSED, Instruction.OFFICER_CONTROL}
"""Shown to an empty lane, too: not repeated to the guards all day where the speaker always speaks."""
_LOOK_AGAIN_S = 3600.0


class LaneSpeech:
    """The voice of one lane; `run` serves until cancelled."""

    def __init__(
        self,
        lane: LaneSettings,
        speaker: SpeakerDriver,
        screen: Callable[[], ScreenState],
        changes: Broadcaster[int],
        clock: Clock,
        zone: ZoneInfo,
        catalogues: Catalogues | None = None,
        said_in: Callable[[str], None] = lambda _language: None,
    ) -> None:
        self._lane = lane
        self._speaker = speaker
        self._screen = screen
        self._changes = changes
        self._clock = clock
        self._zone = zone
        self._catalogues = catalogues or load_catalogues("traveller", TRAVELLER_LANGUAGES)
        self._said_in = said_in
        self._said: tuple[str, str] | None = None  # instruction and language that were said to the end last

    async def run(self) -> None:
        """Speak while the screen shows that speech is on."""
        with self._changes.subscribe() as place:
            while not place.ended:
                phrase, is_repeated = self._due()
                speaking = None if phrase is None else asyncio.create_task(self._speak(phrase, again=is_repeated))
                try:
                    while not place.ended and self._due() == (phrase, is_repeated):
                        await place.next(_LOOK_AGAIN_S)
                finally:
                    if speaking is not None:
                        speaking.cancel()
                        await asyncio.gather(speaking, return_exceptions=True)

    def _due(self) -> tuple[Phrase | None, bool]:
        """Return what the screen shows to be said, and whether it is said again after a while."""
        state = self._screen()
        is_emergency = state.instruction is Instruction.EMERGENCY  # said to everybody, asked for or not
        if state.speech not in {"on", "always"} and not is_emergency:
            return None, False
        is_repeated = state.speech == "on" or state.instruction not in _FOR_NOBODY
        return phrase_of(state, self._catalogues[state.language]), is_repeated

    async def _speak(self, phrase: Phrase, *, again: bool) -> None:
        repeat_s = self._lane.speech_repeat_s
        is_back = phrase.key == phrase.base and self._said == (phrase.base, phrase.language)
        if self._said is not None and self._said[0] != phrase.base:
            self._said = None
        if not is_back:  # a cue went: the instruction that it interrupted was heard already
            await self._say(phrase)
        for _ in range(MOST_REPEATS if again and repeat_s else 0):
            await asyncio.sleep(repeat_s)
            await self._say(phrase)

    async def _say(self, phrase: Phrase) -> None:
        volume = self._volume(phrase)
        if volume <= 0:
            return
        for words in self._forms(phrase):
            try:
                await self._speaker.say(Utterance(words.key, words.text, words.language), volume)
            except (VoiceMissing, RecordingRefused) as fault:
                log.warning("speech_failed", lane_id=self._lane.lane_id, code=fault.code, language=words.language)
                continue  # the next language that its speakers understand, if the data file names one
            except DriverFault as fault:
                log.warning("speech_failed", lane_id=self._lane.lane_id, code=fault.code, language=words.language)
                return
            except Exception as error:  # noqa: BLE001 - a speaker of another maker may raise anything; the screen and the next words go on
                log.error("speech_failed_unexpectedly", lane_id=self._lane.lane_id, error=type(error).__name__)
                return
            self._said_in(words.language)
            if phrase.key == phrase.base:
                self._said = (phrase.base, phrase.language)
            return

    def _forms(self, phrase: Phrase) -> Iterator[Phrase]:
        """Yield the words in their own language, then in those that stand in for it, while the screen still shows them."""
        yield phrase
        for language in said_as(phrase.language):
            other = phrase_of(self._screen(), self._catalogues[language])
            if other.key == phrase.key:
                yield other

    def _volume(self, phrase: Phrase) -> float:
        if phrase.base == f"instruction.{Instruction.EMERGENCY}":
            return 1.0
        return self._lane.speech_volume(self._clock.now().astimezone(self._zone).time())


def lane_speeches(
    settings: Settings,
    speakers: Mapping[str, SpeakerDriver],
    screen: Callable[[int], ScreenState],
    changes: Broadcaster[int],
    clock: Clock,
    said_in: Callable[[int, str], None],
) -> Iterable[LaneSpeech]:
    """Yield the voice of each lane that has one. `said_in` is told in which language something was said."""
    zone = ZoneInfo(settings.gate.time_zone)
    for lane in settings.lane:
        if lane.speaker and lane.speech != "off":
            yield LaneSpeech(
                lane,
                speakers[lane.speaker],
                partial(screen, lane.lane_id),
                changes,
                clock,
                zone,
                said_in=partial(said_in, lane.lane_id),
            )
