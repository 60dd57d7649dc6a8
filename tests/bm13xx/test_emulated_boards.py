"""Emulated boards: control port, chips and heat belong together."""

from random import Random

import pytest

from drivers.bm13xx.emulated_bitaxe import ResponseFormat
from drivers.bm13xx.emulated_boards import BOARDS, default_scale, device_names, emulated_device
from drivers.bm13xx.emulated_device import EmulatedDevice
from drivers.bm13xx.emulated_models import MODELS
from drivers.errors import SettingError
from drivers.peripherals.emulated_faults import Faults
from tests.bm13xx import plain_host as host

RESET_LOW, RESET_HIGH = "07000100060000", "07000100060001"
READ_DIE = "0900010005404c0101"


class Bench:
    """A device and a clock; requests to the control port are hex, 10 ms apart."""

    def __init__(self, name: str = "bitaxe-gamma", **options: object) -> None:
        self.device: EmulatedDevice = emulated_device(
            name,
            random=Random(3),
            **options,  # type: ignore[arg-type]  # passed through
        )
        self.now = 50.0

    def ask(self, *requests: str) -> bytes:
        answer = b""
        for request in requests:
            self.now += 0.01
            answer = self.device.receive_control(bytes.fromhex(request), self.now)
        return answer

    def send(self, *frames: bytes) -> bytes:
        return b"".join(self.device.receive_data(frame, self.now) for frame in frames)

    def wait(self, seconds: float) -> None:
        """Let time pass without hashing: searches are made and thrown away."""
        end = self.now + seconds
        while self.now < end:
            self.now += 0.25
            self.device.search(self.now)

    def power_up(self, *, fan: int = 0x3F) -> None:
        self.ask("0900010005204c4a23", f"0900010005204c4c{fan:02x}")
        self.ask("0a0001000520242400" + "04", "0a00010005202421" + "4d02", "090001000520240180")
        self.ask(RESET_HIGH)
        self.wait(1.0)

    def start_hashing(self) -> None:
        self.send(*host.bring_up("bm1370", 1), host.full_job(8))

    @property
    def die(self) -> float:
        assert self.device.board
        return self.device.board.heat.die


def test_a_gamma_answers_on_both_ports_after_a_safe_start() -> None:
    bench = Bench()

    in_reset = bench.send(host.read(0))
    bench.power_up()
    awake = bench.send(host.read(0))

    assert in_reset == b""
    assert awake[2:6].hex() == "13700000"


@pytest.mark.parametrize("missing", ["voltage", "reset"])
def test_the_chips_are_dead_without_voltage_or_in_reset(missing: str) -> None:
    bench = Bench()
    bench.power_up()
    assert bench.send(host.read(0))

    bench.ask("090001000520240100" if missing == "voltage" else RESET_LOW)

    assert bench.send(host.read(0)) == b""
    assert bench.device.chain.dead


def test_a_board_warms_by_hashing_and_settles() -> None:
    bench = Bench()
    bench.power_up()
    idle = bench.die
    bench.start_hashing()

    bench.wait(60.0)
    warm = bench.die
    bench.wait(100.0)
    settled = bench.die
    bench.wait(60.0)

    assert 25.0 <= idle < 30.0
    assert warm > 45.0
    assert bench.die == pytest.approx(settled, abs=0.2)
    assert settled == pytest.approx(55.0, abs=2.0)


def test_less_fan_is_hotter_and_less_frequency_is_cooler() -> None:
    quiet, slow = Bench(), Bench()
    quiet.power_up(fan=0x0F)
    slow.power_up()
    for bench in (quiet, slow):
        bench.start_hashing()
    slow.send(host.write(0x08, 0x40A80231))
    quiet.wait(300.0)
    slow.wait(300.0)

    assert quiet.die > 80.0
    assert slow.die < 45.0


def test_a_board_in_reset_cools_down_with_its_fan_on() -> None:
    bench = Bench()
    bench.power_up()
    bench.start_hashing()
    bench.wait(100.0)
    hot = bench.die

    bench.ask(RESET_LOW, "090001000520240100")
    bench.wait(100.0)

    assert hot > 50.0
    assert bench.die < 26.0


def test_the_dies_diode_reads_the_die_once_it_runs() -> None:
    bench = Bench()
    bench.power_up()
    bench.start_hashing()
    bench.wait(60.0)

    reply = bench.ask(READ_DIE)

    assert reply[3] == pytest.approx(bench.die, abs=1.0)


def test_the_regulator_shows_the_power_of_the_chips() -> None:
    bench = Bench()
    bench.power_up()
    bench.start_hashing()
    bench.wait(1.0)

    bench.ask("09000100052024" + "04ff")
    amps = bench.ask("09000100054024" + "8c02")

    word = int.from_bytes(amps[3:5], "little")
    exponent = (word >> 11) - 32
    # cold chips leak less
    assert (word & 0x7FF) * 2.0**exponent == pytest.approx(14.0 / 1.15, rel=0.05)


def test_ambient_and_time_constant_are_options() -> None:
    bench = Bench(ambient=40.0, time_constant=1.0)
    bench.power_up()
    bench.start_hashing()

    bench.wait(6.0)

    assert bench.die == pytest.approx(70.0, abs=2.0)


def test_a_board_with_its_own_supply_goes_on_when_usb_is_pulled() -> None:
    bench = Bench(faults=Faults(unplug_after=200.0, replug_after=300.0))
    bench.power_up()
    bench.start_hashing()
    bench.wait(100.0)
    plugged = bench.device.unplugged(bench.now)
    bench.wait(150.0)
    gone = bench.device.unplugged(bench.now)
    bench.wait(100.0)
    back = bench.device.unplugged(bench.now)
    bench.device.plugged_in()

    assert (plugged, gone, back) == (False, True, False)
    assert bench.die > 50.0
    assert not bench.device.chain.dead


def test_a_bare_chain_starts_anew_when_it_is_plugged_in_again() -> None:
    device = emulated_device("bm1370", random=Random(1), faults=Faults(unplug_after=1.0))
    device.receive_data(host.write(0xA4, 0x9000FFFF), 0.0)
    assert device.unplugged(0.5) is False
    assert device.unplugged(1.5) is True

    device.plugged_in()

    assert len(device.receive_data(host.read(0), 2.0)) == 9
    assert not device.has_control
    assert device.receive_control(b"\x06\x00\x5a\x00\x06\x00", 2.0) == b""


@pytest.mark.parametrize("letter", ["A", "B", "C"])
def test_the_response_format_is_an_option(letter: str) -> None:
    bench = Bench(response_format=ResponseFormat[letter])

    assert bench.ask("06005a000600")[0] == {"A": 1, "B": 4, "C": 5}[letter]


PARTS = {
    "bitaxe-max": {0x40, 0x48, 0x4C},
    "bitaxe-ultra": {0x40, 0x48, 0x4C},
    "bitaxe-ultra-tps546": {0x24, 0x4C},
    "bitaxe-supra": {0x24, 0x4C},
    "bitaxe-supra-ds4432u": {0x40, 0x48, 0x4C},
    "bitaxe-gamma": {0x24, 0x4C},
    "bitaxe-gamma-duo": {0x24, 0x4C},
    "bitaxe-gamma-turbo": {0x24, 0x2E},
    "bitaxe-hex": {0x24, 0x2F, 0x4A, 0x4B},
    "bitaxe-suprahex": {0x24, 0x2F, 0x4A, 0x4B},
    "emberone-00": {0x49, 0x4A},
}


@pytest.mark.parametrize("name", PARTS)
def test_each_bitaxe_has_its_parts_on_the_bus(name: str) -> None:
    bench = Bench(name)

    there = {
        address
        for address in range(0x08, 0x78)
        if len(bench.ask(f"080001000530{address:02x}01")) == 4
    }

    assert there == PARTS[name]


CHIPS = {
    "bitaxe-max": ("bm1397", 1),
    "bitaxe-ultra": ("bm1366", 1),
    "bitaxe-supra": ("bm1368", 1),
    "bitaxe-gamma": ("bm1370", 1),
    "bitaxe-gamma-duo": ("bm1370", 2),
    "bitaxe-gamma-turbo": ("bm1370", 2),
    "bitaxe-hex": ("bm1366", 6),
    "bitaxe-suprahex": ("bm1368", 6),
    "emberone-00": ("bm1362", 12),
    "qaxe": ("bm1366", 4),
    "qaxe-plus": ("bm1368", 4),
    "flex4axe": ("bm1366", 16),
}


@pytest.mark.parametrize("name", CHIPS)
def test_each_board_has_its_chips(name: str) -> None:
    chain = emulated_device(name, random=Random(1)).chain

    assert (chain.model.name, len(chain.chips)) == CHIPS[name]


def test_a_hex_makes_three_times_the_core_voltage() -> None:
    bench = Bench("bitaxe-hex")
    assert bench.device.board
    heat = bench.device.board.heat

    for write in ("24000a", "213307", "0180"):  # at most 5 V, 3.6 V, on
        size = 7 + len(write) // 2
        bench.ask(f"{size:02x}000100052024{write}")

    assert heat.rail() == pytest.approx(3 * heat.core_volts)
    assert heat.core_volts == pytest.approx(3.6 / 3, abs=0.01)


def test_an_emberone_needs_both_power_pins() -> None:
    bench = Bench("emberone-00")

    dark = bench.send(host.read(0))
    bench.ask("07000100060101")
    half = bench.send(host.read(0))
    bench.ask("07000100060201")
    bright = bench.send(host.read(0))

    assert (dark, half) == (b"", b"")
    assert len(bright) == 12 * 9


@pytest.mark.parametrize("name", ["qaxe", "qaxe-plus", "flex4axe"])
def test_a_qaxe_is_switched_and_reset_by_its_own_commands(name: str) -> None:
    bench = Bench(name)

    dark = bench.send(host.read(0))
    bench.ask("0d080110011a0706080110641864")
    counted = bench.send(host.read(0), host.write(0xA4, 0x9000FFFF), host.read(0))
    bench.ask("021003")
    again = bench.send(host.read(0))
    bench.ask("021004")

    chips = CHIPS[name][1]
    assert dark == b""
    assert len(counted) == chips * (9 + 11)
    assert len(again) == chips * 9
    assert bench.send(host.read(0)) == b""


@pytest.mark.parametrize("name", device_names())
def test_every_device_can_be_made_at_a_rate_this_machine_can_do(name: str) -> None:
    device = emulated_device(name, random=Random(1))

    nominal = device.chain.model.engines * len(device.chain.chips) * 600e6
    assert device.chain.scale == default_scale(name)
    assert nominal * device.chain.scale <= 6e6
    assert device.has_control == (name in BOARDS)
    assert (name in BOARDS) != (name in MODELS)


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(SettingError, match="did you mean bitaxe-gamma"):
        emulated_device("bitaxe-gama", random=Random(1))
