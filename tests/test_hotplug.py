"""Hot-plug events: the pure part on made-up scans, the shell with a stand-in for udev's monitor."""

import asyncio
import errno
import os
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers import hotplug
from drivers.api import PortInfo
from drivers.discovery import Found, scan
from drivers.hotplug import (
    READY_WITHIN,
    PortAdded,
    PortChanges,
    PortEvent,
    PortRemoved,
    udev_monitor,
    watch_ports,
)
from tests.fake_sysfs import FakeSysfs

NEVER = 3600.0


def found(name: str, attachment: str = "", *, ready: bool = True) -> Found:
    port = PortInfo(paths=tuple(name.split("+")))
    return Found(port=port, attachment=attachment or name, ready=ready)


# --- the pure part


def test_what_appears_is_added_and_what_vanishes_is_removed() -> None:
    changes = PortChanges()
    a, b = found("a"), found("b")

    assert changes.update([a, b], 0.0) == [PortAdded(port=a.port), PortAdded(port=b.port)]
    assert changes.update([b, a], 1.0) == []
    assert changes.update([b], 2.0) == [PortRemoved(port=a.port)]
    assert changes.update([], 3.0) == [PortRemoved(port=b.port)]


def test_a_port_plugged_in_again_between_two_scans_is_removed_and_added() -> None:
    changes = PortChanges()
    changes.update([found("a", "plug 1")], 0.0)

    port = found("a").port
    assert changes.update([found("a", "plug 2")], 1.0) == [
        PortRemoved(port=port),
        PortAdded(port=port),
    ]


def test_an_unready_port_is_held_back_until_it_is_ready() -> None:
    changes = PortChanges()

    assert changes.update([found("a", "x", ready=False)], 0.0) == []
    assert changes.unready
    assert changes.update([found("a+b", "x")], 0.1) == [PortAdded(port=found("a+b").port)]
    assert not changes.unready


def test_a_port_that_never_gets_ready_is_reported_in_the_end() -> None:
    changes = PortChanges()
    half = found("a", "x", ready=False)

    assert changes.update([half], 10.0) == []
    assert changes.update([half], 10.0 + READY_WITHIN - 0.01) == []
    assert changes.update([half], 10.0 + READY_WITHIN) == [PortAdded(port=half.port)]
    assert not changes.unready
    assert changes.update([half], 10.1 + READY_WITHIN) == []
    assert changes.update([found("a+b", "x")], 20.0) == [
        PortRemoved(port=half.port),
        PortAdded(port=found("a+b").port),
    ]


def test_an_unready_port_that_goes_again_is_never_mentioned() -> None:
    changes = PortChanges()
    changes.update([found("a", ready=False)], 0.0)
    assert changes.update([], 1.0) == []
    assert not changes.unready
    assert changes.update([found("a", ready=False)], 5.0) == []


@settings(deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from("abcd"), st.booleans(), max_size=4), max_size=12))
def test_events_replayed_give_what_was_scanned_last(scans: list[dict[str, bool]]) -> None:
    changes, known = PortChanges(), set[str]()
    for now, present in enumerate(scans):
        for event in changes.update(
            [found(name, ready=ready) for name, ready in present.items()], float(now * 10)
        ):
            match event:
                case PortAdded(port=port):
                    assert port.name not in known
                    known.add(port.name)
                case PortRemoved(port=port):
                    known.remove(port.name)
    last = scans[-1] if scans else {}
    assert {name for name, ready in last.items() if ready} <= known <= set(last)


# --- the shell


class StandInMonitor:
    """Does as pyudev's monitor does: one descriptor, one event a poll, None when empty."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        self.started = False
        self.error = 0

    def start(self) -> None:
        self.started = True

    def fileno(self) -> int:
        return self._read

    def poll(self, timeout: float) -> object | None:
        assert timeout == 0
        try:
            event = os.read(self._read, 1)
        except BlockingIOError:
            return None
        if self.error:
            raise OSError(self.error, os.strerror(self.error))
        return event

    def announce(self) -> None:
        os.write(self._write, b"e")

    def close(self) -> None:
        os.close(self._read)
        os.close(self._write)


@pytest.fixture
def monitor() -> Iterator[StandInMonitor]:
    monitor = StandInMonitor()
    yield monitor
    monitor.close()


@pytest.fixture
def sysfs(tmp_path: Path) -> FakeSysfs:
    return FakeSysfs(tmp_path)


async def following(events: AsyncIterator[PortEvent]) -> PortEvent:
    async with asyncio.timeout(10):
        return await anext(events)


async def nothing_follows(events: AsyncIterator[PortEvent]) -> bool:
    """Return whether the next event does not come; this ends the watching."""
    try:
        async with asyncio.timeout(0.05):
            await anext(events)
    except TimeoutError:
        return True
    return False


async def test_an_event_of_udev_brings_a_scan(sysfs: FakeSysfs, monitor: StandInMonitor) -> None:
    sysfs.plug("1-1", ["ttyUSB0"])
    watching = watch_ports(lambda: scan(sysfs.root), monitor=lambda: monitor, rescan=NEVER)
    async with aclosing(watching) as events:
        first = await following(events)
        assert isinstance(first, PortAdded)
        assert monitor.started

        sysfs.unplug("1-1")
        monitor.announce()
        assert await following(events) == PortRemoved(port=first.port)

        sysfs.plug("1-1", ["ttyUSB0"])
        for _ in range(10):
            monitor.announce()
        assert await following(events) == PortAdded(port=first.port)
        assert await nothing_follows(events)


async def test_a_composite_device_is_added_once_and_whole(
    sysfs: FakeSysfs, monitor: StandInMonitor
) -> None:
    looked = threading.Event()

    def looking() -> tuple[Found, ...]:
        looked.set()
        return scan(sysfs.root)

    watching = watch_ports(looking, monitor=lambda: monitor, rescan=NEVER)
    async with aclosing(watching) as events:
        sysfs.plug("1-1", ["ttyACM0", "ttyACM1"], ready=False)
        waiting = asyncio.ensure_future(following(events))
        await asyncio.to_thread(looked.wait, 5)
        sysfs.set_up("ttyACM0")
        monitor.announce()
        sysfs.set_up("ttyACM1")
        monitor.announce()

        event = await waiting

        assert [Path(path).name for path in event.port.paths] == ["ttyACM0", "ttyACM1"]
        assert await nothing_follows(events)


async def test_without_udev_ports_are_found_by_looking_again(sysfs: FakeSysfs) -> None:
    watching = watch_ports(lambda: scan(sysfs.root), monitor=lambda: None, rescan=0.01)
    async with aclosing(watching) as events:
        waiting = asyncio.ensure_future(following(events))
        await asyncio.sleep(0)
        sysfs.plug("1-1", ["ttyUSB0"])
        added = await waiting
        sysfs.unplug("1-1")
        assert await following(events) == PortRemoved(port=added.port)


async def test_lost_events_of_udev_bring_a_scan_as_well(
    sysfs: FakeSysfs, monitor: StandInMonitor
) -> None:
    sysfs.plug("1-1", ["ttyUSB0"])
    watching = watch_ports(lambda: scan(sysfs.root), monitor=lambda: monitor, rescan=NEVER)
    async with aclosing(watching) as events:
        await following(events)
        monitor.error = errno.ENOBUFS
        for place in ("1-2", "1-3"):  # it goes on listening afterwards
            sysfs.plug(place, [f"ttyUSB{place[-1]}"])
            monitor.announce()
            assert isinstance(await following(events), PortAdded)


async def test_a_broken_monitor_is_left_for_slow_scans(
    sysfs: FakeSysfs, monitor: StandInMonitor
) -> None:
    sysfs.plug("1-1", ["ttyUSB0"])
    watching = watch_ports(lambda: scan(sysfs.root), monitor=lambda: monitor, rescan=0.01)
    async with aclosing(watching) as events:
        await following(events)
        monitor.error = errno.EBADF
        monitor.announce()
        sysfs.plug("1-2", ["ttyUSB1"])
        assert isinstance(await following(events), PortAdded)

        sysfs.plug("1-3", ["ttyUSB2"])  # no event any more
        assert isinstance(await following(events), PortAdded)


async def test_ending_the_watch_takes_the_monitor_off_the_loop(
    sysfs: FakeSysfs, monitor: StandInMonitor
) -> None:
    sysfs.plug("1-1", ["ttyUSB0"])
    watching = watch_ports(lambda: scan(sysfs.root), monitor=lambda: monitor, rescan=NEVER)
    await following(watching)
    waiting = asyncio.ensure_future(anext(watching))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    assert not asyncio.get_running_loop().remove_reader(monitor.fileno())


async def test_the_machine_that_runs_this_can_be_watched() -> None:
    known = scan()
    async with aclosing(watch_ports()) as events:
        for one in known:
            assert (await following(events)).port in {each.port for each in known}, one


def test_no_udev_means_no_monitor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(hotplug, "Path", lambda path: tmp_path / path.lstrip("/"))
    assert udev_monitor() is None


async def test_a_scan_that_fails_is_repeated_and_ends_nothing(sysfs: FakeSysfs) -> None:
    faults = [OSError(errno.EIO, "vanished"), OSError(errno.ENODEV, "vanished")]

    def scanner() -> tuple[Found, ...]:
        if faults:
            raise faults.pop()
        return scan(sysfs.root)

    sysfs.plug("1-1", ["ttyUSB0"])
    async with aclosing(watch_ports(scanner, monitor=lambda: None, rescan=NEVER)) as events:
        assert isinstance(await following(events), PortAdded)
