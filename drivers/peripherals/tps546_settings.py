"""What a TPS546 is told at every start, by board.

Never written to its memory: STORE_USER_ALL can brick the part.

Source: bitaxeorg/ESP-Miner main/power/vcore.c, TPS546.h and TPS546.c; 256foundation/mujina
peripheral/tps546.rs. PMBus command numbers and order of writing as there.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from drivers.peripherals.pmbus import linear11_of, linear16_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Tps546Settings:
    """What differs from board to board; volts, amperes, kHz. The defaults fit one chip at 5 V.

    Voltages are those of the rail: on a board with 3 chips in series, three times the core's.
    ``vin_uv_warn`` is not written on 5 V boards (a fault of the part). 1b of ``on_off_config``
    obeys OPERATION alone; mujina writes 1f, which obeys the CONTROL pin too.
    """

    vout_min: float = 1.0
    vout_max: float = 2.0
    vin_on: float = 4.8
    vin_off: float = 4.5
    vin_uv_warn: float | None = None
    vin_ov_fault: float = 6.5
    scale_loop: float = 0.25
    iout_warn: float = 25.0
    iout_fault: float = 30.0
    phase: int = 0x00
    stack_config: int = 0x0000
    sync_config: int = 0x10
    compensation: bytes = b""
    on_off_config: int = 0x1B
    switching_khz: float = 650.0


FIVE_VOLTS = Tps546Settings()
"""Max, Ultra, Supra, Gamma, Gamma Duo."""

HEX = Tps546Settings(
    vout_min=2.5,
    vout_max=4.5,
    vin_on=11.5,
    vin_off=11.0,
    vin_uv_warn=11.0,
    vin_ov_fault=14.8,
    scale_loop=0.125,
)
"""Hex and SupraHex: three voltage domains in series at 12 V."""

GAMMA_TURBO = Tps546Settings(
    vout_max=3.0,
    vin_on=11.0,
    vin_off=10.5,
    vin_uv_warn=11.0,
    vin_ov_fault=14.8,
    iout_warn=50.0,
    iout_fault=55.0,
    phase=0xFF,
    stack_config=0x0001,
    sync_config=0xD0,
    compensation=bytes.fromhex("1234422104"),
)
"""Two parts in parallel at 12 V."""


def configuration(settings: Tps546Settings, exponent: int) -> Iterator[bytes]:
    """Yield the writes, command byte first, that set the part up; the output stays off."""
    yield bytes([0x02, settings.on_off_config])
    yield b"\xec" + settings.stack_config.to_bytes(2, "little")
    yield bytes([0xE4, settings.sync_config])
    yield bytes([0x04, settings.phase])
    yield _linear11(0x33, settings.switching_khz)
    if settings.compensation:
        yield bytes([0xB1, len(settings.compensation)]) + settings.compensation
    yield from _input_limits(settings)
    yield _linear11(0x29, settings.scale_loop)
    yield from _output_limits(settings, exponent)
    yield from _current_and_heat_limits(settings)
    yield from _timing()
    yield b"\xee\xff\xff"  # PIN_DETECT_OVERRIDE: these values hold, not those of the pins


def _input_limits(settings: Tps546Settings) -> Iterator[bytes]:
    if settings.vin_uv_warn is not None:
        yield _linear11(0x58, settings.vin_uv_warn)
    yield _linear11(0x35, settings.vin_on)
    yield _linear11(0x36, settings.vin_off)
    yield _linear11(0x55, settings.vin_ov_fault)
    yield b"\x56\xb7"  # VIN_OV_FAULT_RESPONSE: off at once, 6 tries


def _output_limits(settings: Tps546Settings, exponent: int) -> Iterator[bytes]:
    limits = (
        (0x24, settings.vout_max),
        (0x2B, settings.vout_min),
        (0x40, 1.25),  # from here on relative to the command: overvoltage fault
        (0x42, 1.16),  # overvoltage warning
        (0x25, 1.10),  # margin high
        (0x26, 0.90),  # margin low
        (0x43, 0.90),  # undervoltage warning
        (0x44, 0.75),  # undervoltage fault
    )
    for command, value in limits:
        yield bytes([command]) + linear16_of(value, exponent).to_bytes(2, "little")


def _current_and_heat_limits(settings: Tps546Settings) -> Iterator[bytes]:
    yield _linear11(0x4A, settings.iout_warn)
    yield _linear11(0x46, settings.iout_fault)
    yield b"\x47\xc0"  # IOUT_OC_FAULT_RESPONSE: off at once, for good
    yield _linear11(0x51, 105)  # OT_WARN_LIMIT
    yield _linear11(0x4F, 145)  # OT_FAULT_LIMIT
    yield b"\x50\xff"  # OT_FAULT_RESPONSE: off until cool


def _timing() -> Iterator[bytes]:
    yield _linear11(0x60, 0)  # TON_DELAY
    yield _linear11(0x61, 3)  # TON_RISE, ms
    yield _linear11(0x62, 0)  # TON_MAX_FAULT_LIMIT: none
    yield b"\x63\x3b"  # TON_MAX_FAULT_RESPONSE
    yield _linear11(0x64, 0)  # TOFF_DELAY
    yield _linear11(0x65, 0)  # TOFF_FALL


def _linear11(command: int, value: float) -> bytes:
    return bytes([command]) + linear11_of(value).to_bytes(2, "little")
