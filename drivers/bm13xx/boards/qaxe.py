"""QAxe: four BM1366 behind a controller of its own.

Source: shufps/piaxe-miner piaxe/boards/qaxe.py and config.yml.example. The watts are the chips' of
a Bitaxe Ultra, times four.
"""

from drivers.bm13xx.board import Board
from drivers.bm13xx.chips.bm1366 import BM1366
from drivers.bm13xx.power_model import PowerModel
from drivers.bm13xx.qaxe_controls import QaxeWiring
from drivers.peripherals.heat_limits import Limits
from drivers.peripherals.sensor_watch import SensorSpec

NEAR_CHIPS = Limits(resume=50.0, throttle=62.0, trip=70.0, trip_at_once=80.0)
"""Piaxe-miner shuts down above 70; the thermometers stand beside the chips."""

SENSORS = tuple(
    SensorSpec(name=f"near chips {number}", limits=NEAR_CHIPS) for number in range(1, 5)
)

QAXE = Board(
    name="qaxe",
    summary="QAxe",
    chip=BM1366,
    chips=4,
    frequencies=(400.0, 425.0, 450.0, 475.0, 485.0, 500.0),
    default_frequency=485.0,
    default_voltage=1.20,
    baud_rate=1_000_000,
    power=PowerModel(watts=50.0, fixed=5.0, mhz=485.0, volts=1.20),
    sensors=SENSORS[:2],
    wiring=QaxeWiring(sensors=2),
)
