"""Frequencies of Icarus-class devices and the bytes that set them. Pure.

Source: kanoi/cgminer, driver-icarus.c: the search of the U1, the table of the U3.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from drivers.icarus.commands import cairnsmore_speed, set_frequency


@dataclass(frozen=True, slots=True, kw_only=True)
class FrequencySetting:
    """A frequency that can be set, and the command for it: empty when it goes with each work."""

    mhz: float
    command: bytes = b""


class Clocks(Protocol):
    """What frequencies a device has: MHz lowest, when nobody says, and highest."""

    @property
    def lowest(self) -> float:
        """Return the lowest."""
        ...

    @property
    def default(self) -> float | None:
        """Return the usual one, None to leave the device at its own."""
        ...

    @property
    def highest(self) -> float:
        """Return the highest."""
        ...

    def nearest(self, mhz: float) -> FrequencySetting:
        """Return the setting for ``mhz``, or for what comes nearest."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Bm1380Clocks:
    """25 MHz * (m + 1) / ((n + 1) * 2^od) in a register of range bit, m, n and od.

    Of several ways to reach a frequency the first is taken, od counting slowest and m quickest.
    """

    lowest: float = 100.0
    default: float | None = 200.0
    highest: float = 275.0

    def nearest(self, mhz: float) -> FrequencySetting:
        """Return the first exact setting, else the last of those that come nearest."""
        best = min(_bm1380_settings(), key=lambda setting: abs(setting[0] - mhz))
        if best[0] != mhz:
            off = abs(best[0] - mhz)
            best = [one for one in _bm1380_settings() if abs(one[0] - mhz) == off][-1]
        return FrequencySetting(mhz=best[0], command=set_frequency(best[1]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bm1382Clocks:
    """The frequencies of an Antminer U3: 50 MHz * (m + 1) / ((n + 1) * 2^od)."""

    default: float | None = 225.0

    @property
    def lowest(self) -> float:
        """Return the lowest of the table."""
        return _BM1382[0][0]

    @property
    def highest(self) -> float:
        """Return the highest of the table."""
        return _BM1382[-1][0]

    def nearest(self, mhz: float) -> FrequencySetting:
        """Return the highest of the table that is not above ``mhz``, at least the lowest."""
        reached = [row for row in _BM1382 if row[0] <= mhz] or [_BM1382[0]]
        return FrequencySetting(mhz=reached[-1][0], command=set_frequency(reached[-1][1]))


@dataclass(frozen=True, slots=True, kw_only=True)
class RockminerClocks:
    """Steps of 10 MHz that are sent along with each task."""

    lowest: float = 200.0
    default: float | None = 270.0
    highest: float = 400.0

    def nearest(self, mhz: float) -> FrequencySetting:
        """Return the step at or below ``mhz``."""
        return FrequencySetting(mhz=mhz // 10 * 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class CairnsmoreClocks:
    """Steps of 2.5 MHz, for bitstreams that know the command; others keep their own clock."""

    lowest: float = 100.0
    default: float | None = None
    highest: float = 220.0

    def nearest(self, mhz: float) -> FrequencySetting:
        """Return the step at or below ``mhz``."""
        reached = mhz // 2.5 * 2.5
        return FrequencySetting(mhz=reached, command=cairnsmore_speed(reached))


_BM1382 = (
    (100.0, 0x0783),
    (125.0, 0x0983),
    (150.0, 0x0B83),
    (175.0, 0x0D83),
    (193.75, 0x0F03),
    (196.875, 0x1F07),
    (200.0, 0x0782),
    (206.25, 0x1006),
    (212.5, 0x1086),
    (218.75, 0x1106),
    (225.0, 0x0882),
    (237.5, 0x1286),
    (243.75, 0x1306),
    (250.0, 0x0982),
)


def _bm1380_settings() -> Iterator[tuple[float, int]]:
    """Yield each frequency with its register; the range bit says that the VCO is at 500 to 1000."""
    for od in range(4):
        for n in range(16):
            for m in range(64):
                mhz = 25 * (m + 1) / ((n + 1) << od)
                vco_is_high = 500 <= mhz * (1 << od) <= 1000
                yield mhz, vco_is_high << 14 | m << 7 | n << 2 | od
