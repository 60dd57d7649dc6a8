"""One device's real driver on the bytes that its device sent then.

Its miner gives it the works it got then. What it sends, asks and finds must be the same in the same
order, on each port and towards the miner. Its timers run in recorded time: one that led to
something then is taken to be as late as it was.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import fields
from random import Random
from typing import cast

from drivers import registry
from drivers.api import Context, Device, PortInfo, Setpoint, Solution, Work
from drivers.bm13xx.driver import BoardDriver
from drivers.errors import DriverError
from drivers.header import difficulty_of
from stratum_client.recording.entries import Entry, EntryError, Rim, What
from stratum_client.recording.reader import Run
from stratum_client.replay.differences import Differences
from stratum_client.replay.expected import DEEDS, Expected
from stratum_client.replay.recorded_work import work_of
from stratum_client.replay.replay_loop import ReplayClock, ReplayLoop, SilentLog
from stratum_client.replay.replay_ports import ReplayTap

HOLD = 0.002
"""Seconds that a timer may have been late and found the bytes that came meanwhile before it."""

HOLD_JOBS = 0.1
"""The same for jobs: a busy machine sees both late, and a job changes what a timer does."""

LATEST = 1.0
"""Seconds that a driver's deed may have been late then; what is not done by now is a difference."""

TURN = 1e-6


class DeviceReplay:
    """One device of one run; must be played on a `ReplayLoop`. Also the miner of its driver."""

    def __init__(self, run: Run, name: str) -> None:
        self.differences = Differences(run=run)
        self._run = run
        self._name = name
        self._indices = [i for i, entry in enumerate(run.entries) if _concerns(entry, name)]
        self._expected = Expected(run, self._indices, self._differs)
        self._tap = ReplayTap(self)
        self._works: dict[int, tuple[int, Work]] = {}
        self._device: Device | None = None
        self._running: asyncio.Task[None] | None = None
        self._is_stopping = False

    @property
    def why_not(self) -> str:
        """Return why the device cannot be replayed, empty when it can."""
        entries = [self._run.entries[index] for index in self._indices]
        if not any(entry.what is What.OPENING for entry in entries):
            return "no ports were opened that can be listened at"
        if any(entry.what is What.OPENING and entry.number("place") for entry in entries):
            return "its board is watched over beside its chips, in an order that chance decides"
        made = next((entry for entry in entries if entry.what is What.DEVICE), None)
        if made is None:
            return "it is not known what it was made of"
        try:
            driver = registry.driver(made.text("driver"))
        except DriverError as error:
            return str(error)
        if isinstance(driver, BoardDriver) and driver.board.options:
            return "it also uses pins and buses of its machine"
        return ""

    async def play(self) -> None:
        """Play the device's part of the run to its end."""
        try:
            for index in self._indices:
                entry = self._run.entries[index]
                if entry.what is What.GAP:
                    break
                await self._take(index, entry)
        finally:
            await self._end()

    # --- what the driver does ---

    def do(self, what: What, place: int, data: bytes = b"", **fields: object) -> Entry | None:
        """Compare something done at a port with what was done then; return that."""
        deed = {"place": place, **fields}
        return self._compare(Entry(at=0.0, rim=Rim.PORT, what=what, data=data, fields=deed))

    def next_work(self) -> Work | None:
        """Return the work that was given then."""
        then = self._compare(Entry(at=0.0, rim=Rim.MINER, what=What.WORK))
        if then is None or then.what is not What.WORK:
            return None
        work = work_of(then)
        self._works[id(work)] = then.number("work"), work
        return work

    def found(self, solution: Solution) -> float:
        """Compare a claimed solution with what was found then; return its true difficulty."""
        number, _ = self._works.get(id(solution.work), (0, None))
        claim = {
            "work": number,
            "nonce": f"{solution.nonce:08x}",
            "version": f"{solution.version:08x}",
            "ntime": f"{solution.ntime:08x}",
        }
        self._compare(Entry(at=0.0, rim=Rim.MINER, what=What.FOUND, fields=claim))
        return difficulty_of(solution.hash())

    def _compare(self, deed: Entry) -> Entry | None:
        loop = _replay_loop()
        then = self._expected.take(deed, loop.time())
        if then and then.at - loop.time() < LATEST:
            loop.pass_on_to(then.at)  # as late as it was
        return then

    # --- what happens to it ---

    async def _take(self, index: int, entry: Entry) -> None:
        if entry.what in DEEDS:
            await self._await_deed(index, entry)
            return
        await self._until(entry.at - (HOLD_JOBS if entry.what is What.TOLD else HOLD))
        _replay_loop().pass_on_to(entry.at)  # timers that were due meanwhile find it there
        match entry.what:
            case What.DEVICE:
                await self._make(entry)
            case What.STOPPING:
                self._is_stopping = True  # ended with the first deed that it does not do by itself
            case What.TOLD if self._device:
                self._device.job_changed(clean=entry.fields.get("clean") is True)
            case What.APPLIED if self._device:
                self._device.apply(_setpoint_of(entry))
            case _ if entry.rim is Rim.PORT and not self._tap.happen(entry):
                if not self._is_stopping:
                    self._differs(index, f"{entry.what} at a port", "the port is not open")

    async def _await_deed(self, index: int, entry: Entry) -> None:
        """Let time pass until the driver does what it did; it may have done it already."""
        if index in self._expected.done:
            return
        self._start()
        loop = _replay_loop()
        latest = entry.at + LATEST
        await self._until(entry.at)
        if self._is_stopping and self._running and index not in self._expected.done:
            self._running.cancel()
        while index not in self._expected.done and loop.time() < latest:  # noqa: ASYNC110 - time stands still meanwhile
            await asyncio.sleep(HOLD)
        if index not in self._expected.done and not self._is_stopping:
            self._differs(index, f"{entry.what} at this time", "nothing")

    async def _until(self, at: float) -> None:
        await asyncio.sleep(max(at - _replay_loop().time(), TURN))

    async def _make(self, entry: Entry) -> None:
        await self._end()
        driver = registry.driver(entry.text("driver"))
        context = Context(
            name=self._name,
            miner=self,
            clock=ReplayClock(self._run.header),
            random=Random(0),
            log=SilentLog(),
            tap=self._tap,
        )
        self._device = driver.open(_port_of(entry), _table(entry, "settings"), context)

    def _start(self) -> None:
        """Run the driver, where it ran then and does not now: at the start, after a failure."""
        is_idle = self._running is None or self._running.done()
        if self._device and is_idle and not self._is_stopping:
            name = f"device {self._name}"
            self._running = asyncio.get_running_loop().create_task(self._run_device(), name=name)

    async def _run_device(self) -> None:
        assert self._device
        try:
            await self._device.run()
        except DriverError:
            return  # as then, or its next deed will be missing

    async def _end(self) -> None:
        running, self._running = self._running, None
        if running and not running.done():
            running.cancel()
            await asyncio.wait([running])

    def _differs(self, index: int, then: str, now: str) -> None:
        self.differences.add(index, f"driver of {self._name}", then=then, now=now)


def devices_in(run: Run) -> Sequence[str]:
    """Return the names of the devices that were opened."""
    made = (entry.name for entry in run.entries if entry.what is What.DEVICE)
    return tuple(dict.fromkeys(made))


def _concerns(entry: Entry, device: str) -> bool:
    if entry.what in (What.GAP, What.STOPPING):
        return True
    return entry.name == device and entry.rim in (Rim.PORT, Rim.MINER)


def _replay_loop() -> ReplayLoop:
    return cast(ReplayLoop, asyncio.get_running_loop())


def _table(entry: Entry, key: str) -> Mapping[str, object]:
    table = entry.fields.get(key)
    if not isinstance(table, dict):
        raise EntryError(f'"{key}" is not a table')
    return table


def _port_of(entry: Entry) -> PortInfo:
    table = _table(entry, "port")
    known = {field.name for field in fields(PortInfo)} & table.keys()
    paths = table.get("paths")
    values = {name: table[name] for name in known - {"paths"}}
    return PortInfo(paths=tuple(paths) if isinstance(paths, list) else (), **values)  # type: ignore[arg-type]  # as they were written


def _setpoint_of(entry: Entry) -> Setpoint:
    watts, mhz, ramp = (entry.fields.get(key) for key in ("watts", "mhz", "ramp"))
    return Setpoint(
        run=entry.fields.get("run") is True,
        reason=entry.text("reason"),
        watts=float(watts) if isinstance(watts, int | float) else None,
        mhz=float(mhz) if isinstance(mhz, int | float) else None,
        ramp=float(ramp) if isinstance(ramp, int | float) else None,
    )
