"""What GekkoScience's A1 and A2 have in common: telemetry, its limits, and what may be set.

Source: kanoi/cgminer driver-gekko.c (frequencies, core voltages, baud rate), which stops at 110
degrees only; these limits are cautious ones of our own, as are the highest core voltages. Assumed,
as nobody has published it: the power, and where the thermometers are.
"""

from collections.abc import Mapping

from drivers.peripherals.fan_watch import FanSpec
from drivers.peripherals.heat_limits import Limits
from drivers.peripherals.sensor_watch import SensorSpec

MHZ = (100.0, 200.0, 300.0, 400.0, 500.0, 600.0, 700.0, 800.0)
DEFAULT_MHZ = 300.0
BAUD_RATE = 115_200

A1_VOLTS = (0.20, 0.25, 0.30, 0.35)
A2_VOLTS = (0.20, 0.25, 0.27, 0.30)

NEAR_CHIPS = Limits(resume=60.0, throttle=80.0, trip=90.0, trip_at_once=100.0)

SENSORS = (
    SensorSpec(name="board", limits=NEAR_CHIPS),
    SensorSpec(name="second", limits=NEAR_CHIPS, optional=True),
)
"""The second is told by some firmware only."""

FAN = FanSpec(name="fan", optional=True)
"""Not every firmware tells its speed, and a board may run without."""

A1_OPTIONS: Mapping[str, str] = {"via": "auto"}

A2_OPTIONS: Mapping[str, str] = {"via": "auto", "chip": "auto"}
