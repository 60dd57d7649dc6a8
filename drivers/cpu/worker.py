"""The process that searches for the software hasher: ``python -m drivers.cpu.worker [KERNEL]``.

The main thread runs the kernel, batch after batch. A second thread reads commands and sets the
kernel's stop flag at once, so new work never waits for the end of a batch; with a kernel that
holds the GIL it waits for that, half a millisecond.

The worker ends at the end of its input, which comes with the death of its parent, however that
died. Started in a session of its own, it does not hear the terminal's Ctrl-C.
"""

import os
import sys
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue

from drivers.cpu.frames import (
    Assignment,
    Exhausted,
    Found,
    Frame,
    FrameError,
    FrameReader,
    Limits,
    Progress,
    Ready,
    Stop,
    encode,
)
from drivers.cpu.pace import Pace
from drivers.cpu.space import SearchSpace
from drivers.hashing.kernels import (
    MAX_HEADS,
    Kernel,
    KernelUnavailableError,
    StopFlag,
    best,
    named,
)

REPORT_SECONDS = 0.5
"""Time from one progress frame to the next."""

_LAST_WORDS = 1.0  # s
_SWITCH_SECONDS = 0.0005  # what the reading thread waits for a kernel that holds the GIL
_INPUT, _OUTPUT = 0, 1

Choose = Callable[[int], Kernel]
"""Gives the kernel to use for a number of versions."""


class Inbox:
    """Commands on their way from the reading thread to the searching one.

    A queue, because the reader must never wait for the search; it sets ``stop`` after each put.
    """

    def __init__(self) -> None:
        self.stop: StopFlag = bytearray(1)
        self._commands: SimpleQueue[Frame | None] = SimpleQueue()

    def put(self, command: Frame | None) -> None:
        """Add a command, None for the end, and stop the search for it."""
        self._commands.put(command)
        self.stop[0] = 1

    def wait(self, seconds: float | None) -> list[Frame | None]:
        """Return the commands at hand; wait up to ``seconds`` for the first, None: for good."""
        self.stop[0] = 0  # before the look: a command put after it sets the flag again
        commands = []
        try:
            commands.append(self._commands.get(timeout=seconds))
            while True:
                commands.append(self._commands.get_nowait())
        except Empty:
            return commands


class Searcher:
    """The searching thread: obeys the inbox, reports through ``send``."""

    def __init__(self, inbox: Inbox, send: Callable[[bytes], None], choose: Choose) -> None:
        self._inbox = inbox
        self._send = send
        self._choose = choose
        self._kernel: Kernel | None = None
        self._pace = Pace()
        self._space: SearchSpace | None = None
        self._sequence = 0
        self._hashes = 0
        self._reported = 0.0

    def announce(self) -> None:
        """Choose a kernel, likely the one that will be used, and tell the parent."""
        self._use(self._choose(MAX_HEADS))

    def serve(self) -> None:
        """Search what the commands say, until their end."""
        pause: float | None = None
        while self._obey(self._inbox.wait(pause)):
            pause = self._step()

    def _obey(self, commands: list[Frame | None]) -> bool:
        for command in commands:
            match command:
                case Assignment():
                    self._begin(command)
                case Stop():
                    self._space = None
                    self._report()
                case Limits(duty=duty, solutions=solutions):
                    self._pace.limit(duty=duty, solutions=solutions)
                case None:
                    return False
                case _:
                    raise FrameError(f"no command: {command}")
        return True

    def _begin(self, assignment: Assignment) -> None:
        if self._space is None:
            self._reported = time.monotonic()
        kernel = self._choose(min(1 << assignment.version_mask.bit_count(), MAX_HEADS))
        self._use(kernel)
        self._space = SearchSpace(assignment, kernel.heads)
        self._sequence = assignment.sequence

    def _use(self, kernel: Kernel) -> None:
        if kernel is not self._kernel:
            self._kernel = kernel
            self._send(encode(Ready(kernel=kernel.name)))

    def _step(self) -> float | None:
        """Search a batch unless it is time to rest; return how long to wait for commands now."""
        if self._space is None:
            return None
        if (rest := self._pace.rest(time.monotonic())) > 0:
            return rest
        self._search(self._space)
        return 0.0

    def _search(self, space: SearchSpace) -> None:
        assert self._kernel
        target = space.assignment.target
        batch = space.batch(self._pace.hashes(target))
        began, cpu_began = time.monotonic(), time.thread_time()
        result = self._kernel.search(
            batch.heads, batch.tail, target, batch.start, batch.count, self._inbox.stop
        )
        hashes = result.tried * len(batch.heads)
        self._pace.searched(
            hashes=hashes,
            solutions=len(result.hits),
            began=began,
            ended=time.monotonic(),
            cpu_seconds=time.thread_time() - cpu_began,
        )
        space.advance(result.tried)
        self._account(space, hashes, [(batch.versions[hit.head], hit.nonce) for hit in result.hits])

    def _account(self, space: SearchSpace, hashes: int, found: list[tuple[int, int]]) -> None:
        self._hashes += hashes
        if found:
            frames = (Found(sequence=self._sequence, nonce=n, version=v) for v, n in found)
            self._send(b"".join(map(encode, frames)))
        if space.exhausted:
            self._space = None
            self._report()
            self._send(encode(Exhausted(sequence=self._sequence)))
        elif time.monotonic() - self._reported >= REPORT_SECONDS:
            self._report()

    def _report(self) -> None:
        self._reported = time.monotonic()
        if self._hashes:
            held_back, self._pace.held_back = self._pace.held_back, False
            hashes, self._hashes = self._hashes, 0
            self._send(
                encode(Progress(sequence=self._sequence, hashes=hashes, held_back=held_back))
            )


def main() -> None:
    """Serve the parent; the exit code is not 0 when the kernel asked for cannot be used."""
    sys.setswitchinterval(_SWITCH_SECONDS)
    inbox = Inbox()
    reader = threading.Thread(target=_read_commands, args=(inbox,), name="commands", daemon=True)
    reader.start()
    searcher = Searcher(inbox, _send, _choice(sys.argv[1:]))
    try:
        searcher.announce()
        _lower_priority()
        searcher.serve()
        reader.join(_LAST_WORDS)  # it ended the search; what it has to complain of must get out
    except KernelUnavailableError as error:
        sys.exit(str(error))
    except BrokenPipeError:
        pass  # the parent is gone, and so are we


def _choice(arguments: list[str]) -> Choose:
    if arguments:
        return lambda _: named(arguments[0])
    return best


def _read_commands(inbox: Inbox) -> None:
    reader = FrameReader()
    try:
        while data := os.read(_INPUT, 4096):
            for frame in reader.receive_data(data):
                inbox.put(frame)
    finally:
        inbox.put(None)


def _send(data: bytes) -> None:
    while data:
        data = data[os.write(_OUTPUT, data) :]


def _lower_priority() -> None:
    """Run this thread only when the machine has nothing else to do; the reader stays quick."""
    try:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    except (AttributeError, OSError):  # another system, or forbidden
        os.nice(19)


if __name__ == "__main__":
    main()
