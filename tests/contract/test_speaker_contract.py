"""One suite for every speaker, on a folder that takes its sound and on real ALSA; what eSpeak NG really says, and what happens without it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import shutil
import subprocess
import wave
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from drivers.accessibility import SpeechSource, Spoken, Utterance
from drivers.contracts import DeviceClass, DeviceEvent, DeviceState, StateChanged
from drivers.errors import DriverFault, OptionsRefused
from drivers.registry import build
from drivers.speech.espeak import EspeakOptions
from drivers.speech.sound import Sound, parse_wav
from gate_agent.clock import SystemClock
from gate_agent.web.i18n import TRAVELLER_LANGUAGES, load_catalogues
from gate_agent.web.languages import said_as
from tests.waiting import until

CLOCK = SystemClock()
LANGUAGES = {"uz-Latn": "Eshikdan kiring", "ru": "Проходите, пожалуйста", "en": "Please come in"}
KEY = "instruction.enter"
LETTERS_PER_S = {"zh-Hans": (1.2, 7), "ky": (5, 25)}
"""What is plausible where it is not 6 to 25: a Chinese character is a syllable, and the Kyrgyz voice takes its time over one word."""
PROGRAMS = {"espeak_speaker": pytest.mark.espeak, "recorded_speaker": ()}


def recording(folder: Path, language: str, key: str, seconds: float = 0.2) -> None:
    """Leave a tone, as a stand-in for a voice."""
    samples = b"".join(
        (9000 * (1 if (index // 20) % 2 else -1)).to_bytes(2, "little", signed=True)
        for index in range(round(seconds * 16_000))
    )
    (folder / language).mkdir(parents=True, exist_ok=True)
    (folder / language / f"{key}.wav").write_bytes(Sound(16_000, 1, samples).wav())


class Bench:
    def __init__(self, driver: str, folder: Path) -> None:
        self.name = driver
        self.heard_in = folder / "heard"
        self.recordings = folder / "recordings"
        self.events: list[DeviceEvent] = []
        self.task: asyncio.Task[None] | None = None
        self.driver: Any = None
        for language in LANGUAGES:
            recording(self.recordings, language, KEY)

    def start(self, **options: object) -> None:
        given = {"output": f"folder:{self.heard_in}", "check_s": 0.05, **options}
        if self.name == "recorded_speaker":
            given.setdefault("recordings", str(self.recordings))
        self.driver = build("speaker", self.name, given, self.events.append, CLOCK)
        self.task = asyncio.create_task(self.driver.run())

    async def ready(self, **options: object) -> None:
        self.heard_in.mkdir(exist_ok=True)
        self.start(**options)
        await self.until(lambda: self.driver.state is DeviceState.READY)

    async def until(self, is_met: Callable[[], object], seconds: float = 10.0) -> None:
        await until(is_met, seconds)

    async def say(self, language: str = "en", key: str = KEY, text: str = "", volume_ratio: float = 1.0) -> None:
        await self.driver.say(Utterance(key, text or LANGUAGES.get(language, "?"), language), volume_ratio)

    def files(self) -> list[Path]:
        return sorted(self.heard_in.glob("*.*"))

    def spoken(self) -> list[Spoken]:
        return [event.data for event in self.events if isinstance(event.data, Spoken)]

    def faults(self) -> list[str]:
        return [event.data.fault for event in self.events if isinstance(event.data, StateChanged)]

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.task


@pytest.fixture(params=[pytest.param(name, marks=marks) for name, marks in PROGRAMS.items()])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    running = Bench(request.param, tmp_path)
    yield running
    await running.stop()


@pytest.fixture
async def espeak(tmp_path: Path) -> AsyncIterator[Bench]:
    running = Bench("espeak_speaker", tmp_path)
    yield running
    await running.stop()


async def test_absent_until_its_output_is_there_then_ready_and_absent_again(bench: Bench) -> None:
    bench.start()
    await bench.until(lambda: bench.driver.state is DeviceState.ABSENT and bench.faults()[-1:] == ["DRV-LNK-001"])
    with pytest.raises(DriverFault):
        await bench.say()
    bench.heard_in.mkdir()
    await bench.until(lambda: bench.driver.state is DeviceState.READY)
    await bench.say()
    shutil.rmtree(bench.heard_in)
    await bench.until(lambda: bench.driver.state is DeviceState.ABSENT)
    assert bench.driver.device_class is DeviceClass.SPEAKER
    assert [event.seq for event in bench.events] == list(range(1, len(bench.events) + 1))
    assert {type(event.data) for event in bench.events} <= {*bench.driver.events, StateChanged}


@pytest.mark.parametrize("language", LANGUAGES)
async def test_what_it_says_is_sound_and_it_tells_so(bench: Bench, language: str) -> None:
    await bench.ready()
    await bench.say(language)
    (file,) = bench.files()
    assert file.name == f"000001-{language}-{KEY}.wav"
    sound = parse_wav(file.read_bytes())
    assert 0.1 < sound.seconds < 6
    assert sound.level() > 0.01
    (told,) = bench.spoken()
    assert (told.key, told.language, told.is_whole) == (KEY, language, True)
    assert told.seconds == pytest.approx(sound.seconds)


async def test_volume_is_the_ratio_of_the_samples(bench: Bench) -> None:
    await bench.ready()
    await bench.say()
    await bench.say(volume_ratio=0.25)
    loud, soft = (parse_wav(file.read_bytes()).level() for file in bench.files())
    assert soft == pytest.approx(loud / 4, rel=0.02)


async def test_nothing_is_said_over_anything_else(bench: Bench) -> None:
    await bench.ready()
    await asyncio.gather(*(bench.say(language) for language in LANGUAGES))
    ends = [(event.t_mono_s, event.data.seconds) for event in bench.events if isinstance(event.data, Spoken)]
    assert len(ends) == 3
    for (before_s, _), (after_s, seconds) in itertools.pairwise(ends):
        assert after_s - seconds >= before_s - 0.01, "it began before the other one ended"


async def test_what_is_cut_off_ends_at_once_and_the_next_is_heard(bench: Bench) -> None:
    recording(bench.recordings, "en", KEY, seconds=30)
    await bench.ready()
    text = "Please place your passport on the reader. " * 12
    first = asyncio.create_task(bench.say(text=text))
    await bench.until(lambda: bench.driver._output._count)  # it sounds
    first.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await first
    await bench.say("ru")
    cut, whole = bench.spoken()
    assert not cut.is_whole
    assert cut.seconds < 10
    assert (whole.language, whole.is_whole) == ("ru", True)
    assert [file.suffix for file in bench.files()] == [".part", ".wav"]


async def test_a_language_that_it_has_not_is_silence_and_a_fault_and_the_others_go_on(bench: Bench) -> None:
    await bench.ready()
    with pytest.raises(DriverFault) as refused:
        await bench.say("kaa-Latn", text="Kiriń")
    assert refused.value.code in {"DRV-SPK-002", "DRV-SPK-005"}
    assert bench.files() == []
    await bench.until(lambda: bench.faults()[-1] == refused.value.code)
    assert bench.driver.state is DeviceState.READY
    await bench.say("en")
    assert bench.faults()[-1] == ""


async def test_unknown_options_are_refused_by_name(bench: Bench) -> None:
    with pytest.raises(OptionsRefused, match="colour"):
        bench.start(colour="red")


async def test_cancelling_leaves_nothing_behind(bench: Bench) -> None:
    await bench.ready()
    tasks = asyncio.all_tasks()
    saying = asyncio.create_task(bench.say(text="A long sentence. " * 20))
    await asyncio.sleep(0.1)
    saying.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await saying
    await bench.until(lambda: asyncio.all_tasks() <= tasks)


# eSpeak NG ------------------------------------------------------------------------------------------------------------


@pytest.mark.espeak
@pytest.mark.parametrize("language", EspeakOptions.model_fields["voices"].default)
async def test_every_instruction_is_spoken_at_a_plausible_length(espeak: Bench, language: str) -> None:
    await espeak.ready()
    catalogue = load_catalogues("traveller", TRAVELLER_LANGUAGES)[language]
    for key, text in {**catalogue.section("instruction"), **catalogue.section("cue")}.items():
        sound, source = await espeak.driver.sound_of(Utterance(key, text, language))
        assert source is SpeechSource.SYNTHESISED
        letters_per_s = len(text) / sound.seconds
        slowest, fastest = LETTERS_PER_S.get(language, (6, 25))
        assert slowest < letters_per_s < fastest, (key, text, sound.seconds)
        assert sound.level() > 0.02, key
        assert speech_like(sound), key


def speech_like(sound: Sound) -> bool:
    """Tell whether loud and quiet stretches alternate, as syllables do, and no tone does."""
    step = sound.rate_hz // 50
    levels = [Sound(sound.rate_hz, 1, sound.samples[at : at + 2 * step]).level() for at in range(0, len(sound.samples) - 2 * step, 2 * step)]  # fmt: skip
    mean = sum(levels) / len(levels)
    crossings = sum((one < mean) != (other < mean) for one, other in itertools.pairwise(levels))
    return crossings >= 3


@pytest.mark.espeak
def test_no_uzbek_letter_is_named_in_english() -> None:
    """eSpeak NG says what U+02BC is called, in English; the driver writes what the program can pronounce."""
    catalogue = load_catalogues("traveller", ["uz-Latn"])["uz-Latn"]
    from drivers.speech.espeak import _LETTERS

    for section in ("instruction", "detail", "cue", "cue_detail"):
        for text in catalogue.section(section).values():
            spoken = subprocess.run(
                ["espeak-ng", "-q", "-x", "-v", "uz", text.translate(_LETTERS)],
                capture_output=True,
                text=True,
                check=True,
            )
            assert re.findall(r"\(\w\w\)", spoken.stdout) == [], text


def test_each_language_has_a_voice_or_names_one_that_its_speakers_understand() -> None:
    voices = EspeakOptions.model_fields["voices"].default
    without = {language for language in TRAVELLER_LANGUAGES if language not in voices}
    assert without == {"uz-Cyrl", "kaa-Latn", "tg"}
    assert all(any(other in voices for other in said_as(language)) for language in without)


@pytest.mark.espeak
async def test_a_language_without_a_voice_is_said_from_its_recording(espeak: Bench) -> None:
    recording(espeak.recordings, "uz-Latn", KEY, 0.3)
    await espeak.ready(voices={"en": "en-gb"}, recordings=str(espeak.recordings))
    await espeak.say("uz-Latn")
    await espeak.say("en")
    assert [(one.language, one.source) for one in espeak.spoken()] == [
        ("uz-Latn", SpeechSource.RECORDED), ("en", SpeechSource.SYNTHESISED),
    ]  # fmt: skip


def test_a_voice_of_another_language_is_refused() -> None:
    with pytest.raises(OptionsRefused, match="tr is none for uz-Latn"):
        EspeakOptions.read("speaker", {"voices": {"uz-Latn": "tr", "en": "en-gb+f3"}})


async def test_without_the_program_it_is_in_fault_and_silent(espeak: Bench) -> None:
    espeak.heard_in.mkdir()
    espeak.start(program="/nonexistent/espeak-ng")
    await espeak.until(lambda: "DRV-SPK-001" in espeak.faults())
    with pytest.raises(DriverFault):
        await espeak.say()
    assert espeak.files() == []


@pytest.mark.parametrize(
    ("script", "code"),
    [("exit 1", "DRV-SPK-003"), ("cat > /dev/null", "DRV-SPK-003"), ("echo RIFF", "DRV-SPK-003"), ("sleep 30", "DRV-SPK-003"), ("yes", "DRV-SPK-003")],
    ids=["fails", "says-nothing", "no-wav", "hangs", "floods"],
)  # fmt: skip
async def test_a_program_that_misbehaves_is_a_fault_and_no_hang(espeak: Bench, tmp_path: Path, script: str, code: str) -> None:  # fmt: skip
    program = tmp_path / "espeak"
    program.write_text(
        f'#!/bin/sh\ncase "$1" in --voices=*) printf "Pty Language\\n 5 en\\n"; exit 0;; esac\n{script}\n'
    )
    program.chmod(0o755)
    await espeak.ready(program=str(program), voices={"en": "en"}, synthesis_timeout_s=0.5)
    with pytest.raises(DriverFault) as failed:
        await espeak.say()
    assert failed.value.code == code
    assert espeak.files() == []


# ALSA -----------------------------------------------------------------------------------------------------------------


@pytest.mark.espeak
async def test_real_alsa_plays_what_was_synthesised(espeak: Bench, tmp_path: Path) -> None:
    """ALSA's own `tee` device writes what reaches the card into a file."""
    played = tmp_path / "played.wav"
    await espeak.ready(output=f"tee:null,'{played}',wav", check_s=3600)
    await espeak.say("en")
    with wave.open(str(played)) as file:
        seconds = file.getnframes() / file.getframerate()
        assert file.getsampwidth() == 2
        frames = file.readframes(file.getnframes())
    assert seconds == pytest.approx(espeak.spoken()[0].seconds, abs=0.2)
    assert Sound(22_050, 1, frames).level() > 0.02


@pytest.mark.espeak
async def test_a_card_that_is_not_there_is_a_fault_that_names_it(espeak: Bench) -> None:
    espeak.start(output="hw:31")
    await espeak.until(lambda: "DRV-SPK-004" in espeak.faults())
    assert espeak.driver.state is DeviceState.FAULT
