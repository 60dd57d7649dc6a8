"""What comes after an order is obeyed: it is written down, devices rest, a meter confirms it.

Each step is acknowledged, and timed from the moment at which the order came.
"""

import asyncio
from collections.abc import Callable, Sequence

from drivers.api import AT_REST, Clock, DeviceState, Log
from stratum_client.control.claims import Claim
from stratum_client.control.order_answers import OrderCounts, watts_of
from stratum_client.control.power import Reading, RigPower, Source
from stratum_client.supervise import SupervisedDevice

CONFIRM_WITHIN = 60.0
"""Seconds after which a meter that shows no less is told of."""

FALLEN = 0.75
"""The part of the watts before an order to rest below which it is confirmed."""

REST_PART = 0.3
"""The part of a rig's full power below which it rests, whatever it took before.

Fans, controllers and the losses of a supply leave 0.1 to 0.25 of it. A rig that was told to rest
while it started took little more than that before, so that nothing falls.
"""

SLACK = 1.02
"""How much over a limit in watts a meter may show and still confirm it."""

_LOOK_AT_DEVICES = 0.02
_LOOK_AT_METER = 0.25
_MEASURED = {Source.PLUG, Source.DRIVER}

Acknowledge = Callable[..., None]
"""Is given a step, and by name the fields of its acknowledgement."""


class FollowUp:
    """Follows orders through; ``deadline``, which may change, is how many seconds they may take."""

    def __init__(
        self,
        devices: Callable[[], Sequence[SupervisedDevice]],
        *,
        power: Callable[[], RigPower | None],
        allowed: Callable[[], float | None],
        deadline: float,
        clock: Clock,
        log: Log,
    ) -> None:
        self.counts = OrderCounts()
        self._devices = devices
        self._power = power
        self._allowed = allowed
        self.deadline = deadline
        self._clock = clock
        self._log = log

    def awake(self) -> list[str]:
        """Return the devices that do not rest."""
        return [name for name, state in self._states() if state not in AT_REST]

    def failed(self) -> list[str]:
        """Return those that have failed: made safe, as far as they could still be reached."""
        return [name for name, state in self._states() if state is DeviceState.FAILED]

    def _states(self) -> list[tuple[str, DeviceState]]:
        now = self._clock.monotonic()
        snapshots = (device.snapshot(now) for device in self._devices())
        return [(one.name, one.stats.state) for one in snapshots]

    def measured(self) -> Reading | None:
        """Return what a meter shows of the rig, None if none does."""
        power = self._power()
        return power.total if power and power.total.source in _MEASURED else None

    async def see_through(
        self,
        claim: Claim,
        received: float,
        before: Reading | None,
        *,
        is_current: Callable[[], bool],
        acknowledge: Acknowledge,
    ) -> None:
        """Acknowledge what comes of ``claim``, as long as it ``is_current``.

        ``received`` is on the monotonic clock, ``before`` what a meter showed then.
        """
        reached = self._clock.monotonic()
        if not claim.limit.run:
            if not await self._see_idle(claim, received, is_current, acknowledge):
                return
            reached = self._clock.monotonic()
        await self._see_confirmed(claim, received, reached, before, is_current, acknowledge)

    async def _see_idle(
        self,
        claim: Claim,
        received: float,
        is_current: Callable[[], bool],
        acknowledge: Acknowledge,
    ) -> bool:
        """Return whether all devices have come to rest."""
        is_late = False
        while is_current():
            awake, seconds = self.awake(), self._clock.monotonic() - received
            if not awake:
                self.counts.idle(seconds)
                self._log.info("order.idle", issuer=claim.issuer, seconds=round(seconds, 3))
                self._tell_idle(seconds, is_late, acknowledge)
                return True
            if seconds > self.deadline and not is_late:
                is_late, names = True, ", ".join(awake)
                self.counts.late += 1
                self._log.warning("order.late", issuer=claim.issuer, devices=names, after=seconds)
                acknowledge("late", seconds=round(seconds, 3), devices=awake)
            await asyncio.sleep(_LOOK_AT_DEVICES)
        return False

    def _tell_idle(self, seconds: float, is_late: bool, acknowledge: Acknowledge) -> None:
        power = self._power()
        fields = dict(watts_of(power.total if power else None))
        if failed := self.failed():
            fields["failed"] = failed
        acknowledge("idle", seconds=round(seconds, 3), late=is_late, **fields)

    async def _see_confirmed(
        self,
        claim: Claim,
        received: float,
        reached: float,
        before: Reading | None,
        is_current: Callable[[], bool],
        acknowledge: Acknowledge,
    ) -> None:
        """Compare what a meter shows, if there is one: it may be silent for a while."""
        is_metered, is_over = before is not None, False
        had = {} if before is None else {"watts_before": round(before.watts, 1)}
        while is_current() and not is_over:
            reading, now = self.measured(), self._clock.monotonic()
            is_metered = is_metered or reading is not None
            fields = {"seconds": round(now - received, 3), **watts_of(reading), **had}
            if reading and reading.at >= reached and self._has_fallen(claim, reading, before):
                self._log.info("order.confirmed", issuer=claim.issuer, **fields)
                acknowledge("confirmed", **fields)
                return
            is_over = now - reached > CONFIRM_WITHIN
            if is_over and is_metered:
                self._log.warning("order.unconfirmed", issuer=claim.issuer, **fields)
                acknowledge("unconfirmed", **fields)
            await asyncio.sleep(_LOOK_AT_METER)

    def _has_fallen(self, claim: Claim, reading: Reading, before: Reading | None) -> bool:
        """Return whether the meter shows what the order was to bring about."""
        if not claim.limit.run:
            if before is None:
                return True
            return reading.watts <= max(FALLEN * before.watts, REST_PART * self._full_watts())
        allowed = self._allowed()
        return allowed is not None and reading.watts <= SLACK * allowed

    def _full_watts(self) -> float:
        """Return what all devices take at their highest speeds, as far as that is known."""
        points = (device.operating_points() for device in self._devices())
        return sum(max((point.watts for point in known), default=0.0) for known in points)
