"""Bitaxe Gamma Duo: two BM1370.

Source of the voltages below the default: the presets of another firmware for it,
Advanced-Crypto-Services/acs-esp-miner main/tasks/power_management_task.c ("quiet").
"""

from drivers.bm13xx.bitaxe_controls import BitaxeWiring
from drivers.bm13xx.board import Board
from drivers.bm13xx.boards import bitaxe
from drivers.bm13xx.chips.bm1370 import BM1370
from drivers.bm13xx.parts import Emc2101Part, Tps546Part
from drivers.bm13xx.power_model import PowerModel
from drivers.bm13xx.voltage_table import VoltageTable
from drivers.peripherals.tps546_settings import FIVE_VOLTS

BITAXE_GAMMA_DUO = Board(
    name="bitaxe-gamma-duo",
    summary="Bitaxe Gamma Duo",
    chip=BM1370,
    chips=2,
    frequencies=(350.0, 375.0, 380.0, 400.0, 410.0),
    default_frequency=400.0,
    voltages=bitaxe.BM1370_VOLTS,
    default_voltage=1.15,
    table=VoltageTable(points=((320.0, 1.06), (400.0, 1.15))),
    power=PowerModel(watts=35.0, fixed=5.0, mhz=400.0, volts=1.15),
    sensors=(bitaxe.DIE, bitaxe.BOARD, bitaxe.REGULATOR),
    fans=(bitaxe.FAN,),
    wiring=BitaxeWiring(
        cooling=(Emc2101Part(ideality=0x24, beta=0x00),),
        supplies=(Tps546Part(settings=FIVE_VOLTS),),
    ),
    usb=bitaxe.USB,
)
