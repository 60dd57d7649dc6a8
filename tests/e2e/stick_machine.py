"""A computer with emulated sticks in its USB ports, as discovery, libusb and the kernel show them.

What is plugged in is found by the fleet of a real client, as real sticks are: nothing of a driver
knows that they are emulated. Only libusb is another, and the list of ports.
"""

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from random import Random

import pytest

from drivers import registry
from drivers.api import DeviceState
from drivers.bm13xx.driver import DRIVERS as BM13XX
from drivers.bm13xx.driver import StickDriver
from drivers.bm13xx.emulated_sticks import emulated_stick
from drivers.bm13xx.emulated_usb_plug import EmulatedStickPort
from drivers.bm13xx.guarded_stick import GuardedStickDriver
from drivers.discovery import Found
from drivers.hotplug import PortEvent, watch_ports
from drivers.icarus.driver import DRIVERS as ICARUS
from drivers.icarus.emulated import EmulatedIcarus
from drivers.icarus.emulated_models import emulated_model
from drivers.icarus.emulated_usb_plug import EmulatedUsbPort
from drivers.transports import usb_device
from drivers.transports.emulated_usb.backend import EmulatedBackend
from drivers.transports.emulated_usb.bus import EmulatedBus
from drivers.transports.emulated_usb.device import Controller, EmulatedUsbDevice
from drivers.transports.emulated_usb.identities import STICKS
from drivers.transports.emulated_usb.kernel_ttys import KernelTtys
from drivers.usb_discovery import LibusbScanner
from stratum_client.clock import SystemClock
from stratum_client.config import Deadlines, DeviceConfig, DeviceMatch
from stratum_client.device_finder import Verdict
from stratum_client.emulated_pool.chain import ChainSettings
from stratum_client.emulated_pool.server import EmulatedPool
from stratum_client.emulated_pool.settings import PoolSettings
from stratum_client.fleet import Fleet
from stratum_client.job import Fate
from stratum_client.miner import Miner
from stratum_client.pool import Pool
from stratum_client.stats import NamedDevice
from tests.e2e.rig import Bench, config_for
from tests.stand_ins import RecordingLog

BUS = 99
"""A number that no real bus has."""

DIFFICULTY = 2.0**-20
"""About one hash in 4096 is a share."""

HASHES = 30_000.0
"""Hashes that an Icarus-class device tries in a second."""

NAMES = tuple(name for name in registry.names() if name in STICKS)
"""Every stick that there is a driver for."""

PATIENCE = 60.0
"""Seconds; the slowest step of a silent chain's recovery is well within them."""


def settings_of(name: str) -> Mapping[str, object]:
    """Return settings of a driver that mines fast enough for a test, where its ramp begins."""
    if name in ICARUS:
        model = ICARUS[name].model
        lowest = model.clocks.lowest if model.clocks else None
        settings: dict[str, object] = {"frequency": lowest} if lowest else {}
        scale = min(2.0**-12, HASHES / model.nominal_hashrate(lowest or model.fixed_mhz))
        return {**settings, "scale": scale, "ticket": DIFFICULTY}
    driver = BM13XX[name]
    assert isinstance(driver, (StickDriver, GuardedStickDriver))
    spec = driver.stick if isinstance(driver, StickDriver) else driver.board
    mhz = max(93.75, spec.frequency.lowest)
    return {"frequency": mhz, "scale": DIFFICULTY, "nonces_per_second": 4 / spec.chips}


@dataclass
class PluggedStick:
    """One stick in a port of the machine."""

    name: str
    place: str
    port: EmulatedStickPort | EmulatedUsbPort
    tty: str

    @property
    def usb(self) -> EmulatedUsbDevice:
        return self.port.usb

    def config(self, *, via: str = "auto") -> DeviceConfig:
        """Return what an operator writes: a serial number, or the place of one without."""
        settings = {**settings_of(self.name), "via": via}
        serial = self.usb.identity.serial
        if serial in {"", "0001"}:
            port = self.tty if via == "tty" else f"usb:{self.place}"
            return DeviceConfig(name=self.name, driver=self.name, port=port, settings=settings)
        match = DeviceMatch(board=self.name, serial=serial)
        return DeviceConfig(name=self.name, match=match, settings=settings)

    @property
    def is_given_back(self) -> bool:
        """Return whether the kernel's driver has it, and nobody else."""
        bound = [self.usb.claims.bound(one.number) for one in self.usb.bridge.interfaces]
        return not self.usb.handles and not self.usb.claims.claimed and all(bound)

    @property
    def garbage(self) -> int:
        return sum(uart.garbage for uart in self.usb.bridge.ports)


class BusNews:
    """What udev's monitor is to a fleet, for a bus."""

    def __init__(self, bus: EmulatedBus) -> None:
        self._bus = bus
        self._readable, self._writable = os.pipe()
        os.set_blocking(self._readable, False)
        os.set_blocking(self._writable, False)
        self._lock = threading.Lock()
        self._hush = bus.listen(lambda _: self.announce())

    def start(self) -> None:
        """Hear from the start."""

    def fileno(self) -> int:
        return self._readable

    def poll(self, timeout: float) -> object | None:
        assert timeout == 0
        try:
            return os.read(self._readable, 1)
        except BlockingIOError:
            return None

    def announce(self) -> None:
        with self._lock, contextlib.suppress(BlockingIOError, OSError):
            os.write(self._writable, b"e")

    def close(self) -> None:
        self._hush()
        with self._lock:
            os.close(self._readable)
            os.close(self._writable)


class Machine:
    """A computer; must be made on a running loop and closed."""

    def __init__(self, folder: Path, *, controller: Controller = Controller.XHCI) -> None:
        self.bus = EmulatedBus(BUS, controller=controller)
        self.backend = EmulatedBackend(self.bus)
        self.sticks: list[PluggedStick] = []
        self._news = BusNews(self.bus)
        self._ttys = KernelTtys(self.bus, directory=folder, on_change=self._news.announce)
        self._scanner = LibusbScanner(self.backend)
        self._chips: list[asyncio.Task[None]] = []
        self._seeds = count(3)
        self._folder = folder
        self._tty_count = 0

    def plug_in(self, name: str, serial: str = "") -> PluggedStick:
        """Plug a new stick into the next free port."""
        random, scale = Random(next(self._seeds)), settings_of(name)["scale"]
        assert isinstance(scale, float)
        port: EmulatedStickPort | EmulatedUsbPort
        if name in ICARUS:
            model = emulated_model(name)
            icarus = EmulatedIcarus(model, random=random, scale=scale, ticket=DIFFICULTY)
            port = EmulatedUsbPort(icarus, random=random, bus=self.bus, serial=serial)
        else:
            chips = emulated_stick(name, random=random, scale=scale)
            port = EmulatedStickPort(chips, random=random, bus=self.bus, serial=serial)
        numbers = ".".join(map(str, port.usb.port_numbers))
        tty = str(self._folder / f"ttyUSB{self._tty_count}")
        self._tty_count += len(port.usb.bridge.drives_together)
        stick = PluggedStick(name=name, place=f"{BUS}-{numbers}", port=port, tty=tty)
        self._chips.append(asyncio.create_task(port.run_chips(), name=f"chips of {name}"))
        self.sticks.append(stick)
        return stick

    def scan(self) -> tuple[Found, ...]:
        """Return what discovery would find: sticks with their ttys first; from a thread."""
        ttys = {
            f"usb:{BUS}-{'.'.join(map(str, device.port_numbers))}": device
            for device in self.bus.devices
        }
        return tuple(self._with_ttys(one, ttys.get(one.port.paths[0])) for one in self._scanner())

    def events(self) -> AsyncGenerator[PortEvent, None]:
        return watch_ports(self.scan, monitor=lambda: self._news, rescan=1.0)

    def condition(self) -> list[str]:
        """Return what became of each stick's chips and its line, for a failed test."""
        said = []
        for stick, task in zip(self.sticks, self._chips, strict=True):
            refusals = getattr(getattr(stick.port.device, "chain", None), "refusals", ())
            uart = stick.usb.bridge.ports[0]
            ended = task.done() and repr(task.exception())
            line = (uart.sent, uart.heard, uart.garbage, uart.enabled, uart.line.baud_rate)
            said.append(f"{stick.name} {line} ended: {ended} refused: {list(refusals)[-3:]}")
        return said

    async def close(self) -> None:
        for task in self._chips:
            task.cancel()
        await asyncio.gather(*self._chips, return_exceptions=True)
        self._ttys.close()
        self._news.close()

    def _with_ttys(self, found: Found, device: EmulatedUsbDevice | None) -> Found:
        if device is None:
            return found
        paths = self._ttys.paths(device)
        groups = device.bridge.drives_together
        wanted = sum(all(device.claims.bound(number) for number in group) for group in groups)
        port = replace(found.port, paths=(*paths, *found.port.paths))
        return replace(found, port=port, ready=len(paths) == wanted)


@dataclass
class StickBench(Bench):
    """A running client with a machine."""

    machine: Machine
    fleet: Fleet
    news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def devices(self) -> dict[str, NamedDevice]:
        return {one.name: one.snapshot(0.0) for one in self.fleet.devices}

    def accepted(self, name: str = "") -> int:
        devices = self.devices
        tallies = {one.name: one.seat.tally for one in self.fleet.devices if one.name in devices}
        return tallies[name].fates[Fate.ACCEPTED]

    def states(self) -> dict[str, DeviceState]:
        return {name: one.stats.state for name, one in self.devices.items()}

    async def mine(self, shares: int, *names: str) -> None:
        """Wait until each device has so many more accepted shares."""
        goals = {name: self.accepted(name) + shares for name in names or self.devices}
        try:
            await self.until(
                lambda: all(self.accepted(name) >= goal for name, goal in goals.items()), PATIENCE
            )
        except AssertionError as error:
            lazy = {name for name, goal in goals.items() if self.accepted(name) < goal}
            stats = [self.devices[name].stats for name in lazy]
            told = [event for event in self.log.events if event[2].get("device") in lazy]
            words = f"{lazy} found too little: {stats} {told[-20:]} {self.machine.condition()}"
            raise AssertionError(words) from error

    async def replug(self, *sticks: PluggedStick) -> None:
        """Pull sticks, wait until they are missed, put them back."""
        for stick in sticks:
            self.machine.bus.unplug(stick.usb)
        await self.until(
            lambda: list(self.states().values()).count(DeviceState.ABSENT) == len(sticks), PATIENCE
        )
        for stick in sticks:
            self.machine.bus.replug(stick.usb)

    def assert_no_share_was_wrong(self) -> None:
        theirs = self.theirs
        assert theirs.low_difficulty == theirs.invalid == theirs.unauthorized == 0, theirs
        assert self.ours.fates[Fate.REJECTED] == 0
        errors = {name: one.stats.hardware_errors for name, one in self.devices.items()}
        wrong = [event for event in self.log.events if event[1] == "nonce.invalid"]
        assert not any(errors.values()), (
            errors,
            wrong,
            [one.garbage for one in self.machine.sticks],
        )


@contextlib.asynccontextmanager
async def machine_in(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, controller: Controller = Controller.XHCI
) -> AsyncIterator[Machine]:
    """Make a machine whose devices are libusb's for the time being."""
    machine = Machine(folder, controller=controller)
    monkeypatch.setattr(usb_device, "libusb", lambda _="": machine.backend)
    try:
        yield machine
    finally:
        await machine.close()


@contextlib.asynccontextmanager
async def mining_with(
    machine: Machine,
    configs: Sequence[DeviceConfig] = (),
    *,
    found: Sequence[Verdict] | None = None,
) -> AsyncIterator[StickBench]:
    """Run a pool and a client that mines there with what the machine has."""
    chain = ChainSettings(network_difficulty=1e6, branches=3)
    settings = PoolSettings(difficulty=DIFFICULTY, vardiff="off", chain=chain)
    clock, log = SystemClock(), RecordingLog()
    async with EmulatedPool(settings, clock=clock, random=Random(7)) as server:
        miner = Miner(clock)
        config = config_for(server, deadlines=Deadlines())
        pool = Pool(config, miner, clock=clock, random=Random(7), log=log, hashrate=lambda: 0.0)
        fleet = Fleet(
            configs,
            found=found,
            miner=miner,
            clock=clock,
            random=Random(6),
            log_for=lambda _: log,
            port_events=machine.events,
        )
        async with asyncio.TaskGroup() as group:
            talking = group.create_task(pool.run())
            mining = group.create_task(fleet.run())
            try:
                yield StickBench(
                    server=server, pool=pool, miner=miner, log=log, machine=machine, fleet=fleet
                )
            finally:
                mining.cancel()
                await asyncio.wait([mining])
                await pool.drain(2.0)
                talking.cancel()


async def threads_left(before: set[threading.Thread]) -> list[str]:
    """Return the names of USB threads that do not end."""
    left = []
    for thread in set(threading.enumerate()) - before:
        if thread.name.startswith("usb "):
            await asyncio.to_thread(thread.join, 5.0)
            if thread.is_alive():
                left.append(thread.name)
    return left
