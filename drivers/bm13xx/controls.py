"""What a device may ask of the board around its chips: power, reset, fan and sensors.

Each kind of board has its own: `bitaxe_controls`, `qaxe_controls`, `piaxe_controls`, and
`gekko_controls` for the sticks with telemetry.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar, runtime_checkable

from drivers.api import Context
from drivers.errors import DriverError, TransportLostError
from drivers.peripherals.control_channel import REPLY_TIMEOUT
from drivers.peripherals.errors import ControlOutOfStepError, RequestAbandonedError
from drivers.transports.base import OnLost
from drivers.transports.ports import Ports

FINISH_WITHIN = 1.5
"""Seconds for the second part of a safe end; the whole daemon has three."""

Step = tuple[str, Callable[[], Awaitable[str | None]]]
"""A step of a safe end: what it is called, and what does it and may return what it saw."""

T = TypeVar("T")


class SafeOffError(DriverError):
    """A board was not seen to be safe; ``problems`` says step by step why."""

    def __init__(self, port: str, problems: Sequence[str]) -> None:
        super().__init__(f"{port}: not seen safe: {'; '.join(problems)}")
        self.port = port
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlsRequest:
    """All that making a board's controls takes; ``options`` are settings of that kind of board."""

    ports: Ports
    context: Context
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """One look at a board: temperatures and fan speeds by name, None where there was none.

    ``watts`` is measured: of the whole board if ``watts_are_whole``, else of the chips alone.
    ``faults`` are the regulator's, in words; ``measured`` is what else there is to be told.
    """

    temperatures: Mapping[str, float | None] = field(default_factory=dict)
    rpm: Mapping[str, float | None] = field(default_factory=dict)
    watts: float | None = None
    watts_are_whole: bool = False
    faults: tuple[str, ...] = ()
    measured: Mapping[str, object] = field(default_factory=dict)


class Controls(Protocol):
    """The board of one device; every coroutine raises DriverError when the board does not obey."""

    @property
    def name(self) -> str:
        """Return what to call the board's port."""
        ...

    async def open(self, on_lost: OnLost) -> None:
        """Reach the board, put the chips into reset, start the fans at full, prepare the power."""
        ...

    async def power_on(self, volts: float) -> None:
        """Switch the core voltage on, per chip, and release the reset."""
        ...

    async def reset_chips(self) -> None:
        """Put the chips into reset and release them again, power on."""
        ...

    async def power_off(self) -> None:
        """Put the chips into reset and switch the core voltage off; the fans stay on."""
        ...

    async def read(self) -> Readings:
        """Return what the sensors say; a sensor that fails gives None.

        Raises TransportLostError, or RequestAbandonedError after `safe_off`.
        """
        ...

    async def set_fan(self, percent: float) -> None:
        """Set the duty of all fans, 0 to 100."""
        ...

    def safe_off(self) -> None:
        """Put the chips into reset at once, whatever is under way; never raise, never wait.

        Repeating it is harmless, and so is calling it before `open` or after a loss.
        """
        ...

    async def finish_safe_off(self, fan: float) -> tuple[str, ...]:
        """Switch the power off, the fans to ``fan`` percent, and read back; return what was seen.

        Takes `FINISH_WITHIN` seconds at most. Each step is tried whatever became of the one
        before. A port that was lost or never opened is opened anew. Raises SafeOffError at the
        end when the board was not seen safe.
        """
        ...

    def close(self) -> None:
        """Let go of the board; harmless when repeated."""
        ...


@runtime_checkable
class LiveVoltage(Protocol):
    """Controls whose core voltage can change while the chips run."""

    async def set_voltage(self, volts: float) -> None:
        """Change the core voltage, per chip; raise DriverError when the board does not obey."""
        ...


class Wiring(Protocol):
    """How the parts of a board are wired, as data that makes its controls."""

    def controls(self, request: ControlsRequest) -> Controls:
        """Return the controls, not yet open."""
        ...


async def reading(read: Awaitable[T]) -> T | None:
    """Return a reading, None if the part does not give it; a lost board raises."""
    try:
        return await read
    except (TransportLostError, RequestAbandonedError):
        raise
    except DriverError:
        return None


async def all_tried(name: str, steps: Sequence[Step]) -> tuple[str, ...]:
    """Take every step within `FINISH_WITHIN`; return what was seen or raise SafeOffError."""
    seen: list[str] = []
    problems: list[str] = []
    at = ""
    try:
        async with asyncio.timeout(FINISH_WITHIN):
            for at, step in steps:
                try:
                    seen.append(await _taken(step) or at)
                except DriverError as error:
                    problems.append(f"{at}: {error}")
    except TimeoutError:
        problems.append(f"{at}: not done within {FINISH_WITHIN:g} s")
    if problems:
        raise SafeOffError(name, problems)
    return tuple(seen)


async def _taken(step: Callable[[], Awaitable[str | None]]) -> str | None:
    """Take a step, again when late replies to what was abandoned came in its way."""
    try:
        return await step()
    except ControlOutOfStepError:
        await asyncio.sleep(REPLY_TIMEOUT)  # by then all of them have come
        return await step()
