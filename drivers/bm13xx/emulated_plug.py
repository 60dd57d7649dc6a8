"""An emulated device plugged into this process: its ports are loopbacks."""

import asyncio
from collections.abc import Mapping
from dataclasses import fields
from random import Random

from drivers.bm13xx.emulated_boards import device_names, emulated_device
from drivers.bm13xx.emulated_device import EmulatedDevice
from drivers.bm13xx.emulated_port import TICK, EmulatedPorts, Searcher, search_aside
from drivers.bm13xx.ports import CONTROL, DATA
from drivers.errors import SettingError
from drivers.peripherals.emulated_faults import Faults, parse_faults
from drivers.transports.base import OnData, OnLost
from drivers.transports.loopback import Loopback
from drivers.transports.uart import Uart

_SUFFIXES = ("", "+control")
_FAULTS = {item.name for item in fields(Faults)}
_OWN = _FAULTS | {"ambient", "time_constant", "spread"}
_USUAL_SPREAD = 0.08


def can_emulate(name: str) -> bool:
    """Return whether there is an emulation of the board or chip called ``name``."""
    return name in device_names()


class InProcessPorts:
    """`Ports` that an emulated device answers on.

    The device outlives the driver's runs: what was hot stays hot, what was unplugged stays so
    until its time comes. Its time passes only while `serve` runs.
    """

    def __init__(
        self,
        device: EmulatedDevice,
        *,
        searcher: Searcher = search_aside,
        tick: float = TICK,
    ) -> None:
        self.device = device
        self._searcher = searcher
        self._tick = tick
        self._links: tuple[Loopback, ...] = ()
        self._emulator: EmulatedPorts | None = None

    def path(self, place: int) -> str:
        """Return what to call a port."""
        return f"emulated:{self.device.name}{_SUFFIXES[place]}"

    async def open(
        self, place: int, *, on_data: OnData, on_lost: OnLost, baud_rate: int = 115200
    ) -> Uart:
        """Open a port, once `serve` has had a turn."""
        await asyncio.sleep(0)
        self._plugged_in()
        return self._links[place].open(on_data=on_data, on_lost=on_lost, baud_rate=baud_rate)

    async def serve(self) -> None:
        """Hash, heat and answer until cancelled."""
        await self._plugged_in().run()

    def unplug(self, place: int | None = None) -> None:
        """Pull one port, or all of them."""
        for at, link in enumerate(self._links):
            if place in {None, at}:
                link.unplug()

    def replug(self) -> None:
        """Put all ports back."""
        for link in self._links:
            link.replug()

    def _plugged_in(self) -> EmulatedPorts:
        if self._emulator is None:
            self._emulator = self._made()
        return self._emulator

    def _made(self) -> EmulatedPorts:
        """Return the emulator joined to its ports, which need a running event loop."""
        data = Loopback(
            self.path(DATA), on_data=self._data_sent, on_baud_rate=self._baud_rate_changed
        )
        control = Loopback(self.path(CONTROL), on_data=self._control_sent)
        self._links = (data, control) if self.device.has_control else (data,)
        return EmulatedPorts(
            self.device,
            write_data=data.write,
            write_control=control.write,
            on_plug=self._plug_moved,
            searcher=self._searcher,
            tick=self._tick,
        )

    def _data_sent(self, data: bytes) -> None:
        self._plugged_in().data_received(data)

    def _control_sent(self, data: bytes) -> None:
        self._plugged_in().control_received(data)

    def _baud_rate_changed(self, baud_rate: int) -> None:
        self._plugged_in().baud_rate_changed(baud_rate)

    def _plug_moved(self, plugged: bool) -> None:
        if plugged:
            self.replug()
        else:
            self.unplug()


def is_emulated(name: str) -> bool:
    """Return whether there is an emulated device called ``name``, board or bare chain."""
    return name in device_names()


def plugged_in(
    name: str, settings: Mapping[str, object], random: Random, *, ports: int
) -> tuple[InProcessPorts, Mapping[str, object]]:
    """Return the ports of the emulated device called ``name``, and the settings left for a driver.

    Settings of the emulator itself (faults, ambient, time_constant, and ``spread``: how far boards
    of a kind may differ in power) are taken out, its scale is put in. Raises SettingError, also for
    a device of fewer than ``ports`` ports.
    """
    own = {key: value for key, value in settings.items() if key in _OWN}
    faults = {key: str(value) for key, value in own.items() if key in _FAULTS}
    device = emulated_device(
        name,
        random=random,
        chips=whole_setting(settings, "chips"),
        scale=number_setting(settings, "scale"),
        faults=parse_faults(faults),
        ambient=number_setting(settings, "ambient"),
        time_constant=number_setting(settings, "time_constant"),
        spread=_spread(settings),
    )
    if ports > 1 and not device.has_control:
        raise SettingError("emulated", name, "it has no control port, which a board needs")
    left = {key: value for key, value in settings.items() if key not in own}
    return InProcessPorts(device), {**left, "scale": device.chain.scale}


def _spread(settings: Mapping[str, object]) -> float:
    given = number_setting(settings, "spread")
    if given is not None and not 0 <= given <= 0.5:
        raise SettingError("emulated", "spread", f"must be 0 to 0.5, not {given:g}")
    return _USUAL_SPREAD if given is None else given


def whole_setting(settings: Mapping[str, object], name: str) -> int | None:
    """Return a setting that is a whole number, None if it is not given; raise SettingError."""
    number = number_setting(settings, name)
    if number is not None and number != int(number):
        raise SettingError("emulated", name, f"must be a whole number, not {number}")
    return None if number is None else int(number)


def number_setting(settings: Mapping[str, object], name: str) -> float | None:
    """Return a setting that is a number, None if it is not given; raise SettingError."""
    if name not in settings:
        return None
    try:
        return float(str(settings[name]))
    except ValueError as error:
        raise SettingError("emulated", name, f"not a number: {settings[name]!r}") from error
