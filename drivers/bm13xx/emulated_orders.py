"""What the host says to the emulated chips: bytes in, orders out; noise is skipped byte by byte.

Source: bitaxeorg/ESP-Miner (components/asic), 256foundation/mujina (protocol.rs) and captures for
the frames with preamble; kanoi/cgminer (driver-gekko.c) for BM1387 and BM1384.
"""

from dataclasses import dataclass

from drivers.bm13xx.emulated_checksums import crc5, crc16
from drivers.bm13xx.emulated_jobs import (
    BM1384_SIZE,
    FULL_HEADER_SIZE,
    EmulatedJob,
    bm1384_job,
    full_header_job,
    looks_like_bm1384_job,
    midstate_job,
    midstates_of_length,
)
from drivers.bm13xx.emulated_models import Form

_PREAMBLE = b"\x55\xaa"
_JOB = 0x21


@dataclass(frozen=True, slots=True)
class SetAddress:
    """The first chip without an address takes this one."""

    address: int


@dataclass(frozen=True, slots=True)
class Inactive:
    """Every chip forgets its address and stops relaying."""


@dataclass(frozen=True, slots=True)
class Write:
    """A register is set; ``address`` None means in every chip."""

    address: int | None
    register: int
    value: int


@dataclass(frozen=True, slots=True)
class Read:
    """A register is asked for; ``address`` None means of every chip."""

    address: int | None
    register: int


Order = SetAddress | Inactive | Write | Read | EmulatedJob


class OrderReader:
    """Finds orders in what the host sends, however it is cut.

    ``refused`` counts what began like a frame and was none: noise, or a wrong checksum.
    """

    def __init__(self, form: Form) -> None:
        self.refused = 0
        self._buffer = bytearray()
        self._take = {
            Form.FULL_HEADER: self._take_full_header_form,
            Form.MIDSTATES: self._take_midstates_form,
            Form.BM1387: self._take_bm1387,
            Form.BM1384: self._take_bm1384,
        }[form]

    def feed(self, data: bytes) -> list[Order]:
        """Return the orders completed by ``data``."""
        self._buffer += data
        orders = []
        while order := self._take():
            orders.append(order)
        return orders

    def forget(self) -> bool:
        """Drop a frame begun and never finished, as after a pause; say if there was one."""
        begun = bool(self._buffer)
        self._buffer.clear()
        return begun

    def _take_full_header_form(self) -> Order | None:
        while self._skip_to_preamble() and len(self._buffer) >= 4:
            is_job = self._buffer[2] == _JOB
            size = FULL_HEADER_SIZE if is_job else _command_size(self._buffer[2:4]) + 2
            if size > len(self._buffer):
                return None
            frame = bytes(self._buffer[:size])
            if order := self._checked(size, _full_job(frame) if is_job else _command(frame[2:])):
                return order
        return None

    def _take_midstates_form(self) -> Order | None:
        while self._skip_to_preamble() and len(self._buffer) >= 4:
            is_job = self._buffer[2] == _JOB
            size = (_job_size if is_job else _command_size)(self._buffer[2:4]) + 2
            if size > len(self._buffer):
                return None
            body = bytes(self._buffer[2:size])
            if order := self._checked(size, _midstate_job(body) if is_job else _command(body)):
                return order
        return None

    def _take_bm1387(self) -> Order | None:
        while len(self._buffer) >= 2:
            is_job = self._buffer[0] == _JOB
            size = (_job_size if is_job else _bm1387_size)(self._buffer)
            if size > len(self._buffer):
                return None
            body = bytes(self._buffer[:size])
            order = _midstate_job(body) if is_job else _bm1387_command(body)
            if order := self._checked(size, order):
                return order
        return None

    def _take_bm1384(self) -> Order | None:
        # A job has no mark but its two gaps, and now and then one begins like a command. Commands
        # before a job of nothing have the gaps too, but no slot where a job's would be.
        while len(self._buffer) >= 4:
            packet = bytes(self._buffer[:BM1384_SIZE])
            whole = len(packet) == BM1384_SIZE
            command = _bm1384_command(packet[:4])
            if whole and looks_like_bm1384_job(packet):
                job = bm1384_job(packet)
                if job.job_byte or not command:
                    return self._checked(BM1384_SIZE, job)
            if command:
                return self._checked(4, command)
            if not whole:
                return None
            del self._buffer[:1]
        return None

    def _skip_to_preamble(self) -> bool:
        at = self._buffer.find(_PREAMBLE)
        if at < 0:
            at = len(self._buffer) - self._buffer.endswith(_PREAMBLE[:1])
        del self._buffer[:at]
        return len(self._buffer) >= 2

    def _checked(self, size: int, order: Order | None) -> Order | None:
        """Take ``size`` bytes off the buffer if they are an ``order``, else just the first."""
        if order is None:
            self.refused += 1
        del self._buffer[: size if order else 1]
        return order


def _command_size(begun: bytearray) -> int:
    """Return the bytes of a command less its preamble; 0 for what cannot be one."""
    expected = {0x40: 5, 0x42: 5, 0x52: 5, 0x53: 5, 0x41: 9, 0x51: 9}.get(begun[0])
    return begun[1] if begun[1] == expected else 0


def _bm1387_size(begun: bytearray) -> int:
    expected = {0x41: 5, 0x44: 5, 0x54: 5, 0x55: 5, 0x48: 9, 0x58: 9}.get(begun[0])
    return begun[1] if begun[1] == expected else 0


def _job_size(begun: bytearray) -> int:
    return begun[1] if midstates_of_length(begun[1]) else 0


def _full_job(frame: bytes) -> EmulatedJob | None:
    return full_header_job(frame) if _job_checksum_right(frame[2:]) else None


def _midstate_job(body: bytes) -> EmulatedJob | None:
    return midstate_job(body) if _job_checksum_right(body) else None


def _job_checksum_right(body: bytes) -> bool:
    return crc16(body[:-2]) == int.from_bytes(body[-2:], "big")


def _command(body: bytes) -> Order | None:
    if not body or crc5(body[:-1]) != body[-1]:
        return None
    header, address, value = body[0], body[2], int.from_bytes(body[4:8], "big")
    orders: dict[int, Order] = {
        0x40: SetAddress(address),
        0x53: Inactive(),
        0x41: Write(address, body[3], value),
        0x51: Write(None, body[3], value),
        0x42: Read(address, body[3]),
        0x52: Read(None, body[3]),
    }
    return orders[header]


def _bm1387_command(body: bytes) -> Order | None:
    if not body or crc5(body[:-1]) != body[-1]:
        return None
    header, address, value = body[0], body[2], int.from_bytes(body[4:8], "big")
    orders: dict[int, Order] = {
        0x41: SetAddress(address),
        0x55: Inactive(),
        0x48: Write(address, body[3], value),
        0x58: Write(None, body[3], value),
        0x44: Read(address, body[3]),
        0x54: Read(None, body[3]),
    }
    return orders[header]


def _bm1384_command(command: bytes) -> Order | None:
    """Return the order of 4 bytes, of which the last holds the CRC-5 of the 27 bits before."""
    header, high, low, check = command
    orders: dict[int, Order] = {
        0x01: SetAddress(high),
        0x85: Inactive(),
        0x82: Write(None, 0x04, high << 8 | low),
        0x04: Read(high, low),
        0x84: Read(None, low),
    }
    right = check == crc5(command[:3], 0, with_type=True)
    return orders.get(header) if right else None
