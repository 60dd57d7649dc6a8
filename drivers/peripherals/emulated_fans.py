"""Emulated fan controllers: EMC2101, EMC2103 and EMC2302 as their registers behave.

Source: bitaxeorg/ESP-Miner, main/thermal/EMC2101.c, EMC2103.c, EMC2103.h, EMC2302.c, and
256foundation/mujina, peripheral/emc2101.rs; product numbers of EMC2103 and EMC2302 as in Linux,
drivers/hwmon/emc2103.c and emc2305.c.
"""

from drivers.peripherals.emulated_heat import BoardHeat

_MANUFACTURER = 0x5D
_STANDING = 0xFFFF


class EMC2101:
    """One fan with a tachometer, the die's diode and an own thermometer, at address 4C."""

    def __init__(self, heat: BoardHeat, *, product: int = 0x16) -> None:
        self._heat = heat
        self._kept = {0x03: 0x00, 0x04: 0x08, 0x17: 0x12, 0x18: 0x08}
        self._kept |= {0x4A: 0x20, 0x4B: 0x3F, 0x4C: 0x00, 0x4D: 0x17}
        self._fixed = {0xFD: product, 0xFE: _MANUFACTURER, 0xFF: 0x01}
        self._latched = {0x10: 0, 0x47: 0xFF}

    def value(self, register: int) -> int:
        """Return a register; the high byte of the diode and the low one of the speed latch."""
        match register:
            case 0x00:
                return round(self._heat.board) & 0xFF
            case 0x01:
                raw = self._diode() << 5
                self._latched[0x10] = raw & 0xFF
                return raw >> 8 & 0xFF
            case 0x46:
                count = self._speed()
                self._latched[0x47] = count >> 8
                return count & 0xFF
        kept = self._kept | self._latched | self._fixed
        return kept.get(register, 0)

    def store(self, register: int, value: int) -> None:
        """Set a register; the duty counts only while it is set by hand (4A bit 5)."""
        by_hand = self._kept[0x4A] & 0x20
        if register in self._kept and (register != 0x4C or by_hand):
            self._kept[register] = value
            duty = (self._kept[0x4C] & 0x3F) / 0x3F
            self._heat.duty = 1.0 - duty if self._kept[0x4A] & 0x10 else duty

    def _diode(self) -> int:
        """Return eighths of a degree in 11 bits, or the code of an open diode."""
        if self._heat.happened("open_diode_after"):
            return 0x3F8
        return eighths(self._heat.sensed(self._heat.die, diode=True))

    def _speed(self) -> int:
        listening = self._kept[0x03] & 0x04
        return _count(5_400_000, self._heat.rpm) if listening else _STANDING


class EMC2103:
    """One fan with a tachometer and two diodes, at address 2E."""

    def __init__(self, heat: BoardHeat, *, product: int = 0x26) -> None:
        self._heat = heat
        self._kept = {0x11: 0x12, 0x12: 0x12, 0x14: 0x10, 0x15: 0x10, 0x20: 0x00, 0x21: 0x00}
        self._kept |= {0x2A: 0x10, 0x2B: 0x00, 0x40: 0x00, 0x41: 0x01, 0x42: 0x2B, 0x43: 0x28}
        self._kept |= {0x50: 0x00}
        self._fixed = {0xFD: product, 0xFE: _MANUFACTURER, 0xFF: 0x01}

    def value(self, register: int) -> int:
        """Return a register."""
        if register <= 0x05:
            word = self._temperature(register // 2)
        elif register in {0x4E, 0x4F}:
            word = (
                min(_count(3_932_160 * _multiplier(self._kept[0x42]), self._heat.rpm), 0x1FFF) << 3
            )
        else:
            return (self._kept | self._fixed).get(register, 0)
        return word & 0xFF if register & 1 else word >> 8

    def store(self, register: int, value: int) -> None:
        """Set a register."""
        if register in self._kept:
            self._kept[register] = value
            self._heat.duty = self._kept[0x40] / 0xFF

    def _temperature(self, number: int) -> int:
        """Return a temperature as 16 bits: 0 the part's own, 1 and 2 the diodes."""
        heat = self._heat
        if number == 0:
            return eighths(heat.board) << 5
        if number == 1 and heat.happened("open_diode_after"):
            return 0x8000
        second = heat.die - 1.5
        value = heat.sensed(heat.die, diode=True) if number == 1 else second
        return eighths(value) << 5


class EMC2302:
    """Two fans with tachometers, at address 2F."""

    def __init__(self, heat: BoardHeat, *, product: int = 0x36) -> None:
        self._heat = heat
        self._kept = {0x20: 0x40, 0x2A: 0x00, 0x2B: 0x00}
        for fan in (0x30, 0x40):
            self._kept |= {fan: 0x00, fan + 2: 0x2B, fan + 3: 0x28}
        self._fixed = {0xFD: product, 0xFE: _MANUFACTURER, 0xFF: 0x80}

    def value(self, register: int) -> int:
        """Return a register; a speed is 13 bits, the high byte first."""
        if register in {0x3E, 0x3F, 0x4E, 0x4F}:
            fan = register & 0xF0
            speed = self._heat.rpm and self._heat.spec.fan_rpm * self._kept[fan] / 0xFF
            count = min(_count(3_932_160 * _multiplier(self._kept[fan + 2]), speed), 0x1FFF) << 3
            return count & 0xFF if register & 1 else count >> 8
        return (self._kept | self._fixed).get(register, 0)

    def store(self, register: int, value: int) -> None:
        """Set a register; both fans blow on the same body."""
        if register in self._kept:
            self._kept[register] = value
            self._heat.duty = (self._kept[0x30] + self._kept[0x40]) / (2 * 0xFF)


def eighths(celsius: float) -> int:
    """Return a temperature in 1/8 degree as 11 bits of two's complement, -128 to 127."""
    return round(max(-128.0, min(celsius, 126.875)) * 8) & 0x7FF


def _multiplier(configuration: int) -> int:
    return 1 << (configuration >> 5 & 3)


def _count(constant: int, rpm: float) -> int:
    return min(round(constant / rpm), _STANDING) if rpm >= 1 else _STANDING
