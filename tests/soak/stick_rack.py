"""A rack of emulated sticks in one daemon, and what its threads cost; for the soak runs."""

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from random import Random

from drivers.bm13xx.either_chip import EitherChipDevice
from drivers.bm13xx.emulated_device import EmulatedDevice
from drivers.bm13xx.emulated_models import MODELS
from drivers.bm13xx.emulated_sticks import STICKS, STICKS_WITH_TELEMETRY
from drivers.bm13xx.emulated_usb_plug import EmulatedStickPort
from drivers.icarus.driver import DRIVERS as ICARUS
from drivers.icarus.emulated_usb_plug import EmulatedUsbPort
from stratum_client.clock import SystemClock
from stratum_client.config import Config, DeviceConfig, PoolConfig
from stratum_client.daemon import Daemon
from stratum_client.job import Fate
from stratum_client.pool_url import parse_pool_url
from stratum_client.supervise import SupervisedDevice
from tests.e2e.stick_machine import DIFFICULTY, settings_of
from tests.stand_ins import RecordingLog

SHARES = 1.5
"""Shares that each stick finds in a second, about."""

START_WITHIN = 120.0
PROBE = 0.01
"""Seconds between two looks at how late the loop is."""

SLOWEST = 6.25
"""MHz to which chips without a reset line are slowed down."""

GROUPS = {
    "loop and emulated chips": ("MainThread",),
    "USB readers": ("usb read",),
    "USB writers": ("usb write",),
    "emulated hashing": ("emulated-search",),
}
"""Threads by how their names begin."""


def config_of(number: int, name: str) -> DeviceConfig:
    """Return an emulated stick that finds `SHARES` a second at `DIFFICULTY`."""
    settings = dict(settings_of(name))
    settings["scale"] = SHARES * DIFFICULTY * 2**32 / _hashrate(name, settings.get("frequency"))
    return DeviceConfig(name=f"{name}-{number}", driver=f"emulated:{name}", settings=settings)


def _hashrate(name: str, mhz: object) -> float:
    """Return what a real stick tries in a second."""
    assert isinstance(mhz, (int, float)) or mhz is None
    if name in ICARUS:
        model = ICARUS[name].model
        return model.nominal_hashrate(mhz or model.fixed_mhz)
    spec = {**STICKS, **STICKS_WITH_TELEMETRY}[name]
    assert mhz
    return MODELS[spec.model].engines * spec.chips * mhz * 1e6


class LagProbe:
    """How late the loop was each time, in seconds; ``own`` without the wait for a CPU.

    That wait is what other programs cost: the kernel tells how long a thread stood in its queue.
    """

    def __init__(self) -> None:
        self.all: list[float] = []
        self.own: list[float] = []

    async def run(self) -> None:
        loop, queued = asyncio.get_running_loop(), _seconds_in_queue()
        while True:
            due = loop.time() + PROBE
            await asyncio.sleep(PROBE)
            lag, before, queued = max(0.0, loop.time() - due), queued, _seconds_in_queue()
            self.all.append(lag)
            self.own.append(max(0.0, lag - (queued - before)))


def percentile(values: Sequence[float], percent: float) -> float:
    """Return what so many of 100 values do not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * percent / 100))]


def _seconds_in_queue() -> float:
    return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9


class ThreadClock:
    """CPU time of this process since it was made, thread by thread; Linux only."""

    def __init__(self) -> None:
        self._began, self._before = time.monotonic(), _thread_times()

    def shares(self) -> dict[str, float]:
        """Return the share of a core that each group of threads has used."""
        elapsed = time.monotonic() - self._began
        shares = dict.fromkeys((*GROUPS, "others"), 0.0)
        for (number, name), seconds in _thread_times().items():
            spent = seconds - self._before.get((number, name), 0.0)
            group = next((one for one, start in GROUPS.items() if name.startswith(start)), "others")
            shares[group] += spent / elapsed
        return shares


def _thread_times() -> dict[tuple[int, str], float]:
    """Return the seconds on a CPU of each living thread, by its number and name."""
    times = {}
    for thread in threading.enumerate():
        path = Path(f"/proc/self/task/{thread.native_id}/schedstat")
        with contextlib.suppress(OSError):  # it has just ended
            times[thread.native_id or 0, thread.name] = int(path.read_text().split()[0]) / 1e9
    return times


class RackedStick:
    """One stick of the daemon."""

    def __init__(self, supervised: SupervisedDevice) -> None:
        self.name = supervised.name
        self._supervised = supervised

    @property
    def accepted(self) -> int:
        return self._supervised.seat.tally.fates[Fate.ACCEPTED]

    @property
    def hardware_errors(self) -> int:
        return self._supervised.device.stats().hardware_errors

    @property
    def port(self) -> EmulatedStickPort | EmulatedUsbPort:
        device = self._supervised.device
        if isinstance(device, EitherChipDevice):
            device = device.current
        port = device._ports  # type: ignore[attr-defined]  # nobody else needs to see it
        assert isinstance(port, (EmulatedStickPort, EmulatedUsbPort))
        return port

    @property
    def garbage(self) -> int:
        return sum(uart.garbage for uart in self.port.usb.bridge.ports)

    @property
    def is_at_rest(self) -> bool:
        """Return whether the bridge is given back and the chips are in reset, or run slowest."""
        usb, chips = self.port.usb, self.port.device
        bound = [usb.claims.bound(one.number) for one in usb.bridge.interfaces]
        if usb.handles or usb.claims.claimed or not all(bound):
            return False
        if isinstance(chips, EmulatedDevice):
            slow = all(chip.clock_mhz == SLOWEST for chip in chips.chain.chips)
            return chips.chain.dead if usb.identity.reset else slow
        clocks = ICARUS[chips.name].model.clocks
        return clocks is None or chips.mhz in {None, clocks.nearest(clocks.lowest).mhz}


class Rack:
    """A running daemon with its sticks."""

    def __init__(self, daemon: Daemon, running: "asyncio.Task[int]", log: RecordingLog) -> None:
        self.daemon = daemon
        self.sticks = [RackedStick(one) for one in daemon.fleet.devices]
        self.log = log
        self._running = running

    async def until(self, condition: Callable[[RackedStick], bool], seconds: float) -> None:
        """Wait until all sticks fulfil ``condition``."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not all(map(condition, self.sticks)):  # noqa: ASYNC110 - 32 of them, in threads
                    await asyncio.sleep(0.05)
        assert [one.name for one in self.sticks if not condition(one)] == []

    async def stop(self) -> float:
        """Stop the daemon; return how long that took, in seconds."""
        began = time.monotonic()
        self.daemon.stop()
        assert await self._running == 0
        return time.monotonic() - began


@contextlib.asynccontextmanager
async def mining_rack(names: Sequence[str], url: str) -> AsyncIterator[Rack]:
    """Run a daemon with sticks of these kinds at a pool of `DIFFICULTY`."""
    pool = PoolConfig(
        name="pool", url=parse_pool_url(url), user="account.rig", suggest_difficulty="off"
    )
    devices = tuple(config_of(number, name) for number, name in enumerate(names))
    log = RecordingLog()
    daemon = Daemon(
        Config(pools=(pool,), devices=devices),
        clock=SystemClock(),
        random=Random(1),
        log_for=lambda _: log,
    )
    async with asyncio.TaskGroup() as group:
        running = group.create_task(daemon.run(), name="daemon")
        try:
            yield Rack(daemon, running, log)
        finally:
            daemon.stop()
