"""The clocks of an emulated chip, read from its registers: PLL frequency and UART rate.

Source: bitaxeorg/ESP-Miner, 256foundation/mujina and skot/BM1397 for the PLL and the two ways to
set the rate, with captured values; kanoi/cgminer (driver-gekko.c) for BM1387 and BM1384.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from drivers.bm13xx.emulated_models import CRYSTAL_MHZ, ChipModel, Form

RESET_BAUD = 115740


@dataclass(frozen=True, slots=True)
class Pll:
    """A frequency, and why the PLL of a real chip would not lock at it; empty if it would."""

    mhz: float
    problem: str = ""


def pll(model: ChipModel, value: int) -> Pll:
    """Return what the main PLL makes of its register ``value``."""
    if model.form is Form.BM1384:
        mhz = _bm1384_frequencies().get(value & 0xFFFF, 0.0)
        return Pll(mhz, "" if mhz else f"{value & 0xFFFF:04x} is no frequency code")
    multiplier, reference = value >> 16 & 0xFFF, value >> 8 & 0x3F
    first = (value >> 4 & 7) + model.divider_offset
    second = (value & 7) + model.divider_offset
    if model.form is Form.BM1387:
        multiplier, reference = value >> 16 & 0xFF, value >> 8 & 0xFF
        first, second = value >> 4 & 0xF, value & 0xF
    if not (multiplier and reference and first and second):
        return Pll(0.0, f"{value:08x} has a divider of 0")
    vco = CRYSTAL_MHZ * multiplier / reference
    return Pll(vco / (first * second), _problem(model, value, vco))


def baud_rate(model: ChipModel, registers: Mapping[int, int]) -> float:
    """Return the UART rate that the registers ask for."""
    if model.form is Form.BM1384:
        return RESET_BAUD
    if model.form is Form.BM1387:
        return CRYSTAL_MHZ * 1e6 / (8 * ((registers[0x1C] >> 8 & 0x7F) + 1))
    fast = registers[0x28]
    if model.form is Form.MIDSTATES:
        misc = registers[0x18]
        divider = misc >> 24 & 0xF
        divider = divider << 5 | misc >> 8 & 0x1F
        base = _second_pll(registers[0x68], fast >> 24 & 0xF) if misc >> 16 & 1 else CRYSTAL_MHZ
    else:
        divider = fast >> 8 & 0xFF
        from_pll = fast >> 26 & 3
        base = _second_pll(registers[0x60], fast >> 20 & 0xF) if from_pll else CRYSTAL_MHZ
    return base * 1e6 / (8 * (divider + 1))


def _problem(model: ChipModel, value: int, vco: float) -> str:
    low, high = model.vco
    if not low <= vco <= high:
        return f"VCO at {vco:g} MHz, outside {low:g} to {high:g}"
    if model.form is not Form.BM1387 and not value >> 30 & 1:
        return "not enabled"
    return ""


def _second_pll(value: int, divide_by: int) -> float:
    """Return the MHz of a PLL for the UART, whose dividers are stored as they are on all models."""
    dividers = (value >> 8 & 0x3F) * (value >> 4 & 7) * (value & 7) * (divide_by + 1)
    return CRYSTAL_MHZ * (value >> 16 & 0xFFF) / dividers if dividers else 0.0


@cache
def _bm1384_frequencies() -> dict[int, float]:
    steps = [6.25 * step for step in range(1, 81)]
    return {_bm1384_code(mhz): mhz for mhz in steps}


def _bm1384_code(mhz: float) -> int:
    if mhz < 100:
        return int(0x783 - 0x80 * (100 - mhz) / 6.25)
    octave = int(math.log2(mhz / CRYSTAL_MHZ))
    start = CRYSTAL_MHZ * 2**octave
    code = 0x785 - octave + int((0x200 >> octave) * (mhz - start) / 6.25)
    return code if mhz % 25 == 0 else 2 * code + 0x7F + octave
