"""PiAxe: one BM1366 on the header of a Raspberry Pi.

Source: shufps/piaxe-miner piaxe/boards/piaxe.py. The watts are those of a Bitaxe Ultra's chip.
"""

from drivers.bm13xx.board import Board
from drivers.bm13xx.chips.bm1366 import BM1366
from drivers.bm13xx.piaxe_controls import OPTIONS, PiaxeWiring
from drivers.bm13xx.power_model import PowerModel
from drivers.peripherals.heat_limits import Limits
from drivers.peripherals.sensor_watch import SensorSpec

PIAXE = Board(
    name="piaxe",
    summary="PiAxe",
    chip=BM1366,
    chips=1,
    frequencies=(400.0, 425.0, 450.0, 475.0, 485.0, 500.0),
    default_frequency=485.0,
    default_voltage=1.20,
    baud_rate=115_200,
    power=PowerModel(watts=12.0, fixed=1.0, mhz=485.0, volts=1.20),
    sensors=(
        SensorSpec(
            name="near chip",
            limits=Limits(resume=50.0, throttle=62.0, trip=70.0, trip_at_once=80.0),
        ),
    ),
    wiring=PiaxeWiring(),
    ports=1,
    options=OPTIONS,
)
