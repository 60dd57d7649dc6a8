"""The settings of a soft start: which slot this rig has, and what its boards are spared."""

from dataclasses import dataclass, field

from stratum_client.control.soft_restart import RestartRules
from stratum_client.control.start_slots import Slots, SlotsError, slot_by_name, slot_length
from stratum_client.setting_kinds import Kind, NotAllowedError, read_as, seconds, whole
from stratum_client.units import UnitError, parse_duration, parse_power

LONGEST_CYCLE = 86_400.0
"""Seconds within which all rigs of a site must have started."""

_SLOT = 1.0
_LONGEST_WAIT = 86_400.0
_SHORTEST_LIMIT, _LARGEST = 1.0, 1e12  # watts


def _rig_power(value: object) -> object:
    return _within(_power(value))


def _rise(value: object) -> object:
    """Return watts a minute."""
    text = value.strip() if isinstance(value, str) else ""
    power, slash, minute = text.rpartition("/")
    if not slash or minute.strip() != "min":
        raise NotAllowedError
    return _within(_power(power))


def _range(value: object) -> object:
    """Return the shortest and the longest of a range of times; one time is from 0 to it."""
    low, dash, high = value.rpartition("-") if isinstance(value, str) else ("", "", value)
    try:
        shortest, longest = parse_duration(low) if dash else 0.0, parse_duration(high)
    except UnitError as error:
        raise NotAllowedError from error
    if shortest <= longest <= _LONGEST_WAIT:
        return shortest, longest
    raise NotAllowedError


def _power(value: object) -> float:
    try:
        return parse_power(value)
    except UnitError as error:
        raise NotAllowedError from error


def _within(watts: float) -> float:
    if _SHORTEST_LIMIT <= watts <= _LARGEST:
        return watts
    raise NotAllowedError


RIG_POWER = Kind('a power with its unit, as in "3.4kW"', _rig_power)
RISE = Kind('a power by minute, as in "2MW/min"', _rise)
RANGE = Kind('a range of times up to a day, as in "0s-5m"', _range)


@dataclass(frozen=True, slots=True, kw_only=True)
class InrushConfig:
    """How a rig starts that rested; times in seconds, None: not given.

    ``site_limit`` is in watts a minute, ``rig_power`` in watts. ``after_power_loss`` is the range
    of a random wait.
    """

    start_slots: int | None = field(default=None, metadata=read_as(whole(1, 1_000_000)))
    slot: float | None = field(default=None, metadata=read_as(seconds(0.001, 3600)))
    index: int | None = field(default=None, metadata=read_as(whole(0, 999_999)))
    rigs: int | None = field(default=None, metadata=read_as(whole(1, 1_000_000)))
    rig_power: float | None = field(default=None, metadata=read_as(RIG_POWER))
    site_limit: float | None = field(default=None, metadata=read_as(RISE))
    ramp: float = field(default=0.0, metadata=read_as(seconds(0, 3600)))
    min_off: float = field(default=0.0, metadata=read_as(seconds(0, 86_400)))
    after_power_loss: tuple[float, float] = field(default=(0.0, 0.0), metadata=read_as(RANGE))

    @property
    def problem(self) -> tuple[str, str] | None:
        """Return a key and what is wrong with it beside the others, None if nothing is."""
        if self.site_limit is not None and (self.rigs is None or self.rig_power is None):
            return "site_limit", "needs rigs and rig_power: how many start, and what each takes"
        if self.site_limit is None and self.rig_power is not None:
            return "rig_power", "is for site_limit alone, which is not given"
        for key, value in (("index", self.index), ("slot", self.slot)):
            if value is not None and self.rigs is None and self.start_slots is None:
                return key, "needs start_slots, or rigs: how many slots are there?"
        if self.index is not None and self.rigs is not None and self.index >= self.rigs:
            return "index", f"counts from 0: of {self.rigs} rigs the last one has {self.rigs - 1}"
        return self._slot_problem()

    def _slot_problem(self) -> tuple[str, str] | None:
        """Return what is wrong with slots as they are laid out."""
        try:
            needed = self._needed()
        except SlotsError as error:
            return "site_limit", str(error)
        if self.slot is not None and self.slot < needed:
            return "slot", f"site_limit needs {needed:.3f}s; without a slot it is made so"
        if self._count * self._length > LONGEST_CYCLE:
            hours = self._count * self._length / 3600
            return "start_slots", f"the last rig would start only after {hours:.0f} hours"
        return None

    def rules(self, rig: str) -> RestartRules:
        """Return how the rig of this name starts; there must be no `problem`."""
        own = slot_by_name(rig, self._count) if self.index is None else self.index % self._count
        slots = Slots(count=self._count, length=self._length, own=own)
        return RestartRules(slots=slots, min_off=self.min_off, wait=self.after_power_loss)

    @property
    def _count(self) -> int:
        return self.start_slots or self.rigs or 1

    @property
    def _length(self) -> float:
        return self.slot or self._needed() or _SLOT

    def _needed(self) -> float:
        """Return how long slots must be for the site's limit, 0 without one."""
        if self.site_limit is None or self.rig_power is None or self.rigs is None:
            return 0.0
        return slot_length(
            limit=self.site_limit,
            rig=self.rig_power,
            rigs=self.rigs,
            count=self._count,
            is_indexed=self.index is not None,
            ramp=self.ramp,
        )
