"""What users order devices to rest for: pauses, and devices that are disabled.

Requests of the control socket:

| request | other keys, all optional | result |
|---|---|---|
| pause | device, reason, seconds, dry_run | reason, until, devices, durable, problem |
| resume | device, now, dry_run | released (their reasons), devices, durable, problem |

``now`` also ends the wait of the whole rig for its slot: a forced release, told by
``claim.overridden``; what is off for its minimum time stays so. ``devices`` has for each device
concerned: device, run, reason. ``durable`` says whether a restart will know of the change; if not,
``problem`` says why.
"""

from collections.abc import Mapping, Sequence

from drivers.api import Clock
from stratum_client.api.control_lines import Handler, Order, OrderError, Reply
from stratum_client.control.claims import IDLE, Claim, Level
from stratum_client.device_control import DeviceControl
from stratum_client.log_lines import utc
from stratum_client.restart_desk import ISSUERS as RESTARTS

LONGEST_PAUSE = 10 * 365 * 86_400.0

PAUSE, DISABLE = "pause", "disable"
"""Issuers of user claims: one `resume` ends all pauses, a disabled device rests on."""


class DevicePauses:
    """States what users want as claims of ``control``."""

    def __init__(self, control: DeviceControl, *, clock: Clock) -> None:
        self._control = control
        self._clock = clock

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """Return the handler of each request."""
        return {"pause": self._pause, "resume": self._resume}

    async def _pause(self, order: Order) -> Reply:
        device = self._device_in(order)
        seconds = order.number_or_nothing("seconds", 1, LONGEST_PAUSE)
        claim = self._claim(order, PAUSE, device, "paused", seconds)
        claims = self._control.claims.stated(claim)
        if order.flag("dry_run"):
            return self._control.rows(claims, device) | {"reason": claim.reason}
        problem = await self._control.state(claim)
        until = None if claim.until is None else utc(claim.until)
        return self._told(device, problem) | {"reason": claim.reason, "until": until}

    async def _resume(self, order: Order) -> Reply:
        device, is_now = order.text_or_nothing("device"), order.flag("now")
        if device and is_now:
            raise OrderError("slots are those of the whole rig: give no device with now")
        ended = [c for c in self._claims if _is_pause(c) and device in {"", c.device}]
        if device and not ended:
            raise OrderError(self._why_not_resumed(self._device_in(order)))
        released = [claim.reason for claim in ended]
        if order.flag("dry_run"):
            waits = self._waits if is_now else []
            left = self._control.rows(self._control.without([*ended, *waits]), device)
            return left | {"released": [*released, *(claim.reason for claim in waits)]}
        problem = await self._control.withdraw(ended, by=order.by)
        if is_now and (waits := self._waits):  # for what was just released, too
            released += [claim.reason for claim in waits]
            problem = await self._control.override(waits, by=order.by, level=Level.WINDOW)
        return self._told(device, problem) | {"released": released}

    async def disable(self, order: Order, device: str) -> str:
        """Let ``device`` rest until it is enabled; return as `state`."""
        return await self._control.state(self._claim(order, DISABLE, device, "disabled", None))

    async def enable(self, order: Order, device: str) -> str:
        """End what `disable` began; return as `state`."""
        key = Level.USER, DISABLE, device
        ended = [claim for claim in self._claims if claim.key == key]
        return await self._control.withdraw(ended, by=order.by)

    def is_disabled(self, device: str) -> bool:
        """Return whether `disable` holds a device."""
        return any(claim.key == (Level.USER, DISABLE, device) for claim in self._claims)

    @property
    def _waits(self) -> list[Claim]:
        """Return the claims of what may not start before its slot."""
        return [c for c in self._claims if c.level is Level.WINDOW and c.issuer in RESTARTS]

    @property
    def _claims(self) -> Sequence[Claim]:
        return self._control.claims.claims

    def _claim(
        self, order: Order, issuer: str, device: str, what: str, seconds: float | None
    ) -> Claim:
        now = self._clock.wall()
        return Claim(
            level=Level.USER,
            issuer=issuer,
            device=device,
            limit=IDLE,
            cause=f"{what} by {order.by}",
            remark=order.text_or_nothing("reason"),
            since=now,
            until=None if seconds is None else now + seconds,
        )

    def _told(self, device: str, problem: str) -> dict[str, object]:
        rows = self._control.rows(self._control.claims, device)
        return rows | {"durable": not problem, "problem": problem}

    def _device_in(self, order: Order) -> str:
        device = order.text_or_nothing("device")
        names = self._control.names
        if device and device not in names:
            raise OrderError(f"no device is called {device!r}; there are: {', '.join(names)}")
        return device

    def _why_not_resumed(self, device: str) -> str:
        decision = self._control.decision(device)
        if decision.limit.run:
            return f"{device} is not paused"
        return f"{device} is not paused by itself; it rests for another reason: {decision.reason}"


def _is_pause(claim: Claim) -> bool:
    return (claim.level, claim.issuer) == (Level.USER, PAUSE)
