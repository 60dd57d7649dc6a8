"""Emulated thermometers TMP1075 and TMP451, and the power meter INA260.

Source: 256foundation/mujina, peripheral/tmp1075.rs and tmp451.rs; TI datasheets SBOS854 (TMP1075),
SBOS686 (TMP451), SBOS656 (INA260); bitaxeorg/ESP-Miner, main/power/INA260.c.
"""

from drivers.peripherals.emulated_heat import BoardHeat

_FULL_SCALE = 127.9375
_TMP451_WRITTEN_AT = {0x09: 0x03, 0x0A: 0x04, 0x0B: 0x05, 0x0C: 0x06, 0x0D: 0x07, 0x0E: 0x08}


class TMP1075:
    """A thermometer near the chips, at 4A or 4B; registers are 16 bits wide.

    ``faulty`` ones show the faults of the board's sensor.
    """

    def __init__(self, heat: BoardHeat, *, faulty: bool = False) -> None:
        self._heat = heat
        self._faulty = faulty
        self._kept = {0x01: 0x00FF, 0x02: 0x4B00, 0x03: 0x5000}

    def value(self, register: int) -> int:
        """Return a register."""
        if register == 0x00:
            heat = self._heat
            value = heat.ambient + 0.85 * (heat.die - heat.ambient)
            return _sixteenths(heat.sensed(value, diode=False) if self._faulty else value)
        return 0x7500 if register == 0x0F else self._kept.get(register, 0)

    def store(self, register: int, value: int) -> None:
        """Set a register."""
        if register in self._kept:
            self._kept[register] = value


class TMP451:
    """An own and a remote thermometer, at 49; the remote one is a chip's diode."""

    def __init__(self, heat: BoardHeat) -> None:
        self._heat = heat
        self._kept = {0x03: 0x00, 0x04: 0x08, 0x05: 0x55, 0x06: 0x00, 0x07: 0x55, 0x08: 0x00}
        self._kept |= {0x11: 0x00, 0x12: 0x00, 0x19: 0x6C, 0x20: 0x55, 0x21: 0x0A}
        self._low = 0

    def value(self, register: int) -> int:
        """Return a register; the remote high byte latches the low one."""
        if register == 0x01:
            word = self._remote()
            self._low = word & 0xFF
            return word >> 8
        own = self._coded(self._heat.board)
        measured = {
            0x00: own >> 8,
            0x02: 0x04 if self._heat.happened("open_diode_after") else 0x00,
            0x10: self._low,
            0x15: own & 0xFF,
            0xFE: 0x55,
        }
        return (self._kept | measured).get(register, 0)

    def store(self, register: int, value: int) -> None:
        """Set a register; some are written at another number than they are read at."""
        register = _TMP451_WRITTEN_AT.get(register, register)
        if register in self._kept:
            self._kept[register] = value

    def _remote(self) -> int:
        heat = self._heat
        if heat.happened("open_diode_after"):
            return 0x0000
        offset = int.from_bytes(bytes([self._kept[0x11], self._kept[0x12]]), "big", signed=True)
        return self._coded(heat.sensed(heat.die, diode=True) + offset / 256)

    def _coded(self, celsius: float) -> int:
        """Return 16 bits; the wide range counts from -64, the normal one starts at 0."""
        if self._kept[0x03] & 0x04:
            return round(max(0.0, min(celsius + 64.0, 255.0)) * 16) << 4
        return round(max(0.0, min(celsius, _FULL_SCALE)) * 16) << 4


class INA260:
    """Current, voltage and power of the board's input, at 40; registers are 16 bits wide."""

    def __init__(self, heat: BoardHeat) -> None:
        self._heat = heat
        self._kept = {0x00: 0x6127, 0x06: 0x0000, 0x07: 0x0000}

    def value(self, register: int) -> int:
        """Return a register: units are 1.25 mA, 1.25 mV and 10 mW."""
        amps, volts = self._heat.input_amps, self._heat.spec.input_volts
        measured = {
            0x01: round(amps / 0.00125),
            0x02: round(volts / 0.00125),
            0x03: round(amps * volts / 0.01),
            0xFE: 0x5449,
            0xFF: 0x2270,
        }
        return (self._kept | measured).get(register, 0) & 0xFFFF

    def store(self, register: int, value: int) -> None:
        """Set a register."""
        if register in self._kept:
            self._kept[register] = value


def _sixteenths(celsius: float) -> int:
    return round(max(-128.0, min(celsius, _FULL_SCALE)) * 16) << 4 & 0xFFFF
