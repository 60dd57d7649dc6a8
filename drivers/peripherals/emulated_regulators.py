"""Emulated core regulators: TPS546D24A on the PMBus and the current DAC DS4432U.

Source: 256foundation/mujina, peripheral/tps546.rs and pmbus.rs; bitaxeorg/ESP-Miner,
main/power/TPS546.c and DS4432U.c; PMBus specification part II for the number formats and for what
ON_OFF_CONFIG, the status bits and CLEAR_FAULTS mean.
"""

import math
from enum import Enum
from functools import reduce
from operator import or_

from drivers.peripherals.emulated_heat import BoardHeat

DEVICE_ID = bytes.fromhex("5449546d2441")
"""The six bytes by which a TPS546D24A names itself."""

_EXPONENT = -9  # of VOUT_MODE 97
_OFF, _POWER_NOT_GOOD = 0x0040, 0x0800


class _Fault(Enum):
    """A bit set of STATUS_WORD, the detailed status command and its bit."""

    RAIL_LOST = (0x8000, 0x7A, 0x10)
    OVER_CURRENT = (0x4010, 0x7B, 0x80)
    INPUT_HIGH = (0x2000, 0x7C, 0x80)
    INPUT_LOW = (0x2008, 0x7C, 0x08)
    HOT = (0x0004, 0x7D, 0x80)
    BAD_COMMAND = (0x0002, 0x7E, 0x80)


_SWITCHING_OFF = {_Fault.OVER_CURRENT, _Fault.INPUT_HIGH, _Fault.HOT}
_BYTES = {0x00: 0x00, 0x01: 0x00, 0x02: 0x1F, 0x04: 0xFF, 0x10: 0x00, 0x41: 0xBF, 0x45: 0xBF}
_BYTES |= {0x47: 0xC0, 0x50: 0xBC, 0x56: 0x3C, 0x63: 0xBC, 0xE4: 0xF0}
_LINEAR = {0x29: 1.0, 0x33: 550.0, 0x35: 2.75, 0x36: 2.5, 0x40: 1.25, 0x42: 1.16, 0x43: 0.9}
_LINEAR |= {0x44: 0.8, 0x46: 52.0, 0x4A: 40.0, 0x4F: 150.0, 0x51: 125.0, 0x55: 21.0, 0x58: 2.5}
_LINEAR |= {0x60: 0.0, 0x61: 3.0, 0x62: 0.0, 0x64: 0.0, 0x65: 0.5}
_VOLTS = {0x21: 0.8, 0x24: 1.5, 0x25: 1.05, 0x26: 0.95, 0x2B: 0.5}
_WORDS = {0xEC: 0x0000, 0xEE: 0x0000}
_BLOCKS = {0xB1: bytes(5)}  # USER_DATA_01: COMPENSATION_CONFIG


class TPS546:
    """A regulator at 24 whose output follows its commands; ``phases`` of them are stacked.

    It starts switched off. Faults that switched it off last until CLEAR_FAULTS.
    """

    def __init__(self, heat: BoardHeat, *, phases: int = 1) -> None:
        self._heat = heat
        self._phases = phases
        self._bytes = dict(_BYTES)
        self._words = {code: linear11(value) for code, value in _LINEAR.items()}
        self._words |= {code: _volts16(value) for code, value in _VOLTS.items()} | _WORDS
        self._blocks = dict(_BLOCKS)
        self._command = 0
        self._latched: set[_Fault] = set()
        heat.rail = self.output

    def write(self, data: bytes) -> bool:
        """Take a command and its value, low byte first; an unknown one is not acknowledged."""
        if not data:
            return True
        self._command, value = data[0], int.from_bytes(data[1:3], "little")
        known = self._command in {0x03, 0x20, 0xAD, *self._bytes, *self._words, *self._blocks}
        if not (known or 0x79 <= self._command <= 0x8D):
            self._latched.add(_Fault.BAD_COMMAND)
            return False
        if self._command == 0x03:
            self._latched.clear()
        elif len(data) > 1 and self._command in self._bytes:
            self._bytes[self._command] = value & 0xFF
        elif len(data) > 2 and self._command in self._words:
            self._words[self._command] = self._limited(value)
        elif len(data) > 1 and self._command in self._blocks:
            return self._take_block(data[1:])
        return True

    def read(self, count: int) -> bytes:
        """Return what the last command asks for: byte, word low byte first, or counted block."""
        command = self._command
        block = DEVICE_ID if command == 0xAD else self._blocks.get(command)
        if block is not None:
            return (bytes([len(block)]) + block).ljust(count, b"\xff")[:count]
        content = bytes([self._bytes[command]]) if command in self._bytes else b""
        if command == 0x20:
            content = bytes([0x97])
        elif command in self._words:
            content = self._words[command].to_bytes(2, "little")
        elif 0x79 <= command <= 0x8D:
            content = self._measured(command)
        return content.ljust(count, b"\xff")[:count]

    def output(self) -> float:
        """Return the output in volts."""
        if not self._switched_on() or self._tripped():
            return 0.0
        self._watch()
        return 0.0 if self._latched & _SWITCHING_OFF else self._volts(0x21)

    def _switched_on(self) -> bool:
        configuration = self._bytes[0x02]
        ignores_all, by_command = not configuration & 0x10, configuration & 0x08
        on = ignores_all or not by_command or self._bytes[0x01] & 0x80 != 0
        return on and not self._input_low()

    def _tripped(self) -> bool:
        lost = self._heat.happened("rail_off_after")
        return lost or not self._latched.isdisjoint(_SWITCHING_OFF)

    def _input_low(self) -> bool:
        return self._heat.spec.input_volts < self._linear(0x35)

    def _watch(self) -> None:
        """Latch what switches an output off that is on: too much input, current or heat."""
        heat, volts = self._heat, self._volts(0x21)
        share = (volts / heat.spec.domains / heat.spec.volts) ** 2
        amps = heat.spec.watts * heat.activity * share / volts if volts else 0.0
        if heat.spec.input_volts > self._linear(0x55):
            self._latched.add(_Fault.INPUT_HIGH)
        if amps > self._linear(0x46) * self._phases:
            self._latched.add(_Fault.OVER_CURRENT)
        if heat.regulator > self._linear(0x4F):
            self._latched.add(_Fault.HOT)

    def _faults(self) -> set[_Fault]:
        now = {
            _Fault.INPUT_LOW: self._input_low(),
            _Fault.RAIL_LOST: self._heat.happened("rail_off_after"),
        }
        return self._latched | {fault for fault, there in now.items() if there}

    def _measured(self, command: int) -> bytes:
        heat, faults = self._heat, self._faults()
        amps = heat.rail_amps / (1 if self._bytes[0x04] == 0xFF else self._phases)
        off = 0 if self.output() else _OFF | _POWER_NOT_GOOD
        words = {
            0x79: reduce(or_, (fault.value[0] for fault in faults), off),
            0x88: linear11(heat.spec.input_volts),
            0x8B: _volts16(heat.rail()),
            0x8C: linear11(amps),
            0x8D: linear11(heat.regulator),
        }
        if command in words:
            return words[command].to_bytes(2, "little")
        details = [fault.value[2] for fault in faults if fault.value[1] == command]
        return bytes([reduce(or_, details, 0)])

    def _take_block(self, block: bytes) -> bool:
        """Take a counted block; one of another length is a fault, and nothing of it is kept."""
        if block[0] != len(block) - 1 or len(block) - 1 != len(self._blocks[self._command]):
            self._latched.add(_Fault.BAD_COMMAND)
            return False
        self._blocks[self._command] = block[1:]
        return True

    def _limited(self, value: int) -> int:
        if self._command != 0x21:
            return value
        return max(self._words[0x2B], min(value, self._words[0x24]))

    def _volts(self, command: int) -> float:
        return self._words[command] * 2.0**_EXPONENT

    def _linear(self, command: int) -> float:
        word = self._words[command]
        exponent, mantissa = word >> 11, word & 0x7FF
        signed = mantissa - 0x800 if mantissa & 0x400 else mantissa
        return float(signed * 2.0 ** (exponent - 32 if exponent & 0x10 else exponent))


class DS4432U:
    """A current DAC at 48 that bends the feedback of a regulator it cannot switch off."""

    def __init__(self, heat: BoardHeat) -> None:
        self._kept = {0xF8: 0x00, 0xF9: 0x00}
        heat.rail = self.output

    def value(self, register: int) -> int:
        """Return a register."""
        return self._kept.get(register, 0)

    def store(self, register: int, value: int) -> None:
        """Set a register."""
        if register in self._kept:
            self._kept[register] = value

    def output(self) -> float:
        """Return the volts that the first output makes: sourcing lowers, sinking raises them."""
        code = self._kept[0xF8]
        current = (code & 0x7F) / 127 * 98.921e-6
        return 0.6 + 4750 * (0.6 / 3320 - (current if code & 0x80 else -current))


def linear11(value: float) -> int:
    """Return the PMBus SLINEAR11 word, a mantissa of 11 bits and an exponent of 5, both signed."""
    if value == 0:
        return 0
    exponent = max(-16, math.frexp(value)[1] - 10)
    mantissa = round(value / 2.0**exponent)
    if abs(mantissa) > 0x3FF:
        exponent, mantissa = exponent + 1, mantissa // 2
    return (exponent & 0x1F) << 11 | mantissa & 0x7FF


def _volts16(volts: float) -> int:
    return round(volts / 2.0**_EXPONENT)
