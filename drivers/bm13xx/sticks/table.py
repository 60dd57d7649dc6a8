"""Every stick there is a definition for, by the name that settings use.

Those with telemetry are guarded as boards are, and so are described as boards.
"""

from collections.abc import Mapping

from drivers.bm13xx.board import Board
from drivers.bm13xx.stick import Stick
from drivers.bm13xx.sticks.compac import COMPAC
from drivers.bm13xx.sticks.compac_a1 import COMPAC_A1
from drivers.bm13xx.sticks.compac_a2 import COMPAC_A2
from drivers.bm13xx.sticks.compac_f import COMPAC_F
from drivers.bm13xx.sticks.newpac import NEWPAC
from drivers.bm13xx.sticks.r606 import R606
from drivers.bm13xx.sticks.r909 import R909
from drivers.bm13xx.sticks.terminus import TERMINUS
from drivers.bm13xx.sticks.terminus_a1 import TERMINUS_A1
from drivers.bm13xx.sticks.terminus_a2 import TERMINUS_A2
from drivers.bm13xx.sticks.two_pac import TWO_PAC

STICKS: Mapping[str, Stick] = {
    stick.name: stick for stick in (COMPAC, TWO_PAC, TERMINUS, NEWPAC, R606, COMPAC_F, R909)
}

GUARDED_STICKS: Mapping[str, Board] = {
    stick.name: stick for stick in (COMPAC_A1, COMPAC_A2, TERMINUS_A1, TERMINUS_A2)
}
