"""Driver `opencv_camera`: V4L2 device, RTSP, MJPEG over HTTP, a file or a folder, read in a child process and watched here.

Faults stand in `drivers.camera.errors`; they are raised and cleared. Stale, frozen, resized, set-back and ended sources are reopened with
growing pauses; black, white and slow ones stay open until they recover. A picture equal to the one before is never reported as a new frame.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import structlog
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError, model_validator

from drivers.camera.capture_process import CaptureProcess
from drivers.camera.errors import (
    CameraAbsent,
    CameraFault,
    CaptureChildEnded,
    ControlNotSet,
    ControlRefused,
    CredentialsRefused,
    FramesTooFew,
    PictureBlack,
    PictureFrozen,
    PictureSizeWrong,
    PictureWhite,
    SourceRefused,
    StreamEnded,
    StreamStale,
    StreamTimeBackwards,
)
from drivers.camera.frame_watch import FrameWatch, Seen, Verdict, WatchLimits
from drivers.channels import Channel, PixelFormat
from drivers.child_process import set_within
from drivers.contracts import BarcodeRead, Clock, DeviceClass, DeviceState, EventSink, FrameCaptured
from drivers.errors import DriverFault, OptionsRefused, UnexpectedFailure
from drivers.reach import REACH
from drivers.reporter import Reporter
from drivers.supervisor import Backoff

TICK_S = 0.1
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0
START_ALLOWANCE_S = 6.0
REPEAT_SYMBOL_S = 1.0

_log = structlog.get_logger("drivers.camera")

_VERDICT_FAULTS: dict[Verdict, type[CameraFault]] = {
    Verdict.STALE: StreamStale,
    Verdict.FROZEN: PictureFrozen,
    Verdict.BLACK: PictureBlack,
    Verdict.WHITE: PictureWhite,
    Verdict.SLOW: FramesTooFew,
    Verdict.RESIZED: PictureSizeWrong,
    Verdict.BACKWARDS: StreamTimeBackwards,
}
_REASON_FAULTS: dict[str, type[CameraFault]] = {
    "absent": CameraAbsent,
    "refused": SourceRefused,
    "credentials": CredentialsRefused,
    "control": ControlRefused,
    "memory": CaptureChildEnded,
    "ended": StreamEnded,
}
_PIXELS = {
    Channel.VISIBLE: PixelFormat.BGR8,
    Channel.NEAR_INFRARED: PixelFormat.GRAY8,
    Channel.DEPTH: PixelFormat.DEPTH16,
}
_CONTROLS = ("exposure_us", "gain", "focus", "white_balance_k", "power_line_hz")
_REOPENING = frozenset({Verdict.STALE, Verdict.FROZEN, Verdict.RESIZED, Verdict.BACKWARDS})


class CameraOptions(BaseModel):
    """Options of an `opencv_camera` device; unknown ones are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str = Field(
        min_length=1, description="`/dev/v4l/by-id/…`, `rtsp://…`, `http://…` (MJPEG), a file, or a folder of pictures."
    )
    channel: Channel = Field(
        Channel.VISIBLE, description="What the frames show: `visible`, `near_infrared` (grey) or `depth` (16 bits, mm)."
    )
    fps: float = Field(10.0, gt=0, le=60, description="Most frames decoded per second while active.")
    idle_fps: float = Field(2.0, ge=1, le=60, description="Frames decoded per second for the watch while idle.")
    width_limit_px: int = Field(1920, ge=160, le=3840, description="Wider frames are scaled down.")
    height_limit_px: int = Field(1080, ge=120, le=2160, description="Higher frames are scaled down.")
    slots: int = Field(4, ge=2, le=16, description="Frames in shared memory; a borrowed one is never overwritten.")
    stale_s: float = Field(1.8, gt=0, le=60, description="No frame for so long is a fault.")
    frozen_s: float = Field(
        1.4,
        ge=0,
        le=60,
        description="A picture of which no pixel changes for so long is a fault; 0: not watched. Give a camera that sends H.264"
        " of an empty lane more than its key frame interval.",
    )
    black_s: float = Field(
        1.4,
        ge=0,
        le=60,
        description="A picture all black, dark and flat, or white for so long is a fault; 0: not watched.",
    )
    minimum_fps: float = Field(2.5, ge=0, le=60, description="Fewer arriving frames per second are a fault.")
    declared_fps: float = Field(
        0.0,
        ge=0,
        le=240,
        description="Frames per second that the camera is set to: less than half is a fault; 0: unknown.",
    )
    picture_size_px: tuple[PositiveInt, PositiveInt] | None = Field(
        None,
        description="Width and height that the camera must send; without it a change between openings is no fault.",
    )
    open_timeout_s: float = Field(2.0, gt=0, le=30, description="Longest wait for the source to answer.")
    read_barcodes: bool = Field(default=False, description="Offer bar code reading (`set_reading`).")
    reading_fps: float = Field(4.0, gt=0, le=30, description="Frames searched for bar codes per second while reading.")
    memory_limit_bytes: int = Field(1_073_741_824, ge=536_870_912, description="Address space of the capture child.")

    exposure_us: Annotated[int, Field(ge=1, le=1_000_000)] | Literal["auto"] | None = Field(
        None, description="V4L2: exposure time in microseconds, or `auto`; untouched without it. So are the next four."
    )
    gain: int | Literal["auto"] | None = Field(None, description="V4L2: gain in the camera's own steps, or `auto`.")
    focus: int | Literal["auto"] | None = Field(None, description="V4L2: focus in the camera's own steps, or `auto`.")
    white_balance_k: Annotated[int, Field(ge=1000, le=20_000)] | Literal["auto"] | None = Field(
        None, description="V4L2: white balance in kelvin, or `auto`."
    )
    power_line_hz: Literal[0, 50, 60, "auto"] | None = Field(
        None, description="V4L2: frequency of the mains whose lamps flicker, `auto`, or 0 for no lamps."
    )

    def controls(self) -> dict[str, int | str]:
        """Return the V4L2 controls that are to be set."""
        return {name: value for name in _CONTROLS if (value := getattr(self, name)) is not None}

    @model_validator(mode="after")
    def _controls_have_a_device(self) -> CameraOptions:
        if self.controls() and not self.source.startswith("/dev/"):
            raise ValueError(f"{', '.join(self.controls())}: only a V4L2 device under /dev takes them")
        return self

    @model_validator(mode="after")
    def _channel_fits(self) -> CameraOptions:
        if self.channel is Channel.DEPTH and self.source.startswith("rtsp://"):
            raise ValueError("RTSP carries no depth: give a device, a folder of PNG files or an http address")
        if self.channel is not Channel.VISIBLE and self.read_barcodes:
            raise ValueError("bar codes are read in visible light only")
        return self


class OpenCvCamera:
    """One camera with latest-frame hand-over (`CameraDriver`), which can also read bar codes from its frames."""

    device_class = DeviceClass.CAMERA

    def __init__(self, name: str, options: CameraOptions, sink: EventSink, clock: Clock) -> None:
        self.name = name
        self.channel = options.channel
        self.capabilities = frozenset({"frames", "barcodes"} if options.read_barcodes else {"frames"})
        self.events = frozenset({FrameCaptured, BarcodeRead} if options.read_barcodes else {FrameCaptured})
        self._options = options
        self._clock = clock
        self.reporter = Reporter(name, sink, clock)
        self._is_active = False
        self._is_reading = False
        self._frame_number = 0
        self._child: CaptureProcess | None = None
        self._failure: CameraFault | None = None
        self._has_opened = False
        self._notes: list[str] = []
        self._symbols_told: dict[tuple[str, bytes], float] = {}
        self._backoff = Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S, random.Random(name))
        self._watch = FrameWatch(
            WatchLimits(
                stale_s=options.stale_s,
                frozen_s=options.frozen_s,
                black_s=options.black_s,
                minimum_fps=max(options.minimum_fps, options.declared_fps / 2),
                size_px=options.picture_size_px,
            )
        )

    @property
    def state(self) -> DeviceState:
        """The current state."""
        return self.reporter.state

    def set_active(self, *, active: bool) -> None:
        """Report frames only while active; the stream itself stays open and watched. Frames in memory are wiped when it ends."""
        self._is_active = active
        if self._child is not None:
            self._child.order({"do": "active", "on": active})

    def set_reading(self, *, active: bool) -> None:
        """Search frames for bar codes while active. No effect without the option `read_barcodes`."""
        self._is_reading = active and self._options.read_barcodes
        self._symbols_told.clear()
        if self._child is not None:
            self._child.order({"do": "reading", "on": self._is_reading})

    async def run(self) -> None:
        """Own the camera until cancelled: open, watch, report, reopen with growing pauses. Never returns by itself."""
        while True:
            try:
                fault = await self._one_opening()
            except Exception as error:  # noqa: BLE001 - a supervisor turns anything into a recorded fault
                _log.exception("camera_failed_unexpectedly", device=self.name)
                fault = UnexpectedFailure(f"{type(error).__name__} in the camera driver")
            self.reporter.change(fault.state, fault)
            await asyncio.sleep(self._backoff.next_s())

    async def _one_opening(self) -> DriverFault:
        """Run one child to its end; return why it ended."""
        self._failure = None
        self._has_opened = False
        try:
            source = await REACH.get().source_of(self._options.source)
        except DriverFault as fault:
            return fault
        child = self._child = CaptureProcess(self._hear)
        started_s = self._clock.monotonic_s()
        try:
            await child.start(self._orders(source))
            while not child.ended.is_set():
                now_s = self._clock.monotonic_s()
                if self._has_opened:
                    verdict = self._judge(now_s)
                    if verdict in _REOPENING:
                        return _VERDICT_FAULTS[verdict](f"the stream is {verdict.value}")
                elif now_s - started_s > self._options.open_timeout_s + START_ALLOWANCE_S:
                    return CaptureChildEnded("the capture process did not open the source in time")
                await set_within(child.ended, TICK_S)
        except OSError as error:
            return CaptureChildEnded(f"no capture process can be started: {error.strerror or error}")
        finally:
            self._child = None
            await child.stop()
        return self._failure or CaptureChildEnded("the capture process hung up")

    def _orders(self, source: str) -> dict[str, Any]:
        options = self._options
        return {
            "do": "configure",
            "source": source,
            "controls": options.controls(),
            "channel": options.channel.value,
            "fps": options.fps,
            "idle_fps": options.idle_fps,
            "width_limit_px": options.width_limit_px,
            "height_limit_px": options.height_limit_px,
            "slots": options.slots,
            "timeout_s": options.open_timeout_s,
            "reading_fps": options.reading_fps,
            "memory_limit_bytes": options.memory_limit_bytes,
            "active": self._is_active,
            "reading": self._is_reading,
        }

    def _hear(self, message: dict[str, Any]) -> None:
        """Take one message of the child, in the loop's thread."""
        match message["say"]:
            case "frame":
                self._hear_frame(message)
            case "symbols":
                self._hear_symbols(message)
            case "opened":
                self._has_opened = True
                self._notes = [str(note) for note in message["notes"]]
                for note in self._notes:
                    _log.warning("camera_control_not_set", device=self.name, why=note)
                self._watch.reopened(self._clock.monotonic_s())
                if self.state is DeviceState.ABSENT:
                    self.reporter.change(DeviceState.STARTING)
            case "failed":
                text = str(message["text"])
                remedy = _remedy([text]) if message["reason"] == "control" else None
                self._failure = _REASON_FAULTS[str(message["reason"])](text, remedy=remedy)
            case unknown:
                raise ValueError(f"capture child said {str(unknown)[:20]!r}")

    def _hear_frame(self, message: dict[str, Any]) -> None:
        now_s = self._clock.monotonic_s()
        slot, width_px, height_px = int(message["slot"]), int(message["width_px"]), int(message["height_px"])
        is_new = self._watch.saw(now_s, _seen(message))
        self._judge(now_s)
        if slot < 0 or self._child is None:
            return
        pixels = _PIXELS[self.channel]
        memfd, release = self._child.lend(slot, width_px * height_px * pixels.pixel_bytes)
        if not (is_new and self._is_active and self.state is DeviceState.READY):
            release()
            return
        self._frame_number += 1
        frame = FrameCaptured(memfd, width_px, height_px, self._frame_number, release, self.channel, pixels)
        self.reporter.emit(frame, float(message["t_mono_s"]))

    def _hear_symbols(self, message: dict[str, Any]) -> None:
        if not self._is_reading or self.state is not DeviceState.READY:
            return
        now_s = self._clock.monotonic_s()
        for symbology, payload_hex in message["symbols"]:
            symbol = (str(symbology), bytes.fromhex(payload_hex))
            self._symbols_told = {
                told: at_s for told, at_s in self._symbols_told.items() if now_s - at_s < REPEAT_SYMBOL_S
            }
            if symbol not in self._symbols_told:
                self._symbols_told[symbol] = now_s
                self.reporter.emit(BarcodeRead(symbol[1], symbol[0]), float(message["t_mono_s"]))

    def _judge(self, now_s: float) -> Verdict:
        verdict = self._watch.verdict(now_s)
        if verdict is Verdict.GOOD:
            self._backoff.reset()
            if self.state is not DeviceState.READY:
                self.reporter.change(DeviceState.READY)
                if self._notes:
                    self.reporter.record(ControlNotSet("; ".join(self._notes), remedy=_remedy(self._notes)))
        elif verdict is not Verdict.WAITING:
            fault = _VERDICT_FAULTS[verdict](f"the stream is {verdict.value}")
            if fault.code != self.reporter.fault_code:
                self.reporter.change(fault.state, fault)
        return verdict


def _remedy(notes: Sequence[str]) -> str:
    return f"Correct the camera's options: {'; '.join(notes)}."


def _seen(message: Mapping[str, Any]) -> Seen:
    stream_s = message["stream_s"]
    return Seen(
        digest=str(message["digest"]),
        luma=float(message["luma"]),
        spread=float(message["spread"]),
        white_ratio=float(message["white_ratio"]),
        arrived=int(message["arrived"]),
        size_px=(int(message["source_px"][0]), int(message["source_px"][1])),
        stream_s=None if stream_s is None else float(stream_s),
    )


def build(name: str, options: Mapping[str, object], sink: EventSink, clock: Clock) -> OpenCvCamera:
    """Return the driver of one camera. Raises `OptionsRefused` naming the options that are wrong."""
    try:
        accepted = CameraOptions.model_validate(dict(options))
    except ValidationError as error:
        reasons = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise OptionsRefused(f"{name}: {reasons}") from error
    return OpenCvCamera(name, accepted, sink, clock)
