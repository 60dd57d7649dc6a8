from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.peripherals import ds4432u, ina260, tmp451, tmp1075
from drivers.peripherals.errors import PeripheralError
from tests.peripherals.scripted_bus import ScriptedBus
from tests.peripherals.vectors import VECTORS
from tests.peripherals.virtual_time import run


@pytest.mark.parametrize("case", VECTORS["tmp1075"]["cases"], ids=lambda c: c["word"])
def test_the_tmp1075_is_read_as_captured(case: dict[str, Any]) -> None:
    assert tmp1075.temperature_of(int(case["word"], 16)) == case["celsius"]


@given(st.binary(min_size=2, max_size=2))
def test_the_tmp1075_agrees_with_a_second_computation(data: bytes) -> None:
    signed = int.from_bytes(data, "big", signed=True)

    assert tmp1075.temperature_of(int.from_bytes(data, "big")) == (signed // 16) / 16


def test_the_tmp1075_is_asked_byte_by_byte() -> None:
    bus = ScriptedBus("""
        4a: 0f -> 75 00
        4a: 00 -> e7 00
        4b: 0f -> 00 00
    """)

    async def scenario() -> None:
        sensor = tmp1075.Tmp1075(bus, 0x4A)
        await sensor.identify()
        assert await sensor.temperature() == -25
        with pytest.raises(PeripheralError, match="die id 0000"):
            await tmp1075.Tmp1075(bus, 0x4B).identify()

    run(scenario())
    assert bus.finished()


@pytest.mark.parametrize(
    ("high", "low", "extended", "celsius"),
    [  # TI SBOS686A, tables 1 and 2
        (0x19, 0x00, False, 25.0),
        (0x59, 0x00, True, 25.0),
        (0x00, 0x00, True, -64.0),
        (0x27, 0x00, True, -25.0),
        (0x7F, 0xF0, False, 127.9375),
        (0xFF, 0xF0, True, 191.9375),
        (0x00, 0x10, False, 0.0625),
    ],
)
def test_the_tmp451_is_read_as_in_its_data_sheet(
    high: int, low: int, extended: bool, celsius: float
) -> None:
    assert tmp451.temperature_of(high, low, extended=extended) == celsius


@pytest.mark.parametrize(
    ("degrees", "expected"), [(-7, "f900"), (0, "0000"), (1.0625, "0110"), (-0.0625, "fff0")]
)
def test_the_tmp451_offset_is_twos_complement(degrees: float, expected: str) -> None:
    assert tmp451.offset_bytes(degrees).hex() == expected


def test_an_offset_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="-128 to 128"):
        tmp451.offset_bytes(128)


@pytest.mark.parametrize(("config", "local"), [("00", 40.5), ("04", -23.5)])
def test_the_tmp451_is_asked_byte_by_byte(config: str, local: float) -> None:
    bus = ScriptedBus(f"""
        49: 11 f9
        49: 12 00
        49: 03 -> {config}
        49: 00 -> 28
        49: 15 -> 80
        49: 02 -> 80      # busy is no fault
        49: 01 -> 28
        49: 10 -> 80
        49: 02 -> 04      # open diode
    """)

    async def scenario() -> None:
        part = tmp451.Tmp451(bus)
        await part.initialise(remote_offset=-7)
        assert await part.local_temperature() == local
        assert await part.remote_temperature() == local
        assert await part.remote_temperature() is None

    run(scenario())
    assert bus.finished()


def test_the_ina260_is_read_as_captured() -> None:
    [current, voltage] = VECTORS["ina260"]["cases"]

    assert ina260.current_of(int(current["bytes"], 16)) == current["milliamp"] / 1000
    assert ina260.voltage_of(int(voltage["bytes"], 16)) == voltage["millivolt"] / 1000
    assert ina260.power_of(1200) == 12


def test_the_ina260_is_asked_byte_by_byte_and_absurd_values_are_no_readings() -> None:
    bus = ScriptedBus("""
        40: 01 -> ff ff   # a little the other way round
        40: 01 -> 80 00
        40: 02 -> 0f a0
        40: 02 -> ff ff
        40: 03 -> 04 b0
        40: 03 -> ff ff
    """)

    async def scenario() -> None:
        part = ina260.Ina260(bus)
        assert await part.current() == -0.00125
        assert await part.current() is None
        assert await part.voltage() == 5
        assert await part.voltage() is None
        assert await part.power() == 12
        assert await part.power() is None

    run(scenario())
    assert bus.finished()


@pytest.mark.parametrize("case", VECTORS["ds4432u"]["cases"], ids=lambda c: str(c["volts"]))
def test_the_ds4432u_is_coded_as_captured(case: dict[str, Any]) -> None:
    assert f"{ds4432u.code_of(case['volts']):02x}" == case["reg_f8"]


@given(st.floats(0.99, 1.92))
def test_the_ds4432u_voltage_is_within_a_step_but_for_the_seam(volts: float) -> None:
    step = 4750 * 98.921e-6 / 127
    seam = 1.451 <= volts <= 1.459  # the direction turns 7 mV below the true middle

    off = abs(ds4432u.voltage_of(ds4432u.code_of(volts)) - volts)

    assert off <= (2 * 0.0075 + step if seam else step + 1e-9)


@given(st.floats(0, 5))
def test_a_request_for_less_voltage_never_turns_into_more(volts: float) -> None:
    try:
        code = ds4432u.code_of(volts)
    except ValueError:
        assert volts < 0.99 or volts > 1.92
    else:
        assert 0 <= code <= 0xFF
        assert bool(code & 0x80) == (volts < 1.451)


def test_the_ds4432u_is_written_byte_by_byte() -> None:
    bus = ScriptedBus("48: f8 c6\n48: f8 -> c6")

    async def scenario() -> None:
        part = ds4432u.Ds4432u(bus)
        await part.set_voltage(1.2)
        assert await part.voltage() == pytest.approx(1.2, abs=0.004)

    run(scenario())
    assert bus.finished()
