"""The emulated telemetry micro: captured requests, and readings that a driver turns back."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.bm13xx.emulated_micro import EmulatedMicro
from drivers.peripherals.emulated_faults import Faults
from drivers.peripherals.emulated_heat import BoardHeat, HeatSpec
from tests.vectors.load import document

VECTORS = document("usb-bridges")["gekko_a_telemetry"]
COMMANDS = {name: bytes.fromhex(text) for name, text in VECTORS["commands"].items()}


def micro(
    version: int = 0x21, *, mask: int = 0, faults: Faults | None = None, sleeps: bool = True
) -> EmulatedMicro:
    spec = HeatSpec(watts=12.0, volts=0.27, input_volts=12.0)
    heat = BoardHeat(spec, random=Random(1), faults=faults or Faults())
    heat.advance(0.0)
    made = EmulatedMicro(heat, version=version, mask=mask, has_fan=True, sleeps=sleeps)
    made.drive_lines(low=True)
    return made


def told(one: EmulatedMicro, name: str) -> bytes:
    return one.receive_data(COMMANDS[name], 0.0)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_captured_request_is_answered(name: str) -> None:
    sizes = {"telemetry": 7}
    assert len(told(micro(0x30, mask=0xFF), name)) == sizes.get(name, 1)


def test_settings_take_effect() -> None:
    one = micro()
    told(one, "core voltage setting 270")
    assert one.output() == 0.0
    told(one, "regulator on")
    assert one.output() == 0.27
    told(one, "led work")
    told(one, "fan 100 percent")
    assert one.led == "N"
    assert told(one, "telemetry")[6] * 30 == 6000
    told(one, "regulator off")
    assert one.output() == 0.0


@pytest.mark.parametrize("row", VECTORS["conversions"][1:], ids=lambda row: f"raw {row['raw']}")
def test_a_reading_is_the_raw_value_that_means_it(row: dict[str, float]) -> None:
    one = micro(0x10)
    one._heat.spec = HeatSpec(input_volts=row["vin_v1"])
    one.regulator, one.volts = True, row["vout_per_chip"]
    one._heat.faults = Faults(stuck_temperature=row["temp_c"])

    reply = told(one, "telemetry")

    assert (reply[0], reply[2]) == (row["raw"], row["raw"])
    assert reply[4] == min(row["raw"], 218)
    assert len(reply) == 5


def test_lines_that_go_high_take_the_regulator_with_them() -> None:
    for sleeps in (True, False):
        one = micro(sleeps=sleeps)
        told(one, "core voltage setting 270")
        told(one, "regulator on")
        one.drive_lines(low=False)
        assert one.output() == 0.0
        assert bool(told(one, "telemetry")) != sleeps
        one.drive_lines(low=True)
        assert one.output() == 0.0
        assert told(one, "telemetry")


def test_an_old_micro_knows_no_mask_and_no_micro_an_unknown_request() -> None:
    assert told(micro(0x21), "mask") == b""
    assert told(micro(0x30, mask=0x35), "mask") == b"\x35"
    assert micro().receive_data(b"xyBz", 0.0) == b""


def test_half_a_request_is_waited_for_but_not_for_ever() -> None:
    one = micro()
    assert one.receive_data(b"?", 0.0) == b""
    assert one.receive_data(b"v", 0.1) == b"\x21"
    assert one.receive_data(b"?", 0.2) == b""
    assert one.receive_data(b"?v", 5.0) == b"\x21"


def test_faults_are_those_of_a_board() -> None:
    assert micro(faults=Faults(dead_control_after=0)).receive_data(b"?v", 0.0) == b""
    assert told(micro(faults=Faults(vanish_sensor_after=0)), "telemetry")[4] == 0
    assert told(micro(faults=Faults(stall_fan_after=0)), "telemetry")[6] == 0
    slow = micro(faults=Faults(slow_control=0.5))
    assert (told(slow, "version"), slow.due(0.4), slow.due(0.5)) == (b"", b"", b"\x21")


@settings(deadline=None)
@given(st.lists(st.binary(max_size=40)))
def test_no_bytes_make_the_micro_raise(chunks: list[bytes]) -> None:
    one = micro(0x30, mask=0xFF)
    for place, chunk in enumerate(chunks):
        one.receive_data(chunk, place / 10)
