"""Switch boards off without a daemon: after a crash, or before somebody touches them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from drivers import registry
from drivers.api import Clock, Context, Log, PortInfo, SafeOff, Solution
from drivers.errors import DriverError
from stratum_client.config import DeviceConfig
from stratum_client.device_finder import Verdict, located
from stratum_client.errors import ConfigError

LONGEST = 15.0
"""Seconds for one board; a driver that takes longer is cut off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one device: off, nothing to switch off (``skipped``), or a problem."""

    name: str
    port: str = ""
    seen: str = ""
    skipped: str = ""
    problem: str = ""

    def __str__(self) -> str:
        """Return it in words."""
        where = f"{self.name} at {self.port}" if self.port else self.name
        if self.problem:
            return f"{where}: FAILED: {self.problem}"
        return f"{where}: skipped: {self.skipped}" if self.skipped else f"{where}: off: {self.seen}"


class NoPool:
    """A `Miner` without anything to do."""

    def next_work(self) -> None:
        """Return None."""

    def found(self, _solution: Solution) -> float:
        """Return 0: nothing was asked for."""
        return 0.0


async def safe_off_all(
    configs: Sequence[DeviceConfig], found: Sequence[Verdict], *, clock: Clock, log: Log
) -> list[Outcome]:
    """Switch all devices off at the same time; return what became of each."""
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(_safe_off(config, found, _context(config, clock, log)))
            for config in configs
        ]
    return [task.result() for task in tasks]


def _context(config: DeviceConfig, clock: Clock, log: Log) -> Context:
    return Context(name=config.name, miner=NoPool(), clock=clock, random=Random(), log=log)


async def _safe_off(config: DeviceConfig, found: Sequence[Verdict], context: Context) -> Outcome:
    try:
        name, port = await asyncio.to_thread(located, config, found)
    except ConfigError as error:
        return Outcome(name=config.name, problem=error.problem)
    return await _with_driver(config, name, port, context)


async def _with_driver(
    config: DeviceConfig, name: str, port: PortInfo, context: Context
) -> Outcome:
    shown = port.name if port.paths else ""
    try:
        driver = registry.driver(name)
        if not isinstance(driver, SafeOff):
            return Outcome(
                name=config.name, port=shown, skipped=f"{name} has no power that could be switched"
            )
        async with asyncio.timeout(LONGEST):
            seen = await driver.safe_off(port, config.driver_settings, context)
    except TimeoutError:
        return Outcome(name=config.name, port=shown, problem=f"not off within {LONGEST:g} s")
    except DriverError as error:
        return Outcome(name=config.name, port=shown, problem=str(error))
    except Exception as error:  # noqa: BLE001  # a plug-in's bug must not leave other boards on
        problem = f"{type(error).__name__}: {error}"
        return Outcome(name=config.name, port=shown, problem=problem)
    return Outcome(name=config.name, port=shown, seen=", ".join(seen))
