"""Control requests as cgminer, the kernel and pyftdi send them do what they did to real chips."""

import json
from typing import Any

import pytest

from drivers.transports.emulated_usb.cp210x_baud import divided, stepped
from drivers.transports.emulated_usb.identities import BridgeModel
from drivers.transports.emulated_usb.line import Line, Parity, StopBits
from tests.emulated_usb.rig import EchoChips, Rig, plain, rig
from tests.vectors.load import FOLDER

MODELS = {
    "FT232R": BridgeModel.FT232R,
    "FT230X": BridgeModel.FT_X,
    "FT232R/FT230X": BridgeModel.FT232R,
    "FT232H": BridgeModel.FT232H,
}


def cases(name: str) -> list[dict[str, Any]]:
    content = json.loads((FOLDER / "usb-bridges.json").read_text())
    found: list[dict[str, Any]] = content[name]["cases"]
    assert found
    return found


def named(case: dict[str, Any]) -> str:
    return "-".join(str(case[key]) for key in ("chip", "name", "baud") if key in case)


def in_reset(one: Rig) -> bool:
    return one.chips.resets[-1]


def line_of(one: Rig, port: int = 0) -> Line:
    return one.device.bridge.ports[port].line


def setup_of(case: dict[str, Any]) -> str:
    value, index = int(case["wValue"], 16), int(case["wIndex"], 16)
    return (b"\x40\x03" + value.to_bytes(2, "little") + index.to_bytes(2, "little")).hex() + "0000"


@pytest.mark.parametrize("case", cases("ftdi_baud"), ids=named)
def test_ftdi_divisors_give_the_rate_that_was_recomputed(case: dict[str, Any]) -> None:
    one = rig(plain(MODELS[case["chip"]]))

    one.control(case["setup"])

    assert line_of(one).baud_rate == pytest.approx(case["effective_baud"], abs=0.06)
    assert one.chips.rates[-1] == line_of(one).baud_rate


@pytest.mark.parametrize("case", cases("ftdi_cgminer_constants"), ids=named)
def test_cgminers_divisors_give_the_rate_it_wanted(case: dict[str, Any]) -> None:
    one = rig(plain(MODELS[case["chip"]]))

    one.control(setup_of(case))

    assert line_of(one).baud_rate == pytest.approx(case["baud"], rel=0.002)


@pytest.mark.parametrize(
    ("wvalue", "baud"), [("1a00", 115384.6), ("0e00", 214285.7), ("0800", 375e3), ("0200", 1.5e6)]
)
def test_gekko_divisors_of_cgminer_give_three_megahertz_over_the_divisor(
    wvalue: str, baud: float
) -> None:
    one = rig(plain(BridgeModel.FT_X))

    one.control(f"4003{wvalue}00000000")

    assert line_of(one).baud_rate == pytest.approx(baud, abs=0.1)


@pytest.mark.parametrize("value", ["01c0", "0180", "0040", "00c0"])
def test_divisors_that_do_not_exist_give_no_rate(value: str) -> None:
    one = rig(plain(BridgeModel.FT_X))

    one.control(f"4003{value}00000000")

    assert line_of(one).baud_rate == 0


def ftdi_after(name: str) -> Rig:
    """Return an FT-X in an unusual state, after the captured request called ``name``."""
    one = rig(plain(BridgeModel.FT_X), chips=EchoChips(baud_rate=0))
    one.control("4003080000000000")
    one.control("4004071200000000")
    one.device.write(b"waiting")
    [case] = [case for case in cases("ftdi_control") if case["name"].startswith(name)]
    one.control(case["setup"])
    return one


def test_a_captured_reset_puts_line_and_buffers_back() -> None:
    one = ftdi_after("reset port")

    assert line_of(one) == Line()
    assert one.device.bridge.ports[0].waiting == 0


def test_captured_flush_2_drops_what_the_host_would_read_and_flush_1_does_not() -> None:
    assert ftdi_after("flush value 1").device.bridge.ports[0].waiting == 7
    assert ftdi_after("flush value 2").device.bridge.ports[0].waiting == 0


def test_captured_8n1_sets_the_format() -> None:
    line = line_of(ftdi_after("8N1"))

    assert (line.data_bits, line.parity, line.stop_bits) == (8, Parity.NONE, StopBits.ONE)


def test_captured_latency_and_lines_are_taken() -> None:
    assert ftdi_after("latency 1 ms").control("c00a000000000100") == b"\x01"
    port = ftdi_after("DTR and RTS on").device.bridge.ports[0]
    assert port.dtr
    assert port.rts


def test_captured_cbus_values_move_the_reset_line() -> None:
    one = rig(plain(BridgeModel.FT_X))
    one.control("400bf22000000000")
    assert not in_reset(one)

    one.control("400bf02000000000")
    assert in_reset(one)
    assert one.control("c00c000000000100") == b"\x00"

    one.control("400bf22000000000")
    assert not in_reset(one)
    assert one.control("c00c000000000100") == b"\x02"


def cp2105() -> Rig:
    one = rig(plain(BridgeModel.CP2105))
    one.control("4100010000000000")
    cp210x_request(one, "SET_BAUDRATE 115200")
    return one


def cp210x_request(one: Rig, name: str) -> bytes:
    [case] = [case for case in cases("cp210x_control") if case["name"].startswith(name)]
    return one.control(case["setup"], case["data"])


def test_captured_cp210x_requests_set_line_and_modem_lines() -> None:
    one = cp2105()

    cp210x_request(one, "SET_BAUDRATE 115200")
    cp210x_request(one, "SET_LINE_CTL 8 data bits, mark")
    cp210x_request(one, "SET_MHS DTR on, RTS untouched")
    cp210x_request(one, "SET_FLOW none")

    port = one.device.bridge.ports[0]
    assert port.line == Line(baud_rate=115384.0, parity=Parity.MARK)
    assert (port.dtr, port.rts) == (True, False)
    cp210x_request(one, "SET_MHS DTR on RTS on")
    assert port.rts
    assert one.control("c114000000001000").hex() == "01000000400000000000000000000000"


def test_captured_cp2105_latch_values_switch_the_chips() -> None:
    one = cp2105()
    assert in_reset(one)

    cp210x_request(one, "CP2105 GPIO 0..2 low")
    assert not in_reset(one)
    assert one.control("c1ffc20000000100") == b"\x00"

    cp210x_request(one, "CP2105 GPIO 0..2 high")
    assert in_reset(one)
    assert one.control("c1ffc20000000100") == b"\x07"


def test_captured_cp210x_questions_are_answered() -> None:
    one = cp2105()
    one.device.write(b"12345")

    assert cp210x_request(one, "GET_PARTNUM") == b"\x05"
    assert cp210x_request(one, "GET_COMM_STATUS")[8:12] == b"\x05\0\0\0"
    cp210x_request(one, "PURGE all")
    assert cp210x_request(one, "GET_COMM_STATUS")[8:12] == b"\0\0\0\0"


@pytest.mark.parametrize("case", cases("cp2102_quantise"), ids=str)
def test_a_cp2102_takes_the_steps_of_its_application_note(case: dict[str, Any]) -> None:
    assert stepped(case["requested"]) == case["cp2102"]


@pytest.mark.parametrize("case", cases("cp2104_actual"), ids=str)
def test_a_cp2105_divides_its_clock(case: dict[str, Any]) -> None:
    assert divided(case["requested"]) == case["cp2104_cp2105"]


@pytest.mark.parametrize("case", cases("cdc_acm"), ids=str)
def test_captured_cdc_requests_set_line_and_modem_lines(case: dict[str, Any]) -> None:
    one = rig(plain(BridgeModel.CDC_ACM_PAIR))

    one.control(case["setup"], case.get("data", ""))

    port = bytes.fromhex(case["setup"])[4] // 2
    uart = one.device.bridge.ports[port]
    if "baud" in case:
        assert uart.line == Line(baud_rate=float(case["baud"]))
    else:
        assert uart.dtr
        assert uart.rts


def test_captured_pl2303_requests_set_line_modem_lines_and_register() -> None:
    one = rig(plain(BridgeModel.PL2303))

    for case in cases("pl2303"):
        one.control(case["setup"], case["data"])

    uart = one.device.bridge.ports[0]
    assert uart.line == Line(baud_rate=115200.0)
    assert uart.dtr
    assert uart.rts
    assert one.control("a121000000000700").hex() == "00c20100000008"


@pytest.mark.parametrize("case", cases("ftdi_in_strip"), ids=lambda case: str(len(case["payload"])))
def test_packets_of_an_ftdi_chip_are_cut_as_the_kernel_expects(case: dict[str, Any]) -> None:
    one = rig(plain(BridgeModel.FT_X))
    one.control("40031a0000000000")
    one.control("4009010000000000")
    one.device.write(bytes.fromhex(case["payload"]))

    found = one.opened()
    packets = bytes(found.read(0x81, 512))

    ours = bytearray(packets)
    for at in range(1, len(ours), 64):
        ours[at] &= 0x60  # the list leaves the data-ready bit out
    assert ours.hex() == case["usb_transfer"]
