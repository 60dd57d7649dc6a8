"""What boards are by data, how they are recognized, and which settings they take."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from drivers.api import Cooled, HeatGoals, PortInfo, Setpoint
from drivers.bm13xx.board import Board
from drivers.bm13xx.boards.bitaxe_gamma import BITAXE_GAMMA
from drivers.bm13xx.boards.table import BOARDS
from drivers.bm13xx.driver import DRIVERS
from drivers.bm13xx.settings import board_settings
from drivers.bm13xx.target import Abilities, Target, Throttle, target_of
from drivers.bm13xx.voltage_table import fixed
from drivers.errors import SettingError
from tests.bm13xx.device_rig import Rig

ACM = ("/dev/ttyACM0", "/dev/ttyACM1")
BITAXE = PortInfo(
    paths=ACM, vid=0xC0DE, pid=0xCAFE, serial="a1b2c3d4", manufacturer="OSMU", product="Bitaxe"
)
EMBERONE = PortInfo(paths=ACM, vid=0x1209, pid=0x256F, manufacturer="256F", product="EmberOne00")
BONANZA = PortInfo(paths=ACM, vid=0xC0DE, pid=0xCAFE, manufacturer="OSMU", product="BitaxeBonanza")
POWER = BITAXE_GAMMA.power


def best(port: PortInfo) -> list[str]:
    scores = {name: driver.match(port) for name, driver in DRIVERS.items()}
    return [name for name, score in scores.items() if score and score == max(scores.values())]


@pytest.mark.parametrize("board", BOARDS.values(), ids=lambda board: board.name)
def test_every_boards_defaults_are_within_its_own_tables(board: Board) -> None:
    assert list(board.frequencies) == sorted(board.frequencies)
    assert list(board.voltages) == sorted(board.voltages)
    assert board.frequencies[0] <= board.default_frequency <= board.frequencies[-1]
    assert board.frequency.highest <= board.chip.frequency.highest
    if board.voltages:
        assert board.voltages[0] <= board.default_voltage <= board.voltages[-1]
    assert board.chip.baud(board.baud_rate or board.chip.baud_rate)
    assert board.sensors
    assert DRIVERS[board.name].name == board.name


def test_the_strings_of_usb_say_which_board_it_is_as_far_as_they_can() -> None:
    assert best(EMBERONE) == ["emberone-00"]
    assert best(BITAXE) == ["bitaxe-gamma"]
    assert DRIVERS["bitaxe-hex"].match(BITAXE) > 0, "it may be one, if the operator says so"
    assert best(BONANZA) == []
    assert DRIVERS["bm1370"].match(BITAXE) == 0


@pytest.mark.parametrize(
    ("driver", "settings", "problem"),
    [
        ("bm1370", {"chips": 0}, "must be 1 to 128, not 0"),
        ("bm1370", {"chips": 1.5}, "must be a whole number, not 1.5"),
        ("bm1370", {"frequency": 900}, "must be 50 to 800 MHz, not 900"),
        ("bm1370", {"frequency": True}, "must be 50 to 800 MHz, not True"),
        ("bm1370", {"baud_rate": 9600}, "BM1370 knows 115200, 1000000, not 9600"),
        ("bm1370", {"scale": 0}, "must be 1e-12 to 1, not 0"),
        ("bm1370", {"frequenzy": 500}, "unknown; did you mean frequency?"),
        ("bm1370", {"voltage": 1.2}, "unknown"),
        ("bitaxe-gamma", {"frequency": 700}, "must be 50 to 625 MHz, not 700"),
        ("bitaxe-gamma", {"voltage": 1.4}, "must be 1 to 1.25 V, not 1.4"),
        ("bitaxe-gamma", {"voltage": "nan"}, "must be 1 to 1.25 V, not 'nan'"),
        ("bitaxe-gamma", {"fan": "150%"}, "must be 0 to 100 percent, not '150'"),
        ("bitaxe-gamma", {"max_temperature": 95}, "must be 30 to 75 degrees, not 95"),
        ("qaxe", {"voltage": 1.1}, "must be 1.2 to 1.2 V, not 1.1"),
        ("piaxe", {"gpio_chip": 5}, "must be a name, not 5"),
    ],
)
def test_a_setting_out_of_range_is_named_with_what_it_may_be(
    driver: str, settings: Mapping[str, object], problem: str
) -> None:
    paths = ("/dev/ttyS0", "/dev/ttyS1")[: 2 if driver in {"bitaxe-gamma", "qaxe"} else 1]

    with pytest.raises(SettingError) as error:
        DRIVERS[driver].open(PortInfo(paths=paths), settings, Rig("bm1370").context)

    assert problem in str(error.value)
    assert error.value.driver == driver


def test_settings_may_come_as_text() -> None:
    given = {"frequency": "400", "voltage": "1.1", "fan": "60%", "max_temperature": "auto"}

    chain, board = board_settings("bitaxe-gamma", given, BITAXE_GAMMA)

    assert (chain.frequency, chain.chips, chain.baud_rate) == (400, 1, 1_000_000)
    assert (board.voltage, board.fan, board.max_temperature) == (1.1, 60, None)
    assert board.table == fixed(1.1)


def test_the_frequency_can_be_set_anew_and_other_things_cannot() -> None:
    device = Rig("bitaxe-gamma").device
    adjust = device.adjust  # type: ignore[attr-defined]  # optional in the contract

    adjust({"frequency": 400, "fan": 80, "voltage": 1.1, "ramp": 30})
    with pytest.raises(SettingError, match="cannot change while the device runs"):
        adjust({"max_temperature": 60})
    with pytest.raises(SettingError, match="50 to 625 MHz"):
        adjust({"frequency": 2000})


ABLE = Abilities(mhz=525.0, least_mhz=50.0, table=fixed(1.15), power=POWER)


@pytest.mark.parametrize(
    ("setpoint", "throttle", "expected"),
    [
        (Setpoint(run=True), Throttle(), Target(mhz=525.0)),
        (Setpoint(run=False, reason="why"), Throttle(), Target(mhz=None, reason="why")),
        (Setpoint(run=True, mhz=400.0, reason="w"), Throttle(), Target(mhz=400.0, reason="w")),
        (Setpoint(run=True, mhz=900.0), Throttle(), Target(mhz=525.0)),
        # 19 W at 525 MHz, 5 of them always: 12 W leave 7 of 14 for half the frequency.
        (Setpoint(run=True, watts=12.0, reason="w"), Throttle(), Target(mhz=262.5, reason="w")),
        (
            Setpoint(run=True, watts=12.0, mhz=200.0, reason="w"),
            Throttle(),
            Target(mhz=200.0, reason="w"),
        ),
        (
            Setpoint(run=True, watts=4.0, reason="w"),
            Throttle(),
            Target(mhz=None, reason="w: less than the device can do"),
        ),
        (
            Setpoint(run=True, mhz=500.0),
            Throttle(share=0.9, reason="hot"),
            Target(mhz=468.75, reason="hot"),
        ),
        (
            Setpoint(run=True, mhz=300.0, reason="w"),
            Throttle(share=0.9, reason="hot"),
            Target(mhz=300.0, reason="w"),
        ),
        (Setpoint(run=True), Throttle(share=0.0, reason="hot"), Target(mhz=50.0, reason="hot")),
    ],
)
def test_of_several_limits_the_lowest_holds(
    setpoint: Setpoint, throttle: Throttle, expected: Target
) -> None:
    volts = 0.0 if expected.mhz is None else 1.15
    assert target_of(ABLE, setpoint, throttle) == replace(expected, volts=volts)


def test_power_goes_with_frequency_and_the_square_of_the_voltage() -> None:
    assert POWER.watts_at(525.0, 1.15) == pytest.approx(19.0)
    assert POWER.watts_at(262.5, 1.15) == pytest.approx(12.0)
    assert POWER.watts_at(525.0, 2.30) == pytest.approx(5.0 + 14.0 * 4)
    assert POWER.watts_at(525.0, 1.15, error=1.1) == pytest.approx(5.0 + 14.0 * 1.1)


def test_a_limit_in_watts_that_cannot_be_kept_is_told() -> None:
    bare = Abilities(mhz=400.0, least_mhz=50.0)

    target = target_of(bare, Setpoint(run=True, watts=30.0), Throttle())

    assert target == Target(mhz=400.0, reason="power unknown: cannot keep a limit of 30 W")


def test_an_emulated_device_may_stand_where_a_port_does() -> None:
    context = Rig("bm1370").context
    gamma = DRIVERS["bitaxe-gamma"]
    emulated = gamma.emulated()
    assert emulated

    assert gamma.open(PortInfo(paths=("emulated:bitaxe-gamma",)), {"nack": 0.1}, context)
    with pytest.raises(SettingError, match="it has no control port"):
        gamma.open(PortInfo(paths=("emulated:bm1370",)), {}, context)
    with pytest.raises(SettingError, match="no such device"):
        gamma.open(PortInfo(paths=("emulated:bitaxe-delta",)), {}, context)
    with pytest.raises(SettingError, match="there is none"):
        emulated.open(PortInfo(paths=("/dev/ttyACM0",)), {}, context)
    with pytest.raises(SettingError, match="not a number"):
        emulated.open(PortInfo(), {"scale": "small"}, context)
    with pytest.raises(SettingError, match="probability"):
        emulated.open(PortInfo(), {"drop": 7}, context)


def test_goals_of_heat_lower_a_boards_limits_and_never_raise_them() -> None:
    goals = HeatGoals(target=62, throttle=72, trip=80)
    driver = DRIVERS["bitaxe-gamma"]
    assert isinstance(driver, Cooled)

    merged = driver.with_heat({"max_temperature": "70", "frequency": 400}, goals)
    _, board = board_settings("x", merged, BITAXE_GAMMA)
    own_target = driver.with_heat({"target_temperature": 50}, HeatGoals(target=62))
    unclear = driver.with_heat({"max_temperature": "warm"}, goals)

    assert merged["frequency"] == 400
    assert board.target_temperature == 62
    assert (board.throttle_temperature, board.max_temperature) == (72, 70)
    assert own_target == {"target_temperature": 50}
    assert unclear["max_temperature"] == "warm", "left to whoever reads the setting"
    assert driver.with_heat({}, goals)["max_temperature"] == 75, "the board's own, which is lower"
    assert driver.with_heat({"fan": 60}, HeatGoals()) == {"fan": 60}
    assert not isinstance(DRIVERS["bm1370"], Cooled)
