"""What is around a chain of chips, as far as a device must know: a board, or nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from drivers.bm13xx.board_power import Load
from drivers.bm13xx.chip import ChipSpec
from drivers.bm13xx.settings import BoardSettings
from drivers.bm13xx.target import Abilities, Throttle
from drivers.bm13xx.voltage_table import fixed
from drivers.transports.failure import Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardSnapshot:
    """What is to be told of a board; None where it has no such reading."""

    temperature: float | None = None
    power: float | None = None
    modelled_power: float | None = None
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

    async def watch(self, load: Callable[[], Load]) -> None:
        """Watch the board until cancelled, or until it is lost; ``load`` tells of the chips."""
        ...

    async def cooled_down(self) -> None:
        """Return when the board may be switched on after a trip."""
        ...

    async def power_on(self) -> bool:
        """Give the chips power and release their reset; return False if that was broken off.

        Harmless when they have it.
        """
        ...

    def break_off(self) -> None:
        """Put chips that are just being switched on back into reset at once; never raise."""
        ...

    async def reset_chips(self) -> None:
        """Reset the chips, if that can be done."""
        ...

    async def power_off(self) -> None:
        """Put the chips to rest as far as the board can."""
        ...

    @property
    def volts(self) -> float:
        """Return the core voltage in force, or that chips are switched on with; 0 if unknown."""
        ...

    async def set_voltage(self, volts: float, *, still: Callable[[], bool]) -> bool:
        """Bring running chips to a core voltage, others when they are switched on.

        Return False if ``still`` ended it; boards whose voltage is fixed do nothing.
        """
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
    volts = 0.0

    def __init__(self, chip: ChipSpec, mhz: float, chips: int = 1) -> None:
        """Take the power from the data of the chip: it cannot be measured."""
        power = chip.power.of_chips(chips) if chip.power else None
        table = fixed(power.volts if power else 0.0)
        self._lowest = chip.frequency.lowest
        self._abilities = Abilities(mhz=mhz, least_mhz=self._lowest, table=table, power=power)
        self._load: Callable[[], Load] = Load

    async def open(self, failure: Failure) -> None:
        """Do nothing."""

    async def watch(self, load: Callable[[], Load]) -> None:
        """Watch nothing."""
        self._load = load

    async def cooled_down(self) -> None:
        """Wait for nothing."""

    async def power_on(self) -> bool:
        """Do nothing."""
        return True

    def break_off(self) -> None:
        """Do nothing."""

    async def reset_chips(self) -> None:
        """Do nothing: the bring-up takes chips from any state."""

    async def power_off(self) -> None:
        """Do nothing."""

    async def set_voltage(self, volts: float, *, still: Callable[[], bool]) -> bool:  # noqa: ARG002 - somebody else's
        """Do nothing."""
        return True

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
        """Return the power by the chip's data; chips at rest take what their lowest speed takes."""
        if self._abilities.power is None:
            return BoardSnapshot()
        mhz = max(self._load().mhz, self._lowest)
        return BoardSnapshot(modelled_power=self._abilities.watts_at(mhz))

    def safe_off(self) -> None:
        """Do nothing."""

    async def finish(self) -> None:
        """Do nothing."""
