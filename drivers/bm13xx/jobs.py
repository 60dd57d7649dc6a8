"""How work travels to BM13xx chips: whole headers, or midstates. Sans-IO.

The BM1384's job is in `bm1384`.

Source: ESP-Miner components/asic/common.h and bm13*.c, mujina asic/bm13xx/protocol.rs, kanoi
cgminer driver-gekko.c; layouts checked by hashing captured jobs with captured nonces.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from drivers.api import Work
from drivers.bm13xx.crc import crc16
from drivers.header import MIDSTATE_SIZE, midstate, pack_header

MidstateOf = Callable[[bytes], bytes]
"""From 64 header bytes to the SHA-256 state after them, 32 bytes, words big-endian."""

_JOB = 0x21
_FULL_LENGTH = 0x56
_FULL_HEADER = struct.Struct("<BBBBIII32s32sI")
_MIDSTATES = struct.Struct("<BBBBIII4s")
_WORDS = struct.Struct("<8I")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """All that any job format may want to know; ``versions`` are those to search, base first."""

    work: Work
    slot: int
    versions: tuple[int, ...]
    ticket_difficulty: int = 1
    chips: int = 1
    midstate_of: MidstateOf = midstate

    def midstates(self) -> tuple[bytes, ...]:
        """Return one SHA-256 state for each version, 32 bytes, words big-endian."""
        work = self.work
        rest = work.header()[4:64]
        return tuple(self.midstate_of(v.to_bytes(4, "little") + rest) for v in self.versions)


class JobFormat(Protocol):
    """How one generation of chips takes work."""

    def versions(self, work: Work) -> tuple[int, ...]:
        """Return the header versions one job of ``work`` searches, leaving out what a chip rolls.

        A response's midstate number is an index into them.
        """
        ...

    def encode(self, request: JobRequest) -> bytes:
        """Return the frame."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FullHeader:
    """What a full-header job says; the hashes are 32 bytes in header order."""

    slot: int
    version: int
    prev_hash: bytes
    merkle_root: bytes
    ntime: int
    nbits: int
    start_nonce: int = 0

    def header(self, nonce: int, version_bits: int = 0) -> bytes:
        """Return the 80 header bytes."""
        version = self.version | version_bits
        return pack_header(version, self.prev_hash, self.merkle_root, self.ntime, self.nbits, nonce)


@dataclass(frozen=True, slots=True, kw_only=True)
class FullHeaderJob:
    """88-byte jobs of chips that make midstates and roll versions by themselves.

    The length byte is 56 in ESP-Miner and 36 in factory firmware; no chip is known to mind.
    The two hashes travel as eight 4-byte words, last word first.
    """

    length: int = _FULL_LENGTH

    def versions(self, work: Work) -> tuple[int, ...]:
        """Return the base version: the chip sets the bits of the mask."""
        return (work.version,)

    def encode(self, request: JobRequest) -> bytes:
        """Return the frame of one header."""
        work = request.work
        return self.encode_header(
            FullHeader(
                slot=request.slot,
                version=work.version,
                prev_hash=work.prev_hash,
                merkle_root=work.merkle_root,
                ntime=work.ntime,
                nbits=work.nbits,
            )
        )

    def encode_header(self, job: FullHeader) -> bytes:
        """Return the frame of ``job``."""
        body = _FULL_HEADER.pack(
            *(_JOB, self.length, job.slot, 1, job.start_nonce, job.nbits, job.ntime),
            *(words_reversed(job.merkle_root), words_reversed(job.prev_hash), job.version),
        )
        return b"\x55\xaa" + body + crc16(body).to_bytes(2, "big")

    def decode(self, frame: bytes) -> FullHeader:
        """Return what the frame says, whatever its length byte; raise ValueError if broken."""
        body = _body(frame, b"\x55\xaa")
        if len(body) != _FULL_HEADER.size:
            raise ValueError(f"a full-header job has 88 bytes, not {len(frame)}")
        fields = _FULL_HEADER.unpack(body)
        _, _, slot, _, start_nonce, nbits, ntime, merkle_root, prev_hash, version = fields
        return FullHeader(
            slot=slot,
            version=version,
            prev_hash=words_reversed(prev_hash),
            merkle_root=words_reversed(merkle_root),
            ntime=ntime,
            nbits=nbits,
            start_nonce=start_nonce,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Midstates:
    """What a midstate job says: SHA-256 states, words big-endian, and the rest of the header."""

    slot: int
    midstates: tuple[bytes, ...]
    merkle_tail: bytes
    ntime: int
    nbits: int
    start_nonce: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MidstateJob:
    """Jobs of 1 or ``most`` midstates: 22 + 32n bytes, the preamble and a CRC left out.

    A midstate travels last word first, as bytes of big-endian words. ``merkle_tail`` is the last
    four bytes of the merkle root.
    """

    preamble: bytes
    most: int = 4

    def versions(self, work: Work) -> tuple[int, ...]:
        """Return ``most`` versions counted up inside the mask, or the base alone without room."""
        return rolled_versions(work, self.most)

    def encode(self, request: JobRequest) -> bytes:
        """Return the frame with a midstate for each of the request's versions."""
        work = request.work
        return self.encode_midstates(
            Midstates(
                slot=request.slot,
                midstates=request.midstates(),
                merkle_tail=work.merkle_root[-4:],
                ntime=work.ntime,
                nbits=work.nbits,
            )
        )

    def encode_midstates(self, job: Midstates) -> bytes:
        """Return the frame of ``job``."""
        count = len(job.midstates)
        length = _MIDSTATES.size + MIDSTATE_SIZE * count + 2
        head = _MIDSTATES.pack(
            *(_JOB, length, job.slot, count, job.start_nonce, job.nbits, job.ntime),
            job.merkle_tail,
        )
        body = head + b"".join(words_reversed(state) for state in job.midstates)
        return self.preamble + body + crc16(body).to_bytes(2, "big")

    def decode(self, frame: bytes) -> Midstates:
        """Return what the frame says; raise ValueError if it is broken."""
        body = _body(frame, self.preamble)
        states = body[_MIDSTATES.size :]
        if len(body) < _MIDSTATES.size or len(states) != MIDSTATE_SIZE * body[3]:
            raise ValueError(f"{len(frame)} bytes cannot hold that many midstates")
        _, _, slot, _, start_nonce, nbits, ntime, tail = _MIDSTATES.unpack_from(body)
        return Midstates(
            slot=slot,
            midstates=tuple(
                words_reversed(states[at : at + MIDSTATE_SIZE])
                for at in range(0, len(states), MIDSTATE_SIZE)
            ),
            merkle_tail=tail,
            ntime=ntime,
            nbits=nbits,
            start_nonce=start_nonce,
        )


def bare_open_core_job(slot: int) -> bytes:
    """Return the job that wakes a core of each BM1387: midstate 0, the rest of the header FF.

    A healthy core answers it with nonce bytes 7203EA83 or E16BF809.
    """
    fields = Midstates(
        slot=slot,
        midstates=(bytes(MIDSTATE_SIZE),),
        merkle_tail=b"\xff" * 4,
        ntime=0xFFFFFFFF,
        nbits=0xFFFFFFFF,
    )
    return MidstateJob(preamble=b"").encode_midstates(fields)


def words_reversed(data: bytes) -> bytes:
    """Return 32 bytes with the order of their eight 4-byte words reversed; its own inverse."""
    return _WORDS.pack(*_WORDS.unpack(data)[::-1])


def rolled_versions(work: Work, count: int) -> tuple[int, ...]:
    """Return ``count`` versions, a power of two: the base, then counted up in the mask's bits.

    Only the base if the mask has too few bits.
    """
    bits = [bit for bit in range(32) if work.version_mask >> bit & 1][: count.bit_length() - 1]
    if 1 << len(bits) < count:
        return (work.version,)
    return tuple(
        work.version | sum(1 << bit for place, bit in enumerate(bits) if number >> place & 1)
        for number in range(count)
    )


def _body(frame: bytes, preamble: bytes) -> bytes:
    """Return the frame without preamble and CRC, both checked."""
    body, crc = frame[len(preamble) : -2], frame[-2:]
    if not frame.startswith(preamble) or len(body) < 4 or body[0] != _JOB:
        raise ValueError(f"not a job: {frame[:8].hex()}...")
    if crc16(body) != int.from_bytes(crc, "big"):
        raise ValueError(f"wrong CRC: {frame[:8].hex()}...")
    return body
