"""An emulated device plugged into this process: its port is a loopback."""

import asyncio
import math
from collections.abc import Mapping
from dataclasses import fields
from random import Random

from drivers.errors import SettingError
from drivers.icarus.emulated import EmulatedIcarus
from drivers.icarus.emulated_models import emulated_model
from drivers.icarus.emulated_port import EmulatedPort, Searcher, search_aside
from drivers.peripherals.emulated_faults import Faults, parse_faults
from drivers.transports.base import OnData, OnLost
from drivers.transports.loopback import Loopback
from drivers.transports.uart import Uart

_FAULTS = {item.name for item in fields(Faults)}


class InProcessPort:
    """`Ports` that an emulated device answers on.

    The device outlives the driver's runs: what was unplugged stays so until its time comes. Its
    time passes only while `serve` runs.
    """

    def __init__(self, device: EmulatedIcarus, *, searcher: Searcher = search_aside) -> None:
        self.device = device
        self._searcher = searcher
        self._link: Loopback | None = None
        self._emulator: EmulatedPort | None = None

    @property
    def way(self) -> str:
        """Return by which way bytes travel, for people."""
        return "memory"

    def path(self, place: int) -> str:  # noqa: ARG002 - there is one
        """Return what to call the port."""
        return f"emulated:{self.device.name}"

    async def open(
        self,
        place: int,  # noqa: ARG002 - there is one
        *,
        on_data: OnData,
        on_lost: OnLost,
        baud_rate: int = 115200,
    ) -> Uart:
        """Open the port, once `serve` has had a turn."""
        await asyncio.sleep(0)
        return self.link.open(on_data=on_data, on_lost=on_lost, baud_rate=baud_rate)

    async def serve(self) -> None:
        """Hash and answer until cancelled."""
        await self._running().run()

    def unplug(self) -> None:
        """Pull the plug."""
        self.link.unplug()
        self.device.plugged_in()

    def replug(self) -> None:
        """Put it back."""
        self.link.replug()

    @property
    def link(self) -> Loopback:
        """Return the line between driver and device; there must be a running event loop."""
        self._running()
        assert self._link
        return self._link

    def _running(self) -> EmulatedPort:
        if self._emulator is None:
            self._link = Loopback(
                self.path(0), on_data=self._data_sent, on_baud_rate=self._baud_rate_changed
            )
            self._emulator = EmulatedPort(
                self.device,
                write_data=self._link.write,
                on_plug=self._plug_moved,
                searcher=self._searcher,
            )
        return self._emulator

    def _data_sent(self, data: bytes) -> None:
        self._running().data_received(data)

    def _baud_rate_changed(self, baud_rate: int) -> None:
        self._running().baud_rate_changed(baud_rate)

    def _plug_moved(self, plugged: bool) -> None:
        if plugged:
            self.link.replug()
        else:
            self.link.unplug()


def emulated_device(
    name: str, settings: Mapping[str, object], random: Random
) -> tuple[EmulatedIcarus, Mapping[str, object]]:
    """Return the emulated device called ``name``, and the settings left for a driver.

    Faults are settings of the emulator itself and are taken out; its scale and ticket are put in.
    Raises SettingError.
    """
    device = EmulatedIcarus(
        emulated_model(name),
        random=random,
        scale=_share(settings, "scale"),
        ticket=_share(settings, "ticket"),
        baud_rate=_whole(settings, "baud_rate"),
        faults=parse_faults({key: str(settings[key]) for key in settings if key in _FAULTS}),
    )
    left = {key: value for key, value in settings.items() if key not in _FAULTS}
    return device, {**left, "scale": device.scale, "ticket": device.ticket}


def plugged_in(
    name: str, settings: Mapping[str, object], random: Random
) -> tuple[InProcessPort, Mapping[str, object]]:
    """Return the port of the emulated device called ``name``; otherwise as `emulated_device`."""
    device, left = emulated_device(name, settings, random)
    return InProcessPort(device), left


def _share(settings: Mapping[str, object], name: str) -> float | None:
    if name not in settings:
        return None
    value = _number(settings, name)
    if not 0 < value <= 1:
        raise SettingError("emulated", name, f"must be above 0 and at most 1, not {value:g}")
    return value


def _whole(settings: Mapping[str, object], name: str) -> int:
    value = _number(settings, name) if name in settings else 115200.0
    if value != int(value):
        raise SettingError("emulated", name, f"must be a whole number, not {value:g}")
    return int(value)


def _number(settings: Mapping[str, object], name: str) -> float:
    try:
        value = float(str(settings[name]))
    except ValueError as error:
        raise SettingError("emulated", name, f"not a number: {settings[name]!r}") from error
    if not math.isfinite(value) or abs(value) > 1e9:
        raise SettingError("emulated", name, f"out of range: {settings[name]!r}")
    return value
