"""Hash rates of the kernels on one thread and on all cores, in one interleaved run.

As in mining, a thread is a process of its own: the hashlib kernel holds Python's lock. Windows of
all kernels take turns, so that what slows the machine slows them all, and each one's best window
counts. Rates are per second of CPU time: other programs disturb little.
"""

import multiprocessing
import signal
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType

from drivers.hashing import kernels, timing

ROUNDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelRate:
    """One kernel on ``threads`` cores, searching ``midstates`` heads at a time, in H/s.

    ``ratio`` compares it with hashlib on as many threads.
    """

    kernel: str
    midstates: int
    threads: int
    hashrate: float
    ratio: float


def measure(seconds: float, threads: Sequence[int]) -> list[KernelRate]:
    """Return the rates of all kernels that work here, each measured for ``seconds``.

    For every number in ``threads``, with one midstate and with as many as the kernel likes.
    """
    contenders = [
        (kernel.name, midstates, count)
        for kernel in kernels.available()
        for midstates in sorted({1, kernel.heads})
        for count in threads
    ]
    best = dict.fromkeys(contenders, 0.0)
    with ExitStack() as stack:
        hashers = [stack.enter_context(_Hasher()) for _ in range(max(threads))]
        for _ in range(ROUNDS):
            for name, midstates, count in contenders:
                rate = _together(hashers[:count], (name, midstates, seconds / ROUNDS))
                best[name, midstates, count] = max(best[name, midstates, count], rate)
    return [
        KernelRate(
            kernel=name,
            midstates=midstates,
            threads=count,
            hashrate=rate,
            ratio=rate / best["hashlib", 1, count],
        )
        for (name, midstates, count), rate in best.items()
    ]


_Order = tuple[str, int, float]
"""Kernel, midstates, seconds."""


class _Hasher:
    """A process that hashes when it is told to; gone at the end of the ``with`` block.

    Forked, for that brings the verified kernels along and asks nothing of the main module.
    """

    def __init__(self) -> None:
        context = multiprocessing.get_context("fork")
        self._orders, theirs = context.Pipe()
        ends = self._orders, theirs
        self._process = context.Process(target=_hash_on_orders, args=ends, daemon=True)
        self._process.start()
        theirs.close()

    def __enter__(self) -> "_Hasher":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._orders.close()
        self._process.terminate()  # it may be in the middle of a window
        self._process.join()
        self._process.close()

    def begin(self, order: _Order) -> None:
        """Let it hash."""
        self._orders.send(order)

    def rate(self) -> float:
        """Wait for the end and return H/s."""
        rate: float = self._orders.recv()
        return rate


def _together(hashers: Sequence[_Hasher], order: _Order) -> float:
    """Return the sum of the rates of all ``hashers``, working at the same time."""
    for hasher in hashers:
        hasher.begin(order)
    return sum(hasher.rate() for hasher in hashers)


def _hash_on_orders(
    far_end: "Connection[_Order, float]", orders: "Connection[float, _Order]"
) -> None:
    """Hash until told to end; an interrupt from the keyboard is the other side's business."""
    far_end.close()  # our copy of it, so that we hear if the other side dies
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(EOFError, BrokenPipeError):
        while True:
            name, midstates, seconds = orders.recv()
            orders.send(timing.rate(kernels.named(name), midstates, seconds))
