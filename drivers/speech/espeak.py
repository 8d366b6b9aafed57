"""`espeak_speaker`: words made by eSpeak NG, a program of its own that the site installs; eGate neither contains it nor links to it.

eSpeak NG is licensed under the GPL, version 3 or later. It is run once for each utterance, reads the words from its standard input and writes
a WAV file to its standard output. A language without a voice is said from recordings; without those there is silence and a fault.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field, field_validator

from drivers.accessibility import SpeechSource, Utterance
from drivers.contracts import Clock, EventSink
from drivers.speech.errors import ProgramMissing, RecordingRefused, SynthesisFailed, VoiceMissing
from drivers.speech.program import ProgramAbsent, ProgramFailed, run_program
from drivers.speech.sound import SOUND_LIMIT_BYTES, Sound, parse_wav
from drivers.speech.speaker import Speaker, SpeakerOptions

_LETTERS = str.maketrans({"\u02bb": "'", "\u02bc": "'"})
"""Uzbek's own apostrophes: eSpeak NG names them instead of pronouncing them, and knows the plain one as what they are."""


_SPOKEN_FORM = {"zh": "cmn"}
"""What written Chinese is called when it is spoken (ISO 639-3)."""


def _primary(tag: str) -> str:
    """Return the language of a tag or voice: `uz` of `uz-Latn`, `en` of `en-gb+f3`."""
    return tag.split("+", maxsplit=1)[0].split("-", maxsplit=1)[0].lower()


class EspeakOptions(SpeakerOptions):
    """Options of `espeak_speaker`."""

    program: str = Field("espeak-ng", min_length=1, description="Program, by name or path.")
    voices: dict[str, str] = Field(
        {"uz-Latn": "uz", "ru": "ru", "en": "en-gb", "ky": "ky", "kk": "kk", "fa-AF": "fa", "zh-Hans": "cmn"},
        description="Voice of the program for each language; a language that is not named here is said from recordings.",
    )
    recordings: str = Field("", description="Folder of recordings for languages without a voice; empty: none.")
    words_per_minute: int = Field(140, ge=80, le=300, description="Pace; a hall echoes, so slower than usual.")
    synthesis_timeout_s: float = Field(3.0, gt=0, le=30, description="Longest time to make the sound of an utterance.")

    @field_validator("voices")
    @classmethod
    def _speak_their_language(cls, voices: dict[str, str]) -> dict[str, str]:
        for language, voice in voices.items():
            written = _primary(language)
            if _primary(voice) != _SPOKEN_FORM.get(written, written):
                raise ValueError(f"the voice {voice} is none for {language}: a language is never said in another one's")
        return voices


class EspeakSpeaker(Speaker):
    """A supervised speaker."""

    def __init__(self, name: str, options: EspeakOptions, sink: EventSink, clock: Clock) -> None:
        super().__init__(name, options, options.recordings, sink, clock)
        self._espeak = options
        self._known: dict[str, bool] = {}

    async def look(self) -> None:
        """Ask the program for the voices. Raises `ProgramMissing`, `SynthesisFailed`, `VoiceMissing`."""
        for language, voice in self._espeak.voices.items():
            if not await self._has_voice(voice) and self._recordings is None:
                raise VoiceMissing(f"{self.name}: {self._espeak.program} has no voice {voice} for {language}")

    async def sound_of(self, utterance: Utterance) -> tuple[Sound, SpeechSource]:
        """Return how the voice of the utterance's language says it, else its recording."""
        voice = self._espeak.voices.get(utterance.language)
        if voice is None or not await self._has_voice(voice):
            return await self.recorded(utterance), SpeechSource.RECORDED
        command = (
            *(self._espeak.program, "-v", voice, "-s", str(self._espeak.words_per_minute)),
            *("-b", "1", "--stdin", "--stdout"),
        )
        wav = await self._run(command, utterance.text.translate(_LETTERS).encode())
        try:
            return parse_wav(wav), SpeechSource.SYNTHESISED
        except RecordingRefused as refused:
            raise SynthesisFailed(f"{self.name}: {refused}") from refused

    async def _has_voice(self, voice: str) -> bool:
        """Tell whether the program lists a voice of that language; asked until it does, for voices may be installed later."""
        if not self._known.get(voice):
            language = voice.split("+", maxsplit=1)[0].lower()
            listed = await self._run((self._espeak.program, f"--voices={language}"), b"")
            rows = [line.split() for line in listed.decode("utf-8", "replace").lower().splitlines()[1:]]
            self._known[voice] = any(len(row) > 1 and row[1] == language for row in rows)
        return self._known[voice]

    async def _run(self, command: tuple[str, ...], fed: bytes) -> bytes:
        try:
            return await run_program(command, fed, self._espeak.synthesis_timeout_s, SOUND_LIMIT_BYTES)
        except ProgramAbsent as absent:
            raise ProgramMissing(f"{self.name}: {absent}") from absent
        except ProgramFailed as failed:
            raise SynthesisFailed(f"{self.name}: {failed}") from failed


def build(name: str, options: Mapping[str, object], sink: EventSink, clock: Clock) -> EspeakSpeaker:
    """Return the driver. Raises `OptionsRefused`."""
    return EspeakSpeaker(name, EspeakOptions.read(name, options), sink, clock)
