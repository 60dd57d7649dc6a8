"""A PiAxe on stand-ins for a Raspberry Pi's pins and I2C bus; its chip is emulated."""

from dataclasses import replace
from random import Random

import pytest

from drivers.api import Context, DeviceState
from drivers.bm13xx.boards.piaxe import PIAXE
from drivers.bm13xx.driver import BoardDriver
from drivers.bm13xx.emulated_boards import emulated_device
from drivers.bm13xx.emulated_plug import InProcessPorts
from drivers.bm13xx.emulated_port import search_here
from drivers.bm13xx.piaxe_controls import IN_RESET, SUPPLY_GOOD, SUPPLY_ON, PiaxeWiring
from drivers.peripherals.errors import ControlRefusedError, PeripheralError
from tests.bm13xx.device_rig import SLOW, RecordingMiner, Rig
from tests.stand_ins import RecordingLog
from tests.virtual_time import LoopClock

pytestmark = pytest.mark.virtual_time


class Header:
    """The pins: what the host drives, and a supply that is good while it is on."""

    def __init__(self) -> None:
        self.levels = {IN_RESET: True, SUPPLY_ON: False}
        self.history: list[tuple[int, bool]] = []
        self.supply_works = True

    def drive(self, pin: int, *, high: bool) -> None:
        self.levels[pin] = high
        self.history.append((pin, high))

    def level(self, pin: int) -> bool:
        assert pin == SUPPLY_GOOD
        return self.levels[SUPPLY_ON] and self.supply_works

    def close(self) -> None:
        self.history.append((0, False))


class Thermometer:
    """The bus with its LM75 at 48; None: it does not acknowledge."""

    def __init__(self) -> None:
        self.celsius: float | None = 40.0

    async def write(self, address: int, data: bytes) -> None:
        raise NotImplementedError

    async def read(self, address: int, count: int) -> bytes:
        raise NotImplementedError

    async def write_read(self, address: int, data: bytes, count: int) -> bytes:
        if self.celsius is None:
            raise ControlRefusedError("i2c-1", "transfer", code=121, text="Remote I/O error")
        assert (address, data, count) == (0x48, b"\0", 2)
        return round(self.celsius * 256).to_bytes(2, "big", signed=True)

    def close(self) -> None:
        """Nothing to let go of."""


class Piaxe(Rig):
    def __init__(self) -> None:
        self.header, self.thermometer = Header(), Thermometer()
        self.log, self.miner = RecordingLog(), RecordingMiner()
        self.emulated = emulated_device("bm1366", random=Random(3), scale=SLOW)
        self.ports = InProcessPorts(self.emulated, searcher=search_here)
        wiring = PiaxeWiring(pins=lambda _: self.header, bus=lambda _: self.thermometer)
        context = Context(
            name="rig", miner=self.miner, clock=LoopClock(), random=Random(1), log=self.log
        )
        self.device = BoardDriver(replace(PIAXE, wiring=wiring)).on_ports(
            self.ports, {"scale": SLOW, "frequency": 100}, context
        )


async def test_supply_then_reset_and_in_the_end_both_are_taken_back() -> None:
    rig = Piaxe()

    async with rig.running():
        await rig.miner.solved(5)
        stats = rig.device.stats()
        running = dict(rig.header.levels)

    assert rig.header.history[:4] == [
        (IN_RESET, True),
        (SUPPLY_ON, True),
        (IN_RESET, True),
        (IN_RESET, False),
    ]
    assert running == {IN_RESET: False, SUPPLY_ON: True}
    assert rig.header.levels == {IN_RESET: True, SUPPLY_ON: False}
    assert (stats.state, stats.temperature) == (DeviceState.MINING, 40.0)
    assert stats.details["power_source"] == "modelled"


@pytest.mark.parametrize("celsius", [None, 85.0, -60.0])
async def test_a_sensor_that_is_lost_hot_or_absurd_switches_it_off(celsius: float | None) -> None:
    rig = Piaxe()

    async with rig.running() as task:
        await rig.miner.solved(5)
        rig.thermometer.celsius = celsius
        await rig.miner.until(task.done, 8.0)

    assert "near chip" in str(task.exception())
    assert rig.header.levels == {IN_RESET: True, SUPPLY_ON: False}


async def test_a_supply_that_does_not_come_up_is_switched_off_again() -> None:
    rig = Piaxe()
    rig.header.supply_works = False

    error = await rig.failure()

    assert isinstance(error, PeripheralError)
    assert rig.header.levels == {IN_RESET: True, SUPPLY_ON: False}
