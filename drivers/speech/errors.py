"""Faults of speakers. Each means silence: no words are ever said in another language than asked for.

DriverFault
└── SpeechFault
    ├── ProgramMissing      DRV-SPK-001  espeak-ng or aplay is not installed
    ├── VoiceMissing        DRV-SPK-002  neither a voice nor a recording for this language
    ├── SynthesisFailed     DRV-SPK-003  the synthesiser failed, hung or gave no sound
    ├── PlaybackFailed      DRV-SPK-004  the sound card does not take the sound
    └── RecordingRefused    DRV-SPK-005  a recording is absent or no usable WAV file
"""

from __future__ import annotations

from drivers.contracts import DeviceState
from drivers.errors import DriverFault, Severity


class SpeechFault(DriverFault):
    """Something cannot be said."""

    code = "DRV-SPK-000"
    severity = Severity.WARNING


class ProgramMissing(SpeechFault):
    """A program that the speaker needs is not installed."""

    code = "DRV-SPK-001"
    remedy = "Install the program (Debian: espeak-ng, alsa-utils), or correct the option that names it."


class VoiceMissing(SpeechFault):
    """There is neither a voice nor a recording for a language."""

    code = "DRV-SPK-002"
    state = DeviceState.READY
    remedy = "Install a voice for this language, or give a folder of recordings in the option `recordings`."


class SynthesisFailed(SpeechFault):
    """The synthesiser ended with an error, took too long, or gave no sound."""

    code = "DRV-SPK-003"
    state = DeviceState.READY
    remedy = "Try `espeak-ng -v VOICE` by hand; install its data again when it fails there, too."


class PlaybackFailed(SpeechFault):
    """The sound card is not there, is used by another program, or does not take the sound."""

    code = "DRV-SPK-004"
    remedy = "Check the loudspeaker's cable and the ALSA device in `output` (`aplay -L` lists them)."


class RecordingRefused(SpeechFault):
    """A recording is absent, too long, or no WAV file of 16-bit samples."""

    code = "DRV-SPK-005"
    state = DeviceState.READY
    remedy = "Put the file there as LANGUAGE/KEY.wav, 16-bit PCM; `egate check-config` names those that are missing."
