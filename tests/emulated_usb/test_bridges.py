"""What the bridge chips do with bytes, rates, pins and time; no pyusb, and time stands still."""

from dataclasses import replace

import pytest

from drivers.transports.emulated_usb.ftdi import FtdiBridge
from drivers.transports.emulated_usb.identities import CABLES, STICKS, BridgeModel
from drivers.transports.emulated_usb.transfer_errors import UsbTransferError
from tests.emulated_usb.rig import Clock, EchoChips, Rig, payload, plain, rig

FT_X = STICKS["compac-f"]
AT_115200 = "40031a0000000000"
LATENCY_1 = "4009010000000000"


def packet(one: Rig, endpoint: int = 0x81, size: int = 512) -> bytes | None:
    """Return what a transfer brings at this moment, None if it would have to wait."""
    data = bytearray()
    with one.device.changed:
        return bytes(data) if one.device.move_in(endpoint, data, size) else None


def waited_for(one: Rig, clock: Clock, size: int = 8192) -> bytes:
    """Return what a transfer brings in the end; time passes."""
    data = bytearray()
    for _ in range(3):
        clock.now += 0.016
        with one.device.changed:
            if one.device.move_in(0x81, data, size):
                return bytes(data)
    raise AssertionError("the transfer never ends")


def write(one: Rig, data: bytes, endpoint: int = 0x02) -> bool:
    with one.device.changed:
        return one.device.move_out(endpoint, data)


# -- FTDI: status bytes and the latency timer


def test_status_alone_comes_when_the_latency_timer_expires_and_not_before() -> None:
    clock = Clock()
    one = rig(FT_X, now=clock)

    clock.now = 0.0159
    assert packet(one) is None
    assert one.device.packet_due(0x81) == pytest.approx(0.016)
    clock.now = 0.016
    assert packet(one) == b"\x01\x60"
    clock.now = 0.031
    assert packet(one) is None


def test_a_short_latency_brings_data_sooner() -> None:
    clock = Clock()
    one = rig(FT_X, now=clock)
    one.control(AT_115200)
    one.control(LATENCY_1)
    one.device.write(b"nonce")

    assert packet(one) is None
    clock.now = 0.001
    assert packet(one) == b"\x01\x61nonce"


def test_the_timer_may_expire_in_the_midst_of_an_answer() -> None:
    clock = Clock()
    one = rig(FT_X, now=clock)
    assert isinstance(one.device.bridge, FtdiBridge)
    one.device.bridge.cuts_bursts = True
    one.control(AT_115200)
    one.control(LATENCY_1)

    for answer in (b"nonce", b"another", b"1"):
        one.device.write(answer)
        packets: list[bytes] = []
        while sum(len(each) - 2 for each in packets) < len(answer):
            clock.now += 0.001
            packets.append(packet(one) or b"")

        assert b"".join(each[2:] for each in packets) == answer
        assert len(packets) == (2 if len(answer) > 1 else 1)


def test_exactly_one_full_packet_does_not_wait_either() -> None:
    one = rig(FT_X, now=Clock())
    one.control(AT_115200)
    one.device.write(bytes(62))

    assert packet(one, size=64) == b"\x01\x61" + bytes(62)


def test_a_full_packet_does_not_wait_for_the_timer() -> None:
    one = rig(FT_X, now=Clock())
    one.control(AT_115200)
    one.device.write(bytes(70))

    with one.device.changed:
        data = bytearray()
        assert not one.device.move_in(0x81, data, 512), "the rest waits for the timer"

    assert len(data) == 64
    assert one.device.bridge.ports[0].waiting == 8


def test_packets_of_an_ft232h_are_eight_times_as_large() -> None:
    clock = Clock()
    one = rig(plain(BridgeModel.FT232H), now=clock)
    one.control("400368c000020000")
    one.device.write(bytes(1000))

    transfer = waited_for(one, clock)

    assert len(transfer) == 1004
    assert payload(transfer, 512) == bytes(1000)


@pytest.mark.parametrize("chips_rate", [115200.0, 0.0])
def test_overrun_is_told_once(chips_rate: float) -> None:
    clock = Clock(now=1.0)
    one = rig(FT_X, now=clock, chips=EchoChips(baud_rate=chips_rate))
    one.control(AT_115200)
    one.device.write(bytes(600))

    transfer = waited_for(one, clock)

    assert len(payload(transfer)) == 512
    assert transfer[1] & 0x02
    assert not transfer[65] & 0x02


# -- rates and formats


@pytest.mark.parametrize(
    ("divisor", "chips_rate", "understood"),
    [
        (0x001A, 115200, True),
        (0x001A, 115740, True),
        (0x0002, 1_562_500, True),  # 4 % off, and sticks work like that
        (0x0002, 1_500_000, True),
        (0x001B, 115200, True),
        (0x001C, 115200, False),
        (0x0018, 115200, False),
        (0x0002, 115200, False),
        (0x0019, 1_562_500, False),
        (0x4001, 1_500_000, False),
        (0xC001, 1_562_500, False),
    ],
)
def test_bytes_are_garbage_both_ways_unless_the_rates_meet(
    divisor: int, chips_rate: float, understood: bool
) -> None:
    clock = Clock()
    chips = EchoChips(baud_rate=chips_rate, echo=False)
    one = rig(FT_X, now=clock, chips=chips)
    one.control("4003" + divisor.to_bytes(2, "little").hex() + "00000000")
    sent = bytes(range(32))

    assert write(one, sent)
    one.device.write(sent)
    got = waited_for(one, clock)

    assert (bytes(chips.heard) == sent) is understood
    assert (payload(got) == sent) is understood
    assert bool(got[1] & 0x08) is not understood, "framing errors"
    assert one.device.bridge.ports[0].garbage == (0 if understood else 64)


@pytest.mark.parametrize(
    ("value", "understood"),
    [
        (0x0008, True),  # 8N1
        (0x1008, True),  # 8N2
        (0x0308, True),  # mark parity: like a second stop bit
        (0x0108, False),  # odd
        (0x0208, False),  # even
        (0x0408, False),  # space: a 0 where the stop bit should be
        (0x0007, False),  # 7N1
    ],
)
def test_bytes_are_garbage_unless_the_format_looks_like_8n1(value: int, understood: bool) -> None:
    one = rig(FT_X, chips=EchoChips(echo=False))
    echo = one.device.bridge.ports[0].chips
    assert isinstance(echo, EchoChips)
    one.control(AT_115200)
    one.control("4004" + value.to_bytes(2, "little").hex() + "00000000")

    write(one, b"command!")

    assert (bytes(echo.heard) == b"command!") is understood


def test_chips_are_told_the_real_rate() -> None:
    one = rig(STICKS["compac"])
    one.control("4100010000000000")

    one.control("411e000000000400", (125_000).to_bytes(4, "little").hex())

    assert one.chips.rates == [9600.0, 128_000.0]


def test_the_line_is_as_long_busy_as_its_bytes_take() -> None:
    clock = Clock()
    one = rig(FT_X, now=clock)
    one.control(AT_115200)
    write(one, bytes(64))  # 640 bits at 115385 bit/s are 5.55 ms

    clock.now = 0.0055
    assert one.control("c005000000000200") == b"\x01\x20"
    clock.now = 0.0056
    assert one.control("c005000000000200") == b"\x01\x60"
    one.control("4003020000000000")
    assert one.device.bridge.ports[0].overtaken == 0


def test_a_rate_that_overtakes_bytes_on_the_line_is_noticed() -> None:
    clock = Clock()
    one = rig(STICKS["compac-a1"], now=clock)
    one.control("4100010000000000")
    one.control("411e000000000400", "00c20100")
    write(one, bytes(64), 0x01)
    clock.now = 0.004

    assert one.control("c110000000001300")[12:16] == (18).to_bytes(4, "little")
    one.control("411e000000000400", "40420f00")

    assert one.device.bridge.ports[0].overtaken == 18
    write(one, bytes(4), 0x01)
    one.control("411e000000000400", "00c20100")
    assert one.device.bridge.ports[0].overtaken == 22


# -- FTDI: pins, modem lines, EEPROM


@pytest.mark.parametrize("name", ["ft-x-cable", "lancelot"])
def test_pins_whose_function_is_not_io_do_not_move(name: str) -> None:
    one = rig({**STICKS, **CABLES}[name])

    one.control("400bf02000000000")

    assert one.control("c00c000000000100") == b"\x0f"


def test_the_eeprom_says_which_pins_are_io() -> None:
    stick, cable = rig(FT_X), rig(CABLES["ft-x-cable"])

    assert stick.control("c090000001000200").hex() == "0304"
    assert stick.control("c09000000d000200").hex() == "0808"
    assert stick.control("c09000000e000200").hex() == "0808"
    assert cable.control("c09000000d000200").hex() == "0000"


def test_the_uart_runs_on_in_cbus_mode_and_stops_in_the_others() -> None:
    one = rig(FT_X)
    one.control(AT_115200)

    one.control("400bf22000000000")
    write(one, b"heard")
    one.control("400bff0100000000")
    write(one, b"not heard")
    one.control("400b000000000000")
    write(one, b", again")

    assert bytes(one.chips.heard) == b"heard, again"


def test_leaving_cbus_mode_lets_the_reset_line_go() -> None:
    one = rig(FT_X)
    one.control("400bf02000000000")
    assert one.chips.resets[-1]

    one.control("400b000000000000")

    assert not one.chips.resets[-1]


def test_pins_that_are_inputs_stay_high() -> None:
    one = rig(FT_X)

    one.control("400bd02000000000")  # CBUS1 is an input here

    assert not one.chips.resets[-1]
    assert one.control("c00c000000000100") == b"\x02"


def test_modem_inputs_show_in_the_status() -> None:
    clock = Clock()
    one = rig(FT_X, now=clock)
    bridge = one.device.bridge
    bridge.modem_inputs = 0x30  # type: ignore[attr-defined]  # an FTDI bridge has it

    assert waited_for(one, clock) == b"\x31\x60"
    assert one.control("c005000000000200") == b"\x31\x60"


def test_hardware_flow_control_holds_output_back_for_ever_where_cts_is_not_wired() -> None:
    one = rig(FT_X)
    one.control(AT_115200)
    one.control("4002000000010000")

    assert write(one, bytes(512))
    assert not write(one, b"x"), "the buffer is full"
    assert not one.chips.heard

    one.control("4002000000000000")
    assert bytes(one.chips.heard) == bytes(512)


# -- Silicon Labs


def test_a_port_is_dead_until_it_is_enabled() -> None:
    one = rig(STICKS["compac"], chips=EchoChips(baud_rate=0))
    echo = one.device.bridge.ports[0].chips
    assert isinstance(echo, EchoChips)

    write(one, b"early", 0x01)
    one.device.write(b"early")
    one.control("4100010000000000")
    write(one, b"heard", 0x01)

    assert bytes(echo.heard) == b"heard"
    assert packet(one) == b"heard"


def test_a_burst_of_whole_packets_ends_at_once_with_an_empty_one() -> None:
    one = rig(STICKS["compac"], chips=EchoChips(baud_rate=0))
    one.control("4100010000000000")

    one.device.write(bytes(128))

    assert packet(one) == bytes(128)
    assert packet(one) is None


def test_the_two_ports_of_a_cp2105_are_separate() -> None:
    one = rig(STICKS["compac-a1"])
    second = EchoChips()
    one.device.bridge.ports[1].chips = second
    for interface in (0, 1):
        one.control(f"41000100{interface:02x}000000")
        one.control(f"411e0000{interface:02x}000400", "00c20100")

    write(one, b"work", 0x01)
    write(one, b"?v", 0x02)

    assert bytes(one.chips.heard) == b"work"
    assert bytes(second.heard) == b"?v"
    assert packet(one, 0x81) == b"work"
    assert packet(one, 0x82) == b"?v"


def test_the_standard_port_of_a_cp2105_is_slower_than_the_enhanced_one() -> None:
    one = rig(STICKS["compac-a1"])

    for interface in (0, 1):
        one.control(f"411e0000{interface:02x}000400", (1_500_000).to_bytes(4, "little").hex())

    rates = [port.line.baud_rate for port in one.device.bridge.ports]
    assert rates == [1_500_000.0, 923_076.0]


def test_a_latch_write_moves_only_the_pins_of_its_mask() -> None:
    one = rig(STICKS["compac-a1"])

    one.control("41ffe13700000200", "0300")
    assert one.control("c1ffc20000000100") == b"\x04"
    assert one.chips.resets[-1], "one of three enables is still high"

    one.control("41ffe13700000200", "0400")
    assert not one.chips.resets[-1]


def test_a_cp2102n_has_its_latch_in_the_index() -> None:
    one = rig(plain(BridgeModel.CP2102N))

    one.control("40ffe1370f050000")

    assert one.control("c0ffc20000000100") == b"\x05"
    assert one.control("c0ff0b3700000100") == b"\x20"


@pytest.mark.parametrize(
    "setup",
    [
        "40ffe1370f050000",  # a CP2102 has no pins
        "4100010001000000",  # nor a second interface
        "4103000900000000",  # nine data bits
        "41770000000000000"[:16],
        "2120000000000700",  # a class request
    ],
)
def test_a_cp2102_stalls_what_it_does_not_know(setup: str) -> None:
    one = rig(STICKS["compac"])

    with pytest.raises(UsbTransferError):
        one.control(setup, "00" * 7)


# -- CDC-ACM and PL2303


def test_a_cdc_firmware_is_deaf_and_mute_without_dtr() -> None:
    one = rig(plain(BridgeModel.CDC_ACM))
    one.control("2120000000000700", "00c20100000008")

    write(one, b"early", 0x02)
    one.control("2122010000000000")
    write(one, b"heard", 0x02)

    one.control("2122020000000000")
    write(one, b"late", 0x02)

    assert bytes(one.chips.heard) == b"heard"
    assert packet(one, 0x82) == b"heard"


def test_a_pl2303_decodes_divisors_and_falls_to_9600_for_odd_numbers() -> None:
    one = rig(plain(BridgeModel.PL2303))
    rates = []

    # 384 MHz / (mantissa * 4 ** exponent): 384 and 1 is 250000, as the kernel would write it
    for coding in ("8003008000" + "0008", "40e20100" + "000008", "00c20100000008"):
        one.control("2120000000000700", coding[:14].ljust(14, "0"))
        rates.append(one.device.bridge.ports[0].line.baud_rate)

    assert rates == [250_000.0, 9600.0, 115_200.0]


def test_registers_of_a_pl2303_hold_what_is_written() -> None:
    one = rig(plain(BridgeModel.PL2303))

    one.control("4001040401000000")

    assert one.control("c001048400000100") == b"\x01"
    assert one.control("c001838300000100") == b"\x00"


def test_interrupt_endpoints_never_have_anything_to_say() -> None:
    one = rig(plain(BridgeModel.PL2303))

    assert packet(one, 0x81) is None
    assert one.device.packet_due(0x81) is None


# -- the line


def test_a_kernel_driver_sets_rates_as_the_real_one() -> None:
    stick = rig(replace(FT_X, serial="1"))
    bridge = stick.device.bridge
    seen = []

    for asked in (115_200, 1_500_000, 3_000_000, 3_125_000, 6_250_000, 0):
        bridge.set_rate(0, asked)
        seen.append(round(bridge.ports[0].line.baud_rate))

    assert seen == [115_385, 1_500_000, 3_000_000, 9600, 9600, 9600]
