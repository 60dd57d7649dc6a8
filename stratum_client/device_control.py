"""The one place that tells devices whether to run: claims in, setpoints out, pauses remembered.

Requests of the control socket:

| request | other keys, all optional | result |
|---|---|---|
| pause | device, reason, seconds, dry_run | reason, until, devices, durable, problem |
| resume | device, dry_run | released (their reasons), devices, durable, problem |

``devices`` has for each device concerned: device, run, reason. ``durable`` says whether a restart
will know of the change; if not, ``problem`` says why. Orders are followed first, then written
down, then acknowledged: a full disk keeps nobody from resting.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence

from drivers.api import Clock, DeviceState, Log, Setpoint
from stratum_client.api.control_lines import Handler, Order, OrderError, Reply
from stratum_client.control.claims import IDLE, Claim, Claims, Decision, Level
from stratum_client.control.claims_file import MAX_CLAIMS, ClaimsFileError, claims_in, text_of
from stratum_client.log_lines import utc
from stratum_client.state_file import StateFile
from stratum_client.supervise import SupervisedDevice

FILE_NAME = "claims.json"

IDLE_WITHIN = 3.0
"""Seconds from an order to idle devices; a device that takes longer is warned of."""

LONGEST_PAUSE = 10 * 365 * 86_400.0

PAUSE, DISABLE = "pause", "disable"
"""Issuers of user claims: one `resume` ends all pauses, a disabled device rests on."""

_LOOK_AGAIN = 60.0  # the wall clock may be set at any moment
_LOOK_AT_DEVICES = 0.02
_AT_REST = {DeviceState.IDLE, DeviceState.FAILED, DeviceState.ABSENT}


class DeviceControl:
    """Holds the claims; without a ``file`` they last as long as the daemon."""

    def __init__(
        self,
        devices: Callable[[], Sequence[SupervisedDevice]],
        *,
        file: StateFile | None,
        clock: Clock,
        log: Log,
    ) -> None:
        self.claims = Claims()
        self.idle_after: float | None = None
        self._devices = devices
        self._file = file
        self._clock = clock
        self._log = log
        self._save_again_at: float | None = None
        self._changed = asyncio.Event()
        self._stopping: dict[str, float] = {}
        self._has_stopping = asyncio.Event()
        self._restore()

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """Return the handler of each request."""
        return {"pause": self._pause, "resume": self._resume}

    def decision(self, device: str) -> Decision:
        """Return what a device may do now, and because of whom."""
        return self.claims.decide(device, self._clock.wall())

    def setpoint(self, device: str) -> Setpoint:
        """Return what a device should do now."""
        return self.decision(device).setpoint

    async def run(self) -> None:
        """Let claims expire, see devices come to rest and write down what could not be."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._expire(), name="claims")
            group.create_task(self._watch_stopping(), name="devices coming to rest")

    # -- what users order

    async def _pause(self, order: Order) -> Reply:
        device, seconds = (
            self._device_in(order),
            order.number_or_nothing("seconds", 1, LONGEST_PAUSE),
        )
        claim = self._claim(order, PAUSE, device, "paused", seconds)
        claims = self.claims.stated(claim)
        if order.flag("dry_run"):
            return self._rows(claims, device) | {"reason": claim.reason}
        problem = await self.state(claim)
        until = None if claim.until is None else utc(claim.until)
        return self._told(device, problem) | {"reason": claim.reason, "until": until}

    async def _resume(self, order: Order) -> Reply:
        device = order.text_or_nothing("device")
        ended = [c for c in self.claims.claims if _is_pause(c) and device in {"", c.device}]
        if device and not ended:
            raise OrderError(self._why_not_resumed(self._device_in(order)))
        released = {"released": [claim.reason for claim in ended]}
        if order.flag("dry_run"):
            return self._rows(self._without(ended), device) | released
        problem = await self.withdraw(ended, by=order.by)
        return self._told(device, problem) | released

    async def disable(self, order: Order, device: str) -> str:
        """Let ``device`` rest until it is enabled; return as `state`."""
        return await self.state(self._claim(order, DISABLE, device, "disabled", None))

    async def enable(self, order: Order, device: str) -> str:
        """End what `disable` began; return as `state`."""
        key = Level.USER, DISABLE, device
        return await self.withdraw([c for c in self.claims.claims if c.key == key], by=order.by)

    # -- claims

    async def state(self, claim: Claim) -> str:
        """Put a claim in force, then write it down; return why a restart would not know of it."""
        if len(self._remembered().claims) >= MAX_CLAIMS:
            raise OrderError(f"there are {MAX_CLAIMS} claims already: release some")
        self._tell("claim.stated", claim, limit=str(claim.limit))
        self._take_over(self.claims.stated(claim))
        return await self._save()

    async def withdraw(self, claims: Sequence[Claim], *, by: str) -> str:
        """Release claims on their issuer's behalf; return as `state`."""
        if not claims:
            return ""
        for claim in claims:
            self._tell("claim.released", claim, by=by)
        self._take_over(self._without(claims))
        return await self._save()

    def take_windows(self, claims: Sequence[Claim]) -> None:
        """Let ``claims`` take the place of all others of windows; they are not written down."""
        old = [claim for claim in self.claims.claims if _is_window(claim)]
        if old == list(claims):
            return
        for claim in claims:
            if claim not in old:
                self._tell("claim.stated", claim, limit=str(claim.limit))
        if not claims:
            for claim in old:
                self._tell("claim.released", claim, by="schedule")
        self._take_over(Claims((*self._remembered().claims, *claims)))

    def _remembered(self) -> Claims:
        """Return the claims that are written down: windows are worked out anew."""
        return Claims(tuple(claim for claim in self.claims.claims if not _is_window(claim)))

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

    def _without(self, claims: Iterable[Claim]) -> Claims:
        left = self.claims
        for claim in claims:
            left = left.withdrawn(*claim.key)
        return left

    def _take_over(self, claims: Claims) -> None:
        """Make ``claims`` those in force, and tell the devices that this concerns."""
        self.claims = claims
        self._changed.set()
        for device in self._devices():
            setpoint = self.setpoint(device.name)
            if setpoint == device.setpoint:
                continue
            was_running = device.setpoint.run
            device.apply(setpoint)
            if not setpoint.run and was_running:
                self._stopping[device.name] = self._clock.monotonic()
                self._has_stopping.set()
            elif setpoint.run:
                self._stopping.pop(device.name, None)
                device.retry_at_once()

    def is_disabled(self, device: str) -> bool:
        """Return whether `disable` holds a device."""
        return any(claim.key == (Level.USER, DISABLE, device) for claim in self.claims.claims)

    def _tell(self, event: str, claim: Claim, **fields: object) -> None:
        device, level = claim.device or "all", str(claim.level)
        self._log.info(event, level=level, device=device, reason=claim.reason, **fields)

    # -- what is written down

    def _restore(self) -> None:
        """Take up what was in force when the last daemon ended, however it ended."""
        if not self._file:
            return
        path = str(self._file.path)
        try:
            data = self._file.read()
            claims = claims_in(data) if data is not None else Claims()
        except OSError as error:
            self._log.error("claims.unreadable", path=path, error=error.strerror or str(error))
            return
        except ClaimsFileError as error:
            aside = str(self._file.put_aside())
            self._log.error("claims.damaged", path=path, error=str(error), kept_as=aside)
            return
        self.claims = claims.in_force(self._clock.wall())
        for claim in self.claims.claims:
            self._tell("claim.restored", claim, limit=str(claim.limit))

    async def _save(self) -> str:
        """Write the claims down; return why that did not work."""
        if not self._file:
            return "there is no state directory"
        try:
            await self._file.write(text_of(self._remembered()))
        except OSError as error:
            problem = f"{self._file.path}: {error.strerror or error}"
            self._save_again_at = self._clock.monotonic() + _LOOK_AGAIN
            self._log.error("claims.not_saved", error=problem, again_in=_LOOK_AGAIN)
            return problem
        self._save_again_at = None
        return ""

    # -- in the background

    async def _expire(self) -> None:
        while True:
            now = self._clock.wall()
            left = self.claims.in_force(now)
            ended = [claim for claim in self.claims.claims if claim not in left.claims]
            if ended:
                for claim in ended:
                    self._tell("claim.expired", claim)
                self._take_over(left)
            again = self._save_again_at
            if ended or (again is not None and self._clock.monotonic() >= again):
                await self._save()
            self._changed.clear()
            until = self.claims.next_expiry()
            pause = _LOOK_AGAIN if until is None else min(max(until - now, 0.0), _LOOK_AGAIN)
            try:
                async with asyncio.timeout(pause):
                    await self._changed.wait()
            except TimeoutError:
                pass

    async def _watch_stopping(self) -> None:
        """Measure how long devices take to rest."""
        while True:
            await self._has_stopping.wait()
            self._has_stopping.clear()
            warned = False
            began, count = min(self._stopping.values(), default=0.0), len(self._stopping)
            while self._stopping:
                now = self._clock.monotonic()
                began, count = min(self._stopping.values()), max(count, len(self._stopping))
                for device in self._devices():
                    if device.snapshot(now).stats.state in _AT_REST:
                        self._stopping.pop(device.name, None)
                if not warned and self._stopping and now - began > IDLE_WITHIN:
                    warned = True
                    late = ", ".join(self._stopping)
                    self._log.warning("devices.not_idle", devices=late, after=IDLE_WITHIN)
                if self._stopping:
                    await asyncio.sleep(_LOOK_AT_DEVICES)
            self.idle_after = self._clock.monotonic() - began
            self._log.info("devices.idle", devices=count, seconds=round(self.idle_after, 3))

    # -- replies

    def _told(self, device: str, problem: str) -> dict[str, object]:
        rows = self._rows(self.claims, device)
        return rows | {"durable": not problem, "problem": problem}

    def _rows(self, claims: Claims, device: str) -> dict[str, object]:
        """Return what devices are to do under ``claims``."""
        names = [one.name for one in self._devices() if device in {"", one.name}]
        decisions = {name: claims.decide(name, self._clock.wall()) for name in names}
        return {
            "devices": [
                {"device": name, "run": decision.limit.run, "reason": decision.reason}
                for name, decision in decisions.items()
            ]
        }

    def _device_in(self, order: Order) -> str:
        device = order.text_or_nothing("device")
        names = [one.name for one in self._devices()]
        if device and device not in names:
            raise OrderError(f"no device is called {device!r}; there are: {', '.join(names)}")
        return device

    def _why_not_resumed(self, device: str) -> str:
        decision = self.decision(device)
        if decision.limit.run:
            return f"{device} is not paused"
        return f"{device} is not paused by itself; it rests for another reason: {decision.reason}"


def _is_window(claim: Claim) -> bool:
    return claim.level is Level.WINDOW


def _is_pause(claim: Claim) -> bool:
    return (claim.level, claim.issuer) == (Level.USER, PAUSE)
