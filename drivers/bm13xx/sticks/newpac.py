"""GekkoScience NewPac: two BM1387.

Source: kanoi/cgminer driver-gekko.c (chips, frequencies, baud rate).
"""

from drivers.bm13xx.board import Range
from drivers.bm13xx.chips.bm1387 import BM1387
from drivers.bm13xx.stick import Stick
from drivers.bm13xx.sticks import gekko

NEWPAC = Stick(
    name="newpac",
    summary="GekkoScience NewPac",
    chip=BM1387,
    chips=2,
    frequency=Range(lowest=50.0, default=100.0, highest=900.0),
    baud_rate=1_500_000,
    usb=gekko.ft_x("NewPac Bitcoin Miner"),
    reset=gekko.cbus_reset(low=0.03),
)
