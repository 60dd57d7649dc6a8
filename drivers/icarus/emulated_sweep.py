"""How an emulated device goes through the nonces of one work, and the hashing, for real. Sans-IO.

A device tries all nonces in order, in a known time. This one takes the same time, but tries only
a share of them, its scale, spread evenly. They are hashed ahead of that time, for kernels count
nonces the other way round, and what is found is told when a real device would have come to it.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from drivers.hashing import kernels

_NONCES = 1 << 32
_CHUNK = 1 << 15  # nonces in one search: some milliseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Nonces to try of one work; ``first`` as kernels count, ``target`` the highest hash told."""

    number: int
    midstate: bytes
    tail: bytes
    target: int
    first: int
    count: int


def run(search: Search, stop: bytearray) -> list[int]:
    """Return what is found, the four bytes read big-endian; less if ``stop`` becomes non-zero."""
    found: list[int] = []
    first, left = search.first, search.count
    while left and not stop[0]:
        result = kernels.search_midstates(
            [search.midstate], search.tail, search.target, first, left, stop
        )
        found += [_mirrored(hit.nonce) for hit in result.hits]
        first, left = first + result.tried, left - result.tried
    return found


def told_target(ticket: float) -> int:
    """Return the highest hash that is told: just below 2^224, divided by ``ticket``."""
    limit = Fraction(_NONCES**7) / Fraction(ticket)
    whole = limit.numerator // limit.denominator
    return min(whole - (whole == limit), _NONCES**8 - 1)


class Sweep:
    """One work on its way through ``tries`` nonces in ``seconds``, from ``started`` on.

    ``parts`` equal ranges are gone through side by side. ``known`` are the nonces of a probe:
    then nothing is hashed.
    """

    def __init__(
        self,
        *,
        number: int,
        midstate: bytes,
        tail: bytes,
        target: int,
        started: float,
        seconds: float,
        parts: int,
        first: int,
        tries: int,
        known: Sequence[int] = (),
    ) -> None:
        self.number = number
        self.started = started
        self._midstate = midstate
        self._tail = tail
        self._target = target
        self._seconds = seconds
        self._part = _NONCES // parts
        self._first = first
        self._left = 0 if known else tries
        self._found: list[tuple[float, int]] = []
        self.is_over = False
        self.add(known)

    @property
    def ends(self) -> float:
        """Return when all nonces have been tried."""
        return self.started + self._seconds

    @property
    def next_due(self) -> float:
        """Return when there is something to tell, at the latest when it ends."""
        return min(self._found[0][0], self.ends) if self._found else self.ends

    def change_speed(self, now: float, seconds: float) -> None:
        """Take ``seconds`` for all nonces from now on."""
        done = (now - self.started) / self._seconds
        self.started, self._seconds = now - done * seconds, seconds
        found = [counter for _, counter in self._found]
        self._found.clear()
        self.add(found)

    def search(self) -> Search | None:
        """Return what to hash next, None when all is hashed."""
        if self.is_over or not self._left:
            return None
        count = min(_CHUNK, self._left)
        search = Search(
            number=self.number,
            midstate=self._midstate,
            tail=self._tail,
            target=self._target,
            first=self._first,
            count=count,
        )
        self._first += count
        self._left -= count
        return search

    def add(self, found: Sequence[int]) -> None:
        """Take what was found."""
        for counter in found:
            share = counter % self._part / self._part
            heapq.heappush(self._found, (self.started + share * self._seconds, counter))

    def tell(self, now: float, *, only_one: bool) -> list[int]:
        """Return what a device would have found by ``now``; with ``only_one`` it is over then."""
        told: list[int] = []
        while self._found and self._found[0][0] <= now and not self.is_over:
            told.append(heapq.heappop(self._found)[1])
            self.is_over = only_one
        self.is_over = self.is_over or now >= self.ends
        return told

    def abandon(self) -> int:
        """End it; return how many nonces were never hashed."""
        missed, self._left = self._left, 0
        self.is_over = True
        return missed


def _mirrored(nonce: int) -> int:
    return int.from_bytes(nonce.to_bytes(4, "little"), "big")
