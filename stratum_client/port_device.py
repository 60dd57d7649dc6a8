"""A device whose port comes and goes; to everybody else it is one `Device` all along.

Each time the port is there, the driver makes a new device on it, with the settings and orders that
the old one had last. While it is not there, it waits, which is no failure.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from drivers.api import (
    Adjustable,
    Device,
    DeviceState,
    DeviceStats,
    Identifiable,
    Modelled,
    OperatingPoint,
    PortInfo,
    Setpoint,
)
from drivers.errors import DriverError, SettingError, TransportLostError
from drivers.transports.errors import PortBusyError, PortDeniedError, PortOpenError

NOTICE = 3.0
"""Seconds within which a lost transport and the news of an unplug meet, whichever comes first."""

PERMITTED_WITHIN = 5.0
"""Seconds after a plug in which a port may still become permitted.

Where udev cannot be seen at work, as in containers, its permissions come after the kernel's news.
"""

_PERMISSION_LOOK = 0.25

Opener = Callable[[PortInfo, Mapping[str, object]], Device]


class PortDevice:
    """What an ``opener`` makes of a port with ``settings``, as often as there is one.

    ``port`` is where the device is by now, None while it is not plugged in.
    """

    def __init__(self, opener: Opener, settings: Mapping[str, object], *, name: str) -> None:
        self.port: PortInfo | None = None
        self._opener = opener
        self._settings = dict(settings)
        self._name = name
        self._setpoint: Setpoint | None = None
        self._device: Device | None = None
        self._errors_before = 0
        self._losses = 0
        self._made_after = 0  # so many losses
        self._is_listed = False
        self._plugged_at = 0.0
        self._plugged = asyncio.Event()
        self._removed = asyncio.Event()
        self._limit: asyncio.Timeout | None = None

    def check(self, port: PortInfo) -> None:
        """Raise SettingError for a setting that will be wrong once ``port`` is there."""
        self._opened(port)

    def prepare(self, port: PortInfo) -> None:
        """Try ``port``, there or not; raise SettingError for a wrong setting."""
        self._device = self._opened(port)
        self.port = port
        self._plugged.set()

    def plug(self, port: PortInfo) -> None:
        """Go on at ``port``, which was seen to be there; harmless when already there."""
        self.port = port
        self._is_listed = True
        self._plugged_at = asyncio.get_running_loop().time()
        self._removed.clear()
        self._plugged.set()

    def unplug(self) -> None:
        """Wait for a port; a device that does not notice the loss by itself is ended."""
        self.port = None
        self._plugged.clear()
        self._removed.set()
        self._losses += 1
        if self._limit and not self._limit.expired():
            self._limit.reschedule(asyncio.get_running_loop().time() + NOTICE)

    async def run(self) -> None:
        """Mine whenever the port is there; raise what the device raises while it is."""
        while True:
            await self._plugged.wait()
            await self._run_plugged()

    def job_changed(self, *, clean: bool) -> None:
        """Pass the word on."""
        if self._device:
            self._device.job_changed(clean=clean)

    def apply(self, setpoint: Setpoint) -> None:
        """Remember what to do on this port and the next."""
        self._setpoint = setpoint
        if self._device:
            self._device.apply(setpoint)

    def adjust(self, settings: Mapping[str, object]) -> None:
        """Change settings for this port and the next; raise SettingError."""
        if self._device is None or self.port is None:
            raise SettingError(self._name, ", ".join(settings), "it is not plugged in")
        if not isinstance(self._device, Adjustable):
            raise SettingError(self._name, ", ".join(settings), "it cannot be set while it runs")
        self._device.adjust(settings)
        self._settings |= settings

    def identify(self) -> None:
        """Blink; raise DriverError when it cannot."""
        if self._device is None or self.port is None:
            raise DriverError("it is not plugged in")
        if not isinstance(self._device, Identifiable):
            raise DriverError("it has no way to show itself")
        self._device.identify()

    def operating_points(self) -> Sequence[OperatingPoint]:
        """Return what the device on this port knows of its speeds; nothing without one."""
        device = self._device if self.port else None
        return device.operating_points() if isinstance(device, Modelled) else ()

    def stats(self) -> DeviceStats:
        """Return what the device says; hardware errors count on from port to port."""
        if self._device is None or self.port is None:
            return DeviceStats(
                state=DeviceState.STARTING if self.port else DeviceState.ABSENT,
                reason="" if self.port else "not plugged in",
                hardware_errors=self._errors(),
            )
        return replace(self._device.stats(), hardware_errors=self._errors())

    def _errors(self) -> int:
        current = self._device.stats().hardware_errors if self._device else 0
        return self._errors_before + current

    async def _run_plugged(self) -> None:
        """Return when the port is gone."""
        assert self.port
        losses = self._losses
        if self._made_after != losses:
            self._forget_device()
        self._device = self._device or self._opened(self.port)
        try:
            await self._run_until_told(self._device)
        except PortDeniedError:
            if losses == self._losses and not await self._may_be_permitted():
                raise
            return  # the same device, tried again if it is still there
        except PortBusyError:
            if losses == self._losses:
                raise
        except (TransportLostError, PortOpenError):
            if losses == self._losses and not await self._will_be_unplugged():
                raise
        except DriverError:
            if losses == self._losses:
                raise
        self._forget_device()

    async def _run_until_told(self, device: Device) -> None:
        """Run ``device``; return when it has not noticed for too long that it is unplugged."""
        limit = self._limit = asyncio.timeout(None)
        try:
            async with limit:
                await device.run()
        except TimeoutError:
            if not limit.expired():
                raise
        finally:
            self._limit = None

    async def _will_be_unplugged(self) -> bool:
        """Return whether the port itself is gone; the news of it may still be on its way."""
        if not self._is_listed:  # nobody would bring news of such a port
            return False
        try:
            async with asyncio.timeout(NOTICE):
                await self._removed.wait()
        except TimeoutError:
            return False
        return True

    async def _may_be_permitted(self) -> bool:
        """Return after a while whether it is worth another try to open the port."""
        loop = asyncio.get_running_loop()
        if not self._is_listed or loop.time() - self._plugged_at > PERMITTED_WITHIN:
            return False
        with suppress(TimeoutError):
            async with asyncio.timeout(_PERMISSION_LOOK):
                await self._removed.wait()
        return True

    def _opened(self, port: PortInfo) -> Device:
        device = self._opener(port, dict(self._settings))
        self._made_after = self._losses
        if self._setpoint:
            device.apply(self._setpoint)
        return device

    def _forget_device(self) -> None:
        self._errors_before, self._device = self._errors(), None
