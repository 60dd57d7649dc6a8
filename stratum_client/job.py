"""Jobs, the work made of them, and the shares that come back.

A `Job` is self-contained: what was in force when it arrived (extranonce1, version mask,
difficulty) is copied in, so nothing downstream asks a session what was true. The return address
travels with the work: `PoolWork` names its job and its extranonce2.

Source: the Stratum v1 documentation; BIP 310 and BIP 320 for version rolling.
"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from drivers.api import Work
from drivers.hashing.merkle import merkle_root
from drivers.header import difficulty_of

ROLLED_SIZE = 8
"""Bytes of extranonce2 that count; a longer one is filled up with zeros."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionId:
    """One connection to one pool; ``number`` counts the connections of the process."""

    pool: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Job:
    """One `mining.notify`, with all that is needed to mine and submit on it.

    Byte strings are in header order, ``coinbase1`` and ``coinbase2`` as sent; ``job_id`` keeps the
    JSON type it came in. ``serial`` counts jobs of the process: pools reuse ids, we do not.
    ``arrived`` is a monotonic time.
    """

    session: SessionId
    serial: int
    job_id: str | int
    prev_hash: bytes
    coinbase1: bytes
    coinbase2: bytes
    merkle_branch: tuple[bytes, ...]
    version: int
    nbits: int
    ntime: int
    clean: bool
    extranonce1: bytes
    extranonce2_size: int
    version_mask: int
    difficulty: float
    target: int
    network_target: int
    height: int | None
    arrived: float

    @property
    def free_version_bits(self) -> int:
        """Return the bits that may be rolled: a bit that the pool has set is never cleared.

        So the forms in which pools read the sixth submit parameter stay reconcilable.
        """
        return self.version_mask & ~self.version

    @property
    def extranonce2_count(self) -> int:
        """Return how many different extranonce2 values there are."""
        return int(1 << 8 * min(self.extranonce2_size, ROLLED_SIZE))

    def is_same_task(self, other: "Job") -> bool:
        """Return whether both jobs give the same headers: what solves one solves the other."""
        return _task(self) == _task(other)

    @property
    def terms(self) -> tuple[int, int]:
        """Return what may change while the task stays the same: version mask and target."""
        return self.version_mask, self.target

    def coinbase(self, extranonce2: bytes) -> bytes:
        """Return the coinbase transaction with this extranonce2, serialised without witness."""
        return self.coinbase1 + self.extranonce1 + extranonce2 + self.coinbase2

    def extranonce2(self, counter: int) -> bytes:
        """Return the counter as extranonce2: little-endian, zero-padded to its size."""
        rolled = min(self.extranonce2_size, ROLLED_SIZE)
        return counter.to_bytes(rolled, "little").ljust(self.extranonce2_size, b"\0")


def _task(job: Job) -> tuple[object, ...]:
    return (
        *(job.job_id, job.prev_hash, job.coinbase1, job.coinbase2, job.merkle_branch),
        *(job.version, job.nbits, job.ntime, job.extranonce1, job.extranonce2_size),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolWork(Work):
    """Work that knows where it came from."""

    job: Job
    extranonce2: bytes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Share:
    """A checked solution on its way to the pool; ``value`` is its hash as an integer."""

    job: Job
    extranonce2: bytes
    ntime: int
    nonce: int
    version: int
    value: int
    device: str
    found_at: float

    @property
    def is_block(self) -> bool:
        """Return whether the hash solves a block of the network."""
        return self.value <= self.job.network_target

    @property
    def difficulty(self) -> float:
        """Return the difficulty that the hash really has."""
        return difficulty_of(self.value)


class Fate(StrEnum):
    """What became of a share."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"  # refused by the pool, for another reason than stale
    STALE = "stale"  # refused by the pool as stale
    DISCARDED = "discarded"  # dropped here: stale, duplicate, its session is gone
    UNANSWERED = "unanswered"  # sent, but the connection ended before the reply


class CoinbasePrefix:
    """The part of a job's coinbase that stays the same, hashed once."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._hash = hashlib.sha256(job.coinbase1 + job.extranonce1)
        self._branch = b"".join(job.merkle_branch)

    def merkle_root(self, extranonce2: bytes) -> bytes:
        """Return the 32-byte merkle root of the job with this extranonce2, in header order."""
        coinbase = self._hash.copy()
        coinbase.update(extranonce2 + self._job.coinbase2)
        return merkle_root(hashlib.sha256(coinbase.digest()).digest(), self._branch)

    def work(self, extranonce2: bytes, ntime: int) -> PoolWork:
        """Return one header template of the job."""
        job = self._job
        return PoolWork(
            version=job.version,
            version_mask=job.free_version_bits,
            prev_hash=job.prev_hash,
            merkle_root=self.merkle_root(extranonce2),
            ntime=ntime,
            nbits=job.nbits,
            target=job.target,
            job=job,
            extranonce2=extranonce2,
        )


class VersionBits(StrEnum):
    """How the sixth submit parameter is written; the two differ only where bits clash."""

    MASK = "mask"  # right where a pool replaces or ors: BIP 310, Braiins, ckpool, OCEAN
    XOR = "xor"  # right where a pool xors or ors: public-pool, BTC.com family


def version_bits(share: Share, mask: int, form: VersionBits) -> int:
    """Return what the sixth parameter of `mining.submit` says of the share's version."""
    if form is VersionBits.XOR:
        return share.version & ~share.job.version & mask
    return share.version & mask
