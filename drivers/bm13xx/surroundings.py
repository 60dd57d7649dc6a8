"""What is around a chain of chips, as far as a device must know: a board, or nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from drivers.bm13xx.chip import ChipSpec
from drivers.bm13xx.settings import BoardSettings
from drivers.bm13xx.target import Abilities, Throttle
from drivers.transports.failure import Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardSnapshot:
    """What is to be told of a board; None where it has no such reading."""

    temperature: float | None = None
    power: float | None = None
    waiting_for: str = ""
    details: Mapping[str, object] = field(default_factory=dict)


class Surroundings(Protocol):
    """A board, or nothing, around the chips; coroutines raise DriverError when it does not obey."""

    @property
    def can_switch_off(self) -> bool:
        """Tell whether the chips can be put to rest by reset or power."""
        ...

    async def open(self, failure: Failure) -> None:
        """Make ready, chips in reset; ``failure`` is told what goes wrong later."""
        ...

    async def watch(self, mhz_now: Callable[[], float]) -> None:
        """Watch over the board until cancelled, or until it is lost.

        ``mhz_now`` tells the frequency of the chips, 0 when they rest.
        """
        ...

    async def cooled_down(self) -> None:
        """Return when the board may be switched on after a trip."""
        ...

    async def power_on(self) -> None:
        """Give the chips power and release their reset; harmless when they have it."""
        ...

    async def reset_chips(self) -> None:
        """Reset the chips, if that can be done."""
        ...

    async def power_off(self) -> None:
        """Put the chips to rest as far as the board can."""
        ...

    def settings_changed(self, mhz: float, settings: BoardSettings | None) -> None:
        """Take a new frequency and, for a board, new settings of its own."""
        ...

    def abilities(self) -> Abilities:
        """Return what the device can do."""
        ...

    def throttle(self) -> Throttle:
        """Return what heat allows now."""
        ...

    def snapshot(self) -> BoardSnapshot:
        """Return what is to be told."""
        ...

    def safe_off(self) -> None:
        """Put the board into its safe state at once; never raise, never wait."""
        ...

    async def finish(self) -> None:
        """Make sure of the safe state, within a bounded time, and let go; never raise."""
        ...


class BareChain:
    """Nothing: the chips are powered by somebody else."""

    can_switch_off = False

    def __init__(self, chip: ChipSpec, mhz: float) -> None:
        self._abilities = Abilities(mhz=mhz, least_mhz=chip.frequency.lowest)

    async def open(self, failure: Failure) -> None:
        """Do nothing."""

    async def watch(self, mhz_now: Callable[[], float]) -> None:
        """Watch nothing."""

    async def cooled_down(self) -> None:
        """Wait for nothing."""

    async def power_on(self) -> None:
        """Do nothing."""

    async def reset_chips(self) -> None:
        """Do nothing: the bring-up takes chips from any state."""

    async def power_off(self) -> None:
        """Do nothing."""

    def settings_changed(self, mhz: float, settings: BoardSettings | None) -> None:  # noqa: ARG002 - there is no board
        """Take a new frequency."""
        self._abilities = replace(self._abilities, mhz=mhz)

    def abilities(self) -> Abilities:
        """Return the frequency the chain is set to."""
        return self._abilities

    def throttle(self) -> Throttle:
        """Return full speed."""
        return Throttle()

    def snapshot(self) -> BoardSnapshot:
        """Return nothing."""
        return BoardSnapshot()

    def safe_off(self) -> None:
        """Do nothing."""

    async def finish(self) -> None:
        """Do nothing."""
