"""GekkoScience Compac A1: one BM1362, with telemetry.

Source: kanoi/cgminer driver-gekko.c (chip, frequency, core voltage).
"""

from drivers.bm13xx.board import Board
from drivers.bm13xx.chips.bm1362 import BM1362
from drivers.bm13xx.gekko_controls import GekkoWiring
from drivers.bm13xx.power_model import PowerModel
from drivers.bm13xx.sticks import gekko, gekko_a

COMPAC_A1 = Board(
    name="compac-a1",
    summary="GekkoScience Compac A1",
    chip=BM1362,
    chips=1,
    frequencies=gekko_a.MHZ,
    default_frequency=gekko_a.DEFAULT_MHZ,
    voltages=gekko_a.A1_VOLTS,
    default_voltage=0.3,
    baud_rate=gekko_a.BAUD_RATE,
    power=PowerModel(watts=6.0, fixed=1.0, mhz=300.0, volts=0.3),
    sensors=gekko_a.SENSORS,
    wiring=GekkoWiring(is_bus_powered=True),
    usb=gekko.cp2105("Compac A1"),
    is_bus_powered=True,
    options=gekko_a.A1_OPTIONS,
)
