"""The frequency and core voltage of a device: what is wanted, and the way there.

Up, the voltage goes first, down, the frequency. Commands of frequency are sent twice, as cgminer
does.
"""

from collections.abc import Callable

from drivers.api import Log, Setpoint
from drivers.icarus.commands import set_voltage
from drivers.icarus.exchange import Exchange
from drivers.icarus.model import Model
from drivers.icarus.settings import IcarusSettings
from drivers.icarus.target import Target, target_of
from drivers.low_yield import YieldWatch
from drivers.supply_watch import SupplyWatch
from drivers.transports.failure import Failure

CLOCK_SETTLE = 0.5
"""Seconds after a change of frequency; bfgminer found them necessary for it to take."""

CLOCK_REPEAT = 0.1
VOLTAGE_SETTLE = 0.5


class Speed:
    """Follows ``setpoint``, the ``settings`` and what the device has shown to be too much.

    ``mhz`` is what it was set to, None where nobody knows. ``write`` sends a command to it.
    """

    def __init__(
        self,
        model: Model,
        settings: IcarusSettings,
        exchange: Exchange,
        write: Callable[[bytes], None],
        *,
        supply: SupplyWatch,
        yields: YieldWatch,
        log: Log,
    ) -> None:
        self.setpoint = Setpoint(run=True)
        self.settings = settings
        self.mhz = settings.frequency
        self._model = model
        self._exchange = exchange
        self._write = write
        self._supply = supply
        self._yields = yields
        self._log = log
        self._volts: float | None = None
        self._commanded = False

    def target(self) -> Target:
        """Return what is wanted now."""
        ceilings = [one for one in (self._supply.ceiling, self._yields.ceiling) if one]
        target = target_of(self._model, self.settings.frequency, self.setpoint, ceilings)
        if self._model.clocks is None or target.mhz is None:
            return target
        mhz = self._model.clocks.nearest(target.mhz).mhz
        return Target(run=target.run, mhz=mhz, reason=target.reason)

    def hashrate(self) -> float:
        """Return H/s: as measured if the timing is, else what the model does at this frequency."""
        timing = self._exchange.timing
        is_known = timing.fit or self.settings.seconds_per_hash
        rate = timing.rate if is_known else self._model.nominal_hashrate(self.mhz)
        return rate * self.settings.scale

    async def start(self, failure: Failure) -> None:
        """Set voltage and frequency of a device that may just have got its power."""
        if self.settings.voltage is not None:
            await failure.pause(VOLTAGE_SETTLE)
            self._set_voltage(self.settings.voltage)
        await self._set_frequency(failure, self.target().mhz)

    async def follow(self, failure: Failure, target: Target, changed: Callable[[], None]) -> None:
        """Change what is not as wanted while the device mines; call ``changed`` after each step."""
        if target.mhz != self.mhz and target.mhz is not None:
            self._log.info(
                "frequency.changing", before=self.mhz, to=target.mhz, reason=target.reason
            )
            if target.mhz > (self.mhz or 0.0):
                await self._follow_voltage(failure, changed)
            await self._set_frequency(failure, target.mhz)
            changed()
        else:
            await self._follow_voltage(failure, changed)

    def slow_down(self) -> None:
        """Write the lowest frequency, as the device cannot be switched off."""
        clocks = self._model.clocks
        if clocks and self._commanded:
            self._write(clocks.nearest(clocks.lowest).command)
            self._commanded = False

    async def _follow_voltage(self, failure: Failure, changed: Callable[[], None]) -> None:
        volts = self.settings.voltage
        if volts is None or volts == self._volts:
            return
        self._log.info("voltage.changing", before=self._volts, to=volts)
        self._set_voltage(volts)
        await failure.pause(VOLTAGE_SETTLE)
        changed()

    def _set_voltage(self, volts: float) -> None:
        self._write(set_voltage(volts))
        self._volts = volts

    async def _set_frequency(self, failure: Failure, mhz: float | None) -> None:
        """Set the frequency, if there is one to set."""
        if self._model.clocks is None or mhz is None:
            return
        setting = self._model.clocks.nearest(mhz)
        self.mhz = self._exchange.mhz = setting.mhz
        self._exchange.timing.expect(
            expected_seconds_per_hash(self._model, self.settings, self.mhz)
        )
        self._commanded = bool(setting.command)
        if setting.command:
            self._write(setting.command)
            self._supply.runs_at(setting.mhz, nonces=self._exchange.counters.nonces)
            await failure.pause(CLOCK_REPEAT)
            self._write(setting.command)
            await failure.pause(CLOCK_SETTLE)


def expected_seconds_per_hash(model: Model, settings: IcarusSettings, mhz: float | None) -> float:
    """Return what a work is timed by before it is measured."""
    return settings.seconds_per_hash or model.expected_seconds_per_hash(mhz)
