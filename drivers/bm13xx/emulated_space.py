"""Which nonces the chips of a chain look at, and in what order the emulator looks for them.

A chip's core walks part of the 32-bit nonce, read big-endian; all cores of all chips walk at the
same time. A kernel counts in the header's first nonce byte, which is the top of that number and
holds the core. So 256 nonces in a row are one step of every core: a column. A column is named by
the nonce's second byte; the last two bytes are its ``low`` half.

Real chips try a billion times more than an emulated one, so the order is mixed: what a short run
sees is a fair sample of chips, cores, version bits and nonces, and yet every header is tried
exactly once before the first repeats.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from drivers.bm13xx.emulated_models import NonceFields

if TYPE_CHECKING:
    from random import Random

_COLUMN = 1 << 16
"""How many walked nonces one value of the second byte stands for."""

_ALL_COLUMNS = 256
_LOWS = 1 << 16
_LOW_STRIDE = 40503  # odd, so every low half comes up once; near 65536 / golden ratio
_BATCH_STRIDE = 2531  # odd: batches are a power of two


@dataclass(frozen=True, slots=True)
class Walk:
    """The nonces that the cores of one chip walk: from ``first`` on, ``count`` of them.

    ``share`` is the chip's speed over that of the fastest.
    """

    chip: int
    first: int
    count: int
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Strip:
    """Neighbouring columns; ``worth`` is how many hashes per version they stand for."""

    column: int
    columns: int
    worth: float


class NonceSpace:
    """The walks of all chips that hash, laid out over the nonce."""

    def __init__(self, fields: NonceFields, cores: int, walks: Sequence[Walk]) -> None:
        self._fields = fields
        self._cores = cores if fields.core_bits else 1
        self._walks = walks
        self._size = 1 << fields.walk_bits
        self._lane_size = self._size // fields.lanes

    def owners(self, nonce: int) -> list[Walk]:
        """Return the walks that meet ``nonce`` (read big-endian); several if they overlap."""
        core = nonce >> self._fields.walk_bits
        if self._fields.core_bits and core >= self._cores:
            return []
        place = nonce % self._lane_size
        return [w for w in self._walks if (place - w.first) % self._lane_size < w.count]

    def strips(self, widest: int) -> tuple[Strip, ...]:
        """Return all columns with work for anybody, at most ``widest`` in a strip."""
        return _strips(self._fields, self._cores, tuple(self._walks), widest)


@lru_cache(maxsize=256)
def _strips(
    fields: NonceFields, cores: int, walks: tuple[Walk, ...], widest: int
) -> tuple[Strip, ...]:
    """Return the strips, which are the same for job after job: hence the cache."""
    worth = _column_worth(fields, cores, walks)
    strips: list[Strip] = []
    column = 0
    while column < _ALL_COLUMNS:
        end = column
        while end < min(column + widest, _ALL_COLUMNS) and worth[end]:
            end += 1
        if end > column:
            strips.append(Strip(column, end - column, sum(worth[column:end])))
        column = max(end, column + 1)
    return tuple(strips)


def _column_worth(fields: NonceFields, cores: int, walks: tuple[Walk, ...]) -> list[float]:
    worth = [0.0] * _ALL_COLUMNS
    lane_size = (1 << fields.walk_bits) // fields.lanes
    around = lane_size // _COLUMN
    for walk in walks:
        each = walk.share * cores
        left, at = min(walk.count, lane_size), walk.first
        if left >= _ALL_COLUMNS * _COLUMN:
            rounds, left = divmod(left, _ALL_COLUMNS * _COLUMN)
            worth = [value + rounds * each for value in worth]
        while left > 0:
            step = min(left, _COLUMN - at % _COLUMN)
            for lane in range(fields.lanes):
                column = (at // _COLUMN % around + lane * around) % _ALL_COLUMNS
                worth[column] += step / _COLUMN * each
            left -= step
            at += step
    return worth


@dataclass(slots=True)
class Progress:
    """How far one job has been searched; the start is random, so that no chip is favoured.

    When the numbers of strips or batches change, with a register for example, it goes on from
    there with another order, and may now and then meet what it has tried before.
    """

    random: "Random"
    _step: int = 0
    _low_start: int = 0
    _offset: int = 0
    _shape: tuple[int, int] = field(default=(0, 0))

    def next(self, strips: int, batches: int) -> tuple[int, int, int]:
        """Return the low half, the batch of versions and the strip to try now."""
        pairs = strips * batches
        if self._shape != (strips, batches):
            self._shape, self._step = (strips, batches), 0
            self._low_start = self.random.randrange(_LOWS)
            self._offset = self.random.randrange(pairs)
        turn, place = divmod(self._step, pairs)
        self._step = (self._step + 1) % (pairs * _LOWS)
        strip, batch = _pair((place + self._offset) % pairs, strips, batches)
        low = self._low_start + (turn + place) * _LOW_STRIDE
        return low % _LOWS, batch * _BATCH_STRIDE % batches, strip


def _pair(number: int, first: int, second: int) -> tuple[int, int]:
    """Return one of all pairs below ``first`` and ``second``; both change from number to number."""
    turn = number // math.lcm(first, second)
    return number % first, (number + turn) % second
