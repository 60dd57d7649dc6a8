"""One device's life after a failure; the only restart logic there is for devices."""

import asyncio
from random import Random

from drivers.api import Device, DeviceState, DeviceStats, Log
from drivers.errors import DriverError
from stratum_client.backoff import Backoff
from stratum_client.miner import Seat
from stratum_client.stats import NamedDevice, ShareCounts

STEADY_AFTER = 60.0
"""A device that ran this long starts again with the shortest pause."""


class SupervisedDevice:
    """A device that is run again whenever it fails; its trouble costs nobody else anything."""

    def __init__(
        self, device: Device, *, driver: str, seat: Seat, random: Random, log: Log
    ) -> None:
        self.name = seat.name
        self.driver = driver
        self.seat = seat
        self._device = device
        self._backoff = Backoff(random)
        self._log = log
        self._problem = ""

    async def run(self) -> None:
        """Run the device until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            self._problem = ""
            self.seat.listener = self._device
            try:
                await self._device.run()
                self._problem = "ended without being told to"
            except DriverError as error:
                self._problem = str(error)
            except Exception as error:  # noqa: BLE001  # our bug or a plug-in's: costs one device
                self._problem = f"{type(error).__name__}: {error}"
                self._log.error("device.crashed", device=self.name, exc_info=True)
            finally:
                self.seat.listener = None
            if loop.time() - started > STEADY_AFTER:
                self._backoff.reset()
            pause = self._backoff.next_pause()
            self._log.warning(
                "device.failed", device=self.name, error=self._problem, retry_in=round(pause, 1)
            )
            await asyncio.sleep(pause)

    def snapshot(self, now: float) -> NamedDevice:
        """Return what is to be told of the device."""
        stats = self._device.stats()
        if self._problem:
            stats = DeviceStats(
                state=DeviceState.FAILED,
                reason=self._problem,
                hardware_errors=stats.hardware_errors,
            )
        counts = ShareCounts.of(self.seat.tally, now)
        return NamedDevice(name=self.name, driver=self.driver, stats=stats, counts=counts)
