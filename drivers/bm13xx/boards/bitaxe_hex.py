"""Bitaxe Hex: six BM1366 in three voltage domains at 12 V.

Its voltage is the same at every frequency: nobody has written down what less would do.
"""

from drivers.bm13xx.bitaxe_controls import BitaxeWiring
from drivers.bm13xx.board import Board
from drivers.bm13xx.boards import bitaxe
from drivers.bm13xx.chips.bm1366 import BM1366
from drivers.bm13xx.parts import Emc2302Part, Tmp1075Part, Tps546Part
from drivers.bm13xx.power_model import PowerModel
from drivers.peripherals.fan_watch import FanSpec
from drivers.peripherals.heat_limits import Limits
from drivers.peripherals.sensor_watch import SensorSpec
from drivers.peripherals.tps546_settings import HEX

NEAR_CHIPS = Limits(resume=50.0, throttle=62.0, trip=70.0, trip_at_once=80.0)
"""The thermometers stand beside the chips; ESP-Miner takes these for 10 degrees hotter."""

SENSORS = (
    SensorSpec(name="near chips 1", limits=NEAR_CHIPS),
    SensorSpec(name="near chips 2", limits=NEAR_CHIPS),
    bitaxe.REGULATOR,
)
FANS = (FanSpec(name="fan 1"), FanSpec(name="fan 2", optional=True))
WIRING = BitaxeWiring(
    cooling=(
        Emc2302Part(),
        Tmp1075Part(address=0x4A, name="near chips 1"),
        Tmp1075Part(address=0x4B, name="near chips 2"),
    ),
    supplies=(Tps546Part(settings=HEX, domains=3),),
)

BITAXE_HEX = Board(
    name="bitaxe-hex",
    summary="Bitaxe Hex",
    chip=BM1366,
    chips=6,
    frequencies=bitaxe.BM1366_MHZ,
    default_frequency=485.0,
    voltages=bitaxe.BM1366_VOLTS,
    default_voltage=1.20,
    power=PowerModel(watts=52.0, fixed=12.0, mhz=485.0, volts=1.20),
    sensors=SENSORS,
    fans=FANS,
    wiring=WIRING,
    usb=bitaxe.USB,
)
