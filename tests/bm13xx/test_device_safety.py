"""However a device's run ends, its board is told to be safe first, and made sure of then."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from random import Random

import pytest

from drivers.api import Context, PortInfo
from drivers.bm13xx.boards.bitaxe_gamma import BITAXE_GAMMA
from drivers.bm13xx.boards.table import BOARDS
from drivers.bm13xx.controls import Controls, ControlsRequest, Readings, SafeOffError
from drivers.bm13xx.driver import DRIVERS, BoardDriver
from drivers.bm13xx.emulated_boards import emulated_device
from drivers.bm13xx.emulated_plug import InProcessPorts
from drivers.bm13xx.emulated_port import search_here
from drivers.errors import DriverError, SettingError
from drivers.transports.base import OnLost
from drivers.transports.errors import PortOpenError
from tests.bm13xx.device_rig import SLOW, RecordingMiner, Rig
from tests.stand_ins import RecordingLog
from tests.virtual_time import LoopClock

pytestmark = pytest.mark.virtual_time


class RecordingControls:
    """A board that does as it is told and keeps a list; one step may do something else."""

    name = "recorded"

    def __init__(self, **instead: Callable[[], Awaitable[None]]) -> None:
        self.calls: list[str] = []
        self._instead = instead

    async def open(self, on_lost: OnLost) -> None:
        await self._note("open")

    async def power_on(self, volts: float) -> None:
        await self._note("power_on")

    async def reset_chips(self) -> None:
        await self._note("reset_chips")

    async def power_off(self) -> None:
        await self._note("power_off")

    async def read(self) -> Readings:
        await self._note("read")
        return Readings(
            temperatures={"die": 55.0, "board": 40.0, "regulator": 50.0}, rpm={"fan": 4000.0}
        )

    async def set_fan(self, percent: float) -> None:
        await self._note("set_fan")

    def safe_off(self) -> None:
        self.calls.append("safe_off")

    async def finish_safe_off(self, fan: float) -> tuple[str, ...]:
        await self._note("finish")
        return ("all off",)

    def close(self) -> None:
        self.calls.append("close")

    async def _note(self, name: str) -> None:
        self.calls.append(name)
        if name in self._instead:
            await self._instead[name]()


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingWiring:
    made: RecordingControls = field(default_factory=RecordingControls)

    def controls(self, request: ControlsRequest) -> Controls:
        return self.made


class Recorded(Rig):
    """A Gamma whose controls are recorded; its chip is emulated."""

    def __init__(self, controls: RecordingControls) -> None:
        self.log, self.miner = RecordingLog(), RecordingMiner()
        self.controls = controls
        self.emulated = emulated_device("bm1370", random=Random(3), scale=SLOW)
        self.ports = InProcessPorts(self.emulated, searcher=search_here)
        board = replace(BITAXE_GAMMA, wiring=RecordingWiring(made=controls))
        context = Context(
            name="rig", miner=self.miner, clock=LoopClock(), random=Random(1), log=self.log
        )
        self.device = BoardDriver(board).on_ports(
            self.ports, {"scale": SLOW, "frequency": 100}, context
        )

    def is_safe(self) -> bool:
        """Tell whether the board was told before it was made sure of, and closed at the end."""
        calls = self.controls.calls
        told, finished = calls.index("safe_off"), calls.index("finish")
        after = set(calls[told:]) <= {"safe_off", "finish", "close"}
        return told < finished and calls[-1] == "close" and after


async def fail() -> None:
    raise RuntimeError("a bug")


async def refuse() -> None:
    raise DriverError("refused")


async def hang() -> None:
    await asyncio.sleep(1e6)


async def test_a_cancelled_device_is_told_before_anything_is_awaited() -> None:
    rig = Recorded(RecordingControls(finish=hang))

    async with rig.running() as task:
        await rig.miner.solved(3)
        rig.controls.calls.clear()
        task.cancel()
        await asyncio.sleep(0)
        assert rig.controls.calls[:1] == ["safe_off"]
        given = len(rig.miner.works)
        rig.device.job_changed(clean=True)
        assert len(rig.miner.works) == given
        await asyncio.sleep(0.01)
        assert "finish" in rig.controls.calls

    assert rig.controls.calls[-1] == "close", "a second cancel ends even what hangs"


@pytest.mark.parametrize("step", ["open", "power_on", "read", "set_fan"])
@pytest.mark.parametrize(("instead", "error"), [(fail, RuntimeError), (refuse, DriverError)])
async def test_whatever_goes_wrong_ends_safe(
    step: str, instead: Callable[[], Awaitable[None]], error: type[Exception]
) -> None:
    rig = Recorded(RecordingControls(**{step: instead}))

    if (step, error) == ("set_fan", DriverError):
        async with rig.running():
            await rig.miner.solved(3)  # a fan that refuses once is no reason to stop
    else:
        assert type(await rig.failure(100)) is error

    assert rig.is_safe()


async def test_a_data_port_that_cannot_be_opened_ends_safe() -> None:
    rig = Recorded(RecordingControls())
    async with rig.running():
        await rig.miner.solved(1)
    rig.ports.unplug()
    rig.controls.calls.clear()

    assert "no such port" in str(await rig.failure())
    assert rig.is_safe()


async def test_a_board_that_was_not_seen_safe_is_told_loudly() -> None:
    async def unsafe() -> None:
        raise SafeOffError("recorded", ["supply: told to switch off, but its output is on"])

    rig = Recorded(RecordingControls(finish=unsafe))

    async with rig.running():
        await rig.miner.solved(3)

    [told] = rig.log.named("board.unsafe")
    assert "its output is on" in str(told["error"])
    assert ("error", "board.unsafe", told) in rig.log.events


async def test_a_board_that_a_killed_process_left_on_is_switched_off() -> None:
    rig = Rig("bitaxe-gamma")
    for request in ("07 00 01 00 06 00 01", "09 00 02 00 05 20 24 01 80"):  # reset high, rail on
        rig.emulated.receive_control(bytes.fromhex(request), 0.0)
    assert (rig.heat.core_volts > 0.5, rig.emulated.chain.dead) == (True, False)
    driver = DRIVERS["bitaxe-gamma"]
    assert isinstance(driver, BoardDriver)

    seen = await driver.safe_off_on(rig.ports, {}, rig.context)

    assert rig.heat.core_volts == 0
    assert rig.emulated.chain.dead
    assert seen == (
        "control port opened anew",
        "reset low",
        "supply off",
        "regulator reads off",
        "fan at 100 %",
    )


@pytest.mark.parametrize("name", sorted(set(BOARDS) - {"piaxe"}))
async def test_every_board_can_be_switched_off_by_name(name: str) -> None:
    rig = Rig(name)
    driver = DRIVERS[name]
    assert isinstance(driver, BoardDriver)

    seen = await driver.safe_off_on(rig.ports, {}, rig.context)

    assert "fan at 100 %" in seen
    assert rig.emulated.chain.dead


async def test_a_board_that_is_not_there_is_an_error_and_nothing_to_be_made_safe() -> None:
    rig = Rig("bitaxe-gamma")
    async with rig.running():
        await rig.miner.solved(1)
    rig.ports.unplug()
    rig.log.events.clear()

    assert isinstance(await rig.failure(), PortOpenError)
    assert not rig.log.named("board.unsafe")
    driver = DRIVERS["bitaxe-gamma"]
    assert isinstance(driver, BoardDriver)
    with pytest.raises(SafeOffError, match="no such port"):
        await driver.safe_off_on(rig.ports, {}, rig.context)


async def test_a_board_needs_both_of_its_ports() -> None:
    context = Rig("bm1370").context

    with pytest.raises(SettingError, match=r"bitaxe-gamma@DATA_PORT\+CONTROL_PORT"):
        DRIVERS["bitaxe-gamma"].open(PortInfo(paths=("/dev/ttyACM0",)), {}, context)
    with pytest.raises(SettingError, match="bm1370@DATA_PORT, got 'no port'"):
        DRIVERS["bm1370"].open(PortInfo(), {}, context)
