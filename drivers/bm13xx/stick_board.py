"""A stick around its chips: a reset line on the bridge's free pins, or nothing.

A stick has no sensor and no switch of its own; held in reset, its chips draw next to nothing.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from drivers.api import Log
from drivers.bm13xx.board_power import Load
from drivers.bm13xx.settings import BoardSettings
from drivers.bm13xx.stick import PinReset, Stick
from drivers.bm13xx.surroundings import BoardSnapshot
from drivers.bm13xx.target import Abilities, Throttle
from drivers.transports.bridge_ports import BridgePort
from drivers.transports.errors import LineControlError, PortOpenError
from drivers.transports.failure import Failure

RISE = 0.03
"""Seconds that the pins stay as when running, before they fall: they may just have been made."""


class StickBoard:
    """`Surroundings` of a stick's chips. Where the pins cannot be driven, it goes on without."""

    volts = 0.0

    def __init__(self, stick: Stick, port: BridgePort, log: Log, *, mhz: float) -> None:
        self._reset = stick.reset
        self._port = port
        self._log = log
        self._abilities = Abilities(mhz=mhz, least_mhz=stick.chip.frequency.lowest)
        self._resets = 0

    @property
    def can_switch_off(self) -> bool:
        """Tell whether the chips can be held in reset."""
        return self._reset is not None

    async def open(self, failure: Failure) -> None:
        """Do nothing: the pins come with the port."""

    async def watch(self, load: Callable[[], Load]) -> None:
        """Watch nothing: there is no sensor."""

    async def cooled_down(self) -> None:
        """Wait for nothing."""

    async def power_on(self) -> bool:
        """Reset the chips, so that they are at their first baud rate; raise TransportLostError."""
        if (reset := self._reset) is None:
            return True
        for levels, seconds in (
            (reset.run, RISE),
            (reset.hold, reset.low),
            (reset.run, reset.settle),
        ):
            if not await self._drive(reset, levels):
                return True
            await asyncio.sleep(seconds)
        self._resets += 1
        return True

    def break_off(self) -> None:
        """Do nothing: it takes a second, and chips without work hardly take power."""

    async def reset_chips(self) -> None:
        """Put the chips into reset; `power_on` follows."""
        await self.power_off()

    async def power_off(self) -> None:
        """Hold the chips in reset, if that can be done; raise TransportLostError."""
        if self._reset is not None:
            await self._drive(self._reset, self._reset.hold)

    async def set_voltage(self, volts: float, *, still: Callable[[], bool]) -> bool:  # noqa: ARG002 - a trimmer sets it
        """Do nothing."""
        return True

    def settings_changed(self, mhz: float, settings: BoardSettings | None) -> None:  # noqa: ARG002 - there is no board
        """Take a new frequency."""
        self._abilities = replace(self._abilities, mhz=mhz)

    def abilities(self) -> Abilities:
        """Return the frequency the stick is set to."""
        return self._abilities

    def throttle(self) -> Throttle:
        """Return full speed: nothing is known of the heat."""
        return Throttle()

    def snapshot(self) -> BoardSnapshot:
        """Return the way to the stick and how often it was reset."""
        return BoardSnapshot(details={"way": self._port.way, "resets": self._resets})

    def safe_off(self) -> None:
        """Hold the chips in reset."""
        if self._reset is not None:
            self._port.set_pins_soon(mask=self._reset.mask, levels=self._reset.hold)

    async def finish(self) -> None:
        """Let go of the pins."""
        await self._port.finish()

    async def _drive(self, reset: PinReset, levels: int) -> bool:
        """Drive the pins; return False, and never try again, where that cannot be done."""
        try:
            await self._port.set_pins(mask=reset.mask, levels=levels)
        except (LineControlError, PortOpenError) as error:
            self._reset = None
            self._log.warning("stick.without_reset", error=str(error))
            return False
        return True
