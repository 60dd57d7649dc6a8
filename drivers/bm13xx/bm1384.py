"""The BM1384's own wire: 4-byte commands, a 64-byte job with the ticket in it, its PLL code.

Responses are read by `frames.ResponseReader`. Sans-IO.

Source: kanoi cgminer driver-gekko.c (commands, PLL code) and driver-icarus.c (the work and nonce
that the tests hash).
"""

import struct
from dataclasses import dataclass
from typing import assert_never

from drivers.api import Work
from drivers.bm13xx.crc import crc5
from drivers.bm13xx.frames import (
    ChainInactive,
    Command,
    ReadRegister,
    SetAddress,
    WriteRegister,
)
from drivers.bm13xx.jobs import JobRequest, words_reversed
from drivers.bm13xx.pll import PllSetting

PLL_WRITE = 0x02
"""What stands in for a register when the PLL is written; it is read as register 04."""

JOB_SIZE = 64

_EVERY_CHIP = 0x80
_SET_ADDRESS, _READ, _INACTIVE = 0x01, 0x04, 0x05
_COMMAND_BITS = 27
_JOB = struct.Struct(">32s7xBI7xB4s4s4s")
_NONCES = 0xFFFFFFFF
_FINE_STEP, _COARSE_STEP, _COARSE_FROM = 6.25, 12.5, 400.0


@dataclass(frozen=True, slots=True)
class Bm1384Commands:
    """Commands of 4 bytes: code (80 added for every chip), address, register, CRC-5 of 27 bits.

    A write names no register and always goes to every chip: its code says what is written, and
    a 16-bit value follows.
    """

    def encode(self, command: Command) -> bytes:
        """Return the 4 bytes; raise ValueError for a write that the chip has no code for."""
        match command:
            case ReadRegister(register=register, address=address):
                every = _EVERY_CHIP if address is None else 0
                return _with_crc(bytes((_READ | every, address or 0, register)))
            case WriteRegister(register=code, value=value, address=address):
                if address is not None or value >> 16:
                    raise ValueError("a BM1384 write has 16 bits and goes to every chip")
                return _with_crc(bytes((code | _EVERY_CHIP,)) + value.to_bytes(2, "big"))
            case SetAddress(address=address):
                return _with_crc(bytes((_SET_ADDRESS, address, 0)))
            case ChainInactive():
                return _with_crc(bytes((_INACTIVE | _EVERY_CHIP, 0, 0)))
            case _:
                assert_never(command)

    def decode(self, frame: bytes) -> Command:
        """Return the command; raise ValueError unless it is 4 bytes with the right CRC."""
        if len(frame) != 4 or crc5(frame):
            raise ValueError(f"not a BM1384 command: {frame.hex()}")
        code, every = frame[0] & ~_EVERY_CHIP, frame[0] & _EVERY_CHIP
        if code == _READ:
            return ReadRegister(register=frame[2], address=None if every else frame[1])
        if code == _SET_ADDRESS and not every:
            return SetAddress(address=frame[1])
        if code == _INACTIVE and every:
            return ChainInactive()
        if every:
            return WriteRegister(register=code, value=int.from_bytes(frame[1:3], "big"))
        raise ValueError(f"unknown BM1384 command: {frame.hex()}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bm1384Fields:
    """What a job packet says. ``ticket`` is the ticket difficulty less 1, at most 255.

    ``midstate`` has big-endian words; ``nonces`` is how many nonces each chip may try.
    """

    slot: int
    midstate: bytes
    merkle_tail: bytes
    ntime: int
    nbits: int
    ticket: int = 0
    nonces: int = 0


@dataclass(frozen=True, slots=True)
class Bm1384Job:
    """64 bytes, no CRC: midstate, ticket, count of nonces, slot, then nbits, ntime, merkle tail.

    The last three are the header's bytes 64-75, with the words in reverse.
    """

    def versions(self, work: Work) -> tuple[int, ...]:
        """Return the base version: the chip knows one midstate."""
        return (work.version,)

    def encode(self, request: JobRequest) -> bytes:
        """Return the packet; the chips share the nonces between them."""
        work = request.work
        return self.encode_fields(
            Bm1384Fields(
                slot=request.slot,
                midstate=request.midstates()[0],
                merkle_tail=work.merkle_root[-4:],
                ntime=work.ntime,
                nbits=work.nbits,
                ticket=request.ticket_difficulty - 1,
                nonces=_NONCES // request.chips,
            )
        )

    def encode_fields(self, job: Bm1384Fields) -> bytes:
        """Return the packet of ``job``."""
        return _JOB.pack(
            *(words_reversed(job.midstate), job.ticket, job.nonces, job.slot),
            *(job.nbits.to_bytes(4, "little"), job.ntime.to_bytes(4, "little"), job.merkle_tail),
        )

    def decode(self, packet: bytes) -> Bm1384Fields:
        """Return what the packet says; raise ValueError unless it is 64 bytes."""
        if len(packet) != JOB_SIZE:
            raise ValueError(f"a BM1384 job has 64 bytes, not {len(packet)}")
        midstate, ticket, nonces, slot, nbits, ntime, tail = _JOB.unpack(packet)
        return Bm1384Fields(
            slot=slot,
            midstate=words_reversed(midstate),
            merkle_tail=tail,
            ntime=int.from_bytes(ntime, "little"),
            nbits=int.from_bytes(nbits, "little"),
            ticket=ticket,
            nonces=nonces,
        )


@dataclass(frozen=True, slots=True)
class Bm1384Pll:
    """25 MHz * (n + 1) / (post * ref): n above bit 6, ref 2 if bit 2, post 1, 2 or 4 in bits 1-0.

    Reaches the multiples of 6.25 MHz up to 400 and of 12.5 MHz up to 500.
    """

    def nearest(self, mhz: float) -> PllSetting:
        """Return the setting closest to ``mhz``."""
        step = _COARSE_STEP if mhz >= _COARSE_FROM else _FINE_STEP
        reached = min(max(round(mhz / step) * step, _FINE_STEP), 500.0)
        halvings = 2 if reached < 200 else 1 if reached < _COARSE_FROM else 0
        reference = 2 if reached >= 100 and reached % 25 else 1
        times = round(reached * reference * (1 << halvings) / 25)
        code = times - 1 << 7 | (4 if reference == 2 else 0) | halvings + 1
        return PllSetting(mhz=reached, writes=((PLL_WRITE, code),))

    def mhz_of(self, code: int) -> float:
        """Return the frequency that ``code`` stands for."""
        halvings, reference = max((code & 3) - 1, 0), 2 if code & 4 else 1
        return 25.0 * ((code >> 7) + 1) / (reference << halvings)


def bm1384_open_core_job(slot: int) -> bytes:
    """Return the job that wakes a core of each chip: nothing but a slot."""
    nothing = Bm1384Fields(slot=slot, midstate=bytes(32), merkle_tail=bytes(4), ntime=0, nbits=0)
    return Bm1384Job().encode_fields(nothing)


def _with_crc(first: bytes) -> bytes:
    return first + bytes((crc5(first + b"\0", _COMMAND_BITS),))
