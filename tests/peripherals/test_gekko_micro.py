"""The telemetry micro's bytes, against what kanoi's driver sends and how it reads the replies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.peripherals.gekko_micro import (
    MASK_REQUEST,
    TELEMETRY_REQUEST,
    VERSION_REQUEST,
    Firmware,
    Led,
    Telemetry,
    fan_request,
    firmware_of,
    led_request,
    regulator_request,
    telemetry_of,
    voltage_request,
)
from tests.vectors.load import document

VECTORS = document("usb-bridges")["gekko_a_telemetry"]
COMMANDS = VECTORS["commands"]

V1 = Firmware(major=1, minor=0)
V2 = Firmware(major=2, minor=0)
V2_1 = Firmware(major=2, minor=1)
V3_HIGH = Firmware(major=3, minor=0, mask=0xFF)
V3_LOW = Firmware(major=3, minor=0, mask=0x7F)


def alike(raw: int, firmware: Firmware) -> Telemetry:
    """Return what seven equal bytes say."""
    return telemetry_of(bytes([raw]) * 7, firmware)


@pytest.mark.parametrize(
    ("name", "request_bytes"),
    [
        ("version", VERSION_REQUEST),
        ("telemetry", TELEMETRY_REQUEST),
        ("mask", MASK_REQUEST),
        ("core voltage setting 300", voltage_request(0.300)),
        ("core voltage setting 270", voltage_request(0.270)),
        ("cooldown core voltage 100", voltage_request(0.100)),
        ("regulator on", regulator_request(on=True)),
        ("regulator off", regulator_request(on=False)),
        ("led work", led_request(Led.WORK)),
        ("led on", led_request(Led.ON)),
        ("fan 100 percent", fan_request(100)),
    ],
)
def test_requests_are_those_of_kanois_driver(name: str, request_bytes: bytes) -> None:
    assert request_bytes.hex() == COMMANDS[name]


def test_every_captured_request_is_known() -> None:
    assert len(COMMANDS) == 11


@pytest.mark.parametrize("row", VECTORS["conversions"], ids=lambda row: f"raw {row['raw']}")
def test_readings_are_scaled_as_in_kanois_driver(row: dict[str, float | None]) -> None:
    raw = int(row["raw"] or 0)
    high, low = alike(raw, V3_HIGH), alike(raw, V3_LOW)  # the vectors have four digits

    assert alike(raw, V1).input_volts == pytest.approx(row["vin_v1"], abs=6e-5)
    for firmware in (V2, V2_1, V3_HIGH):
        assert alike(raw, firmware).input_volts == pytest.approx(row["vin_v2v3"], abs=6e-5)
    assert alike(raw, V1).volts == high.volts == pytest.approx(row["vout_per_chip"], abs=6e-5)
    assert alike(raw, V2).input_amps == high.amps == pytest.approx(row["iin_hi"], abs=6e-5)
    assert alike(raw, V2_1).input_amps == low.amps == pytest.approx(row["iin_lo"], abs=6e-5)
    assert high.rpm == row["tach_rpm"]
    if row["temp_c"] is None:
        assert high.temperatures == (None, None)
    else:
        assert high.temperatures[0] == pytest.approx(row["temp_c"], abs=6e-4)


def test_each_version_tells_what_it_is_known_to() -> None:
    none = Telemetry()
    first = alike(100, V1)
    assert (first.input_amps, first.amps, first.rpm) == (None, None, None)
    assert None not in (first.input_volts, first.volts, first.temperatures[0])
    assert first.temperatures[1] is None
    assert alike(100, V2).temperatures[1] is None
    assert alike(100, V2).amps is not None
    assert alike(100, V2_1).temperatures[1] is not None
    assert alike(100, V2_1).amps is None
    assert alike(100, Firmware(major=3, minor=0, mask=0)) == none
    only_first = Firmware(major=3, minor=0, mask=0b0010000)
    assert alike(218, only_first) == Telemetry(temperatures=(125.0, None))


@pytest.mark.parametrize(
    ("reply", "firmware"),
    [
        (b"\x10", V1),
        (b"\x20", V2),
        (b"\x21\x00", V2_1),
        (b"\x30", Firmware(major=3, minor=0)),
        (b"\x00", None),
        (b"\x40", None),
        (b"\xff", None),
        (b"", None),
    ],
)
def test_a_version_is_known_by_its_first_byte_or_not_at_all(
    reply: bytes, firmware: Firmware | None
) -> None:
    assert firmware_of(reply) == firmware


def test_a_short_reply_tells_less_and_a_long_one_nothing() -> None:
    five = telemetry_of(bytes([100] * 5), V2)
    assert five.temperatures[0] is not None
    assert five.rpm is None
    assert telemetry_of(b"", V2) == Telemetry()
    with pytest.raises(ValueError, match="at most 7"):
        telemetry_of(bytes(8), V2)


@pytest.mark.parametrize("volts", [-0.01, 0.51, float("nan")])
def test_a_voltage_that_cannot_be_named_is_refused(volts: float) -> None:
    with pytest.raises(ValueError, match="core voltage"):
        voltage_request(volts)


@pytest.mark.parametrize("percent", [-1, 101])
def test_a_duty_that_cannot_be_named_is_refused(percent: float) -> None:
    with pytest.raises(ValueError, match="duty"):
        fan_request(percent)


@given(st.integers(0, 100))
def test_a_voltage_is_a_byte_of_any_value(step: int) -> None:
    assert voltage_request(step * 0.005) == b"V" + bytes([step])


@given(st.binary(max_size=7), st.sampled_from([V1, V2, V2_1, V3_HIGH, V3_LOW]))
def test_any_bytes_are_read_or_left_out(reply: bytes, firmware: Firmware) -> None:
    found = telemetry_of(reply, firmware)

    for celsius in found.temperatures:
        assert celsius is None or -50 < celsius <= 125
    assert found.watts is None or 0 <= found.watts < 24.6 * 41
    assert len(reply) > 4 or found.temperatures == (None, None)
