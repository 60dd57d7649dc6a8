"""What the service manager hears, at a socket as systemd's."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from drivers.api import DeviceState
from stratum_client.control.claims import IDLE, Claim, Decision, Level
from stratum_client.health import TENDED_WITHIN, health_of, is_tended
from stratum_client.pool_roles import PoolRole
from stratum_client.service_notify import (
    LONGEST_START,
    Notifier,
    ServiceReport,
    has_started,
    notifier_of,
    service_report,
    status_line,
    watchdog_interval,
)
from stratum_client.stats import PoolState, RigStats
from tests.processes import PATIENCE, Running, pool
from tests.test_metrics import rig


class Manager:
    """Systemd's end of the socket."""

    def __init__(self, bound_to: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(bound_to)
        self.socket.setblocking(False)

    def heard(self) -> list[list[str]]:
        messages = []
        with contextlib.suppress(BlockingIOError):
            while True:
                messages.append(self.socket.recv(65536).decode().split("\n"))
        return messages

    async def listen(self, seconds: int) -> list[list[str]]:
        """Return what is heard in this time; the kernel keeps few messages, so read each second."""
        messages = []
        for _ in range(seconds):
            await asyncio.sleep(1)
            messages += self.heard()
        return messages


def count(line: str, messages: list[list[str]]) -> int:
    return sum(line in message for message in messages)


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(str(tmp_path / "notify"))
    yield manager
    manager.socket.close()


@pytest.fixture
def notifier(manager: Manager) -> Iterator[Notifier]:
    notifier = Notifier(manager.socket.getsockname())
    yield notifier
    notifier.close()


def with_pool(stats: RigStats, state: PoolState, role: PoolRole, problem: str = "") -> RigStats:
    pool = replace(stats.pools[0], state=state, role=role, problem=problem)
    return replace(stats, pools=(pool,))


def with_device(stats: RigStats, state: DeviceState) -> RigStats:
    device = stats.devices[-1]
    stats_of_device = replace(device.stats, state=state)
    free = replace(device, stats=stats_of_device, decision=replace(device.decision))
    return replace(stats, devices=(free,))


SERVED = with_pool(with_device(rig(), DeviceState.MINING), PoolState.MINING, PoolRole.SERVING)


@contextlib.asynccontextmanager
async def reporting(
    report: ServiceReport,
    snapshot: Callable[[], RigStats],
    is_well: Callable[[], bool] = lambda: True,
) -> AsyncIterator[None]:
    task = asyncio.create_task(report.run(snapshot, is_well))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:3"}])
def test_without_a_socket_that_it_can_reach_nothing_is_said(environ: dict[str, str]) -> None:
    assert notifier_of(environ) is None
    assert service_report(environ) is None


def test_a_path_and_an_abstract_name_are_both_reached(manager: Manager, tmp_path: Path) -> None:
    abstract = Manager(f"\0{tmp_path}/abstract")
    for one, address in ((manager, f"{tmp_path}/notify"), (abstract, f"@{tmp_path}/abstract")):
        notifier = notifier_of({"NOTIFY_SOCKET": address})
        assert notifier
        assert notifier.send("READY=1", "STATUS=fine")
        notifier.close()
        assert one.heard() == [["READY=1", "STATUS=fine"]]
    abstract.socket.close()


def test_a_manager_that_is_gone_stops_nothing(tmp_path: Path) -> None:
    notifier = Notifier(str(tmp_path / "nobody"))

    assert not notifier.send("READY=1")

    notifier.close()


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "60000000"}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "7"}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_is_ours_or_there_is_none(
    environ: dict[str, str], seconds: float | None
) -> None:
    assert watchdog_interval(environ, 7) == seconds


@pytest.mark.virtual_time
async def test_ready_is_said_once_pools_are_tried_and_devices_opened(
    manager: Manager, notifier: Notifier
) -> None:
    now = with_device(SERVED, DeviceState.STARTING)
    async with reporting(ServiceReport(notifier), lambda: now):
        before = await manager.listen(3)
        now = SERVED
        after = await manager.listen(60)

    assert before
    assert not any("READY=1" in message for message in before)
    assert ["READY=1" in message for message in after] == [True] + [False] * (len(after) - 1)
    assert f"STATUS={status_line(SERVED)}" in after[-1]


@pytest.mark.virtual_time
async def test_a_device_that_takes_for_ever_does_not_hold_up_the_start(
    manager: Manager, notifier: Notifier
) -> None:
    stuck = with_device(SERVED, DeviceState.STARTING)

    async with reporting(ServiceReport(notifier), lambda: stuck):
        heard = await manager.listen(int(LONGEST_START) + 9)

    assert count("READY=1", heard) == 1


@pytest.mark.virtual_time
async def test_ready_is_said_again_until_the_manager_takes_it(tmp_path: Path) -> None:
    notifier = Notifier(str(tmp_path / "late"))
    async with reporting(ServiceReport(notifier), lambda: SERVED):
        await asyncio.sleep(1)
        late = Manager(str(tmp_path / "late"))
        await asyncio.sleep(1)

    assert "READY=1" in late.heard()[0]
    late.socket.close()
    notifier.close()


@pytest.mark.virtual_time
async def test_the_watchdog_is_fed_twice_an_interval_and_only_while_all_is_well(
    manager: Manager, notifier: Notifier
) -> None:
    well = True
    report = ServiceReport(notifier, watchdog=8.0)
    async with reporting(report, lambda: SERVED, lambda: well):
        fed = await manager.listen(79)
        well = False
        starved = await manager.listen(79)

    assert count("WATCHDOG=1", fed) == 20
    assert count("WATCHDOG=1", starved) == 0
    assert starved


def test_a_reload_is_framed_with_the_time_at_which_it_began(
    manager: Manager, notifier: Notifier
) -> None:
    report = ServiceReport(notifier, monotonic_ns=lambda: 123_456_789)
    report._is_ready = True

    with report.reloading():
        during = manager.heard()

    assert during == [["RELOADING=1", "MONOTONIC_USEC=123456"]]
    assert manager.heard() == [["READY=1"]]


@pytest.mark.virtual_time
async def test_once_stopping_it_is_never_ready_again(manager: Manager, notifier: Notifier) -> None:
    report = ServiceReport(notifier, watchdog=4.0)
    async with reporting(report, lambda: SERVED):
        await asyncio.sleep(1)
        manager.heard()
        with report.reloading():
            report.stopping()
        await asyncio.sleep(10)

    told = manager.heard()
    assert told[0][0] == "RELOADING=1"
    assert told[1] == ["STOPPING=1", "STATUS=stopping"]
    assert {line for message in told[2:] for line in message} == {"WATCHDOG=1"}


def test_a_pool_that_was_tried_counts_as_begun_and_a_cold_standby_is_not_waited_for() -> None:
    untried = with_pool(SERVED, PoolState.DISCONNECTED, PoolRole.CONNECTING)

    assert not has_started(untried)
    assert has_started(
        with_pool(SERVED, PoolState.DISCONNECTED, PoolRole.CONNECTING, "connection refused")
    )
    assert has_started(with_pool(SERVED, PoolState.DISCONNECTED, PoolRole.STANDBY))


def test_the_status_is_one_line_whatever_a_pool_says() -> None:
    line = status_line(with_pool(SERVED, PoolState.CONNECTING, PoolRole.CONNECTING, "a\nREADY=1"))

    assert "\n" not in line
    assert "proven" in line


def test_a_session_that_nobody_looks_after_is_not_well() -> None:
    [pool] = SERVED.pools

    assert is_tended(SERVED, {pool.name: TENDED_WITHIN}, 0.0)
    assert not is_tended(SERVED, {pool.name: TENDED_WITHIN + 1}, 1e9)


def test_while_no_pool_answers_it_is_well_as_long_as_they_are_dialled() -> None:
    away = with_pool(SERVED, PoolState.DISCONNECTED, PoolRole.CONNECTING, "no route")

    assert is_tended(away, {away.pools[0].name: 3600.0}, 3700.0)
    assert not is_tended(away, {away.pools[0].name: 3701.0}, 3700.0)


@pytest.mark.parametrize("level", [Level.ORDER, Level.WINDOW, Level.PRICE, Level.USER])
def test_whoever_wants_all_devices_to_rest_the_watchdog_is_fed(level: Level) -> None:
    claim = Claim(level=level, issuer="x", limit=IDLE, cause="soft restart", since=0.0)
    [device] = SERVED.devices
    at_rest = replace(device, decision=Decision(limit=IDLE, binding=(claim,)))
    away = with_pool(SERVED, PoolState.DISCONNECTED, PoolRole.CONNECTING, "no route")

    assert is_tended(replace(away, devices=(at_rest,)), {}, 0.0)
    assert not is_tended(replace(away, devices=(at_rest, device)), {}, -1.0)
    assert health_of(replace(away, devices=(at_rest,)))[1].startswith("idle as intended: soft")


def test_a_real_daemon_is_ready_reloads_and_stops(manager: Manager, tmp_path: Path) -> None:
    manager.socket.settimeout(PATIENCE)
    told: list[str] = []

    def wait_for(line: str) -> None:
        while line not in told:
            told.extend(manager.socket.recv(65536).decode().split("\n"))

    environ = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1000000"}
    with pool("--difficulty", "0.001", folder=tmp_path) as (_, url):
        (tmp_path / "stratum-client.toml").write_text(f'[[pool]]\nurl = "{url}"\nuser = "a.b"\n')
        arguments = ("run", "--device", "cpu,threads=1,duty=10")
        run = Running(*arguments, folder=tmp_path, more=environ)
        try:
            wait_for("READY=1")
            told.clear()
            wait_for("WATCHDOG=1")
            run.send(signal.SIGHUP)
            wait_for("RELOADING=1")
            wait_for("READY=1")
            run.send(signal.SIGTERM)
            wait_for("STOPPING=1")
            assert run.exit_code() == 0
        finally:
            run.process.kill()
            run.exit_code()
