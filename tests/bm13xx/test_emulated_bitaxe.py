"""The emulated control port: documented requests and replies in all framings, and its limits."""

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.bm13xx.emulated_bitaxe import (
    ControlSpec,
    EmulatedBitaxeRaw,
    FanPage,
    ResponseFormat,
)
from drivers.peripherals.emulated_fans import EMC2101
from drivers.peripherals.emulated_faults import Faults
from drivers.peripherals.emulated_heat import BoardHeat, HeatSpec
from drivers.peripherals.emulated_i2c import EmulatedI2c, Part, RegisterPart
from drivers.peripherals.emulated_regulators import TPS546
from tests.vectors.load import vectors

Vector = dict[str, Any]
REQUESTS = vectors("bitaxe-raw", "requests")
RESPONSES = vectors("bitaxe-raw", "responses")
READ_PIN = bytes.fromhex("06005a000600")
EVERYTHING: dict[str, Any] = {"pins": {0: 0, 1: 0, 2: 0}, "has_led": True, "measures_input": True}


class Wired:
    """A control port with a fan controller and a regulator behind it, and a clock to wind."""

    def __init__(
        self, spec: ControlSpec, *, faults: Faults | None = None, strict: bool = True
    ) -> None:
        self.now = 100.0
        self.heat = BoardHeat(HeatSpec(), random=Random(1), faults=faults or Faults())
        self.heat.advance(self.now)
        parts: dict[int, Part] = {0x24: TPS546(self.heat), 0x4C: RegisterPart(EMC2101(self.heat))}
        i2c = EmulatedI2c(parts, self.heat, random=Random(2))
        self.port = EmulatedBitaxeRaw(spec, i2c, self.heat, strict=strict)

    def ask(self, request: str, later: float = 1.0) -> str:
        self.now += later
        self.heat.advance(self.now)
        return self.port.receive_data(bytes.fromhex(request), self.now).hex()


def port(response_format: str = "A", **options: Any) -> Wired:
    return Wired(ControlSpec(response_format=ResponseFormat[response_format], **options))


@pytest.mark.parametrize("letter", ["A", "B", "C"])
def test_the_format_probe_tells_the_three_firmwares_apart(letter: str) -> None:
    expected = {"A": "01005a00", "B": "04005a00", "C": "05005a0000"}

    assert port(letter).ask(READ_PIN.hex()) == expected[letter]


@pytest.mark.parametrize("vector", RESPONSES, ids=lambda v: f"{v['format']}-{v['frame']}")
def test_a_documented_reply_is_framed_as_it_was(vector: Vector) -> None:
    wired = port(vector["format"])
    request = vector["id"]
    payload = {
        "01": f"0700{request:02x}00060001",
        "065449546d2441": f"0900{request:02x}00054024ad07",
    }

    if vector["error"] is None:
        assert wired.ask(payload[vector["payload"]]) == vector["frame"]
    elif request == 0xFF:
        assert wired.ask("0600110000ee") == vector["frame"], "an unknown page"
    elif vector.get("message") == "I2C Write Error":
        assert wired.ask("0800090005207799") == vector["frame"], "nothing is at 77"


def test_every_documented_request_is_answered() -> None:
    replies = {}
    for vector in REQUESTS:
        wired = port(**EVERYTHING, page_9=FanPage.SYSTEM)
        wired.ask("0900010005204c4a23")
        replies[vector["name"]] = wired.ask(vector["frame"])

    assert replies == {
        "GPIO 0 low (nRST asserted)": "01000000",
        "GPIO 0 high (nRST released)": "01000101",
        "GPIO 0 read": "01000000",
        "I2C 100 kHz": "040002a0860100",
        "I2C 400 kHz": "040001801a0600",
        "I2C write 4F: DE": "130001ff" + b"I2C Write Error".hex(),
        "I2C read 1 from 4C": "01000123",
        "I2C write-read 32: FE then 2": "170001ff" + b"I2C WriteRead Error".hex(),
        "ADC VDD": "0200000000",
        "LED magenta": "030000ff00ff",
        "EMC2101 fan 100 %": "01000702",
        "EMC2101 product id": "01000816",
        "TPS546 OPERATION off": "01000902",
        "TPS546 VOUT_COMMAND 1.150 V (VOUT_MODE 0x97)": "01000a03",
        "TPS546 device id block read": "07000c065449546d2441",
        "system reboot": "",
    }


def test_pins_keep_their_level() -> None:
    wired = port()

    assert wired.ask("07000100060001") == "01000101"
    assert wired.ask("060002000600") == "01000201"
    assert wired.port.levels == {0: 1}


@pytest.mark.parametrize(
    "request_", ["060001000602", "080001000600" + "0000", "0600010000ff", "070001000710" + "00"]
)
def test_a_request_that_makes_no_sense_is_refused_with_the_id_ff(request_: str) -> None:
    assert port().ask(request_) == "0400ff11"


@pytest.mark.parametrize("page", ["08", "09"])
def test_a_page_that_the_firmware_lacks_is_refused(page: str) -> None:
    assert port().ask(f"09000100{page}10ff00ff") == "0400ff11"


def test_the_fan_page_drives_a_fan_where_the_firmware_has_one() -> None:
    wired = port("B", page_9=FanPage.FAN)

    assert wired.ask("07000100091032") == "030001"
    assert wired.ask("060002000920") == "050002" + (3000).to_bytes(2, "little").hex()


def test_a_reboot_puts_the_pins_back_and_answers_nothing() -> None:
    wired = port("C", page_9=FanPage.SYSTEM, pins={0: 1, 1: 0})
    wired.ask("07000100060101")

    assert wired.ask("0a000d000901deadbeef") == ""
    assert wired.port.levels == {0: 1, 1: 0}
    assert wired.ask("0a000d000901deadbeee") == "0400ff11"


def test_a_request_may_come_in_pieces_that_follow_at_once() -> None:
    wired = port()

    replies = [wired.ask(f"{byte:02x}", later=0.001) for byte in READ_PIN]

    assert replies == ["", "", "", "", "", "01005a00"]


def test_a_request_not_finished_within_4_ms_is_dropped() -> None:
    wired = port()

    assert wired.ask(READ_PIN[:4].hex()) == ""
    assert wired.ask(READ_PIN[4:].hex(), later=0.005) == ""
    assert wired.ask(READ_PIN.hex()) == "01005a00"


def test_a_second_request_in_the_same_packet_waits_for_the_next_packet() -> None:
    wired = port()

    assert wired.ask((READ_PIN * 2).hex()) == "01005a00"
    assert wired.ask("", later=0.001) == "01005a00"
    assert wired.ask((READ_PIN * 2).hex()) == "01005a00"
    assert wired.ask(READ_PIN.hex(), later=0.005) == "01005a00"


def test_a_length_below_5_hangs_a_strict_port_for_good() -> None:
    strict = port()
    lenient = Wired(ControlSpec(), strict=False)

    for wired in (strict, lenient):
        wired.ask("0400000006")

    assert strict.ask(READ_PIN.hex()) == ""
    assert lenient.ask(READ_PIN.hex()) == "01005a00"


def test_a_reply_that_does_not_fit_a_packet_is_never_sent() -> None:
    wired = port()

    assert len(wired.ask("0900010005404c0021")) == 2 * (3 + 33)
    assert len(wired.ask("0900010005404c003d")) == 128
    assert wired.ask("0900010005404c003e") == ""


def test_a_write_beyond_256_bytes_overflows() -> None:
    fits = "0701" + "010005204c" + "00" * 256
    too_long = "0801" + "010005204c" + "00" * 257

    assert port().ask(fits) == "01000100"
    assert port().ask(too_long) == "04000112"


def test_a_slow_port_answers_later_and_in_order() -> None:
    wired = Wired(ControlSpec(), faults=Faults(slow_control=0.5))

    assert wired.ask(READ_PIN.hex()) == ""
    assert wired.port.due(wired.now + 0.49) == b""
    assert wired.port.due(wired.now + 0.5).hex() == "01005a00"
    assert wired.port.due(wired.now + 9) == b""


def test_a_dead_port_answers_no_more() -> None:
    wired = Wired(ControlSpec(), faults=Faults(dead_control_after=2.0))

    assert wired.ask(READ_PIN.hex()) == "01005a00"
    assert wired.ask(READ_PIN.hex()) == ""


def test_parts_that_do_not_acknowledge_are_an_error_with_a_text() -> None:
    wired = Wired(ControlSpec(response_format=ResponseFormat.C), faults=Faults(nack=1.0))

    assert wired.ask("0800010005304c01") == "120001ff" + b"I2C Read Error".hex()


@pytest.mark.parametrize("letter", ["A", "B", "C"])
@pytest.mark.parametrize("strict", [True, False])
@settings(deadline=None)
@given(packets=st.lists(st.binary(max_size=80)))
def test_no_packet_makes_the_port_raise(letter: str, strict: bool, packets: list[bytes]) -> None:
    spec = ControlSpec(response_format=ResponseFormat[letter], has_led=True, page_9=FanPage.FAN)
    wired = Wired(spec, strict=strict)

    for packet in packets:
        wired.ask(packet.hex(), later=0.001)
