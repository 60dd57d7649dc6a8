"""Bitaxe Gamma Turbo: two BM1370 at 12 V, a diode in each.

Its voltage is the same at every frequency: nobody has written down what less would do.
"""

from dataclasses import replace

from drivers.bm13xx.bitaxe_controls import BitaxeWiring
from drivers.bm13xx.board import Board
from drivers.bm13xx.boards import bitaxe
from drivers.bm13xx.chips.bm1370 import BM1370
from drivers.bm13xx.parts import Emc2103Part, Tps546Part
from drivers.bm13xx.power_model import PowerModel
from drivers.peripherals.tps546_settings import GAMMA_TURBO

BITAXE_GAMMA_TURBO = Board(
    name="bitaxe-gamma-turbo",
    summary="Bitaxe Gamma Turbo",
    chip=BM1370,
    chips=2,
    frequencies=bitaxe.BM1370_MHZ,
    default_frequency=525.0,
    voltages=bitaxe.BM1370_VOLTS,
    default_voltage=1.15,
    power=PowerModel(watts=36.0, fixed=10.0, mhz=525.0, volts=1.15),
    sensors=(
        replace(bitaxe.DIE, name="die 1"),
        replace(bitaxe.DIE, name="die 2"),
        bitaxe.REGULATOR,
    ),
    fans=(bitaxe.FAN,),
    wiring=BitaxeWiring(cooling=(Emc2103Part(),), supplies=(Tps546Part(settings=GAMMA_TURBO),)),
    usb=bitaxe.USB,
)
