"""The voice of a lane on a virtual clock: it says what the screen shows, when the screen shows it, and nothing else moves it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import time
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from drivers.accessibility import Utterance
from drivers.speech.errors import VoiceMissing
from gate_agent.app.choices import Choices
from gate_agent.app.speech import MOST_REPEATS, LaneSpeech
from gate_agent.settings import LaneSettings
from gate_agent.web.events import Broadcaster
from gate_agent.web.i18n import TRAVELLER_LANGUAGES, load_catalogues, pseudo_catalogue
from gate_agent.web.lane_api_messages import CaptureCue, Instruction, ScreenState
from gate_agent.web.traveller.application import screen_view
from gate_agent.web.traveller.spoken import phrase_keys, phrase_of
from tests.unit.virtual_time import VirtualClock, VirtualLoop

CATALOGUES = load_catalogues("traveller", TRAVELLER_LANGUAGES)
SAYING_S = 2.0
LOOK, WAIT, OFFICER = Instruction.LOOK_AT_CAMERA, Instruction.PLEASE_WAIT, Instruction.SEE_OFFICER


def lane_settings(**given: Any) -> LaneSettings:
    return LaneSettings(lane_id=1, document_reader="r", camera="c", barrier="b", speaker="s", **given)


def shows(instruction: Instruction, **given: Any) -> ScreenState:
    state = {"lane_id": 1, "sequence": 0, "step": 0, "language": "en", "speech": "on"}
    return ScreenState(instruction=instruction, **(state | given))


@dataclass
class Voice:
    """A speaker that takes two seconds for everything, and notes when each began and how it ended."""

    missing: frozenset[str] = frozenset()
    broken_for: int = 0
    said: list[tuple[float, str, str, float]] = field(default_factory=list)
    speaking: int = 0
    languages: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    async def say(self, utterance: Utterance, volume_ratio: float = 1.0) -> None:
        if utterance.language in self.missing:
            raise VoiceMissing("none")
        assert self.speaking == 0, "two things at once"
        if self.broken_for:
            self.broken_for -= 1
            raise ZeroDivisionError("third party")
        self.speaking += 1
        self.languages.append(utterance.language)
        self.words.append(utterance.text)
        begun_s, ended = asyncio.get_running_loop().time(), "cut"
        try:
            await asyncio.sleep(SAYING_S)
            ended = "whole"
        finally:
            self.speaking -= 1
            self.said.append((round(begun_s - 1000.0, 3), utterance.key, ended, volume_ratio))


def play(script: list[tuple[float, ScreenState]], ends_s: float, voice: Voice | None = None, **given: Any) -> Voice:
    """Show the states at their times; return what was said."""
    voice = voice or Voice()
    loop = VirtualLoop()

    async def main() -> None:
        changes: Broadcaster[int] = Broadcaster()
        now = [shows(Instruction.LANE_CLOSED, speech="off")]
        speech = LaneSpeech(lane_settings(**given), voice, lambda: now[0], changes, VirtualClock(loop), ZoneInfo("Asia/Tashkent"), said_in=voice.told.append)  # fmt: skip
        running = asyncio.create_task(speech.run())
        for number, (at_s, state) in enumerate(script):
            await asyncio.sleep(1000.0 + at_s - loop.time())
            now[0] = state
            changes.publish(number)
        await asyncio.sleep(1000.0 + ends_s - loop.time())
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    try:
        loop.run_until_complete(main())
    finally:
        loop.close()
    return voice


def heard(voice: Voice) -> list[tuple[float, str, str]]:
    return [(at_s, key.partition(".")[2], ended) for at_s, key, ended, _ in voice.said]


def test_a_change_is_said_at_once_and_cuts_off_what_was_being_said():
    voice = play([(1.0, shows(Instruction.ENTER)), (2.5, shows(LOOK)), (10, shows(OFFICER))], 13)
    assert heard(voice) == [(1.0, "enter", "cut"), (2.5, "look_at_camera", "whole"), (10.0, "see_officer", "whole")]


def test_it_is_said_again_after_a_pause_and_not_for_ever():
    voice = play([(0.0, shows(LOOK))], 600, speech_repeat_s=10)
    assert [at_s for at_s, _, _ in heard(voice)] == [12.0 * number for number in range(1 + MOST_REPEATS)]
    assert len(play([(0.0, shows(LOOK))], 600, speech_repeat_s=0).said) == 1


def test_it_is_silent_until_asked_and_again_when_it_is_switched_off():
    off, on = shows(LOOK, speech="off"), shows(LOOK)
    assert play([(0, off)], 60).said == []
    assert heard(play([(0, off), (5, on), (6, off)], 60)) == [(5.0, "look_at_camera", "cut")]


def test_an_empty_lane_that_always_speaks_does_not_repeat_itself_to_the_guards():
    inviting = Instruction.PRESENT_DOCUMENT
    assert len(play([(0, shows(inviting, speech="always"))], 100).said) == 1
    assert len(play([(0, shows(inviting))], 100).said) > 2, "who asked for it is there, and may need it again"
    assert len(play([(0, shows(WAIT, speech="always"))], 100).said) > 2


def test_cues_are_short_and_the_instruction_is_not_begun_again_after_each():
    cue = shows(LOOK, cue=CaptureCue.TOO_FAR)
    assert phrase_of(cue, CATALOGUES["en"]).text == "Come closer"
    assert (
        phrase_of(shows(LOOK), CATALOGUES["en"]).text
        == "Look at the camera. Hat and sunglasses off, hair away from the face."
    )
    voice = play([(0, shows(LOOK)), (3, cue), (6, shows(LOOK)), (8, cue), (9, shows(LOOK))], 20, speech_repeat_s=8)
    assert heard(voice) == [
        (0.0, "look_at_camera", "whole"), (3.0, "too_far", "whole"), (8.0, "too_far", "cut"), (17.0, "look_at_camera", "whole"),
    ]  # fmt: skip
    cut = play([(0, shows(LOOK)), (1, cue), (4, shows(LOOK))], 6.5, speech_repeat_s=8)
    assert heard(cut)[-1] == (4.0, "look_at_camera", "whole"), "what was never heard whole is said"


def test_an_emergency_is_said_to_everybody_at_full_volume():
    fire = shows(Instruction.EMERGENCY, speech="off")
    voice = play([(0, fire)], 1, speech_quiet_hours="00:00-23:59", speech_quiet_volume_percent=0)
    assert [(key, volume) for _, key, _, volume in voice.said] == [("instruction.emergency", 1.0)]


@pytest.mark.parametrize(
    ("hours", "local", "volume"),
    [("", "03:00", 0.8), ("22:00-06:00", "22:00", 0.4), ("22:00-06:00", "05:59", 0.4), ("22:00-06:00", "06:00", 0.8),
     ("12:00-14:00", "13:00", 0.4), ("12:00-14:00", "14:00", 0.8)],
)  # fmt: skip
def test_quiet_hours_are_quieter(hours, local, volume):
    assert lane_settings(speech_quiet_hours=hours).speech_volume(time.fromisoformat(local)) == volume


def test_volumes_of_nought_are_silence_and_hours_are_checked():
    assert play([(0, shows(LOOK))], 30, speech_volume_percent=0).said == []
    (first, *_) = play([(0, shows(LOOK))], 3, speech_quiet_hours="13:00-15:00").said  # 09:00 UTC is 14:00 in Tashkent
    assert first[3] == 0.4
    with pytest.raises(ValidationError, match="22:00-06:00"):
        lane_settings(speech_quiet_hours="22-6")


def test_a_language_that_cannot_be_said_is_silence_and_the_next_is_said():
    script = [(0, shows(LOOK, language="uz-Latn")), (30, shows(OFFICER, language="en"))]
    voice = play(script, 33, Voice(missing=frozenset({"uz-Latn"})))
    assert heard(voice) == [(30.0, "see_officer", "whole")]


@pytest.mark.parametrize(
    ("language", "missing", "heard_in"),
    [
        ("tg", {"tg"}, ["ru"]),
        ("tg", set(), ["tg"]),
        ("uz-Cyrl", {"uz-Cyrl"}, ["uz-Latn"]),
        ("kaa-Latn", {"kaa-Latn", "uz-Latn"}, []),
        ("fa-AF", {"fa-AF"}, []),
    ],
)
def test_a_language_without_a_voice_is_said_in_one_that_its_speakers_understand(language, missing, heard_in):
    voice = play([(0, shows(LOOK, language=language))], 3, Voice(missing=frozenset(missing)))
    assert voice.languages == heard_in
    assert voice.words == [phrase_of(shows(LOOK), CATALOGUES[one]).text for one in heard_in]
    assert voice.told == heard_in


def test_the_screen_says_in_which_language_it_is_read():
    tajik = CATALOGUES["tg"]
    assert "Русский" in screen_view(shows(LOOK, language="tg", said_in="ru"), tajik)["speech_note"]
    for state in (shows(LOOK, language="tg", said_in="tg"), shows(LOOK, language="tg", said_in="ru", speech="off")):
        assert screen_view(state, tajik)["speech_note"] == ""
    same_words = shows(LOOK, language="uz-Cyrl", said_in="uz-Latn")
    assert screen_view(same_words, CATALOGUES["uz-Cyrl"])["speech_note"] == ""


def test_a_speaker_that_raises_what_nobody_foresaw_is_logged_and_speaks_again():
    with structlog.testing.capture_logs() as logs:
        voice = play([(0, shows(LOOK))], 11, Voice(broken_for=1), speech_repeat_s=8)
    assert heard(voice) == [(8.0, "look_at_camera", "whole")]
    assert [(one["event"], one["error"]) for one in logs] == [("speech_failed_unexpectedly", "ZeroDivisionError")]


@given(
    st.lists(
        st.tuples(
            st.floats(0.05, 9).map(lambda value: round(value, 2)),
            st.sampled_from([*Instruction]),
            st.sampled_from([None, CaptureCue.TOO_LOW, CaptureCue.NOD]),
            st.sampled_from(["uz-Latn", "ru", "en"]),
        ),
        min_size=1,
        max_size=6,
    ),
    st.lists(st.tuples(st.floats(0.01, 0.99), st.integers(1, 9_999)), max_size=8),
)
def test_nothing_but_the_words_on_the_screen_moves_the_voice(shown, noise):
    """Whatever else changes behind the same words (a hit that is looked up, a countdown, a receipt) changes no moment of speech."""
    script, at_s = [], 0.0
    for gap_s, instruction, cue, language in shown:
        at_s += gap_s
        script.append((at_s, shows(instruction, cue=cue if instruction is LOOK else None, language=language)))
    ends_s = at_s + 20
    noisy = list(script)
    for place, number in noise:
        when_s = round(place * ends_s, 3)
        under = [state for begun_s, state in script if begun_s < when_s]
        if under and when_s not in {begun_s for begun_s, _ in script}:
            hidden = {
                "sequence": number,
                "remaining_s": number / 7,
                "receipt": {"reference": str(number)},
                "step": number % 4,
            }
            noisy.append((when_s, under[-1].model_copy(update=hidden)))
    noisy.sort(key=lambda one: one[0])
    assert play(noisy, ends_s).said == play(script, ends_s).said


@pytest.mark.parametrize("instruction", Instruction)
def test_what_is_said_is_what_the_screen_shows(instruction):
    for language, catalogue in CATALOGUES.items():
        for cue in (None, *CaptureCue):
            state = shows(instruction, cue=cue, language=language)
            view, phrase = screen_view(state, catalogue), phrase_of(state, catalogue)
            assert (view["title"], view["detail"]) == (phrase.title, phrase.detail)
            assert phrase.title in phrase.text
            assert phrase.key in set(phrase_keys())
            assert (
                phrase_of(state, pseudo_catalogue(catalogue)).title
                == screen_view(state, pseudo_catalogue(catalogue))["title"]
            )


def test_a_choice_is_one_travellers_and_does_not_wait_for_ever():
    import uuid

    now, one, other = [0.0], uuid.uuid4(), uuid.uuid4()
    choices = Choices[bool](lambda: now[0], 60.0)
    assert choices.of(1, None) is None
    choices.choose(1, None, value=True)
    assert choices.of(1, None) is True
    assert choices.of(2, None) is None
    assert choices.of(1, one) is True
    now[0] = 500.0
    assert choices.of(1, one) is True, "a transaction lasts as long as it lasts"
    assert choices.of(1, other) is None
    choices.choose(1, None, value=True)
    now[0] = 561.0
    assert choices.of(1, None) is None
    assert choices.of(1, one) is None
