"""GekkoScience R606: twelve BM1387 with a supply of their own.

Source: kanoi/cgminer driver-gekko.c (chips, frequencies, baud rate).
"""

from drivers.bm13xx.board import Range
from drivers.bm13xx.chips.bm1387 import BM1387
from drivers.bm13xx.stick import Stick
from drivers.bm13xx.sticks import gekko

R606 = Stick(
    name="r606",
    summary="GekkoScience R606",
    chip=BM1387,
    chips=12,
    frequency=Range(lowest=50.0, default=550.0, highest=900.0),
    baud_rate=1_500_000,
    usb=gekko.ft_x("R606 Bitcoin Miner"),
    is_bus_powered=False,
    reset=gekko.cbus_reset(low=0.03),
)
