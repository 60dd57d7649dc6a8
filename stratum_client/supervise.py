"""Life after a failure, of one device or one optional part; the only restart logic for them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from random import Random

from drivers.api import (
    Device,
    DeviceState,
    DeviceStats,
    Log,
    Modelled,
    OperatingPoint,
    Setpoint,
)
from drivers.errors import DriverError
from stratum_client.backoff import Backoff
from stratum_client.miner import Seat
from stratum_client.rims import PlainRims, Rims
from stratum_client.stats import NamedDevice, ShareCounts

STEADY_AFTER = 60.0
"""A device, or a part, that ran this long starts again with the shortest pause."""


async def kept_running(
    part: str, run: Callable[[], Awaitable[None]], *, random: Random, log: Log
) -> None:
    """Run an optional part until it returns; run it again after it crashed, for that is our bug."""
    backoff, loop = Backoff(random), asyncio.get_running_loop()
    while True:
        started = loop.time()
        try:
            return await run()
        except Exception as error:  # noqa: BLE001  # it costs this part, and not the hashing
            if loop.time() - started > STEADY_AFTER:
                backoff.reset()
            pause = backoff.next_pause()
            _tell_crash(log, part, error, pause)
        await asyncio.sleep(pause)


def _tell_crash(log: Log, part: str, error: Exception, pause: float) -> None:
    log.error("part.crashed", part=part, retry_in=round(pause, 1), exc_info=error)


class SupervisedDevice:
    """A device that is run again whenever it fails; its trouble costs nobody else anything."""

    def __init__(
        self,
        device: Device,
        *,
        driver: str,
        seat: Seat,
        random: Random,
        log: Log,
        rims: Rims | None = None,
    ) -> None:
        self.name = seat.name
        self.driver = driver
        self.seat = seat
        self.setpoint = Setpoint(run=True)
        self.device = device
        self._backoff = Backoff(random)
        self._log = log
        self._rims = rims or PlainRims()
        self._problem = ""
        self._task: asyncio.Task[None] | None = None
        self._crashed: Exception | None = None
        self._is_untold = False
        self._at_once = asyncio.Event()

    async def run(self) -> None:
        """Run the device until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            self._problem = await self._run_once()
            if loop.time() - started > STEADY_AFTER:
                self._backoff.reset()
            pause = self._backoff.next_pause()
            self._log.warning(
                "device.failed", device=self.name, error=self._problem, retry_in=round(pause, 1)
            )
            self._at_once.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._at_once.wait()

    def retry_at_once(self) -> None:
        """End the pause after a failure, if there is one: something has changed."""
        self._backoff.reset()
        self._at_once.set()

    def apply(self, setpoint: Setpoint) -> None:
        """Tell the device what to do, and remember it for those who ask.

        A device that raises in this call is ended: it is told again before it may run again.
        """
        self.setpoint = setpoint
        self._rims.applied(self.name, setpoint)
        try:
            self.device.apply(setpoint)
        except Exception as error:  # noqa: BLE001  # a plug-in's bug must not reach other devices
            self._is_untold = True
            self._end_for(error)

    def job_changed(self, *, clean: bool) -> None:
        """Pass the word on; a device that raises in this call is ended, the caller goes on."""
        self._rims.told(self.name, clean=clean)
        try:
            self.device.job_changed(clean=clean)
        except Exception as error:  # noqa: BLE001  # a plug-in's bug must not reach the pool
            self._end_for(error)

    def _end_for(self, error: Exception) -> None:
        self.seat.listener = None
        self._crashed = error
        if self._task:
            self._task.cancel()

    def snapshot(self, now: float) -> NamedDevice:
        """Return what is to be told of the device."""
        counts = ShareCounts.of(self.seat.tally, now)
        return NamedDevice(name=self.name, driver=self.driver, stats=self._stats(), counts=counts)

    def operating_points(self) -> Sequence[OperatingPoint]:
        """Return the speeds that the device can be held at; none where it knows none."""
        try:
            return self.device.operating_points() if isinstance(self.device, Modelled) else ()
        except Exception:  # noqa: BLE001  # a plug-in's bug must not end the control of others
            return ()

    async def _run_once(self) -> str:
        """Run the device until it fails; return why it did."""
        task = self._task = asyncio.current_task()
        self._crashed, self._problem = None, ""
        self.seat.listener = self
        try:
            if self._is_untold:
                self.device.apply(self.setpoint)
                self._is_untold = False
            await self.device.run()
        except DriverError as error:
            return str(error)
        except asyncio.CancelledError:
            if not (crash := self._crash()) or (task and task.uncancel()):
                raise
            return self._told_crash(crash)
        except Exception as error:  # noqa: BLE001  # our bug or a plug-in's: costs one device
            return self._told_crash(error)
        finally:
            self.seat.listener, self._task = None, None
        return "ended without being told to"

    def _crash(self) -> Exception | None:
        """Return what the device raised while it was told something, and was cancelled for."""
        return self._crashed

    def _told_crash(self, error: Exception) -> str:
        self._log.error("device.crashed", device=self.name, exc_info=error)
        return f"{type(error).__name__}: {error}"

    def _stats(self) -> DeviceStats:
        try:
            stats = self.device.stats()
        except Exception as error:  # noqa: BLE001  # a plug-in's bug must not end the status
            problem = f"it cannot tell of itself: {type(error).__name__}: {error}"
            return DeviceStats(state=DeviceState.FAILED, reason=problem)
        if not self._problem:
            return stats
        return DeviceStats(
            state=DeviceState.FAILED,
            reason=self._problem,
            hardware_errors=stats.hardware_errors,
        )
