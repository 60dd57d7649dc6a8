"""When a device that rested may run again: own slot, minimum off time, wait after an outage; pure.

Only what rested is held back. The slot concerns what rests with the site or the whole rig; a user
who pauses one device and resumes it waits for the minimum off time alone. All times are wall time,
seconds since 1970, so that they mean the same after a restart.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from enum import Enum, auto

from stratum_client.control.claims import IDLE, Claim, Decision, Level
from stratum_client.control.local_time import shown_at
from stratum_client.control.start_slots import Slots

ISSUER = "restart"


class Wish(Enum):
    """What all others want of a device."""

    RUN = auto()
    REST = auto()
    REST_ALONE = auto()  # as its user wants of this one device


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartRules:
    """How a rig starts; times in seconds. ``wait`` is the range of a random one after an outage."""

    slots: Slots = field(default_factory=Slots)
    min_off: float = 0.0
    wait: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """A device that rests, or that may not start yet.

    ``is_soft``: it starts in its slot. ``not_before`` is the end of the wait after an outage of
    power, 0 without one. ``released`` and ``start`` are None until others let it run.
    """

    off_since: float
    is_soft: bool = True
    not_before: float = 0.0
    released: float | None = None
    start: float | None = None

    def let_go(self, rules: RestartRules, now: float) -> "Rest":
        """Return the rest with its end, for a device that is released at ``now``."""
        off_since = min(self.off_since, now)  # the clock may have been set back
        earliest = max(now, off_since + rules.min_off, self.not_before)
        start = rules.slots.next_start(earliest) if self.is_soft else earliest
        return replace(self, released=now, start=start)

    def shifted(self, seconds: float) -> "Rest":
        """Return the rest by a clock that was set forward; a start is worked out anew."""
        not_before = self.not_before and self.not_before + seconds
        return replace(self, off_since=self.off_since + seconds, not_before=not_before, start=None)

    def reason(self, rules: RestartRules, zone: tzinfo) -> str:
        """Return why a released device does not run yet, and when it will."""
        assert self.start is not None
        after = " after a loss of power" if self.not_before else ""
        what = f"off for {rules.min_off:g} s at least"
        if self.is_soft and rules.slots.cycle:
            what = f"slot {rules.slots.own} of {rules.slots.count}"
        elif self.start == self.not_before:
            what = "random wait"
        return f"soft restart{after}: {what}, starts {shown_at(self.start, zone):%H:%M:%S}"


class Restarts:
    """The devices that rest or are held back.

    ``unseen`` is what holds for a device that is seen for the first time before it could have
    started, None: it may run.
    """

    def __init__(
        self,
        rules: RestartRules,
        rests: Mapping[str, Rest] | None = None,
        unseen: Rest | None = None,
    ) -> None:
        self.rules = rules
        self.rests = dict(rests or {})
        self._unseen = unseen
        self._seen = set(self.rests)
        self._looked_at: set[str] = set()
        self._stopping: set[str] = set()

    def look(self, wishes: Mapping[str, Wish], now: float) -> dict[str, Rest]:
        """Take note of what is wanted; return the rests of those that are held back.

        The name "" stands for devices that are not known yet.
        """
        held = {}
        waiting = self._waiting(wishes, now)
        for device, wish in wishes.items():
            if waiting and device not in self._seen:
                self.rests[device] = waiting
            if rest := self._held(device, wish, now):
                held[device] = rest
        if unseen := self._unseen_held(now):
            held[""] = unseen
        return held

    @property
    def remembered(self) -> dict[str, Rest]:
        """Return what the next daemon must know; "" stands for devices that are not known yet."""
        return self.rests | ({"": self._unseen} if self._unseen else {})

    def ended(self, devices: Iterable[str], now: float) -> dict[str, Rest]:
        """Return the same when the daemon ends and switches all devices off."""
        running = {name: Rest(off_since=now, is_soft=False) for name in devices}
        return running | self.remembered

    def follow(self, rules: RestartRules) -> None:
        """Go by other rules; a start that was to come is worked out anew."""
        if rules == self.rules:
            return
        self.rules = rules
        self.rests = {name: replace(rest, start=None) for name, rest in self.rests.items()}
        self._unseen = self._unseen and replace(self._unseen, start=None)

    def is_off(self, device: str, now: float) -> bool:
        """Count its rest from ``now`` on, when it has come to rest; return whether that matters."""
        if device not in self._stopping:
            return False
        self._stopping.discard(device)
        rest = self.rests.get(device)
        if rest is None or not self.rules.min_off:
            return False
        self.rests[device] = replace(rest, off_since=max(rest.off_since, now), start=None)
        return True

    def let_go(self, device: str) -> None:
        """Let a device that is held back start out of turn, as somebody mightier wants; "": all.

        It stays off for the minimum time: that is for its own good.
        """
        for name, rest in self.rests.items():
            if rest.start is not None and rest.released is not None and device in {"", name}:
                start = max(rest.released, rest.off_since + self.rules.min_off)
                self.rests[name] = replace(rest, is_soft=False, not_before=0.0, start=start)
        if not device:
            self._unseen = None

    def shift(self, seconds: float) -> None:
        """Follow a wall clock that was set forward by ``seconds``."""
        self.rests = {name: rest.shifted(seconds) for name, rest in self.rests.items()}
        self._unseen = self._unseen and self._unseen.shifted(seconds)

    def _held(self, device: str, wish: Wish, now: float) -> Rest | None:
        rest = self.rests.get(device)
        is_new = device not in self._seen
        self._seen.add(device)
        if rest is None and is_new:
            rest = self._unseen
        if wish is not Wish.RUN:
            if rest is None:
                rest = Rest(off_since=now)
                if not is_new:
                    self._stopping.add(device)
            self.rests[device] = replace(rest, is_soft=wish is Wish.REST, start=None)
            return None
        if rest is None:
            return None
        if rest.start is None:
            if device in self._stopping:
                rest = replace(rest, off_since=now)  # that is yet to come
            rest = rest.let_go(self.rules, now)
        if rest.start is not None and rest.start > now:
            self.rests[device] = rest
            return rest
        self.rests.pop(device, None)
        self._stopping.discard(device)
        return None

    def _waiting(self, wishes: Mapping[str, Wish], now: float) -> Rest | None:
        """Return how the whole rig waits for its slot: so does what is plugged in meanwhile.

        None if a device runs, or none waits.
        """
        known = [self.rests.get(name) for name in wishes if name in self._looked_at]
        self._looked_at |= wishes.keys()
        starts = [rest for rest in known if rest and rest.is_soft and (rest.start or 0.0) > now]
        return starts[0] if starts and all(known) and self.rules.slots.cycle else None

    def _unseen_held(self, now: float) -> Rest | None:
        if self._unseen is None:
            return None
        if self._unseen.start is None:
            self._unseen = self._unseen.let_go(self.rules, now)
        if self._unseen.start is None or self._unseen.start <= now:
            self._unseen = None
        return self._unseen


def wish_of(decision: Decision) -> Wish:
    """Return what a decision, made without restarts, wants of its device.

    What its user lets rest alone, or so that others keep within the user's own limit, concerns
    nobody beyond this rig.
    """
    if decision.limit.run:
        return Wish.RUN
    by_user = any(claim.level <= Level.USER for claim in decision.binding)
    of_one = decision.shed_at is not None or any(claim.device for claim in decision.binding)
    return Wish.REST_ALONE if by_user and of_one else Wish.REST


def restart_claims(
    held: Mapping[str, Rest], wishes: Mapping[str, Wish], rules: RestartRules, zone: tzinfo
) -> tuple[Claim, ...]:
    """Return what to state of those that are held back: one claim if it is the same for all."""
    stated = {name: _claim(name, rest, rules, zone) for name, rest in held.items()}
    wanted = {name for name, wish in wishes.items() if wish is Wish.RUN}
    alike = {replace(claim, device="") for claim in stated.values()}
    if len(alike) == 1 and wanted <= stated.keys():
        return tuple(alike)
    return tuple(claim for name, claim in stated.items() if name)


def _claim(device: str, rest: Rest, rules: RestartRules, zone: tzinfo) -> Claim:
    assert rest.released is not None
    return Claim(
        level=Level.WINDOW,
        issuer=ISSUER,
        device=device,
        limit=IDLE,
        cause=rest.reason(rules, zone),
        since=rest.released,
        until=rest.start,
    )
