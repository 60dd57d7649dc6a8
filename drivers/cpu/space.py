"""What one assignment holds to search: versions times nonces, each pair once. Pure."""

from dataclasses import dataclass

from drivers.cpu.frames import MAX_NONCES, Assignment


def rolled_bits(index: int, mask: int) -> int:
    """Return the version bits of the version with this index: its bits put into those of ``mask``.

    The lowest bit of ``index`` goes to the lowest bit of ``mask``, and so on.
    """
    bits = 0
    while index:
        lowest = mask & -mask
        bits |= lowest * (index & 1)
        mask ^= lowest
        index >>= 1
    return bits


def version_index(bits: int, mask: int) -> int:
    """Return the index whose `rolled_bits` are ``bits``; those outside ``mask`` do not count."""
    index = position = 0
    while mask:
        lowest = mask & -mask
        index |= bool(bits & lowest) << position
        mask ^= lowest
        position += 1
    return index


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """``count`` nonces from ``start`` on, to be tried with each of ``versions``.

    ``heads`` are the 64 first header bytes with each version, ``tail`` the 12 that follow.
    """

    versions: tuple[int, ...]
    heads: tuple[bytes, ...]
    tail: bytes
    start: int
    count: int


class SearchSpace:
    """The part of one assignment that is not searched yet.

    ``heads`` versions at a time are tried with all their nonces, before the next ones begin.
    """

    def __init__(self, assignment: Assignment, heads: int) -> None:
        self.assignment = assignment
        self._versions = 1 << assignment.version_mask.bit_count()
        self._group = heads
        self._versions_done = 0
        self._nonces_done = 0
        self._enter_group()

    @property
    def exhausted(self) -> bool:
        """Return whether nothing is left."""
        return self._versions_done == self._versions

    def batch(self, hashes: int) -> Batch:
        """Return what to search next: about ``hashes`` hashes, at least one nonce of each head."""
        work = self.assignment
        nonces = max(1, hashes // len(self._heads))
        start = (work.first_nonce + self._nonces_done) % MAX_NONCES
        count = min(nonces, work.nonces - self._nonces_done, MAX_NONCES - start)
        return Batch(
            versions=self._group_versions,
            heads=self._heads,
            tail=work.prefix[64:],
            start=start,
            count=count,
        )

    def advance(self, tried: int) -> None:
        """Strike off the first ``tried`` nonces of the last batch."""
        self._nonces_done += tried
        if self._nonces_done == self.assignment.nonces:
            self._nonces_done = 0
            self._versions_done += len(self._group_versions)
            self._enter_group()

    def _enter_group(self) -> None:
        work = self.assignment
        base = int.from_bytes(work.prefix[:4], "little")
        first = work.first_version + self._versions_done
        size = min(self._group, self._versions - self._versions_done)
        self._group_versions = tuple(
            base | rolled_bits((first + i) % self._versions, work.version_mask) for i in range(size)
        )
        self._heads = tuple(
            version.to_bytes(4, "little") + work.prefix[4:64] for version in self._group_versions
        )
