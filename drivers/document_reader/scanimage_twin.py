"""A virtual flatbed: a program that stands in for scanimage, prints a scanner's options and a picture, has a button, hangs and fails."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from drivers.twin import SlowSwitches

DEVICE, BUTTON = "twin:0", "scan"
_PROGRAM = """#!/bin/sh
# Stands in for scanimage: a virtual scanner for tests.
here="$(dirname "$0")/state"
echo $$ >> "$here/started"
if [ -e "$here/muted" ]; then exec sleep 300; fi
if [ ! -e "$here/there" ]; then echo "scanimage: open of device $2 failed: Invalid argument" >&2; exit 1; fi
if [ -e "$here/delay" ]; then sleep "$(cat "$here/delay")"; fi
case " $* " in
*" -A "*)
  # a finger leaves the button before it presses again
  if [ -e "$here/pressed" ] && [ ! -e "$here/shown" ]; then
    mv "$here/pressed" "$here/shown"; exec cat "$here/options-pressed"
  fi
  rm -f "$here/shown"
  exec cat "$here/options" ;;
*)
  if [ -e "$here/words" ]; then cat "$here/words" >&2; exit 7; fi
  exec cat "$here/picture" ;;
esac
"""
_OPTIONS = """
All options specific to device `twin:0':
  Scan Mode:
    --mode Gray|Color [Gray]
        Selects the scan mode.
    --resolution 75..600dpi [75]
        Sets the resolution of the scanned image.
  Buttons:
    --scan[=(yes|no)] [{button}] [hardware]
        Scan button
"""


class ScanimageTwin(SlowSwitches):
    """`path` is the folder with the program (`program`) and its state."""

    def __init__(self, path: Path, *, seed: int = 1) -> None:
        super().__init__(seed)
        self.path = path
        self.program = path / "scanimage"
        self._state = path / "state"
        self._state.mkdir(parents=True, exist_ok=True)
        self.program.write_text(_PROGRAM, encoding="ascii")
        self.program.chmod(0o755)
        self._picture = b""

    @property
    def is_plugged(self) -> bool:
        """True while the scanner is connected."""
        return (self._state / "there").exists()

    async def plug(self) -> None:
        """Connect it."""
        self._write()
        (self._state / "there").touch()

    async def unplug(self) -> None:
        """Disconnect it."""
        (self._state / "there").unlink(missing_ok=True)

    def present(self, pictures: Mapping[str, bytes], _lines: Sequence[str] = ()) -> None:
        """Lay a document on the glass, and press the button."""
        self._picture = pictures.get("white", b"")
        self._write()
        (self._state / "pressed").touch()

    def remove(self) -> None:
        """Take the document away: nobody notices."""
        self._picture = b""
        self._write()

    def mute(self, *, on: bool = True) -> None:
        """Hang for ever, whatever is asked."""
        super().mute(on=on)
        self._switch("muted", b"" if on else None)

    def delay(self, seconds: float) -> None:
        """Answer so much later."""
        super().delay(seconds)
        self._switch("delay", f"{seconds}".encode() if seconds else None)

    def corrupt(self, *, on: bool = True) -> None:
        """Flip one bit in everything that is printed."""
        super().corrupt(on=on)
        self._write()

    def fail(self, words: str = "") -> None:
        """Fail each scan with these words; none: no more."""
        self._switch("words", words.encode() if words else None)

    def started(self) -> list[int]:
        """Return the numbers of the processes that were started."""
        path = self._state / "started"
        return [int(line) for line in path.read_text(encoding="ascii").split()] if path.exists() else []

    def destroy(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.path, ignore_errors=True)

    def _switch(self, name: str, content: bytes | None) -> None:
        path = self._state / name
        if content is None:
            path.unlink(missing_ok=True)
        else:
            path.write_bytes(content)

    def _write(self) -> None:
        """Put what is printed next into place, whole."""
        contents = {
            "options": _OPTIONS.format(button="no").encode(),
            "options-pressed": _OPTIONS.format(button="yes").encode(),
            "picture": self._picture,
        }
        for name, content in contents.items():
            part = self._state / f"{name}.part"
            part.write_bytes(self.altered(content))
            part.rename(self._state / name)
