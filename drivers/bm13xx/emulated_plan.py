"""How a chain goes about one job, as long as neither job nor registers change.

Source: how chips share the nonces out, from hardware captures and 256foundation/mujina (hash
counting number, offsets of the BM1370), GPTechinno/bm13xx-rs and kanoi/cgminer (driver-gekko.c).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from drivers.bm13xx.emulated_chip import VERSION_ROLLING, EmulatedChip
from drivers.bm13xx.emulated_jobs import EmulatedJob
from drivers.bm13xx.emulated_models import ChipModel
from drivers.bm13xx.emulated_search import Piece, Search, starts_of, ticket_of
from drivers.bm13xx.emulated_space import NonceSpace, Progress, Strip, Walk

if TYPE_CHECKING:
    from random import Random

_STRIP_TIME = 0.01  # s; a strip is as wide as its chains hash in that time, if it can
_ROUND_TIME = 0.2  # s; in that time every strip gets its turn, if versions can be tried in parts
_WIDEST = 64
_MOST_HASHES = 1 << 18  # of the kernels in one search: some milliseconds
_MOST_PIECES = 64
_NONCES_PER_COLUMN = 256
_GOLDEN = 0.618


class Assignment:
    """One job as the chips got it: its number, and how far it has been searched."""

    def __init__(self, job: EmulatedJob, number: int, random: "Random") -> None:
        self.job = job
        self.number = number
        self.progress = Progress(random)
        self.begins_at: int | None = job.first_nonce or None


class Plan:
    """What is tried for an assignment by ``chips``, those that hash; at least one.

    ``rate`` is in hashes per second, scale applied. ``dearest`` is the most that one piece costs,
    and ``ticket_bits`` the lowest ticket among the chips.
    """

    def __init__(
        self,
        model: ChipModel,
        chips: Sequence[EmulatedChip],
        assignment: Assignment,
        scale: float,
    ) -> None:
        job = assignment.job
        self.speeds = [(chip, chip.nominal) for chip in chips]
        self.rate = scale * sum(speed for _, speed in self.speeds)
        self.ticket_bits = _ticket_bits(job, chips)
        self._assignment = assignment
        self._ticket = ticket_of(self.ticket_bits, scale)
        self._space = NonceSpace(model.nonce, model.cores, _walks(model, chips, job))
        single = [strip.worth for strip in self._space.strips(1)]
        affordable = self.rate * _ROUND_TIME / max(sum(single), 1.0)
        self._batches = _batches(model, chips[0], job, int(affordable))
        self._together = len(self._batches[0])
        column = sum(single) / max(len(single), 1) * self._together
        width = int(self.rate * _STRIP_TIME / column) if column else 1
        self._strips = _scattered(self._space.strips(max(1, min(width, _WIDEST))))
        self.dearest = max((self._cost(strip) for strip in self._strips), default=0.0)

    def sub_core(self, label: int) -> int | None:
        """Return which sub-core tries the version counter ``label``; None if any may."""
        batches = self._batches
        return batches.sub_core(label) if isinstance(batches, VersionBatches) else None

    def owners(self, nonce: int) -> list[Walk]:
        """Return whose nonce it is."""
        return self._space.owners(nonce)

    def search(self, owed: float) -> tuple[Search | None, float]:
        """Return what to search for ``owed`` hashes, and for how many of them that will do."""
        pieces: list[Piece] = []
        done, hashes = 0.0, 0
        while self._strips and owed - done >= self.dearest:
            piece, cost = self._next_piece()
            pieces.append(piece)
            done += cost
            hashes += piece.count * len(piece.starts)
            if hashes >= _MOST_HASHES or len(pieces) == _MOST_PIECES:
                break
        if not pieces:
            return None, 0.0
        assignment = self._assignment
        search = Search(
            job_number=assignment.number,
            tail=assignment.job.tail,
            ticket=self._ticket,
            pieces=tuple(pieces),
        )
        return search, done

    def _next_piece(self) -> tuple[Piece, float]:
        assignment = self._assignment
        if assignment.begins_at is not None:
            nonce, assignment.begins_at = assignment.begins_at, None
            opening = Strip(nonce >> 16 & 0xFF, 1, 0.0)
            return self._piece(opening, nonce & 0xFFFF, self._batches[0]), 0.0
        low, batch, strip = assignment.progress.next(len(self._strips), len(self._batches))
        versions = self._batches[batch]
        return self._piece(self._strips[strip], low, versions), self._cost(self._strips[strip])

    def _piece(self, strip: Strip, low: int, labels: Sequence[int]) -> Piece:
        return Piece(
            starts=starts_of(self._assignment.job, labels),
            labels=tuple(labels),
            first=strip.column << 8 | (low >> 8) << 16 | (low & 0xFF) << 24,
            count=strip.columns * _NONCES_PER_COLUMN,
        )

    def _cost(self, strip: Strip) -> float:
        return strip.worth * self._together


def _ticket_bits(job: EmulatedJob, chips: Sequence[EmulatedChip]) -> int:
    if job.ticket_mask is not None:
        return job.ticket_mask.bit_count()
    return min(chip.ticket_bits for chip in chips)


def _batches(
    model: ChipModel, chip: EmulatedChip, job: EmulatedJob, affordable: int
) -> "Sequence[Sequence[int]]":
    """Return the counters of versions that are tried together: as many as are ``affordable``."""
    if not job.head:
        return [range(len(job.midstates))]
    if not chip.rolls_versions:
        return [(0,)]
    mask = chip.registers[VERSION_ROLLING] & 0xFFFF
    together = max(1, min(affordable, model.sub_cores))
    return VersionBatches(mask, model.sub_cores, 1 << together.bit_length() - 1)


def _scattered(strips: Sequence[Strip]) -> list[Strip]:
    """Return the strips in an order in which neighbours come at different times."""
    places = sorted(range(len(strips)), key=lambda place: place * _GOLDEN % 1.0)
    return [strips[place] for place in places]


class VersionBatches(Sequence[Sequence[int]]):
    """All 16-bit counters with bits of ``mask`` only, in groups of up to ``together``.

    In the order of the counters a chip's ``sub_cores`` take turns.
    """

    def __init__(self, mask: int, sub_cores: int, together: int) -> None:
        bits = [1 << bit for bit in range(16) if mask >> bit & 1]
        low = min(len(bits), together.bit_length() - 1)
        self._low = [_spread(number, bits[:low]) for number in range(1 << low)]
        self._high_bits = bits[low:]
        self._sub_core_bits = bits[: sub_cores.bit_length() - 1]
        self._all_known = 1 << len(self._sub_core_bits) == sub_cores

    def __len__(self) -> int:
        return 1 << len(self._high_bits)

    def __getitem__(self, batch: int) -> Sequence[int]:  # type: ignore[override]  # never sliced
        high = _spread(batch, self._high_bits)
        return [high | low for low in self._low]

    def sub_core(self, counter: int) -> int | None:
        """Return which sub-core tries ``counter``; None where there are fewer versions."""
        if not self._all_known:
            return None
        return sum(1 << i for i, bit in enumerate(self._sub_core_bits) if counter & bit)


def _spread(number: int, bits: Sequence[int]) -> int:
    return sum(bit for place, bit in enumerate(bits) if number >> place & 1)


def _walks(model: ChipModel, chips: Sequence[EmulatedChip], job: EmulatedJob) -> list[Walk]:
    fastest = max(chip.nominal for chip in chips)
    whole = (1 << model.nonce.walk_bits) // model.nonce.lanes
    firsts = sorted({chip.first_nonce for chip in chips})
    following = dict(zip(firsts, [*firsts[1:], firsts[0] + whole], strict=True))
    return [
        Walk(
            chip=chip.index,
            first=chip.first_nonce,
            count=min(
                whole,
                job.hash_count or chip.sweep or following[chip.first_nonce] - chip.first_nonce,
            ),
            share=chip.nominal / fastest,
        )
        for chip in chips
    ]
