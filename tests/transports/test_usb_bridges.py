"""The bridges' bytes against captured and independently computed transfers."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.transports.bridges.bridge import (
    DTR,
    RTS,
    Bridge,
    Control,
    Descriptors,
    LineFormat,
    Parity,
    StopBits,
)
from drivers.transports.bridges.cdc import CdcAcm
from drivers.transports.bridges.cp210x import Cp210x, Cp210xPart, part_number_query
from drivers.transports.bridges.detect import BridgeKind, bridge_of, kind_of
from drivers.transports.bridges.ftdi import LONGEST_REST, Ftdi, FtdiChip, ftdi_chip
from drivers.transports.bridges.pl2303 import Pl2303, Pl2303Kind

# usb-bridges.json: SETUP packets and data stages of the Linux drivers, of kanoi's cgminer and of
# pyftdi; each list in it names its source.
VECTORS: Mapping[str, Any] = json.loads(
    (Path(__file__).parent.parent / "vectors/usb-bridges.json").read_text()
)
CHIPS = {"FT232R": FtdiChip.FT232R, "FT230X": FtdiChip.FT_X, "FT232H": FtdiChip.FT232H}
MARK = LineFormat(parity=Parity.MARK)


def cases(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = VECTORS[name]["cases"]
    assert found
    return found


def refused(_: Control) -> None:
    """Answer as a device that knows no vendor request."""


def wire(control: Control) -> tuple[str, str]:
    return control.setup().hex(), control.data.hex()


def by_name(name: str) -> dict[str, tuple[str, str]]:
    return {case["name"]: (case["setup"], case.get("data", "")) for case in cases(name)}


# --- FTDI


@pytest.mark.parametrize("case", cases("ftdi_baud"), ids=lambda c: f"{c['chip']}-{c['baud']}")
def test_an_ftdi_divisor_is_that_of_the_kernel_and_of_pyftdi(case: dict[str, Any]) -> None:
    chip = CHIPS[case["chip"]]
    rate = Ftdi(chip=chip).rate(case["baud"])

    [control] = rate.controls
    assert control.setup().hex() == case["setup"]
    assert f"{control.value:04x}" == case["wValue"]
    assert f"{control.index:04x}" == case["wIndex"]
    high = control.index >> 8 if chip.names_port else control.index
    assert f"{high << 16 | control.value:05x}" == case["encoded_divisor"]
    assert rate.reached == pytest.approx(case["effective_baud"], abs=0.06)
    assert (rate.reached / case["baud"] - 1) * 100 == pytest.approx(
        case["error_percent"], abs=0.006
    )
    assert rate.is_near(case["baud"])


@pytest.mark.parametrize(
    "case", cases("ftdi_cgminer_constants"), ids=lambda c: f"{c['chip']}-{c['baud']}"
)
def test_ftdi_divisors_of_kanois_driver_are_reached_or_bettered(case: dict[str, Any]) -> None:
    chip = FtdiChip.FT232H if case["chip"] == "FT232H" else FtdiChip.FT232R
    rate = Ftdi(chip=chip).rate(case["baud"])
    [control] = rate.controls
    if case["baud"] == 57600:  # 208.25 there, 208.375 here: the nearer one
        assert abs(rate.reached - 57600) < abs(12e6 / 208.25 - 57600)
        return
    assert f"{control.value:04x}" == case["wValue"]
    assert control.index >> 8 == int(case["wIndex"], 16) >> 8


@pytest.mark.parametrize(
    ("chip", "baud"),
    [
        (FtdiChip.FT_X, 3_125_000),
        (FtdiChip.FT_X, 1_562_500),  # divisor 1.92: there are only 1.5 and 2
        (FtdiChip.FT232R, 2_500_000),
        (FtdiChip.FT232R, 6_000_000),
        (FtdiChip.FT232R, 50),
        (FtdiChip.FT232H, 20_000_000),
        (FtdiChip.FT232H, 7_000_000),
    ],
)
def test_a_rate_the_ftdi_divider_cannot_make_is_not_near(chip: FtdiChip, baud: int) -> None:
    assert not Ftdi(chip=chip).rate(baud).is_near(baud)


@given(st.sampled_from(list(FtdiChip)), st.integers(min_value=1, max_value=13_000_000))
def test_the_ftdi_chip_decodes_a_divisor_to_the_rate_that_was_stated(
    chip: FtdiChip, baud: int
) -> None:
    rate = Ftdi(chip=chip).rate(baud)
    if not rate.controls:
        assert rate.reached == 0.0
        return

    [control] = rate.controls  # decoded here as FTDI's AN232B-05 says, not by the code under test
    high = control.index >> 8 if chip.names_port else control.index
    clock = 12e6 if high & 2 else 3e6
    bits = control.value | (high & 1) << 16
    whole, code = bits & 0x3FFF, bits >> 14
    eighths = {0: 0.0, 1: 0.5, 2: 0.25, 3: 0.125, 4: 0.375, 5: 0.625, 6: 0.75, 7: 0.875}
    divisor = {(0, 0): 1.0, (1, 0): 1.5}.get((whole, code), whole + eighths[code])

    assert rate.reached == pytest.approx(clock / divisor)
    assert not (1 < whole + eighths[code] < 2), "such divisors do not exist"


def test_slow_rates_of_a_fast_ftdi_chip_use_the_slow_clock() -> None:
    [control] = Ftdi(chip=FtdiChip.FT232H).rate(300).controls
    assert (control.value, control.index) == (0x2710, 0x0001)


def test_an_ftdi_port_is_started_as_kanois_driver_does() -> None:
    named = by_name("ftdi_control")
    ftdi = Ftdi()

    wires = [wire(control) for control in ftdi.start(ftdi.rate(115200), DTR | RTS)]

    assert wires == [
        named["reset port"],
        named["8N1"],
        ("40031a0000000000", ""),
        named["no flow control"],
        named["flush value 2"],
        named["flush value 1"],
        named["latency 1 ms"],
        named["DTR and RTS on"],
    ]


def test_cbus_pins_hold_and_release_a_gekko_boards_chips() -> None:
    named = by_name("ftdi_control")
    ftdi = Ftdi()

    [released] = ftdi.set_pins(mask=0b1111, levels=0b0010)
    [reset] = ftdi.set_pins(mask=0b1111, levels=0)
    [given_back] = ftdi.release_pins()

    assert wire(released)[0] == next(v[0] for k, v in named.items() if "CBUS1 high" in k)
    assert wire(reset)[0] == next(v[0] for k, v in named.items() if "CBUS1 low" in k)
    assert wire(given_back)[0] == "400b000000000000"


def test_ftdi_modem_lines_are_set_one_by_one() -> None:
    values = [
        Ftdi().lines(levels, mask)[0].value
        for levels, mask in [(DTR, DTR), (RTS, DTR), (RTS, RTS), (DTR, RTS), (3, 3)]
    ]

    assert values == [0x0101, 0x0100, 0x0202, 0x0200, 0x0303]
    assert Ftdi().lines(3, 0) == ()


def test_an_ftdi_chip_is_told_by_its_release_then_by_its_id() -> None:
    assert ftdi_chip(0x1000, 0x6001) is FtdiChip.FT_X
    assert ftdi_chip(0x9999, 0x6014) is FtdiChip.FT232H
    assert ftdi_chip(0x0400, 0x6001) is FtdiChip.FT232R
    second = bridge_of(Descriptors(vid=0x0403, pid=0x6010, bcd_device=0x0700), refused, uart=1)
    assert isinstance(second, Ftdi)
    assert second.interfaces == (1,)
    assert second.start(second.rate(115200), 0)[0].index == 2


@pytest.mark.parametrize("case", cases("ftdi_in_strip"), ids=lambda c: len(c["usb_transfer"]) // 2)
def test_status_bytes_are_stripped_from_every_packet(case: dict[str, Any]) -> None:
    transfer = bytes.fromhex(case["usb_transfer"])

    payload, errors = Ftdi().payload(transfer, case["max_packet"])

    assert payload.hex() == case["payload"]
    assert errors == 0


@given(
    st.sampled_from([64, 512]),
    st.lists(
        st.tuples(st.sampled_from([b"\x01\x60", b"\x11\x62"]), st.binary(max_size=510)), max_size=20
    ),
    st.integers(min_value=1, max_value=8),
)
def test_status_bytes_are_stripped_however_packets_are_put_together(
    size: int, sent: list[tuple[bytes, bytes]], per_transfer: int
) -> None:
    packets = [head + data[: size - 2] for head, data in sent]
    transfers, current = [], b""
    for packet in packets:  # a short packet ends a transfer, and so does its size
        current += packet
        if len(packet) < size or len(current) >= per_transfer * size:
            transfers.append(current)
            current = b""
    transfers.append(current)

    answers = [Ftdi().payload(transfer, size) for transfer in transfers]

    assert b"".join(payload for payload, _ in answers) == b"".join(p[2:] for p in packets)
    assert sum(errors for _, errors in answers) == sum(p[1] == 0x62 for p in packets)


def test_a_quiet_ftdi_chip_rests_no_longer_than_half_its_buffer_lasts() -> None:
    assert Ftdi().rest(115200) == LONGEST_REST
    assert Ftdi(chip=FtdiChip.FT_X).rest(3_000_000) == pytest.approx(256 / 300_000)
    assert [bridge.rest(115200) for bridge in (Cp210x(), Pl2303(), CdcAcm())] == [0, 0, 0]


@given(st.binary(max_size=200), st.sampled_from([8, 64, 512]))
def test_any_transfer_gives_a_payload(transfer: bytes, size: int) -> None:
    payload, _ = Ftdi().payload(transfer, size)
    assert len(payload) <= len(transfer)


@pytest.mark.parametrize("bit", [0x02, 0x04, 0x08, 0x10])
def test_overrun_parity_framing_and_break_are_line_errors(bit: int) -> None:
    assert Ftdi().payload(bytes((0x01, 0x60 | bit, 0xAA)), 64) == (b"\xaa", 1)


# --- CP210x


def test_a_cp2102_is_started_with_captured_requests() -> None:
    named = by_name("cp210x_control")
    bridge = Cp210x()

    wires = [wire(control) for control in bridge.start(bridge.rate(115200), DTR | RTS)]

    assert wires == [
        named["IFC_ENABLE on, interface 0"],
        named["SET_LINE_CTL 8N1"],
        named["SET_BAUDRATE 115200"],
        named["SET_FLOW none, DTR and RTS on"],
        named["PURGE all"],
        named["SET_MHS DTR on RTS on"],
    ]
    assert [wire(control)[0] for control in bridge.stop()] == [
        named["PURGE all"][0],
        "4100000000000000",
    ]


def test_other_requests_of_a_cp210x_are_as_captured() -> None:
    named = by_name("cp210x_control")
    bridge = Cp210x(line_format=MARK)
    cp2105 = Cp210x(part=Cp210xPart.CP2105)

    assert wire(bridge.rate(1_000_000).controls[0]) == named["SET_BAUDRATE 1000000"]
    assert (
        wire(bridge.start(bridge.rate(115200), 0)[1])
        == named[next(name for name in named if "mark parity" in name)]
    )
    assert wire(bridge.lines(DTR, DTR)[0]) == named["SET_MHS DTR on, RTS untouched"]
    assert wire(part_number_query()) == named["GET_PARTNUM"]
    assert wire(bridge.sent_query()) == named["GET_COMM_STATUS"]
    on, off = (cp2105.set_pins(mask=7, levels=levels)[0] for levels in (0, 7))
    assert wire(on) == named["CP2105 GPIO 0..2 low (Gekko A1/A2: chips and regulator on)"]
    assert wire(off) == named["CP2105 GPIO 0..2 high (Gekko A1/A2: off)"]


def test_the_second_uart_of_a_cp2105_is_addressed_in_every_request() -> None:
    bridge = Cp210x(part=Cp210xPart.CP2105, interface=1)

    controls = (*bridge.start(bridge.rate(115200), DTR), *bridge.stop(), bridge.sent_query())

    assert {control.index for control in controls} == {1}
    assert bridge.interfaces == (1,)


@pytest.mark.parametrize("case", cases("cp2102_quantise"), ids=lambda c: c["requested"])
def test_a_cp2102_knows_steps_only(case: dict[str, Any]) -> None:
    rate = Cp210x().rate(case["requested"])
    assert rate.reached == case["cp2102"]
    assert rate.is_near(case["requested"]) == (abs(case["cp2102"] / case["requested"] - 1) <= 0.03)


@pytest.mark.parametrize("case", cases("cp2104_actual"), ids=lambda c: c["requested"])
@pytest.mark.parametrize("part", [Cp210xPart.CP2104, Cp210xPart.CP2105, Cp210xPart.CP2102N])
def test_newer_cp210x_divide_48_megahertz(part: Cp210xPart, case: dict[str, Any]) -> None:
    rate = Cp210x(part=part).rate(case["requested"])
    assert rate.reached == case["cp2104_cp2105"]


@pytest.mark.parametrize(
    ("part", "interface", "baud"),
    [
        (Cp210xPart.CP2102, 0, 1_500_000),
        (Cp210xPart.CP2102, 0, 214_286),
        (Cp210xPart.CP2105, 0, 2_500_000),
        (Cp210xPart.CP2105, 1, 1_000_000),
        (Cp210xPart.CP2105, 1, 1200),
        (Cp210xPart.CP2102N, 0, 4_000_000),
    ],
)
def test_rates_beyond_a_cp210x_are_not_near(part: Cp210xPart, interface: int, baud: int) -> None:
    assert not Cp210x(part=part, interface=interface).rate(baud).is_near(baud)


@given(st.sampled_from(list(Cp210xPart)), st.integers(min_value=0, max_value=1 << 32))
def test_any_rate_asked_of_a_cp210x_gives_an_answer(part: Cp210xPart, baud: int) -> None:
    rate = Cp210x(part=part).rate(baud)
    assert rate.reached >= 0
    assert not (rate.is_near(baud) and baud and not rate.controls)


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        *((b"\x02", "CP2102"), (b"\x20", "CP2102N"), (b"\x22", "CP2102N"), (b"\x05", "CP2105")),
        *((None, "CP2102"), (b"", "CP2102"), (b"\x77", "CP2102")),
    ],
)
def test_a_cp210x_says_which_part_it_is(answer: bytes | None, name: str) -> None:
    bridge = bridge_of(Descriptors(vid=0x10C4, pid=0xEA60), lambda _: answer)
    assert bridge is not None
    assert bridge.name == name


def test_pins_of_each_cp210x_are_written_in_its_own_way() -> None:
    wires = {
        part.name: [wire(c) for c in Cp210x(part=part).set_pins(mask=0b110, levels=0b111)]
        for part in (Cp210xPart.CP2102N, Cp210xPart.CP2105, Cp210xPart.CP2108)
    }

    assert wires == {
        "CP2102N": [("40ffe13706060000", "")],
        "CP2105": [("41ffe13700000200", "0606")],
        "CP2108": [("41ffe13700000400", "06000600")],
    }
    assert Cp210x().pins_name == ""
    assert Cp210x(part=Cp210xPart.CP2105).pins_name == "GPIO"


def test_an_empty_output_queue_means_sent() -> None:
    # AN571: errors, hold reasons, bytes in the input queue, bytes in the output queue, three flags
    waiting = bytes.fromhex("00000000 00000000 05000000 01000000 000000")
    empty = bytes.fromhex("00000000 00000000 05000000 00000000 000000")

    assert not Cp210x().is_sent(waiting)
    assert Cp210x().is_sent(empty)
    assert not Cp210x().is_sent(b"")
    assert Ftdi().is_sent(bytes.fromhex("0160"))
    assert not Ftdi().is_sent(bytes.fromhex("0120"))
    assert not Ftdi().is_sent(b"\x01")


# --- CDC-ACM and PL2303


@pytest.mark.parametrize("case", cases("cdc_acm"), ids=lambda c: c["setup"])
def test_cdc_requests_are_as_the_class_has_them(case: dict[str, Any]) -> None:
    setup = bytes.fromhex(case["setup"])
    bridge = CdcAcm(control=setup[4])
    if "baud" in case:
        [control] = bridge.rate(case["baud"]).controls
        assert wire(control) == (case["setup"], case["data"])
    else:
        assert wire(bridge.lines(DTR | RTS)[0])[0] == case["setup"]


def test_a_pl2303_is_started_with_kanois_requests_among_the_makers() -> None:
    captured = [(case["setup"], case["data"]) for case in cases("pl2303")]

    for kind in Pl2303Kind:
        bridge = Pl2303(kind=kind)
        wires = [wire(control) for control in bridge.start(bridge.rate(115200), DTR | RTS)]
        if kind is Pl2303Kind.HXN:
            assert wires[-3:] == [*captured[:2], ("40800a001c000000", "")]
        else:
            assert wires[-3:] == captured


# drivers/usb/serial/pl2303.c, pl2303_detect_type
@pytest.mark.parametrize(
    ("descriptors", "answers", "kind"),
    [
        (Descriptors(vid=0x067B, pid=0x2303, device_class=2), False, Pl2303Kind.H),
        (Descriptors(vid=0x067B, pid=0x2303, control_packet_size=8), False, Pl2303Kind.H),
        (Descriptors(vid=0x067B, pid=0x2303, bcd_usb=0x110, bcd_device=0x300), 1, Pl2303Kind.HX),
        (Descriptors(vid=0x067B, pid=0x2303, bcd_usb=0x110, bcd_device=0x400), 1, Pl2303Kind.HXD),
        (Descriptors(vid=0x067B, pid=0x2303, bcd_usb=0x200, bcd_device=0x300), 1, Pl2303Kind.TA),
        (Descriptors(vid=0x067B, pid=0x2303, bcd_usb=0x200, bcd_device=0x300), 0, Pl2303Kind.HXN),
        (Descriptors(vid=0x067B, pid=0x2303, bcd_usb=0x200, bcd_device=0x500), 1, Pl2303Kind.TB),
        (Descriptors(vid=0x067B, pid=0x23A3, bcd_usb=0x200, bcd_device=0x105), 1, Pl2303Kind.HXN),
    ],
)
def test_a_pl2303_is_told_by_its_releases(
    descriptors: Descriptors, answers: bool, kind: Pl2303Kind
) -> None:
    bridge = bridge_of(descriptors, lambda _: b"\x00" if answers else None)
    assert isinstance(bridge, Pl2303)
    assert bridge.kind is kind


def test_a_pl2303_has_listed_rates_and_the_newest_any() -> None:
    assert Pl2303().rate(115200).reached == 115200
    assert not Pl2303().rate(1_000_000).is_near(1_000_000)
    assert Pl2303(kind=Pl2303Kind.HXN).rate(1_000_000).reached == 1_000_000
    assert not Pl2303(kind=Pl2303Kind.H).rate(3_000_000).is_near(3_000_000)


# --- all of them


@pytest.mark.parametrize(
    ("vid", "pid", "kind"),
    [
        (0x0403, 0x6015, BridgeKind.FTDI),
        (0x0403, 0x8350, BridgeKind.FTDI),
        (0x10C4, 0xEA60, BridgeKind.CP210X),
        (0x10C4, 0xEA70, BridgeKind.CP210X),
        (0x10C4, 0x8A2A, None),
        (0x067B, 0x2303, BridgeKind.PL2303),
        (0xC0DE, 0xCAFE, None),
    ],
)
def test_a_family_is_told_by_ids(vid: int, pid: int, kind: BridgeKind | None) -> None:
    assert kind_of(vid, pid) is kind


def test_a_device_with_acm_functions_is_a_bridge_whatever_its_ids() -> None:
    device = Descriptors(vid=0xC0DE, pid=0xCAFE, functions=((0, 1), (2, 3)))

    second = bridge_of(device, refused, uart=1)

    assert isinstance(second, CdcAcm)
    assert second.interfaces == (2, 3)
    assert bridge_of(device, refused, uart=2) is None
    assert bridge_of(Descriptors(vid=0x1D6B, pid=2), refused) is None


@pytest.mark.parametrize(
    "bridge", [Ftdi(), Cp210x(), Pl2303(), CdcAcm()], ids=lambda bridge: bridge.name
)
def test_a_bridge_keeps_what_its_protocol_promises(bridge: Bridge) -> None:
    assert bridge.lines(3, 0) == ()
    assert bridge.line_format.bits == 10
    for control in (*bridge.start(bridge.rate(115200), 3), *bridge.stop()):
        assert len(control.setup()) == 8
        assert control.is_read == bool(control.length)
    if not bridge.pins_name:
        assert bridge.release_pins() == ()
    if bridge.sent_query() is None:
        assert bridge.is_sent(b"")


def test_a_format_takes_its_bit_times() -> None:
    assert LineFormat().bits == 10
    assert MARK.bits == 11
    assert LineFormat(data_bits=7, parity=Parity.EVEN, stop_bits=StopBits.TWO).bits == 11
