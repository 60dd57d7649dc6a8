"""The frequency and core voltage of a chain: what is wanted, and the safe way there.

Chips must never be faster than their voltage allows: up, the voltage goes first, down, the
frequency.
"""

from collections.abc import Callable, Iterable, Iterator

from drivers.api import Clock, Log, Setpoint
from drivers.bm13xx.bring_up import Action
from drivers.bm13xx.chain import Chain
from drivers.bm13xx.surroundings import Surroundings
from drivers.bm13xx.target import Rise, Target, target_of
from drivers.bm13xx.wire import Wire
from drivers.low_yield import YieldWatch
from drivers.supply_watch import SupplyWatch
from drivers.transports.failure import Failure

DOWN_PAUSE = 0.005
"""Seconds between writes on the way down: nothing has to settle, and an order to stop waits."""

NEAR_MHZ = 1.0
"""A frequency so close above the wanted one is that one: a PLL does not hit all."""


class Speed:
    """Follows ``setpoint``, the settings, heat, and what the device has shown to be too much.

    ``ramp`` is how many seconds it should take from rest to full speed, at least.
    """

    def __init__(
        self,
        chain: Chain,
        board: Surroundings,
        wire: Wire,
        *,
        supply: SupplyWatch,
        yields: YieldWatch,
        clock: Clock,
        log: Log,
    ) -> None:
        self.setpoint = Setpoint(run=True)
        self.ramp = 0.0
        self._chain = chain
        self._board = board
        self._wire = wire
        self._supply = supply
        self._yields = yields
        self._clock = clock
        self._log = log
        self._rise = Rise()
        self._told: tuple[float | None, float] | None = None

    # -- what is wanted

    def target(self) -> Target:
        """Return what is wanted now, as far as it may be reached by now."""
        abilities = self._board.abilities()
        ceilings = [one for one in (self._supply.ceiling, self._yields.ceiling) if one]
        target = target_of(abilities, self.setpoint, self._board.throttle(), ceilings)
        ramp = max(self.ramp, self.setpoint.ramp or 0.0)
        return self._rise.slowed(target, abilities, self._clock.monotonic(), seconds=ramp)

    def may_run(self) -> bool:
        """Tell whether the device should run at all."""
        return self.target().mhz is not None

    def is_fall(self, target: Target) -> bool:
        """Tell whether the chips are faster than ``target``."""
        return self._chain.mhz > (target.mhz or 0.0) + NEAR_MHZ

    def is_reached(self, target: Target) -> bool:
        """Tell whether the chips were told just that."""
        return self._told == (target.mhz, target.volts)

    # -- the way there

    def rests(self) -> None:
        """Note that the chips rest: a slow rise begins anew."""
        self._rise.rests()

    async def bring_up(self, failure: Failure, target: Target) -> bool:
        """Bring the chips up and ask each; return False if the device is told to rest meanwhile."""
        assert target.mhz is not None
        self._told = (target.mhz, target.volts)
        await self._board.set_voltage(target.volts, still=_always)
        if not await self._board.power_on():
            return False
        for actions in (self._noted(self._chain.bring_up(target.mhz)), self._chain.verify()):
            if not await self._wire.perform(failure, actions, still=self.may_run):
                return False
        return True

    def begins(self) -> None:
        """Note that the chips begin to hash."""
        self._rise.begins(self._clock.monotonic())
        self._supply.takes_load(self._chain.mhz, nonces=self._chain.nonces)

    async def follow(self, failure: Failure, target: Target) -> None:
        """Go to another speed while mining, until it is reached or yet another one is wanted."""
        assert target.mhz is not None
        self._tell(target)
        self._told = (target.mhz, target.volts)
        is_wanted = self._still(target)
        is_there = True
        if target.volts > self._board.volts:
            is_there = await self._board.set_voltage(target.volts, still=is_wanted)
        if is_there and self._chain.mhz != target.mhz:
            is_there = await self.set_frequency(failure, target.mhz, is_wanted)
        if is_there:
            is_there = await self._board.set_voltage(target.volts, still=is_wanted)
        if not is_there:
            self._told = None  # even if just this is wanted again by the next look

    async def drop(self, failure: Failure) -> None:
        """Go to the lowest frequency; the next look rises again."""
        await self.set_frequency(failure, self._chain.spec.frequency.lowest, self.may_run)
        self._told = None

    async def slow_down(self, failure: Failure) -> None:
        """Go to the lowest frequency, whatever is wanted, if the chips were ever told any."""
        if self._chain.mhz:
            await self.set_frequency(failure, self._chain.spec.frequency.lowest, _always)

    async def set_frequency(self, failure: Failure, mhz: float, still: Callable[[], bool]) -> bool:
        """Go to a frequency in small steps; return False if ``still`` ended it."""
        longest = DOWN_PAUSE if mhz < self._chain.mhz else 1.0
        actions = self._noted(self._chain.change_frequency(mhz))
        return await self._wire.perform(failure, actions, still=still, longest_pause=longest)

    def slow_down_at_once(self) -> None:
        """Write the lowest frequency: all that can be done for chips that cannot be switched off.

        Down in one step is harmless; it is up that needs a ramp.
        """
        chain = self._chain
        if chain.mhz:
            lowest = chain.spec.pll.nearest(chain.spec.frequency.lowest)
            self._wire.write(b"".join(chain.write(*write) for write in lowest.writes))

    def _noted(self, actions: Iterable[Action]) -> Iterator[Action]:
        """Yield ``actions``, each rise of the frequency being noted as it is sent."""
        for action in actions:
            self._supply.runs_at(self._chain.mhz, nonces=self._chain.nonces)
            yield action

    def _still(self, target: Target) -> Callable[[], bool]:
        """Return what tells whether ``target`` is wanted still, or a slow rise has gone on."""

        def is_wanted() -> bool:
            now = self.target()
            if now.mhz is None or target.mhz is None:
                return False
            is_rise = now.reason == target.reason and now.mhz > target.mhz
            return is_rise or (now.mhz, now.volts) == (target.mhz, target.volts)

        return is_wanted

    def _tell(self, target: Target) -> None:
        before, after = self._chain.mhz, target.mhz or 0.0
        is_step = before < after and (self.ramp > 0 or bool(self.setpoint.ramp))
        is_news = abs(before - after) > NEAR_MHZ and not is_step
        log = self._log.info if is_news else self._log.debug
        log("frequency.changing", before=before, to=target.mhz, reason=target.reason)


def _always() -> bool:
    return True
