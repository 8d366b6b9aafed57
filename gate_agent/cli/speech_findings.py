"""Recordings against the traveller's screen: everything that it can show has to be there in every language that is said from recordings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drivers.speech.espeak import EspeakOptions
from drivers.speech.recordings import Recordings
from gate_agent.cli.findings import Finding
from gate_agent.settings import Settings
from gate_agent.web.i18n import TRAVELLER_LANGUAGES
from gate_agent.web.languages import said_as
from gate_agent.web.traveller.spoken import phrase_keys

_MOST_NAMED = 5


def speech_findings(settings: Settings) -> list[Finding]:
    """Find languages that a lane's speaker can say nothing in, and recordings that are absent or cannot be played."""
    named = {lane.speaker for lane in settings.lane if lane.speaker and lane.speech != "off"}
    findings = []
    for device in settings.device:
        if device.name in named:
            findings += _of_speaker(f"device {device.name}", device.driver, device.options)
    return findings


def _of_speaker(where: str, driver: str, options: Mapping[str, Any]) -> list[Finding]:
    if driver not in {"espeak_speaker", "recorded_speaker"}:
        return []  # another maker's driver knows its own voices
    voices = options.get("voices", EspeakOptions.model_fields["voices"].default) if driver == "espeak_speaker" else {}
    if not isinstance(voices, Mapping):
        return []  # the driver's own complaint names the option
    folder = options.get("recordings", "")
    silent = [language for language in TRAVELLER_LANGUAGES if language not in voices and not said_as(language)]
    if silent and not folder:
        text = f"has neither a voice nor recordings for {', '.join(silent)}: the lane is silent in it"
        return (
            [Finding(where, text, "Name a voice, or a folder in `recordings`.")] if driver == "espeak_speaker" else []
        )
    refusals = list(Recordings(Path(str(folder))).refusals(silent, phrase_keys()))
    findings = [Finding(where, text, "Record it: docs/accessibility.md lists the keys.") for text in refusals]
    rest = len(findings) - _MOST_NAMED
    if rest > 0:
        more = f"and {rest} more recordings are absent or cannot be played"
        findings = [*findings[:_MOST_NAMED], Finding(where, more, findings[0].remedy)]
    return findings
