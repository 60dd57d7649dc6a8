"""GekkoScience R909: six BM1397 with a supply of their own.

Source: kanoi/cgminer driver-gekko.c (chips, frequencies, baud rate).
"""

from drivers.bm13xx.board import Range
from drivers.bm13xx.chips.bm1397 import BM1397
from drivers.bm13xx.stick import Stick
from drivers.bm13xx.sticks import gekko

R909 = Stick(
    name="r909",
    summary="GekkoScience R909",
    chip=BM1397,
    chips=6,
    frequency=Range(lowest=100.0, default=450.0, highest=800.0),
    baud_rate=1_500_000,
    usb=gekko.ft_x("R909 Bitcoin Miner"),
    is_bus_powered=False,
    reset=gekko.cbus_reset(low=1.0),
)
