"""Jobs as the emulated chips read them off the wire: every form, decoded on its own.

Source: captured jobs of BM1362, BM1366, BM1368, BM1370 and BM1397 (256foundation/mujina,
bitaxeorg/ESP-Miner, GPTechinno/bm13xx-rs) and kanoi/cgminer (driver-gekko.c) for BM1387, BM1384.
"""

from dataclasses import dataclass

FULL_HEADER_SIZE = 88
"""Bytes of a full-header job, preamble and checksum included, whatever its length byte says."""

BM1384_SIZE = 64

_MIDSTATE = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatedJob:
    """What the chips are to search: a whole header start, or its midstates.

    ``head`` is version, previous hash and merkle root less its last 4 bytes: header bytes 0-63,
    or empty where only ``midstates`` (32 bytes each, words big-endian) are known. ``tail`` is
    header bytes 64-75. ``first_nonce`` is read as the nonces are: big-endian in header order. A
    BM1384 is told ticket and nonces to try with each job: ``ticket_mask``, ``hash_count``.
    """

    job_byte: int
    tail: bytes
    head: bytes = b""
    midstates: tuple[bytes, ...] = ()
    first_nonce: int = 0
    ticket_mask: int | None = None
    hash_count: int | None = None

    @property
    def version(self) -> int:
        """Return the header version of a full-header job."""
        return int.from_bytes(self.head[:4], "little")

    @property
    def opens_cores(self) -> bool:
        """Return whether this is the work that opens the cores of a BM1387 or BM1384."""
        return self.tail == b"\xff" * 12 and self.midstates[:1] == (bytes(_MIDSTATE),)


def full_header_job(frame: bytes) -> EmulatedJob:
    """Return the job of an 88-byte frame whose checksum was right."""
    nbits, ntime = frame[10:14], frame[14:18]
    merkle_root, prev_hash = _words_reversed(frame[18:50]), _words_reversed(frame[50:82])
    return EmulatedJob(
        job_byte=frame[4],
        head=frame[82:86] + prev_hash + merkle_root[:28],
        tail=merkle_root[28:] + ntime + nbits,
    )


def midstate_job(body: bytes) -> EmulatedJob:
    """Return the job of a frame without its preamble; the count in it may be below its room."""
    room = midstates_of_length(body[1])
    count = min(max(body[3], 1), room)
    first = 20
    return EmulatedJob(
        job_byte=body[2],
        first_nonce=int.from_bytes(body[4:8], "big"),
        tail=body[16:20] + body[12:16] + body[8:12],
        midstates=tuple(
            _words_reversed(body[at : at + _MIDSTATE])
            for at in range(first, first + count * _MIDSTATE, _MIDSTATE)
        ),
    )


def midstates_of_length(length: int) -> int:
    """Return how many midstates a job of this length byte holds; 0 where it cannot be right."""
    count, rest = divmod(length - 22, _MIDSTATE)
    return count if rest == 0 and 1 <= count <= 4 else 0


def bm1384_job(packet: bytes) -> EmulatedJob:
    """Return the job of a 64-byte packet."""
    return EmulatedJob(
        job_byte=packet[51] & 0x1F,
        midstates=(_words_reversed(packet[:_MIDSTATE]),),
        tail=packet[60:64] + packet[56:60] + packet[52:56],
        ticket_mask=packet[39],
        hash_count=int.from_bytes(packet[40:44], "big"),
    )


def looks_like_bm1384_job(packet: bytes) -> bool:
    """Return whether the two gaps of a 64-byte packet are empty, its only mark."""
    return not any(packet[32:39]) and not any(packet[44:51])


def _words_reversed(data: bytes) -> bytes:
    return b"".join(data[at : at + 4] for at in range(len(data) - 4, -4, -4))
