"""Options of a driver: frozen, unknown ones refused, every complaint names the option."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from drivers.errors import OptionsRefused
from drivers.link import SerialPort
from drivers.supervisor import Timing


def _from_hex(value: Any) -> Any:
    """Site files are text: bytes on the wire stand there in hex, such as `"160d"`."""
    if isinstance(value, str):
        try:
            return bytes.fromhex(value)
        except ValueError as error:
            raise ValueError("bytes are written in hex, such as '02' or '0d 0a'") from error
    return value


HexBytes = Annotated[bytes, BeforeValidator(_from_hex)]


def complaints(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """Return what is wrong, each complaint after the name of its option."""
    lines = []
    for item in error.errors():
        place = ".".join(str(part) for part in item["loc"]) or "options"
        is_unknown = item["type"] == "extra_forbidden" and len(item["loc"]) == 1
        known = f" (known: {', '.join(model.model_fields)})" if is_unknown else ""
        lines.append(f"{place}: {item['msg']}{known}")
    return lines


class Options(BaseModel):
    """Base of a driver's options."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def read(cls, name: str, options: Mapping[str, object]) -> Self:
        """Validate the options of the device `name`. Raises `OptionsRefused` naming each option and what is wrong with it."""
        try:
            return cls.model_validate(dict(options))
        except ValidationError as error:
            raise OptionsRefused(f"device {name}: " + "; ".join(complaints(error, cls))) from error


class ReconnectOptions(Options):
    """A device that is opened again when it was lost."""

    reconnect_limit_s: float = Field(5.0, gt=0, le=60, description="Longest pause between two attempts to open it.")


class TimingOptions(ReconnectOptions):
    """How long the device may be silent. 0 switches a limit off."""

    quiet_s: float = Field(
        5.0, ge=0, le=3600, description="Silence after which the device is asked for a sign of life."
    )
    dead_s: float = Field(15.0, ge=0, le=3600, description="Silence after which it counts as dead and is opened again.")

    def timing(self) -> Timing:
        """Return the supervisor's timing."""
        return Timing(self.quiet_s or None, self.dead_s or None, backoff_cap_s=self.reconnect_limit_s)


class SerialOptions(TimingOptions):
    """A device on a serial port."""

    path: str = Field(min_length=1, description="Stable path, such as /dev/serial/by-id/….")
    baud: int = Field(115_200, ge=300, le=4_000_000, description="Bits per second.")
    data_bits: int = Field(8, ge=5, le=8, description="Data bits.")
    parity: str = Field("N", pattern="^[NEOMS]$", description="Parity: N, E, O, M or S.")
    stop_bits: float = Field(1, ge=1, le=2, description="Stop bits.")
    rts_cts: bool = Field(default=False, description="Hardware flow control.")
    xon_xoff: bool = Field(default=False, description="Software flow control.")

    def port(self) -> SerialPort:
        """Return the port to open."""
        return SerialPort(
            self.path, self.baud, self.data_bits, self.parity, self.stop_bits, self.rts_cts, self.xon_xoff
        )
