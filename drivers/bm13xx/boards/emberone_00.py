"""emberOne/00: twelve BM1362, no fan of its own.

Source: 256foundation/mujina board/emberone00.rs and emberone-usbserial-fw (pins, sensors). Nobody
has published its power: the model's watts are those of twelve chips of an Antminer S19j Pro.
"""

from drivers.bm13xx.bitaxe_controls import BitaxeWiring
from drivers.bm13xx.board import Board, UsbIdentity
from drivers.bm13xx.chips.bm1362 import BM1362
from drivers.bm13xx.parts import PinsPart, Tmp451Part, Tmp1075Part
from drivers.bm13xx.power_model import PowerModel
from drivers.peripherals.heat_limits import Limits
from drivers.peripherals.sensor_watch import SensorSpec

EMBERONE_00 = Board(
    name="emberone-00",
    summary="emberOne/00",
    chip=BM1362,
    chips=12,
    frequencies=(400.0, 450.0, 500.0, 525.0),
    default_frequency=525.0,
    default_voltage=0.3,
    baud_rate=115_200,
    power=PowerModel(watts=100.0, fixed=5.0, mhz=525.0, volts=0.3),
    sensors=(
        SensorSpec(name="die", powered_only=True),
        SensorSpec(name="board", limits=Limits.around(75.0)),
    ),
    wiring=BitaxeWiring(
        cooling=(Tmp1075Part(address=0x4A, name="board"), Tmp451Part(offset=-7.0)),
        supplies=(PinsPart(pins=(1,), pause=0.1),),
        sensor_pins=(2,),
    ),
    usb=UsbIdentity(vid=0x1209, pid=0x256F, manufacturer="256F", product="EmberOne00", score=100),
)
