"""The physical side of an emulated board: core power, fan and temperatures, without a clock.

One body warms with the chips' power (frequency times voltage squared) and loses heat to the air
through a resistance that falls with the fan's speed. Between two looks at the time everything is
constant, so each step is exact however long it is.

Watts and temperatures are plausible, not measured: the defaults bring a 19 W board to some 55
degrees at full fan and some 85 at a quarter, in air of 25.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drivers.peripherals.emulated_faults import NO_FAULTS, Faults, due
from drivers.peripherals.emulated_silicon import Silicon

if TYPE_CHECKING:
    from random import Random

DIODE_SETTLES = 0.5
"""Seconds after the release of the reset in which a die's diode reads nonsense."""

_RAIL_ON = 0.1  # V
_LEAKAGE = 0.05  # of full power, with voltage but nothing running


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatSpec:
    """How a board warms: ``watts`` in the chips at full activity and ``volts`` per domain.

    ``still`` and ``blown`` are kelvin per watt without fan and at full fan, ``time_constant`` is
    in seconds at full fan, ``fan_rpm`` the fan's full speed. Of what comes in at ``input_volts``
    the share ``efficiency`` arrives in the chips, and the board itself takes ``board_watts``.
    """

    watts: float = 19.0
    volts: float = 1.15
    domains: int = 1
    still: float = 4.5
    blown: float = 1.6
    time_constant: float = 20.0
    ambient: float = 25.0
    fan_rpm: float = 6000.0
    input_volts: float = 5.0
    efficiency: float = 0.9
    board_watts: float = 2.0


class BoardHeat:
    """What the parts on a board measure and drive.

    ``activity`` is the chips' work (1.0: as in the spec), ``duty`` the fan's drive, 0 to 1;
    ``rail`` gives the regulator's output in volts, and ``ambient`` may be changed at any time, as
    may ``silicon``: what the chips really take. Without it, that is what the spec says.
    Change any of them only right after `advance`, so that the past is counted as it was.
    """

    def __init__(
        self,
        spec: HeatSpec,
        *,
        random: "Random",
        faults: Faults = NO_FAULTS,
        silicon: Silicon | None = None,
    ) -> None:
        self.spec = spec
        self.faults = faults
        self.silicon = silicon
        self.ambient = spec.ambient
        self.duty = 0.0
        self.activity = 0.0
        self.rail: Callable[[], float] = lambda: 0.0
        self.die = spec.ambient
        self._random = random
        self._began: float | None = None
        self._now = 0.0
        self._released_at: float | None = None
        self._frozen: dict[str, float] = {}

    def advance(self, now: float) -> None:
        """Let the time pass until ``now``, in seconds."""
        if self._began is None:
            self._began = self._now = now
        if self.silicon and self.faults.degrade:
            self.silicon = self.silicon.worn(self.faults.degrade * (now - self._began) / 3600.0)
        step = max(0.0, now - self._now)
        self._now = max(now, self._now)
        resistance = self._resistance()
        constant = self.spec.time_constant / self.spec.blown * resistance
        settled = self.ambient + self.core_watts * resistance
        self.die = settled + (self.die - settled) * math.exp(-step / constant)

    def release_reset(self, *, released: bool) -> None:
        """Note whether the chips run; their diodes can be read only then, after a moment."""
        if not released:
            self._released_at = None
        elif self._released_at is None:
            self._released_at = self._now

    @property
    def core_volts(self) -> float:
        """Return the voltage of one domain."""
        return self.rail() / self.spec.domains

    @property
    def core_watts(self) -> float:
        """Return the power the chips turn into heat."""
        volts = self.core_volts
        if volts < _RAIL_ON:
            return 0.0
        running = self.activity if self._released_at is not None else 0.0
        if self.silicon:
            mhz = max(running, _LEAKAGE) * self.silicon.mhz
            return self.silicon.watts_at(mhz, volts, self.die)
        return self.spec.watts * max(running, _LEAKAGE) * (volts / self.spec.volts) ** 2

    @property
    def rail_amps(self) -> float:
        """Return the regulator's output current."""
        volts = self.rail()
        return self.core_watts / volts if volts >= _RAIL_ON else 0.0

    @property
    def input_amps(self) -> float:
        """Return the board's input current."""
        return self.input_watts / self.spec.input_volts

    @property
    def input_watts(self) -> float:
        """Return what the board takes in all: what a meter before it shows."""
        return self.core_watts / self.spec.efficiency + self.spec.board_watts

    @property
    def board(self) -> float:
        """Return the temperature of the board's own sensor."""
        return self.ambient + 0.35 * (self.die - self.ambient)

    @property
    def regulator(self) -> float:
        """Return the temperature of the regulator."""
        return self.ambient + 0.9 * (self.die - self.ambient)

    @property
    def rpm(self) -> float:
        """Return the fan's speed."""
        return 0.0 if self.happened("stall_fan_after") else self.spec.fan_rpm * self.duty

    def sensed(self, value: float, *, diode: bool) -> float:
        """Return what the chips' sensor says of the temperature ``value``, its faults included.

        ``diode`` sensors read nonsense unless the die has power and runs.
        """
        faults = self.faults
        if faults.stuck_temperature is not None:
            return faults.stuck_temperature
        if self.happened("absurd_sensor_after"):
            return self._random.choice((-55.0, 126.5)) + self._random.random() / 2
        if self.happened("freeze_sensor_after"):
            return self._frozen.setdefault("die", value)
        self._frozen.pop("die", None)
        if diode and not self._diode_reads():
            return self._random.uniform(-64.0, 127.0)
        return value

    def happened(self, fault: str) -> bool:
        """Return whether the fault of this field name, one with a time, is there by now."""
        after: float | None = getattr(self.faults, fault)
        return due(after, self._now - (self._began or 0.0))

    def _diode_reads(self) -> bool:
        since = self._released_at
        powered = self.core_volts >= _RAIL_ON
        return powered and since is not None and self._now - since >= DIODE_SETTLES

    def _resistance(self) -> float:
        spec, blown = self.spec, self.rpm / self.spec.fan_rpm
        conductance = 1 / spec.still + (1 / spec.blown - 1 / spec.still) * blown
        return (3.0 if self.happened("hot_after") else 1.0) / conductance
