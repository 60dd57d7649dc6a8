"""All devices of a rig: opened as configured or found, kept running, whatever their ports do.

What is plugged in is taken into service by itself only where no device is configured. A device
that is unplugged keeps its name, seat and counters, and goes on when its board is back: known by
the serial number, else by where it is plugged in.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from itertools import count
from random import Random

from drivers import registry
from drivers.api import Clock, Context, Cooled, Device, HeatGoals, Log, PortInfo, Setpoint
from drivers.errors import DriverError
from drivers.hotplug import PortAdded, PortEvent, PortRemoved, watch_ports
from drivers.registry import DriverClashError
from drivers.transports.errors import PortOpenError
from drivers.transports.port_paths import is_place, usb_path
from drivers.transports.usb_device import libusb
from drivers.usb_discovery import identity, port_at
from stratum_client.config import DeviceConfig
from stratum_client.device_finder import (
    Verdict,
    device_error,
    driver_name,
    is_exact,
    means,
    told_by_port,
    verdict_on,
)
from stratum_client.miner import Miner
from stratum_client.port_device import PortDevice
from stratum_client.rims import PlainRims, Rims
from stratum_client.supervise import SupervisedDevice

PortEvents = Callable[[], AsyncGenerator[PortEvent, None]]

ABSENT_AFTER = 5.0
"""Seconds after the start by which whatever is plugged in has been found."""

REMOVE_WAIT = 5.0
"""Seconds that a device has to come to rest when it is removed."""

SOFTWARE = DeviceConfig(name="cpu", driver="cpu")
"""What mines where nothing is configured and nothing found."""


BOARDS_OWN = HeatGoals()
"""Each board as hot as it is made for."""


class _Opener:
    """Makes one device, as often as there is a port for it; its driver may become known late."""

    def __init__(self, driver: str, context: Context, rims: Rims, heat: HeatGoals) -> None:
        self.driver = driver
        self.context = context
        self._rims = rims
        self._heat = heat

    def __call__(self, port: PortInfo, settings: Mapping[str, object]) -> Device:
        """Return a device, not yet running; raise DriverError."""
        driver = registry.driver(self.driver)
        if isinstance(driver, Cooled):
            settings = driver.with_heat(settings, self._heat)
        self._rims.opening(self.context.name, self.driver, port, settings)
        return driver.open(port, settings, self.context)


@dataclass(slots=True, kw_only=True, eq=False)
class _Member:
    """A device, and what is known of its port: ``socket`` is None where it needs none.

    ``identity`` and ``paths`` are of the port it had last.
    """

    config: DeviceConfig
    supervised: SupervisedDevice
    opener: _Opener
    socket: PortDevice | None
    identity: tuple[object, ...] = ()
    paths: frozenset[str] = frozenset()
    task: asyncio.Task[None] | None = None


class Fleet:
    """The devices of one rig.

    ``found`` is what was plugged in at the start, None where devices are configured; ``heat`` what
    is wanted of all that have sensors;
    ``setpoint_for`` says what a new device is to do. Raises ConfigError for a device that cannot be
    as it is configured.
    """

    def __init__(
        self,
        configs: Sequence[DeviceConfig],
        *,
        found: Sequence[Verdict] | None = None,
        miner: Miner,
        clock: Clock,
        random: Random,
        log_for: Callable[[str], Log],
        port_events: PortEvents = watch_ports,
        rims: Rims | None = None,
        setpoint_for: Callable[[str], Setpoint] = lambda _: Setpoint(run=True),
        heat: HeatGoals = BOARDS_OWN,
    ) -> None:
        self._heat = heat
        self._miner = miner
        self._setpoint_for = setpoint_for
        self._clock = clock
        self._random = random
        self._log_for = log_for
        self._log = log_for("devices")
        self._port_events = port_events
        self._rims = rims or PlainRims()
        self._finds = found is not None
        self._members: list[_Member] = []
        self._at: dict[PortInfo, _Member] = {}
        self._present: dict[PortInfo, Verdict] = {}
        self._watching: asyncio.Task[None] | None = None
        self._told: set[str] = set()
        self._needs_libusb = True
        self._group: asyncio.TaskGroup | None = None
        for config in configs:
            self._add(config)
        self._tell_problems()
        if found is not None and not any(verdict.driver for verdict in found):
            self._log.info("devices.none_found", mining_with=SOFTWARE.driver)
            self._add(SOFTWARE)

    @property
    def devices(self) -> list[SupervisedDevice]:
        """Return the devices, plugged in or not."""
        return [member.supervised for member in self._members]

    def port_of(self, name: str) -> PortInfo | None:
        """Return where a device is plugged in; None if it is not, or needs no port."""
        members = (member for member in self._members if member.config.name == name)
        return next((one.socket.port for one in members if one.socket), None)

    async def run(self) -> None:
        """Keep all devices running until cancelled."""
        async with asyncio.TaskGroup() as self._group:
            for member in self._members:
                self._start(member)
            self._watch_if_needed()
            await asyncio.get_running_loop().create_future()

    # -- changes while it runs

    def check(self, config: DeviceConfig) -> None:
        """Raise ConfigError if there cannot be such a device; nothing is opened."""
        _opened(config, self._context(config), self._rims, self._heat, has_port=_has_port(config))

    def add(self, config: DeviceConfig) -> None:
        """Take in a device and start it; raise ConfigError if it cannot be."""
        member = self._add(config)
        if self._group:
            self._start(member)
            self._watch_if_needed()
        for port, verdict in self._present.items():
            if port not in self._at and self._member_for(verdict) is member:
                self._port_added(verdict)
                return

    async def remove(self, name: str) -> None:
        """End a device, put it to rest and let its port go; its counters stay for a namesake."""
        member = next(one for one in self._members if one.config.name == name)
        self._members.remove(member)
        self._at = {port: one for port, one in self._at.items() if one is not member}
        if member.task:
            member.task.cancel()
            _, running = await asyncio.wait([member.task], timeout=REMOVE_WAIT)
            if running:
                self._log.warning("device.ends_slowly", device=name, after=REMOVE_WAIT)
        self._miner.seat_left(name)

    # -- ports

    def _watch_if_needed(self) -> None:
        """Follow ports once there is a device that has one."""
        assert self._group
        has_port = self._finds or any(member.socket for member in self._members)
        if has_port and self._watching is None:
            self._watching = self._group.create_task(self._watch(), name="ports")

    async def _watch(self) -> None:
        telling = asyncio.get_running_loop().call_later(ABSENT_AFTER, self._tell_absent)
        try:
            await self._follow_ports()
        finally:
            telling.cancel()

    def _tell_absent(self) -> None:
        """Say once, for those who read logs only, which devices are still waited for."""
        for member in self._members:
            if member.socket and member.socket.port is None:
                self._log.warning("device.absent", device=member.config.name)

    async def _follow_ports(self) -> None:
        async with aclosing(self._port_events()) as events:
            async for event in events:
                match event:
                    case PortAdded(port=port):
                        verdict = await asyncio.to_thread(self._verdict_on, port)
                        self._present[port] = verdict
                        self._port_added(verdict)
                    case PortRemoved(port=port):
                        self._present.pop(port, None)
                        self._port_removed(port)

    def _port_added(self, verdict: Verdict) -> None:
        port = verdict.port
        member = self._member_for(verdict)
        if member is None and self._finds and verdict.driver:
            name = self._free_name(verdict.driver)
            member = self._add(DeviceConfig(name=name, driver=verdict.driver), is_found=True)
            self._start(member)
        if member is None or member.socket is None:
            if verdict.drivers:
                why = verdict.problem or "no device is configured for it"
                self._log.warning("port.unused", port=port.name, serial=port.serial, reason=why)
            elif verdict.possible:
                self._log.info("port.unclaimed", port=port.name, reason=verdict.problem)
            return
        if not member.opener.driver and not verdict.driver:
            why = f"{verdict.problem}; name its board in the match"
            self._log.error("port.unused", port=port.name, serial=port.serial, reason=why)
            return
        self._plug(member, verdict)

    def _plug(self, member: _Member, verdict: Verdict) -> None:
        assert member.socket
        port = verdict.port
        member.opener.driver = member.opener.driver or verdict.driver
        member.supervised.driver = member.opener.driver
        member.identity = identity(port)
        member.paths = frozenset(port.paths)
        self._at[port] = member
        self._log.info(
            "device.plugged_in", device=member.config.name, port=port.name, serial=port.serial
        )
        member.socket.plug(replace(port, paths=member.config.paths or port.paths))
        member.supervised.retry_at_once()

    def _port_removed(self, port: PortInfo) -> None:
        member = self._at.pop(port, None)
        if member and member.socket:
            self._log.warning("device.unplugged", device=member.config.name, port=port.name)
            member.socket.unplug()

    def _member_for(self, verdict: Verdict) -> _Member | None:
        """Return whose port it is: who had it before, whose path it is, whom it fits best."""
        known = identity(verdict.port)
        plugged = list(self._at.values())
        free = [one for one in self._members if one.socket and one not in plugged]
        wanting = [one for one in free if means(one.config, verdict)]
        before = [one for one in free if one.identity == known and _may_return(one, wanting)]
        # two with one serial number are told apart by where they were
        before.sort(key=lambda one: one.paths.isdisjoint(verdict.port.paths))
        return next(iter((*before, *sorted(wanting, key=_vagueness))), None)

    def _verdict_on(self, port: PortInfo) -> Verdict:
        """Return what a port is taken for; what is wrong with drivers is logged once."""
        self._look_for_libusb(port)
        try:
            verdict = verdict_on(port)
        except DriverClashError as error:
            self._tell_once(error)
            return Verdict(port=port)
        self._tell_problems()
        return verdict

    def _look_for_libusb(self, port: PortInfo) -> None:
        """Say once, when there is a USB bridge, that it cannot be driven but through its tty."""
        if self._needs_libusb and usb_path(port):
            self._needs_libusb = False
            try:
                libusb()
            except PortOpenError as error:
                self._log.warning("usb.unusable", error=str(error), still="ttys work")

    def _tell_problems(self) -> None:
        for problem in registry.problems():
            self._tell_once(problem)

    def _tell_once(self, error: DriverError) -> None:
        if str(error) not in self._told:
            self._told.add(str(error))
            self._log.error("driver.unusable", error=str(error))

    # -- devices

    def _add(self, config: DeviceConfig, *, is_found: bool = False) -> _Member:
        """Take a device in; raise ConfigError if it cannot be."""
        has_port = _has_port(config) or is_found
        context = self._context(config)
        opener, device = _opened(config, context, self._rims, self._heat, has_port=has_port)
        member = _Member(
            config=config,
            opener=opener,
            socket=device if isinstance(device, PortDevice) else None,
            supervised=SupervisedDevice(
                device,
                driver=opener.driver,
                seat=self._miner.seat(config.name),
                random=self._random,
                log=context.log,
                rims=self._rims,
            ),
        )
        if (setpoint := self._setpoint_for(config.name)) != member.supervised.setpoint:
            member.supervised.apply(setpoint)
        self._members.append(member)
        return member

    def _context(self, config: DeviceConfig) -> Context:
        return Context(
            name=config.name,
            miner=self._rims.miner(config.name, self._miner.seat(config.name)),
            clock=self._clock,
            random=self._random,
            log=bound(self._log_for("device"), device=config.name),
            tap=self._rims.tap(config.name),
        )

    def _start(self, member: _Member) -> None:
        assert self._group
        name = f"device {member.config.name}"
        member.task = self._group.create_task(member.supervised.run(), name=name)

    def _free_name(self, base: str) -> str:
        """Return ``base``, or with a number if there is such a device."""
        used = {member.config.name for member in self._members}
        numbered = (base if number == 1 else f"{base}-{number}" for number in count(1))
        return next(name for name in numbered if name not in used)


def bound(log: Log, **fields: object) -> Log:
    """Return ``log`` with ``fields`` in each line, if it can do that."""
    bind = getattr(log, "bind", None)
    return bind(**fields) if bind else log


def _has_port(config: DeviceConfig) -> bool:
    return bool(config.paths or config.match)


def _opened(
    config: DeviceConfig, context: Context, rims: Rims, heat: HeatGoals, *, has_port: bool
) -> tuple[_Opener, Device]:
    """Return what makes a device, and the device or its place; raise ConfigError."""
    try:
        return _made(config, context, rims, heat, has_port=has_port)
    except DriverError as error:
        raise device_error(config, str(error)) from error


def _made(
    config: DeviceConfig, context: Context, rims: Rims, heat: HeatGoals, *, has_port: bool
) -> tuple[_Opener, Device]:
    """Return as `_opened`; raise DriverError too."""
    opener = _Opener(driver_name(config), context, rims, heat)
    if opener.driver:
        registry.driver(opener.driver)
    if not has_port:
        return opener, opener(PortInfo(), config.driver_settings)
    socket = PortDevice(opener, config.driver_settings, name=config.name)
    if config.paths:
        port = port_at(config.paths)
        opener.driver = opener.driver or told_by_port(config, port)
        if is_place(config.paths[0]) and not port.vid:
            socket.check(port)  # a place is always told of when something is plugged in there
        else:
            socket.prepare(port)
    return opener, socket


def _may_return(member: _Member, wanting: Sequence[_Member]) -> bool:
    """Return whether a device may have its old port again: a configured one if it still fits."""
    is_configured = bool(member.config.match or member.config.paths)
    return not is_configured or member in wanting


def _vagueness(member: _Member) -> int:
    """Return a sorting key: a path, then a match with particulars, then the name of a board."""
    match = member.config.match
    return 0 if match is None else 1 if match.serial else 2 if is_exact(match) else 3
