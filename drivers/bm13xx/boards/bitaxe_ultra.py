"""Bitaxe Ultra: one BM1366; revisions up to 205 have a DS4432U and no diode, 207 a TPS546.

Source of the voltages below the default: the presets of another firmware for it,
Advanced-Crypto-Services/acs-esp-miner main/tasks/power_management_task.c ("quiet").
"""

from drivers.bm13xx.bitaxe_controls import BitaxeWiring
from drivers.bm13xx.board import Board
from drivers.bm13xx.boards import bitaxe
from drivers.bm13xx.chips.bm1366 import BM1366
from drivers.bm13xx.parts import Ds4432uPart, Emc2101Part, Tps546Part
from drivers.bm13xx.power_model import PowerModel
from drivers.bm13xx.voltage_table import VoltageTable
from drivers.peripherals.tps546_settings import FIVE_VOLTS

BITAXE_ULTRA = Board(
    name="bitaxe-ultra",
    summary="Bitaxe Ultra",
    chip=BM1366,
    chips=1,
    frequencies=bitaxe.BM1366_MHZ,
    default_frequency=485.0,
    voltages=bitaxe.BM1366_VOLTS,
    default_voltage=1.20,
    table=VoltageTable(points=((420.0, 1.13), (485.0, 1.20))),
    power=PowerModel(watts=12.0, fixed=5.0, mhz=485.0, volts=1.20),
    sensors=(bitaxe.DIE_IF_ANY, bitaxe.BOARD, bitaxe.REGULATOR),
    fans=(bitaxe.FAN,),
    wiring=BitaxeWiring(
        cooling=(Emc2101Part(),), supplies=(Tps546Part(settings=FIVE_VOLTS), Ds4432uPart())
    ),
    usb=bitaxe.USB,
)
