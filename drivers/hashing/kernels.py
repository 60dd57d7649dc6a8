"""SHA256d search: the one face of the software hasher's kernels.

A kernel tries a range of nonces on up to 16 header starts ("heads", which differ for example in
rolled version bits) and returns exactly the hashes at or below a target. Every kernel passes a
self-test on this machine before it is handed out; `best` times them. For the software hasher and
for emulators alike: a search by a kernel of the C extension releases the GIL.

Not here: the hashing itself, which is in `interpreted` and, if there was a compiler at the
install, in the C extension behind `native`.

Source: Bitcoin protocol for the header; FIPS 180-4 for SHA-256.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

from drivers.hashing import interpreted, native, selftest, timing
from drivers.hashing.scan import Scan

MAX_HEADS = 16
MAX_NONCES = 1 << 32

StopFlag = bytearray
"""One byte, shared with whoever may stop the search from another thread: non-zero means stop."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A hash at or below the target: ``head`` is the index into the heads that were searched."""

    head: int
    nonce: int


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search did: ``tried`` nonces from the start on, each with every head.

    ``hits`` holds all hits among those and no others, by nonce, then by head.
    """

    hits: tuple[Hit, ...]
    tried: int


@dataclass(frozen=True, slots=True)
class Kernel:
    """One way to search, verified on this machine; searches best with ``heads`` heads at a time."""

    name: str
    heads: int
    scan_heads: Scan = field(repr=False)
    scan_midstates: Scan = field(repr=False)

    def search(
        self,
        heads: Sequence[bytes],
        tail: bytes,
        target: int,
        start: int,
        count: int,
        stop: StopFlag,
    ) -> SearchResult:
        """Try the nonces ``start`` to ``start + count - 1``, which lie in 0 to 2^32 - 1.

        ``heads`` are 1 to 16 times the first 64 header bytes, ``tail`` the next 12. Returns
        early, with fewer than ``count`` tried, when ``stop`` is set or many hits were found:
        call again from ``start + tried`` to go on. ValueError or TypeError for wrong arguments.
        """
        _check(heads, 64, tail, target, start, count, stop)
        return _result(self.scan_heads(heads, tail, target, start, count, stop))

    def search_midstates(
        self,
        midstates: Sequence[bytes],
        tail: bytes,
        target: int,
        start: int,
        count: int,
        stop: StopFlag,
    ) -> SearchResult:
        """Do as `search` for heads known only by their midstates: 32 bytes, words big-endian.

        Very slow without the C extension: hashlib cannot start from a midstate.
        """
        _check(midstates, 32, tail, target, start, count, stop)
        return _result(self.scan_midstates(midstates, tail, target, start, count, stop))


class KernelUnavailableError(LookupError):
    """The kernel asked for by name does not exist or does not work on this machine."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"kernel {name!r}: {reason}")
        self.name = name
        self.reason = reason


def available() -> list[Kernel]:
    """Return the kernels that passed their self-test on this machine; the last is hashlib's."""
    return list(_verified()[0])


def unavailable() -> dict[str, str]:
    """Return the other kernels' names, each with the reason and, if there is one, the remedy."""
    return dict(_verified()[1])


def named(name: str) -> Kernel:
    """Return the kernel called ``name``; KernelUnavailableError says why there is none."""
    kernels, reasons = _verified()
    for kernel in kernels:
        if kernel.name == name:
            return kernel
    known = ", ".join(kernel.name for kernel in kernels)
    raise KernelUnavailableError(name, reasons.get(name, f"unknown; this machine has: {known}"))


def best(heads: int) -> Kernel:
    """Return the kernel that is quickest here for a caller with up to ``heads`` heads.

    The first call for a number of heads times the kernels, in well under 0.3 s.
    """
    if not 1 <= heads <= MAX_HEADS:
        raise ValueError(f"heads must be 1 to {MAX_HEADS}, not {heads}")
    return _quickest(heads)


def search_midstates(
    midstates: Sequence[bytes], tail: bytes, target: int, start: int, count: int, stop: StopFlag
) -> SearchResult:
    """Search with the best kernel for that many midstates; see `Kernel.search_midstates`."""
    kernel = best(min(max(len(midstates), 1), MAX_HEADS))
    return kernel.search_midstates(midstates, tail, target, start, count, stop)


def midstate(first_64: bytes) -> bytes:
    """Return the SHA-256 state after the header's first 64 bytes: 32 bytes, words big-endian."""
    return native.midstate(first_64)


@cache
def _quickest(heads: int) -> Kernel:
    return timing.quickest(available(), heads)


@cache
def _verified() -> tuple[tuple[Kernel, ...], dict[str, str]]:
    candidates, reasons = native.kernels()
    kernels = []
    for name, heads, scan_midstates in candidates:
        kernel = Kernel(name, heads, native.scan_heads(scan_midstates), scan_midstates)
        if problem := selftest.problem_of(kernel):
            reasons[name] = problem
        else:
            kernels.append(kernel)
    plain = Kernel("hashlib", 1, interpreted.scan_heads, interpreted.scan_midstates)
    return (*kernels, plain), reasons


def _check(
    starts: Sequence[bytes],
    size: int,
    tail: bytes,
    target: int,
    start: int,
    count: int,
    stop: StopFlag,
) -> None:
    for name, value in (("tail", tail), *((f"start of {size} bytes", item) for item in starts)):
        if not isinstance(value, bytes):
            raise TypeError(f"a {name} must be bytes, not {type(value).__name__}")
    if not isinstance(stop, bytearray):
        raise TypeError(f"stop must be a bytearray, not {type(stop).__name__}")
    if not 1 <= len(starts) <= MAX_HEADS or any(len(item) != size for item in starts):
        raise ValueError(f"1 to {MAX_HEADS} times {size} bytes are needed")
    if len(tail) != 12 or len(stop) != 1:
        raise ValueError("the tail has 12 bytes, the stop flag one")
    if not 0 <= target < 1 << 256:
        raise ValueError("the target must be an unsigned 256-bit number")
    if not 0 <= start <= start + count <= MAX_NONCES or count < 0:
        raise ValueError(f"nonces {start} to {start + count - 1} are not within 32 bits")


def _result(raw: tuple[list[tuple[int, int]], int]) -> SearchResult:
    hits, tried = raw
    return SearchResult(tuple(Hit(head, nonce) for nonce, head in sorted(hits)), tried)
