"""Flex4Axe: sixteen BM1366, four thermometers. Source: shufps/piaxe-miner piaxe/boards."""

from dataclasses import replace

from drivers.bm13xx.boards.qaxe import QAXE, SENSORS
from drivers.bm13xx.power_model import PowerModel
from drivers.bm13xx.qaxe_controls import QaxeWiring

FLEX4AXE = replace(
    QAXE,
    name="flex4axe",
    summary="Flex4Axe",
    chips=16,
    default_frequency=480.0,
    power=PowerModel(watts=180.0, fixed=10.0, mhz=480.0, volts=1.20),
    sensors=SENSORS,
    wiring=QaxeWiring(sensors=4, has_power_on=True),
)
