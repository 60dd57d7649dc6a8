"""Sticks with telemetry, in virtual time: order of power, heat, faults, voltage, and the end."""

import asyncio
from dataclasses import replace

import pytest

from drivers.api import DeviceState, PortInfo, SafeOff, Setpoint
from drivers.bm13xx.board import Board
from drivers.bm13xx.bring_up import WrongChipError
from drivers.bm13xx.controls import SafeOffError
from drivers.bm13xx.driver import DRIVERS
from drivers.bm13xx.either_chip import EitherChipDevice
from drivers.bm13xx.emulated_sticks import STICKS_WITH_TELEMETRY
from drivers.bm13xx.guarded_board import BoardTrippedError
from drivers.bm13xx.sticks.table import GUARDED_STICKS
from drivers.bm13xx.voltage_table import fixed
from drivers.errors import BringUpError, DriverError, SettingError, TransportLostError
from drivers.peripherals.emulated_faults import Faults
from drivers.peripherals.gekko_micro import voltage_request
from drivers.transports.emulated_usb.identities import CABLES
from drivers.transports.emulated_usb.identities import STICKS as IDENTITIES
from tests.bm13xx.device_rig import DIFFICULTY_1, SLOW, number
from tests.bm13xx.guarded_rig import GuardedRig
from tests.bm13xx.test_sticks import shown
from tests.driver_contract import ContractMiner, DriverContract, Plugged

pytestmark = pytest.mark.virtual_time

MINUTES = 60.0
REGULATOR_ON, REGULATOR_OFF = "424f", "422d"
REST_VOLTAGE = "5614"
OPENING = ["lines 7", "lines 0", "3f76"]


class TestContract(DriverContract):
    """The whole contract, without threads."""

    target = int(DIFFICULTY_1 / (SLOW * 0.99))

    def plug(self, miner: ContractMiner) -> Plugged:
        rig = GuardedRig("compac-a1", miner=miner, scale=SLOW, tick=0.05, frequency=100)
        return Plugged(
            device=rig.device, miner=miner, unplug=rig.ports.unplug, replug=rig.ports.replug
        )


# -- data


@pytest.mark.parametrize("stick", GUARDED_STICKS.values(), ids=lambda stick: stick.name)
def test_the_data_of_a_stick_fits_its_chip_its_micro_and_its_bridge(stick: Board) -> None:
    assert list(stick.voltages) == sorted(stick.voltages)
    assert stick.voltages[0] <= stick.default_voltage <= stick.voltages[-1]
    assert all(voltage_request(volts) for volts in stick.voltages)
    assert stick.frequency.highest <= stick.chip.frequency.highest
    assert stick.chip.baud(stick.baud_rate or 0)
    assert stick.power.watts_at(stick.default_frequency, stick.default_voltage) > stick.power.fixed
    assert isinstance(DRIVERS[stick.name], SafeOff)
    assert set(GUARDED_STICKS) == set(STICKS_WITH_TELEMETRY)


@pytest.mark.parametrize("name", GUARDED_STICKS)
def test_a_stick_is_known_by_its_strings_and_by_nothing_else(name: str) -> None:
    port = shown(IDENTITIES[name], "/dev/ttyUSB0", "/dev/ttyUSB1", "usb:1-2")
    assert [other for other, driver in DRIVERS.items() if driver.match(port)] == [name]

    driver = DRIVERS[name]
    assert driver.match(replace(port, product=port.product.upper(), paths=("usb:1-2",)))
    assert not driver.match(replace(port, manufacturer="GekkoScience"))
    assert not driver.match(replace(port, product="CP2105 Dual USB to UART Bridge Controller"))
    assert not any(driver.match(shown(cable)) for cable in CABLES.values())


@pytest.mark.parametrize(
    ("paths", "via", "way", "name"),
    [
        (("usb:1-2",), "auto", "usb", "usb:1-2"),
        (("/dev/ttyUSB0", "/dev/ttyUSB1"), "auto", "tty", "/dev/ttyUSB0"),
        (("/dev/ttyUSB0", "/dev/ttyUSB1", "usb:1-2"), "usb", "usb", "usb:1-2"),
        (("usb:1-2", "/dev/ttyUSB0", "/dev/ttyUSB1"), "tty", "tty", "/dev/ttyUSB0"),
    ],
)
def test_both_ports_are_reached_by_the_way_of_the_first_path_unless_it_is_forced(
    paths: tuple[str, ...], via: str, way: str, name: str
) -> None:
    context = GuardedRig().context
    device = DRIVERS["compac-a1"].open(PortInfo(paths=paths), {"via": via}, context)

    assert isinstance(device, EitherChipDevice)
    assert device.current._ports.way == way  # type: ignore[attr-defined]  # behind the protocol
    assert device.current._wire.name == name


@pytest.mark.parametrize(
    ("name", "paths", "settings", "setting"),
    [
        ("compac-a1", (), {}, "port"),
        ("compac-a1", ("/dev/ttyUSB0",), {}, "port"),
        ("compac-a1", ("usb:1-2",), {"via": "radio"}, "via"),
        ("compac-a1", ("usb:1-2",), {"voltage": 0.5}, "voltage"),
        ("compac-a1", ("usb:1-2",), {"frequency": 801}, "frequency"),
        ("compac-a1", ("usb:1-2",), {"max_temperature": 95}, "max_temperature"),
        ("compac-a1", ("usb:1-2",), {"chip": "bm1362"}, "chip"),
        ("compac-a2", ("usb:1-2",), {"chip": "bm1362"}, "chip"),
        ("compac-a2", ("emulated:compac-a2",), {"via": "tty"}, "via"),
    ],
)
def test_what_a_stick_cannot_take_is_refused(
    name: str, paths: tuple[str, ...], settings: dict[str, object], setting: str
) -> None:
    with pytest.raises(SettingError) as refused:
        DRIVERS[name].open(PortInfo(paths=paths), settings, GuardedRig().context)
    assert refused.value.setting == setting


async def test_an_a2_with_another_chip_is_recognized_by_that() -> None:
    rig = GuardedRig("compac-a2", model="bm1368")

    async with rig.running():
        await rig.miner.solved(2)
        stats = rig.device.stats()

    assert (stats.state, stats.hardware_errors) == (DeviceState.MINING, 0)
    assert rig.log.named("chip.recognized") == [{"chip": "BM1368", "expected": "BM1370"}]
    rig.log.events.clear()
    async with rig.running():
        await rig.miner.solved(1)
    assert not rig.log.named("chip.recognized"), "it is remembered"


async def test_a_chip_that_was_named_must_be_there() -> None:
    rig = GuardedRig("compac-a2", model="bm1368", chip="bm1370")

    with pytest.raises(WrongChipError, match=r"expected BM1370, .* id as 1368"):
        raise await rig.failure()
    assert not rig.micro.enabled


async def test_what_was_ordered_holds_for_the_chip_that_is_there() -> None:
    rig = GuardedRig("compac-a2", model="bm1368")
    rig.device.apply(Setpoint(run=True, mhz=100.0, reason="quiet"))

    async with rig.running():
        await rig.miner.solved(1)
        stats = rig.device.stats()

    assert (stats.frequency_mhz, stats.reason) == (100.0, "quiet")


# -- life


@pytest.mark.parametrize(
    ("name", "sleeps"),
    [("compac-a1", True), ("compac-a2", False), ("terminus-a1", False), ("terminus-a2", True)],
)
async def test_a_stick_mines_and_tells_its_temperature_volts_and_watts(
    name: str, sleeps: bool
) -> None:
    rig = GuardedRig(name, sleeps=sleeps)
    spec = STICKS_WITH_TELEMETRY[name].micro
    assert spec

    async with rig.running():
        await asyncio.sleep(1.5 * MINUTES)
        stats = rig.device.stats()
        ambient_and_more = rig.heat.spec.ambient + 10

    assert (stats.state, stats.hardware_errors) == (DeviceState.MINING, 0)
    assert rig.miner.solutions
    assert stats.temperature is not None
    assert ambient_and_more < stats.temperature < 80
    assert number(stats, "voltage") == spec.volts
    assert number(stats, "core_volts") == pytest.approx(spec.volts, abs=0.005)
    is_blind = spec.version == 0x10
    assert (stats.power is None) == is_blind
    assert stats.modelled_power == pytest.approx(spec.watts / 0.9 + 2, rel=0.25)
    assert is_blind or stats.power == pytest.approx(stats.modelled_power, rel=0.05)
    assert stats.details["power_source"] == ("modelled" if is_blind else "measured")
    assert not rig.log.named("board.tripped")


async def test_the_regulator_goes_on_only_after_reset_version_and_voltage() -> None:
    rig = GuardedRig("compac-a1")

    async with rig.running():
        await rig.miner.solved(1)
        told = [word for word in rig.told if word != "472e"]

    assert told[:5] == [*OPENING, REST_VOLTAGE, REGULATOR_OFF]
    assert told[5:10] == ["lines 7", "lines 0", "563c", REGULATOR_ON, "4c4e"]


async def test_when_it_ends_the_lines_go_high_before_anything_is_awaited() -> None:
    rig = GuardedRig()

    async with rig.running() as task:
        await rig.miner.solved(1)
        rig.told.clear()
        task.cancel()
        await asyncio.sleep(0)
        assert rig.told[0] == "lines 7 soon"
        assert rig.heat.core_volts == 0

    assert not rig.micro.regulator
    assert rig.emulated.chain.dead
    [safe] = rig.log.named("board.safe")
    assert str(safe["seen"]).startswith("enable lines read off, telemetry silent behind its lines")


async def test_a_micro_that_stays_awake_is_asked_whether_the_regulator_is_off() -> None:
    rig = GuardedRig(sleeps=False)

    async with rig.running():
        await rig.miner.solved(1)

    [safe] = rig.log.named("board.safe")
    assert "regulator reads off" in str(safe["seen"])
    assert REGULATOR_OFF in rig.told[-4:]


async def test_resting_takes_the_core_voltage_away_and_goes_on_measuring() -> None:
    rig = GuardedRig()

    async with rig.running():
        await rig.miner.solved(1)
        rig.device.apply(Setpoint(run=False, reason="night"))
        await asyncio.sleep(5.0)
        resting = rig.device.stats()
        assert rig.heat.core_volts == 0
        assert not rig.micro.regulator
        await asyncio.sleep(1 * MINUTES)
        rig.device.apply(Setpoint(run=True))
        await rig.miner.solved(1)

    assert (resting.state, resting.reason) == (DeviceState.IDLE, "night")
    assert resting.temperature is not None
    assert not rig.log.named("board.tripped")


async def test_voltage_rises_before_the_frequency_and_falls_after_it() -> None:
    rig = GuardedRig("compac-a2", frequency=300)
    seen: list[tuple[float, float]] = []

    async def watch() -> None:
        while True:
            mhz = rig.device.stats().frequency_mhz
            pair = (mhz or 0.0, rig.micro.volts)
            if mhz and (not seen or seen[-1] != pair):
                seen.append(pair)
            await asyncio.sleep(0.02)

    async with rig.running():
        await rig.miner.solved(1)
        await asyncio.sleep(20.0)
        watching = asyncio.create_task(watch())
        rig.device.adjust({"frequency": 400, "voltage": 0.30})
        await asyncio.sleep(20.0)
        top = rig.device.stats()
        rig.device.adjust({"frequency": 200, "voltage": 0.25})
        await asyncio.sleep(20.0)
        low = rig.device.stats()
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)

    assert (top.frequency_mhz, top.details["voltage"]) == (400, 0.30)
    assert (low.frequency_mhz, low.details["voltage"]) == (200, 0.25)
    assert all(volts == 0.30 for mhz, volts in seen if mhz > 300)
    assert all(mhz <= 201 for mhz, volts in seen if volts == 0.25)
    assert REGULATOR_OFF not in rig.told[rig.told.index(REGULATOR_ON) : rig.told.index("563c")]


def test_a_voltage_set_while_it_is_off_holds_from_the_start() -> None:
    rig = GuardedRig("compac-a1")

    rig.device.adjust({"voltage": 0.35})
    with pytest.raises(SettingError):
        rig.device.adjust({"voltage": 0.4})
    with pytest.raises(SettingError, match="cannot change"):
        rig.device.adjust({"max_temperature": 80})

    assert rig.device.current._board.abilities().table == fixed(0.35)


# -- heat and faults


async def test_in_hot_air_it_throttles_and_does_not_trip() -> None:
    rig = GuardedRig("compac-a1", ambient=42.0, frequency=400)

    async with rig.running():
        await rig.miner.until(lambda: number(rig.device.stats(), "throttle_steps") > 0)
        await asyncio.sleep(2 * MINUTES)
        stats = rig.device.stats()

    assert stats.frequency_mhz is not None
    assert 100 < stats.frequency_mhz < 400
    assert "throttle limit" in stats.reason
    assert not rig.log.named("board.tripped")


@pytest.mark.parametrize("sleeps", [True, False])
async def test_a_trip_cools_down_without_voltage_and_then_it_mines_again(sleeps: bool) -> None:
    rig = GuardedRig(faults=Faults(hot_after=40.0), sleeps=sleeps, ambient=35.0)

    error = await rig.failure()

    assert isinstance(error, BoardTrippedError)
    assert rig.heat.core_volts == 0
    assert not rig.micro.enabled
    rig.heat.faults = Faults()
    async with rig.running():
        await asyncio.sleep(5.0)
        cooling = rig.device.stats()
        assert not rig.micro.regulator
        await rig.miner.solved(1)
    assert cooling.reason.startswith("cooling down, ")


@pytest.mark.parametrize(
    ("fault", "seconds", "source"),
    [
        (Faults(vanish_sensor_after=20), 8.0, "board"),
        (Faults(absurd_sensor_after=20), 8.0, "board"),
        (Faults(dead_control_after=20), 10.0, "board"),
        (Faults(stall_fan_after=20), 10.0, "fan"),
        (Faults(rail_off_after=20), 4.0, "regulator"),
        (Faults(stuck_temperature=101.0), 0.0, "board"),
    ],
)
async def test_what_can_no_longer_be_trusted_trips_within_its_deadline(
    fault: Faults, seconds: float, source: str
) -> None:
    rig = GuardedRig(faults=fault)

    error = await rig.failure(20 + seconds)

    assert isinstance(error, BoardTrippedError)
    assert error.source == source
    assert rig.heat.core_volts == 0
    assert not rig.micro.enabled


async def test_a_voltage_far_above_the_one_set_is_a_fault() -> None:
    rig = GuardedRig()

    async with rig.running() as task:
        await rig.miner.solved(1)
        rig.micro.volts = 0.45
        await asyncio.wait([task], timeout=5.0)
        error = task.exception()

    assert isinstance(error, BoardTrippedError)
    assert "too much for 0.27" in error.reason


async def test_a_micro_of_an_unknown_version_is_not_mined_without() -> None:
    rig = GuardedRig()
    rig.micro._version = 0x77

    error = await rig.failure()

    assert isinstance(error, BringUpError)
    assert "77" in str(error)
    assert REGULATOR_ON not in rig.told
    assert not rig.micro.enabled


async def test_a_micro_that_never_answers_is_an_error_and_leaves_the_lines_high() -> None:
    rig = GuardedRig(faults=Faults(dead_control_after=0))

    assert isinstance(await rig.failure(30.0), DriverError)
    assert not rig.micro.enabled


@pytest.mark.parametrize("slow", [0.05, 0.15])
async def test_a_slow_micro_is_borne(slow: float) -> None:
    rig = GuardedRig(faults=Faults(slow_control=slow), tick=0.02, frequency=100)

    async with rig.running():
        await asyncio.sleep(MINUTES)
        assert rig.device.stats().state is DeviceState.MINING

    assert not rig.log.named("board.tripped")


@pytest.mark.parametrize(("name", "is_told"), [("compac-a1", False), ("terminus-a1", True)])
async def test_a_stick_that_is_pulled_needs_a_remedy_only_with_a_supply_of_its_own(
    name: str, is_told: bool
) -> None:
    rig = GuardedRig(name)

    async with rig.running() as task:
        await rig.miner.solved(1)
        rig.ports.unplug()
        await asyncio.wait([task], timeout=10.0)
        assert isinstance(task.exception(), TransportLostError)
    rig.ports.replug()
    async with rig.running():
        await rig.miner.solved(1)

    assert bool(rig.log.named("board.unsafe")) == is_told


# -- put to rest by somebody else


@pytest.mark.parametrize("name", GUARDED_STICKS)
@pytest.mark.parametrize("sleeps", [True, False])
async def test_a_stick_that_a_killed_process_left_on_is_switched_off(
    name: str, sleeps: bool
) -> None:
    rig = GuardedRig(name, sleeps=sleeps)
    await rig.ports.set_pins(mask=7, levels=0)
    for request in ("563c", REGULATOR_ON):
        rig.emulated.receive_control(bytes.fromhex(request), 0.0)
    assert (rig.heat.core_volts, rig.emulated.chain.dead) == (0.3, False)

    seen = await rig.driver.safe_off_on(rig.ports, {}, rig.context)

    assert rig.heat.core_volts == 0
    assert rig.emulated.chain.dead
    assert not rig.micro.regulator
    assert seen[:2] == ("enable lines read off", "telemetry port opened anew")
    has_fan = name.endswith("a2")
    assert seen[-1] == ("fan told 100 %" if has_fan else seen[2])


async def test_lines_that_do_not_move_are_told() -> None:
    rig = GuardedRig()

    async def stuck() -> int:
        return 0

    rig.ports.read_pins = stuck  # type: ignore[method-assign]  # a bridge that does not obey
    with pytest.raises(SafeOffError, match=r"enable lines: .*they read low"):
        await rig.driver.safe_off_on(rig.ports, {}, rig.context)


async def test_a_regulator_that_stays_on_is_told() -> None:
    rig = GuardedRig(sleeps=False)
    rig.heat.rail = lambda: 0.27

    with pytest.raises(SafeOffError, match=r"regulator: .*switched off, but at 0\.27 V"):
        await rig.driver.safe_off_on(rig.ports, {}, rig.context)
    assert rig.micro.output() == 0
