"""Every chip model there is a definition for, by the name that settings use."""

from collections.abc import Mapping

from drivers.bm13xx.chip import ChipSpec
from drivers.bm13xx.chips.bm1362 import BM1362
from drivers.bm13xx.chips.bm1366 import BM1366
from drivers.bm13xx.chips.bm1368 import BM1368
from drivers.bm13xx.chips.bm1370 import BM1370
from drivers.bm13xx.chips.bm1384 import BM1384
from drivers.bm13xx.chips.bm1387 import BM1387
from drivers.bm13xx.chips.bm1397 import BM1397

CHIPS: Mapping[str, ChipSpec] = {
    spec.name.lower(): spec
    for spec in (
        BM1384,
        BM1387,
        BM1397,
        BM1362,
        BM1366,
        BM1368,
        BM1370,
    )
}
