"""What the boards with Bitaxe firmware have in common; each has a file of its own.

Source: bitaxeorg/ESP-Miner main/device_config.h (frequencies, voltages, parts and power of each
board), main/power/vcore.c; 256foundation/mujina board/bitaxe.rs (USB strings, limits).
"""

from drivers.bm13xx.board import UsbIdentity
from drivers.peripherals.fan_watch import FanSpec
from drivers.peripherals.heat_limits import Limits
from drivers.peripherals.sensor_watch import SensorSpec

USB = UsbIdentity(vid=0xC0DE, pid=0xCAFE, manufacturer="OSMU", product="Bitaxe", score=10)
"""All of them look alike on USB; which one it is, the operator says."""

DIE = SensorSpec(name="die", frozen_after=60.0, powered_only=True)
"""The diode in the chip."""

DIE_IF_ANY = SensorSpec(name="die", frozen_after=60.0, powered_only=True, optional=True)
"""The diode in the chip, which only the later revisions of a board have connected."""

BOARD = SensorSpec(name="board", limits=Limits.around(75.0))
"""The fan controller's own temperature; where there is no diode ESP-Miner adds 5 for the chip."""

REGULATOR = SensorSpec(name="regulator", limits=Limits.around(105.0), optional=True)
"""The core regulator; a DS4432U board has none that tells."""

FAN = FanSpec(name="fan")

BM1397_MHZ = (400.0, 425.0, 450.0, 475.0, 485.0, 500.0, 525.0, 550.0, 575.0, 600.0)
BM1366_MHZ = (400.0, 425.0, 450.0, 475.0, 485.0, 500.0, 525.0, 550.0, 575.0)
BM1368_MHZ = (400.0, 425.0, 450.0, 475.0, 485.0, 490.0, 500.0, 525.0, 550.0, 575.0)
BM1370_MHZ = (400.0, 490.0, 525.0, 550.0, 600.0, 625.0)

BM1397_VOLTS = (1.10, 1.15, 1.20, 1.25, 1.30, 1.35, 1.40, 1.45, 1.50)
BM1366_VOLTS = (1.10, 1.15, 1.20, 1.25, 1.30)
BM1368_VOLTS = (1.10, 1.15, 1.166, 1.20, 1.25, 1.30)
BM1370_VOLTS = (1.00, 1.06, 1.10, 1.15, 1.20, 1.25)
