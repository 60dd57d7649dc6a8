from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.peripherals import emc2101, emc2103, emc2302
from drivers.peripherals.errors import ControlRefusedError, PeripheralError
from tests.peripherals.scripted_bus import ScriptedBus
from tests.peripherals.vectors import VECTORS
from tests.peripherals.virtual_time import run


@pytest.mark.parametrize(
    "case", VECTORS["emc2101_external"]["cases"], ids=lambda c: c["high"] + c["low"]
)
def test_the_die_temperature_is_read_as_captured(case: dict[str, Any]) -> None:
    value = emc2101.external_temperature_of(int(case["high"], 16), int(case["low"], 16))

    assert value == case.get("celsius")  # no value where the vector names a fault


@pytest.mark.parametrize("case", VECTORS["emc2101_duty"], ids=lambda c: str(c["percent"]))
def test_the_duty_is_coded_as_captured(case: dict[str, int]) -> None:
    assert emc2101.duty_of(case["percent"]) == case["mujina"]


@pytest.mark.parametrize("case", VECTORS["emc2101_rpm"], ids=lambda c: str(c["tach"]))
def test_the_speed_is_read_as_captured(case: dict[str, int]) -> None:
    assert emc2101.rpm_of(case["tach"]) == case["rpm"]


@pytest.mark.parametrize("count", [0, 0xFFFF])
def test_a_fan_that_stands_still_has_no_speed(count: int) -> None:
    assert emc2101.rpm_of(count) == 0


@pytest.mark.parametrize("case", VECTORS["emc2302_rpm"]["cases"], ids=lambda c: c["msb"] + c["lsb"])
def test_the_emc2302_speed_is_read_as_captured(case: dict[str, Any]) -> None:
    high, low = int(case["msb"], 16), int(case["lsb"], 16)

    rpm = emc2302.rpm_of(high, low, multiplier=case["multiplier"])

    assert int(rpm) == case["rpm"]


@given(st.integers(0, 0xFF), st.integers(0, 0xFF))
def test_die_temperatures_agree_with_a_second_computation(high: int, low: int) -> None:
    signed = int.from_bytes(bytes([high, low]), "big", signed=True) >> 5

    value = emc2101.external_temperature_of(high, low)

    assert value == (None if (high << 3 | low >> 5) in (0x3F8, 0x3FF) else signed / 8)
    if (high, low) != (0x80, 0x00):
        assert emc2103.temperature_of(high, low) == signed / 8


def test_the_emc2103_diode_fault_is_no_temperature() -> None:
    assert emc2103.temperature_of(0x80, 0x00) is None


@given(st.floats(0, 100))
def test_duties_stay_in_their_registers_and_never_round_up(percent: float) -> None:
    assert 0 <= emc2101.duty_of(percent) <= percent * 63 / 100
    assert 0 <= emc2103.duty_of(percent) == emc2302.duty_of(percent) <= percent * 255 / 100


@pytest.mark.parametrize("percent", [-0.1, 100.1, float("nan")])
def test_an_impossible_duty_is_refused(percent: float) -> None:
    with pytest.raises(ValueError, match="0 to 100 percent"):
        emc2101.duty_of(percent)


def test_the_emc2101_is_identified_and_set_up_byte_by_byte() -> None:
    bus = ScriptedBus("""
        4c: fe -> 5d
        4c: fd -> 28
        4c: 03 -> 10      # other bits are kept
        4c: 03 14
        4c: 4a 23
        4c: 17 24
        4c: 18 00
        4c: 4c 3f         # fan at 100 %
        4c: 46 -> 46      # the low byte first: it latches the high one
        4c: 47 -> 05
        4c: 01 -> 37
        4c: 10 -> 20
        4c: 00 -> fb
    """)

    async def scenario() -> None:
        part = emc2101.Emc2101(bus)
        await part.initialise(ideality=0x24, beta=0)
        await part.set_fan(100)
        assert await part.fan_rpm() == 4000
        assert await part.external_temperature() == 55.125
        assert await part.internal_temperature() == -5

    run(scenario())
    assert bus.finished()


@pytest.mark.parametrize("ids", [("5d", "20"), ("00", "16"), ("ff", "ff")])
def test_another_part_is_not_taken_for_an_emc2101(ids: tuple[str, str]) -> None:
    bus = ScriptedBus(f"4c: fe -> {ids[0]}\n4c: fd -> {ids[1]}")

    with pytest.raises(PeripheralError, match="not an EMC2101"):
        run(emc2101.Emc2101(bus).initialise())


def test_a_missing_part_is_an_error() -> None:
    with pytest.raises(ControlRefusedError):
        run(emc2101.Emc2101(ScriptedBus("4c: fe -> nack")).initialise())


def test_the_emc2103_is_set_up_byte_by_byte() -> None:
    bus = ScriptedBus("""
        2e: 20 00
        2e: 2a 00
        2e: 2b 00
        2e: 11 12
        2e: 12 12
        2e: 14 07
        2e: 15 07
        2e: 40 7f
        2e: 4e -> 1e      # 960 counts, multiplier 2
        2e: 4f -> 00
        2e: 02 -> 3c
        2e: 03 -> 40
        2e: 04 -> 80
        2e: 05 -> 00
    """)

    async def scenario() -> None:
        part = emc2103.Emc2103(bus)
        await part.initialise(ideality=0x12, beta=0x07)
        await part.set_fan(50)
        assert await part.fan_rpm() == 8192
        assert await part.temperature(1) == 60.25
        assert await part.temperature(2) is None

    run(scenario())
    assert bus.finished()


def test_the_emc2302_drives_both_fans_byte_by_byte() -> None:
    bus = ScriptedBus("""
        2f: 32 -> 2b      # range bits off, the rest kept
        2f: 32 0b
        2f: 42 -> 6b
        2f: 42 0b
        2f: 30 3f         # 25 %
        2f: 40 3f
        2f: 3e -> 1e
        2f: 3f -> 00
        2f: 4e -> ff
        2f: 4f -> f8
    """)

    async def scenario() -> None:
        part = emc2302.Emc2302(bus)
        await part.initialise()
        await part.set_fan(25)
        assert await part.fan_rpm() == 4096
        assert await part.fan_rpm(2) == 0

    run(scenario())
    assert bus.finished()
