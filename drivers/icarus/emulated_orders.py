"""Reads what a host sends to an emulated device, and tells work from commands. Sans-IO.

Source: kanoi/cgminer, driver-icarus.c; luke-jr/bfgminer, driver-antminer.c.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from drivers.icarus.emulated_models import Talk

PATIENCE = 0.05
"""Seconds after which a packet begun is forgotten, as by a real FPGA."""

_PACKET = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Work: the midstate as kernels take it, header bytes 64 to 75, and how it was labelled."""

    midstate: bytes
    tail: bytes
    tag: int = 0
    lane: int = 0
    mhz: float | None = None


@dataclass(frozen=True, slots=True)
class Frequency:
    """An order to run at this PLL setting (Antminer) or these MHz (Cairnsmore)."""

    register: int = 0
    mhz: float | None = None


@dataclass(frozen=True, slots=True)
class Voltage:
    """An order to set the core voltage."""

    volts: float


Order = Job | Frequency | Voltage


class OrderReader:
    """Cuts a host's bytes into orders; what means nothing is passed over."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._begun = b""
        self._at = 0.0

    def feed(self, data: bytes, now: float) -> Iterator[Order]:
        """Yield the orders that ``data`` completes."""
        if now - self._at > PATIENCE:
            self._begun = b""
        self._begun, self._at = self._begun + data, now
        while True:
            if self._talk is Talk.ANTMINER and _is_command(self._begun[:4]):
                command, self._begun = self._begun[:4], self._begun[4:]
                yield from _obeyed(command)
            elif len(self._begun) >= _PACKET:
                packet, self._begun = self._begun[:_PACKET], self._begun[_PACKET:]
                yield from self._read(packet)
            else:
                return

    def _read(self, packet: bytes) -> Iterator[Order]:
        match self._talk:
            case Talk.ROCKMINER:
                if (packet[48], packet[51]) == (0xAA, 0x55):
                    yield _rockminer_job(packet)
            case Talk.CAIRNSMORE if packet[35] == 0xB7:
                is_whole = packet[32] == packet[33] ^ packet[34] ^ packet[35] ^ 0x6D
                if is_whole and packet[34] == 0:
                    yield Frequency(mhz=packet[33] * 2.5)
            case _:
                yield _job(packet)


def _job(packet: bytes) -> Job:
    midstate = b"".join(packet[at : at + 4] for at in range(28, -1, -4))
    tail = packet[60:64] + packet[56:60] + packet[52:56]
    return Job(midstate=midstate, tail=tail, tag=packet[51])


def _rockminer_job(packet: bytes) -> Job:
    """Return the job of a packet whose 32-bit words are all byte-reversed and in header order."""
    words = [packet[at : at + 4][::-1] for at in (*range(0, 32, 4), 52, 56, 60)]
    return Job(
        midstate=b"".join(words[:8]),
        tail=b"".join(words[8:]),
        lane=packet[50],
        mhz=(packet[49] + 1) * 10.0,
    )


def _is_command(four: bytes) -> bool:
    if len(four) < 4:
        return False
    flags = 0xC0 if four[0] == 0xAA else 0x00
    return four[0] in {0x82, 0x84, 0xAA} and four[3] == flags | _check(four[:3])


def _check(three: bytes) -> int:
    """Return the 5 check bits of three bytes and three zero bits: the rest of a long division."""
    rest = 0x1F
    for bit in f"{int.from_bytes(three, 'big'):024b}000":
        rest <<= 1
        if (rest >> 5 & 1) != int(bit):
            rest ^= 0b00101
        rest &= 0x1F
    return rest


def _obeyed(command: bytes) -> Iterator[Order]:
    if command[0] == 0x82:
        yield Frequency(register=command[1] << 8 | command[2])
    elif command[0] == 0xAA:
        digits = f"{command[1] & 0x0F:x}{command[2]:02x}"
        if digits.isdecimal() and 725 <= int(digits) <= 850:
            yield Voltage(int(digits) / 1000)
