"""QAxe+: four BM1368, otherwise a QAxe. Source: shufps/piaxe-miner config.yml.example."""

from dataclasses import replace

from drivers.bm13xx.boards.qaxe import QAXE
from drivers.bm13xx.chips.bm1368 import BM1368
from drivers.bm13xx.power_model import PowerModel

QAXE_PLUS = replace(
    QAXE,
    name="qaxe-plus",
    summary="QAxe+",
    chip=BM1368,
    frequencies=(400.0, 425.0, 450.0, 475.0, 490.0, 500.0),
    default_frequency=490.0,
    default_voltage=1.166,
    power=PowerModel(watts=65.0, fixed=5.0, mhz=490.0, volts=1.166),
)
