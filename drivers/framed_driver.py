"""A supervised driver whose bytes are frames of one codec: fed as they come, ended or torn when the line falls silent."""

from __future__ import annotations

from abc import abstractmethod
from typing import Generic, Protocol, TypeVar

from drivers.codec import BadFrame
from drivers.supervisor import SupervisedDriver

Received = TypeVar("Received")


class FrameCodec(Protocol[Received]):
    """The receiving half of a codec that knows silence."""

    def reset(self) -> None:
        """Forget what is unfinished."""
        ...

    def feed(self, received: bytes) -> list[Received | BadFrame]:
        """Return what is complete after these bytes."""
        ...

    def silence(self) -> list[Received | BadFrame]:
        """Return what a silent line ends."""
        ...


class FramedDriver(SupervisedDriver, Generic[Received]):
    """Base of such drivers; derived classes set `codec` and `gap_s`, and say what a message means."""

    codec: FrameCodec[Received]

    @abstractmethod
    def take(self, message: Received | BadFrame, t_mono_s: float) -> bool:
        """Report what a message means; return whether it made sense."""

    def opened(self) -> None:
        """Forget a frame that the last connection left unfinished."""
        self.codec.reset()

    def received(self, chunk: bytes, t_mono_s: float) -> bool:
        """Take the messages that are complete after these bytes."""
        has_sense = [self.take(message, t_mono_s) for message in self.codec.feed(chunk)]
        return any(has_sense)

    def gap(self, t_mono_s: float) -> None:
        """Take what was unfinished when the line fell silent."""
        for message in self.codec.silence():
            self.take(message, t_mono_s)
