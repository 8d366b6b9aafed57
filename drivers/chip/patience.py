"""A limit on calls that may block for ever: PC/SC has none of its own (a hung chip holds its caller)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, Queue
from typing import TypeVar

from drivers.chip.errors import ChipSilent

Answer = TypeVar("Answer")


class Patience:
    """Makes calls in a thread of its own. After a call that did not come back the thread is left behind and nothing more is taken."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._calls: Queue[Callable[[], None] | None] = Queue()
        self._is_lost = False
        threading.Thread(target=self._work, name="chip reader", daemon=True).start()

    def call(self, blocking: Callable[[], Answer]) -> Answer:
        """Return what the call returns, or raise what it raises. Raises `ChipSilent` when it takes longer than the limit."""
        if self._is_lost:
            raise ChipSilent("the reader is still held by a call that did not come back")
        answers: Queue[tuple[Answer | None, Exception | None]] = Queue()

        def work() -> None:
            try:
                answers.put((blocking(), None))
            except Exception as error:  # noqa: BLE001 - carried to the caller, which raises it
                answers.put((None, error))

        self._calls.put(work)
        try:
            answer, error = answers.get(timeout=self._limit_s)
        except Empty:
            self._is_lost = True
            raise ChipSilent(f"no answer within {self._limit_s:g} s") from None
        if error is not None:
            raise error
        return answer  # type: ignore[return-value] # there is an answer where there is no error

    def end(self) -> None:
        """Let the thread end after the calls that it has."""
        self._calls.put(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call()
