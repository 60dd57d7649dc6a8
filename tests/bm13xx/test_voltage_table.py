"""Voltage tables and what follows from them: points, limits, slow rises, as properties."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.api import Setpoint
from drivers.bm13xx.board import Board
from drivers.bm13xx.board_power import BoardPower, Load
from drivers.bm13xx.boards.bitaxe_gamma import BITAXE_GAMMA
from drivers.bm13xx.boards.table import BOARDS
from drivers.bm13xx.power_model import PowerModel
from drivers.bm13xx.settings import board_settings
from drivers.bm13xx.sticks.table import GUARDED_STICKS
from drivers.bm13xx.target import (
    Abilities,
    Rise,
    Target,
    Throttle,
    operating_points,
    target_of,
)
from drivers.bm13xx.voltage_table import (
    PointsError,
    VoltageTable,
    fixed,
    parsed_points,
    voltage_steps,
)
from drivers.errors import SettingError

TABLES = st.lists(
    st.tuples(st.integers(8, 130), st.integers(1000, 1250)), min_size=1, max_size=6
).map(
    lambda pairs: VoltageTable(
        points=tuple(
            zip(
                sorted({6.25 * mhz for mhz, _ in pairs}),
                sorted(volts / 1000 for _, volts in pairs),
                strict=False,
            )
        )
    )
)
FREQUENCIES = st.integers(500, 8000).map(lambda tenths: tenths / 10)
POWER = PowerModel(watts=19.0, fixed=5.0, mhz=525.0, volts=1.15)


def able(table: VoltageTable, mhz: float, error: float = 1.0) -> Abilities:
    return Abilities(mhz=mhz, least_mhz=50.0, table=table, power=POWER, model_error=error)


def test_between_two_points_the_voltage_is_on_the_line_and_outside_that_of_the_end() -> None:
    table = VoltageTable(points=((400.0, 1.0), (500.0, 1.1)))

    assert [table.volts_at(mhz) for mhz in (50, 400, 425, 475, 500, 800)] == [
        *(1.0, 1.0, 1.025, 1.075, 1.1, 1.1)
    ]
    assert table.volts_at(400.01) == 1.0001, "rounded up"
    assert fixed(1.2).volts_at(1.0) == 1.2


@given(TABLES, st.floats(0, 1000), st.floats(0, 1000))
def test_the_voltage_never_falls_with_the_frequency_and_stays_within_the_table(
    table: VoltageTable, one: float, other: float
) -> None:
    low, high = sorted((one, other))

    assert table.volts_at(low) <= table.volts_at(high)
    assert table.points[0][1] <= table.volts_at(low) <= table.points[-1][1]


@given(TABLES, FREQUENCIES, st.floats(0.5, 2.0))
def test_points_rise_in_every_respect_and_end_at_full_speed(
    table: VoltageTable, mhz: float, error: float
) -> None:
    points = operating_points(able(table, mhz, error), 2.04e9)

    assert points[-1].mhz == mhz
    assert points[0].mhz <= 50.0 + 1e-9
    assert all(point.watts > 5.0 for point in points)
    for before, after in itertools.pairwise(points):
        assert before.mhz < after.mhz
        assert before.watts < after.watts
        assert before.hashrate < after.hashrate
        assert (before.volts or 0.0) <= (after.volts or 0.0)


@given(TABLES, FREQUENCIES, st.floats(1, 80), st.floats(0.5, 2.0))
def test_a_limit_in_watts_takes_the_fastest_point_within_it(
    table: VoltageTable, mhz: float, watts: float, error: float
) -> None:
    abilities = able(table, mhz, error)
    within = [point for point in operating_points(abilities, 1.0) if point.watts <= watts]

    target = target_of(abilities, Setpoint(run=True, watts=watts), Throttle())

    if not within:
        assert target == Target(
            mhz=None, reason=f"limited to {watts:g} W: less than the device can do"
        )
    else:
        assert target.mhz == within[-1].mhz
        assert target.volts == table.volts_at(within[-1].mhz)


@given(TABLES, st.floats(0, 900), st.floats(0.1, 1.0))
def test_every_target_has_the_voltage_that_its_frequency_needs(
    table: VoltageTable, limit: float, share: float
) -> None:
    setpoint, heat = Setpoint(run=True, mhz=limit), Throttle(share=share, reason="hot")
    target = target_of(able(table, 600.0), setpoint, heat)

    assert target.mhz is None or target.volts == table.volts_at(target.mhz)


@pytest.mark.parametrize(
    "board", [*BOARDS.values(), *GUARDED_STICKS.values()], ids=lambda board: board.name
)
def test_a_boards_table_is_within_its_limits_and_makes_its_power_convex(board: Board) -> None:
    _, settings = board_settings(board.name, {}, board)
    table = settings.table
    assert table.volts_at(board.default_frequency) == board.default_voltage
    if board.table:
        assert board.voltages[0] <= table.points[0][1]
        assert table.points[-1] == (board.default_frequency, board.default_voltage)

    power = BoardPower(board.power, table, mhz=board.default_frequency, least_mhz=50.0)
    points = operating_points(power.abilities, 1e9)

    slopes = [
        (after.watts - before.watts) / (after.hashrate - before.hashrate)
        for before, after in itertools.pairwise(points)
    ]
    # rounding up makes single steps a little steeper than their neighbours
    assert all(before < after * 1.03 for before, after in itertools.pairwise(slopes))


def test_less_speed_at_less_voltage_costs_less_for_each_hash() -> None:
    _, settings = board_settings("bitaxe-gamma", {}, BITAXE_GAMMA)
    power = BoardPower(BITAXE_GAMMA.power, settings.table, mhz=525.0, least_mhz=50.0)
    abilities = power.abilities

    # 14 W of the chips at 525 MHz and 1.15 V; 400 MHz need 1.00 V
    assert abilities.watts_at(525.0) == pytest.approx(19.0)
    assert abilities.watts_at(400.0) == pytest.approx(5 + 14 * 400 / 525 * (1.0 / 1.15) ** 2)


# -- a table of one's own


@given(TABLES)
def test_a_table_survives_being_written_as_text(table: VoltageTable) -> None:
    text = ",".join(f"{mhz:g}:{volts:g}" for mhz, volts in table.points)

    assert parsed_points(text) == table.points


@given(st.text(alphabet="0123456789.,:-einfa \t", max_size=40))
def test_any_text_gives_points_or_the_documented_error(text: str) -> None:
    try:
        points = parsed_points(text)
    except PointsError:
        return
    assert all(mhz > 0 or mhz <= 0 for mhz, _ in points)
    assert [mhz for mhz, _ in points] == sorted({mhz for mhz, _ in points})


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"points": "400"}, "must be MHz:volts pairs such as 400:1.10,450:1.15, not '400'"),
        ({"points": "400:x"}, "not '400:x'"),
        ({"points": "400:1.1,,500:1.2"}, "not ''"),
        ({"points": "450:1.1,400:1.15"}, "MHz must rise, but 400 comes after 450"),
        ({"points": "400:1.15,450:1.1"}, "volts must not fall, but 1.1 comes after 1.15"),
        ({"points": "400:1.1,700:1.2"}, "must be 50 to 625 MHz, not 700.0"),
        ({"points": "400:0.9"}, "must be 1 to 1.25 V, not 0.9"),
        ({"points": "400:1.1", "voltage": 1.1}, "leave out voltage"),
        ({"points": "400:1.1", "frequency": 500}, "must be 50 to 400 MHz, not 500"),
        ({"points": 400}, "must be a name, not 400"),
        ({"ramp": -1}, "must be 0 to 3600 s, not -1"),
    ],
)
def test_a_table_that_cannot_be_is_refused_with_its_remedy(
    settings: dict[str, object], problem: str
) -> None:
    with pytest.raises(SettingError) as error:
        board_settings("bitaxe-gamma", settings, BITAXE_GAMMA)

    assert problem in str(error.value)


def test_a_board_of_one_voltage_takes_no_table() -> None:
    with pytest.raises(SettingError, match="the core voltage of this board cannot be set"):
        board_settings("qaxe", {"points": "400:1.2"}, BOARDS["qaxe"])


def test_the_last_of_ones_own_points_is_full_speed() -> None:
    chain, board = board_settings("bitaxe-gamma", {"points": "400:1.0, 600:1.2"}, BITAXE_GAMMA)

    assert chain.frequency == 600.0
    assert board.table.volts_at(500.0) == 1.1


def test_a_voltage_that_was_set_holds_at_every_frequency() -> None:
    _, board = board_settings("bitaxe-gamma", {"voltage": 1.1}, BITAXE_GAMMA)

    assert [board.table.volts_at(mhz) for mhz in (50.0, 400.0, 625.0)] == [1.1] * 3


# -- the way there


@given(st.integers(1000, 1500), st.integers(1000, 1500))
def test_a_voltage_moves_in_steps_and_ends_where_it_should(before: int, after: int) -> None:
    one, other = before / 1000, after / 1000

    steps = voltage_steps(one, other, 0.025)

    assert steps[-1] == other
    assert all(abs(high - low) <= 0.025 + 1e-9 for low, high in itertools.pairwise((one, *steps)))
    assert list(steps) == sorted(steps, reverse=other < one)


@given(st.lists(st.floats(0.1, 20.0), max_size=40), st.floats(1.0, 600.0))
def test_a_rise_takes_as_long_as_it_should_and_a_fall_no_time(
    waits: list[float], seconds: float
) -> None:
    rise, abilities, now = Rise(), able(fixed(1.15), 500.0), 100.0
    wanted = target_of(abilities, Setpoint(run=True), Throttle())
    assert rise.slowed(wanted, abilities, now, seconds=seconds).mhz == 50.0

    rise.begins(now)
    for wait in waits:
        now += wait
        mhz = rise.slowed(wanted, abilities, now, seconds=seconds).mhz or 0.0
        allowed = 500.0 * (now - 100.0) / seconds
        assert min(allowed - 6.25, 500.0) <= mhz <= max(min(allowed + 1e-6, 500.0), 50.0)

    slow = target_of(abilities, Setpoint(run=True, mhz=60.0), Throttle())
    assert (rise.slowed(slow, abilities, now, seconds=seconds).mhz or 0.0) <= 60.0
    assert rise.slowed(Target(mhz=None), abilities, now, seconds=seconds).mhz is None
    rise.rests()
    assert rise.slowed(wanted, abilities, now + 900.0, seconds=seconds).mhz == 50.0


# -- corrected by what is measured


def test_a_model_follows_what_is_measured_once_nothing_moves() -> None:
    power = BoardPower(POWER, fixed(1.15), mhz=525.0, least_mhz=50.0)
    load = Load(mhz=525.0, is_hashing=True)
    measured = 5.0 + 14.0 * 1.1

    power.measured(load, measured)
    assert power.abilities.model_error == 1.0, "something may just have changed"
    power.measured(Load(mhz=400.0, is_hashing=True), measured)
    power.measured(Load(mhz=525.0, is_hashing=False), 9.0)
    power.measured(load, measured)
    assert power.abilities.model_error == 1.0
    power.measured(load, measured)

    assert power.abilities.model_error == pytest.approx(1.1)
    assert power.modelled(load) == pytest.approx(measured)
    assert power.modelled(Load()) == 5.0


@given(st.lists(st.floats(0.0, 100.0), max_size=30))
def test_no_measurement_however_absurd_makes_the_model_absurd(readings: list[float]) -> None:
    power = BoardPower(POWER, fixed(1.15), mhz=525.0, least_mhz=50.0)

    for watts in readings:
        power.measured(Load(mhz=525.0, is_hashing=True), watts)

    assert 0.5 <= power.abilities.model_error <= 2.0
