"""Bitaxe Supra: one BM1368; revisions 400 and 401 have a DS4432U and no diode, 402 a TPS546.

Source of the voltages below the default: the presets of another firmware for it,
Advanced-Crypto-Services/acs-esp-miner main/tasks/power_management_task.c ("quiet").
"""

from drivers.bm13xx.bitaxe_controls import BitaxeWiring
from drivers.bm13xx.board import Board
from drivers.bm13xx.boards import bitaxe
from drivers.bm13xx.chips.bm1368 import BM1368
from drivers.bm13xx.parts import Ds4432uPart, Emc2101Part, Tps546Part
from drivers.bm13xx.power_model import PowerModel
from drivers.bm13xx.voltage_table import VoltageTable
from drivers.peripherals.tps546_settings import FIVE_VOLTS

BITAXE_SUPRA = Board(
    name="bitaxe-supra",
    summary="Bitaxe Supra",
    chip=BM1368,
    chips=1,
    frequencies=bitaxe.BM1368_MHZ,
    default_frequency=490.0,
    voltages=bitaxe.BM1368_VOLTS,
    default_voltage=1.166,
    table=VoltageTable(points=((425.0, 1.10), (490.0, 1.166))),
    power=PowerModel(watts=12.0, fixed=5.0, mhz=490.0, volts=1.166),
    sensors=(bitaxe.DIE_IF_ANY, bitaxe.BOARD, bitaxe.REGULATOR),
    fans=(bitaxe.FAN,),
    wiring=BitaxeWiring(
        cooling=(Emc2101Part(),), supplies=(Tps546Part(settings=FIVE_VOLTS), Ds4432uPart())
    ),
    usb=bitaxe.USB,
)
