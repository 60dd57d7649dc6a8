"""Bitaxe Max: one BM1397.

Its voltage is the same at every frequency: two firmwares do not agree on what it needs.
"""

from drivers.bm13xx.bitaxe_controls import BitaxeWiring
from drivers.bm13xx.board import Board
from drivers.bm13xx.boards import bitaxe
from drivers.bm13xx.chips.bm1397 import BM1397
from drivers.bm13xx.parts import Ds4432uPart, Emc2101Part
from drivers.bm13xx.power_model import PowerModel

BITAXE_MAX = Board(
    name="bitaxe-max",
    summary="Bitaxe Max",
    chip=BM1397,
    chips=1,
    frequencies=bitaxe.BM1397_MHZ,
    default_frequency=425.0,
    voltages=bitaxe.BM1397_VOLTS,
    default_voltage=1.40,
    power=PowerModel(watts=12.0, fixed=2.0, mhz=425.0, volts=1.40),
    sensors=(bitaxe.DIE, bitaxe.BOARD),
    fans=(bitaxe.FAN,),
    wiring=BitaxeWiring(cooling=(Emc2101Part(),), supplies=(Ds4432uPart(),)),
    usb=bitaxe.USB,
)
