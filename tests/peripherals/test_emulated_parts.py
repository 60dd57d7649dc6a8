"""The emulated parts on a board's bus: documented register values, from physics to bytes."""

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.peripherals.emulated_fans import EMC2101, EMC2103, EMC2302
from drivers.peripherals.emulated_faults import Faults
from drivers.peripherals.emulated_heat import BoardHeat, HeatSpec
from drivers.peripherals.emulated_i2c import EmulatedI2c, Part, RegisterPart
from drivers.peripherals.emulated_regulators import DS4432U, TPS546, linear11
from drivers.peripherals.emulated_thermometers import INA260, TMP451, TMP1075
from tests.peripherals.vectors import VECTORS


def board(faults: Faults | None = None, **spec: Any) -> BoardHeat:
    """Return a powered, running board whose diode can be read."""
    heat = BoardHeat(HeatSpec(**spec), random=Random(1), faults=faults or Faults())
    heat.rail = lambda: heat.spec.volts * heat.spec.domains
    heat.advance(0.0)
    heat.release_reset(released=True)
    heat.advance(1.0)
    return heat


def read(part: Part, register: int, count: int = 1) -> bytes:
    assert part.write(bytes([register]))
    content = part.read(count)
    assert content is not None
    return content


# -- EMC2101


def emc2101(heat: BoardHeat) -> RegisterPart:
    part = RegisterPart(EMC2101(heat))
    part.write(b"\x03\x04")
    part.write(b"\x4a\x23")
    return part


def test_an_emc2101_names_itself() -> None:
    assert read(emc2101(board()), 0xFD, 2) == b"\x16\x5d"


@pytest.mark.parametrize(
    "case", [c for c in VECTORS["emc2101_external"]["cases"] if c.get("fault") != "short"]
)
def test_an_emc2101_gives_the_diode_in_eighths_of_a_degree(case: dict[str, Any]) -> None:
    heat = board(Faults(open_diode_after=0.0) if case.get("fault") == "open" else None)
    heat.die = case.get("celsius", 40.0)
    part = emc2101(heat)

    assert read(part, 0x01).hex() + read(part, 0x10).hex() == case["high"] + case["low"]


def test_reading_the_high_byte_of_the_diode_holds_the_low_byte() -> None:
    heat = board()
    heat.die = 55.125
    part = emc2101(heat)

    read(part, 0x01)
    heat.die = 60.0

    assert read(part, 0x10) == b"\x20"


@pytest.mark.parametrize("case", VECTORS["emc2101_rpm"])
def test_an_emc2101_counts_the_tachometer_low_byte_first(case: dict[str, int]) -> None:
    heat = board(fan_rpm=float(case["rpm"]))
    part = emc2101(heat)
    part.write(b"\x4c\x3f")

    low, high = read(part, 0x46), read(part, 0x47)

    assert int.from_bytes(low + high, "little") == case["tach"]


def test_an_emc2101_hears_no_tachometer_before_it_is_told_to() -> None:
    part = RegisterPart(EMC2101(board()))
    part.write(b"\x4c\x3f")

    assert read(part, 0x46) + read(part, 0x47) == b"\xff\xff"


@pytest.mark.parametrize(("value", "duty"), [(0x00, 0.0), (0x0F, 15 / 63), (0x3F, 1.0)])
def test_an_emc2101_drives_the_fan_in_63_steps(value: int, duty: float) -> None:
    heat = board()

    emc2101(heat).write(bytes([0x4C, value]))

    assert heat.duty == pytest.approx(duty)


def test_an_emc2101_ignores_the_duty_while_its_table_drives_the_fan() -> None:
    heat = board()
    part = emc2101(heat)

    part.write(b"\x4a\x03")
    part.write(b"\x4c\x3f")

    assert heat.duty == 0.0


def test_a_stalled_fan_reads_as_no_pulse_at_all() -> None:
    part = emc2101(board(Faults(stall_fan_after=0.0)))
    part.write(b"\x4c\x3f")

    assert read(part, 0x46) + read(part, 0x47) == b"\xff\xff"


# -- EMC2103, EMC2302


def test_an_emc2103_gives_two_diodes_and_a_speed() -> None:
    heat = board(fan_rpm=4000.0)
    heat.die = 55.125
    part = RegisterPart(EMC2103(heat))
    part.write(b"\x40\xff")

    assert read(part, 0xFD, 2) == b"\x26\x5d"
    assert read(part, 0x02, 2) == b"\x37\x20"
    assert int.from_bytes(read(part, 0x4E, 2), "big") >> 3 == round(7864320 / 4000)
    assert heat.duty == 1.0


def test_an_emc2103_has_a_code_for_an_open_diode() -> None:
    assert read(RegisterPart(EMC2103(board(Faults(open_diode_after=0.0)))), 0x02, 2) == b"\x80\0"


@pytest.mark.parametrize("case", VECTORS["emc2302_rpm"]["cases"])
def test_an_emc2302_counts_13_bits_high_byte_first(case: dict[str, Any]) -> None:
    count = int(case["msb"] + case["lsb"], 16) >> 3
    heat = board(fan_rpm=3932160 / count if case["rpm"] else 1.0)
    part = RegisterPart(EMC2302(heat))
    part.write(b"\x32\x0b")
    part.write(bytes([0x30, 0xFF if case["rpm"] else 0]))

    assert read(part, 0x3E, 2).hex() == case["msb"] + case["lsb"]


def test_the_two_fans_of_an_emc2302_blow_together() -> None:
    heat = board()
    part = RegisterPart(EMC2302(heat))

    part.write(b"\x30\xff")
    one = heat.duty
    part.write(b"\x40\xff")

    assert (one, heat.duty) == (0.5, 1.0)


# -- thermometers and the meter


@pytest.mark.parametrize("case", VECTORS["tmp1075"]["cases"])
def test_a_tmp1075_gives_sixteenths_of_a_degree(case: dict[str, Any]) -> None:
    heat = board()
    heat.ambient = heat.die = case["celsius"]

    assert read(RegisterPart(TMP1075(heat), width=2), 0x00, 2).hex() == case["word"]


def test_a_tmp1075_names_itself() -> None:
    assert read(RegisterPart(TMP1075(board()), width=2), 0x0F, 2) == b"\x75\x00"


def test_a_tmp451_adds_its_offset_to_the_remote_temperature() -> None:
    heat = board()
    heat.die = 60.25
    part = RegisterPart(TMP451(heat))

    plain = read(part, 0x01) + read(part, 0x10)
    part.write(b"\x11\xf9")
    corrected = read(part, 0x01) + read(part, 0x10)

    assert plain == b"\x3c\x40"
    assert corrected == b"\x35\x40"
    assert read(part, 0xFE) == b"\x55"


def test_a_tmp451_in_its_wide_range_counts_from_64_below_zero() -> None:
    heat = board()
    heat.die = -10.5
    part = RegisterPart(TMP451(heat))

    narrow = read(part, 0x01)
    part.write(b"\x09\x04")

    assert narrow == b"\0"
    assert read(part, 0x01) + read(part, 0x10) == b"\x35\x80"


def test_an_ina260_gives_current_voltage_and_power_of_the_input() -> None:
    heat = board(watts=0.0)
    part = RegisterPart(INA260(heat), width=2)

    assert read(part, 0x01, 2) == round(2.0 / 5.0 / 0.00125).to_bytes(2, "big")
    assert read(part, 0x02, 2).hex() == "0fa0", "5 V"
    assert read(part, 0x03, 2) == (200).to_bytes(2, "big")
    assert read(part, 0xFE, 2) == b"TI"


# -- regulators


@pytest.mark.parametrize("case", VECTORS["linear11_encode"]["cases"])
def test_linear_numbers_are_written_as_documented(case: dict[str, Any]) -> None:
    assert linear11(case["value"]).to_bytes(2, "little").hex() == case["wire"]


@pytest.mark.parametrize("case", VECTORS["ds4432u"]["cases"])
def test_a_ds4432u_code_makes_its_voltage(case: dict[str, Any]) -> None:
    dac = DS4432U(board())

    dac.store(0xF8, int(case["reg_f8"], 16))

    assert dac.output() == pytest.approx(case["volts"], abs=0.006)


def switched_on(part: TPS546, volts: float = 1.15) -> None:
    command = round(volts * 512).to_bytes(2, "little")
    for data in (b"\x02\x1f", b"\x24" + (1024).to_bytes(2, "little"), b"\x21" + command):
        assert part.write(data)
    assert part.write(b"\x01\x80")


def test_a_tps546_names_itself_and_its_number_format() -> None:
    part = TPS546(board())

    assert read(part, 0xAD, 7).hex() == "065449546d2441"
    assert read(part, 0x20).hex() == "97"


@pytest.mark.parametrize("case", VECTORS["ulinear16"]["cases"])
def test_a_tps546_puts_out_what_it_is_told(case: dict[str, Any]) -> None:
    heat = board()
    part = TPS546(heat)
    switched_on(part, case["volts"])

    assert heat.rail() == pytest.approx(case["decodes_to"])
    assert read(part, 0x8B, 2).hex() == case["wire"]
    assert read(part, 0x79, 2) == b"\0\0"


def test_a_tps546_starts_off_and_goes_off_at_a_word() -> None:
    heat = board()
    part = TPS546(heat)

    off = read(part, 0x79, 2)
    switched_on(part)
    part.write(b"\x01\x00")

    assert int.from_bytes(off, "little") & 0x0840 == 0x0840
    assert heat.rail() == 0.0
    assert read(part, 0x8B, 2) == b"\0\0"


def test_a_tps546_measures_current_at_all_its_phases_when_asked_for_all() -> None:
    heat = board(watts=23.0, volts=1.15)
    part = TPS546(heat, phases=2)
    switched_on(part)
    heat.activity = 1.0

    part.write(b"\x04\x00")
    one = read(part, 0x8C, 2)
    part.write(b"\x04\xff")
    all_of_them = read(part, 0x8C, 2)

    assert int.from_bytes(all_of_them, "little") == pytest.approx(linear11(20.0), abs=2)
    assert int.from_bytes(one, "little") == pytest.approx(linear11(10.0), abs=2)


def test_a_tps546_keeps_the_output_within_its_limits() -> None:
    heat = board()
    part = TPS546(heat)
    switched_on(part)

    part.write(b"\x21" + (5 * 512).to_bytes(2, "little"))

    assert heat.rail() == 2.0


@pytest.mark.parametrize(
    ("register", "limit", "bits", "detail"),
    [
        (0x46, 5.0, 0x4010, (0x7B, 0x80)),
        (0x55, 4.5, 0x2000, (0x7C, 0x80)),
        (0x4F, 20.0, 0x0004, (0x7D, 0x80)),
    ],
)
def test_a_tps546_trips_and_stays_off_until_its_faults_are_cleared(
    register: int, limit: float, bits: int, detail: tuple[int, int]
) -> None:
    heat = board(watts=20.0)
    part = TPS546(heat)
    switched_on(part)
    heat.activity = 1.0
    assert heat.rail()

    part.write(bytes([register]) + linear11(limit).to_bytes(2, "little"))
    tripped = heat.rail()
    part.write(bytes([register]) + linear11(150.0).to_bytes(2, "little"))
    still = heat.rail()
    status, cause = read(part, 0x79, 2), read(part, detail[0])
    part.write(b"\x03")

    assert (tripped, still) == (0.0, 0.0)
    assert int.from_bytes(status, "little") & bits == bits
    assert cause[0] == detail[1]
    assert heat.rail() > 1.0


def test_a_tps546_stays_off_below_its_input_threshold() -> None:
    heat = board(input_volts=5.0)
    part = TPS546(heat)
    switched_on(part)

    part.write(b"\x35" + linear11(11.5).to_bytes(2, "little"))

    assert heat.rail() == 0.0
    assert read(part, 0x7C) == b"\x08"


def test_a_rail_that_drops_out_says_off() -> None:
    heat = board(Faults(rail_off_after=5.0))
    part = TPS546(heat)
    switched_on(part)
    before = heat.rail()
    heat.advance(5.0)

    assert (before > 1.0, heat.rail()) == (True, 0.0)
    assert int.from_bytes(read(part, 0x79, 2), "little") & 0x0040


def test_a_tps546_does_not_acknowledge_what_it_does_not_know() -> None:
    part = TPS546(board())

    assert not part.write(b"\x15")
    assert read(part, 0x7E) == b"\x80"


# -- the bus


def test_a_bus_hears_only_the_parts_on_it() -> None:
    heat = board()
    bus = EmulatedI2c({0x4C: emc2101(heat)}, heat, random=Random(1))

    assert bus.write(0x4C, b"\xfe")
    assert bus.read(0x4C, 1) == b"\x5d"
    assert not bus.write(0x4D, b"\xfe")
    assert bus.read(0x4D, 1) is None


def test_a_sensor_that_vanishes_is_no_longer_on_the_bus() -> None:
    heat = board(Faults(vanish_sensor_after=5.0))
    parts: dict[int, Part] = {0x4C: emc2101(heat), 0x24: TPS546(heat)}
    bus = EmulatedI2c(parts, heat, random=Random(1), sensor=0x4C)
    before = bus.read(0x4C, 1)
    heat.advance(5.0)

    assert before
    assert bus.read(0x4C, 1) is None
    assert bus.write(0x24, b"\x20")


def test_the_regulator_keeps_its_compensation_and_refuses_one_of_another_length() -> None:
    part = TPS546(board())

    assert part.write(bytes.fromhex("b1051234422104"))
    assert part.write(b"\xb1")
    assert part.read(6).hex() == "051234422104"
    assert not part.write(bytes.fromhex("b10412344221"))
    assert not part.write(bytes.fromhex("b105123442"))
    part.write(b"\xb1")
    assert part.read(6).hex() == "051234422104"


MAKERS: list[Callable[[BoardHeat], Part]] = [
    lambda heat: RegisterPart(EMC2101(heat)),
    lambda heat: RegisterPart(EMC2103(heat)),
    lambda heat: RegisterPart(EMC2302(heat)),
    lambda heat: RegisterPart(TMP1075(heat), width=2),
    lambda heat: RegisterPart(TMP451(heat)),
    lambda heat: RegisterPart(INA260(heat), width=2),
    lambda heat: RegisterPart(DS4432U(heat)),
    TPS546,
]


@pytest.mark.parametrize("make", MAKERS)
@settings(deadline=None)
@given(writes=st.lists(st.binary(max_size=6)), count=st.integers(0, 70))
def test_no_write_makes_a_part_raise(
    make: Callable[[BoardHeat], Part], writes: list[bytes], count: int
) -> None:
    heat = board()
    part = make(heat)

    for data in writes:
        if part.write(data):
            content = part.read(count)
            assert content is not None
            assert len(content) == count
        heat.advance(2.0)
        assert 0.0 <= heat.duty <= 1.0
