"""What an emulated chain wants hashed next, and the hashing, for real, by `drivers.hashing`.

`EmulatedChain` makes a `Search`, `run` does it (on a thread or in a process: it needs nothing
else), and the chain turns the hits into responses.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from drivers.bm13xx.emulated_jobs import EmulatedJob
from drivers.hashing import kernels

_ZERO_BITS = 32
"""Leading zero bits that every reported hash has at least, at scale 1."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One call of a kernel: ``starts`` are heads or midstates, numbered by ``labels``.

    A label is the counter of rolled versions, or the number of a midstate. ``first`` and
    ``count`` are nonces as the kernels take them: little-endian.
    """

    starts: tuple[bytes, ...]
    labels: tuple[int, ...]
    first: int
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Pieces of one job. ``ticket`` is the highest hash value that is reported."""

    job_number: int
    tail: bytes
    ticket: int
    pieces: tuple[Piece, ...]

    @property
    def hashes(self) -> int:
        """Return how many hashes the kernels have to do."""
        return sum(piece.count * len(piece.starts) for piece in self.pieces)


@dataclass(frozen=True, slots=True)
class Hit:
    """A hash that meets the ticket: ``nonce`` is the 4 header bytes read big-endian.

    ``excess`` counts whole zero bits beyond the ticket.
    """

    label: int
    nonce: int
    excess: int


def run(search: Search, stop: bytearray) -> list[Hit]:
    """Return all hits of ``search``; fewer if ``stop`` becomes non-zero meanwhile."""
    return [hit for piece in search.pieces for hit in _run_piece(piece, search, stop)]


def ticket_of(bits: int, scale: float) -> int:
    """Return the highest hash value that a ticket of ``bits`` bits beyond 32 lets pass.

    A chip tests for leading zero bits, so this is just below 2^(224 - bits) divided by ``scale``.
    """
    limit = Fraction(1 << 256 - _ZERO_BITS, 1 << bits) / Fraction(scale)
    return min(-(-limit.numerator // limit.denominator), 1 << 256) - 1


def starts_of(job: EmulatedJob, versions: Sequence[int]) -> tuple[bytes, ...]:
    """Return the heads of ``job`` with each of ``versions`` (16-bit counters) rolled in."""
    if not job.head:
        return job.midstates
    rest = job.head[4:]
    return tuple((job.version | version << 13).to_bytes(4, "little") + rest for version in versions)


def _run_piece(piece: Piece, search: Search, stop: bytearray) -> list[Hit]:
    scan = _scan(piece)
    hits: list[Hit] = []
    first, left = piece.first, piece.count
    while left and not stop[0]:
        result = scan(piece.starts, search.tail, search.ticket, first, left, stop)
        for hit in result.hits:
            start, nonce = piece.starts[hit.head], hit.nonce
            excess = _excess(scan, start, search, nonce)
            in_order = int.from_bytes(nonce.to_bytes(4, "little"), "big")
            hits.append(Hit(piece.labels[hit.head], in_order, excess))
        first, left = first + result.tried, left - result.tried
    return hits


_Scan = Callable[[Sequence[bytes], bytes, int, int, int, bytearray], kernels.SearchResult]


def _scan(piece: Piece) -> _Scan:
    kernel = kernels.best(len(piece.starts))
    return kernel.search if len(piece.starts[0]) == 64 else kernel.search_midstates


def _excess(scan: _Scan, start: bytes, search: Search, nonce: int) -> int:
    """Return by how many bits a hit is better than the ticket, found by asking again, harder."""
    bits = 0
    while scan([start], search.tail, search.ticket >> bits + 1, nonce, 1, bytearray(1)).hits:
        bits += 1
    return bits
