"""A worker process as its device sees it: what it was given, and what it says. Sans-IO."""

from collections.abc import Iterator

from drivers.api import Solution, Work
from drivers.cpu.frames import (
    Assignment,
    Exhausted,
    Found,
    FrameError,
    FrameReader,
    Limits,
    Progress,
    Ready,
    Stop,
    encode,
)
from drivers.cpu.settings import CpuSettings
from drivers.cpu.space import version_index

SOLUTIONS_PER_SECOND = 200
"""Limit for the whole device: what a pool and our event loop take without notice."""

MIN_SOLUTIONS_PER_SECOND = 20
"""Limit of one worker, however many there are."""

Event = Ready | Solution | Progress | Exhausted


class WorkerLink:
    """One worker: turns work into frames for it, and its frames into solutions."""

    def __init__(self, settings: CpuSettings) -> None:
        self.kernel = ""
        """The kernel that the worker uses; "" until it is ready."""
        self.busy = False
        """Whether the worker has something to search."""
        self.held_back = False
        """Whether the worker waits because it finds more than it may report."""
        self._settings = settings
        self._reader = FrameReader()
        self._sequence = 0
        self._given: dict[int, Work] = {}  # oldest first; pruned as the worker moves on

    def limits(self) -> bytes:
        """Return the frame to send first."""
        share = SOLUTIONS_PER_SECOND // self._settings.threads
        solutions = max(MIN_SOLUTIONS_PER_SECOND, share)
        return encode(Limits(duty=self._settings.duty, solutions=solutions))

    def assign(self, work: Work) -> bytes:
        """Return the frame that makes the worker search ``work`` and nothing else from now on."""
        self._sequence += 1
        self._given[self._sequence] = work
        self.busy = True
        return encode(
            Assignment(
                sequence=self._sequence,
                prefix=work.header()[:76],
                version_mask=work.version_mask,
                target=work.target,
                first_version=version_index(self._settings.first_version_bits, work.version_mask),
                first_nonce=self._settings.first_nonce,
                nonces=self._settings.nonces,
            )
        )

    def stop(self) -> bytes:
        """Return the frame that makes the worker rest; what it found before still counts."""
        self.busy = False
        self.held_back = False
        return encode(Stop())

    def receive_data(self, data: bytes) -> Iterator[Event]:
        """Yield what the worker says, `Ready` once; FrameError when that makes no sense.

        `Exhausted` comes only for the newest work, and wants an answer: `assign` or `stop`.
        """
        for frame in self._reader.receive_data(data):
            match frame:
                case Ready():
                    first, self.kernel = not self.kernel, frame.kernel
                    if first:
                        yield frame
                case Found():
                    work = self._work(frame.sequence)
                    yield Solution(
                        work=work, nonce=frame.nonce, version=frame.version, ntime=work.ntime
                    )
                case Progress():
                    self._work(frame.sequence)
                    self.held_back = frame.held_back and self.busy
                    yield frame
                case Exhausted():
                    self._work(frame.sequence)
                    if frame.sequence == self._sequence and self.busy:
                        yield frame
                case _:
                    raise FrameError(f"a worker does not say {frame}")

    def _work(self, sequence: int) -> Work:
        """Return the work with this number, and forget older ones: frames come in order."""
        if sequence not in self._given:
            raise FrameError(f"the worker names work {sequence}, which it does not have")
        while (oldest := next(iter(self._given))) < sequence:
            del self._given[oldest]
        return self._given[sequence]
