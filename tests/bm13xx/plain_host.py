"""A host in as few lines as possible, to talk to emulated chips in tests.

A second, independent reading of the chips' descriptions: it shares nothing with the drivers, and
nothing with the emulator.
"""

import binascii
import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from drivers.bm13xx.emulated import EmulatedChain
from drivers.bm13xx.emulated_search import run
from drivers.header import midstate

CORES = {"bm1362": 65, "bm1366": 112, "bm1368": 80, "bm1370": 128}
PREV_HASH = bytes(range(32))
MERKLE_ROOT = bytes(range(100, 132))
NTIME, NBITS = 0x685468D7, 0x17023A04
TAIL = MERKLE_ROOT[28:] + struct.pack("<II", NTIME, NBITS)
MODERN_PLL = {
    "bm1362": 0x40A80230,
    "bm1366": 0x40A80230,
    "bm1368": 0x40A80230,
    "bm1370": 0x40A80230,
}
MHZ = 525.0  # 168 * 25 / (2 * 4 * 1)


def crc5(data: bytes, nbits: int | None = None) -> int:
    """Return the CRC-5, bit by bit."""
    crc = 0x1F
    for k in range(8 * len(data) if nbits is None else nbits):
        top = (crc >> 4) ^ (data[k // 8] >> (7 - k % 8) & 1)
        crc = (crc << 1 & 0x1F) ^ (5 if top else 0)
    return crc


def crc16(data: bytes) -> bytes:
    """Return the CRC-16 as it is sent."""
    return struct.pack(">H", binascii.crc_hqx(data, 0xFFFF))


def command(header: int, payload: bytes) -> bytes:
    body = bytes([header, len(payload) + 3]) + payload
    return b"\x55\xaa" + body + bytes([crc5(body)])


def bare_command(header: int, payload: bytes) -> bytes:
    body = bytes([header, len(payload) + 3]) + payload
    return body + bytes([crc5(body)])


def bm1384_command(header: int, high: int = 0, low: int = 0) -> bytes:
    body = bytes([header, high, low, 0])
    return body[:3] + bytes([crc5(body, 27)])


def write(register: int, value: int, address: int | None = None) -> bytes:
    where = bytes([address or 0, register]) + struct.pack(">I", value)
    return command(0x51 if address is None else 0x41, where)


def read(register: int, address: int | None = None) -> bytes:
    return command(0x52 if address is None else 0x42, bytes([address or 0, register]))


INACTIVE = command(0x53, bytes(2))


def set_address(address: int) -> bytes:
    return command(0x40, bytes([address, 0]))


def words_reversed(data: bytes) -> bytes:
    return b"".join(data[i : i + 4] for i in range(len(data) - 4, -4, -4))


def full_job(job_byte: int, version: int = 0x20000000, merkle_root: bytes = MERKLE_ROOT) -> bytes:
    body = bytes([0x21, 0x56, job_byte, 1]) + bytes(4) + struct.pack("<II", NBITS, NTIME)
    body += words_reversed(merkle_root) + words_reversed(PREV_HASH) + struct.pack("<I", version)
    return b"\x55\xaa" + body + crc16(body)


def head(version: int) -> bytes:
    return struct.pack("<I", version) + PREV_HASH + MERKLE_ROOT[:28]


def midstate_job(job_byte: int, versions: list[int], *, preamble: bool = True) -> bytes:
    states = b"".join(words_reversed(midstate(head(version))) for version in versions)
    body = bytes([0x21, 22 + 32 * len(versions), job_byte, len(versions)]) + bytes(4)
    body += struct.pack("<II", NBITS, NTIME) + MERKLE_ROOT[28:] + states
    return b"\x55\xaa" * preamble + body + crc16(body)


def bm1384_job(job_id: int, ticket: int, hash_count: int) -> bytes:
    packet = words_reversed(midstate(head(0x20000000))) + bytes(7) + bytes([ticket])
    packet += struct.pack(">I", hash_count) + bytes(7) + bytes([job_id])
    return packet + struct.pack("<II", NBITS, NTIME) + MERKLE_ROOT[28:]


def ticket(bits: int) -> int:
    """Return the ticket mask of difficulty 2^bits: less 1, the bits of each byte reversed."""
    whole = ((1 << bits) - 1).to_bytes(4, "big")
    return int.from_bytes(bytes(int(f"{byte:08b}"[::-1], 2) for byte in whole), "big")


def full_slice_count(model: str, chips: int) -> int:
    """Return the hash counting number that shares the nonces out without overlap."""
    rounded = 1 << (CORES[model] - 1).bit_length()
    chips_rounded = 1 << (chips - 1).bit_length()
    return int((1 << 32) / rounded / chips_rounded * 25 / (2 * MHZ))


def interval(chips: int) -> int:
    """Return an even address interval: 256 over the next power of two."""
    return 256 // (1 << (chips - 1).bit_length())


def bring_up(
    model: str, chips: int, *, mask: int | None = 0xFFFF, ticket: int = 0
) -> Iterator[bytes]:
    """Yield a complete start for a strict chain of any model with whole-header jobs."""
    if mask is not None:
        yield write(0xA4, 0x90000000 | mask)
    yield INACTIVE
    for i in range(chips):
        yield set_address(i * interval(chips))
    yield write(0xA8, 0x00070000)
    yield write(0x18, 0xF000C100)
    yield write(0x14, ticket)
    yield write(0x3C, 0x800082AA)
    yield write(0x08, MODERN_PLL[model])
    yield write(0x10, full_slice_count(model, chips))


@dataclass(frozen=True)
class Nonce:
    """A nonce response taken apart: the four header bytes and what follows them."""

    nonce: bytes
    excess: int
    result: int
    rolled: int

    @property
    def number(self) -> int:
        return int.from_bytes(self.nonce, "big")


def nonces(stream: bytes, size: int) -> list[Nonce]:
    """Return the nonce frames of ``size`` bytes each, all of which must be right."""
    found = []
    assert len(stream) % size == 0, stream.hex()
    for at in range(0, len(stream), size):
        frame = stream[at : at + size]
        assert frame[:2] == b"\xaa\x55"
        assert crc5(frame[2:]) == 0
        assert frame[-1] & 0x80
        rolled = int.from_bytes(frame[8:10], "big") if size == 11 else 0
        found.append(Nonce(frame[2:6], frame[6], frame[7], rolled))
    return found


def sha256d(header: bytes) -> int:
    digest = hashlib.sha256(hashlib.sha256(header).digest()).digest()
    return int.from_bytes(digest, "little")


def mine(chain: EmulatedChain, seconds: float, *, start: float = 0.0) -> bytes:
    """Let emulated time pass and return what the chips send."""
    now, sent = start, b""
    chain.search(now)
    while now < start + seconds:
        search = chain.search(now)
        if search:
            sent += chain.responses(search, run(search, bytearray(1)))
        else:
            now += 0.02
    return sent
