"""Bitaxe SupraHex: six BM1368, otherwise a Hex."""

from dataclasses import replace

from drivers.bm13xx.boards import bitaxe
from drivers.bm13xx.boards.bitaxe_hex import BITAXE_HEX
from drivers.bm13xx.chips.bm1368 import BM1368
from drivers.bm13xx.power_model import PowerModel

BITAXE_SUPRAHEX = replace(
    BITAXE_HEX,
    name="bitaxe-suprahex",
    summary="Bitaxe SupraHex",
    chip=BM1368,
    frequencies=bitaxe.BM1368_MHZ,
    default_frequency=490.0,
    voltages=bitaxe.BM1368_VOLTS,
    default_voltage=1.166,
    power=PowerModel(watts=90.0, fixed=25.0, mhz=490.0, volts=1.166),
)
