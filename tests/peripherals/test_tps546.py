import pytest

from drivers.peripherals.errors import PeripheralError
from drivers.peripherals.tps546 import Tps546
from drivers.peripherals.tps546_settings import FIVE_VOLTS, GAMMA_TURBO, HEX, configuration
from tests.peripherals.scripted_bus import ScriptedBus
from tests.peripherals.virtual_time import run

# Values of the reference's Gamma configuration, encoded by hand: SLINEAR11 as in the captured
# vectors (650 -> 028a, 4.8 -> ca66 ...), ULINEAR16 as value * 512, all low byte first.
GAMMA_WRITES = """
    24: 02 1b
    24: ec 00 00
    24: e4 10
    24: 04 00
    24: 33 8a 02
    24: 35 66 ca
    24: 36 40 ca
    24: 55 40 cb
    24: 56 b7
    24: 29 00 aa
    24: 24 00 04          # 2.0 V
    24: 2b 00 02          # 1.0 V
    24: 40 80 02          # 1.25 times
    24: 42 52 02          # 1.16 times
    24: 25 33 02          # 1.10 times
    24: 26 cd 01          # 0.90 times
    24: 43 cd 01
    24: 44 80 01          # 0.75 times
    24: 4a 20 db
    24: 46 c0 db
    24: 47 c0
    24: 51 48 eb
    24: 4f 44 f2          # 145 = 580 / 4
    24: 50 ff
    24: 60 00 00
    24: 61 00 c3          # 3 = 768 / 256
    24: 62 00 00
    24: 63 3b
    24: 64 00 00
    24: 65 00 00
    24: ee ff ff
"""
TURN_ON = """
    24: 20 -> 97
    24: 21 4d 02          # 1.15 V
    24: 03
    24: 01 80
    24: 01 -> 80
"""


def words(writes: list[bytes]) -> dict[int, bytes]:
    return {write[0]: write[1:] for write in writes}


def test_the_gamma_is_configured_byte_by_byte_with_its_output_off() -> None:
    bus = ScriptedBus(f"24: ad -> 06 54 49 54 6d 24 41\n24: 01 00\n24: 20 -> 97\n{GAMMA_WRITES}")

    async def scenario() -> None:
        part = Tps546(bus)
        assert await part.identify() == "TPS546D24A"
        await part.configure()

    run(scenario())
    assert bus.finished()


@pytest.mark.parametrize("device_id", ["06 54 49 54 6d 24 99", "ff ff ff ff ff ff ff"])
def test_another_part_is_not_taken_for_a_tps546(device_id: str) -> None:
    with pytest.raises(PeripheralError, match="not a TPS546"):
        run(Tps546(ScriptedBus(f"24: ad -> {device_id}")).identify())


@pytest.mark.parametrize("mode", ["17", "b7", "d7"])
def test_a_voltage_mode_that_would_be_misread_is_refused(mode: str) -> None:
    with pytest.raises(PeripheralError, match="VOUT_MODE"):
        run(Tps546(ScriptedBus(f"24: 01 00\n24: 20 -> {mode}")).configure())


def test_boards_at_12_volts_differ_where_the_reference_says_so() -> None:
    gamma, hex_board, turbo = (
        words(list(configuration(settings, -9))) for settings in (FIVE_VOLTS, HEX, GAMMA_TURBO)
    )

    assert 0x58 not in gamma  # VIN_UV_WARN_LIMIT
    assert hex_board[0x58] == turbo[0x58] == bytes.fromhex("c0d2")  # 11.0 = 704 / 64
    assert hex_board[0x24] + hex_board[0x2B] == bytes.fromhex("0009 0005")  # 4.5 V, 2.5 V
    assert hex_board[0x29] == bytes.fromhex("00a2")  # 0.125 = 512 / 4096
    assert hex_board[0x35] == bytes.fromhex("e0d2")  # 11.5 = 736 / 64
    assert turbo[0x04] + turbo[0xEC] + turbo[0xE4] == bytes.fromhex("ff 0100 d0")
    assert turbo[0x4A] + turbo[0x46] == bytes.fromhex("20e3 70e3")  # 50 A, 55 A
    assert turbo[0xB1] == bytes.fromhex("05 1234422104")
    assert turbo[0x24] == bytes.fromhex("0006")  # 3 V
    assert 0x15 not in gamma  # STORE_USER_ALL bricks the part
    assert 0x11 not in gamma  # and so may STORE_DEFAULT_ALL


def test_the_output_is_on_only_after_it_was_measured() -> None:
    bus = ScriptedBus(TURN_ON + "24: 79 -> 00 00\n24: 8b -> 4d 02")

    run(Tps546(bus).turn_on(1.15))
    assert bus.finished()


@pytest.mark.parametrize(
    ("answers", "problem"),
    [
        ("24: 79 -> 40 08", "output off"),
        ("24: 79 -> 20 80\n24: 7a -> 80", "output overvoltage"),
        ("24: 79 -> 00 00\n24: 8b -> 00 02", "output at 1.000 V, asked for 1.150 V"),
        ("24: 79 -> 00 00\n24: 8b -> ff ff", "an absurd voltage"),
    ],
)
def test_an_output_that_does_not_come_up_is_switched_off_again(answers: str, problem: str) -> None:
    bus = ScriptedBus(TURN_ON + answers + "\n24: 01 00")

    with pytest.raises(PeripheralError, match=problem):
        run(Tps546(bus).turn_on(1.15))
    assert bus.finished()


def test_an_operation_that_was_not_taken_switches_the_output_off() -> None:
    script = TURN_ON.replace("24: 01 -> 80", "24: 01 -> 00") + "24: 01 00"
    bus = ScriptedBus(script)

    with pytest.raises(PeripheralError, match="OPERATION reads 00"):
        run(Tps546(bus).turn_on(1.15))
    assert bus.finished()


@pytest.mark.parametrize("volts", [0.0, 0.999, 2.001, -1.0, float("nan"), float("inf")])
def test_a_voltage_outside_the_table_reaches_no_byte(volts: float) -> None:
    with pytest.raises(ValueError, match=r"outside 1\.0 to 2\.0 V"):
        run(Tps546(ScriptedBus("")).turn_on(volts))


@pytest.mark.parametrize(
    ("status", "details", "faults"),
    [
        ("00 00", "", ()),
        ("02 00", "", ()),  # a communication error
        ("04 00", "24: 7d -> 40", ()),  # a warning of heat
        ("04 00", "24: 7d -> 80", ("regulator too hot",)),
        ("00 80", "24: 7a -> 10", ("output undervoltage",)),
        ("20 80", "24: 7a -> 80", ("output overvoltage",)),
        ("10 40", "24: 7b -> a0", ("output overcurrent",)),
        ("00 40", "24: 7b -> 20", ()),  # a warning of current
        ("08 20", "24: 7c -> 18", ("input undervoltage", "input low")),
        ("00 20", "24: 7c -> 80", ("input overvoltage",)),
        ("40 08", "", ("output off",)),
    ],
)
def test_faults_are_told_from_warnings(status: str, details: str, faults: tuple[str, ...]) -> None:
    bus = ScriptedBus(f"24: 79 -> {status}\n{details}")

    assert run(Tps546(bus).faults()) == faults
    assert bus.finished()


def test_measurements_are_read_byte_by_byte() -> None:
    bus = ScriptedBus("""
        24: 8b -> 4d 02
        24: 20 -> 97
        24: 04 ff         # all phases
        24: 8c -> 80 d2   # 10 A = 640 / 64
        24: 88 -> 66 ca
        24: 8d -> 48 eb
        24: 88 -> ff 7f   # -1 * 2^15: absurd
        24: 8d -> ff 7b   # 1023 * 2^15: absurd
    """)

    async def scenario() -> None:
        part = Tps546(bus)
        assert await part.output_power() == 11.50390625
        assert await part.input_voltage() == 4.796875
        assert await part.temperature() == 105
        assert await part.input_voltage() is None
        assert await part.temperature() is None

    run(scenario())
    assert bus.finished()


@pytest.mark.parametrize(
    ("answers", "off"),
    [
        ("24: 79 -> 40 08", True),
        ("24: 79 -> 00 00\n24: 8b -> 50 00\n24: 20 -> 97", True),  # 0.156 V
        ("24: 79 -> 00 00\n24: 8b -> 4d 02\n24: 20 -> 97", False),
        ("24: 79 -> 00 00\n24: 8b -> ff ff\n24: 20 -> 97", False),
    ],
)
def test_off_is_told_by_status_or_by_voltage(answers: str, off: bool) -> None:
    assert run(Tps546(ScriptedBus(answers)).is_off()) is off
