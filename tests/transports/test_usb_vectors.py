"""Every vector of usb-bridges.json on both sides: our transport's bridges, and the emulated ones.

A list, an entry or a key that nobody looks at fails here; more entries of the same kinds may come.
"""

import re
from itertools import product
from typing import Any, cast

import pytest

from drivers.bm13xx.qaxe_messages import Operation, control_parameters, request
from drivers.peripherals import gekko_micro
from drivers.transports.bridges.bridge import EIGHT_N_1, Bridge, Control, LineFormat, Parity
from drivers.transports.bridges.cp210x import Cp210x, Cp210xPart, part_number_query
from drivers.transports.bridges.ftdi import Ftdi
from drivers.transports.bridges.pl2303 import Pl2303
from drivers.transports.emulated_usb.identities import BridgeModel
from tests.bm13xx import test_emulated_micro, test_emulated_qaxe
from tests.emulated_usb import test_captured_controls as emulated
from tests.emulated_usb.rig import plain, rig
from tests.peripherals import test_gekko_micro
from tests.transports import test_usb_bridges as bridges
from tests.vectors.watched import Check, Entry, prove, sections

FILE = "usb-bridges"
RATES = (9600, 57600, 115200, 460_800, 921_600, 1_000_000, 1_500_000, 3_000_000)
FORMATS = (EIGHT_N_1, LineFormat(parity=Parity.MARK))


def said_by(bridge: Bridge) -> list[Control | None]:
    """Return what a bridge can be told to do, in all that makes a difference here."""
    pins = [bridge.set_pins(mask=m, levels=n) for m, n in product(range(16), range(16))]
    lines = [bridge.lines(levels, mask) for levels, mask in product(range(4), range(1, 4))]
    rates = [rate for rate in map(bridge.rate, RATES) if rate.controls]
    starts = [bridge.start(rate, levels) for rate in rates for levels in range(4)]
    groups = [*pins, *lines, *starts, bridge.stop(), bridge.release_pins()]
    queries = [bridge.pins_query(), bridge.sent_query(), part_number_query()]
    return [*(control for group in groups for control in group), *queries]


SAID: dict[str, tuple[Bridge, ...]] = {
    "ftdi_control": (Ftdi(),),
    "cp210x_control": tuple(
        Cp210x(part=part, line_format=form)
        for part, form in product((Cp210xPart.CP2102, Cp210xPart.CP2105), FORMATS)
    ),
    "pl2303": (Pl2303(),),
}


def is_said(section: str) -> Check:
    controls = [one for bridge in SAID[section] for one in said_by(bridge)]
    known = {(one.setup().hex(), one.data.hex()) for one in controls if one}

    def check(entry: Entry) -> None:
        assert (entry["setup"], entry.get("data", "")) in known

    return check


def is_taken(model: BridgeModel) -> Check:
    """Put a request to an emulated bridge, which stalls on what its chip does not know."""

    def check(entry: Entry) -> None:
        one = rig(plain(model))
        answer = one.control(entry["setup"], entry.get("data", ""))
        is_question = int(entry["setup"][:2], 16) & 0x80
        assert len(answer) == (int(entry["setup"][12:14], 16) if is_question else 0)

    return check


def is_a_request_to_the_micro(entry: Entry) -> None:
    known = [gekko_micro.VERSION_REQUEST, gekko_micro.TELEMETRY_REQUEST, gekko_micro.MASK_REQUEST]
    known += [gekko_micro.regulator_request(on=on) for on in (True, False)]
    known += [gekko_micro.led_request(led) for led in gekko_micro.Led]
    if number := re.search(r"\d+", entry["what"]):  # hundredths of a fan, thousandths of a volt
        is_fan = "fan" in entry["what"]
        value = int(number[0])
        known = [
            gekko_micro.fan_request(value) if is_fan else gekko_micro.voltage_request(value / 1000)
        ]
    assert entry["bytes"] in {one.hex() for one in known}, entry["what"]


def is_answered_by_the_micro(entry: Entry) -> None:
    sent = bytes.fromhex(entry["bytes"])
    answer = test_emulated_micro.micro(0x30, mask=0xFF).receive_data(sent, 0.0)
    assert len(answer) == (7 if entry["what"] == "telemetry" else 1)


def is_a_request_to_a_qaxe(entry: Entry) -> None:
    controls = [
        control_parameters(supply=supply, fan=fan)
        for supply, fan in product((False, True), range(101))
    ]
    known = [request(Operation.SET_CONTROL, number, one) for number in (0, 1) for one in controls]
    known += [request(operation, number) for operation in Operation for number in (0, 1, 5)]
    assert entry["frame"] in {one.hex() for one in known}


def is_answered_by_a_qaxe(entry: Entry) -> None:
    test_emulated_qaxe.test_a_request_of_the_vectors_is_answered_once(cast("Any", entry), 5)


def is_read_back_from_the_micro(entry: Entry) -> None:
    if entry["temp_c"] is not None:  # a sensor that gives nothing has nothing to be set to
        test_emulated_micro.test_a_reading_is_the_raw_value_that_means_it(cast("Any", entry))


def as_in(test: Any) -> Check:
    """Return a test of the same vectors as a check."""
    return cast("Check", test)


CHECKS: dict[str, tuple[Check, Check]] = {
    "ftdi_baud": (
        as_in(bridges.test_an_ftdi_divisor_is_that_of_the_kernel_and_of_pyftdi),
        as_in(emulated.test_ftdi_divisors_give_the_rate_that_was_recomputed),
    ),
    "ftdi_cgminer_constants": (
        as_in(bridges.test_ftdi_divisors_of_kanois_driver_are_reached_or_bettered),
        as_in(emulated.test_cgminers_divisors_give_the_rate_it_wanted),
    ),
    "ftdi_control": (is_said("ftdi_control"), is_taken(BridgeModel.FT_X)),
    "ftdi_in_strip": (
        as_in(bridges.test_status_bytes_are_stripped_from_every_packet),
        as_in(emulated.test_packets_of_an_ftdi_chip_are_cut_as_the_kernel_expects),
    ),
    "cp210x_control": (is_said("cp210x_control"), is_taken(BridgeModel.CP2105)),
    "cp2102_quantise": (
        as_in(bridges.test_a_cp2102_knows_steps_only),
        as_in(emulated.test_a_cp2102_takes_the_steps_of_its_application_note),
    ),
    "cp2104_actual": (
        lambda entry: bridges.test_newer_cp210x_divide_48_megahertz(
            Cp210xPart.CP2105, cast("Any", entry)
        ),
        as_in(emulated.test_a_cp2105_divides_its_clock),
    ),
    "cdc_acm": (
        as_in(bridges.test_cdc_requests_are_as_the_class_has_them),
        as_in(emulated.test_captured_cdc_requests_set_line_and_modem_lines),
    ),
    "pl2303": (is_said("pl2303"), is_taken(BridgeModel.PL2303)),
    "qaxe_control": (is_a_request_to_a_qaxe, is_answered_by_a_qaxe),
    "gekko_a_telemetry.commands": (is_a_request_to_the_micro, is_answered_by_the_micro),
    "gekko_a_telemetry.conversions": (
        as_in(test_gekko_micro.test_readings_are_scaled_as_in_kanois_driver),
        is_read_back_from_the_micro,
    ),
}
"""For each list: what proves an entry on the driver's side, and on the emulator's."""


@pytest.mark.parametrize("section", sections(FILE))
def test_every_vector_holds_on_both_sides(section: str) -> None:
    prove(sections(FILE)[section], *CHECKS[section])


def test_no_check_is_of_a_list_that_is_not_there() -> None:
    assert set(CHECKS) == set(sections(FILE))
