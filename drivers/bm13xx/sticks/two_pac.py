"""GekkoScience 2Pac: two BM1384, no reset line.

Source: kanoi/cgminer driver-gekko.c (chips, frequencies, baud rate).
"""

from drivers.bm13xx.board import Range
from drivers.bm13xx.chips.bm1384 import BM1384
from drivers.bm13xx.stick import Stick
from drivers.bm13xx.sticks import gekko

TWO_PAC = Stick(
    name="2pac",
    summary="GekkoScience 2Pac",
    chip=BM1384,
    chips=2,
    frequency=Range(lowest=6.25, default=100.0, highest=500.0),
    baud_rate=115_200,
    usb=gekko.cp2102("2Pac BM1384 Bitcoin Miner"),
)
