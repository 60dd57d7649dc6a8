"""What a device may ask of the board around its chips: power, reset, fan and sensors.

Each kind of board has its own; see `bitaxe_controls`, `qaxe_controls` and `piaxe_controls`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from drivers.api import Context
from drivers.bm13xx.failure import Failure
from drivers.bm13xx.ports import Ports


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlsRequest:
    """All that making a board's controls takes."""

    ports: Ports
    context: Context


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """One look at a board: temperatures and fan speeds by name, None where there was none.

    ``faults`` are the regulator's, in words; ``watts`` is measured, if the board can.
    """

    temperatures: Mapping[str, float | None] = field(default_factory=dict)
    rpm: Mapping[str, float | None] = field(default_factory=dict)
    watts: float | None = None
    faults: tuple[str, ...] = ()


class Controls(Protocol):
    """The board of one device; every coroutine raises DriverError when the board does not obey."""

    async def open(self, failure: Failure) -> None:
        """Reach the board, put the chips into reset, start the fans at full, prepare the power.

        ``failure`` is told when the board is lost.
        """
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
        """Return what the sensors say; a sensor that fails gives None."""
        ...

    async def set_fan(self, percent: float) -> None:
        """Set the duty of all fans, 0 to 100."""
        ...

    def safe_off(self) -> None:
        """Put the chips into reset at once, whatever is under way; never raise, never wait.

        Repeating it is harmless, and so is calling it before `open` or after a loss.
        """
        ...

    async def finish_safe_off(self) -> tuple[str, ...]:
        """Switch the rail off, fans full, and read back; return in words what was seen.

        Each step is tried whatever became of the one before. Raises SafeOffError at the end when
        the board was not seen safe.
        """
        ...

    def close(self) -> None:
        """Let go of the port; harmless when repeated."""
        ...
