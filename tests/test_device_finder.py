"""Ports become devices: what each is taken for, who is meant by it, and what an unplug costs."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from drivers import discovery, registry, usb_discovery
from drivers.api import DeviceState, PortInfo, Setpoint
from drivers.errors import BringUpError, TransportLostError
from drivers.hotplug import watch_ports
from drivers.registry import DriverClashError
from drivers.transports.errors import PortDeniedError, PortOpenError
from drivers.transports.usb_errors import UsbLibraryMissingError
from drivers.usb_discovery import identity
from stratum_client import fleet as fleet_module
from stratum_client import port_device
from stratum_client.backoff import Backoff
from stratum_client.clock import SystemClock
from stratum_client.config import Config, DeviceConfig, DeviceMatch
from stratum_client.device_finder import Verdict, find, located, means, verdict_on
from stratum_client.errors import ConfigError
from stratum_client.fleet import Fleet
from stratum_client.job import Fate
from stratum_client.miner import Miner
from tests.fake_sysfs import FakeSysfs
from tests.plugged_boards import BoardDriver, Sockets, ToldDevice
from tests.stand_ins import RecordingLog

PATIENCE = 20.0

GAMMA = PortInfo(
    paths=("/dev/ttyACM1", "/dev/ttyACM0"), vid=0xC0DE, pid=0xCAFE, serial="A1", product="Shared"
)
STICK = PortInfo(paths=("/dev/ttyUSB0",), vid=0x0403, pid=0x6015, serial="S1", product="Stick")
STICK_2 = PortInfo(paths=("/dev/ttyUSB1",), vid=0x0403, pid=0x6015, serial="S2", product="Stick")
MODEM = PortInfo(paths=("/dev/ttyUSB9",), vid=0x1234, pid=0x5678, product="Modem")


@dataclass
class Bench:
    """Two boards that share their ids, one that does not, and a software driver."""

    stick: BoardDriver = field(default_factory=lambda: BoardDriver("stick", "Stick"))
    gamma: BoardDriver = field(
        default_factory=lambda: BoardDriver("gamma", "Shared", "Stick", score=5)
    )
    supra: BoardDriver = field(default_factory=lambda: BoardDriver("supra", "Shared", score=5))
    cpu: BoardDriver = field(default_factory=lambda: BoardDriver("cpu"))
    sockets: Sockets = field(default_factory=Sockets)
    log: RecordingLog = field(default_factory=RecordingLog)

    def __post_init__(self) -> None:
        self.miner = Miner(SystemClock())

    def fleet(self, *configs: DeviceConfig, found: tuple[Verdict, ...] | None = None) -> Fleet:
        return Fleet(
            configs,
            found=found,
            miner=self.miner,
            clock=SystemClock(),
            random=Random(1),
            log_for=lambda _: self.log,
            port_events=self.sockets.events,
        )


@pytest.fixture
async def bench(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    bench = Bench()
    names = ("stick", "gamma", "supra", "cpu")
    monkeypatch.setattr(registry, "BUILT_IN", {name: f"{__name__}:{name}" for name in names})
    monkeypatch.setattr(registry, "FAMILIES", ())
    for name in names:
        monkeypatch.setitem(globals(), name, getattr(bench, name))
    registry.forget()
    yield bench
    registry.forget()


@contextlib.asynccontextmanager
async def running(fleet: Fleet) -> AsyncIterator[None]:
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        task = group.create_task(fleet.run())
        try:
            yield
        finally:
            task.cancel()


async def opened(driver: BoardDriver) -> ToldDevice:
    """Return the next device of ``driver`` once it runs."""
    device = await driver.opened.get()
    await device.started.wait()
    return device


async def eventually(condition: Callable[[], bool]) -> None:
    """Return once ``condition`` holds."""
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came true")


def states(fleet: Fleet) -> dict[str, tuple[DeviceState, str]]:
    snapshots = [device.snapshot(0.0) for device in fleet.devices]
    return {one.name: (one.stats.state, one.stats.reason) for one in snapshots}


# --- what a port is taken for ---


async def test_the_surest_driver_takes_a_port(bench: Bench) -> None:
    verdict = verdict_on(STICK)

    assert (verdict.driver, verdict.drivers, verdict.problem) == ("stick", ("stick", "gamma"), "")


async def test_a_port_that_several_boards_share_must_be_named(bench: Bench) -> None:
    verdict = verdict_on(GAMMA)

    assert (verdict.driver, verdict.candidates) == ("", ("gamma", "supra"))
    assert "gamma, supra" in verdict.problem
    assert "--device gamma@/dev/ttyACM1+/dev/ttyACM0" in verdict.problem


async def test_a_port_that_nobody_knows_is_said_to_be_so(bench: Bench) -> None:
    assert verdict_on(MODEM).problem == "no driver knows it"


@pytest.mark.parametrize(
    ("match", "fits"),
    [
        (DeviceMatch(serial="S1"), True),
        (DeviceMatch(serial="S2"), False),
        (DeviceMatch(vid=0x0403, pid=0x6015), True),
        (DeviceMatch(vid=0x0403, pid=0), False),
        (DeviceMatch(board="gamma"), True),
        (DeviceMatch(board="supra"), False),
        (DeviceMatch(board="supra", serial="S1"), True),  # the board is the driver's name then
        (DeviceMatch(product="Stick", manufacturer="nobody"), False),
    ],
)
async def test_all_that_a_match_gives_must_fit(
    bench: Bench, match: DeviceMatch, fits: bool
) -> None:
    assert means(DeviceConfig(match=match), verdict_on(STICK)) is fits


def test_a_device_is_known_again_by_serial_number_else_by_place() -> None:
    elsewhere = PortInfo(paths=("/dev/ttyUSB7",), vid=0x0403, pid=0x6015, serial="S1")

    assert identity(STICK) == identity(elsewhere) != identity(STICK_2)
    assert identity(MODEM) == ("/dev/ttyUSB9",)


async def test_a_device_is_located_by_its_match_and_its_driver_by_the_port(bench: Bench) -> None:
    found = [verdict_on(STICK), verdict_on(GAMMA)]

    by_serial = DeviceConfig(name="a", match=DeviceMatch(serial="S1"))
    assert located(by_serial, found) == ("stick", STICK)
    for match, problem in (
        (DeviceMatch(serial="zz"), "device a: no port fits its match"),
        (DeviceMatch(serial="A1"), "device a: .*several boards share"),
    ):
        with pytest.raises(ConfigError, match=problem):
            located(DeviceConfig(name="a", match=match), found)


# --- found devices ---


async def test_a_known_board_is_mined_with_and_an_unknown_or_shared_one_is_not(
    bench: Bench,
) -> None:
    fleet = bench.fleet(found=(Verdict(port=STICK, drivers=("stick",), ties=1),))
    async with running(fleet):
        for port in (GAMMA, MODEM, STICK):
            bench.sockets.plug(port)
        device = await opened(bench.stick)

        assert device.port == STICK
        assert [one.name for one in fleet.devices] == ["stick"]
        [unused] = bench.log.named("port.unused")
        assert "gamma, supra" in str(unused["reason"])


async def test_without_any_board_the_cpu_mines_and_a_later_board_too(bench: Bench) -> None:
    fleet = bench.fleet(found=())
    async with running(fleet):
        await opened(bench.cpu)
        bench.sockets.plug(STICK)
        await opened(bench.stick)

        assert [one.name for one in fleet.devices] == ["cpu", "stick"]


async def test_boards_of_one_kind_get_names_of_their_own_even_with_one_serial_number(
    bench: Bench,
) -> None:
    twin = PortInfo(paths=("/dev/ttyUSB5",), vid=0x0403, pid=0x6015, serial="S1", product="Stick")
    fleet = bench.fleet(found=())
    async with running(fleet):
        for port in (STICK, STICK_2, twin):
            bench.sockets.plug(port)
            await opened(bench.stick)

        assert [one.name for one in fleet.devices] == ["cpu", "stick", "stick-2", "stick-3"]


# --- unplugged and plugged in ---


async def test_a_board_keeps_name_seat_counters_and_orders_when_plugged_in_elsewhere(
    bench: Bench,
) -> None:
    fleet = bench.fleet(found=())
    elsewhere = PortInfo(
        paths=("/dev/ttyUSB7",), vid=0x0403, pid=0x6015, serial="S1", product="Stick"
    )
    async with running(fleet):
        bench.sockets.plug(STICK)
        first = await opened(bench.stick)
        [_, supervised] = fleet.devices
        supervised.seat.tally.fates[Fate.ACCEPTED] += 3
        first.errors = 2
        supervised.apply(Setpoint(run=False, reason="noise"))
        supervised.device.adjust({"frequency": 500})  # type: ignore[attr-defined]  # it can

        bench.sockets.unplug(STICK)
        first.fail(TransportLostError("/dev/ttyUSB0", "hung up"))
        await first.ended.wait()
        bench.sockets.plug(MODEM)
        bench.sockets.plug(elsewhere)
        second = await opened(bench.stick)
        second.errors = 1

        assert second.context.miner is supervised.seat
        assert second.setpoint.reason == "noise"
        assert second.settings == {"frequency": 500}
        snapshot = supervised.snapshot(0.0)
        assert snapshot.counts.fates[Fate.ACCEPTED] == 3
        assert snapshot.stats.hardware_errors == 3
        assert fleet.port_of("stick") == elsewhere
        assert len(fleet.devices) == 2
    assert not bench.log.named("device.failed")


async def test_an_unplugged_board_is_absent_and_that_is_no_failure(bench: Bench) -> None:
    fleet = bench.fleet(found=())
    async with running(fleet):
        bench.sockets.plug(STICK)
        device = await opened(bench.stick)

        device.fail(TransportLostError("/dev/ttyUSB0", "hung up"))  # the news comes after it
        await device.ended.wait()
        bench.sockets.unplug(STICK)
        bench.sockets.plug(STICK_2)
        await opened(bench.stick)

        assert states(fleet)["stick"] == (DeviceState.ABSENT, "not plugged in")
        assert [entry["device"] for entry in bench.log.named("device.unplugged")] == ["stick"]
        assert not bench.log.named("device.failed")


async def test_a_device_that_does_not_notice_its_unplug_is_ended(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(port_device, "NOTICE", 0.01)
    async with running(bench.fleet(found=())):
        bench.sockets.plug(STICK)
        device = await opened(bench.stick)

        bench.sockets.unplug(STICK)

        await device.ended.wait()


async def test_a_lost_transport_on_a_port_that_stays_is_a_failure(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(port_device, "NOTICE", 0.01)
    fleet = bench.fleet(found=())
    async with running(fleet):
        bench.sockets.plug(STICK)
        device = await opened(bench.stick)

        device.fail(TransportLostError("/dev/ttyUSB0", "a read failed"))

        await device.ended.wait()
        await device.started.wait()  # the same one, tried again
        [failed] = bench.log.named("device.failed")
        assert "a read failed" in str(failed["error"])


async def test_a_board_is_followed_from_port_to_port_of_the_system(
    bench: Bench, tmp_path: Path
) -> None:
    system = FakeSysfs(tmp_path)
    fleet = Fleet(
        (),
        found=(),
        miner=bench.miner,
        clock=SystemClock(),
        random=Random(1),
        log_for=lambda _: bench.log,
        port_events=lambda: watch_ports(
            lambda: discovery.scan(tmp_path), monitor=lambda: None, rescan=0.01
        ),
    )
    async with running(fleet):
        system.plug("1-1", ["ttyUSB0"], strings=("Maker", "Stick", "S1"))
        first = await opened(bench.stick)
        assert first.port.paths == (f"{tmp_path}/dev/ttyUSB0",)

        system.unplug("1-1")
        first.fail(TransportLostError("ttyUSB0", "hung up"))
        await first.ended.wait()
        system.plug("1-4", ["ttyUSB3"], strings=("Maker", "Stick", "S1"))
        second = await opened(bench.stick)

        assert second.port.paths == (f"{tmp_path}/dev/ttyUSB3",)
        assert second.context.name == first.context.name == "stick"


# --- configured devices ---


async def test_configured_devices_get_their_ports_and_nothing_else_is_touched(
    bench: Bench,
) -> None:
    fleet = bench.fleet(
        DeviceConfig(name="any", match=DeviceMatch(board="stick")),
        DeviceConfig(
            name="second", match=DeviceMatch(serial="S2", board="stick"), settings={"fan": 80}
        ),
        DeviceConfig(name="named", match=DeviceMatch(serial="A1", board="supra")),
    )
    async with running(fleet):
        assert states(fleet)["second"] == (DeviceState.ABSENT, "not plugged in")
        for port in (STICK_2, GAMMA, STICK):
            bench.sockets.plug(port)
        second, first = await opened(bench.stick), await opened(bench.stick)
        shared = await opened(bench.supra)

        assert (second.context.name, second.port, second.settings) == (
            "second",
            STICK_2,
            {"fan": 80},
        )
        assert (first.context.name, first.port) == ("any", STICK)
        assert (shared.context.name, shared.port) == ("named", GAMMA)


async def test_a_configured_port_is_tried_again_as_soon_as_it_is_there(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Backoff, "next_pause", lambda _: 1000.0)
    path = str(tmp_path / "ttyUSB0")
    fleet = bench.fleet(DeviceConfig(name="desk", driver="stick", port=path))
    async with running(fleet):
        device = await opened(bench.stick)
        device.fail(BringUpError(path, "no such port"))
        await device.ended.wait()
        bench.sockets.plug(PortInfo(paths=(path,), serial="S1"))
        await device.started.wait()

        assert bench.log.named("device.failed")[0]["retry_in"] == 1000.0
        assert fleet.port_of("desk") == PortInfo(paths=(path,), serial="S1")


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        (
            DeviceConfig(name="a", driver="stik"),
            "device a: no driver is called 'stik'; known: stick",
        ),
        (DeviceConfig(name="a", match=DeviceMatch(board="stik")), "no driver is called 'stik'"),
        (DeviceConfig(name="a", driver="stick", settings={"x": 1}), "setting 'x': unknown"),
        (
            DeviceConfig(name="a", driver="stick", port="/dev/none", settings={"x": 1}),
            "setting 'x': unknown",
        ),
        (
            DeviceConfig(name="a", port="/dev/none"),
            "/dev/none: no driver knows it; name its driver",
        ),
    ],
)
async def test_a_device_that_cannot_be_is_a_configuration_error(
    bench: Bench, config: DeviceConfig, problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem):
        bench.fleet(config)


async def test_a_device_that_is_not_plugged_in_at_the_start_is_told_of(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = asyncio.Event()
    monkeypatch.setattr(fleet_module, "ABSENT_AFTER", 0.01)
    monkeypatch.setattr(bench.log, "warning", lambda *_, **fields: told.set())
    async with running(bench.fleet(DeviceConfig(name="left", match=DeviceMatch(serial="S1")))):
        await told.wait()


# --- drivers that collide ---


@pytest.fixture
def clash(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def collide() -> dict[str, str]:
        raise DriverClashError("stick", first="one package", second="another")

    registry.forget()
    collide.cache_clear = lambda: None  # type: ignore[attr-defined]  # as functools.cache has it
    monkeypatch.setattr(registry, "_plugins", collide)
    yield
    monkeypatch.undo()
    registry.forget()


@pytest.mark.parametrize("devices", [(), (DeviceConfig(match=DeviceMatch(serial="S1")),)])
def test_colliding_drivers_are_a_configuration_error_where_ports_are_judged(
    clash: None, monkeypatch: pytest.MonkeyPatch, devices: tuple[DeviceConfig, ...]
) -> None:
    monkeypatch.setattr(usb_discovery, "ports", lambda: (STICK,))

    with pytest.raises(ConfigError, match="one package and by another"):
        find(Config(devices=devices))
    assert find(Config(devices=(DeviceConfig(driver="cpu"),))) is None


async def test_drivers_that_collide_later_are_told_once_and_cost_no_device(
    bench: Bench, clash: None
) -> None:
    fleet = bench.fleet(DeviceConfig(name="second", match=DeviceMatch(serial="S2", board="stick")))
    async with running(fleet):
        bench.sockets.plug(STICK)
        bench.sockets.plug(STICK_2)
        await opened(bench.stick)

        assert len(bench.log.named("driver.unusable")) == 1


# --- sticks: bridges with a place on USB ---


def stick_at(place: str, *, tty: str = "", serial: str = "", product: str = "Stick") -> PortInfo:
    paths = (tty, place) if tty else (place,)
    return PortInfo(paths=paths, vid=0x0403, pid=0x6015, serial=serial, product=product)


async def test_a_port_that_could_be_anything_is_nobodys_and_comes_with_the_line_that_claims_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench.gamma, "may_be", lambda port: port.pid == 0xEA60, raising=False)
    cable = PortInfo(paths=("/dev/ttyUSB0", "usb:1-1.3"), vid=0x10C4, pid=0xEA60, product="Cable")

    verdict = verdict_on(cable)

    assert (verdict.driver, verdict.drivers, verdict.candidates) == ("", (), ())
    assert verdict.possible == ("gamma",)
    assert verdict.claim == "--device gamma@usb:1-1.3"
    assert "could be gamma, or anything else" in verdict.problem
    assert verdict.claim in verdict.problem
    assert not means(DeviceConfig(match=DeviceMatch(board="gamma")), verdict)
    assert verdict_on(MODEM).possible == ()
    assert verdict_on(STICK).possible == ()


async def test_a_driver_that_fails_to_say_what_may_be_costs_nobody_else(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_port: PortInfo) -> bool:
        raise RuntimeError("broken")

    monkeypatch.setattr(bench.stick, "may_be", fail, raising=False)
    monkeypatch.setattr(bench.gamma, "may_be", lambda _: True, raising=False)

    assert verdict_on(MODEM).possible == ("gamma",)
    assert any("broken" in str(problem) for problem in registry.problems())


async def test_a_place_is_a_port_that_may_come_go_and_come_back(bench: Bench) -> None:
    fleet = bench.fleet(DeviceConfig(name="desk", driver="stick", port="usb:9-1.2"))
    async with running(fleet):
        assert states(fleet)["desk"] == (DeviceState.ABSENT, "not plugged in")
        bench.stick.opened.get_nowait()  # made to check the settings, never run
        bench.sockets.plug(stick_at("usb:9-1.20"))
        here = stick_at("usb:9-1.2", tty="/dev/ttyUSB7")
        for _ in range(2):
            bench.sockets.plug(here)
            device = await opened(bench.stick)
            assert device.port.paths == ("usb:9-1.2",)
            bench.sockets.unplug(here)
            device.fail(TransportLostError("usb:9-1.2", "gone"))
            await device.ended.wait()
        await eventually(lambda: states(fleet)["desk"][0] is DeviceState.ABSENT)
        assert states(fleet)["desk"] == (DeviceState.ABSENT, "not plugged in")
    assert not bench.log.named("device.failed")


async def test_a_wrong_setting_of_an_absent_place_is_told_at_the_start(bench: Bench) -> None:
    with pytest.raises(ConfigError, match="setting 'x': unknown"):
        bench.fleet(DeviceConfig(name="a", driver="stick", port="usb:9-1", settings={"x": 1}))


async def test_twins_with_one_serial_number_are_told_apart_by_their_places(bench: Bench) -> None:
    left, right = (stick_at(place, serial="0001") for place in ("usb:9-1", "usb:9-2"))
    fleet = bench.fleet(found=())
    async with running(fleet):
        names = {}
        for port in (left, right):
            bench.sockets.plug(port)
            device = await opened(bench.stick)
            names[port] = device.context.name
        for port in (left, right):
            bench.sockets.unplug(port)
        for port in (right, left):
            bench.sockets.plug(port)
            device = await opened(bench.stick)
            assert device.context.name == names[port]
        assert len(fleet.devices) == 3


async def test_a_stick_without_a_serial_number_is_known_by_its_place(bench: Bench) -> None:
    fleet = bench.fleet(found=())
    async with running(fleet):
        for tty in ("/dev/ttyUSB0", "/dev/ttyUSB5", ""):
            port = stick_at("usb:9-1", tty=tty)
            bench.sockets.plug(port)
            device = await opened(bench.stick)
            bench.sockets.unplug(port)
            assert device.context.name == "stick"
        bench.sockets.plug(stick_at("usb:9-2"))
        assert (await opened(bench.stick)).context.name == "stick-2"


async def test_a_port_not_yet_permitted_is_tried_again_before_anything_is_said(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(port_device, "_PERMISSION_LOOK", 0.01)
    async with running(bench.fleet(found=())):
        bench.sockets.plug(STICK)
        device = await opened(bench.stick)
        for _ in range(3):
            device.fail(PortDeniedError("/dev/ttyUSB0", "permission denied"))
            await device.ended.wait()
            await device.started.wait()
        assert not bench.log.named("device.failed")

        monkeypatch.setattr(port_device, "PERMITTED_WITHIN", 0.0)
        device.fail(PortDeniedError("/dev/ttyUSB0", "permission denied; run: the command"))
        await device.ended.wait()
        await eventually(lambda: bool(bench.log.named("device.failed")))
        [failed] = bench.log.named("device.failed")
        assert "run: the command" in str(failed["error"])


async def test_a_port_that_vanished_before_it_was_opened_is_no_failure(bench: Bench) -> None:
    fleet = bench.fleet(found=())
    async with running(fleet):
        bench.sockets.plug(STICK)
        device = await opened(bench.stick)
        device.fail(PortOpenError("/dev/ttyUSB0", "no such USB device"))
        await device.ended.wait()
        bench.sockets.unplug(STICK)
        bench.sockets.plug(STICK_2)
        await opened(bench.stick)

        assert states(fleet)["stick"] == (DeviceState.ABSENT, "not plugged in")
    assert not bench.log.named("device.failed")


async def test_missing_libusb_is_said_once_and_ttys_go_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(wanted_by: str = "USB") -> object:
        raise UsbLibraryMissingError(wanted_by, library="libusb", command="apt install it")

    monkeypatch.setattr(fleet_module, "libusb", missing)
    async with running(bench.fleet(found=())):
        bench.sockets.plug(STICK)
        await opened(bench.stick)
        assert not bench.log.named("usb.unusable")
        for number in (1, 2):
            bench.sockets.plug(stick_at(f"usb:9-{number}", tty=f"/dev/ttyUSB1{number}"))
            await opened(bench.stick)
    [told] = bench.log.named("usb.unusable")
    assert "apt install it" in str(told["error"])
