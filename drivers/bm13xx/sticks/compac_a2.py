"""GekkoScience Compac A2: one BM1370, or a BM1368, with telemetry.

Source: kanoi/cgminer driver-gekko.c (chip, frequency, core voltage).
"""

from drivers.bm13xx.board import Board
from drivers.bm13xx.chips.bm1368 import BM1368
from drivers.bm13xx.chips.bm1370 import BM1370
from drivers.bm13xx.gekko_controls import GekkoWiring
from drivers.bm13xx.power_model import PowerModel
from drivers.bm13xx.sticks import gekko, gekko_a

COMPAC_A2 = Board(
    name="compac-a2",
    summary="GekkoScience Compac A2",
    chip=BM1370,
    other_chips=(BM1368,),
    chips=1,
    frequencies=gekko_a.MHZ,
    default_frequency=gekko_a.DEFAULT_MHZ,
    voltages=gekko_a.A2_VOLTS,
    default_voltage=0.27,
    baud_rate=gekko_a.BAUD_RATE,
    power=PowerModel(watts=14.0, fixed=2.0, mhz=300.0, volts=0.27),
    sensors=gekko_a.SENSORS,
    fans=(gekko_a.FAN,),
    wiring=GekkoWiring(has_fan=True),
    usb=gekko.cp2105("Compac A2"),
    options=gekko_a.A2_OPTIONS,
)
