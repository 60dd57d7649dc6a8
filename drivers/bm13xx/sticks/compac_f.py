"""GekkoScience Compac F: one BM1397.

Source: kanoi/cgminer driver-gekko.c (chips, frequencies, baud rate).
"""

from drivers.bm13xx.board import Range
from drivers.bm13xx.chips.bm1397 import BM1397
from drivers.bm13xx.stick import Stick
from drivers.bm13xx.sticks import gekko

COMPAC_F = Stick(
    name="compac-f",
    summary="GekkoScience Compac F",
    chip=BM1397,
    chips=1,
    frequency=Range(lowest=100.0, default=200.0, highest=800.0),
    baud_rate=1_500_000,
    usb=gekko.ft_x("CompacF Bitcoin Miner"),
    reset=gekko.cbus_reset(low=1.0),
)
